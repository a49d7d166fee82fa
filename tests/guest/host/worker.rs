//! Processes that have the repository open: hosts in C, Python and Node, each with an SQLite of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use testing::compiler::{Compiler, root};
use testing::workspace::Workspace;
use testing::{Folder, shared_library, tool};

const NODE_PACKAGE: &str = "bindings/node";

/// Where better-sqlite3 is installed for the tests.
const NODE_SQLITE: &str = "tests/guest/host/node";

/// A language, and how a host in it is started.
pub struct Language {
    pub name: &'static str,
    start: Box<dyn Fn(&Place) -> Command>,
}

impl Language {
    fn new(name: &'static str, start: impl Fn(&Place) -> Command + 'static) -> Self {
        Self { name, start: Box::new(start) }
    }

    /// The host in C. It can load a copy of the library besides.
    pub fn c(compiler: &Compiler) -> Self {
        let source = root().join("tests/guest/host/worker.c");
        // The libraries stand before the program, which would have the linker leave them out.
        let options = ["-std=c11", "-Wl,--no-as-needed", "-lsqlite3", "-ldl"];
        let program = compiler.program("host", &[source], &options);
        let copy = compiler.folder.path().join("copy-of-libotp.so");
        std::fs::copy(shared_library(), &copy).unwrap();
        Self::new("C", move |place| {
            let mut command = Command::new(&program);
            command.arg(shared_library()).arg(&place.config).arg(&place.database).arg(&copy);
            command
        })
    }

    /// The host in Python.
    pub fn python() -> Option<Self> {
        let python = tool("python3")?;
        Some(Self::new("Python", move |place| {
            let mut command = Command::new(&python);
            command.arg(root().join("tests/guest/host/worker.py")).arg(&place.config).arg(&place.database);
            command.env("PYTHONPATH", root().join("bindings/python/src")).env("LIBOTP_LIBRARY", shared_library());
            command
        }))
    }

    /// The host in Node.
    pub fn node() -> Option<Self> {
        let workspace = Workspace::new()?;
        workspace.install(NODE_PACKAGE, &["--ignore-scripts"]);
        if let Err(cause) = workspace.try_install(NODE_SQLITE, &[]) {
            testing::workspace::skip(&format!("better-sqlite3 cannot be built: {cause}"));
            return None;
        }
        let (folder, modules) = (workspace.path(NODE_PACKAGE), workspace.path(NODE_SQLITE).join("package.json"));
        Some(Self::new("Node", move |place| {
            let mut command = workspace.command(&folder, "node");
            command.arg(root().join("tests/guest/host/worker.mjs")).arg(&folder).arg(&modules);
            command.arg(&place.config).arg(&place.database);
            command
        }))
    }

    /// Whether its hosts can fork.
    pub fn forks(&self) -> bool {
        self.name != "Node"
    }

    /// Starts a host, which has no service open yet.
    pub fn start(&self, place: &Place) -> Worker {
        self.start_with(place, |_| {})
    }

    /// The same, of a command that is changed before.
    pub fn start_with(&self, place: &Place, change: impl FnOnce(&mut Command)) -> Worker {
        let mut command = (self.start)(place);
        change(&mut command);
        Worker::start(command)
    }
}

/// A repository: where it is and how a service opens it.
pub struct Place {
    pub database: PathBuf,
    pub config: String,
}

impl Place {
    pub fn new(folder: &Path) -> Self {
        Self::named(folder.join("otp.db"))
    }

    pub fn named(database: PathBuf) -> Self {
        let config = testing::config(&format!("sqlite:{}", database.display()), "none", serde_json::json!({}));
        Self { database, config }
    }

    /// A file beside the database.
    pub fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.database.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

/// A repository in a folder that goes with it.
pub struct Home {
    pub place: Place,
    pub folder: Folder,
}

impl Home {
    pub fn new(name: &str) -> Self {
        let folder = Folder::new(&format!("host-{name}"));
        Self { place: Place::new(folder.path()), folder }
    }
}

/// A process that obeys one command a line: `open SLOT`, `create SLOT TOKEN`, `verify SLOT TOKEN CODE`, and so on.
pub struct Worker {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut worker = Self { child, answers };
        assert_eq!(worker.answer(), "ready", "{command:?}");
        worker
    }

    pub fn tell(&mut self, command: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{command}\n").as_bytes()).unwrap();
    }

    pub fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Has a command done, and gives the whole answer.
    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    /// The same, of which the answer is the name of a result and perhaps more.
    pub fn result(&mut self, command: &str) -> String {
        result_of(&self.ask(command)).to_owned()
    }

    /// Opens a service, which must succeed.
    pub fn open(&mut self, slot: usize) {
        let answer = self.ask(&format!("open {slot}"));
        assert_eq!(result_of(&answer), "OK", "{answer}");
    }

    /// Creates a code, which must succeed.
    pub fn create(&mut self, slot: usize, token: &str) -> String {
        let answer = self.ask(&format!("create {slot} {token}"));
        let code = answer.strip_prefix("OK ").unwrap_or_else(|| panic!("create {token}: {answer}"));
        code.to_owned()
    }

    pub fn verify(&mut self, slot: usize, token: &str, code: &str) -> String {
        self.result(&format!("verify {slot} {token} {code}"))
    }

    /// Uses the host's own SQLite, which must not fail.
    pub fn use_sqlite(&mut self, what: &str) -> String {
        let answer = self.ask(&format!("sqlite {what}"));
        assert!(!answer.starts_with("failed"), "{what}: {answer}");
        answer
    }

    /// Ends the process as it ends by itself.
    pub fn finish(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "a host failed");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The name of the result that an answer begins with.
pub fn result_of(answer: &str) -> &str {
    answer.split(' ').next().unwrap_or(answer)
}

/// `sqlite3`, as people run it from elsewhere; what it printed, or said about its failure.
pub fn shell(database: &Path, sql: &str) -> Result<String, String> {
    let shell = tool("sqlite3").expect("the shell was looked for before");
    let output = Command::new(shell).args([database.as_os_str(), OsStr::new(sql)]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
