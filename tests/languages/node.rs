//! The Node package: its own tests over both backends, its types, its installation and its examples.

use std::path::{Path, PathBuf};
use std::process::Command;

use testing::workspace::{Workspace, builds_quickly, copy, run, skip, succeeded};
use testing::{Folder, shared_library, size};

pub const PACKAGE: &str = "bindings/node";

/// The package with its dependencies.
pub fn package() -> Option<(Workspace, PathBuf)> {
    let workspace = Workspace::new()?;
    // The library is the test's own: nothing is to be built.
    workspace.install(PACKAGE, &["--ignore-scripts"]);
    let folder = workspace.path(PACKAGE);
    Some((workspace, folder))
}

/// The files with tests in a folder.
pub fn test_files(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.join("test")).unwrap().map(|entry| entry.unwrap().path());
    let is_test = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().contains(".test.");
    let mut files: Vec<_> = files.filter(is_test).collect();
    files.sort();
    files
}

/// `node --test` over the files; how many tests passed.
pub fn run_tests(command: &mut Command, files: &[PathBuf]) -> usize {
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

#[test]
fn service_and_examples_work() {
    let Some((workspace, _)) = package() else { return };
    for folder in ["examples/node", "examples/node/otp-service"] {
        workspace.install(folder, &["--ignore-scripts"]);
    }
    let folder = workspace.path("examples/node");
    let passed = run_tests(&mut workspace.command(&folder, "node"), &test_files(&folder));
    assert!(passed >= 10, "{passed}");
}

/// Test runners load the package more than once in a process, and bundlers take it apart.
#[test]
fn jest_and_bundles_work() {
    let Some((workspace, package)) = package() else { return };
    let tools = format!("{PACKAGE}/test/tools");
    workspace.install(&tools, &[]);
    let folder = workspace.path(&tools);
    let mut jest = workspace.command(&folder, "node");
    succeeded("jest", &run(jest.args(["node_modules/jest/bin/jest.js", "--runInBand"])));
    let bundles = folder.join("node_modules/.bundles");
    succeeded("bundle.cjs", &run(workspace.command(&folder, "node").arg("bundle.cjs").arg(&bundles)));
    // In a bundle the library is looked for where the package is installed.
    let installed = folder.join("node_modules/libotp");
    copy(&package.join("package.json"), &installed.join("package.json"));
    std::fs::create_dir_all(installed.join("native")).unwrap();
    std::fs::copy(shared_library(), installed.join("native/libotp.so")).unwrap();
    for bundle in ["esbuild.cjs", "esbuild.mjs", "webpack.cjs"] {
        for environment in [true, false] {
            let mut node = workspace.command(&folder, "node");
            node.arg(bundles.join(bundle));
            if !environment {
                node.env_remove("LIBOTP_LIBRARY");
            }
            let output = run(&mut node);
            succeeded(bundle, &output);
            assert_eq!(output.stdout, b"good once\n", "{bundle}");
        }
    }
}

#[test]
fn the_service_sends_an_sms_for_a_message_that_is_not_read() {
    let Some((workspace, _)) = package() else { return };
    for folder in ["examples/node", "examples/node/otp-service"] {
        workspace.install(folder, &["--ignore-scripts"]);
    }
    let mut node = workspace.command(&workspace.path("examples/node"), "node");
    node.arg(workspace.path("examples/node/otp-service/server.js"));
    testing::story::unread_is_followed_by_sms(node, "node");
}

/// The first program of the README.
pub fn readme_program(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("README.md")).unwrap();
    text.split("```js\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap().to_owned()
}

/// Runs the README's program in a project, in which nothing names the library any more.
pub fn runs_the_readme(workspace: &Workspace, project: &Folder, program: &str) {
    std::fs::write(project.path().join("login.js"), program).unwrap();
    let mut node = workspace.command(project.path(), "node");
    let output = run(node.arg("login.js").env_remove("LIBOTP_LIBRARY"));
    succeeded("the README's program", &output);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.starts_with("send this yourself: ") && out.ends_with("\nwelcome\na code is good once\n"), "{out}");
}

/// Takes the platforms of other machines from a manifest: their packages are not here to be installed.
fn only_this_platform(manifest: &Path) {
    let mut content: serde_json::Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    assert!(content.get("scripts").is_none());
    let platforms = content["optionalDependencies"].as_object_mut().unwrap();
    let here: Vec<_> = std::fs::read_dir(manifest.parent().unwrap().parent().unwrap()).unwrap().collect();
    let here: Vec<_> = here.into_iter().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    platforms.retain(|name, _| here.iter().any(|folder| *name == format!("@libotp/{folder}")));
    assert_eq!(platforms.len(), 1, "{here:?}");
    std::fs::write(manifest, content.to_string()).unwrap();
}

#[test]
fn published_packages_install_without_scripts() {
    let Some((workspace, folder)) = package() else { return };
    let project = Folder::new("node-published");
    let release = project.path().join("release");
    let mut node = workspace.command(&folder, "node");
    succeeded("release.cjs", &run(node.arg("scripts/release.cjs").arg(&release).arg(shared_library())));
    only_this_platform(&release.join("libotp/package.json"));
    let packages: Vec<_> = std::fs::read_dir(&release).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(packages.len(), 2, "{packages:?}");
    for package in &packages {
        assert!(package.join("LICENSE-MIT").exists() && package.join("LICENSE-APACHE").exists(), "{package:?}");
        let output = run(workspace.command(project.path(), "npm").args(["pack", "--silent"]).arg(package));
        succeeded("npm pack", &output);
    }
    let names =
        std::fs::read_dir(project.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let archives: Vec<_> = names.filter(|name| name.ends_with(".tgz")).map(|name| format!("./{name}")).collect();
    std::fs::write(project.path().join("package.json"), "{}").unwrap();
    let mut npm = workspace.command(project.path(), "npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).args(&archives);
    succeeded("npm install", &run(&mut npm));
    let (links, dead) = testing::links::to_files(&project.path().join("node_modules/libotp/README.md"));
    assert!(links > 0 && dead.is_empty(), "of {links} links: {dead:?}");
    runs_the_readme(&workspace, &project, &readme_program(&folder));
}

#[test]
fn one_command_installs_from_a_checkout() {
    // It builds the library in release mode, which takes minutes.
    if std::env::var("OTP_TEST_ALL").as_deref() != Ok("1") && size(0, 1) == 0 {
        return;
    }
    let Some(workspace) = Workspace::new() else { return };
    let project = Folder::new("node-checkout");
    let checkout = project.path().join("libotp");
    for part in [
        ".cargo",
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "service",
        "simulator",
        "testing",
        "tools",
        "xtask",
        "src",
        "include",
        "README.md",
        "benches",
        "examples",
        "tests",
    ] {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &checkout.join(part));
    }
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(PACKAGE), &checkout.join(PACKAGE));
    let app = Folder::new("node-project");
    std::fs::write(app.path().join("package.json"), "{}").unwrap();
    let mut npm = workspace.command(app.path(), "npm");
    npm.args(["install", "--no-audit", "--no-fund"]).arg(checkout.join(PACKAGE)).env_remove("LIBOTP_LIBRARY");
    succeeded("npm install", &run(builds_quickly(&mut npm)));
    assert!(checkout.join(PACKAGE).join("native/libotp.so").exists());
    runs_the_readme(&workspace, &app, &readme_program(&workspace.path(PACKAGE)));
}
