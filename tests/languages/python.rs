//! The Python package: its types, its tests, its installation, its examples.
//!
//! The tests themselves are in `bindings/python/tests` and run on the library of this test. With `OTP_TEST_ALL=1`, or at
//! full size, they run on the package as it is installed, too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use testing::workspace::builds_quickly;
use testing::{Folder, Watchdog, complain, shared_library, size, tool};

/// What the package itself does without: the type checker, and what the examples are written with.
const PACKAGES: [&str; 6] = ["mypy", "flask", "waitress", "types-waitress", "gunicorn", "prometheus_client"];

pub fn python_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/bindings/python"))
}

fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python"))
}

fn must_have_everything() -> bool {
    std::env::var("OTP_TEST_ALL").as_deref() == Ok("1")
}

/// Runs a program that must succeed, and gives what it printed to standard output.
pub fn run(command: &mut Command) -> String {
    let _watchdog = Watchdog::new("a Python program", 1800);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    for line in text(&output.stderr).lines().filter(|line| line.starts_with("SKIPPED")) {
        complain(line);
    }
    text(&output.stdout)
}

/// Makes an empty virtual environment and gives its interpreter.
pub fn environment(folder: &Path) -> Option<PathBuf> {
    let python = tool("python3")?;
    let made = Command::new(python).args(["-m", "venv"]).arg(folder).output().unwrap();
    if !made.status.success() {
        assert!(!must_have_everything(), "python3 -m venv: {}", String::from_utf8_lossy(&made.stdout));
        complain("SKIPPED, since python3 makes no virtual environment: the Python package");
        return None;
    }
    Some(folder.join("bin/python"))
}

pub fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}

/// The interpreter of an environment with [`PACKAGES`], made once and kept between runs.
fn tools() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-tools");
            let python = folder.join("bin/python");
            let complete = folder.join("complete");
            let holds_all = std::fs::read_to_string(&complete).is_ok_and(|names| names == PACKAGES.join(" "));
            if holds_all && Command::new(&python).arg("--version").output().is_ok() {
                return Some(python);
            }
            let _ = std::fs::remove_dir_all(&folder);
            let python = environment(&folder)?;
            let installed = pip(&python).args(PACKAGES).output().unwrap();
            if !installed.status.success() {
                let why = String::from_utf8_lossy(&installed.stderr);
                assert!(!must_have_everything(), "{why}");
                complain(&format!("SKIPPED, since pip installs nothing: parts of the Python package: {why}"));
                return None;
            }
            std::fs::write(complete, PACKAGES.join(" ")).unwrap();
            Some(python)
        })
        .as_deref()
}

/// An interpreter that imports the package from its sources, with the library of this test.
fn from_sources(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.current_dir(python_folder()).env("LIBOTP_LIBRARY", shared_library());
    command.env("PYTHONPATH", python_folder().join("src")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[test]
fn types_are_strict() {
    let Some(python) = tools() else { return };
    let cache = Folder::new("mypy");
    let mut mypy = from_sources(python);
    mypy.args(["-m", "mypy", "--strict", "--cache-dir"]).arg(cache.path());
    mypy.args(["src", "tests", "benchmarks", "../../examples/python/otp_service"]);
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            mypy.arg(path);
        }
    }
    run(&mut mypy);
}

#[test]
fn files_are_short() {
    let folders = ["src/libotp", "tests", "benchmarks", "."].map(|folder| python_folder().join(folder));
    for folder in folders.into_iter().chain([examples().join("otp_service"), examples().to_owned()]) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "py") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines < 400, "{} has {lines} lines", path.display());
            }
        }
    }
}

#[test]
fn tests_pass_on_the_sources() {
    let Some(python) = tool("python3") else { return };
    // With the examples' packages where they can be had, else what needs them says so.
    let python = tools().unwrap_or(&python);
    run(from_sources(python).args(["-m", "unittest", "discover", "--start-directory", "tests"]));
}

#[test]
fn the_service_sends_an_sms_for_a_message_that_is_not_read() {
    let Some(python) = tools() else { return };
    let mut service = from_sources(python);
    service.arg(examples().join("otp_service/app.py"));
    testing::story::unread_is_followed_by_sms(service, "python");
}

/// The package as who works on it gets it: one command in an empty environment.
#[test]
fn package_installs_and_its_tests_pass() {
    if size(0, 1) == 0 && !must_have_everything() {
        return;
    }
    let folder = Folder::new("python-install");
    let Some(python) = environment(&folder.path().join("checkout")) else { return };
    run(builds_quickly(pip(&python).arg(python_folder()).args(PACKAGES)));
    let mut tests = Command::new(&python);
    tests.args(["-m", "unittest", "discover", "--start-directory"]).arg(python_folder().join("tests"));
    tests.current_dir(folder.path()).env_remove("PYTHONPATH").env_remove("LIBOTP_LIBRARY");
    run(tests.env("PYTHONDONTWRITEBYTECODE", "1"));
    is_built_as_here(&folder.path().join("checkout"));
}

/// The library in an environment has all repositories, and no more of SQLite than `.cargo/config.toml` leaves in it.
pub fn is_built_as_here(environment: &Path) {
    let library = run(Command::new("find").arg(environment).args(["-name", "libotp.so"]));
    let bytes = std::fs::read(library.trim()).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("ZADD") && holds("libotp.commit"), "{library}: there are no servers in it");
    assert!(holds("OMIT_JSON") && !holds("ENABLE_FTS5"), "{library}: SQLite is built with other flags");
}
