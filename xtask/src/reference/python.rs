//! The page about the Python package: a script reads its docstrings, and imports nothing of it.

use std::process::Command;

use crate::{Fault, root, run};

const SCRIPT: &str = include_str!("python.py");

pub fn page() -> Result<String, Fault> {
    run(Command::new("python3").args(["-c", SCRIPT]).arg(root().join("bindings/python/src/libotp")))
}
