//! What the pages on security say is held by a test is: each test that they name exists, and no row is missing.

use std::collections::BTreeSet;
use std::process::Command;

use regex::Regex;
use testing::compiler::{root, succeed};
use testing::tool;

use crate::built::files;

/// Pages whose tables end with the tests that hold what they say.
const PAGES: [&str; 4] = ["promises.md", "flaws.md", "requirements.md", "standards.md"];

/// Rows for which there is no test, but a reason.
const WITHOUT_TEST: usize = 8;

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// All tests, by the path under which cargo knows them or more: modules that files make, and the function.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let rust = Regex::new(r"#\[test\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)").unwrap();
    for folder in ["src", "tests", "tools/tests", "service/tests", "simulator/src"] {
        for file in files(&root().join(folder), ".rs") {
            let within = file.strip_prefix(root()).unwrap().with_extension("");
            let module = within.to_str().unwrap().replace('/', "::");
            let text = std::fs::read_to_string(&file).unwrap();
            found.extend(rust.captures_iter(&text).map(|test| format!("{module}::{}", &test[1])));
        }
    }
    let python = Regex::new(r"def (test_\w+)").unwrap();
    for file in files(&root().join("bindings/python/tests"), ".py") {
        let module = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        found.extend(python.captures_iter(&text).map(|test| format!("python::{module}::{}", &test[1])));
    }
    found
}

/// The tests that a text names: words between backticks that are paths, or the whole cell of a table.
fn named(text: &str) -> Vec<String> {
    let path = Regex::new(r"`((?:[a-z0-9_]+::)+[a-z0-9_]+|[a-z0-9]+_[a-z0-9_]+)`").unwrap();
    path.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// The rows of a page's tables, as cells, without their heads.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<_> = text.lines().collect();
    let is_row = |place: usize| lines[place].starts_with('|') && !lines[place].starts_with("|---");
    let is_head = |place: usize| lines.get(place + 1).is_some_and(|next| next.starts_with("|---"));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    (0..lines.len()).filter(|&place| is_row(place) && !is_head(place)).map(|place| cells(lines[place])).collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let tests = tests();
    assert!(tests.len() > 700, "{}", tests.len());
    let is_there = |name: &str| tests.iter().any(|test| test.ends_with(&format!("::{name}")));
    let (mut count, mut without) = (0, 0);
    for name in PAGES {
        for cells in rows(&page(name)) {
            let last = cells.last().unwrap();
            let tests = named(last);
            if last.starts_with("none: ") {
                without += 1;
                continue;
            }
            assert!(!tests.is_empty(), "{name}: {cells:?}");
            for test in tests {
                count += 1;
                assert!(is_there(&test), "{name}: there is no test {test}");
            }
        }
    }
    assert!(count > 150, "{count}");
    assert_eq!(without, WITHOUT_TEST);
    // Other pages name tests in their sentences.
    for file in files(&root().join("docs"), ".md") {
        let text = std::fs::read_to_string(&file).unwrap();
        // Functions have shorter names than tests.
        let is_test = |name: &String| name.contains("::test_") || name.matches('_').count() > 2;
        for test in named(&text).into_iter().filter(|name| name.contains("::") && is_test(name)) {
            assert!(is_there(&test), "{}: there is no test {test}", file.display());
        }
    }
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    let tests = tests();
    assert!(tests.iter().any(|test| test.ends_with("::tables::a_test_that_is_not_there_is_noticed")));
    assert!(!tests.iter().any(|test| test.ends_with("::tables::a_test_that_was_removed")));
    assert_eq!(named("`race::a_code`, `max` and `Some::Thing`"), ["race::a_code"]);
}

#[test]
fn all_flaws_and_requirements_are_told() {
    for (name, letter, last) in [("flaws.md", 'F', 30), ("requirements.md", 'R', 44)] {
        let told: Vec<_> = rows(&page(name)).into_iter().map(|cells| cells[0].clone()).collect();
        let all: Vec<_> = (1..=last).map(|number| format!("{letter}{number:02}")).collect();
        assert_eq!(told, all, "{name}");
    }
}

/// Keys that tests use were made for them; nobody's credentials are among the files.
#[test]
fn no_private_key_is_tracked_but_those_of_tests() {
    if tool("git").is_none() || !root().join(".git").exists() {
        return;
    }
    // The texts are put together, or this file would be found.
    let key = format!("-----BEGIN [A-Z ]*{}-----", "PRIVATE KEY");
    let mut git = Command::new("git");
    let files = succeed(git.args(["grep", "-lE", "-e", &key]).current_dir(root()));
    // Beside the sources stand tests as well.
    let found: Vec<_> = files.lines().filter(|file| !file.contains("tests")).collect();
    assert!(files.lines().count() > 1 && found.is_empty(), "{found:?}");
}
