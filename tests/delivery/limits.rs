//! SMS pumping: however many ask, for however many tokens, a number gets no more messages than its limits allow, and
//! not one fewer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};

use otp::{Outcome, Service};
use serde_json::{Value, json};

use super::{T0, config, open};
use testing::carrier::Carrier;
use testing::crew::{Crew, Shared};
use testing::{self, Folder, Random, Watchdog};

const THREADS: usize = 8;
const PROCESSES: usize = 2;

/// One number, as people write it.
const SPELLINGS: [&str; 6] = [
    "393331234567",
    "+39 333 123 4567",
    "0039 333 1234567",
    "+39-333-123-4567",
    "(+39) 333/123.4567",
    "00393331234567",
];

/// Words of the memory that processes share: the clock in seconds since `T0`, the round, and how many codes they were
/// told are on their way.
const CLOCK: usize = 0;
const ROUND: usize = 1;
const SENT: usize = 2;

/// Limits of one number, in seconds; the model to which the library is held.
#[derive(Clone)]
struct Limits {
    cooldown: i64,
    windows: Vec<(usize, i64)>,
}

impl Limits {
    /// Those of section 8 of the design.
    fn standard() -> Self {
        Self { cooldown: 30, windows: vec![(5, 600), (15, 3600), (50, 86_400)] }
    }

    fn policy(&self) -> Value {
        let window = |(count, seconds): &(usize, i64)| json!({"count": count, "minutes": seconds / 60});
        let windows: Vec<_> = self.windows.iter().map(window).collect();
        json!({"cooldownSeconds": self.cooldown, "sendLimits": windows})
    }

    fn allow(&self, sent: &[i64], now: i64) -> bool {
        let since = |seconds: i64| sent.iter().filter(|at| now - **at < seconds).count();
        (self.cooldown == 0 || since(self.cooldown) == 0)
            && self.windows.iter().all(|(count, seconds)| since(*seconds) < *count)
    }

    /// Sends as often as is allowed at this time.
    fn exhaust(&self, sent: &mut Vec<i64>, now: i64) {
        while self.allow(sent, now) {
            sent.push(now);
        }
    }
}

/// The seconds of the rounds: a minute second by second, then an hour in long steps.
fn seconds() -> impl Iterator<Item = i64> {
    (0..60).chain((2..60).map(|minute| minute * 60 - 1)).chain((60..=70).map(|minute| minute * 60))
}

/// As many creates as a thread makes in each round of the minute.
fn share() -> usize {
    testing::size(1000, 10_000).div_ceil(60 * THREADS)
}

/// A thread's part of a round. Gives how many codes it was told are on their way.
fn pump(service: &Service, round: usize, name: &str, random: &mut Random) -> usize {
    let ask = |place: usize, random: &mut Random| {
        let token = format!("{name} {round} {place}");
        if random.below(4) == 0 {
            // Of an older round, or its own: most are unknown, and those that are not count the same.
            return service.resend(&format!("{name} {} {place}", round.saturating_sub(1))).unwrap().outcome;
        }
        let mut request = json!({"phoneNumber": random.pick(&SPELLINGS)});
        if random.below(2) == 0 {
            // A message that is not sent does not count on whoever it would have gone to.
            request["messengerId"] = random.draw().to_string().into();
            request["channels"] = json!(["sms"]);
        }
        service.create(&token, Some(&request.to_string())).unwrap().outcome
    };
    let mut sent = 0;
    // At the least six of them want more than any round allows.
    for place in 0..share().max(6) {
        match ask(place, random) {
            Outcome::Ok => sent += 1,
            Outcome::RateLimited | Outcome::Unknown => {}
            // What a newer code of the same token ended.
            Outcome::Expired => {}
            other => panic!("{other:?}"),
        }
    }
    sent
}

/// What came to the carrier is what the model allows, in every round; `round` lets everybody ask at one time.
fn hold_to_the_model(limits: &Limits, carrier: &Carrier, mut round: impl FnMut(usize, i64) -> usize) {
    let (mut model, mut told) = (Vec::new(), 0);
    for (number, now) in seconds().enumerate() {
        limits.exhaust(&mut model, now);
        told += round(number, now);
        let received = carrier.received();
        assert_eq!((received.len(), told), (model.len(), model.len()), "second {now}");
        assert!(received.iter().all(|received| received.status == 202));
    }
    assert!(model.len() > 5, "the limits let nothing through: {}", model.len());
}

