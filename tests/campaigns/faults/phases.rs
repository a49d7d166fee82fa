//! What a worker does while its calls fail, and what must work again afterwards.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use otp::Outcome;

use crate::trace::say;
use crate::trace::subject::{Place, Subject, Voice, WRONG, cramp};
use crate::trace::world::World;

/// The phases, by name. Each begins with the repository of [`template`]; the first makes one.
pub const PHASES: [&str; 16] = [
    "make",
    "open",
    "create",
    "replace",
    "verify",
    "wrong",
    "resend",
    "cancel",
    "status",
    "due",
    "erase",
    "reopen",
    "second",
    "child",
    "parent",
    "checkpoint",
];

/// Calls from here on may fail.
pub const ARM: &str = "arm";
/// No call fails any more.
pub const CALM: &str = "calm";

/// How often a call may fail after the faults have ended: it finds what they left behind, and puts it right.
const TRIES: usize = 2;

/// How long the log of SQLite gets where it is cramped: fewer than 32 pages.
const ALMOST_LONG: u64 = 28 * (4096 + 24);

/// Whether this process is traced, and heard.
static HEARD: AtomicBool = AtomicBool::new(false);

fn voice() -> Voice {
    Arc::new(|line: &str| {
        if HEARD.load(SeqCst) {
            say(line);
        }
    })
}

/// Fills a repository with tokens of every kind, and leaves it as a process that dies does: with SQLite all of it is
/// in the log, where a mistake hurts most.
pub fn template(place: &Place, voice: &Voice) {
    let subject = Subject::open(place, voice).unwrap();
    for name in ["live", "idle", "used", "cancelled", "twice", "guessed"] {
        assert_eq!(subject.create(name), Outcome::Ok);
        let code = subject.code();
        match name {
            "used" => assert_eq!(subject.verify(name, &code), Outcome::Ok),
            "cancelled" => assert_eq!(subject.cancel(name), Outcome::Ok),
            "twice" => assert_eq!(subject.create(name), Outcome::Ok),
            "guessed" => assert_eq!(subject.verify(name, WRONG), Outcome::NotValid),
            _ => {}
        }
    }
    std::mem::forget(subject);
}

/// A worker in one phase.
pub struct Stage {
    pub phase: String,
    pub place: Place,
    /// What was true before.
    pub before: World,
}

impl Stage {
    fn code(&self, name: &str) -> String {
        self.before.codes(name).last().cloned().unwrap_or_else(|| WRONG.to_owned())
    }

    fn open(&self) -> Option<Subject> {
        Subject::open(&self.place, &voice()).ok()
    }

    /// Whether the phase is one of this kind of repository.
    pub fn is_fit(phase: &str, kind: &str) -> bool {
        phase != "checkpoint" || kind == "sqlite"
    }

    /// What is open before the phase, unseen.
    pub fn prepare(&self) -> Vec<Subject> {
        let open = || self.open().expect("the repository of the template opens");
        match self.phase.as_str() {
            "make" | "open" => Vec::new(),
            "second" => vec![open(), open()],
            "checkpoint" => {
                // Closing empties the log.
                drop(open());
                cramp();
                let subject = open();
                self.fill_log(&subject);
                vec![subject]
            }
            _ => vec![open()],
        }
    }

    /// Sends a code again until the log of SQLite is about to go into the database.
    fn fill_log(&self, subject: &Subject) {
        let log = format!("{}-wal", self.place.repository.strip_prefix("sqlite:").unwrap());
        while fs::metadata(&log).unwrap().len() < ALMOST_LONG {
            assert_eq!(subject.resend("idle"), Outcome::Ok);
        }
    }

    /// The phase, and what has to work after it.
    pub fn work(&self, mut subjects: Vec<Subject>) {
        HEARD.store(true, SeqCst);
        say(ARM);
        match self.phase.as_str() {
            "make" | "open" => subjects.extend(self.open()),
            "reopen" => {
                subjects.clear();
                subjects.extend(self.open());
            }
            "second" => drop(subjects.pop()),
            _ => {}
        }
        if let Some(subject) = subjects.first() {
            self.act(subject);
        }
        say(CALM);
        if subjects.is_empty() {
            subjects.extend((0..TRIES).find_map(|_| self.open()));
        }
        match subjects.first() {
            Some(subject) => self.check(subject),
            None => say("dead|it does not open"),
        }
    }

    /// What fails. Gives the last answer.
    fn act(&self, subject: &Subject) -> Outcome {
        let live = self.code("live");
        match self.phase.as_str() {
            "create" => subject.create("new"),
            "replace" => subject.create("live"),
            "wrong" => {
                subject.verify("live", WRONG);
                subject.verify("guessed", WRONG)
            }
            "checkpoint" => {
                subject.resend("live");
                subject.resend("live");
                subject.resend("live")
            }
            "resend" => subject.resend("live"),
            "cancel" => subject.cancel("live"),
            "status" => {
                subject.status("live");
                subject.status("nobody")
            }
            "due" => subject.run_due(),
            "erase" => {
                subject.erase("live");
                subject.unlock("guessed")
            }
            "child" => self.fork(|| self.act_in_child(subject), || Outcome::Ok),
            "parent" => self.fork(wait_for_ever, || subject.verify("live", &live)),
            _ => {
                subject.verify("live", &live);
                subject.verify("nobody", &live)
            }
        }
    }

    fn act_in_child(&self, subject: &Subject) {
        subject.verify("live", &self.code("live"));
        subject.create("born");
        say(CALM);
        self.check(subject);
    }

    /// Goes on in both processes, if there is a second one.
    fn fork<T>(&self, in_child: impl FnOnce(), in_parent: impl FnOnce() -> T) -> T {
        // SAFETY: the child runs what the test is about, and ends at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            in_child();
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) };
        }
        let result = in_parent();
        if child > 0 && self.phase == "child" {
            let mut status = 0;
            // SAFETY: room for a status; the child is ours.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
        }
        result
    }

    /// With the faults over, a service works as before.
    fn check(&self, subject: &Subject) {
        let live = self.code("live");
        let name = format!("calm {}", std::process::id());
        // Whatever went wrong, a code is not good a second time.
        let works = succeeds("verify", || subject.verify("live", &live))
            && succeeds("verify again", || subject.verify("live", &live))
            && succeeds("create", || subject.create(&name))
            && succeeds("verify", || subject.verify(&name, &subject.code()))
            && succeeds("run_due", || subject.run_due());
        say(if works { "note|it works" } else { "note|it is dead" });
    }
}

/// Whether the service answers, tried more than once. Says so when it is dead.
fn succeeds(what: &str, call: impl Fn() -> Outcome) -> bool {
    let outcomes: Vec<_> = (0..TRIES).map(|_| call()).take_while(|outcome| outcome.number() < 0).collect();
    let works = outcomes.len() < TRIES;
    if !works {
        say(&format!("dead|{what} answers {outcomes:?}"));
    }
    works
}

fn wait_for_ever() {
    loop {
        // SAFETY: touches no memory.
        unsafe { libc::pause() };
    }
}
