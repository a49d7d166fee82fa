//! A copy of the Node package and its examples with their dependencies installed, beside this test's library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use crate::compiler::root;
use crate::{Watchdog, complain, scratch, shared_library, tool};

/// Seconds in which npm or a run of tests must end.
const PATIENCE_SECONDS: u64 = 600;

/// One installation at a time: npm's own lock is per folder, but the network and its cache are shared.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The copied repository. The checkout itself stays clean, and what is installed is kept for the next run.
pub struct Workspace(PathBuf);

impl Workspace {
    /// None, and said so, where Node or npm is missing.
    pub fn new() -> Option<Self> {
        tool("node").and(tool("npm"))?;
        let made = scratch().join("node");
        let _one = INSTALLING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let source = root();
        for part in [
            "bindings/node",
            "examples/node",
            "include",
            "tests/vectors",
            "tests/data",
            "tests/guest/host/node",
            "LICENSE-MIT",
            "LICENSE-APACHE",
        ] {
            copy(&source.join(part), &made.join(part));
        }
        Some(Self(made))
    }

    pub fn path(&self, part: &str) -> PathBuf {
        self.0.join(part)
    }

    /// Installs what the lock file of `folder` says, once.
    pub fn install(&self, folder: &str, parameters: &[&str]) {
        self.try_install(folder, parameters).unwrap();
    }

    /// As `install`, for what may not be possible on this machine; what npm said otherwise.
    pub fn try_install(&self, folder: &str, parameters: &[&str]) -> Result<(), String> {
        let _one = INSTALLING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (folder, lock) = (self.path(folder), self.path(folder).join("package-lock.json"));
        let stamp = folder.join("node_modules/.installed");
        let wanted = fs::read_to_string(lock).unwrap() + &parameters.join(" ");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        let output = run(self.command(&folder, "npm").args(["ci", "--no-audit", "--no-fund"]).args(parameters));
        if !output.status.success() {
            return Err(format!("npm ci: {}", String::from_utf8_lossy(&output.stderr)));
        }
        fs::write(stamp, wanted).unwrap();
        Ok(())
    }

    /// A program to run in `folder` with this test's library.
    pub fn command(&self, folder: &Path, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env("LIBOTP_LIBRARY", shared_library());
        command.env_remove("NODE_OPTIONS").env_remove("NODE_PATH").env_remove("UV_THREADPOOL_SIZE");
        // Headers of the system's own Node, where it has them, rather than a download for every build.
        if Path::new("/usr/include/node/node_api.h").exists() {
            command.env("npm_config_nodedir", "/usr");
        }
        command
    }
}

/// Makes `to` like `from`, without what is installed or built there.
pub fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    assert!(from.exists(), "{} is missing", from.display());
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if name == "node_modules" || name == "native" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if fs::read(entry.path()).ok() != fs::read(&target).ok() {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
    // What is gone from the checkout must not be tested any more.
    for entry in fs::read_dir(to).unwrap().map(Result::unwrap) {
        let kept = ["node_modules", "native"].iter().any(|name| entry.file_name() == *name);
        if !kept && !from.join(entry.file_name()).exists() {
            let remove = if entry.path().is_dir() { fs::remove_dir_all } else { fs::remove_file };
            remove(entry.path()).unwrap();
        }
    }
}

/// Where all tests that build the library for release do that: what it needs is compiled once.
pub fn release_target() -> PathBuf {
    scratch().join("release")
}

/// Has cargo, which another program will call, build for release sooner than a release deserves.
pub fn builds_quickly(command: &mut Command) -> &mut Command {
    command.env("CARGO_TARGET_DIR", scratch().join("quick")).env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
}

/// Runs a command to its end, which must come.
pub fn run(command: &mut Command) -> Output {
    let _watchdog = Watchdog::new(&format!("{command:?}"), PATIENCE_SECONDS);
    command.output().unwrap()
}

/// Fails with what a program printed unless it ended well.
pub fn succeeded(what: &str, output: &Output) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{what}: {}\n{out}\n{err}", output.status);
}

/// Says that a part is left out; with `OTP_TEST_ALL=1` it must not be.
pub fn skip(reason: &str) {
    assert!(std::env::var("OTP_TEST_ALL").as_deref() != Ok("1"), "{reason}, and OTP_TEST_ALL=1 needs it");
    complain(&format!("SKIPPED: {reason}"));
}
