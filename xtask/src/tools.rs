//! Programs that come from Python's package index, in an environment of their own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::{Fault, library, read, run, write};

/// What makes and checks the packages for Python, and a compiler and linker for an older glibc.
const TOOLS: [&str; 3] = ["hatchling>=1.27,<2", "twine>=6,<8", "cargo-zigbuild==0.24.1"];

/// The folder that they are in. They are installed once.
pub fn programs() -> Result<PathBuf, Fault> {
    let environment = library::target_folder().join("python");
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
