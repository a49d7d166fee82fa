//! The story over three carriers: Messenger by Vonage that nobody reads, an SMS that the second carrier refuses, a mail
//! that is sent. One message each, with eight processes that drive, and when the driver is killed before every write.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use otp::{DeliveryState, Outcome, Service};
use serde_json::json;
use testing::Watchdog;
use testing::carrier::simulator::generic::Server;
use testing::carrier::simulator::smtp::{Inbox, Mail, Setup};
use testing::carrier::{Carrier, code_in};
use testing::crew::Crew;
use testing::place::{KEY, Place, SERVERS, is_shared};

use super::kill::{CLAIM_SECONDS, MOST_WRITES, is_killed, shim};
use super::{CLOCK, EXPIRY_SECONDS, PROCESSES, T0, TOKENS, create, open_at, steps};

struct Carriers {
    vonage: Carrier,
    second: Server,
    inbox: Inbox,
}

impl Carriers {
    fn start() -> Self {
        let second = Server::start();
        second.on_request(|_| (400, r#"{"error": "no such number"}"#.to_owned()));
        Self { vonage: Carrier::start(), second, inbox: Inbox::start(Setup::default()).unwrap() }
    }

    fn config(&self, repository: &str) -> String {
        let mut config = json!({"repository": repository, "policy": {"cooldownSeconds": 0, "sendLimits": []},
            "senders": {
                "vonage": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": self.vonage.url()},
                "second": {"type": "http", "url": self.second.url("/send"), "form": {"to": "{to}", "text": "{text}"},
                    "refused": [400]},
                "mail": {"type": "smtp", "host": "127.0.0.1", "port": self.inbox.port, "tls": "none"}},
            "workflow": [
                {"channel": "messenger", "sender": "vonage", "from": "1923256201470000",
                    "expiryTime": EXPIRY_SECONDS, "conditionStatus": "read"},
                {"channel": "sms", "sender": "second"},
                {"channel": "email", "sender": "mail", "from": "shop@example.com"}]});
        if is_shared(repository) {
            config["key"] = KEY.into();
        }
        config.to_string()
    }

    /// What each got since the last time: how many, and the mails.
    fn take(&self, before: usize) -> ([usize; 3], Vec<Mail>) {
        let mails = self.inbox.take();
        ([self.vonage.count() - before, self.second.take_whole().len(), mails.len()], mails)
    }
}

fn told(states: [DeliveryState; 3]) -> Vec<(String, DeliveryState)> {
    ["messenger", "sms", "email"].map(str::to_owned).into_iter().zip(states).collect()
}

fn code_of(mail: &Mail) -> &str {
    mail.text.trim_end().rsplit(' ').next().unwrap()
}

fn drive_with_many_processes(kind: &str) {
    let _watchdog = Watchdog::new("three_carriers", 1200);
    let Some(place) = Place::new(kind, "three-carriers") else { return };
    let carriers = Carriers::start();
    let (config, memory) = (carriers.config(&place.repository), place.folder().join("memory"));
    let clock = Arc::new(AtomicI64::new(T0));
    let service = open_at(&config, &clock);
    let roles: Vec<_> = (0..PROCESSES).map(|_| format!("{}|{config}", memory.display())).collect();
    let mut crew = Crew::start("campaigns::workflow::driver", &roles, 1, &memory);
    for round in 0..testing::size(10, 1000) {
        let (token, before) = (format!("token {}", round % TOKENS), carriers.vonage.count());
        create(&service, &token);
        let now = clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst) + EXPIRY_SECONDS * 1000;
        crew.shared.word(CLOCK).store(((now - T0) / 1000) as u32, SeqCst);
        crew.wait();
        crew.wait();
        let (counts, mails) = carriers.take(before);
        assert_eq!(counts, [1, 1, 1], "{kind}, round {round}");
        let expected = told([DeliveryState::Accepted, DeliveryState::Failed, DeliveryState::Accepted]);
        assert_eq!(steps(&service, &token), expected, "{kind}, round {round}");
        assert_eq!(code_of(&mails[0]), code_in(&carriers.vonage.seen_from(before)[0]));
        let verified = service.verify(&token, code_of(&mails[0]), None).unwrap().outcome;
        assert_eq!(verified, Outcome::Ok, "{kind}, round {round}");
    }
    crew.finish();
    assert_eq!(carriers.inbox.complaints(), [""; 0]);
}

#[test]
fn of_eight_processes_one_sends_each_by_its_carrier() {
    ["sqlite", "json"].into_iter().chain(SERVERS).for_each(drive_with_many_processes);
}

/// Goes on where the other process was killed: what was never stored is asked for again.
fn go_on(service: &Service, clock: &AtomicI64, token: &str) {
    clock.store(T0 + EXPIRY_SECONDS * 1000, SeqCst);
    if service.status(token).unwrap().outcome == Outcome::Unknown {
        create(service, token);
        clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst);
    }
    // Whatever is claimed in between ends once for each step.
    for _ in 0..3 {
        let _ = service.run_due().unwrap();
        clock.fetch_add(CLAIM_SECONDS * 1000, SeqCst);
    }
    let _ = service.run_due().unwrap();
}

fn kill_at_every_write(kind: &str) {
    let _watchdog = Watchdog::new("three_carriers_killed", 1200);
    let Some(place) = Place::new(kind, "three-carriers-kill") else { return };
    let Some(shim) = shim(place.folder()) else { return };
    let carriers = Carriers::start();
    let config = carriers.config(&place.repository);
    let clock = Arc::new(AtomicI64::new(T0));
    drop(open_at(&config, &clock));
    let (mut doubtful, mut ends) = ([0; 3], 0);
    for at in 1..MOST_WRITES {
        let (token, before) = (format!("token {at}"), carriers.vonage.count());
        let killed = is_killed(&shim, &config, &token, at);
        let service = open_at(&config, &clock);
        go_on(&service, &clock, &token);
        let (counts, mails) = carriers.take(before);
        let steps = steps(&service, &token);
        assert!(counts.iter().all(|count| *count <= 1), "{kind}, write {at}: {counts:?}, {steps:?}");
        // What may have left is not sent again, and no later step begins while nobody knows: the record says so.
        for (place, count) in counts.into_iter().enumerate() {
            let status = steps.get(place).map(|(_, status)| *status);
            let is_known = count == 1 || status.is_none();
            assert!(
                is_known || (killed && status == Some(DeliveryState::Sending)),
                "write {at}: {counts:?}, {steps:?}"
            );
            doubtful[place] += usize::from(!is_known);
        }
        if let Some(mail) = mails.first() {
            assert_eq!(service.verify(&token, code_of(mail), None).unwrap().outcome, Outcome::Ok, "write {at}");
        }
        if !killed {
            assert_eq!(counts, [1, 1, 1]);
            ends = at;
            break;
        }
    }
    println!("{kind}: killed before each of {} writes; nobody knows of {doubtful:?}", ends - 1);
    assert!(ends > 20, "the worker was never killed");
    assert!(doubtful.iter().sum::<usize>() * 2 < ends, "{doubtful:?} of {ends}");
}

#[test]
fn killed_at_every_write_over_three_carriers() {
    ["sqlite", "json", "redis", "postgres"].into_iter().for_each(kill_at_every_write);
}
