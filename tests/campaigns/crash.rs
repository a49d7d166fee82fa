//! SIGKILL at any moment: what was acknowledged is there, what was sent is good, and nothing is half done.

mod model;
mod worker;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{Op, Token, World};
use otp::sender::Sent;
use otp::{Locked, Outcome, RequestState, Service};
use testing::place::{Place, SERVERS};
use testing::{Random, Watchdog};

/// Older tokens that are looked at again after each kill.
const LOOKED_AT_AGAIN: usize = 5;

/// Opens a service whose host writes each message down as its token and code.
fn open(repository: &str, sent: impl Fn(&str, &str) + Send + Sync + 'static) -> Service {
    // Codes that outlive the campaign, and a subject that is locked before the code is.
    let failures = serde_json::json!({"subjectFailures": {"lockAfter": 6, "lockMinutes": 1440}});
    let options = serde_json::json!({"validityTime": 1440, "maxAttempts": 10, "policy": failures});
    let service = Service::open(Some(&testing::config(repository, "host", options))).unwrap().0;
    let send = move |message: &otp::sender::Message| {
        sent(&message.token, &message.code);
        Sent::Sent
    };
    service.on_send(Some(Arc::new(send))).unwrap();
    service
}

/// A subject of its own for each token, or the failures of all would count together.
fn request(name: &str) -> String {
    format!(r#"{{"messengerId":"8192836451","subject":"{name}"}}"#)
}

/// The process that is killed: not a test of its own.
#[test]
fn worker() {
    if let Some(role) = testing::role() {
        worker::run(&role);
    }
}

/// Kills a worker at a random moment: soon after it said that some operations were done, or after its start.
fn kill(mut child: Child, random: &mut Random) -> String {
    let mut output = child.stdout.take().unwrap();
    let mut text = String::new();
    if random.below(4) > 0 {
        let wanted = random.below(16);
        while !text.contains("\nready\n") || text.matches("\ndone|").count() < wanted {
            let mut bytes = [0; 4096];
            let size = output.read(&mut bytes).unwrap();
            assert!(size > 0, "the worker ended by itself: {text}");
            text += std::str::from_utf8(&bytes[..size]).unwrap();
        }
    }
    std::thread::sleep(Duration::from_micros(random.below(20_000) as u64));
    child.kill().unwrap();
    output.read_to_string(&mut text).unwrap();
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "the worker failed: {status}: {text}");
    text
}

/// The service after a crash, and what it sends.
struct Checker {
    service: Service,
    sent: Arc<Mutex<Option<String>>>,
}

impl Checker {
    fn open(repository: &str) -> Self {
        let sent = Arc::new(Mutex::new(None));
        let slot = sent.clone();
        let service = open(repository, move |_, code| *slot.lock().unwrap() = Some(code.to_owned()));
        Self { service, sent }
    }

    fn verify(&self, name: &str, code: &str) -> Outcome {
        self.service.verify(name, code, None).unwrap().outcome
    }

    fn status(&self, name: &str) -> Option<(RequestState, u32)> {
        self.service.status(name).unwrap().status.map(|status| (status.state, status.attempts_left))
    }

    /// Finds out whether the operation that was cut off was done, and tells the model. Either is right; half is not.
    fn resolve(&self, name: &str, token: &mut Token) {
        let Some(op) = token.pending.take() else { return };
        let done = match op {
            Op::Resend => false,
            Op::Wrong => {
                let left = self.status(name).map(|(_, left)| left);
                left != Some(token.attempts_left())
            }
            Op::Right | Op::Cancel => {
                let state = self.status(name).map(|(state, _)| state);
                state != token.expected_state()
            }
            Op::Create => {
                // The code is not known: nobody was sent it. Sending again tells it, if it is there.
                let resent = self.service.resend(name).unwrap().outcome;
                let code = self.sent.lock().unwrap().take();
                let is_new = resent == Outcome::Ok && code.as_ref() != token.newest();
                if is_new {
                    token.created(code.unwrap());
                } else {
                    assert_eq!(resent, token.expect(Op::Resend), "{name}: {token:?}");
                }
                false
            }
        };
        if done {
            token.apply(op);
        }
    }

    /// Compares all that can be seen of a token with the model.
    fn check(&self, name: &str, token: &Token) {
        let Some(state) = token.expected_state() else {
            assert_eq!(self.status(name), None, "{name}: {token:?}");
            return;
        };
        assert_eq!(self.status(name), Some((state, token.attempts_left())), "{name}: {token:?}");
        for (code, expected) in token.known_codes() {
            assert_eq!(self.verify(name, code), expected, "{name}: a code of {token:?}");
        }
        assert_eq!(self.status(name), Some((state, token.attempts_left())), "{name}: right codes count nothing");
        let resent = self.service.resend(name).unwrap().outcome;
        assert_eq!(resent, token.expect(Op::Resend), "{name}: {token:?}");
        if resent == Outcome::Ok {
            assert_eq!(self.sent.lock().unwrap().take().as_ref(), token.newest(), "{name}: another code was sent");
        }
    }

