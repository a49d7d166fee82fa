//! Workflows under races, crashes and reports in any order: never two SMS for one step, and none only where none is
//! wanted.

mod kill;
mod orders;
mod three;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::thread::sleep;
use std::time::Duration;

use otp::{DeliveryState, Outcome, Service};
use serde_json::{Value, json};
use testing::carrier::{Carrier, report, uuid};
use testing::crew::{Crew, Shared};
use testing::place::{Place, SERVERS};
use testing::{Folder, Random, Watchdog};

const T0: i64 = 1_700_000_000_000;

const PROCESSES: usize = 8;

/// Tokens that the rounds take in turn: deliveries are replaced as well.
const TOKENS: usize = 7;

/// The word of the shared memory that is the clock: seconds since `T0`.
const CLOCK: usize = 0;

/// When Messenger has had its time.
const EXPIRY_SECONDS: i64 = 120;

fn open(config: &str, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Service {
    let service = Service::open(Some(config)).unwrap().0;
    service.on_clock(Some(Arc::new(clock))).unwrap();
    service
}

fn open_at(config: &str, clock: &Arc<AtomicI64>) -> Service {
    let clock = clock.clone();
    open(config, move || clock.load(SeqCst))
}

/// Whatever step there may be has its address.
const REQUEST: &str = r#"{"messengerId":"8192836451","phoneNumber":"393331234567","email":"ann@example.com"}"#;

fn create(service: &Service, token: &str) {
    assert_eq!(service.create(token, Some(REQUEST)).unwrap().outcome, Outcome::Ok);
}

/// The steps of a delivery that were begun: channel and status.
fn steps(service: &Service, token: &str) -> Vec<(String, DeliveryState)> {
    let steps = service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
    let steps = steps.into_iter().map(|step| (step.channel, step.status));
    steps.filter(|(_, status)| *status != DeliveryState::Stopped).collect()
}

fn sms_count(messages: &[Value]) -> usize {
    messages.iter().filter(|message| message["channel"] == "sms").count()
}

/// A process of the crew: not a test of its own.
#[test]
fn driver() {
    let Some(role) = testing::role() else { return };
    let Some((memory, config)) = role.split_once('|') else { return };
    let shared = Arc::new(Shared::open(Path::new(memory)));
    let clock = shared.clone();
    let service = open(config, move || T0 + i64::from(clock.word(CLOCK).load(SeqCst)) * 1000);
    while shared.wait(PROCESSES + 1) {
        let _ = service.run_due().unwrap();
        shared.wait(PROCESSES + 1);
    }
}

fn drive_with_many_processes(kind: &str) {
    let _watchdog = Watchdog::new("drive_with_many_processes", 1200);
    let Some(place) = Place::new(kind, "workflow") else { return };
    let carrier = Carrier::start();
    let (config, memory) = (carrier.config(&place.repository, ""), place.folder().join("memory"));
    let clock = Arc::new(AtomicI64::new(T0));
    let service = open_at(&config, &clock);
    let roles: Vec<_> = (0..PROCESSES).map(|_| format!("{}|{config}", memory.display())).collect();
    let mut crew = Crew::start(testing::here!("driver"), &roles, 1, &memory);
    let rounds = if SERVERS.contains(&kind) { testing::size(15, 1000) } else { testing::size(50, 2000) };
    for round in 0..rounds {
        let token = format!("token {}", round % TOKENS);
        create(&service, &token);
        let now = clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst) + EXPIRY_SECONDS * 1000;
        crew.shared.word(CLOCK).store(((now - T0) / 1000) as u32, SeqCst);
        crew.wait();
        crew.wait();
        assert_eq!(carrier.channels_from(2 * round), ["messenger", "sms"], "round {round}");
        let accepted = |channel: &str| (channel.to_owned(), DeliveryState::Accepted);
        assert_eq!(steps(&service, &token), [accepted("messenger"), accepted("sms")], "round {round}");
    }
    crew.finish();
}

#[test]
fn of_eight_processes_one_sends_sqlite() {
    drive_with_many_processes("sqlite");
}

#[test]
fn of_eight_processes_one_sends_json() {
    drive_with_many_processes("json");
}

#[test]
fn of_eight_hosts_one_sends() {
    SERVERS.into_iter().for_each(drive_with_many_processes);
}

/// Codes to one number that all fall due at the same moment.
const WAITING: usize = 20;

/// How many SMS that number gets.
const LIMIT: usize = 5;

