//! Callers through other runtimes: what reads `otp.cdef.h`, and what looks at threads, stacks and pointers of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use testing::compiler::{linked, root, succeed};
use testing::{Watchdog, shared_library, tool};

/// A program of `tests/languages/runtimes`.
fn program(name: &str) -> PathBuf {
    root().join("tests/languages/runtimes").join(name)
}

/// Runs a program that reads the declarations and uses up a code.
fn embeds(interpreter: &str, name: &str) {
    let _watchdog = Watchdog::new(name, 60);
    let Some(interpreter) = tool(interpreter) else { return };
    let mut command = Command::new(interpreter);
    command.arg(program(name)).arg(root().join("include/otp.cdef.h")).arg(shared_library());
    assert_eq!(succeed(&mut command), "good once\n");
}

#[test]
fn php_reads_the_declarations() {
    embeds("php", "embed.php");
}

#[test]
fn luajit_reads_the_declarations() {
    embeds("luajit", "embed.lua");
}

/// The system's interpreter, which has the system's cffi.
#[test]
fn cffi_reads_the_declarations() {
    let python = "/usr/bin/python3";
    let found = Command::new(python).args(["-c", "import cffi"]).output().is_ok_and(|output| output.status.success());
    if found || tool("python3-cffi").is_some() {
        embeds(python, "embed.py");
    }
}

/// Go aborts where a value below 4096 lies in a pointer when it moves a stack.
#[test]
fn go_keeps_a_handle_in_a_pointer() {
    let _watchdog = Watchdog::new("go_keeps_a_handle_in_a_pointer", 300);
    let (Some(go), folder) = (tool("go"), linked("runtimes-go")) else { return };
    let place = folder.path();
    std::fs::copy(program("handle.go"), place.join("handle.go")).unwrap();
    let mut build = Command::new(go);
    build.current_dir(place).args(["build", "-o", "handle", "handle.go"]);
    build.env("HOME", place).env("GOCACHE", cache("go")).env("GO111MODULE", "off").env("CGO_ENABLED", "1");
    build.env("CGO_CFLAGS", format!("-I{}", root().join("include").display()));
    build.env("CGO_LDFLAGS", format!("-L{} -Wl,-rpath,{}", place.display(), place.display()));
    succeed(&mut build);
    assert_eq!(succeed(&mut Command::new(place.join("handle"))), "kept\n");
}

/// Mono stops every thread that has run its code by a signal, and waits for it, at each collection.
#[test]
fn mono_collects_after_a_callback_of_the_driver() {
    let _watchdog = Watchdog::new("mono_collects_after_a_callback_of_the_driver", 120);
    let (Some(compiler), Some(mono)) = (tool("mcs"), tool("mono")) else { return };
    let folder = linked("runtimes-mono");
    let made = folder.path().join("collect.exe");
    succeed(Command::new(compiler).arg(format!("-out:{}", made.display())).arg(program("collect.cs")));
    let mut run = Command::new(mono);
    run.arg(made).env("LD_LIBRARY_PATH", folder.path());
    assert_eq!(succeed(&mut run), "collected\n");
}

/// Where a compiler keeps what it made before.
fn cache(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
