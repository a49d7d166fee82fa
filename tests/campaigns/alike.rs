//! One trace of mixed calls, answered alike by every kind of repository.

mod trace;

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};

use otp::sender::{Message, Sent};
use otp::{Outcome, Service};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use testing::place::{Place, SERVERS, is_shared};
use testing::{Random, Watchdog, complain, size};

use trace::{Call, Guess, Round, Trace};

/// Tenants of one repository, each with a thread that asks one thing after the other.
pub const LANES: usize = 8;

/// What one lane was told, call by call.
type Told = Vec<String>;

/// What the host of a lane was given to send.
#[derive(Default)]
struct Sending {
    /// With which number the host's answers are drawn.
    seed: u64,
    messages: Vec<Value>,
    /// The codes of each token, oldest first.
    codes: BTreeMap<String, Vec<String>>,
}

impl Sending {
    /// Answers as the trace has it: by what is sent, not by the order in which it is.
    fn send(&mut self, message: &Message) -> Sent {
        let codes = self.codes.entry(message.token.clone()).or_default();
        if codes.last() != Some(&*message.code) {
            codes.push(message.code.to_string());
        }
        let shown = json!({"token": message.token, "channel": message.channel, "to": *message.to,
            "text": message.text.replace(&*message.code, "CODE"), "expires": message.expires_in_seconds});
        let seed = message
            .token
            .bytes()
            .chain(message.channel.bytes())
            .fold(self.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        self.messages.push(shown);
        match Random::seeded(seed).below(8) {
            0 => Sent::NotSent,
            1 => Sent::InDoubt,
            _ => Sent::Sent,
        }
    }
}

/// A tenant's service.
struct Lane {
    service: Service,
    sending: Arc<Mutex<Sending>>,
}

impl Lane {
    fn open(repository: &str, number: usize, clock: &Arc<AtomicI64>) -> Self {
        let mut options = json!({"namespace": format!("lane {number}"), "otpLength": 10, "validityTime": 5,
            "policy": {"cooldownSeconds": 20, "retentionMinutes": 60,
                "sendLimits": [{"count": 4, "minutes": 10}, {"count": 30, "minutes": 1440}],
                "subjectFailures": {"lockAfter": 4, "lockMinutes": 15, "disableAfter": 12}}});
        if !is_shared(repository) {
            options["durability"] = json!("process");
        }
        let service = Service::open(Some(&testing::config(repository, "host", options))).unwrap().0;
        let (time, sending) = (clock.clone(), Arc::new(Mutex::new(Sending::default())));
        service.on_clock(Some(Arc::new(move || time.load(SeqCst)))).unwrap();
        let host = sending.clone();
        service.on_send(Some(Arc::new(move |message: &Message| host.lock().unwrap().send(message)))).unwrap();
        Self { service, sending }
    }

    /// What the call is answered, with all that a host can see of it but the digits of codes.
    fn ask(&self, call: &Call, seed: u64) -> String {
        self.sending.lock().unwrap().seed = seed;
        let service = &self.service;
        let answer = match call {
            Call::Create(token, request) => told(service.create(token, Some(request)), |reply| reply.outcome),
            Call::Resend(token) => told(service.resend(token), |reply| reply.outcome),
            Call::Verify(token, guess, context) => {
                told(service.verify(token, &self.guessed(token, *guess), context.as_deref()), |reply| reply.outcome)
            }
            Call::Cancel(token) => told(service.cancel(token), |reply| reply.outcome),
            Call::Status(token) => told(service.status(token), |reply| reply.outcome),
            // What is swept, and when, is each kind's own: so is whether something over was there still.
            Call::Unlock(subject) => told(service.unlock(subject).map(|_| ()), |()| Outcome::Ok),
            Call::Erase(recipient) => told(service.erase(recipient).map(|_| ()), |()| Outcome::Ok),
            Call::RunDue => told(service.run_due().map(|reply| reply.ran), |_| Outcome::Ok),
        };
        let mut messages: Vec<_> = self.sending.lock().unwrap().messages.drain(..).map(|it| it.to_string()).collect();
        // Steps that are due at the same moment come in any order.
        messages.sort();
        format!("{call:?}: {answer} {}", messages.join(" "))
    }

