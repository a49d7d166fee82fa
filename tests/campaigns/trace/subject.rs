//! A service that tells all it is asked and all it answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use otp::sender::Sent;
use otp::{Outcome, Service};

use super::world::{MAX_ATTEMPTS, World};

/// Who is told.
pub type Voice = Arc<dyn Fn(&str) + Send + Sync>;

/// A code that no token has.
pub const WRONG: &str = "wrong";

/// A service and who is told of it.
pub struct Subject {
    service: Service,
    voice: Voice,
    /// The code that was sent last.
    code: Arc<Mutex<String>>,
}

/// A repository, and where its key is.
#[derive(Clone)]
pub struct Place {
    /// As in the configuration.
    pub repository: String,
    /// The configuration has the key, so that no file is made for it.
    pub is_keyed: bool,
}

impl Place {
    pub fn new(repository: String) -> Self {
        Self { repository, is_keyed: false }
    }
}

fn config(place: &Place) -> String {
    let Place { repository, is_keyed } = place;
    // Codes and locks that outlive the campaign, and limits that do not come in between.
    let mut options = serde_json::json!({"validityTime": 1440, "maxAttempts": MAX_ATTEMPTS,
        "policy": {"subjectFailures": {"lockAfter": 100, "lockMinutes": 1440}}});
    if *is_keyed {
        options["key"] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".into();
    }
    testing::config(repository, "host", options)
}

impl Subject {
    pub fn open(place: &Place, voice: &Voice) -> Result<Self, otp::Error> {
        let opened = Service::open(Some(&config(place)));
        let (number, detail) = match &opened {
            Ok(_) => (0, ""),
            Err(error) => (error.outcome().number(), error.detail()),
        };
        voice(&format!("open|{number}|{detail}"));
        let service = opened?.0;
        let (code, told) = (Arc::new(Mutex::new(String::new())), voice.clone());
        let last = code.clone();
        let send = move |message: &otp::sender::Message| {
            told(&format!("sent|{}|{}", message.token, *message.code));
            last.lock().unwrap().clone_from(&message.code);
            Sent::Sent
        };
        service.on_send(Some(Arc::new(send)))?;
        Ok(Self { service, voice: voice.clone(), code })
    }

    /// Runs one operation on a token. The text is what a status says.
    fn run(&self, name: &str, op: &str, work: impl FnOnce(&Service) -> otp::Result<(Outcome, String)>) -> Outcome {
        (self.voice)(&format!("begin|{name}|{op}"));
        let Ok(answer) = catch_unwind(AssertUnwindSafe(|| work(&self.service))) else {
            (self.voice)(&format!("defect|{name}|{op} panicked"));
            return Outcome::Internal;
        };
        let (outcome, detail) = answer.unwrap_or_else(|error| (error.outcome(), error.detail().to_owned()));
        (self.voice)(&format!("done|{name}|{op}|{}|{detail}", outcome.number()));
        outcome
    }

