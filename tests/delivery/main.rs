//! Delivery from end to end: a service, the simulated carrier with its phones, and a host that takes the webhooks.
//! All live by one clock, which stands still until a test moves it.

mod deadline;
mod dispatch;
pub mod forks;
mod host;
mod http;
mod limits;
mod messages;
mod reports;
mod smtp;
mod specification;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use host::Host;
use otp::{DeliveryState, Outcome, Service};
use serde_json::{Value, json};
use testing::carrier::{APPLICATION, BOTH, Carrier, PRIVATE_KEY, SECRET};

const T0: i64 = 1_700_000_000_000;

/// The recipient of [`BOTH`], by Messenger.
const MESSENGER_ID: &str = "8192836451";

/// When Messenger has had its time.
const EXPIRY_MS: i64 = 120_000;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it waits to see that nothing comes.
const QUIET: Duration = Duration::from_millis(300);

/// Everybody who has a part.
struct Stage {
    clock: Arc<AtomicI64>,
    host: Host,
    carrier: Carrier,
    service: Arc<Service>,
}

impl Stage {
    /// A sender of this kind over memory.
    fn new(sender: &str) -> Self {
        Self::with(sender, json!({"repository": "memory:"}))
    }

    /// The same with further options, or others.
    fn with(sender: &str, options: Value) -> Self {
        let clock = Arc::new(AtomicI64::new(T0));
        let host = Host::start(clock.clone());
        let time = clock.clone();
        let carrier = Carrier::reporting(host.port, Arc::new(move || time.load(SeqCst)));
        let service = Arc::new(open(&config(&carrier, sender, options), &clock));
        host.serve(service.clone());
        Self { clock, host, carrier, service }
    }

    fn later(&self, ms: i64) -> &Self {
        self.clock.fetch_add(ms, SeqCst);
        self
    }

    /// Creates a code for both addresses, which goes well.
    fn create(&self, token: &str) {
        let reply = self.service.create(token, Some(BOTH)).unwrap();
        assert_eq!(reply.outcome, Outcome::Ok, "{:?}", reply.failure);
    }

    /// Sends all that is due, in as many rounds as that takes. Gives how many steps, and when the next is due.
    fn run_due(&self) -> (u64, Option<u64>) {
        let mut ran = 0;
        loop {
            let reply = self.service.run_due().unwrap();
            ran += reply.ran;
            if reply.ran == 0 || reply.next_due_in_milliseconds != Some(0) {
                return (ran, reply.next_due_in_milliseconds);
            }
        }
    }

    /// The steps of a delivery: channel and state.
    fn steps(&self, token: &str) -> Vec<(String, DeliveryState)> {
        let steps = self.service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
        steps.into_iter().map(|step| (step.channel, step.status)).collect()
    }

    /// Nothing more is sent, whatever comes late.
    fn assert_no_more(&self, channels: &[&str]) {
        std::thread::sleep(QUIET);
        self.later(10 * EXPIRY_MS);
        assert_eq!(self.run_due(), (0, None));
        assert_eq!(self.carrier.channels(), channels);
    }
}

/// The configuration of a service that sends through this carrier with a signed token.
fn config(carrier: &Carrier, sender: &str, options: Value) -> String {
    let mut config = json!({
        "sender": {"type": sender, "applicationId": APPLICATION, "privateKey": PRIVATE_KEY, "baseUrl": carrier.url()},
        "webhook": {"signatureSecret": SECRET, "apiKey": "k", "applicationId": APPLICATION},
        "workflow": [
            {"channel": "messenger", "from": "1923256201470000", "expiryTime": 120, "conditionStatus": "read"},
            {"channel": "sms", "from": "NEXMO"}],
        "policy": {"cooldownSeconds": 0, "sendLimits": []}, "durability": "process",
    });
    config.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    config.to_string()
}

fn open(config: &str, clock: &Arc<AtomicI64>) -> Service {
    let service = Service::open(Some(config)).unwrap().0;
    let clock = clock.clone();
    service.on_clock(Some(Arc::new(move || clock.load(SeqCst)))).unwrap();
    service
}

/// Waits until something holds. Fails when it never does.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn states(steps: &[(&str, DeliveryState)]) -> Vec<(String, DeliveryState)> {
    steps.iter().map(|(channel, state)| ((*channel).to_owned(), *state)).collect()
}
