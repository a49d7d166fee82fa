//! `cargo xtask`: libotp for C and C++, as their tools expect to find it, and all that a release has.

mod archive;
mod bill;
mod debian;
mod describe;
mod header;
mod install;
mod library;
mod links;
mod man;
mod packages;
mod plots;
mod reference;
mod release;
mod site;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use bill::Bill;
use library::Recipe;

const USAGE: &str = "\
cargo xtask install [--prefix FOLDER] [--libdir FOLDER] [--destdir FOLDER] [--plain] [--glibc VERSION]

Builds libotp and installs it: the shared and the static library, headers, a
file for pkg-config, a package for CMake, manual pages, and the documentation.
So is otp, the operator's command, with completions for bash, zsh and fish.

  --prefix FOLDER   where it will be used; /usr/local unless given
  --libdir FOLDER   for libraries, within the prefix; lib unless given
  --destdir FOLDER  what to put before the prefix, for packagers
  --plain           without the repositories redis:// and postgres://, and without the sender smtp
  --glibc VERSION   for systems with this glibc or newer, such as 2.28; zig,
                    which compiles for it, is installed below target by pip

cargo xtask archive [--plain] [--glibc VERSION]

Makes dist/libotp-VERSION-TARGET.tar.gz of the same, which may be unpacked
anywhere, and dist/SHA256SUMS.

cargo xtask release --dry-run [--glibc VERSION]

Makes all that a release has in dist, and publishes nothing: the archive,
packages for Debian, Python and Node, the list of what is in the library
(CycloneDX) with all licences, and checksums. For glibc 2.28 unless another
is given; \"native\" is that of this system. Needs dpkg-deb, python3 and npm.

cargo xtask plots [FILE] [--into FOLDER]

Draws what cargo bench wrote, target/bench.json unless another file is given,
as SVG into docs/plots or another folder. What is missing is said.

cargo xtask site

Makes the documentation in target/site: docs, and the reference of the
interfaces from their sources. Its pages need no network and no server. Needs
python3. mdBook, which makes the pages, is built below target the first time.

OTP_DIST names another folder than dist for archive, debian, python, node and
release.
";

/// Why a task came to nothing, for people.
pub type Fault = String;

/// What is to be done.
pub struct Plan {
    /// Where it will be used.
    pub prefix: PathBuf,
    /// Within the prefix.
    pub libdir: PathBuf,
    /// Where all of it is put instead.
    pub destdir: Option<PathBuf>,
    pub recipe: Recipe,
    /// The licences of what is in the library.
    pub licences: Option<String>,
    pub is_dry: bool,
}

impl Default for Plan {
    fn default() -> Self {
        let (prefix, libdir) = ("/usr/local".into(), "lib".into());
        Self { prefix, libdir, destdir: None, recipe: Recipe::default(), licences: None, is_dry: false }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((help, [])) if ["help", "--help", "-h"].contains(&help.as_str()) => {
            print!("{USAGE}");
            Ok(())
        }
        Some((task, options)) => perform(task, options),
        None => Err(format!("no task is given\n\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("xtask: {}", fault.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn perform(task: &str, options: &[String]) -> Result<(), Fault> {
    match task {
        "install" => {
            let plan = plan(options, &["--prefix", "--libdir", "--destdir", "--plain", "--glibc"])?;
            install::install(&plan)
        }
        "archive" => {
            let plan = plan(options, &["--plain", "--glibc"])?;
            archive::archive(&plan.recipe, Bill::of(&plan.recipe, "otp-tools")?.licences()?)?;
            archive::sums()
        }
        "release" => {
            let plan = plan(options, &["--dry-run", "--glibc"])?;
            if !plan.is_dry {
                return Err("release: nothing is published by this program: give --dry-run".to_owned());
            }
            release::release(plan.recipe)
        }
        "plots" => plots::plots(options),
        "site" => {
            plan(options, &[])?;
            site::site()
        }
        _ => Err(format!("{task:?} is no task\n\n{USAGE}")),
    }
}

fn plan(options: &[String], known: &[&str]) -> Result<Plan, Fault> {
    let mut plan = Plan::default();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let (name, attached) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option.as_str(), None),
        };
        match name {
            _ if !known.contains(&name) => return Err(format!("{name}: there is no such option\n\n{USAGE}")),
            "--plain" | "--dry-run" if attached.is_some() => return Err(format!("{name}: takes no value")),
            "--plain" => plan.recipe.is_plain = true,
            "--dry-run" => plan.is_dry = true,
            _ => {
                let value = attached.or_else(|| options.next().cloned()).filter(|value| !value.is_empty());
                let value = value.ok_or(format!("{name}: a value must follow"))?;
                match name {
                    "--prefix" => plan.prefix = absolute(name, value.into())?,
                    "--libdir" => plan.libdir = within(value.into())?,
                    "--glibc" => plan.recipe.glibc = Some(value),
                    _ => plan.destdir = Some(std::path::absolute(value).map_err(|cause| format!("{name}: {cause}"))?),
                }
            }
        }
    }
    Ok(plan)
}

fn absolute(name: &str, folder: PathBuf) -> Result<PathBuf, Fault> {
    if folder.is_absolute() { Ok(folder) } else { Err(format!("{name}: must be an absolute path")) }
}

fn within(folder: PathBuf) -> Result<PathBuf, Fault> {
    let is_plain = folder.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if is_plain { Ok(folder) } else { Err("--libdir: must be a path within the prefix, such as lib64".to_owned()) }
}

/// The folder of the workspace.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The program that runs this one.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Another one than that of the workspace's own builds, or what they made would be replaced.
pub fn target_folder() -> PathBuf {
    // From wherever a program is run that is told of it.
    let given = std::env::var_os("CARGO_TARGET_DIR").and_then(|folder| std::path::absolute(folder).ok());
    given.unwrap_or_else(|| root().join("target/xtask"))
}

pub fn read(path: &Path) -> Result<String, Fault> {
    std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}", path.display()))
}

pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Fault> {
    std::fs::write(path, bytes).map_err(|cause| format!("{}: {cause}", path.display()))
}

/// Runs a command to its end, and gives what it printed.
pub fn run(command: &mut Command) -> Result<String, Fault> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|cause| format!("{name}: {cause}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
