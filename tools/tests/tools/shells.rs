//! The manual page and the completions, which are made from the manual.

use std::process::{Command, Stdio};

use super::command::{Site, said};

/// The names in the list of commands.
fn commands(site: &Site) -> Vec<String> {
    let all = site.run(&["--help"]).out;
    let listed = all.split("commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    listed.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// The options that the manual of a command lists.
fn options(site: &Site, command: &str) -> Vec<String> {
    let manual = site.run(&["help", command]).out;
    let option = |line: &str| Some(format!("--{}", line.strip_prefix("  --")?.split(' ').next()?));
    manual.lines().filter_map(option).collect()
}

#[test]
fn the_manual_page_is_in_order_and_has_all() {
    let site = Site::new("sqlite");
    let page = site.run(&["man"]);
    page.is_done(".TH OTP 1 ").is_done(".SH EXIT STATUS\n0 done, 1 refused, 2 wrong usage, 3 failed\n");
    let Some(groff) = testing::tool("groff") else { return };
    let mut render = Command::new(groff);
    render.args(["-man", "-Tutf8", "-ww", "-P-cbou"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let rendered = said(&mut render, &page.out);
    assert!(rendered.code == 0 && rendered.err.is_empty(), "{rendered:?}");
    let words =
        |text: &str| text.replace(['\u{2010}', '\u{2212}'], "-").split_whitespace().collect::<Vec<_>>().join(" ");
    let text = words(&rendered.out);
    for command in commands(&site) {
        let manual = site.run(&["help", &command]).out;
        let example = manual.split("\nexample:\n").nth(1).unwrap();
        assert!(text.contains(&words(example)), "{example}: {text}");
        for option in options(&site, &command) {
            assert!(text.contains(&format!("{option} ")), "{option}");
        }
    }
    for option in ["--config FILE|JSON", "--json", "--help", "--version"] {
        assert!(text.contains(option), "{option}: {text}");
    }
    if let Some(man) = testing::tool("man") {
        let mut man = Command::new(man);
        man.args(["--warnings", "-E", "UTF-8", "-l", "-"]).env("MANROFFSEQ", "");
        man.stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = said(&mut man, &page.out);
        assert!(shown.code == 0 && shown.err.is_empty() && shown.out.contains("OTP(1)"), "{shown:?}");
    }
}

/// What bash completes on a line of these words, of which the last is not whole.
fn bash(site: &Site, words: &[&str]) -> Vec<String> {
    let script = "source <(\"$OTP\" completions bash); COMP_WORDS=(\"$@\"); COMP_CWORD=$(( $# - 1 ))
                  $(complete -p otp | sed 's/.*-F \\([^ ]*\\).*/\\1/') otp \"${@: -1}\" \"${@: -2:1}\"
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]).args(words).env("OTP", env!("CARGO_BIN_EXE_otp"));
    bash.current_dir(site.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let told = said(&mut bash, "");
    assert!(told.code == 0 && told.err.is_empty(), "{words:?}: {told:?}");
    told.out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes() {
    if testing::tool("bash").is_none() {
        return;
    }
    let site = Site::new("sqlite");
    let script = site.run(&["completions", "bash"]);
    let mut check = Command::new("bash");
    check.arg("-n").stdout(Stdio::piped()).stderr(Stdio::piped());
    said(&mut check, &script.out).is_done("");
    let names = commands(&site);
    let first = bash(&site, &["otp", ""]);
    assert!(names.iter().all(|name| first.contains(name)), "{first:?}");
    assert_eq!(bash(&site, &["otp", "sta"]), ["status"]);
    assert_eq!(bash(&site, &["otp", "help", "metr"]), ["metrics"]);
    for name in &names {
        let told = bash(&site, &["otp", name, "--"]);
        let expected =
            [options(&site, name), ["--config", "--json", "--help", "--version"].map(str::to_owned).to_vec()];
        assert_eq!(told, expected.concat(), "{name}");
    }
    assert_eq!(bash(&site, &["otp", "copy", "--config", "x", "--mo"]), ["--move"]);
    assert_eq!(bash(&site, &["otp", "metrics", "--format", ""]), ["openmetrics", "json"]);
    std::fs::write(site.folder.path().join("my otp.json"), "{}").unwrap();
    assert_eq!(bash(&site, &["otp", "status", "--config", "my"]), ["my otp.json"]);
    assert_eq!(bash(&site, &["otp", "due", "--every", ""]), [""; 0]);
}

/// Where these shells are: that they take the file, and complete by it.
#[test]
fn zsh_and_fish_complete() {
    let site = Site::new("sqlite");
    if let Some(zsh) = testing::tool("zsh") {
        let mut check = Command::new(zsh);
        check.arg("-n").stdout(Stdio::piped()).stderr(Stdio::piped());
        said(&mut check, &site.run(&["completions", "zsh"]).out).is_done("");
    }
    if let Some(fish) = testing::tool("fish") {
        let mut complete = Command::new(fish);
        complete.args(["-c", "$OTP completions fish | source; complete -C 'otp metrics --format '"]);
        complete.env("OTP", env!("CARGO_BIN_EXE_otp")).env("HOME", site.folder.path());
        complete.stdout(Stdio::piped()).stderr(Stdio::piped());
        said(&mut complete, "").is_done("openmetrics");
    }
    site.run(&["completions", "csh"]).failed(2, "must be of bash, zsh or fish");
}
