//! Programs that come from Python's package index, in an environment of their own, and from that of Rust.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::{Fault, cargo, read, run, target_folder, write};

/// What makes and checks the packages for Python, and a compiler and linker for an older glibc.
const TOOLS: [&str; 3] = ["hatchling>=1.27,<2", "twine>=6,<8", "cargo-zigbuild==0.24.1"];

/// What makes pages of Markdown.
const MDBOOK: &str = "0.5.4";

/// The folder that they are in. They are installed once.
pub fn programs() -> Result<PathBuf, Fault> {
    let environment = target_folder().join("python");
    let (programs, complete) = (environment.join("bin"), environment.join("complete"));
    if read(&complete).is_ok_and(|names| names == TOOLS.join(" ")) {
        return Ok(programs);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    run(Command::new(programs.join("pip")).args(["install", "--quiet", "--disable-pip-version-check"]).args(TOOLS))?;
    write(&complete, TOOLS.join(" "))?;
    Ok(programs)
}

/// The search path with them in front.
pub fn path() -> Result<OsString, Fault> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(programs()?).chain(std::env::split_paths(&rest));
    std::env::join_paths(all).map_err(|cause| format!("PATH: {cause}"))
}

/// mdBook, which is built once. It makes pages in a moment however little its build is optimised, and nobody here needs
/// its server.
pub fn mdbook() -> Result<PathBuf, Fault> {
    let folder = target_folder().join("mdbook");
    let (program, complete) = (folder.join("bin/mdbook"), folder.join("complete"));
    if program.exists() && read(&complete).is_ok_and(|version| version == MDBOOK) {
        return Ok(program);
    }
    let mut cargo = Command::new(cargo());
    cargo.args(["install", "mdbook", "--locked", "--force", "--version"]).arg(format!("={MDBOOK}"));
    cargo.args(["--no-default-features", "--features", "search", "--root"]).arg(&folder);
    let parts = folder.join("build");
    cargo.arg("--target-dir").arg(&parts);
    for (name, value) in [("OPT_LEVEL", "0"), ("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "false")] {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    let status = cargo.status().map_err(|cause| format!("cargo: {cause}"))?;
    if !status.success() {
        return Err("mdbook was not built".to_owned());
    }
    // What it is built of takes twenty times its room.
    std::fs::remove_dir_all(&parts).map_err(|cause| format!("{}: {cause}", parts.display()))?;
    write(&complete, MDBOOK)?;
    Ok(program)
}
