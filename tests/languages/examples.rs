//! The examples in C and C++, built as their first comment says, and what they print.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use testing::{Folder, Watchdog, rust_example, shared_library, tool};

/// Every example, with the standard that it keeps to.
const EXAMPLES: [(&str, &str); 5] = [
    ("c/create_verify.c", "-std=c99"),
    ("c/custom_sender.c", "-std=c99"),
    ("c/threads.c", "-std=c99"),
    ("c/prefork.c", "-std=c99"),
    ("cpp/create_verify.cpp", "-std=c++11"),
];

const WARNINGS: &str = "-Wall -Wextra -Wconversion -pedantic-errors -Werror";

/// Most lines of an example.
const LINES: usize = 80;

fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
}

/// A folder that looks like the repository after a release build.
fn checkout(name: &str) -> Folder {
    let folder = Folder::new(name);
    let release = folder.path().join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    symlink(shared_library(), release.join("libotp.so")).unwrap();
    for part in ["examples", "include"] {
        symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join(part), folder.path().join(part)).unwrap();
    }
    folder
}

/// The commands in an example's first comment.
fn commands(source: &str) -> impl Iterator<Item = &str> {
    let comment =
        source.lines().take_while(|line| line.starts_with("/*") || line.starts_with(" *") || line.starts_with("//"));
    comment.filter_map(|line| line.strip_prefix(" *   ").or(line.strip_prefix("//   ")))
}

/// Builds an example by its own comment, strictly, and gives a command that runs it. None where a compiler is missing.
fn built(example: &str) -> Option<(Folder, Command)> {
    let compiler = if example.ends_with(".c") { "cc" } else { "c++" };
    tool(compiler)?;
    let (_, standard) = EXAMPLES.iter().find(|(name, _)| *name == example).unwrap();
    let folder = checkout(&example.replace(['/', '.'], "-"));
    let source = std::fs::read_to_string(examples().join(example)).unwrap();
    let program = commands(&source).find_map(|line| line.split_once(" -o ")).unwrap().1;
    for line in commands(&source).filter(|line| !line.starts_with("./")) {
        let strict = line.replacen(&format!("{compiler} "), &format!("{compiler} {standard} {WARNINGS} "), 1);
        let output = Command::new("sh").args(["-c", &strict]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{strict}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut command = Command::new(folder.path().join(program));
    command.current_dir(folder.path());
    Some((folder, command))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a program that must succeed prints.
fn printed(command: &mut Command) -> String {
    let _watchdog = Watchdog::new("an example", 120);
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{status}: {}{}", text(&stdout), text(&stderr));
    assert_eq!(text(&stderr), "");
    text(&stdout)
}

#[test]
fn every_example_is_tested_and_short() {
    let mut found = Vec::new();
    for (language, ending) in [("c", "c"), ("cpp", "cpp")] {
        for entry in std::fs::read_dir(examples().join(language)).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.extension().is_some_and(|extension| extension == ending), "{}", path.display());
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LINES, "{} has {lines} lines", path.display());
            found.push(format!("{language}/{}", path.file_name().unwrap().to_str().unwrap()));
        }
    }
    found.sort();
    let mut tested = EXAMPLES.map(|(name, _)| name);
    tested.sort_unstable();
    assert_eq!(found, tested);
}

#[test]
fn custom_sender() {
    let Some((_folder, mut command)) = built("c/custom_sender.c") else { return };
    let expected = "\
gateway: a message to 393331234567
wrong: Not found
valid: OK
used: The code has already been verified
gateway: a message to 393331234567
expired: The code is expired
gateway: closed
";
    assert_eq!(printed(&mut command), expected);
}

#[test]
fn create_verify_in_cpp() {
    let Some((_folder, mut command)) = built("cpp/create_verify.cpp") else { return };
    let expected = "\
a message to 393331234567 by sms
wrong: Not found
valid: OK
used: The code has already been verified
a message to 393331234567 by sms
expired: The code is expired
";
    assert_eq!(printed(&mut command), expected);
}

#[test]
fn threads() {
    let Some((_folder, mut command)) = built("c/threads.c") else { return };
    assert_eq!(printed(&mut command), "own codes: 8 valid\nshared code: 1 valid, 7 used\n");
}

#[test]
fn prefork() {
    let Some((_folder, mut command)) = built("c/prefork.c") else { return };
    let printed = printed(&mut command);
    let mut lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.pop(), Some("4 workers, 0 failed"));
    lines.sort_unstable();
    for (line, number) in lines.iter().zip(1..) {
        assert!(line.starts_with(&format!("worker {number}: own code valid, shared code: ")), "{line}");
    }
    assert_eq!(lines.len(), 4);
    assert_eq!(lines.iter().filter(|line| line.ends_with(": OK")).count(), 1, "{printed}");
    assert_eq!(lines.iter().filter(|line| line.ends_with(": The code has already been verified")).count(), 3);
}

