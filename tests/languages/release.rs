//! What `cargo xtask release --dry-run` makes, installed where there is no cargo.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use testing::compiler::{root, succeed};
use testing::workspace::{Workspace, builds_quickly, release_target};
use testing::{Folder, scratch, size, tool};

use crate::node::{readme_program, runs_the_readme};
use crate::python::{environment, is_built_as_here, pip, python_folder};

/// The folder with all that a release has, made once; none where building for release is not asked for, or a tool is
/// missing.
pub fn dist() -> Option<&'static Path> {
    static DIST: OnceLock<Option<PathBuf>> = OnceLock::new();
    DIST.get_or_init(|| {
        // It builds the library in release mode, which takes minutes.
        if std::env::var("OTP_TEST_ALL").as_deref() != Ok("1") && size(0, 1) == 0 {
            return None;
        }
        for name in ["cc", "strip", "dpkg-deb", "python3", "node", "npm"] {
            tool(name)?;
        }
        let sums = make();
        if size(0, 1) == 1 {
            assert_eq!(make(), sums, "another time, other bytes");
        }
        Some(scratch().join("dist"))
    })
    .as_deref()
}

/// Makes it; gives the checksums.
fn make() -> String {
    let mut xtask = Command::new(env!("CARGO"));
    xtask.args(["run", "--quiet", "--locked", "--package", "xtask", "--", "release", "--dry-run"]).current_dir(root());
    succeed(xtask.env("CARGO_TARGET_DIR", release_target()).env("OTP_DIST", scratch().join("dist")));
    std::fs::read_to_string(scratch().join("dist/SHA256SUMS")).unwrap()
}

