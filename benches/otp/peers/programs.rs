//! Peers that are programs: each prints a line for each kind of work, its name and the nanoseconds of each operation.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Times, WORK};
use crate::Size;
use crate::disk::Folder;

pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name)
}

/// One JSON file a token, read, compared and written back, never synced.
pub fn tutorial(folder: &Folder, size: Size) -> Result<Vec<Times>, String> {
    let mut command = Command::new("node");
    command.arg(source("tutorial.js")).arg(folder.file("tutorial")).arg(size.compared.to_string());
    times(&mut command)
}

/// One text file of all users, rewritten at every success.
pub fn liboath(folder: &Folder, users: usize, size: Size) -> Result<Vec<Times>, String> {
    let program = folder.file("usersfile");
    if !program.exists() {
        let mut compile = Command::new("cc");
        compile.arg("-O2").arg("-o").arg(&program).arg(source("usersfile.c")).arg("-loath");
        printed(&mut compile).map_err(|why| format!("liboath-dev or cc is not installed: {why}"))?;
    }
    let mut command = Command::new(&program);
    times(command.arg(folder.file("users")).arg(users.to_string()).arg(size.compared.to_string()))
}

/// Runs a peer for a round.
pub fn times(command: &mut Command) -> Result<Vec<Times>, String> {
    let text = printed(command)?;
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let name = WORK.into_iter().find(|work| *work == name)?;
        let times: Result<Vec<u64>, _> = words.map(str::parse).collect();
        Some((name, times.ok()?.into_iter().map(Duration::from_nanos).collect()))
    };
    text.lines().map(|line| read(line).ok_or(format!("{:?} printed {line:.60?}", command.get_program()))).collect()
}

/// What a program that ends well prints, or the last that it complained.
pub fn printed(command: &mut Command) -> Result<String, String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(complaint.lines().last().unwrap_or("it failed, and does not say why").to_owned())
        }
        Err(cause) => Err(format!("{}: {cause}", command.get_program().to_string_lossy())),
    }
}
