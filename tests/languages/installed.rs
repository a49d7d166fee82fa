//! What `cargo xtask install` lays down, as a release's archive has it, used as C and C++ programs use a library: found by pkg-config and by CMake,
//! shared and static.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use testing::compiler::succeed;
use testing::{Folder, links, scratch, tool};

use crate::release::{dist, is_the_command, triple};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/languages/installed/login.c");
const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/languages/installed/beside.c");
const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-Wconversion", "-pedantic-errors", "-Werror"];

/// Where the release's archive was unpacked, once: a place that nobody told it.
fn installed() -> Option<&'static Path> {
    static PREFIX: OnceLock<Option<PathBuf>> = OnceLock::new();
    PREFIX
        .get_or_init(|| {
            let dist = dist()?;
            let folder = scratch().join("unpacked");
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            let name = format!("libotp-{}-{}", env!("CARGO_PKG_VERSION"), triple());
            succeed(Command::new("tar").arg("-xf").arg(dist.join(format!("{name}.tar.gz"))).arg("-C").arg(&folder));
            Some(folder.join(name))
        })
        .as_deref()
}

fn libraries(prefix: &Path) -> PathBuf {
    prefix.join("lib")
}

/// What pkg-config says, word by word.
fn pkg_config(prefix: &Path, options: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.args(options).arg("libotp").env("PKG_CONFIG_PATH", libraries(prefix).join("pkgconfig"));
    succeed(&mut command).split_whitespace().map(str::to_owned).collect()
}

/// Runs a program that verifies a code.
fn verifies(program: &Path, prefix: &Path) {
    let printed = succeed(Command::new(program).env("LD_LIBRARY_PATH", libraries(prefix)));
    assert!(printed.ends_with("verified\n"), "{printed}");
}