fn campaign(limits: &Limits, repository: &str, services: usize) {
    let _watchdog = Watchdog::new("limits", 900);
    let carrier = Carrier::start();
    let options = json!({"repository": repository, "policy": limits.policy(),
        "sender": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()}});
    let config = config(&carrier, "messages", options);
    let clock = Arc::new(AtomicI64::new(T0));
    let services: Vec<_> = (0..services).map(|_| open(&config, &clock)).collect();
    hold_to_the_model(limits, &carrier, |round, now| {
        clock.store(T0 + now * 1000, SeqCst);
        let sent = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (service, sent) = (&services[thread % services.len()], &sent);
                let seed = Random::from_environment().draw();
                scope.spawn(move || {
                    let mut random = Random::seeded(seed ^ (round * THREADS + thread) as u64);
                    sent.fetch_add(pump(service, round, &format!("thread {thread}"), &mut random), SeqCst);
                });
            }
        });
        sent.into_inner()
    });
}

#[test]
fn the_standard_limits_hold() {
    campaign(&Limits::standard(), "memory:", 1);
}

#[test]
fn windows_hold_without_a_cooldown() {
    campaign(&Limits { cooldown: 0, windows: vec![(5, 600)] }, "memory:", 1);
    campaign(&Limits { cooldown: 0, windows: vec![(3, 60), (7, 300), (20, 3600)] }, "memory:", 1);
}

#[test]
fn a_cooldown_holds_without_windows() {
    campaign(&Limits { cooldown: 7, windows: Vec::new() }, "memory:", 1);
}

#[test]
fn limits_hold_among_services_over_one_repository() {
    let folder = Folder::new("delivery-limits");
    for (number, kind) in ["sqlite", "json"].into_iter().enumerate() {
        let limits = [Limits::standard(), Limits { cooldown: 0, windows: vec![(5, 600), (9, 3600)] }];
        campaign(&limits[number], &folder.repository(kind), 2);
    }
}

/// A process of the crew: not a test of its own.
#[test]
fn pumper() {
    let Some(role) = testing::role() else { return };
    let Some((name, rest)) = role.split_once('|') else { return };
    let (memory, config) = rest.split_once('|').unwrap();
    let shared = Arc::new(Shared::open(Path::new(memory)));
    let service = Service::open(Some(config)).unwrap().0;
    let clock = shared.clone();
    let now = move || T0 + i64::from(clock.word(CLOCK).load(SeqCst)) * 1000;
    service.on_clock(Some(Arc::new(now))).unwrap();
    while shared.wait(PROCESSES + 1) {
        let round = shared.word(ROUND).load(SeqCst) as usize;
        std::thread::scope(|scope| {
            for thread in 0..THREADS / PROCESSES {
                let (service, shared) = (&service, &shared);
                scope.spawn(move || {
                    let mut random = Random::seeded(Random::from_environment().draw() ^ thread as u64);
                    let sent = pump(service, round, &format!("process {name} {thread}"), &mut random);
                    shared.word(SENT).fetch_add(sent as u32, SeqCst);
                });
            }
        });
        shared.wait(PROCESSES + 1);
    }
}

#[test]
fn limits_hold_among_processes() {
    let _watchdog = Watchdog::new("limits among processes", 900);
    let (carrier, folder) = (Carrier::start(), Folder::new("delivery-limits-processes"));
    let limits = Limits { cooldown: 0, windows: vec![(3, 60), (10, 600)] };
    let options = json!({"repository": folder.repository("sqlite"), "policy": limits.policy(),
        "sender": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()}});
    let (config, memory) = (config(&carrier, "messages", options), folder.path().join("memory"));
    // The repository is there before the processes.
    drop(Service::open(Some(&config)).unwrap());
    let roles: Vec<_> = (0..PROCESSES).map(|process| format!("{process}|{}|{config}", memory.display())).collect();
    let mut crew = Crew::start(testing::here!("pumper"), &roles, 1, &memory);
    let mut before = 0;
    hold_to_the_model(&limits, &carrier, |round, now| {
        crew.shared.word(CLOCK).store(now as u32, SeqCst);
        crew.shared.word(ROUND).store(round as u32, SeqCst);
        crew.wait();
        crew.wait();
        let sent = crew.shared.word(SENT).load(SeqCst) as usize;
        let since = sent - before;
        before = sent;
        since
    });
    crew.finish();
}