/// For which machine the compiler builds.
pub fn triple() -> String {
    let told = succeed(Command::new("rustc").arg("-vV"));
    told.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// The only file of a release whose name begins and ends so.
fn file(dist: &Path, begin: &str, end: &str) -> PathBuf {
    let all = std::fs::read_dir(dist).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let found: Vec<_> = all.filter(|path| name(path).starts_with(begin) && name(path).ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{begin}*{end}: {found:?}");
    found[0].clone()
}

/// The folders of programs in which there is no cargo.
fn without_cargo() -> OsString {
    let folders = std::env::var_os("PATH").unwrap();
    std::env::join_paths(std::env::split_paths(&folders).filter(|folder| !folder.join("cargo").exists())).unwrap()
}

/// The library in a folder into which a package was unpacked or installed.
fn library(folder: &Path, name: &str) -> PathBuf {
    let found = succeed(Command::new("find").arg(folder).args(["-type", "f", "-name", name]));
    assert_eq!(found.lines().count(), 1, "{found}");
    PathBuf::from(found.trim())
}

/// What the library in every package is: that of the packages of Debian.
fn same_everywhere(library: &Path) {
    let Some(dist) = dist() else { return };
    let place = Folder::another("release-same");
    unpack(&file(dist, "libotp0_", ".deb"), place.path());
    let version = concat!("libotp.so.", env!("CARGO_PKG_VERSION"));
    let theirs = std::fs::read(self::library(place.path(), version)).unwrap();
    assert!(theirs == std::fs::read(library).unwrap(), "{}: another library", library.display());
}

fn unpack(package: &Path, to: &Path) {
    succeed(Command::new("dpkg-deb").arg("-x").arg(package).arg(to));
}

#[test]
fn debian_packages_are_in_order_and_compile_a_program() {
    let Some(dist) = dist() else { return };
    let packages = ["libotp0_", "libotp-dev_", "otp-tools_"].map(|name| file(dist, name, ".deb"));
    if let Some(lintian) = tool("lintian") {
        succeed(Command::new(lintian).args(["--allow-root", "--fail-on", "error"]).args(&packages));
    }
    let place = Folder::new("release-debian");
    packages.iter().for_each(|package| unpack(package, place.path()));
    let libraries = library(place.path(), "libotp.pc").ancestors().nth(2).unwrap().to_owned();
    let mut flags = Command::new("pkg-config");
    flags.args(["--cflags", "--libs", "libotp"]).env("PKG_CONFIG_PATH", libraries.join("pkgconfig"));
    let flags = succeed(&mut flags);
    let program = place.path().join("login");
    let source = root().join("tests/languages/installed/login.c");
    succeed(Command::new("cc").arg(source).args(flags.split_whitespace()).arg("-o").arg(&program));
    let printed = succeed(Command::new(program).env("LD_LIBRARY_PATH", libraries));
    assert!(printed.ends_with("verified\n"), "{printed}");
}

/// The operator's command is a package of its own, and needs no other: the library is in it.
#[test]
fn the_command_is_a_package_of_its_own() {
    let Some(dist) = dist() else { return };
    let place = Folder::new("release-command");
    unpack(&file(dist, "otp-tools_", ".deb"), place.path());
    let within = place.path().join("usr");
    is_the_command(&within.join("bin/otp"));
    let page = succeed(Command::new("gzip").arg("-dc").arg(within.join("share/man/man1/otp.1.gz")));
    assert_eq!(page, succeed(Command::new(within.join("bin/otp")).arg("man")));
    for (shell, path) in [
        ("bash", "bash-completion/completions/otp"),
        ("zsh", "zsh/vendor-completions/_otp"),
        ("fish", "fish/vendor_completions.d/otp.fish"),
    ] {
        let told = succeed(Command::new(within.join("bin/otp")).args(["completions", shell]));
        assert_eq!(std::fs::read_to_string(within.join("share").join(path)).unwrap(), told, "{shell}");
    }
    let control = succeed(Command::new("dpkg-deb").arg("-f").arg(file(dist, "otp-tools_", ".deb")));
    assert!(control.contains("\nDepends: libc6 (>= 2.") && control.contains("\nConflicts: otp\n"), "{control}");
    let licences = within.join("share/doc/otp-tools/LICENSES-OF-PARTS.txt.gz");
    assert!(succeed(Command::new("gzip").arg("-dc").arg(licences)).contains("\nlexopt "), "what it alone has in it");
}

/// A command that runs where there is no cargo, with all repositories and senders, and stripped.
pub fn is_the_command(program: &Path) {
    needs_only_what_is_everywhere(program);
    let mut version = Command::new(program);
    let version = succeed(version.arg("--version").env("PATH", without_cargo()));
    assert_eq!(version, concat!("otp ", env!("CARGO_PKG_VERSION"), "\n"));
    let sections = succeed(Command::new("readelf").arg("-SW").arg(program));
    assert!(!sections.contains(".symtab") && !sections.contains(".debug"), "{sections}");
    for url in ["redis://127.0.0.1:1", "postgres://otp@127.0.0.1:1/otp"] {
        let config = format!(r#"{{"repository": "{url}", "key": "{}"}}"#, testing::place::KEY);
        let output = Command::new(program).args(["status", "any", "--config", &config]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(3) && told.contains("127.0.0.1"), "{told}");
    }
    let config = r#"{"repository": "memory:", "sender": {"type": "smtp", "host": "mail.example"},
        "workflow": [{"channel": "email", "from": "codes@acme.example"}]}"#;
    let said = succeed(Command::new(program).args(["open", "--config", config]));
    assert!(said.contains("sender: smtp, a server for mail"), "{said}");
}

/// The system's interpreter, and where pyenv has others the oldest that is promised and the newest.
fn interpreters() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let versions = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from).join("versions");
    let number = |path: &Path| {
        let mut parts = path.file_name()?.to_str()?.split('.');
        Some((parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?))
            .filter(|number| *number >= (3, 9))
    };
    let found = std::fs::read_dir(versions).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<_> = found.filter_map(|path| Some((number(&path)?, path.join("bin/python3")))).collect();
    found.sort();
    let oldest = found.first().filter(|(number, _)| *number == (3, 9));
    let others = [oldest, found.last()].into_iter().flatten().map(|(_, path)| path.clone());
    tool("python3").into_iter().chain(others).collect()
}

