//! The vectors of `tests/vectors`, which say what every language must answer, run from Rust, C and C++.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::scenarios::library::Library;
use crate::scenarios::model::REPOSITORIES;
use crate::scenarios::runner::Runner;
use testing::compiler::{Compiler, root, valgrind};
use testing::place::{Place, SERVERS};
use testing::{Watchdog, size};

/// How many steps there must be at least.
const STEPS: usize = 200;

#[test]
fn vectors_are_whole() {
    let files = crate::scenarios::model::read_all();
    let scenarios: Vec<_> = files.iter().flat_map(|(_, scenarios)| scenarios).collect();
    let names: BTreeSet<_> = scenarios.iter().map(|scenario| &scenario.name).collect();
    assert_eq!(names.len(), scenarios.len(), "a name is used twice");
    let steps: usize = scenarios.iter().map(|scenario| scenario.steps.len()).sum();
    assert!(steps >= STEPS, "{steps} steps");
    for scenario in scenarios {
        let kinds = scenario.repositories.iter().flatten();
        kinds.for_each(|kind| assert!(REPOSITORIES.contains(&kind.as_str()), "{}: {kind}", scenario.name));
        assert!(scenario.sender.as_ref().is_none_or(|sender| sender == "host"), "{}: sender", scenario.name);
        for step in &scenario.steps {
            let is_text = ["config", "request", "report"]
                .iter()
                .any(|name| step.arguments.get(*name).is_some_and(|it| it.is_string()));
            assert!(!is_text || step.raw, "{}: {} takes a text but is not raw", scenario.name, step.call);
            assert!(!step.raw || step.capture.is_empty(), "{}: a raw step captures", scenario.name);
        }
    }
}

fn run_all(kind: &str) {
    let _watchdog = Watchdog::new("vectors", 300);
    let Some(place) = Place::new(kind, "vectors") else { return };
    let mut flaws = Vec::new();
    for (file, scenarios) in crate::scenarios::model::read_all() {
        for scenario in scenarios.iter().filter(|scenario| scenario.runs_on(kind)) {
            place.clear();
            if let Err(flaw) = Runner::run(&mut Library::default(), scenario, &place.repository) {
                flaws.push(format!("{file}: {}: {flaw}", scenario.name));
            }
        }
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
}

#[test]
fn rust_in_memory() {
    run_all("memory");
}

#[test]
fn rust_on_sqlite() {
    run_all("sqlite");
}

#[test]
fn rust_on_json() {
    run_all("json");
}

#[test]
fn rust_on_servers() {
    SERVERS.into_iter().for_each(run_all);
}

/// A file of all scenarios on this kind of repository.
fn flat_file(compiler: &Compiler, kind: &str, with_helpers: bool) -> PathBuf {
    let all: Vec<_> = crate::scenarios::model::read_all().into_iter().flat_map(|(_, scenarios)| scenarios).collect();
    let (lines, steps) = crate::scenarios::flat::write(&all, kind, with_helpers);
    assert!(steps >= STEPS, "{steps} steps");
    let path = compiler.folder.path().join(format!("{kind}.steps"));
    std::fs::write(&path, lines).unwrap();
    path
}

/// Runs a program on all scenarios and on every repository, perhaps by another program.
fn run_program(compiler: &Compiler, runner: &[&str], program: &Path, kinds: &[&str], with_helpers: bool) {
    for kind in kinds {
        let file = flat_file(compiler, kind, with_helpers);
        compiler.run(runner, program, file.to_str().unwrap());
    }
}

#[test]
fn c_on_every_repository() {
    let Some(compiler) = Compiler::new("cc", "vectors-c") else { return };
    let program = compiler.program("vectors", &[root().join("tests/c/vectors.c")], &["-std=c99"]);
    run_program(&compiler, &[], &program, &REPOSITORIES, true);
}

#[test]
fn c_under_valgrind() {
    let (Some(compiler), Some(valgrind)) = (Compiler::new("cc", "vectors-valgrind"), valgrind()) else { return };
    let program = compiler.program("vectors", &[root().join("tests/c/vectors.c")], &["-std=c11"]);
    let kinds = &REPOSITORIES[..size(1, REPOSITORIES.len())];
    run_program(&compiler, &valgrind.each_ref().map(String::as_str), &program, kinds, true);
}

#[test]
fn cpp_on_every_repository() {
    let Some(compiler) = Compiler::new("c++", "vectors-cpp") else { return };
    let program = compiler.program("vectors", &[root().join("tests/cpp/vectors.cpp")], &["-std=c++11"]);
    // The helpers are functions of C.
    run_program(&compiler, &[], &program, &REPOSITORIES, false);
}
