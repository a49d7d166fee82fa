//! All that a release has, in `dist`.

use serde_json::Value;

use crate::archive::{self, dist};
use crate::bill::Bill;
use crate::library::{self, Recipe};
use crate::{Fault, debian, install, packages, read, root, write};

/// The oldest glibc that a release is for: that of RHEL 8 and Debian 10.
const GLIBC: &str = "2.28";

/// Makes everything. Done twice, with the same sources, compilers and folder, the bytes are the same.
pub fn release(given: Recipe) -> Result<(), Fault> {
    let glibc = given.glibc.unwrap_or(GLIBC.to_owned());
    let recipe = Recipe { is_plain: false, glibc: Some(glibc).filter(|version| version != "native") };
    let version = one_version()?;
    archive::clear()?;
    let built = library::build(&recipe)?;
    let (bill, of_command) = (Bill::of(&recipe, "libotp")?, Bill::of(&recipe, "otp-tools")?);
    write(&dist().join(format!("otp-tools-{version}.cdx.json")), of_command.cyclonedx()?)?;
    let licences = dist().join("LICENSES-OF-PARTS.txt");
    write(&licences, bill.licences()?)?;
    write(&dist().join(format!("libotp-{version}.cdx.json")), bill.cyclonedx()?)?;

    archive::archive(&recipe, of_command.licences()?)?;
    debian::packages(&recipe, [bill.licences()?, of_command.licences()?])?;
    let scratch = archive::Scratch::new("library")?;
    let library = scratch.0.join("libotp.so");
    built.put_shared(&library)?;
    packages::python(&built, &library, &licences)?;
    packages::node(&library, &licences)?;
    drop(scratch);
    archive::sums()
}

/// The version that every package has. The manifest of the library says it; Node's, and that of `otp`, must repeat it.
fn one_version() -> Result<String, Fault> {
    let version = install::version()?;
    for name in ["package.json", "package-lock.json"] {
        let manifest = read(&root().join("bindings/node").join(name))?;
        let manifest: Value = serde_json::from_str(&manifest).map_err(|cause| format!("{name}: {cause}"))?;
        if manifest["version"] != version.as_str() {
            return Err(format!("{name}: its version is {}, that of Cargo.toml {version}", manifest["version"]));
        }
    }
    if !read(&root().join("tools/Cargo.toml"))?.contains(&format!("\nversion = \"{version}\"\n")) {
        return Err(format!("tools/Cargo.toml: its version is not {version}"));
    }
    Ok(version)
}
