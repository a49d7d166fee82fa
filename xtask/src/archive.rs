//! A release archive: what `install` lays down, to be unpacked anywhere, and checksums.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::library::{self, Recipe};
use crate::{Fault, Plan, install, root, run};

/// Where all is put that is made to be given away: `OTP_DIST`, or `dist`.
pub fn dist() -> PathBuf {
    std::env::var_os("OTP_DIST").map_or_else(|| root().join("dist"), PathBuf::from)
}

/// Makes `dist/libotp-VERSION-TARGET.tar.gz`. The same sources, compiler and folder give the same bytes.
pub fn archive(recipe: &Recipe, licences: String) -> Result<(), Fault> {
    let name = format!("libotp-{}-{}", install::version()?, library::target()?);
    let tree = Scratch::new("tree")?;
    let prefix = Path::new("/").join(&name);
    let plan = Plan { prefix, destdir: Some(tree.0.clone()), recipe: recipe.clone(), ..Plan::default() };
    install::install(&Plan { licences: Some(licences), ..plan })?;
    pack(&tree.0, &name)
}

/// Packs a folder of the tree.
fn pack(tree: &Path, name: &str) -> Result<(), Fault> {
    let (unpacked, packed) = (tree.join(format!("{name}.tar")), dist().join(format!("{name}.tar.gz")));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar", "--mode=u+w,go-w"]);
    tar.arg(format!("--mtime=@{}", time())).arg("-C").arg(tree).arg("-cf").arg(&unpacked).arg(name);
    run(&mut tar)?;
    let file = File::create(&packed).map_err(|cause| format!("{}: {cause}", packed.display()))?;
    let gzip = Command::new("gzip").args(["-9nc"]).arg(&unpacked).stdout(Stdio::from(file)).status();
    if gzip.map_err(|cause| format!("gzip: {cause}"))?.success() { Ok(()) } else { Err("gzip failed".to_owned()) }
}

/// Writes `dist/SHA256SUMS` of all that is there, and prints it.
pub fn sums() -> Result<(), Fault> {
    let entries = fs::read_dir(dist()).map_err(|cause| format!("dist: {cause}"))?;
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.retain(|name| name != "SHA256SUMS");
    names.sort();
    let sums = run(Command::new("sha256sum").args(names).current_dir(dist()))?;
    fs::write(dist().join("SHA256SUMS"), &sums).map_err(|cause| format!("dist/SHA256SUMS: {cause}"))?;
    print!("{sums}");
    Ok(())
}

/// Makes `dist` an empty folder.
pub fn clear() -> Result<(), Fault> {
    empty(&dist())
}

fn empty(folder: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause),
        _ => fs::create_dir_all(folder),
    }
    .map_err(|cause| format!("{}: {cause}", folder.display()))
}

/// A folder below `dist` for what is on its way. Removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Result<Self, Fault> {
        let folder = dist().join(name);
        empty(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The time that all files bear: `SOURCE_DATE_EPOCH`, or that of the newest commit.
pub fn time() -> u64 {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let newest = || run(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root())).ok();
    given.or_else(newest).and_then(|time| time.trim().parse().ok()).unwrap_or(0)
}
