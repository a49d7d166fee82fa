//! Building the library, shared and static, and the command `otp`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Fault, cargo, read, root, run, target_folder, tools};

/// How it is built.
#[derive(Clone, Default)]
pub struct Recipe {
    /// Without what other hosts share.
    pub is_plain: bool,
    /// For systems with this glibc or a newer one; otherwise for those like this one.
    pub glibc: Option<String>,
}

/// What cargo made.
pub struct Built {
    folder: PathBuf,
}

/// Builds the library, which exports what `abi/symbols.txt` says, and the command, which has the library in it.
pub fn build(recipe: &Recipe) -> Result<Built, Fault> {
    let (folder, target) = (target_folder(), target()?);
    let mut cargo = Command::new(cargo());
    cargo.current_dir(root()).arg(if recipe.glibc.is_some() { "zigbuild" } else { "build" });
    // At once, so that both have the same library.
    cargo.args(["--package", "libotp", "--lib", "--package", "otp-tools", "--bin", "otp"]);
    cargo.args(["--release", "--locked", "--target-dir"]).arg(&folder);
    cargo.args(recipe.features());
    if let Some(glibc) = &recipe.glibc {
        cargo.env("PATH", tools::path()?);
        cargo.arg("--target").arg(format!("{target}.{glibc}"));
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags());
    let status = cargo.status().map_err(|cause| format!("cargo: {cause}"))?;
    if !status.success() {
        return Err("the library and otp were not built".to_owned());
    }
    let built = if recipe.glibc.is_some() { folder.join(target) } else { folder }.join("release");
    let built = Built { folder: built };
    built.check(recipe)?;
    Ok(built)
}

/// What rustc is told besides: paths of this machine are in no library.
fn flags() -> String {
    let home = std::env::var("HOME").unwrap_or_default();
    let cargo = std::env::var("CARGO_HOME").unwrap_or(format!("{home}/.cargo"));
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let given = given.split_whitespace().map(str::to_owned);
    let names = [(cargo, "/cargo"), (root().display().to_string(), "/libotp")];
    let all = given.chain(names.map(|(path, name)| format!("--remap-path-prefix={path}={name}")));
    all.collect::<Vec<_>>().join("\u{1f}")
}

/// For which machine the compiler builds.
pub fn target() -> Result<String, Fault> {
    let told = run(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or("rustc -vV: no host".to_owned())
}

impl Recipe {
    /// What cargo is told.
    pub fn features(&self) -> &'static [&'static str] {
        if self.is_plain { &[] } else { &["--features", "redis,postgres,smtp"] }
    }
}

impl Built {
    pub fn shared(&self) -> PathBuf {
        self.folder.join("libotp.so")
    }

    /// The shared library, without what only debuggers need.
    pub fn put_shared(&self, to: &Path) -> Result<(), Fault> {
        run(Command::new("strip").arg("--strip-unneeded").arg("-o").arg(to).arg(self.shared()))?;
        Ok(())
    }

    pub fn command(&self) -> PathBuf {
        self.folder.join("otp")
    }

    /// The command, without what only debuggers need.
    pub fn put_command(&self, to: &Path) -> Result<(), Fault> {
        run(Command::new("strip").arg("-s").arg("-o").arg(to).arg(self.command())).map(drop)
    }

    /// Refuses a library that other programs than those of this version would find wanting, and one for newer systems
    /// than it was to be for.
    fn check(&self, recipe: &Recipe) -> Result<(), Fault> {
        let listed = read(&root().join("abi/symbols.txt"))?;
        let listed = listed.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').next());
        let mut expected: Vec<_> = listed.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mut exports = self.exports()?;
        expected.sort();
        exports.sort();
        if exports != expected {
            let lacks: Vec<_> = expected.iter().filter(|name| !exports.contains(name)).collect();
            let more: Vec<_> = exports.iter().filter(|name| !expected.contains(name)).collect();
            return Err(format!("abi/symbols.txt: the library lacks {lacks:?} and has {more:?} besides"));
        }
        let wanted = recipe.glibc.as_deref().and_then(version);
        match self.glibc()?.max(glibc_of(&self.command())?) {
            needed if wanted.is_some_and(|wanted| needed > wanted) => {
                Err(format!("the library or otp needs glibc {needed:?}"))
            }
            _ => Ok(()),
        }
    }

    /// The oldest glibc with which the shared library runs.
    pub fn glibc(&self) -> Result<(u32, u32), Fault> {
        glibc_of(&self.shared())
    }

    /// The functions that the shared library exports.
    pub fn exports(&self) -> Result<Vec<String>, Fault> {
        let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(self.shared()))?;
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

/// The oldest glibc with which a program or a library runs.
pub fn glibc_of(path: &Path) -> Result<(u32, u32), Fault> {
    let symbols = run(Command::new("objdump").arg("-T").arg(path))?;
    let names = symbols.split("GLIBC_").skip(1).filter_map(|rest| version(rest.split(')').next()?));
    names.max().ok_or(format!("{}: needs no glibc", path.display()))
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
