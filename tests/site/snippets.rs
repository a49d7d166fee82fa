//! Snippets of the pages: programs are run, what is a part of one is compiled, and what else there is is parsed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;
use testing::compiler::{Compiler, root, text};
use testing::workspace::Workspace;
use testing::{Folder, Watchdog, shared_library, tool};

use crate::markdown::{Mark, Snippet, snippets};

/// Snippets that are parsed, and not run, for the reasons that stand before them.
const NOT_RUN: usize = 2;

/// Snippets that are not even parsed.
const NOT_CHECKED: usize = 2;

/// Languages of which there is nothing to check: what a program prints.
const TEXTS: [&str; 1] = ["text"];

fn all(languages: &[&str]) -> Vec<Snippet> {
    let is_one = |snippet: &Snippet| {
        languages.contains(&snippet.language.as_str()) && !matches!(snippet.mark, Some(Mark::NotChecked(_)))
    };
    let found: Vec<_> = snippets().into_iter().filter(is_one).collect();
    assert!(!found.is_empty(), "no snippets in {languages:?}");
    found
}

/// Runs a program to its end, which must be a good one. The code that it has sent to standard error is typed.
fn run(place: &str, command: &mut Command) -> String {
    let _watchdog = Watchdog::new(place, 120);
    let folder = Folder::another("snippet");
    command.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut typed = process.stdin.take();
    let mut out = process.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut printed = Vec::new();
        out.read_to_end(&mut printed).unwrap();
        text(&printed)
    });
    let mut errors = String::new();
    let mut was_asked = false;
    for line in BufReader::new(process.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, code)) = line.split_once("] Insert the following code: ") {
            was_asked = true;
            let mut input = typed.take().unwrap();
            writeln!(input, "{code}").unwrap();
        }
        errors += &format!("{line}\n");
    }
    let status = process.wait().unwrap();
    let printed = reader.join().unwrap();
    assert!(status.success(), "{place}: {status}\n{printed}\n{errors}");
    assert!(!was_asked || printed.ends_with("Welcome\n"), "{place}: {printed}");
    printed
}

/// Runs a command that reads a snippet from standard input.
fn parse(place: &str, command: &mut Command, code: &str) -> String {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{place}: {}\n{code}", text(&output.stderr));
    text(&output.stdout)
}

fn programs(language: &str, compiler: &str, standard: &str) {
    let Some(compiler) = Compiler::new(compiler, &format!("site-{language}")) else { return };
    for (number, snippet) in all(&[language]).iter().enumerate() {
        assert!(snippet.code.contains("int main("), "{}: no whole program", snippet.place);
        let source = compiler.folder.path().join(format!("{number}.{language}"));
        std::fs::write(&source, &snippet.code).unwrap();
        let program = compiler.program(&format!("{language}{number}"), &[source], &[standard]);
        run(&snippet.place, &mut Command::new(program));
    }
}

#[test]
fn c() {
    programs("c", "cc", "-std=c99");
}

#[test]
fn cpp() {
    programs("cpp", "c++", "-std=c++11");
}

#[test]
fn python() {
    let Some(python) = tool("python3") else { return };
    for snippet in all(&["python"]) {
        let mut command = Command::new(&python);
        if snippet.mark.is_some() {
            parse(&snippet.place, command.args(["-c", "import ast, sys; ast.parse(sys.stdin.read())"]), &snippet.code);
            continue;
        }
        let folder = Folder::another("snippet-python");
        let program = folder.path().join("program.py");
        std::fs::write(&program, &snippet.code).unwrap();
        command.env("PYTHONPATH", root().join("bindings/python/src")).env("LIBOTP_LIBRARY", shared_library());
        run(&snippet.place, command.env("PYTHONDONTWRITEBYTECODE", "1").arg(program));
    }
}

#[test]
fn node() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.install("bindings/node", &["--ignore-scripts"]);
    workspace.install("examples/node", &["--ignore-scripts"]);
    let project = workspace.path("examples/node");
    for (number, snippet) in all(&["js"]).iter().enumerate() {
        let program = project.join(format!("snippet-{number}.cjs"));
        std::fs::write(&program, &snippet.code).unwrap();
        let mut command = workspace.command(&project, "node");
        if snippet.mark.is_some() {
            parse(&snippet.place, command.arg("--check").arg(&program), "");
        } else {
            run(&snippet.place, command.arg(&program));
        }
        std::fs::remove_file(program).unwrap();
    }
}

/// rustdoc compiles and runs them, as tests of the crate.
#[test]
fn rust() {
    let crate_root = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for snippet in all(&["rust", "rust,no_run"]) {
        let (page, _) = snippet.place.split_once(':').unwrap();
        assert!(crate_root.contains(&format!("include_str!(\"../docs/{page}\")")), "src/lib.rs does not test {page}");
    }
}