    fn guessed(&self, token: &str, guess: Guess) -> String {
        let sending = self.sending.lock().unwrap();
        let codes = sending.codes.get(token).map(Vec::as_slice).unwrap_or_default();
        let known = |back: usize| codes.len().checked_sub(back + 1).map(|place| codes[place].clone());
        match guess {
            Guess::Newest(back) => known(back),
            Guess::Pasted => known(0).map(|code| format!(" {}-{} ", &code[..5], &code[5..])),
            Guess::Wrong => None,
        }
        .unwrap_or_else(|| "12345".to_owned())
    }
}

/// An answer as a text: its result, and all it says.
fn told<T: Serialize>(answer: otp::Result<T>, outcome: impl Fn(&T) -> Outcome) -> String {
    match answer {
        Ok(reply) => format!("{} {}", outcome(&reply).name(), serde_json::to_string(&reply).unwrap()),
        Err(error) => format!("{} {}", error.outcome().name(), error.detail()),
    }
}

/// What each lane is told. They ask side by side; the clock moves when all have asked.
fn answers(repository: &str, trace: &Trace) -> Vec<Told> {
    let clock = Arc::new(AtomicI64::new(trace::T0));
    let lanes: Vec<_> = (0..LANES).map(|number| Lane::open(repository, number, &clock)).collect();
    let (begin, end) = (Barrier::new(LANES), Barrier::new(LANES));
    let run = |number: usize, lane: &Lane| {
        let mut all = Told::new();
        for (place, Round { time, calls }) in trace.rounds.iter().enumerate() {
            if begin.wait().is_leader() {
                clock.store(*time, SeqCst);
            }
            end.wait();
            for (count, call) in calls[number].iter().enumerate() {
                let answer = lane.ask(call, trace.seed ^ ((place * 64 + count) as u64));
                all.push(format!("{place}.{count} at {time}: {answer}"));
            }
        }
        all
    };
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            lanes.iter().enumerate().map(|(number, lane)| scope.spawn(move || run(number, lane))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// How often each result was told.
fn count(all: &[Told]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for outcome in Outcome::ALL {
        let name = format!(": {} ", outcome.name());
        let count = all.iter().flatten().filter(|answer| answer.contains(&name)).count();
        if count > 0 {
            counts.insert(outcome.name(), count);
        }
    }
    counts
}

#[test]
fn every_kind_of_repository_answers_alike() {
    let calls = size(2000, 100_000);
    let _watchdog = Watchdog::new("one trace on all kinds", 300 + calls as u64 / 20);
    let trace = Trace::draw(&mut Random::from_environment(), calls);
    let expected = answers("memory:", &trace);
    let counts = count(&expected);
    complain(&format!("one trace: {} calls, {counts:?}", expected.iter().map(Vec::len).sum::<usize>()));
    let needed = ["OK", "NOT_VALID", "EXPIRED", "CHECKED", "CANCELLED", "LOCKED", "RATE_LIMITED", "UNKNOWN"];
    needed.into_iter().for_each(|name| assert!(counts.contains_key(&*format!("OTP_{name}")), "never {name}"));
    for kind in ["sqlite", "json"].into_iter().chain(SERVERS) {
        let Some(place) = Place::new(kind, "alike") else { continue };
        let found = answers(&place.repository, &trace);
        for (number, (expected, found)) in expected.iter().zip(&found).enumerate() {
            assert_eq!(expected.len(), found.len());
            if let Some(place) = (0..found.len()).find(|place| expected[*place] != found[*place]) {
                let before = expected[place.saturating_sub(40)..place].join("\n");
                panic!("{kind}, lane {number}: after\n{before}\n\n  {}\n  {}", expected[place], found[place]);
            }
        }
    }
}