/// It needs nothing that a system with glibc 2.28 lacks: the tag of the wheel, and what the linker looks for.
#[test]
fn a_wheel_installs_without_cargo_and_passes_the_vectors() {
    let Some(dist) = dist() else { return };
    let wheel = file(dist, "libotp-", ".whl");
    assert!(wheel.to_str().unwrap().ends_with("-py3-none-manylinux_2_28_x86_64.whl"), "{wheel:?}");
    for interpreter in interpreters() {
        let place = Folder::another("release-wheel");
        let python = place.path().join("python/bin/python");
        succeed(Command::new(&interpreter).args(["-m", "venv"]).arg(place.path().join("python")));
        succeed(pip(&python).args(["--no-index", "--no-deps"]).arg(&wheel).env("PATH", without_cargo()));
        is_built_as_here(place.path());
        let installed = library(place.path(), "libotp.so");
        same_everywhere(&installed);
        needs_only_what_is_everywhere(&installed);
        works(&python, place.path());
    }
}

fn needs_only_what_is_everywhere(library: &Path) {
    let needed = succeed(Command::new("readelf").arg("-d").arg(library));
    let names = needed.split("Shared library: [").skip(1).filter_map(|rest| rest.split(']').next());
    let names: BTreeSet<_> = names.collect();
    let allowed = ["ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0"];
    assert!(names.iter().all(|name| allowed.contains(name)), "{names:?}");
    let bytes = std::fs::read(library).unwrap();
    let home = std::env::var("HOME").unwrap_or_default();
    assert!(!bytes.windows(home.len()).any(|window| window == home.as_bytes()), "paths of this machine are in it");
}

/// The package in an environment: its README's example with a wrong code, a code that is good once, and the vectors.
fn works(python: &Path, place: &Path) {
    let readme = std::fs::read_to_string(python_folder().join("README.md")).unwrap();
    let example = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let run = |arguments: &[&str]| {
        let mut run = Command::new(python);
        run.args(arguments).current_dir(place).env("PATH", without_cargo());
        succeed(run.env_remove("LIBOTP_LIBRARY").env_remove("PYTHONPATH").env("PYTHONDONTWRITEBYTECODE", "1"))
    };
    // It asks for the code that it has just shown.
    let printed = run(&["-c", &example.replace("input(\"Code: \")", "\"000000\"")]);
    assert!(printed.contains("NOT_VALID") && !printed.contains("Welcome"), "{printed}");
    let login = "import libotp\n\
                 otp = libotp.Service({'repository': 'sqlite:login.db', 'sender': {'type': 'none'}})\n\
                 code = otp.create('s', phone_number='+39 333 123 4567').code\n\
                 print(otp.verify('s', code), otp.verify('s', code))";
    assert_eq!(run(&["-c", login]), "True False\n");
    let tests = python_folder().join("tests");
    run(&["-m", "unittest", "discover", "--start-directory", tests.to_str().unwrap(), "--pattern", "test_vectors.py"]);
}