#[test]
fn pkg_config_finds_it_for_every_standard() {
    let Some(prefix) = installed() else { return };
    if tool("pkg-config").and(tool("c++")).is_none() {
        return;
    }
    let folder = Folder::new("installed-standards");
    let flags = pkg_config(prefix, &["--cflags", "--libs"]);
    assert_eq!(pkg_config(prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let all = [("cc", "c", "c90"), ("cc", "c", "c2x"), ("c++", "c++", "c++98"), ("c++", "c++", "c++2b")];
    for (compiler, language, standard) in all {
        let program = folder.path().join(standard);
        let mut command = Command::new(compiler);
        command.args(STRICT).arg(format!("-std={standard}")).args(["-x", language, PROGRAM, "-x", "none"]);
        succeed(command.args(&flags).arg("-o").arg(&program));
        verifies(&program, prefix);
    }
}

/// Whoever links the static library has all of it, and their own SQLite stays their own.
#[test]
fn the_static_library_leaves_a_program_its_own_sqlite() {
    let Some(prefix) = installed() else { return };
    if tool("pkg-config").is_none() {
        return;
    }
    let folder = Folder::new("installed-static");
    let flags = pkg_config(prefix, &["--static", "--cflags", "--libs"]);
    let flags: Vec<_> = flags.iter().map(|flag| if flag == "-lotp" { "-l:libotp.a" } else { flag }).collect();
    for (name, source, more) in [("login", PROGRAM, &[][..]), ("beside", BESIDE, &["-lsqlite3"])] {
        let program = folder.path().join(name);
        succeed(Command::new("cc").args(STRICT).arg(source).args(&flags).args(more).arg("-o").arg(&program));
        let printed = succeed(&mut Command::new(&program));
        assert!(printed.ends_with("verified\n"), "{printed}");
        let needed = succeed(Command::new("readelf").arg("-d").arg(&program));
        assert!(!needed.contains("libotp"), "{needed}");
    }
}

#[test]
fn cmake_finds_it_shared_and_static() {
    let Some(prefix) = installed() else { return };
    if tool("cmake").is_none() {
        return;
    }
    let folder = Folder::new("installed-cmake");
    let version = env!("CARGO_PKG_VERSION");
    let project = format!(
        "cmake_minimum_required(VERSION 3.10)\nproject(login C)\nfind_package(otp {version} EXACT REQUIRED CONFIG)\n\
         add_executable(shared {PROGRAM})\ntarget_link_libraries(shared otp::otp)\n\
         add_executable(static {PROGRAM})\ntarget_link_libraries(static otp::otp-static)\n"
    );
    std::fs::write(folder.path().join("CMakeLists.txt"), project).unwrap();
    let build = folder.path().join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(folder.path()).arg("-B").arg(&build);
    succeed(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    succeed(Command::new("cmake").arg("--build").arg(&build));
    verifies(&build.join("shared"), prefix);
    verifies(&build.join("static"), Path::new("/nowhere"));
}

#[test]
fn no_name_but_ours_is_in_the_libraries() {
    let Some(prefix) = installed() else { return };
    let names = |options: &[&str], name: &str| -> BTreeSet<String> {
        let symbols = succeed(Command::new("nm").args(options).arg(libraries(prefix).join(name)));
        let names = symbols.lines().filter_map(|line| line.split_once(' ')?.1.split_once(' '));
        names.map(|(_, name)| name.to_owned()).collect()
    };
    let shared = names(&["-D", "--defined-only"], "libotp.so");
    assert_eq!(names(&["-g", "--defined-only"], "libotp.a"), shared);
    let pages = std::fs::read_dir(prefix.join("share/man/man3")).unwrap();
    let pages: BTreeSet<_> = pages.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected = shared.iter().map(String::as_str).chain(["libotp"]).map(|name| format!("{name}.3"));
    assert_eq!(pages, expected.collect::<BTreeSet<_>>());
    let bytes = std::fs::metadata(libraries(prefix).join("libotp.so")).unwrap().len();
    assert!(bytes < 9_000_000, "{bytes} bytes");
}

/// The archive has what else is needed: licences, the manual of the options, the wrappers.
#[test]
fn what_belongs_to_it_is_there() {
    let Some(prefix) = installed() else { return };
    let documents = ["LICENSES-OF-PARTS.txt", "LICENSE-MIT", "README.md", "docs/options.md"]
        .map(|name| format!("doc/libotp/{name}"));
    let wrappers =
        ["go/otp.go", "java/foreign/Otp.java", "java/README.md", "ruby/README.md"].map(|name| format!("libotp/{name}"));
    for name in documents.iter().chain(&wrappers) {
        assert!(prefix.join("share").join(name).exists(), "{name}");
    }
    let pages = succeed(Command::new("find").arg(prefix.join("share")).args(["-name", "*.md"]));
    let links = pages.lines().map(|page| links::to_files(Path::new(page)));
    let (counts, dead): (Vec<_>, Vec<_>) = links.unzip();
    assert!(counts.iter().sum::<usize>() > 100 && dead.concat().is_empty(), "{:#?}", dead.concat());
    is_the_command(&prefix.join("bin/otp"));
    for name in ["bash-completion/completions/otp", "zsh/site-functions/_otp", "fish/vendor_completions.d/otp.fish"] {
        let completion = std::fs::read_to_string(prefix.join("share").join(name)).unwrap();
        assert!(completion.contains("send-test"), "{completion}");
    }
    let bytes = std::fs::metadata(prefix.join("bin/otp")).unwrap().len();
    assert!(bytes < 9_000_000, "{bytes} bytes");
}

#[test]
fn manual_pages_are_in_order() {
    let Some(prefix) = installed() else { return };
    let Some(groff) = tool("groff") else { return };
    let pages = ["man1", "man3"].map(|folder| std::fs::read_dir(prefix.join("share/man").join(folder)).unwrap());
    for entry in pages.into_iter().flatten() {
        let path = entry.unwrap().path();
        let output = Command::new(&groff).args(["-man", "-Tutf8", "-ww"]).arg(&path).output().unwrap();
        let warnings = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && warnings.is_empty(), "{}: {warnings}", path.display());
        let source = std::fs::read_to_string(&path).unwrap();
        assert!(
            !source.contains('`') && (source.contains(".SH DESCRIPTION") || path.ends_with("otp.1")),
            "{}: {source}",
            path.display()
        );
    }
}