/// A wrong code, nothing, and the right code.
fn three_tries(code: &str) -> String {
    let wrong = format!("{}{}", if code.starts_with('9') { '0' } else { '9' }, &code[1..]);
    format!("{wrong}\n\n{code}\n")
}

/// What is printed when somebody types what follows from the code, which appears on standard error after this: on
/// standard output, and on standard error after the message.
fn dialogue(command: &mut Command, announced: &str, typed: fn(&str) -> String) -> (String, String) {
    let _watchdog = Watchdog::new("an example", 120);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut errors = BufReader::new(process.stderr.take().unwrap());
    let mut message = String::new();
    while !message.starts_with('[') {
        message.clear();
        assert!(errors.read_line(&mut message).unwrap() > 0, "no message");
    }
    let code = message.trim_end().strip_prefix(announced).unwrap();
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{message}");
    process.stdin.take().unwrap().write_all(typed(code).as_bytes()).unwrap();
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    (text(&output.stdout), rest)
}

#[test]
fn demo() {
    let folder = Folder::new("demo");
    let mut command = Command::new(rust_example("demo"));
    command.args(["session 1", "393331234567"]).current_dir(folder.path());
    let (printed, errors) = dialogue(&mut command, "[sms to 393331234567] Insert the following code: ", three_tries);
    let expected =
        "The code is good for 300 seconds.\nCode: Not found\nCode: code: must have 1 to 64 bytes\nCode: OK\n";
    assert_eq!((printed.as_str(), errors.as_str()), (expected, ""));
    assert!(folder.path().join("otp.db").exists());
}

#[test]
fn log_events() {
    let folder = Folder::new("log-events");
    let output = Command::new(rust_example("log_events")).current_dir(folder.path()).output().unwrap();
    let lines: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
    let told: Vec<_> = lines.iter().map(|line| line.split(" record=").next().unwrap().trim_start()).collect();
    let expected = [
        "INFO log_events: the program begins",
        r#"INFO otp: what="create" result="OTP_OK""#,
        r#"WARN otp: what="verify" result="OTP_E_ARGUMENT""#,
        "INFO log_events: not asked: OTP_E_ARGUMENT",
        r#"INFO otp: what="verify" result="OTP_OK""#,
        r#"INFO otp: what="verify" result="OTP_CHECKED""#,
    ];
    let known: Vec<_> = told.iter().filter(|line| line.contains("what=") || line.contains("log_events:")).collect();
    assert_eq!((known.len(), output.status.success()), (expected.len(), true), "{lines:?}");
    assert!(known.iter().zip(expected).all(|(line, expected)| **line == expected), "{lines:?}");
}

#[test]
fn create_verify() {
    let Some((folder, mut command)) = built("c/create_verify.c") else { return };
    command.args(["123456789", "8192836451", "393331234567"]);
    let (printed, errors) =
        dialogue(&mut command, "[messenger to 8192836451] Insert the following code: ", three_tries);
    assert_eq!(printed, "The code is good for 300 seconds.\nCode: Not found\nCode: Code: OK\n");
    // The empty line is a failure, for the log, and no guess.
    assert_eq!(errors, "{\"result\":\"OTP_E_ARGUMENT\",\"message\":\"code: must have 1 to 64 bytes\"}\n");

    for (arguments, expected) in [(&["123456789", "8192836451", "no number"][..], 1), (&[], 2)] {
        let mut command = Command::new(command.get_program());
        let output = command.args(arguments).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
}

/// README's program in C is built and does what it says.
#[test]
fn the_program_in_readme() {
    let readme = include_str!("../../README.md");
    let program = readme.split_once("```c\n").unwrap().1.split_once("```").unwrap().0;
    let Some(compiler) = tool("cc") else { return };
    let folder = checkout("readme");
    std::fs::write(folder.path().join("login.c"), program).unwrap();
    symlink(shared_library(), folder.path().join("libotp.so.0")).unwrap();
    let mut build = Command::new(compiler);
    build.args(WARNINGS.split(' ')).args(["-std=c99", "login.c", "-Iinclude", "-Ltarget/release", "-lotp"]);
    build.arg(format!("-Wl,-rpath,{}", folder.path().display())).args(["-o", "login"]).current_dir(folder.path());
    assert_eq!(printed(&mut build), "");
    let login = || {
        let mut command = Command::new(folder.path().join("login"));
        command.current_dir(folder.path());
        command
    };
    let announced = "[sms to 393331234567] Insert the following code: ";
    let (printed, errors) = dialogue(&mut login(), announced, |code| format!("{code}\n"));
    assert_eq!((printed.as_str(), errors.as_str()), ("Code: Welcome\n", ""));
    // A second message right after the first is not sent, and then no code is asked for.
    let again = login().output().unwrap();
    assert_eq!((again.status.code(), text(&again.stdout).as_str()), (Some(1), ""));
    assert!(text(&again.stderr).contains("OTP_RATE_LIMITED"), "{}", text(&again.stderr));
}
