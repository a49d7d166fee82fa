//! Whatever the clock does: a code ends with its time, does not come back, and nobody is locked for longer than a lock.

mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use otp::{Locked, Outcome, RequestState, Service};
use testing::{Folder, Random, Watchdog};

const T0: i64 = 1_700_000_000_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
/// How long a code is good, as the configuration has it by default.
const T: i64 = 5 * MINUTE;

const KINDS: [&str; 3] = ["memory", "sqlite", "json"];

/// A service whose clock stands where it is put.
struct Clocked {
    service: Service,
    clock: Arc<AtomicI64>,
    folder: Option<Folder>,
}

impl Clocked {
    fn new(kind: &str, options: &str) -> Self {
        let folder =
            (kind != "memory").then(|| Folder::new(&format!("clock-{kind}-{:?}", std::thread::current().id())));
        let repository = folder.as_ref().map_or_else(|| "memory:".to_owned(), |folder| folder.repository(kind));
        let config = format!(r#"{{"repository":"{repository}","sender":{{"type":"none"}},{options}}}"#);
        let service = Service::open(Some(&config)).unwrap().0;
        let clock = Arc::new(AtomicI64::new(T0));
        let time = clock.clone();
        service.on_clock(Some(Arc::new(move || time.load(SeqCst)))).unwrap();
        Self { service, clock, folder }
    }

    fn unlimited(kind: &str) -> Self {
        Self::new(kind, r#""policy":{"cooldownSeconds":0,"sendLimits":[]}"#)
    }

    /// All that lies in the repository's folder.
    fn files(&self) -> String {
        let entries = std::fs::read_dir(self.folder.as_ref().unwrap().path().join("otp")).unwrap();
        entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }

    fn at(&self, time: i64) -> &Self {
        self.clock.store(time, SeqCst);
        self
    }

    fn create(&self, token: &str, request: &str) -> String {
        let reply = self.service.create(token, Some(request)).unwrap();
        assert_eq!(reply.outcome, Outcome::Ok);
        reply.message.unwrap().code.to_string()
    }

    fn verify(&self, token: &str, code: &str) -> Outcome {
        self.service.verify(token, code, None).unwrap().outcome
    }

    fn state(&self, token: &str) -> Option<RequestState> {
        self.service.status(token).unwrap().status.map(|status| status.state)
    }
}

#[test]
fn a_code_is_good_for_its_time_and_never_again() {
    let kept = 1440 * MINUTE;
    let ages = [
        (0, Outcome::Ok),
        (T - 1, Outcome::Ok),
        (T, Outcome::Expired),
        (T + 1, Outcome::Expired),
        (T + HOUR, Outcome::Expired),
        (T + HOUR + SECOND, Outcome::Expired),
        (T + kept - 1, Outcome::Expired),
        (T + kept, Outcome::NotValid),
        (T + 25 * HOUR, Outcome::NotValid),
        (T + YEAR, Outcome::NotValid),
    ];
    for kind in KINDS {
        for (age, expected) in ages {
            let clocked = Clocked::unlimited(kind);
            let code = clocked.create("token", "{}");
            assert_eq!(clocked.at(T0 + age).verify("token", &code), expected, "{kind}, age {age}");
            for again in [T0 + 1, T0, T0 + T - 1, T0 + age, T0 + T, T0 - HOUR, T0 - YEAR, T0 + T - 1] {
                let outcome = clocked.at(again).verify("token", &code);
                assert_ne!(outcome, Outcome::Ok, "{kind}, age {age}, then {}", again - T0);
            }
        }
    }
}

#[test]
fn whoever_is_told_that_a_code_is_over_is_told_for_good() {
    type Ask = fn(&Clocked) -> bool;
    let asks: [(&str, Ask); 4] = [
        ("verify", |clocked| clocked.verify("token", "none") == Outcome::NotValid),
        ("status", |clocked| clocked.state("token") == Some(RequestState::Expired)),
        ("resend", |clocked| clocked.service.resend("token").unwrap().outcome == Outcome::Expired),
        ("cancel", |clocked| clocked.service.cancel("token").unwrap().outcome == Outcome::Expired),
    ];
    for kind in KINDS {
        for (name, ask) in asks {
            for back in [0, HOUR, YEAR] {
                let clocked = Clocked::unlimited(kind);
                let code = clocked.create("token", "{}");
                assert!(ask(clocked.at(T0 + T)), "{kind}, {name}");
                assert_eq!(
                    clocked.at(T0 + 1 - back).verify("token", &code),
                    Outcome::Expired,
                    "{kind}, {name}, {back}"
                );
                assert_eq!(clocked.at(T0 + 1).state("token"), Some(RequestState::Expired), "{kind}, {name}, {back}");
            }
        }
    }
}

#[test]
fn a_clock_set_back_ends_what_it_cannot_judge() {
    for kind in KINDS {
        for back in [3 * SECOND, HOUR, YEAR] {
            let clocked = Clocked::unlimited(kind);
            let code = clocked.create("token", "{}");
            assert_eq!(clocked.at(T0 - back).verify("token", &code), Outcome::Expired, "{kind}, {back}");
            assert_eq!(clocked.at(T0 + 1).verify("token", &code), Outcome::Expired, "{kind}, {back}");
        }
        // Little by little comes to the same: what was seen first counts, also after a write.
        let clocked = Clocked::unlimited(kind);
        let code = clocked.create("token", "{}");
        assert_eq!(clocked.at(T0 - 3 * SECOND / 2).verify("token", "none"), Outcome::NotValid, "{kind}");
        assert_eq!(clocked.at(T0 - 3 * SECOND).verify("token", &code), Outcome::Expired, "{kind}");
        // As little as clocks are put right by every day does no harm.
        let clocked = Clocked::unlimited(kind);
        let code = clocked.create("token", "{}");
        assert_eq!(clocked.at(T0 - SECOND).verify("token", &code), Outcome::Ok, "{kind}");
    }
}

#[test]
fn a_clock_that_was_a_year_ahead_leaves_nothing_behind() {
    for kind in KINDS {
        let clocked = Clocked::new(kind, r#""policy":{"subjectFailures":{"lockAfter":10,"lockMinutes":30}}"#);
        clocked.at(T0 + YEAR);
        let phone = r#"{"phoneNumber":"393331234567"}"#;
        let old = clocked.create("first", phone);
        (0..5).for_each(|_| assert_eq!(clocked.verify("first", "none"), Outcome::NotValid));
        clocked.at(T0 + YEAR + MINUTE);
        let code = clocked.create("second", phone);
        (0..5).for_each(|_| assert_eq!(clocked.verify("second", "none"), Outcome::NotValid));

        // The clock is put right: the lock lasts its 30 minutes from the first time anybody asks.
        let reply = clocked.at(T0).service.verify("second", &code, None).unwrap();
        assert_eq!((reply.outcome, reply.locked), (Outcome::Locked, Some(Locked::Subject)), "{kind}");
        assert_eq!(reply.retry_after_seconds, Some(1800), "{kind}");
        let refused = clocked.at(T0 + 30 * MINUTE - 1).service.create("third", Some(phone)).unwrap();
        assert_eq!((refused.outcome, refused.retry_after_seconds), (Outcome::Locked, Some(1)), "{kind}");

        clocked.at(T0 + 30 * MINUTE);
        assert_ne!(clocked.verify("second", &code), Outcome::Ok, "{kind}: kept alive");
        assert_ne!(clocked.verify("first", &old), Outcome::Ok, "{kind}: kept alive");

        // The send of a year ahead counts from the first time anybody asks, and no longer than any other.
        let limited = clocked.service.create("third", Some(phone)).unwrap();
        assert_eq!((limited.outcome, limited.retry_after_seconds), (Outcome::RateLimited, Some(30)), "{kind}");
        let third = clocked.at(T0 + 30 * MINUTE + 30 * SECOND).create("third", phone);
        assert_eq!(clocked.verify("third", &third), Outcome::Ok, "{kind}");
    }
}

/// Nobody asks for it again: the sweep alone has to end it, and all that is sealed in it.
#[test]
fn a_sweep_ends_what_a_clock_that_was_ahead_left() {
    for kind in KINDS {
        let clocked = Clocked::unlimited(kind);
        let code = clocked.at(T0 + YEAR).create("token", r#"{"phoneNumber":"393331234567"}"#);
        let sealed = |clocked: &Clocked| match kind {
            "json" => clocked.files().contains("\"sealed\""),
            _ => false,
        };
        assert_eq!(sealed(&clocked), kind == "json", "{kind}");
        assert_eq!(clocked.at(T0).service.run_due().unwrap().purged, 0, "{kind}");
        assert!(!sealed(&clocked), "{kind}: what is sealed is there still");
        // Neither where it was created nor anywhere else it is good again.
        assert_eq!(clocked.at(T0 + YEAR).verify("token", &code), Outcome::Expired, "{kind}");
        assert_eq!(clocked.at(T0).verify("token", &code), Outcome::Expired, "{kind}");
        // Retention has passed since the clock was right: the record goes, and with it what was counted.
        let purged = clocked.at(T0 + DAY + 1).service.run_due().unwrap().purged;
        assert_eq!(purged, 2, "{kind}: the record, and the send");
        assert_eq!(clocked.state("token"), None, "{kind}");
    }
}

#[test]
fn random_clocks_revive_nothing() {
    let mut random = Random::from_environment();
    let schedules = testing::size(1000, 100_000);
    let _watchdog = Watchdog::new("random clocks", 1800);
    let mut seen = schedule::Seen::default();
    for _ in 0..schedules {
        schedule::run(&mut random, &mut seen);
    }
    testing::complain(&format!("clock: {schedules} schedules, {seen:?}"));
    seen.check(schedules);
}
