//! The simulated carrier as the tests want it: every request is held against the published specification, and none may
//! be one that the carrier refuses unless a test orders that.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::place::{KEY, is_shared};
use super::specification::objections;
pub use simulator;
use simulator::{Account, Received};

/// The secret of its webhooks.
pub const SECRET: &str = "a secret of thirty-two bytes and more";

/// Addresses for both steps of [`Carrier::config`].
pub const BOTH: &str = r#"{"messengerId":"8192836451","phoneNumber":"+39 333 123 4567"}"#;

/// The application that its signed tokens name, and its key.
pub const APPLICATION: &str = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab";
pub const PRIVATE_KEY: &str = include_str!("../../tests/data/private_key.pem");

/// How long a test waits for something to be sent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves until the test process ends.
pub struct Carrier {
    simulator: simulator::Carrier,
    objections: Arc<Mutex<Vec<String>>>,
}

impl Carrier {
    /// Takes every message, and reports on none.
    pub fn start() -> Self {
        Self::with(|_| true)
    }

    /// The same. `arrival` sees each message before it is answered: `false` closes the connection in place of an
    /// answer.
    pub fn with(arrival: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        Self::new(None, Arc::new(|| 0), arrival)
    }

    /// The same with a clock, by which it judges signed tokens.
    pub fn with_clock(clock: simulator::Clock) -> Self {
        Self::new(None, clock, |_| true)
    }

    /// One that reports to this port, with a clock.
    pub fn reporting(webhook_port: u16, clock: simulator::Clock) -> Self {
        Self::new(Some(webhook_port), clock, |_| true)
    }

    fn new(
        webhook_port: Option<u16>,
        clock: simulator::Clock,
        arrival: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        let account = Account {
            api_key: "k".to_owned(),
            api_secret: "s".to_owned(),
            application_id: APPLICATION.to_owned(),
            public_key: simulator::public_key(PRIVATE_KEY).unwrap(),
            signature_secret: SECRET.to_owned(),
            webhook_port,
        };
        let simulator = simulator::Carrier::start(account, clock).unwrap();
        let found: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = found.clone();
        simulator.on_arrival(move |message| {
            keep.lock().unwrap().extend(objections(message));
            arrival(message)
        });
        Self { simulator, objections: found }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The configuration of a service that sends here: Messenger for two minutes, then SMS. `more` are further
    /// members, each after a comma.
    pub fn config(&self, repository: &str, more: &str) -> String {
        let key = if is_shared(repository) { format!(r#""key":"{KEY}","#) } else { String::new() };
        let durability = if repository.starts_with("redis") { "engine" } else { "process" };
        format!(
            r#"{{"repository":"{repository}",{key}"policy":{{"cooldownSeconds":0,"sendLimits":[]}},
            "durability":"{durability}",
            "sender":{{"type":"messages","apiKey":"k","apiSecret":"s","baseUrl":"{}"}},
            "webhook":{{"signatureSecret":"{SECRET}"}},
            "workflow":[{{"channel":"messenger","from":"1923256201470000","expiryTime":120,"conditionStatus":"read"}},
                        {{"channel":"sms","from":"NEXMO"}}]{more}}}"#,
            self.url()
        )
    }

    /// What was sent so far.
    pub fn seen(&self) -> Vec<Value> {
        self.seen_from(0)
    }

    /// The same without the first ones.
    pub fn seen_from(&self, place: usize) -> Vec<Value> {
        self.look(|received| received[place..].iter().map(|received| received.body.clone()).collect())
    }

    /// How many messages were sent so far.
    pub fn count(&self) -> usize {
        self.look(<[_]>::len)
    }

    /// The channels of what was sent so far.
    pub fn channels(&self) -> Vec<String> {
        self.channels_from(0)
    }

    /// Those without the first ones.
    pub fn channels_from(&self, place: usize) -> Vec<String> {
        let channel = |received: &Received| received.body["channel"].as_str().unwrap().to_owned();
        self.look(|received| received[place..].iter().map(channel).collect())
    }

    /// Waits until so many messages were sent. Fails when they do not come.
    pub fn wait(&self, count: usize) -> Vec<Value> {
        let messages: Vec<_> = self.wait_received(count, PATIENCE).into_iter().map(|received| received.body).collect();
        assert!(messages.len() >= count, "{} messages were sent, not {count}", messages.len());
        messages
    }
}

impl Deref for Carrier {
    type Target = simulator::Carrier;

    fn deref(&self) -> &simulator::Carrier {
        &self.simulator
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(*self.objections.lock().unwrap(), [""; 0], "requests that the specification does not accept");
        }
    }
}

/// The code in a message with the default text.
pub fn code_in(message: &Value) -> &str {
    message["text"].as_str().unwrap().rsplit(' ').next().unwrap()
}

/// How the carrier names the message of this number, from 1.
pub fn uuid(number: usize) -> String {
    simulator::http::uuid(number)
}

/// A report on a message, signed at this time, in milliseconds: the value of `Authorization`, and the body.
pub fn report(message: &Value, uuid: &str, status: &str, now_ms: i64) -> (String, String) {
    let body = json!({"message_uuid": uuid, "to": message["to"], "from": message["from"], "status": status,
        "timestamp": "2026-01-01T00:00:00Z", "channel": message["channel"], "client_ref": message["client_ref"]});
    let body = body.to_string();
    let claims = json!({"iat": now_ms / 1000, "jti": uuid, "iss": "Vonage"});
    (simulator::webhook::signed(SECRET, claims, body.as_bytes()), body)
}
