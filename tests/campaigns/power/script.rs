//! What workers do until the power fails.

use std::sync::Arc;

use otp::Outcome;

use crate::trace::say;
use crate::trace::subject::{Place, Subject, Voice, WRONG, cramp};

/// The scripts. In one the configuration has the key, in the others a file is made for it.
pub const SCRIPTS: [&str; 7] = ["life", "handles", "processes", "heirs", "stream", KEYED, "cramped"];
pub const KEYED: &str = "keyed";

/// How often a call that failed is tried again.
const TRIES: usize = 3;

/// Of which nothing may fail in the end, after more tries than syncs fail.
const LAST_TRIES: usize = 8;

fn open(place: &Place) -> Option<Subject> {
    try_open(place, TRIES)
}

fn try_open(place: &Place, tries: usize) -> Option<Subject> {
    let voice: Voice = Arc::new(say);
    (0..tries).find_map(|_| Subject::open(place, &voice).ok())
}

/// Runs a script in this process, and then a last operation, which succeeds unless the repository is dead.
pub fn run(script: &str, place: &Place) {
    play(script, place);
    if let Some(subject) = try_open(place, LAST_TRIES) {
        let _ = (0..LAST_TRIES).any(|_| subject.create("last") == Outcome::Ok);
    }
}

fn play(script: &str, place: &Place) {
    match script {
        "life" => life(place),
        "handles" => handles(place),
        "processes" => processes(place),
        "heirs" => heirs(place),
        "stream" | KEYED => stream(place),
        "cramped" => {
            cramp();
            stream(place);
        }
        _ => panic!("no script {script}"),
    }
}

/// Everything that can be done to a token, with the repository closed and opened in between.
fn life(place: &Place) {
    let Some(subject) = open(place) else { return };
    for name in ["used", "cancelled", "replaced", "erased", "guessed"] {
        subject.create(name);
    }
    end(&subject, "used");
    subject.cancel("cancelled");
    subject.create("replaced");
    subject.verify("guessed", WRONG);
    subject.erase("erased");
    drop(subject);
    let Some(subject) = open(place) else { return };
    subject.create("cancelled");
    if subject.resend("replaced") == Outcome::Ok {
        subject.verify("replaced", &subject.code());
    }
    subject.verify("guessed", WRONG);
    subject.run_due();
    end(&subject, "late");
}

/// Two services on one repository: when one is closed, the log goes into the database, and the other goes on.
fn handles(place: &Place) {
    let (Some(first), Some(second)) = (open(place), open(place)) else { return };
    end(&first, "first");
    end(&second, "second");
    second.create("replaced");
    drop(second);
    end(&first, "third");
    first.create("replaced");
    let Some(second) = open(place) else { return };
    drop(first);
    end(&second, "fourth");
    second.cancel("replaced");
}

/// A parent and two children that were forked with the repository open.
fn processes(place: &Place) {
    let Some(subject) = open(place) else { return };
    end(&subject, "before");
    let children: Vec<_> = (0..2).map(|number| fork(|| work(&subject, &format!("child {number}")))).collect();
    work(&subject, "parent");
    children.into_iter().for_each(wait);
    end(&subject, "after");
}

/// Processes one after the other, each of which dies where it stands: at the end, or as soon as something failed.
fn heirs(place: &Place) {
    for number in 0..4 {
        wait(fork(|| {
            let Some(subject) = open(place) else { return };
            let create = |name: &str| subject.create(name) == Outcome::Ok;
            let verify = |name: &str| subject.verify(name, &subject.code()) == Outcome::Ok;
            let _ = create("shared") && verify("shared") && create(&format!("left {number}")) && create("shared");
            // The system closes its files, not the library.
            std::mem::forget(subject);
        }));
    }
}

/// Many tokens one after the other.
fn stream(place: &Place) {
    let Some(subject) = open(place) else { return };
    work(&subject, "stream");
    work(&subject, "again");
}

fn work(subject: &Subject, name: &str) {
    for number in 0..4 {
        end(subject, &format!("{name} {number}"));
    }
    subject.create(&format!("{name} left"));
}

/// The whole life of a token.
fn end(subject: &Subject, name: &str) {
    if (0..TRIES).any(|_| subject.create(name) == Outcome::Ok) {
        let code = subject.code();
        let _ = (0..TRIES).any(|_| {
            let outcome = subject.verify(name, &code);
            // What is told of a row must last as well.
            subject.status(name);
            outcome.number() >= 0
        });
    }
}

fn wait(child: libc::pid_t) {
    let mut status = 0;
    // SAFETY: room for a status; the child is ours.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
}

fn fork(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child runs what the test is about, and ends at once.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no child");
    if child == 0 {
        work();
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    child
}