    /// The token is its own recipient and subject.
    pub fn create(&self, name: &str) -> Outcome {
        let request = format!(r#"{{"messengerId":"{name}","subject":"{name}"}}"#);
        self.run(name, "create", |service| Ok((service.create(name, Some(&request))?.outcome, String::new())))
    }

    pub fn resend(&self, name: &str) -> Outcome {
        self.run(name, "resend", |service| Ok((service.resend(name)?.outcome, String::new())))
    }

    pub fn verify(&self, name: &str, code: &str) -> Outcome {
        let op = format!("verify {code}");
        self.run(name, &op, |service| Ok((service.verify(name, code, None)?.outcome, String::new())))
    }

    pub fn cancel(&self, name: &str) -> Outcome {
        self.run(name, "cancel", |service| Ok((service.cancel(name)?.outcome, String::new())))
    }

    pub fn erase(&self, name: &str) -> Outcome {
        self.run(name, "erase", |service| service.erase(name).map(|_| (Outcome::Ok, String::new())))
    }

    pub fn status(&self, name: &str) -> Outcome {
        self.run(name, "status", |service| {
            let reply = service.status(name)?;
            let text = reply.status.map(|status| format!("{:?} {}", status.state, status.attempts_left));
            Ok((reply.outcome, text.unwrap_or_else(|| "none".to_owned())))
        })
    }

    /// What belongs to no token.
    pub fn run_due(&self) -> Outcome {
        self.upkeep("run_due", || self.service.run_due().map(|_| Outcome::Ok))
    }

    pub fn unlock(&self, name: &str) -> Outcome {
        self.upkeep("unlock", || self.service.unlock(name).map(|_| Outcome::Ok))
    }

    fn upkeep(&self, what: &str, work: impl FnOnce() -> otp::Result<Outcome>) -> Outcome {
        let Ok(answer) = catch_unwind(AssertUnwindSafe(work)) else {
            (self.voice)(&format!("defect|{what}|it panicked"));
            return Outcome::Internal;
        };
        answer.unwrap_or_else(|error| {
            let kind = if error.outcome() == Outcome::Internal { "defect" } else { "note" };
            (self.voice)(&format!("{kind}|{what}|it answers {}: {}", error.outcome().name(), error.detail()));
            error.outcome()
        })
    }

    /// The code that was sent last.
    pub fn code(&self) -> String {
        self.code.lock().unwrap().clone()
    }
}

/// Lets this process have no file that is long: the log of SQLite cannot be lengthened, and goes into the database
/// after few commits.
pub fn cramp() {
    let bytes = 512 << 10;
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the structure lives as long as the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
}

/// Opens the repository anew and compares all that can be seen with what must be. Gives what is wrong.
pub fn examine(place: &Place, world: &World) -> Vec<String> {
    let mut world = world.clone();
    world.cut();
    let is_made = world.is_made;
    let names = world.names();
    let found = Arc::new(Mutex::new((world, Vec::new())));
    let listener = found.clone();
    let voice: Voice = Arc::new(move |line: &str| {
        let mut found = listener.lock().unwrap();
        if let Err(wrong) = found.0.hear(line) {
            found.1.push(format!("afterwards {wrong}"));
        }
        let failed = line.starts_with("done|") && line.split('|').nth(3).is_some_and(|number| number.starts_with('-'));
        if failed {
            found.1.push(format!("afterwards {line}"));
        }
    });
    match Subject::open(place, &voice) {
        Ok(subject) => names.iter().for_each(|name| look_at(&subject, name, &found)),
        Err(error) if !is_made && error.outcome() == Outcome::Store => {}
        Err(error) => return vec![format!("it does not open: {} {}", error.outcome().name(), error.detail())],
    }
    let mut wrong = std::mem::take(&mut found.lock().unwrap().1);
    wrong.extend(damage(&place.repository));
    wrong
}

fn look_at(subject: &Subject, name: &str, found: &Mutex<(World, Vec<String>)>) {
    subject.status(name);
    let unknown = found.lock().unwrap().0.has_unknown_code(name);
    if unknown {
        subject.resend(name);
    }
    let codes = found.lock().unwrap().0.codes(name);
    for code in codes.iter().chain(codes.last()) {
        subject.verify(name, code);
    }
}

/// What the files' own tools say against them. Called when no service is open.
fn damage(repository: &str) -> Option<String> {
    if let Some(path) = repository.strip_prefix("sqlite:") {
        let check = || -> rusqlite::Result<String> {
            rusqlite::Connection::open(path)?.query_row("PRAGMA integrity_check", [], |row| row.get(0))
        };
        return match check() {
            Ok(found) if found == "ok" => None,
            found => Some(format!("integrity: {found:?}")),
        };
    }
    let folder = Path::new(repository.strip_prefix("json:")?);
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read(&path).unwrap_or_default();
            if serde_json::from_slice::<serde_json::Value>(&text).is_err() {
                return Some(format!("{} is torn", path.display()));
            }
        }
    }
    None
}
