//! The Node package on the versions of Node that it promises, and on Bun and Deno, which run it as it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use testing::workspace::{Workspace, run, skip, succeeded};
use testing::{Folder, size};

use crate::node::{PACKAGE, package, readme_program, run_tests, test_files};

/// The oldest that the package's manifest allows, those with long-term support since, and the newest.
const VERSIONS: [&str; 5] = ["18", "20", "22", "24", "26"];

/// Tests of the package that must pass on each.
const LEAST_TESTS: usize = 40;

/// What Deno must be allowed, as the README says.
const DENO_FLAGS: [&str; 3] = ["--allow-ffi", "--allow-read", "--allow-env=LIBOTP_LIBRARY,UV_THREADPOOL_SIZE"];

/// The package, and beside it the runtimes as their registry has them.
struct Runtimes {
    workspace: Workspace,
    package: PathBuf,
    installed: PathBuf,
}

impl Runtimes {
    fn new() -> Option<Self> {
        let (workspace, package) = package()?;
        let folder = format!("{PACKAGE}/test/runtimes");
        if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
            skip("the other versions of Node, Bun and Deno are named for Linux on x86-64 alone");
            return None;
        }
        // Nothing is to be run for them: their programs are in the packages.
        workspace.install(&folder, &["--ignore-scripts"]);
        let installed = workspace.path(&folder).join("node_modules");
        Some(Self { workspace, package, installed })
    }

    /// A runtime to run in `folder`, if this machine can; it calls itself `version`.
    fn start(&self, folder: &Path, program: &str, version: &str) -> Option<Command> {
        let file = self.installed.join(program);
        let output = run(self.workspace.command(folder, file.to_str().unwrap()).arg("--version"));
        let err = String::from_utf8_lossy(&output.stderr);
        // One may ask for a newer C library than this machine has. Any other fault is to be seen.
        if !output.status.success() && err.contains("GLIBC") {
            skip(&format!("{program}: {}", err.lines().next().unwrap_or_default()));
            return None;
        }
        succeeded(program, &output);
        assert!(output.stdout.starts_with(version.as_bytes()), "{program}: {output:?}");
        let mut command = self.workspace.command(folder, file.to_str().unwrap());
        command.env("NO_COLOR", "1");
        Some(command)
    }

    fn bun(&self, folder: &Path) -> Option<Command> {
        self.start(folder, "@oven/bun-linux-x64/bin/bun", "1.")
    }

    fn deno(&self, folder: &Path) -> Option<Command> {
        self.start(folder, "@deno/linux-x64-glibc/deno", "deno 2.")
    }

    /// The tests that tell one runtime from another. The vectors are the library's, and wait for the disk.
    fn test_files(&self) -> Vec<PathBuf> {
        let all = size(0, 1) == 1;
        let files = test_files(&self.package).into_iter().filter(|file| all || !file.ends_with("vectors.test.mjs"));
        let files: Vec<_> = files.collect();
        assert!(files.len() >= 6, "{files:?}");
        files
    }

    /// Runs the README's program in a project that names the package as npm would install it.
    fn runs_the_readme(&self, runtime: &str, start: impl Fn(&Path) -> Option<Command>) {
        let project = Folder::new(&format!("{runtime}-readme"));
        let modules = project.path().join("node_modules");
        std::fs::create_dir_all(&modules).unwrap();
        std::os::unix::fs::symlink(&self.package, modules.join("libotp")).unwrap();
        // Deno takes a file for an ES module unless the project says otherwise.
        std::fs::write(project.path().join("package.json"), r#"{"type": "commonjs"}"#).unwrap();
        let program = readme_program(&self.package);
        std::fs::write(project.path().join("login.js"), &program).unwrap();
        let module = program.replacen("const { Service } = require('libotp');", "import { Service } from 'libotp';", 1);
        assert_ne!(module, program);
        std::fs::write(project.path().join("login.mjs"), module.replace("otp.db", "module.db")).unwrap();
        for file in ["login.js", "login.mjs"] {
            let Some(mut command) = start(project.path()) else { return };
            let output = run(command.arg(file));
            succeeded(&format!("{runtime} {file}"), &output);
            let out = String::from_utf8_lossy(&output.stdout);
            let fits = out.starts_with("send this yourself: ") && out.ends_with("\nwelcome\na code is good once\n");
            assert!(fits, "{runtime} {file}: {out}");
        }
    }
}

