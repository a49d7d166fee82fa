//! django-otp's e-mail device: a code in a row, read and compared by Python. It is installed on the first run, beside
//! what cargo builds, in the versions that `requirements.txt` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Times;
use super::programs::{printed, source, times};
use crate::Size;
use crate::disk::Folder;

pub fn run(folder: &Folder, size: Size) -> Result<Vec<Times>, String> {
    let python = installed().map_err(|why| format!("it could not be installed by pip: {why}"))?;
    let database = folder.file("django.db");
    for suffix in ["", "-wal", "-shm"] {
        // Each round begins with an empty database.
        let _ = fs::remove_file(format!("{}{suffix}", database.display()));
    }
    times(Command::new(python).arg(source("django_otp_email.py")).arg(database).arg(size.compared.to_string()))
}

/// The Python that has it.
fn installed() -> Result<PathBuf, String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-django");
    let (python, stamp) = (place.join("bin/python"), place.join("requirements.txt"));
    let wanted = fs::read_to_string(source("requirements.txt")).map_err(|cause| cause.to_string())?;
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    printed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    printed(install.arg(source("requirements.txt")))?;
    fs::write(stamp, wanted).map_err(|cause| cause.to_string())?;
    Ok(python)
}
