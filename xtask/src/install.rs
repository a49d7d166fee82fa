//! The layout of what is installed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Fault, Plan, describe, library, links, man, read, root, run};

/// Headers, of C, for what reads C at run time, and of C++.
const HEADERS: [&str; 3] = ["otp.h", "otp.cdef.h", "otp.hpp"];

/// Folder and name of what the command tells of itself.
const TELLS: [(&str, &str, &[&str]); 4] = [
    ("share/man/man1", "otp.1", &["man"]),
    ("share/bash-completion/completions", "otp", &["completions", "bash"]),
    ("share/zsh/site-functions", "_otp", &["completions", "zsh"]),
    ("share/fish/vendor_completions.d", "otp.fish", &["completions", "fish"]),
];

pub const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// The wrappers that are one file each. Beside each language's stands its README.
const WRAPPERS: [&str; 7] = [
    "csharp/Otp.cs",
    "go/otp.go",
    "java/Otp.java",
    "java/foreign/Otp.java",
    "lua/otp.lua",
    "php/Otp.php",
    "ruby/otp.rb",
];

/// Builds, and puts everything where the plan says.
pub fn install(plan: &Plan) -> Result<(), Fault> {
    let header = read(&root().join("include/otp.h"))?;
    let (version, abi) = (version()?, abi(&header)?);
    let built = library::build(&plan.recipe)?;
    let tree = Tree { top: top(plan) };

    let libraries = tree.folder(&plan.libdir)?;
    let (soname, real) = (format!("libotp.so.{abi}"), format!("libotp.so.{version}"));
    built.put_shared(&libraries.join(&real))?;
    tree.set_mode(&libraries.join(&real), 0o755)?;
    tree.link(&real, &libraries.join(&soname))?;
    tree.link(&soname, &libraries.join("libotp.so"))?;
    built.put_static(&libraries.join("libotp.a"))?;
    tree.set_mode(&libraries.join("libotp.a"), 0o644)?;

    command(&tree, &built)?;
    let include = tree.folder(Path::new("include"))?;
    for name in HEADERS {
        tree.write(&include.join(name), &read(&root().join("include").join(name))?)?;
    }
    let pkg_config = tree.folder(&plan.libdir.join("pkgconfig"))?;
    tree.write(&pkg_config.join("libotp.pc"), &describe::pkg_config(&plan.libdir, &version))?;
    let cmake = tree.folder(&plan.libdir.join("cmake/otp"))?;
    tree.write(&cmake.join("otp-config.cmake"), &describe::cmake(&plan.libdir, &soname))?;
    tree.write(&cmake.join("otp-config-version.cmake"), &describe::cmake_version(&version))?;
    let manual = tree.folder(Path::new("share/man/man3"))?;
    for page in man::pages(&header, &version)? {
        tree.write(&manual.join(format!("{}.3", page.name)), &page.text)?;
    }
    let documents = Path::new("share/doc/libotp");
    // As in the workspace, so that their links hold.
    for path in links::reached("README.md")?.into_iter().chain(LICENCES.map(PathBuf::from)) {
        let to = tree.folder(&documents.join(path.parent().unwrap_or(&path)))?;
        // A picture is among them.
        let bytes = fs::read(root().join(&path)).map_err(|cause| format!("{}: {cause}", path.display()))?;
        tree.write(&to.join(path.file_name().unwrap_or_default()), &bytes)?;
    }
    if let Some(licences) = &plan.licences {
        tree.write(&tree.folder(documents)?.join("LICENSES-OF-PARTS.txt"), licences)?;
    }
    for wrapper in WRAPPERS.map(Path::new) {
        let language = wrapper.iter().next().unwrap_or_default();
        for name in [wrapper, &Path::new(language).join("README.md")] {
            let to = Path::new("share/libotp").join(name);
            let folder = tree.folder(to.parent().unwrap_or(&to))?;
            let text = read(&root().join("bindings").join(name))?;
            tree.write(&folder.join(name.file_name().unwrap_or_default()), &text)?;
        }
    }
    println!("installed libotp {version} in {}", tree.top.display());
    Ok(())
}

/// The operator's command, and what it says of itself to man and to shells.
fn command(tree: &Tree, built: &library::Built) -> Result<(), Fault> {
    let program = tree.folder(Path::new("bin"))?.join("otp");
    tree.remove(&program)?;
    built.put_command(&program)?;
    tree.set_mode(&program, 0o755)?;
    for (folder, name, arguments) in TELLS {
        let text = run(Command::new(&program).args(arguments))?;
        tree.write(&tree.folder(Path::new(folder))?.join(name), &text)?;
    }
    let bytes = fs::metadata(&program).map_err(|cause| format!("{}: {cause}", program.display()))?.len();
    println!("otp has {:.1} MB", bytes as f64 / 1e6);
    Ok(())
}

/// Where the prefix lies for now.
fn top(plan: &Plan) -> PathBuf {
    match &plan.destdir {
        Some(destdir) => destdir.join(plan.prefix.strip_prefix("/").unwrap_or(&plan.prefix)),
        None => plan.prefix.clone(),
    }
}

/// The version in the manifest, which all packages have.
pub fn version() -> Result<String, Fault> {
    let manifest = read(&root().join("Cargo.toml"))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    line.map(str::to_owned).ok_or("Cargo.toml: no version".to_owned())
}

/// The number in the name under which programs look for the library.
pub fn abi(header: &str) -> Result<&str, Fault> {
    let number = header.lines().find_map(|line| line.strip_prefix("#define OTP_ABI_VERSION "));
    number.map(str::trim).ok_or("otp.h: no OTP_ABI_VERSION".to_owned())
}

/// What is installed. A file that is there is replaced, never written into: a program may be using it.
struct Tree {
    top: PathBuf,
}

impl Tree {
    fn folder(&self, name: &Path) -> Result<PathBuf, Fault> {
        let folder = self.top.join(name);
        fs::create_dir_all(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
        Ok(folder)
    }

    fn write(&self, path: &Path, text: &(impl AsRef<[u8]> + ?Sized)) -> Result<(), Fault> {
        self.remove(path)?;
        fs::write(path, text).map_err(|cause| format!("{}: {cause}", path.display()))?;
        self.set_mode(path, 0o644)
    }

    fn link(&self, to: &str, path: &Path) -> Result<(), Fault> {
        self.remove(path)?;
        symlink(to, path).map_err(|cause| format!("{}: {cause}", path.display()))
    }

    fn remove(&self, path: &Path) -> Result<(), Fault> {
        match fs::remove_file(path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {cause}", path.display())),
            _ => Ok(()),
        }
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), Fault> {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, mode).map_err(|cause| format!("{}: {cause}", path.display()))
    }
}
