//! Compilers, and the programs in C and C++ that they make: strictly, with the headers and the shared library.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{Folder, Watchdog, shared_library, tool};

const STRICT: [&str; 7] = ["-g", "-pthread", "-Wall", "-Wextra", "-Wconversion", "-pedantic-errors", "-Werror"];

pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// As the header says it.
pub fn abi_version() -> &'static str {
    let header = include_str!("../../include/otp.h");
    let (_, rest) = header.split_once("#define OTP_ABI_VERSION ").expect("the version");
    rest.split_whitespace().next().expect("a number")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {status}\n{}{}", text(&stdout), text(&stderr));
    text(&stdout)
}

/// The library under the names by which it is linked and loaded, in a folder of its own.
pub fn linked(name: &str) -> Folder {
    let folder = Folder::new(name);
    // The soname is the name under which a program looks for the library.
    for file in ["libotp.so".to_owned(), format!("libotp.so.{}", abi_version())] {
        symlink(shared_library(), folder.path().join(file)).unwrap();
    }
    folder
}

/// A compiler, and the folder for what it makes.
pub struct Compiler {
    path: PathBuf,
    pub folder: Folder,
    runs: AtomicUsize,
    _watchdog: Watchdog,
}

impl Compiler {
    /// None, said loudly, where the compiler is missing.
    pub fn new(compiler: &str, name: &str) -> Option<Self> {
        let compiler = tool(compiler)?;
        let folder = linked(&format!("c_api-{name}"));
        Some(Self { path: compiler, folder, runs: AtomicUsize::new(0), _watchdog: Watchdog::new(name, 900) })
    }

    /// A strict call of the compiler, with the headers.
    pub fn call(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(STRICT).args(options).arg("-I").arg(root().join("include"));
        command
    }

    /// Makes a program with the shared library.
    pub fn program(&self, name: &str, sources: &[PathBuf], options: &[&str]) -> PathBuf {
        let program = self.folder.path().join(name);
        let folder = self.folder.path().display();
        let library = [format!("-L{folder}"), "-lotp".to_owned(), format!("-Wl,-rpath,{folder}")];
        succeed(self.call(options).args(sources).args(library).arg("-o").arg(&program));
        program
    }

    /// Runs a program of checks in a folder of its own, perhaps by another program, and looks what it says.
    pub fn run(&self, runner: &[&str], program: &Path, place: &str) {
        let folder = self.folder.path().join(format!("run{}", self.runs.fetch_add(1, Relaxed)));
        std::fs::create_dir(&folder).unwrap();
        let mut command = match runner.split_first() {
            Some((runner, options)) => {
                let mut command = Command::new(runner);
                command.args(options).arg(program);
                command
            }
            None => Command::new(program),
        };
        let printed = succeed(command.arg(place).current_dir(&folder));
        let checks = printed.trim_end().strip_suffix(" checks, 0 failed").and_then(|number| number.parse::<u32>().ok());
        assert!(checks.is_some_and(|checks| checks > 0), "{command:?}: {printed}");
    }

    /// Whether a runner, or what was compiled in, finds this fault.
    pub fn finds(&self, runner: &[&str], program: &Path, fault: &str) -> bool {
        let mut command = Command::new(runner.first().map_or(program, |runner| Path::new(runner)));
        if let [_, options @ ..] = runner {
            command.args(options).arg(program);
        }
        !command.arg(fault).output().unwrap().status.success()
    }
}

/// Valgrind, which fails for every error and for memory that is lost. What is "possibly lost" is the handle of the main
/// thread, which Rust keeps by a pointer into its middle.
pub fn valgrind() -> Option<[String; 5]> {
    let program = tool("valgrind")?.display().to_string();
    let options = ["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"];
    let [quiet, code, leaks, kinds] = options.map(str::to_owned);
    Some([program, quiet, code, leaks, kinds])
}
