//! Programs in C and C++ that know nothing but the headers and the library: compiled strictly, by every standard, and
//! run plainly, under valgrind and under sanitizers.

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::{Folder, Watchdog, shared_library, size, tool};

const C_STANDARDS: [&str; 4] = ["-std=c99", "-std=c11", "-std=c17", "-std=c2x"];
const CPP_STANDARDS: [&str; 5] = ["-std=c++11", "-std=c++14", "-std=c++17", "-std=c++20", "-std=c++23"];
const STRICT: [&str; 7] = ["-g", "-pthread", "-Wall", "-Wextra", "-Wconversion", "-pedantic-errors", "-Werror"];
const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// What `rustc --print native-static-libs` says that a program with the static library needs.
const SYSTEM_LIBRARIES: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

const EVERYWHERE: &[&str] = &["memory:", "sqlite:otp.db", "json:otp"];

/// The programs, each with the repositories on which it runs.
const PROGRAMS: [(&str, &[&str]); 10] = [
    ("results", &["memory:"]),
    ("config", &["memory:"]),
    ("create", EVERYWHERE),
    ("again", EVERYWHERE),
    ("verify", EVERYWHERE),
    ("limits", EVERYWHERE),
    ("delivery", EVERYWHERE),
    ("callbacks", EVERYWHERE),
    ("storage", &["sqlite:otp.db", "json:otp"]),
    ("misuse", EVERYWHERE),
];

/// Not programs of checks: see the tests that name them.
const OTHERS: [&str; 3] = ["header", "unchecked", "faulty"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn c_file(name: &str) -> PathBuf {
    root().join("tests/c").join(name).with_extension("c")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed.
fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {status}\n{}{}", text(&stdout), text(&stderr));
    text(&stdout)
}

/// A compiler, and the folder for what it makes.
struct Bench {
    compiler: PathBuf,
    folder: Folder,
    runs: AtomicUsize,
    _watchdog: Watchdog,
}

impl Bench {
    /// None, said loudly, where the compiler is missing.
    fn new(compiler: &str, name: &str) -> Option<Self> {
        let compiler = tool(compiler)?;
        let folder = Folder::new(&format!("c_api-{name}"));
        // The soname is the name under which a program looks for the library.
        let soname = format!("libotp.so.{}", otp::ffi::results::OTP_ABI_VERSION);
        symlink(shared_library(), folder.path().join(soname)).unwrap();
        symlink(shared_library(), folder.path().join("libotp.so")).unwrap();
        Some(Self { compiler, folder, runs: AtomicUsize::new(0), _watchdog: Watchdog::new(name, 900) })
    }

    /// A strict call of the compiler, with the headers.
    fn compiler(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.compiler);
        command.args(STRICT).args(options).arg("-I").arg(root().join("include"));
        command
    }

    /// Makes a program with the shared library.
    fn program(&self, name: &str, sources: &[PathBuf], options: &[&str]) -> PathBuf {
        let program = self.folder.path().join(name);
        let folder = self.folder.path().display();
        let library = [format!("-L{folder}"), "-lotp".to_owned(), format!("-Wl,-rpath,{folder}")];
        succeed(self.compiler(options).args(sources).args(library).arg("-o").arg(&program));
        program
    }

    /// Runs a program of checks in a folder of its own, perhaps by another program, and looks what it says.
    fn run(&self, runner: &[&str], program: &Path, place: &str) {
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
    fn finds(&self, runner: &[&str], program: &Path, fault: &str) -> bool {
        let mut command = Command::new(runner.first().map_or(program, |runner| Path::new(runner)));
        if let [_, options @ ..] = runner {
            command.args(options).arg(program);
        }
        !command.arg(fault).output().unwrap().status.success()
    }
}

fn cpp_files() -> [PathBuf; 2] {
    ["values.cpp", "callbacks.cpp"].map(|name| root().join("tests/cpp").join(name))
}

/// Valgrind, which fails for every error and for memory that is lost. What is "possibly lost" is the handle of the main
/// thread, which Rust keeps by a pointer into its middle.
fn valgrind() -> Option<[String; 5]> {
    let program = tool("valgrind")?.display().to_string();
    let options = ["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"];
    let [quiet, code, leaks, kinds] = options.map(str::to_owned);
    Some([program, quiet, code, leaks, kinds])
}

#[test]
fn every_program_is_run() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/c")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "c") {
            found.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    let mut known: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).chain(OTHERS).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn the_header_compiles_alone_by_every_standard() {
    let Some(bench) = Bench::new("cc", "header") else { return };
    for standard in C_STANDARDS {
        let compile = |name| {
            let mut compiler = bench.compiler(&[standard, "-c"]);
            compiler.arg(c_file(name)).arg("-o").arg(bench.folder.path().join("object.o"));
            compiler
        };
        succeed(&mut compile("header"));
        // A result that decides something cannot be ignored.
        let output = compile("unchecked").output().unwrap();
        assert!(!output.status.success() && text(&output.stderr).contains("unused-result"), "{}", text(&output.stderr));
    }
}

