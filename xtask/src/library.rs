//! Building the library, shared and static.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Fault, root, run};

/// What cargo made.
pub struct Built {
    folder: PathBuf,
}

/// Builds the library.
pub fn build(is_plain: bool) -> Result<Built, Fault> {
    let target = target_folder();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["build", "--package", "libotp", "--lib", "--release", "--locked", "--target-dir"]);
    cargo.arg(&target);
    if !is_plain {
        cargo.args(["--features", "redis,postgres"]);
    }
    let status = cargo.status().map_err(|cause| format!("cargo: {cause}"))?;
    if !status.success() {
        return Err("the library was not built".to_owned());
    }
    Ok(Built { folder: target.join("release") })
}

/// Another one than that of the workspace's own builds, or what they made would be replaced.
fn target_folder() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    given.unwrap_or_else(|| root().join("target/xtask"))
}

impl Built {
    /// The shared library, without what only debuggers need.
    pub fn put_shared(&self, to: &Path) -> Result<(), Fault> {
        run(Command::new("strip").arg("--strip-unneeded").arg("-o").arg(to).arg(self.folder.join("libotp.so")))?;
        Ok(())
    }

    /// The functions that the shared library exports.
    pub fn exports(&self) -> Result<Vec<String>, Fault> {
        let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(self.folder.join("libotp.so")))?;
        Ok(symbols.lines().filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect())
    }

    /// The static library: one object in which all but these functions is local, so that a program may have its own
    /// SQLite, or another library in Rust. What none of them needs is left out.
    pub fn put_static(&self, to: &Path) -> Result<(), Fault> {
        let scratch = self.folder.join("static");
        std::fs::create_dir_all(&scratch).map_err(|cause| format!("{}: {cause}", scratch.display()))?;
        let [clean, all, one] = ["clean.a", "all.o", "libotp.o"].map(|name| scratch.join(name));
        let exports = self.exports()?;
        let mut objcopy = Command::new("objcopy");
        // What compilers left of themselves, some tools take for what it is not.
        objcopy.args(["--strip-debug", "--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
        run(objcopy.arg(self.folder.join("libotp.a")).arg(&clean))?;
        let mut ld = Command::new("ld");
        ld.args(["-r", "--gc-sections", "-o"]).arg(&all);
        ld.args(exports.iter().flat_map(|name| ["-u", name]));
        run(ld.arg("--whole-archive").arg(&clean))?;
        let mut objcopy = Command::new("objcopy");
        objcopy.arg("--strip-unneeded").args(exports.iter().flat_map(|name| ["--keep-global-symbol", name]));
        run(objcopy.arg(&all).arg(&one))?;
        let _ = std::fs::remove_file(to);
        run(Command::new("ar").arg("rcsD").arg(to).arg(&one))?;
        Ok(())
    }
}