    /// Counts the failures of a token's subject by making more, up to the lock.
    fn count_failures(&self, name: &str, token: &mut Token) {
        while !token.is_subject_locked() {
            if token.attempts_left() <= 1 {
                let _ = self.service.create(name, Some(&request(name))).unwrap();
                token.created(self.sent.lock().unwrap().take().unwrap());
            }
            assert_eq!(self.verify(name, "wrong"), Outcome::NotValid, "{name}: {token:?}");
            token.apply(Op::Wrong);
        }
        let refused = self.service.create(name, Some(&request(name))).unwrap();
        assert_eq!((refused.outcome, refused.locked), (Outcome::Locked, Some(Locked::Subject)), "{name}: {token:?}");
    }

    /// Goes on with a token where the worker was cut off.
    fn go_on(&self, name: &str, token: &mut Token, random: &mut Random) {
        let op = *random.pick(&[Op::Right, Op::Wrong, Op::Cancel]);
        let expected = token.expect(op);
        let code = token.newest().cloned().unwrap_or_else(|| "none".to_owned());
        let outcome = match op {
            Op::Right => self.verify(name, &code),
            Op::Wrong => self.verify(name, "wrong"),
            _ => self.service.cancel(name).unwrap().outcome,
        };
        assert_eq!(outcome, expected, "{name}: {op:?} on {token:?}");
        token.apply(op);
    }
}

/// Whether the files are whole, to their own tools.
fn check_files(kind: &str, folder: &Path) {
    if kind == "sqlite" {
        let database = rusqlite::Connection::open(folder.join("otp.db")).unwrap();
        let found: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(found, "ok");
        return;
    }
    let rows = folder.join("otp");
    if !rows.exists() {
        // The worker was killed before it came to make any, or they are on a server.
        return;
    }
    for entry in std::fs::read_dir(rows).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read(&path).unwrap();
            let whole = serde_json::from_slice::<serde_json::Value>(&text).is_ok();
            assert!(whole, "{} is torn", path.display());
        }
    }
}

fn campaign(kind: &str, kills: usize) {
    let mut random = Random::from_environment();
    let _watchdog = Watchdog::new("killing workers", 120 + 2 * kills as u64);
    let Some(place) = Place::new(kind, "crash") else { return };
    let repository = &place.repository;
    let mut world = World::default();
    for round in 0..kills {
        let role = format!("{round}|{}|{repository}", random.draw());
        let child = testing::child(testing::here!("worker"), &role).stdout(Stdio::piped()).spawn().unwrap();
        let text = kill(child, &mut random);
        let touched = world.read(&text);
        // On a server the change that was on its way may come after the end of who sent it.
        place.settle();
        check_files(kind, place.folder());
        let checker = Checker::open(repository);
        for name in touched {
            let token = world.tokens.get_mut(&name).unwrap();
            let changes_both = matches!(token.pending, Some(Op::Wrong | Op::Right)) && token.newest().is_some();
            checker.resolve(&name, token);
            checker.check(&name, token);
            if changes_both {
                // Record and failures change together or not at all.
                checker.count_failures(&name, token);
            } else {
                checker.go_on(&name, token, &mut random);
            }
        }
        for _ in 0..LOOKED_AT_AGAIN.min(world.tokens.len()) {
            let name = world.tokens.keys().nth(random.below(world.tokens.len())).unwrap();
            checker.check(name, &world.tokens[name]);
        }
    }
    let checker = Checker::open(repository);
    for (name, token) in &mut world.tokens {
        checker.check(name, token);
        if let Some(code) = token.newest() {
            assert_eq!(checker.verify(name, code), token.expect(Op::Right), "{name}: {token:?}");
            token.apply(Op::Right);
            checker.check(name, token);
        }
    }
    testing::complain(&format!("crash, {kind}: {kills} kills, {world}"));
    assert!(world.acknowledged > kills, "the workers were killed before they did anything");
    // Redis removes what is over by itself.
    let is_purged = world.purged > 0 || ["redis", "cluster"].contains(&kind);
    assert!(world.cut_off > 0 && is_purged, "nothing was cut off, or nothing purged");
}

#[test]
fn kills_lose_nothing_with_sqlite() {
    campaign("sqlite", testing::size(40, 700));
}

#[test]
fn kills_lose_nothing_with_json() {
    campaign("json", testing::size(20, 300));
}

#[test]
fn kills_lose_nothing_among_hosts() {
    for kind in SERVERS {
        campaign(kind, testing::size(12, 300));
    }
}
