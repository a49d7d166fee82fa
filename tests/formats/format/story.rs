//! The story that a fixture comes from: rows of every kind, and codes in every state.
//!
//! It is told through the library alone, with a clock that stands still until the story moves it.

mod senders;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use otp::sender::Sent;
use otp::{Outcome, Service};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use crate::scenarios::model::{BEGINNING_MS, Names, fill};
use testing::Folder;
use testing::carrier::simulator::Fault;
use testing::carrier::{Carrier, SECRET, code_in, report, uuid};

pub const CONTEXT: &str = "10.00 EUR to Ann";
pub const OWN_CODE: &str = "own-code-7731";

/// How long Messenger has.
const EXPIRY_MS: i64 = 120_000;

const MINUTE_MS: i64 = 60_000;

/// What a clock is ahead by once.
const AHEAD_MS: i64 = 10 * 1440 * MINUTE_MS;

/// More readings of the clock than it takes to begin a step.
const READINGS: i64 = 100;

struct Story {
    repository: String,
    key_file: String,
    previous_keys: Vec<String>,
    clock: Arc<AtomicI64>,
    carrier: Carrier,
    /// The newest code of each token, by the token, and other texts that are asked with.
    names: Names,
}

/// Writes a repository of this kind into the folder. Gives the texts that are asked with, by name.
pub fn tell(folder: &Folder, kind: &str) -> Names {
    let repository = folder.repository(kind);
    let key_file = format!("{}.key", repository.split_once(':').unwrap().1);
    let (clock, carrier) = (Arc::new(AtomicI64::new(BEGINNING_MS)), Carrier::start());
    let mut story = Story { repository, key_file, previous_keys: Vec::new(), clock, carrier, names: Names::new() };
    story.a_clock_that_was_ahead();
    story.an_older_key();
    story.codes_that_are_over();
    story.codes();
    story.limits();
    story.first_answers();
    story.another_tenant();
    story.named_senders();
    story.mail();
    story.deliveries();
    story.names
}

fn create(service: &Service, token: &str, request: Value) -> String {
    let reply = service.create(token, Some(&request.to_string())).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok, "{token}");
    reply.message.unwrap().code.to_string()
}

impl Story {
    /// A service that hands codes over, unless these options say otherwise.
    fn open(&self, options: Value) -> Service {
        let mut config = json!({
            "repository": self.repository, "previousKeys": self.previous_keys, "sender": {"type": "none"},
            "ownCodes": true, "validityTime": 60, "durability": "process",
            "policy": {"cooldownSeconds": 0, "sendLimits": [{"count": 3, "minutes": 60}],
                       "subjectFailures": {"lockAfter": 3, "lockMinutes": 60}},
        });
        let members = config.as_object_mut().unwrap();
        if options.get("senders").is_some() {
            members.remove("sender");
        }
        members.extend(options.as_object().unwrap().clone());
        let service = Service::open(Some(&config.to_string())).unwrap().0;
        self.set_clock(&service);
        service
    }

    fn set_clock(&self, service: &Service) {
        let clock = self.clock.clone();
        service.on_clock(Some(Arc::new(move || clock.load(SeqCst)))).unwrap();
    }

    fn later(&self, ms: i64) {
        self.clock.fetch_add(ms, SeqCst);
    }

    fn keep(&mut self, name: &str, text: String) {
        self.names.insert(name.to_owned(), text);
    }

    /// A code for this subject, kept by the token's name, which is the subject's as well.
    fn code(&mut self, service: &Service, token: &str) {
        self.keep(token, create(service, token, json!({"subject": token})));
    }

    fn fail(&self, service: &Service, token: &str, times: usize) {
        let wrong = fill(&format!("${{{token}+1}}"), &self.names);
        for _ in 0..times {
            assert_eq!(service.verify(token, &wrong, None).unwrap().outcome, Outcome::NotValid, "{token}");
        }
    }

    /// What it left is put right by a sweep.
    fn a_clock_that_was_ahead(&mut self) {
        self.later(AHEAD_MS);
        let service = self.open(json!({}));
        self.code(&service, "future");
        self.later(-AHEAD_MS);
        for _ in 0..10 {
            let _ = service.run_due().unwrap();
        }
    }

