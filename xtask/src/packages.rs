//! Packages for Python and Node: the library, and what each language puts around it.

use std::path::Path;
use std::process::Command;

use crate::archive::{Scratch, dist, time};
use crate::library::{self, Built};
use crate::{Fault, install, root, run, tools};

/// A wheel for this machine and a source distribution, which is built without a network.
pub fn python(built: &Built, library: &Path, licences: &Path) -> Result<(), Fault> {
    let tools = tools::programs()?;
    let (major, minor) = built.glibc()?;
    let machine = library::target()?.split('-').next().unwrap_or_default().to_owned();
    let mut hatchling = Command::new(tools.join("hatchling"));
    hatchling
        .current_dir(root().join("bindings/python"))
        .args(["build", "-t", "wheel", "-t", "sdist", "-d"])
        .arg(dist());
    hatchling.env("LIBOTP_PREBUILT", library).env("LIBOTP_LICENCES", licences);
    hatchling.env("LIBOTP_PLATFORM_TAG", format!("manylinux_{major}_{minor}_{machine}"));
    run(hatchling.env("SOURCE_DATE_EPOCH", time().to_string()))?;
    let sources = dist().join(format!("libotp-{}.tar.gz", install::version()?));
    let entries = std::fs::read_dir(dist()).map_err(|cause| format!("dist: {cause}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let ours = paths.filter(|path| *path == sources || path.extension().is_some_and(|ending| ending == "whl"));
    run(Command::new(tools.join("twine")).args(["check", "--strict"]).args(ours)).map(drop)
}

/// The package of every system, and that of this one, which it depends on.
pub fn node(library: &Path, licences: &Path) -> Result<(), Fault> {
    let scratch = Scratch::new("node")?;
    let package = root().join("bindings/node");
    let mut node = Command::new("node");
    run(node.arg(package.join("scripts/release.cjs")).arg(&scratch.0).arg(library).arg(licences))?;
    let entries = std::fs::read_dir(&scratch.0).map_err(|cause| format!("dist/node: {cause}"))?;
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    for folder in folders {
        run(Command::new("npm").args(["pack", "--silent", "--pack-destination"]).arg(dist()).arg(folder))?;
    }
    Ok(())
}
