//! A release archive: what `install` lays down, to be unpacked anywhere, and its checksum.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Fault, Plan, install, root, run};

/// Makes `dist/libotp-VERSION-TARGET.tar.gz` and `dist/SHA256SUMS`. The same sources, compiler and folder give the same
/// bytes.
pub fn archive(is_plain: bool) -> Result<(), Fault> {
    let (version, target) = (install::version()?, target()?);
    let name = format!("libotp-{version}-{target}");
    let (dist, tree) = (root().join("dist"), root().join("dist/tree"));
    match fs::remove_dir_all(&tree) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(format!("dist/tree: {cause}")),
        _ => {}
    }
    let prefix = Path::new("/").join(&name);
    install::install(&Plan { prefix, libdir: "lib".into(), destdir: Some(tree.clone()), is_plain })?;
    let (unpacked, packed) = (dist.join(format!("{name}.tar")), format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar", "--mode=u+w,go-w"]);
    tar.arg(format!("--mtime=@{}", time())).arg("-C").arg(&tree).arg("-cf").arg(&unpacked).arg(&name);
    run(&mut tar)?;
    let file = File::create(dist.join(&packed)).map_err(|cause| format!("{packed}: {cause}"))?;
    let gzip = Command::new("gzip").args(["-9nc"]).arg(&unpacked).stdout(Stdio::from(file)).status();
    if !gzip.map_err(|cause| format!("gzip: {cause}"))?.success() {
        return Err("gzip failed".to_owned());
    }
    for made in [fs::remove_file(&unpacked), fs::remove_dir_all(&tree)] {
        made.map_err(|cause| format!("dist: {cause}"))?;
    }
    let sums = run(Command::new("sha256sum").arg(&packed).current_dir(&dist))?;
    fs::write(dist.join("SHA256SUMS"), &sums).map_err(|cause| format!("dist/SHA256SUMS: {cause}"))?;
    print!("{sums}");
    Ok(())
}

/// For which machine the compiler builds.
fn target() -> Result<String, Fault> {
    let told = run(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or("rustc -vV: no host".to_owned())
}

/// The time that all files bear: `SOURCE_DATE_EPOCH`, or that of the newest commit.
fn time() -> u64 {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let newest = || run(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root())).ok();
    given.or_else(newest).and_then(|time| time.trim().parse().ok()).unwrap_or(0)
}
