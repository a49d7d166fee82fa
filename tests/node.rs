//! The Node package: its own tests over both backends, its types, its installation and its examples.

mod common;
#[path = "node/workspace.rs"]
mod workspace;

use std::path::{Path, PathBuf};
use std::process::Command;

use workspace::{Workspace, run, skip, succeeded};

const PACKAGE: &str = "bindings/node";

/// The package with its dependencies.
fn package() -> Option<(Workspace, PathBuf)> {
    let workspace = Workspace::new()?;
    // The library is the test's own: nothing is to be built.
    workspace.install(PACKAGE, &["--ignore-scripts"]);
    let folder = workspace.path(PACKAGE);
    Some((workspace, folder))
}

/// The files of the package's tests.
fn test_files(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.join("test")).unwrap().map(|entry| entry.unwrap().path());
    let is_test = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().contains(".test.");
    let mut files: Vec<_> = files.filter(is_test).collect();
    files.sort();
    files
}

/// `node --test` over the files; how many tests passed.
fn run_tests(command: &mut Command, files: &[PathBuf]) -> usize {
    let output = run(command.args(["--test", "--test-reporter=tap"]).args(files));
    succeeded("node --test", &output);
    let out = String::from_utf8_lossy(&output.stdout);
    let passed = out.lines().find_map(|line| line.strip_prefix("# pass ")).and_then(|count| count.parse().ok());
    passed.unwrap_or_else(|| panic!("no count of tests: {out}"))
}

#[test]
fn package_keeps_its_promises_over_koffi() {
    let Some((workspace, folder)) = package() else { return };
    let files = test_files(&folder);
    assert!(files.len() >= 4, "{files:?}");
    let passed = run_tests(&mut workspace.command(&folder, "node"), &files);
    assert!(passed >= 25, "{passed}");
}

#[test]
fn types_fit_strict_typescript() {
    let Some((workspace, folder)) = package() else { return };
    let compiler = folder.join("node_modules/typescript/bin/tsc");
    let output = run(workspace.command(&folder, "node").arg(compiler).args(["--project", "test/types"]));
    succeeded("tsc", &output);
}

#[test]
fn package_keeps_its_promises_over_ffi_napi() {
    let Some((workspace, folder)) = package() else { return };
    let backend = format!("{PACKAGE}/test/ffi-napi");
    if let Err(cause) = workspace.try_install(&backend, &[]) {
        return skip(&format!("ffi-napi cannot be built: {cause}"));
    }
    let mut node = workspace.command(&workspace.path(&backend), "node");
    let passed = run_tests(node.env("LIBOTP_BACKEND", "ffi-napi"), &test_files(&folder));
    assert!(passed >= 25, "{passed}");
}