#[test]
fn c_programs() {
    let Some(bench) = Bench::new("cc", "plain") else { return };
    for standard in C_STANDARDS.iter().take(size(1, C_STANDARDS.len())) {
        for (name, places) in PROGRAMS {
            let program = bench.program(&format!("{name}{standard}"), &[c_file(name)], &[standard]);
            places.iter().for_each(|place| bench.run(&[], &program, place));
        }
    }
}

#[test]
fn c_programs_under_valgrind() {
    let (Some(bench), Some(valgrind)) = (Bench::new("cc", "valgrind"), valgrind()) else { return };
    let valgrind = valgrind.each_ref().map(String::as_str);
    let faulty = bench.program("faulty", &[c_file("faulty")], &["-std=c11"]);
    assert!(bench.finds(&valgrind, &faulty, "leak") && bench.finds(&valgrind, &faulty, "beyond"));
    assert!(!bench.finds(&valgrind, &faulty, "nothing"));
    for (name, places) in PROGRAMS {
        let program = bench.program(name, &[c_file(name)], &["-std=c11"]);
        // On disk first: there most of the library is at work.
        let places = places.iter().rev().take(size(1, places.len()));
        places.for_each(|place| bench.run(&valgrind, &program, place));
    }
}

#[test]
fn c_programs_under_sanitizers() {
    let Some(bench) = Bench::new("cc", "sanitizers") else { return };
    let options = [C_STANDARDS[2], SANITIZERS[0], SANITIZERS[1]];
    let faulty = bench.program("faulty", &[c_file("faulty")], &options);
    for fault in ["leak", "beyond", "undefined"] {
        assert!(bench.finds(&[], &faulty, fault), "{fault} is not found");
    }
    assert!(!bench.finds(&[], &faulty, "nothing"));
    for (name, places) in PROGRAMS {
        let program = bench.program(name, &[c_file(name)], &options);
        if let Some(nm) = tool("nm") {
            let symbols = succeed(Command::new(nm).arg(&program));
            assert!(
                symbols.contains("__asan_init") && symbols.contains("__ubsan_handle"),
                "{name} is not instrumented"
            );
        }
        places.iter().for_each(|place| bench.run(&[], &program, place));
    }
}

#[test]
fn cpp_programs_by_every_standard() {
    let Some(bench) = Bench::new("c++", "cpp") else { return };
    for standard in CPP_STANDARDS {
        let program = bench.program(&format!("cpp{standard}"), &cpp_files(), &[standard]);
        bench.run(&[], &program, "");
    }
    let program = bench.program("no-rtti", &cpp_files(), &[CPP_STANDARDS[0], "-fno-rtti"]);
    bench.run(&[], &program, "");
}

#[test]
fn cpp_programs_under_valgrind_and_sanitizers() {
    let Some(bench) = Bench::new("c++", "cpp-checked") else { return };
    let program = bench.program("sanitized", &cpp_files(), &[CPP_STANDARDS[3], SANITIZERS[0], SANITIZERS[1]]);
    bench.run(&[], &program, "");
    let Some(valgrind) = valgrind() else { return };
    let program = bench.program("plain", &cpp_files(), &[CPP_STANDARDS[1]]);
    bench.run(&valgrind.each_ref().map(String::as_str), &program, "");
}

/// Also for the static library the system's own libraries are all that is needed.
#[test]
fn the_static_library_links() {
    let Some(bench) = Bench::new("cc", "static") else { return };
    let library = shared_library().with_file_name("libotp.a");
    for name in ["storage", "callbacks"] {
        let program = bench.folder.path().join(name);
        let mut compiler = bench.compiler(&[C_STANDARDS[0]]);
        succeed(compiler.arg(c_file(name)).arg(&library).args(SYSTEM_LIBRARIES).arg("-o").arg(&program));
        if let Some(readelf) = tool("readelf") {
            let dynamic = succeed(Command::new(readelf).arg("-dW").arg(&program));
            assert!(dynamic.contains("NEEDED") && !dynamic.contains("libotp"), "{dynamic}");
        }
        bench.run(&[], &program, "sqlite:otp.db");
    }
}
