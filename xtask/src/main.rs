//! `cargo xtask install`: libotp for C and C++, as their tools expect to find it.

mod archive;
mod describe;
mod install;
mod library;
mod man;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask install [--prefix FOLDER] [--libdir FOLDER] [--destdir FOLDER] [--plain]

Builds libotp and installs it: the shared and the static library, headers, a
file for pkg-config, a package for CMake, and manual pages.

  --prefix FOLDER   where it will be used; /usr/local unless given
  --libdir FOLDER   for libraries, within the prefix; lib unless given
  --destdir FOLDER  what to put before the prefix, for packagers
  --plain           without the repositories redis:// and postgres://

cargo xtask archive [--plain]

Makes dist/libotp-VERSION-TARGET.tar.gz of the same, which may be unpacked
anywhere, and dist/SHA256SUMS.
";

/// Why a task came to nothing, for people.
pub type Fault = String;

/// What `install` is to do.
pub struct Plan {
    /// Where it will be used.
    pub prefix: PathBuf,
    /// Within the prefix.
    pub libdir: PathBuf,
    /// Where all of it is put instead.
    pub destdir: Option<PathBuf>,
    pub is_plain: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((task, options)) if task == "install" => plan(options).and_then(|plan| install::install(&plan)),
        Some((task, [])) if task == "archive" => archive::archive(false),
        Some((task, [plain])) if task == "archive" && plain == "--plain" => archive::archive(true),
        Some((help, [])) if ["help", "--help", "-h"].contains(&help.as_str()) => {
            print!("{USAGE}");
            Ok(())
        }
        Some((task, _)) => Err(format!("{task:?} is no task, or has other options\n\n{USAGE}")),
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

fn plan(options: &[String]) -> Result<Plan, Fault> {
    let mut plan = Plan { prefix: "/usr/local".into(), libdir: "lib".into(), destdir: None, is_plain: false };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let (name, attached) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option.as_str(), None),
        };
        if name == "--plain" && attached.is_none() {
            plan.is_plain = true;
            continue;
        }
        if !["--prefix", "--libdir", "--destdir"].contains(&name) {
            return Err(format!("{name}: there is no such option\n\n{USAGE}"));
        }
        let value = attached.or_else(|| options.next().cloned()).filter(|value| !value.is_empty());
        let folder = PathBuf::from(value.ok_or(format!("{name}: a folder must follow"))?);
        match name {
            "--prefix" => plan.prefix = absolute(name, folder)?,
            "--libdir" => plan.libdir = within(folder)?,
            _ => plan.destdir = Some(std::path::absolute(folder).map_err(|cause| format!("{name}: {cause}"))?),
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

/// Runs a command to its end, and gives what it printed.
pub fn run(command: &mut Command) -> Result<String, Fault> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|cause| format!("{name}: {cause}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