/// Commands that are ours exist, and the shell can read all.
#[test]
fn shell() {
    let Some(bash) = tool("bash") else { return };
    let tasks = std::fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
    let tools = crate::built::files(&root().join("tools/src"), ".rs");
    let tools: String = tools.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    for snippet in all(&["sh"]) {
        parse(&snippet.place, Command::new(&bash).arg("-n"), &snippet.code);
        for line in snippet.code.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let is_known = match words.as_slice() {
                ["cargo", "xtask", task, ..] => tasks.contains(&format!("\"{task}\" =>")),
                ["otp", command, ..] => tools.contains(&format!("name: \"{command}\"")),
                _ => true,
            };
            assert!(is_known, "{}: {line}", snippet.place);
        }
    }
}

/// Options whose members are anybody's.
const FREE: [&str; 9] = [
    "message.",
    "sender.headers.",
    "sender.basic.",
    "sender.json.",
    "sender.form.",
    "sender.query.",
    "sender.accepted[].",
    "sender.notTaken[].",
    "sender.refused[].",
];

/// Options of a configuration, also within objects and lists, are options of the library.
fn is_configuration(place: &str, value: &Value, within: &str, known: &[String]) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = format!("{within}{name}");
                // Texts by locale, limits, and what a request to a carrier holds have members of their own.
                let is_free = |option: &&str| within.starts_with(*option) || name.starts_with("policy.sendLimits");
                if FREE.iter().any(is_free) {
                    continue;
                }
                if within == "senders." {
                    is_configuration(place, value, "sender.", known);
                    continue;
                }
                let is_known = |option: &String| *option == name || option.starts_with(&format!("{name}."));
                let is_list = |option: &String| option.starts_with(&format!("{name}[]"));
                assert!(known.iter().any(|option| is_known(option) || is_list(option)), "{place}: {name} is no option");
                let inner = if value.is_array() { format!("{name}[].") } else { format!("{name}.") };
                is_configuration(place, value, &inner, known);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| is_configuration(place, item, within, known)),
        _ => {}
    }
}

fn options() -> Vec<String> {
    let list = std::fs::read_to_string(root().join("docs/options.json")).unwrap();
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    list.iter().map(|option| option["name"].as_str().unwrap().to_owned()).collect()
}

fn configurations(place: &str, json: &str) -> usize {
    let values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
    values.map(|value| is_configuration(place, &value.expect(place), "", &options())).count()
}

#[test]
fn json() {
    for snippet in all(&["json"]) {
        assert!(configurations(&snippet.place, &snippet.code) > 0, "{}", snippet.place);
    }
    let wrong = serde_json::json!({"workflow": [{"chanel": "sms"}]});
    assert!(std::panic::catch_unwind(|| is_configuration("here", &wrong, "", &options())).is_err());
}

/// What stands in a file for Kubernetes as JSON is a configuration as well.
#[test]
fn yaml() {
    let Some(ruby) = tool("ruby") else { return };
    let script = "require 'json'; YAML.load_stream($stdin.read).each { |part| \
                  (part['data'] || {}).each { |name, text| puts JSON.generate(JSON.parse(text)) if name.end_with?('.json') } }";
    for snippet in all(&["yaml"]) {
        let found = parse(&snippet.place, Command::new(&ruby).args(["-ryaml", "-e", script]), &snippet.code);
        assert!(configurations(&snippet.place, &found) > 0, "{}", snippet.place);
    }
}

/// TOML is read, and tables are made.
#[test]
fn toml_and_sql() {
    let Some(python) = tool("python3") else { return };
    let makes = "import sqlite3, sys; sqlite3.connect(':memory:').executescript(sys.stdin.read())";
    for snippet in all(&["sql"]) {
        parse(&snippet.place, Command::new(&python).args(["-c", makes]), &snippet.code);
    }
    let reads =
        "import sys\ntry:\n  import tomllib\nexcept ImportError:\n  sys.exit()\ntomllib.loads(sys.stdin.read())";
    for snippet in all(&["toml"]) {
        parse(&snippet.place, Command::new(&python).args(["-c", reads]), &snippet.code);
    }
}

/// Every snippet is of a kind that a test here checks, or says why not.
#[test]
fn every_snippet_is_checked_or_says_why_not() {
    let checked = ["c", "cpp", "python", "js", "rust", "rust,no_run", "sh", "json", "yaml", "toml", "sql"];
    let (mut not_run, mut not_checked) = (0, 0);
    for Snippet { place, language, mark, .. } in snippets() {
        match mark {
            Some(Mark::NotChecked(reason)) => {
                assert!(reason.len() > 10, "{place}");
                not_checked += 1;
            }
            Some(Mark::NotRun(reason)) => {
                assert!(reason.len() > 10 && ["python", "js"].contains(&language.as_str()), "{place}");
                not_run += 1;
            }
            None => {
                let is_known = checked.iter().chain(&TEXTS).any(|known| *known == language);
                assert!(is_known, "{place}: nothing checks {language:?}");
            }
        }
    }
    assert_eq!((not_run, not_checked), (NOT_RUN, NOT_CHECKED));
}

/// The marks are read.
#[test]
fn marks_are_those_of_the_line_before() {
    let marks: Vec<_> = snippets().into_iter().filter_map(|snippet| snippet.mark).collect();
    assert!(marks.contains(&Mark::NotRun("Django is no dependency of the package".to_owned())), "{marks:?}");
}
