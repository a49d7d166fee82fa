//! The shared library from outside: what it exports and how it is named.

use std::path::PathBuf;
use std::process::Command;

/// The shared library that belongs to this test.
fn library() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = folder.join("libotp.so");
    assert!(library.exists(), "{} is missing", library.display());
    library
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}

/// The functions that the header declares.
fn declared() -> Vec<String> {
    let header = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/include/otp.h")).unwrap();
    let code = header.lines().filter(|line| !line.starts_with(" *") && !line.starts_with("typedef"));
    let mut names: Vec<String> = code
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("otp_"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn exports_are_what_the_header_declares() {
    let Some(nm) = testing::tool("nm") else { return };
    let symbols = run(Command::new(nm).args(["-D", "--defined-only"]).arg(library()));
    let mut exported: Vec<&str> = symbols.lines().filter_map(|line| line.split(' ').next_back()).collect();
    exported.sort_unstable();
    assert_eq!(exported, declared());
    assert_eq!(exported, listed().iter().map(|(name, _)| *name).collect::<Vec<_>>(), "abi/symbols.txt");
}

/// The functions that programs may be linked with, and the version that brought each. None ever goes.
fn listed() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../../abi/symbols.txt").lines();
    lines.map(|line| line.split_once(' ').expect("a name and a version")).collect()
}

#[test]
fn every_function_came_with_a_version() {
    let numbers = |version: &str| version.split('.').map(|number| number.parse().unwrap()).collect::<Vec<u32>>();
    for (name, version) in listed() {
        assert!(numbers(version) <= numbers(env!("CARGO_PKG_VERSION")), "{name} came with {version}");
    }
}

#[test]
fn soname_is_the_interface_version_and_the_library_stays_mapped() {
    let Some(readelf) = testing::tool("readelf") else { return };
    let dynamic = run(Command::new(readelf).arg("-dW").arg(library()));
    let soname = format!("soname: [libotp.so.{}]", otp::ffi::results::OTP_ABI_VERSION);
    assert!(dynamic.contains(&soname), "{dynamic}");
    assert!(dynamic.lines().any(|line| line.contains("FLAGS_1") && line.contains("NODELETE")), "{dynamic}");
}