fn limit_among_processes(kind: &str) {
    let _watchdog = Watchdog::new("limit_among_processes", 600);
    let Some(place) = Place::new(kind, "workflow-limit") else { return };
    let (carrier, memory) = (Carrier::start(), place.folder().join("memory"));
    let limits = json!([{"count": LIMIT, "minutes": 1440}]);
    let config =
        carrier.config(&place.repository, "").replace(r#""sendLimits":[]"#, &format!(r#""sendLimits":{limits}"#));
    let clock = Arc::new(AtomicI64::new(T0));
    let service = open_at(&config, &clock);
    let roles: Vec<_> = (0..PROCESSES).map(|_| format!("{}|{config}", memory.display())).collect();
    let mut crew = Crew::start(testing::here!("driver"), &roles, 1, &memory);
    for token in 0..WAITING {
        // To each Messenger one, which is no matter for the number.
        let request = json!({"messengerId": format!("{token}"), "phoneNumber": "393331234567"}).to_string();
        assert_eq!(service.create(&token.to_string(), Some(&request)).unwrap().outcome, Outcome::Ok);
    }
    clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst);
    crew.shared.word(CLOCK).store(EXPIRY_SECONDS as u32, SeqCst);
    loop {
        crew.wait();
        crew.wait();
        if service.run_due().unwrap().next_due_in_milliseconds.is_none() {
            break;
        }
    }
    crew.finish();
    assert_eq!(sms_count(&carrier.seen()), LIMIT, "{kind}");
    let second: Vec<_> = (0..WAITING).map(|token| steps(&service, &token.to_string())[1].1).collect();
    let count = |status| second.iter().filter(|found| **found == status).count();
    assert_eq!((count(DeliveryState::Accepted), count(DeliveryState::Skipped)), (LIMIT, WAITING - LIMIT), "{kind}");
}

#[test]
fn a_limit_is_exact_among_processes_that_drive() {
    ["sqlite", "json"].into_iter().chain(SERVERS).for_each(limit_among_processes);
}

/// The timer, in two services, and a report at the same moment.
fn race_report_and_timer(kind: &str, rounds: usize) {
    let _watchdog = Watchdog::new("race_report_and_timer", 1200);
    let (carrier, folder) = (Carrier::start(), Folder::new(&format!("workflow-race-{kind}")));
    let config = carrier.config(&folder.repository(kind), "");
    let clock = Arc::new(AtomicI64::new(T0));
    let (one, two) = (open_at(&config, &clock), open_at(&config, &clock));
    let mut random = Random::from_environment();
    let mut seen = [0; 2];
    // How late the report may come, in microseconds: later after each time that it won, earlier after it lost, so that
    // both happen on any machine.
    let mut latest = 2000;
    for round in 0..rounds {
        let token = format!("token {}", round % TOKENS);
        let before = carrier.count();
        create(&one, &token);
        let message = carrier.seen_from(before).remove(0);
        let now = clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst) + EXPIRY_SECONDS * 1000;
        let status = *random.pick(&["read", "read", "delivered", "submitted", "rejected", "undeliverable"]);
        let (authorization, body) = report(&message, &uuid(before + 1), status, now);
        let hear = || assert_eq!(two.webhook(Some(&authorization), body.as_bytes()).unwrap().known, Some(true));
        let pauses = [1000, 1000, latest].map(|below| Duration::from_micros(random.below(below) as u64));
        let drive = |service: &Service, pause| {
            sleep(pause);
            let _ = service.run_due().unwrap();
        };
        std::thread::scope(|scope| {
            scope.spawn(|| drive(&one, pauses[0]));
            scope.spawn(|| drive(&two, pauses[1]));
            scope.spawn(|| {
                sleep(pauses[2]);
                hear();
            });
        });
        // Whatever came late: nothing more follows.
        hear();
        let _ = one.run_due().unwrap();
        let sms = sms_count(&carrier.seen_from(before));
        let steps = steps(&one, &token);
        assert_eq!((steps.len(), carrier.count() - before), (1 + sms, 1 + sms), "round {round}: {status}");
        if status == "read" {
            assert!(sms <= 1, "round {round}");
            assert_eq!(steps[0].1, DeliveryState::Read);
            seen[sms] += 1;
            latest = if sms == 0 { latest * 5 / 4 } else { (latest * 4 / 5).max(100) };
        } else {
            assert_eq!(sms, 1, "round {round}: {status}");
        }
    }
    testing::complain(&format!("race of report and timer, {kind}: won {seen:?}"));
    assert!(seen.iter().all(|count| *count > 0), "the race was always won by the same side: {seen:?}");
}

#[test]
fn a_report_and_the_timer_race_sqlite() {
    race_report_and_timer("sqlite", testing::size(200, 10_000));
}

#[test]
fn a_report_and_the_timer_race_json() {
    race_report_and_timer("json", testing::size(100, 2_500));
}
