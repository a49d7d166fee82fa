//! The command line itself: the manual, wrong usage, where the configuration comes from.

use super::command::{NUMBER, Site};

#[test]
fn the_manual_is_there() {
    let site = Site::new("sqlite");
    let all = site.run(&["--help"]);
    all.is_done("usage: otp COMMAND").is_done("exit status: 0 done, 1 refused, 2 wrong usage, 3 failed");
    assert_eq!(site.run(&["help"]).out, all.out);
    let listed = all.out.split("commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in listed.lines() {
        let name = line.split_whitespace().next().unwrap();
        let said = site.run(&["help", name]);
        said.is_done(&format!("usage: otp {name}")).is_done(&format!("\nexample:\n  otp {name}"));
        assert_eq!(site.run(&[name, "--help"]).out, said.out);
        let widest = said.out.lines().chain(all.out.lines()).map(|line| line.chars().count()).max();
        assert!(widest <= Some(120), "{said:?}");
    }
    site.run(&["--version"]).is_done(concat!("otp ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// The page for operators lists what the manual does.
#[test]
fn the_page_has_the_table_of_the_manual() {
    let all = Site::new("sqlite").run(&["--help"]).out;
    let listed = all.split("commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let row = |line: &str| {
        let (usage, summary) = line.trim().split_once("  ").unwrap();
        format!("| `otp {usage}` | {} |", summary.trim())
    };
    let wanted: Vec<_> = listed.lines().map(row).collect();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/command.md")).unwrap();
    let found: Vec<_> = page.lines().filter(|line| line.starts_with("| `otp ")).collect();
    assert!(wanted.len() > 10 && found == wanted, "docs/command.md: the table is not\n{}", wanted.join("\n"));
}

#[test]
fn members_of_a_configuration_are_listed() {
    let site = Site::new("sqlite");
    let options: Vec<serde_json::Value> = serde_json::from_str(include_str!("../../../docs/options.json")).unwrap();
    let said = site.run(&["help", "config"]);
    said.is_done("  otpLength             Digits of a code\n").is_done("default: 6\n").is_done("man libotp");
    let names: Vec<_> = said.out.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).collect();
    assert!(names.len() > 10, "{said:?}");
    for line in names {
        let (name, about) = line.trim().split_once(' ').unwrap();
        let option = options.iter().find(|option| option["name"] == name).unwrap();
        assert!(option["text"].as_str().unwrap().starts_with(about.trim()) && !about.trim().is_empty(), "{line}");
    }
    assert!(said.out.lines().all(|line| line.chars().count() <= 120), "{said:?}");
}

/// A backup is put back as `otp help copy` says.
#[test]
fn a_backup_is_restored_by_the_recipe() {
    for (kind, name) in [("sqlite", "otp.db"), ("json", "otp")] {
        let site = Site::new(kind);
        let request = serde_json::json!({"phoneNumber": NUMBER}).to_string();
        let code = site.service().create("session 1", Some(&request)).unwrap().message.unwrap().code.to_string();
        assert_eq!(site.service().verify("session 1", &code, None).unwrap().outcome, otp::Outcome::Ok);
        site.run(&["copy", "json:backup"]).is_done("copied\n");
        for suffix in ["", "-wal", "-shm", "-lock"] {
            let path = |name: &str| site.folder.path().join(format!("{name}{suffix}"));
            let _ = std::fs::rename(path(name), path("old"));
        }
        let key = site.folder.path().join(format!("{name}.key"));
        let backup = serde_json::json!({"repository": "json:backup", "keyFile": key, "sender": {"type": "none"}});
        let target = site.folder.repository(kind);
        site.run(&["copy", &target, "--config", &backup.to_string()]).is_done("copied\n");
        site.run(&["status", "session 1"]).is_done("state: checked");
        assert_eq!(site.service().verify("session 1", &code, None).unwrap().outcome, otp::Outcome::Checked);
    }
}

/// Text as it reads, whatever it is set in.
fn read(text: &str) -> String {
    let plain = text.to_lowercase().replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "").replace("\\e", "\\");
    plain.replace(':', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_line_of_the_manual_is_in_the_page() {
    let site = Site::new("sqlite");
    let page = site.run(&["man"]).out;
    let told = page.lines().filter_map(|line| match line.strip_prefix('.') {
        Some(request) => request.split_once(' ').map(|(_, text)| text),
        None => Some(line),
    });
    let told = read(&told.collect::<Vec<_>>().join("\n"));
    let all = site.run(&["--help"]).out;
    let listed = all.split("commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().map(|line| line.split_whitespace().next().unwrap());
    let texts = names.map(|name| site.run(&["help", name]).out).chain([all.split_once(listed).unwrap().1.to_owned()]);
    let mut lines = 0;
    for text in texts {
        for line in text.lines().filter(|line| !line.starts_with("usage: ")) {
            assert!(told.contains(&read(line)), "not in the page: {line}");
            lines += 1;
        }
    }
    assert!(lines > 100, "{lines}");
    // What belongs to a command is no section.
    assert_eq!(page.matches(".SH EXIT STATUS").count(), 1, "{page}");
    assert!(!page.contains(".SH CALLS") && page.contains(".B sends\n") && page.contains(".B 2\nswitch: "), "{page}");
}

#[test]
fn wrong_usage_is_told() {
    let site = Site::new("sqlite");
    site.run(&[]).failed(2, "no command");
    site.run(&["393331234567"]).failed(2, "there is no such command");
    site.run(&["help", "nothing"]).failed(2, "there is no such command");
    site.run(&["status"]).failed(2, "status needs TOKEN");
    site.run(&["status", "one", "393331234567"]).failed(2, "one argument too many");
    site.run(&["status", "one", "--yes"]).failed(2, "status has no option --yes");
    site.run(&["--yes", "status"]).failed(2, "--yes comes after a command");
    site.run(&["status", "one", "-x"]).failed(2, "invalid option '-x'");
    site.run(&["status", "one", "--config"]).failed(2, "missing argument");
    site.run_with(&["status", "-"], "").failed(2, "standard input: has no line");
    for several in ["one\ntwo\n", "one\n\n\ntwo"] {
        site.run_with(&["status", "-"], several).failed(2, "standard input: has several lines");
    }
    site.run_with(&["status", "-"], "one\r\n\n").is_refused("no such request");
    site.run(&["status", "--", "--yes"]).is_refused("no such request");
    site.run(&["status", "--", "one", "--json"]).failed(2, "one argument too many");
    for wrong in [&["status"][..], &["nothing"], &["status", "one", "two"], &["--yes"], &["erase", NUMBER]] {
        let reply = site.json(wrong);
        assert!(reply["result"] == "OTP_E_ARGUMENT" && reply["message"].is_string(), "{reply}");
    }
    assert!(!site.run(&["status", "one", "393331234567"]).err.contains("393331234567"));
}

#[test]
fn the_configuration_comes_from_a_file_too() {
    let site = Site::new("sqlite");
    let file = site.folder.path().join("otp.json");
    std::fs::write(&file, format!("\u{feff}{}", site.config)).unwrap();
    let said = site.run(&["status", "any", "--config", file.to_str().unwrap()]);
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
    let mut without = site.command(&["status", "any"]);
    super::command::said(without.env_remove("OTP_CONFIG"), "").failed(2, "no configuration");
    let by_variable = r#"{"repository": "env:WHERE", "sender": {"type": "none"}}"#;
    let mut named = site.command(&["status", "any", "--config", by_variable]);
    assert_eq!(super::command::said(named.env("WHERE", "sqlite:otp.db"), "").code, 1);
    let mut named = site.command(&["status", "any", "--config", by_variable]);
    super::command::said(named.env("WHERE", "sqlite:none.db"), "").failed(3, "is not there");
}

#[test]
fn a_typo_in_the_configuration_is_named() {
    let site = Site::new("sqlite");
    let typo = site.config.replacen('{', r#"{"validityTim": 5, "#, 1);
    site.run(&["status", "any", "--config", &typo]).failed(3, "validityTim");
    let twice = site.config.replacen('{', r#"{"otpLength": 6, "otpLength": 6, "background": true, "#, 1);
    site.run(&["status", "any", "--config", &twice]).failed(3, "otpLength");
    let said = site.run(&["status", "any", "--config", r#"{"key": "secret"#]);
    assert!(!said.failed(3, "config: not one JSON object: line 1, column 15").err.contains("secret"), "{said:?}");
    site.run(&["status", "any", "--config", "missing.json"]).failed(3, "no such file or directory");
}
