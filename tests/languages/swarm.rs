//! A swarm of processes in several languages on one database: each verifies the same code at the same moment, one is
//! told yes, and none gets an error.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otp::{Outcome, Service};
use testing::compiler::{Compiler, root};
use testing::workspace::Workspace;
use testing::{Folder, Watchdog, shared_library, size, tool};

const PROCESSES: usize = 8;

const NODE_PACKAGE: &str = "bindings/node";

/// Tokens that the rounds take in turn: codes are replaced and remembered as well.
const TOKENS: usize = 7;

/// How long after it was told everybody is to verify. Every worker has read its line by then.
const START: Duration = Duration::from_millis(3);

/// A process that opens the repository, says `ready`, and then for each line `TOKEN CODE MICROSECONDS` verifies when the
/// wall clock shows that time, and answers with the name of the result. It ends with its input.
struct Worker {
    language: &'static str,
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(language: &'static str, mut command: Command, config: &str) -> Self {
        let mut child = command.arg(config).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut worker = Self { language, child, answers };
        assert_eq!(worker.answer(), "ready", "{language}");
        worker
    }

    fn tell(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn finish(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "a worker in {} failed", self.language);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A language, and the command that starts a worker in it, without the configuration.
struct Language {
    name: &'static str,
    command: Box<dyn Fn() -> Command>,
}

impl Language {
    fn new(name: &'static str, command: impl Fn() -> Command + 'static) -> Self {
        Self { name, command: Box::new(command) }
    }
}

/// The languages that are there.
fn languages(compiler: &Compiler) -> Vec<Language> {
    let c = compiler.program("worker", &[root().join("tests/languages/swarm/worker.c")], &["-std=c11"]);
    let mut found = vec![Language::new("C", move || Command::new(&c))];
    if let Some(python) = tool("python3") {
        found.push(Language::new("Python", move || python_worker(&python)));
    }
    if let Some(workspace) = Workspace::new() {
        workspace.install(NODE_PACKAGE, &["--ignore-scripts"]);
        found.push(Language::new("Node", move || node_worker(&workspace)));
    }
    found
}

fn python_worker(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(root().join("tests/languages/swarm/worker.py")).env("PYTHONPATH", root().join("bindings/python/src"));
    command.env("LIBOTP_LIBRARY", shared_library());
    command
}

fn node_worker(workspace: &Workspace) -> Command {
    let folder = workspace.path(NODE_PACKAGE);
    let mut command = workspace.command(&folder, "node");
    command.arg(root().join("tests/languages/swarm/worker.mjs")).arg(folder);
    command
}

/// Microseconds since 1970, after [`START`].
fn soon() -> u128 {
    (SystemTime::now() + START).duration_since(UNIX_EPOCH).unwrap().as_micros()
}

fn create(service: &Service, token: &str) -> String {
    let reply = service.create(token, None).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok);
    reply.message.unwrap().code.to_string()
}

#[test]
fn a_code_is_good_once_among_languages() {
    let Some(compiler) = Compiler::new("cc", "swarm") else { return };
    let _watchdog = Watchdog::new("swarm", 600);
    let folder = Folder::new("swarm");
    let config = format!(r#"{{"repository":"{}","sender":{{"type":"none"}}}}"#, folder.repository("sqlite"));
    let service = Service::open(Some(&config)).unwrap().0;
    let languages = languages(&compiler);
    let start = |language: &Language| Worker::start(language.name, (language.command)(), &config);
    let mut workers: Vec<_> = languages.iter().cycle().take(PROCESSES).map(start).collect();
    for round in 0..size(20, 300) {
        let token = format!("token-{}", round % TOKENS);
        let line = format!("{token} {} {}\n", create(&service, &token), soon());
        workers.iter_mut().for_each(|worker| worker.tell(&line));
        let answers: Vec<_> = workers.iter_mut().map(|worker| (worker.language, worker.answer())).collect();
        let count = |name| answers.iter().filter(|(_, answer)| answer == name).count();
        assert_eq!((count("OK"), count("CHECKED")), (1, PROCESSES - 1), "round {round}: {answers:?}");
    }
    workers.into_iter().for_each(Worker::finish);
}