/// All crates are in it: neither a registry nor a network is needed.
#[test]
fn a_source_distribution_is_built_without_a_network() {
    let Some(dist) = dist() else { return };
    let place = Folder::new("release-sdist");
    let Some(python) = environment(&place.path().join("python")) else { return };
    succeed(pip(&python).arg("hatchling"));
    let mut install = pip(&python);
    install.args(["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir"]);
    install.arg(dist.join(concat!("libotp-", env!("CARGO_PKG_VERSION"), ".tar.gz")));
    // A home without a registry, and with the compilers that are there.
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let rustup = std::env::var_os("RUSTUP_HOME").map_or_else(|| home.join(".rustup"), PathBuf::from);
    install.env("RUSTUP_HOME", rustup).env("CARGO_HOME", place.path().join("cargo")).env("CARGO_NET_OFFLINE", "true");
    succeed(builds_quickly(&mut install));
    is_built_as_here(place.path());
    let mut version = Command::new(&python);
    version.args(["-c", "import libotp; print(libotp.__version__)"]).current_dir(place.path());
    assert_eq!(succeed(version.env_remove("LIBOTP_LIBRARY")).trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn packages_of_node_install_without_cargo() {
    let Some(dist) = dist() else { return };
    let Some(workspace) = Workspace::new() else { return };
    let project = Folder::new("release-node");
    std::fs::write(project.path().join("package.json"), "{}").unwrap();
    let mut npm = workspace.command(project.path(), "npm");
    npm.args(["install", "--no-audit", "--no-fund"]).env_remove("LIBOTP_LIBRARY").env("PATH", without_cargo());
    let version = env!("CARGO_PKG_VERSION");
    let names = [format!("libotp-{version}.tgz"), format!("libotp-linux-x64-gnu-{version}.tgz")];
    succeed(npm.args(names.map(|name| dist.join(name))));
    let library = project.path().join("node_modules/@libotp/linux-x64-gnu/libotp.so");
    same_everywhere(&library);
    assert!(library.with_file_name("LICENSES-OF-PARTS.txt").exists());
    // All that is named in the lock file is there.
    let mut npm = workspace.command(project.path(), "npm");
    succeed(npm.args(["ci", "--no-audit", "--no-fund"]).env_remove("LIBOTP_LIBRARY").env("PATH", without_cargo()));
    runs_the_readme(&workspace, &project, &readme_program(&root().join("bindings/node")));
}

/// The bill is what the format's own checker takes, names whatever is built in, and each part has a licence.
#[test]
fn a_bill_of_materials_and_all_licences_are_there() {
    let Some(dist) = dist() else { return };
    let bill = file(dist, "libotp-", ".cdx.json");
    let place = Folder::new("release-bill");
    let Some(python) = environment(place.path()) else { return };
    succeed(pip(&python).arg("cyclonedx-python-lib[json-validation]>=11,<12"));
    let check = "import sys; from cyclonedx.schema import SchemaVersion; \
                 from cyclonedx.validation.json import JsonStrictValidator; \
                 sys.exit(str(JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read()) or '') or 0)";
    succeed(Command::new(python).args(["-c", check]).arg(&bill));
    let bill: Value = serde_json::from_slice(&std::fs::read(bill).unwrap()).unwrap();
    let parts: BTreeSet<_> =
        bill["components"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    for name in ["sqlite", "ring", "rustls", "webpki-roots", "redis", "postgres-protocol", "lettre", "libsqlite3-sys"] {
        assert!(parts.contains(name), "{name}");
    }
    for name in ["regex", "cbindgen", "syn", "serde_derive"] {
        assert!(!parts.contains(name), "{name}: what only builds or tests need is in no package");
    }
    let licences = std::fs::read_to_string(dist.join("LICENSES-OF-PARTS.txt")).unwrap();
    for part in bill["components"].as_array().unwrap() {
        let licence = &part["licenses"][0];
        let told = licence["expression"].as_str().or(licence["license"]["id"].as_str()).unwrap_or_default();
        assert!(!told.is_empty(), "{part}");
        let name = part["name"].as_str().unwrap();
        assert!(
            name == "sqlite" || licences.contains(&format!("{name} {}", part["version"].as_str().unwrap())),
            "{name}"
        );
    }
}

/// Checksums are of what is there.
#[test]
fn checksums_hold() {
    let Some(dist) = dist() else { return };
    succeed(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(dist));
    let sums = std::fs::read_to_string(dist.join("SHA256SUMS")).unwrap();
    let files = std::fs::read_dir(dist).unwrap().count();
    assert_eq!(sums.lines().count(), files - 1, "{sums}");
}