    /// A code under the key that the library made, which is then replaced.
    fn an_older_key(&mut self) {
        let service = self.open(json!({}));
        self.code(&service, "rotated");
        drop(service);
        let older = std::fs::read_to_string(&self.key_file).unwrap().trim().to_owned();
        self.keep("previous key", older.clone());
        self.previous_keys.push(older);
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).unwrap();
        std::fs::write(&self.key_file, STANDARD.encode(key) + "\n").unwrap();
    }

    /// Codes that are replaced in every state, and one that is found to be expired.
    fn codes_that_are_over(&mut self) {
        let service = self.open(json!({"validityTime": 1}));
        self.code(&service, "expired");
        for state in ["used", "cancelled", "expired"] {
            self.code(&service, "remembered");
            let code = self.names["remembered"].clone();
            match state {
                "used" => assert_eq!(service.verify("remembered", &code, None).unwrap().outcome, Outcome::Ok),
                "cancelled" => assert_eq!(service.cancel("remembered").unwrap().outcome, Outcome::Ok),
                _ => self.later(2 * MINUTE_MS),
            }
            self.keep(&format!("remembered {state}"), code);
        }
        assert_eq!(service.resend("expired").unwrap().outcome, Outcome::Expired);
        let service = self.open(json!({}));
        self.code(&service, "remembered");
        self.keep("remembered replaced", self.names["remembered"].clone());
        self.code(&service, "remembered");
    }

    fn codes(&mut self) {
        let service = self.open(json!({}));
        self.keep("live", create(&service, "live", json!({"phoneNumber": "+39 333 100 0001"})));
        self.keep("context", create(&service, "context", json!({"subject": "context", "context": CONTEXT})));
        self.keep("own", create(&service, "own", json!({"subject": "own", "code": OWN_CODE})));
        for token in ["guessed", "used", "cancelled"] {
            self.code(&service, token);
        }
        self.fail(&service, "guessed", 2);
        assert_eq!(service.verify("used", &self.names["used"], None).unwrap().outcome, Outcome::Ok);
        assert_eq!(service.cancel("cancelled").unwrap().outcome, Outcome::Ok);
        let texts = json!({"it": "{shop}: {code}", "en": "{code}"});
        let service = self.open(json!({"workflow": [{"channel": "email"}], "message": texts}));
        let request = json!({"email": "ann@example.com", "locale": "it", "params": {"shop": "Caffè"}});
        self.keep("worded", create(&service, "worded", request));
    }

    fn limits(&mut self) {
        let service = self.open(json!({}));
        for _ in 0..3 {
            self.keep("limited", create(&service, "limited", json!({"phoneNumber": "+39 333 100 0002"})));
        }
        self.code(&service, "subject locked");
        self.fail(&service, "subject locked", 3);
        let service = self.open(json!({"maxAttempts": 2}));
        self.code(&service, "code locked");
        self.fail(&service, "code locked", 2);
        let failures = json!({"lockAfter": 3, "lockMinutes": 60, "disableAfter": 3});
        let service = self.open(json!({"policy": {"subjectFailures": failures}}));
        self.code(&service, "disabled");
        self.fail(&service, "disabled", 3);
    }

    /// What creates with an idempotency key were told: that it was sent, that this is in doubt, and nothing.
    fn first_answers(&mut self) {
        let service = self.open(json!({"sender": {"type": "host"}, "workflow": [{"channel": "sms"}]}));
        for (number, token) in ["sent", "in doubt", "unanswered"].into_iter().enumerate() {
            let (sent, code) = std::sync::mpsc::channel();
            let send = move |message: &otp::sender::Message| {
                sent.send(message.code.to_string()).unwrap();
                match number {
                    0 => Sent::Sent,
                    1 => Sent::InDoubt,
                    // As if the process had died.
                    _ => resume_unwind(Box::new("the end")),
                }
            };
            service.on_send(Some(Arc::new(send))).unwrap();
            let request = json!({"phoneNumber": format!("+39 333 100 001{number}"), "idempotencyKey": token});
            let create = || service.create(token, Some(&request.to_string())).unwrap().outcome;
            let outcome = catch_unwind(AssertUnwindSafe(create)).ok();
            assert_eq!(outcome, [Some(Outcome::Ok), Some(Outcome::InDoubt), None][number]);
            self.keep(token, code.recv().unwrap());
        }
    }

    fn another_tenant(&mut self) {
        let service = self.open(json!({"namespace": "other"}));
        self.keep("other live", create(&service, "live", json!({"phoneNumber": "+39 333 100 0001"})));
    }

    /// Who sends through the carrier: Messenger, and SMS two minutes later.
    fn through(&self, sender: &str) -> Value {
        json!({
            "sender": {"type": sender, "apiKey": "k", "apiSecret": "s", "baseUrl": self.carrier.url()},
            "webhook": {"signatureSecret": SECRET},
            "workflow": [
                {"channel": "messenger", "from": "1923256201470000", "expiryTime": 120, "conditionStatus": "read"},
                {"channel": "sms", "from": "NEXMO"}],
        })
    }

    /// Has a code delivered to addresses that end with this digit.
    fn send(&mut self, service: &Service, token: &str, digit: u8) {
        let (messenger, phone) = (format!("819283645{digit}"), format!("+39 333 100 002{digit}"));
        let request = json!({"messengerId": messenger, "phoneNumber": phone});
        let reply = service.create(token, Some(&request.to_string())).unwrap();
        assert_eq!(reply.outcome, Outcome::Ok, "{token}: {:?}", reply.failure);
        let messages = self.carrier.seen();
        self.keep(token, code_in(messages.last().unwrap()).to_owned());
    }

    fn deliveries(&mut self) {
        let service = self.open(self.through("messages"));
        self.send(&service, "failed over", 1);
        self.later(EXPIRY_MS);
        while service.run_due().unwrap().ran == 0 {}
        self.send(&service, "stopped", 7);
        self.later(1);
        self.send(&service, "claimed", 2);
        self.later(EXPIRY_MS - 1);
        self.die_with_a_claim(&service, "stopped");
        assert_eq!(service.verify("stopped", &self.names["stopped"], None).unwrap().outcome, Outcome::Ok);
        self.later(1);
        self.die_with_a_claim(&service, "claimed");
        self.send(&service, "waiting", 3);
        self.keep("waiting message", uuid(self.carrier.count()));
        self.send(&service, "read", 4);
        let (count, messages) = (self.carrier.count(), self.carrier.seen());
        let (authorization, body) = report(&messages[count - 1], &uuid(count), "read", self.clock.load(SeqCst));
        assert_eq!(service.webhook(Some(&authorization), body.as_bytes()).unwrap().known, Some(true));
        self.inbound(&service);
        self.carrier.faults([Fault::Status(422)]);
        self.send(&service, "refused", 5);
        let service = self.open(self.through("dispatch"));
        let request = json!({"messengerId": "8192836456", "phoneNumber": "+39 333 100 0026", "code": OWN_CODE});
        let reply = service.create("dispatched", Some(&request.to_string())).unwrap();
        assert_eq!(reply.outcome, Outcome::Ok, "{:?}", reply.failure);
        self.keep("dispatched", OWN_CODE.to_owned());
    }

    /// Begins the step that is due, and ends, as a process may, before its message leaves: when the clock is read next
    /// after the step was claimed.
    fn die_with_a_claim(&self, service: &Service, token: &str) {
        for readings in 0..READINGS {
            let (clock, left) = (self.clock.clone(), AtomicI64::new(readings));
            let tell = move || match left.fetch_sub(1, SeqCst) {
                0 => resume_unwind(Box::new("the end")),
                _ => clock.load(SeqCst),
            };
            service.on_clock(Some(Arc::new(tell))).unwrap();
            let _ = catch_unwind(AssertUnwindSafe(|| service.run_due()));
            self.set_clock(service);
            if service.status(token).unwrap().status.unwrap().delivery.steps.unwrap().len() == 2 {
                return;
            }
        }
        panic!("the step was not begun");
    }
}