/// The number before the last `word` in what a runner of tests printed.
fn count(out: &str, word: &str) -> usize {
    let words: Vec<_> = out.split_whitespace().collect();
    let place = words.iter().rposition(|found| *found == word).unwrap_or(0);
    let number = words[..place].last().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no count of tests: {out}"))
}

#[test]
fn package_keeps_its_promises_on_each_node() {
    let Some(runtimes) = Runtimes::new() else { return };
    for version in VERSIONS {
        let program = format!("node-{version}/bin/node");
        let Some(mut node) = runtimes.start(&runtimes.package, &program, &format!("v{version}.")) else { continue };
        let passed = run_tests(&mut node, &runtimes.test_files());
        assert!(passed >= LEAST_TESTS, "Node {version}: {passed}");
    }
}

#[test]
fn package_keeps_its_promises_on_bun() {
    let Some(runtimes) = Runtimes::new() else { return };
    runtimes.runs_the_readme("bun", |folder| runtimes.bun(folder));
    let Some(mut bun) = runtimes.bun(&runtimes.package) else { return };
    let output = run(bun.args(["test", "--timeout", "120000"]).args(runtimes.test_files()));
    succeeded("bun test", &output);
    let passed = count(&String::from_utf8_lossy(&output.stderr), "pass");
    assert!(passed >= LEAST_TESTS, "{passed}");
}

#[test]
fn package_keeps_its_promises_on_deno() {
    let Some(runtimes) = Runtimes::new() else { return };
    let readme = std::fs::read_to_string(runtimes.package.join("README.md")).unwrap();
    assert!(readme.contains(&format!("deno run {} login.cjs", DENO_FLAGS.join(" "))));
    runtimes.runs_the_readme("deno", |folder| {
        let mut deno = runtimes.deno(folder)?;
        deno.args(["run", "--no-prompt"]).args(DENO_FLAGS);
        Some(deno)
    });
    let Some(mut deno) = runtimes.deno(&runtimes.package) else { return };
    // The tests themselves write files and start processes.
    let output = run(deno.args(["test", "--allow-all", "--no-check"]).args(runtimes.test_files()));
    succeeded("deno test", &output);
    let passed = count(&String::from_utf8_lossy(&output.stdout), "passed");
    assert!(passed >= LEAST_TESTS, "{passed}");
}

/// Without a variable that names it the library is found with no more permissions.
#[test]
fn deno_finds_the_library_without_more_permissions() {
    let Some(runtimes) = Runtimes::new() else { return };
    let project = Folder::new("deno-installed");
    let modules = project.path().join("node_modules");
    let platform = modules.join("@libotp/linux-x64-gnu");
    std::fs::create_dir_all(&platform).unwrap();
    std::fs::write(platform.join("package.json"), r#"{"name": "@libotp/linux-x64-gnu", "version": "0.1.0"}"#).unwrap();
    std::fs::copy(testing::shared_library(), platform.join("libotp.so")).unwrap();
    std::os::unix::fs::symlink(&runtimes.package, modules.join("libotp")).unwrap();
    let program = "const { version } = require('libotp'); console.log(version());";
    std::fs::write(project.path().join("version.cjs"), program).unwrap();
    let Some(mut deno) = runtimes.deno(project.path()) else { return };
    deno.args(["run", "--no-prompt"]).args(DENO_FLAGS).arg("version.cjs").env_remove("LIBOTP_LIBRARY");
    let output = run(&mut deno);
    succeeded("deno", &output);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), env!("CARGO_PKG_VERSION"));
}
