//! Workflows against a carrier on loopback: what is sent when, and what reports change.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::clock::Time;
use crate::reply::{DeliveryState, WebhookReply};
use crate::webhook::signer;
use simulator::Fault;
use simulator::http::uuid;

pub(super) const SECRET: &str = "a secret of thirty-two bytes and more";
const BOTH: &str = r#"{"messengerId":"8192836451","phoneNumber":"+39 333 123 4567"}"#;

/// The simulated carrier, which reports on nothing by itself.
pub(super) struct Carrier(simulator::Carrier);

impl Carrier {
    fn start() -> Self {
        let account = simulator::Account {
            api_key: "k".to_owned(),
            api_secret: "s".to_owned(),
            application_id: String::new(),
            public_key: Vec::new(),
            signature_secret: SECRET.to_owned(),
            webhook_port: None,
        };
        Self(simulator::Carrier::start(account, Arc::new(|| 0)).unwrap())
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// What was asked for, each with the identifier that its answer gave.
    pub(super) fn seen(&self) -> Vec<Value> {
        let with_uuid = |received: simulator::Received| {
            let mut body = received.body;
            body["message_uuid"] = received.answer["message_uuid"].clone();
            body
        };
        self.0.received().into_iter().map(with_uuid).collect()
    }

    /// Messages that may be on their way: those that were not refused.
    pub(super) fn taken(&self) -> usize {
        self.0.received().iter().filter(|received| !(400..500).contains(&received.status)).count()
    }

    pub(super) fn channels(&self) -> Vec<String> {
        self.seen().iter().map(|body| body["channel"].as_str().unwrap().to_owned()).collect()
    }

    /// The statuses of the next answers.
    pub(super) fn order(&self, statuses: &[u16]) {
        self.0.faults(statuses.iter().map(|status| match status {
            202 => Fault::Delay(Duration::ZERO),
            status => Fault::Status(*status),
        }));
    }
}

pub(super) fn fixture(kind: &str) -> (Fixture, Carrier) {
    let workflow = json!([
        {"channel": "messenger", "from": "1923256201470000", "expiryTime": 120, "conditionStatus": "read"},
        {"channel": "sms", "from": "NEXMO"}]);
    fixture_with(kind, &workflow)
}

pub(super) fn fixture_with(kind: &str, workflow: &Value) -> (Fixture, Carrier) {
    fixture_of(kind, &format!(r#","webhook":{{"signatureSecret":"{SECRET}"}},"workflow":{workflow}"#))
}

pub(super) fn fixture_of(kind: &str, options: &str) -> (Fixture, Carrier) {
    let carrier = Carrier::start();
    let options = format!(r#","policy":{{"cooldownSeconds":0,"sendLimits":[]}}{options}"#);
    let sender = format!(r#"{{"type":"{kind}","apiKey":"k","apiSecret":"s","baseUrl":"{}"}}"#, carrier.url());
    (Fixture::with(&sender, &options), carrier)
}

impl Fixture {
    pub(super) fn send(&self, token: &str) -> CreateReply {
        self.service.create(token, Some(BOTH)).unwrap()
    }

    pub(super) fn now(&self) -> Time {
        Time::from_ms(self.clock.load(Ordering::Relaxed).unsigned_abs())
    }

    pub(super) fn hear(&self, body: &Value) -> Result<WebhookReply> {
        let body = body.to_string();
        let authorization = signer::authorization(SECRET, "jti", self.now(), body.as_bytes());
        self.service.webhook(Some(&authorization), body.as_bytes())
    }

    /// A report that is taken.
    pub(super) fn report(&self, message: &Value, status: &str) -> WebhookReply {
        self.try_report(message, status).unwrap()
    }

    /// A report on a message as Messages v1 sends it.
    pub(super) fn try_report(&self, message: &Value, status: &str) -> Result<WebhookReply> {
        self.hear(&json!({"message_uuid": message["message_uuid"], "to": message["to"], "from": message["from"], "status": status,
            "timestamp": "2026-01-01T00:00:00Z", "channel": message["channel"], "client_ref": message["client_ref"]}))
    }

    pub(super) fn due(&self) -> (u64, Option<u64>) {
        let reply = self.service.run_due().unwrap();
        (reply.ran, reply.next_due_in_milliseconds)
    }
}

/// The code in a message, or in the first of a Dispatch workflow.
pub(super) fn code_in(message: &Value) -> &str {
    let text = message.get("text").unwrap_or(&message["workflow"][0]["message"]["content"]["text"]);
    text.as_str().unwrap().rsplit(' ').next().unwrap()
}

#[test]
fn not_read_in_time_means_one_sms_at_the_deadline() {
    let (fixture, carrier) = fixture("messages");
    let reply = fixture.send("t");
    assert_eq!(reply.outcome, Outcome::Ok);
    assert_eq!(reply.delivery.unwrap().state, DeliveryState::Accepted);
    assert_eq!(fixture.later(119_999).due(), (0, Some(1)));
    assert_eq!(carrier.channels(), ["messenger"]);
    assert_eq!(fixture.later(1).due(), (1, None));
    assert_eq!(fixture.later(100_000).due(), (0, None));
    assert_eq!(carrier.channels(), ["messenger", "sms"]);
    let seen = carrier.seen();
    assert_eq!(code_in(&seen[0]), code_in(&seen[1]));
    assert_eq!(seen[1]["to"], "393331234567");
    assert_eq!(fixture.verify("t", code_in(&seen[1])), Outcome::Ok);
    let steps = fixture.service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
    let steps: Vec<_> = steps.into_iter().map(|step| (step.channel, step.message_uuid)).collect();
    assert_eq!(steps, [("messenger".to_owned(), Some(uuid(1))), ("sms".to_owned(), Some(uuid(2)))]);
}

#[test]
fn a_message_that_was_read_needs_no_other() {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    let message = carrier.seen()[0].clone();
    fixture.later(118_000);
    for (status, state, duplicate) in [
        ("delivered", DeliveryState::Delivered, false),
        ("submitted", DeliveryState::Delivered, true),
        ("read", DeliveryState::Read, false),
        ("read", DeliveryState::Read, true),
    ] {
        let reply = fixture.report(&message, status);
        assert_eq!((reply.known, reply.state, reply.duplicate), (Some(true), Some(state), Some(duplicate)), "{status}");
    }
    assert_eq!(fixture.due(), (0, None));
    assert_eq!(fixture.later(10_000).due(), (0, None));
    assert_eq!(carrier.channels(), ["messenger"]);
}

#[test]
fn a_rejected_message_is_followed_at_once() {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    let message = carrier.seen()[0].clone();
    assert_eq!(fixture.report(&message, "rejected").state, Some(DeliveryState::Rejected));
    assert_eq!(carrier.channels(), ["messenger", "sms"]);
    let _ = fixture.report(&message, "rejected");
    assert_eq!(fixture.later(200_000).due(), (0, None));
    assert_eq!(carrier.channels(), ["messenger", "sms"]);
}

#[test]
fn a_report_means_its_own_step_of_two_on_one_channel() {
    let step = json!({"channel": "sms", "from": "NEXMO", "expiryTime": 60, "conditionStatus": "delivered"});
    let (fixture, carrier) = fixture_with("messages", &json!([step, step, step]));
    let _ = fixture.send("t");
    assert_eq!(fixture.later(60_000).due().0, 1);
    let seen = carrier.seen();
    let _ = fixture.report(&seen[0], "undeliverable");
    assert_eq!(carrier.channels(), ["sms"; 2], "the second is under way");
    let _ = fixture.report(&seen[1], "rejected");
    assert_eq!(carrier.channels(), ["sms"; 3]);
    let steps = fixture.service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
    let states: Vec<_> = steps.into_iter().map(|step| step.status).collect();
    assert_eq!(states, [DeliveryState::Undeliverable, DeliveryState::Rejected, DeliveryState::Accepted]);
}

#[test]
fn a_webhook_finds_what_else_is_due_but_waits_for_one_message_at_most() {
    let (fixture, carrier) = fixture("messages");
    let _ = (fixture.send("a"), fixture.send("b"));
    fixture.later(120_000);
    let _ = fixture.send("c");
    let message = carrier.seen()[2].clone();
    for sent in [4, 5, 5] {
        assert_eq!(fixture.report(&message, "delivered").known, Some(true));
        assert_eq!(carrier.seen().len(), sent);
    }
    assert_eq!(carrier.channels(), ["messenger", "messenger", "messenger", "sms", "sms"]);
}

#[test]
fn what_ended_is_not_sent_again() {
    for end in ["verify", "cancel", "erase", "replace"] {
        let (fixture, carrier) = fixture("messages");
        let _ = fixture.send("t");
        let message = carrier.seen()[0].clone();
        match end {
            "verify" => assert_eq!(fixture.verify("t", code_in(&message)), Outcome::Ok),
            "cancel" => assert_eq!(fixture.service.cancel("t").unwrap().outcome, Outcome::Ok),
            "erase" => assert!(fixture.service.erase("8192836451").unwrap().found),
            _ => assert_eq!(fixture.later(60_000).send("t").outcome, Outcome::Ok),
        }
        let sent = carrier.seen().len();
        let _ = fixture.report(&message, "rejected");
        assert_eq!(fixture.later(61_000).due().0, 0, "{end}");
        assert_eq!(carrier.seen().len(), sent, "{end}");
    }
}

#[test]
fn a_carrier_that_takes_nothing_fails_over_within_the_call() {
    let (fixture, carrier) = fixture("messages");
    carrier.order(&[422, 202]);
    assert_eq!(fixture.send("a").outcome, Outcome::Ok);
    assert_eq!(carrier.channels(), ["messenger", "sms"]);
    carrier.order(&[422, 402]);
    let reply = fixture.send("b");
    assert_eq!((reply.outcome, reply.failure.unwrap().http_status), (Outcome::Send, Some(402)));
    let status = fixture.service.status("b").unwrap().status.unwrap();
    assert_eq!(status.state, RequestState::Cancelled);
    assert_eq!(fixture.later(200_000).due(), (0, None));
}

#[test]
fn a_doubtful_message_is_not_sent_twice_and_its_time_runs() {
    let (fixture, carrier) = fixture("messages");
    carrier.order(&[500]);
    assert_eq!(fixture.send("t").outcome, Outcome::InDoubt);
    assert_eq!(carrier.channels(), ["messenger"]);
    assert_eq!(fixture.verify("t", code_in(&carrier.seen()[0])), Outcome::Ok);
    carrier.order(&[500]);
    assert_eq!(fixture.send("u").outcome, Outcome::InDoubt);
    assert_eq!(fixture.later(120_000).due(), (1, None));
    assert_eq!(carrier.channels(), ["messenger", "messenger", "sms"]);
}

/// A report and two drivers at the same moment: one SMS, whoever is first.
#[test]
fn a_step_begins_once_however_many_want_it() {
    let (fixture, carrier) = fixture("messages");
    for round in 0..100 {
        let _ = fixture.send(&format!("t{round}"));
        let message = carrier.seen().last().unwrap().clone();
        fixture.later(120_000);
        std::thread::scope(|scope| {
            scope.spawn(|| fixture.due());
            scope.spawn(|| fixture.due());
            scope.spawn(|| fixture.report(&message, "undeliverable"));
        });
        assert_eq!(carrier.seen().len(), 2 * (round + 1), "round {round}");
        assert_eq!(carrier.channels().last().unwrap(), "sms");
    }
}

#[test]
fn dispatch_is_one_request_and_its_reports_find_the_record() {
    let (fixture, carrier) = fixture("dispatch");
    let delivery = fixture.send("t").delivery.unwrap();
    assert_eq!(delivery.dispatch_uuid, Some(uuid(1)));
    let seen = carrier.seen();
    assert_eq!((seen.len(), seen[0]["workflow"].as_array().unwrap().len()), (1, 2));
    let status = json!({"message_uuid": "x", "to": {"type": "sms", "number": "393331234567"}, "status": "delivered",
        "from": {"type": "sms", "number": "NEXMO"}, "timestamp": "2026-01-01T00:00:00Z",
        "_links": {"workflow": {"href": "v0.1/dispatch/x", "dispatch_uuid": uuid(1)}}, "dispatch_uuid": uuid(1)});
    let reply = fixture.hear(&status).unwrap();
    assert_eq!((reply.known, reply.state), (Some(true), Some(DeliveryState::Delivered)));
    let steps = fixture.service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
    let steps: Vec<_> = steps.iter().map(|step| (step.channel.as_str(), step.status)).collect();
    assert_eq!(steps, [("messenger", DeliveryState::Accepted), ("sms", DeliveryState::Delivered)]);
    assert_eq!(fixture.later(200_000).due(), (0, None));
}

#[test]
fn a_webhook_is_genuine_or_changes_nothing() {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    let message = carrier.seen()[0].clone();
    let body = json!({"message_uuid": uuid(1), "to": "1", "from": "2", "status": "rejected", "channel": "messenger",
        "timestamp": "2026-01-01T00:00:00Z", "client_ref": message["client_ref"]})
    .to_string();
    let refused = |authorization: Option<&str>| {
        fixture.service.webhook(authorization, body.as_bytes()).err().map(|error| error.outcome())
    };
    assert_eq!(refused(None), Some(Outcome::Unsigned));
    let other = signer::authorization("another secret", "jti", fixture.now(), body.as_bytes());
    assert_eq!(refused(Some(&other)), Some(Outcome::Signature));
    assert_eq!(carrier.channels(), ["messenger"]);
    let unknown = fixture.hear(&json!({"message_uuid": "never", "to": "1", "from": "2", "status": "read",
        "channel": "sms", "timestamp": "2026-01-01T00:00:00Z"}));
    let unknown = unknown.unwrap();
    assert_eq!((unknown.known, unknown.duplicate, unknown.state), (Some(false), None, None));
}

#[test]
fn no_tenant_runs_or_holds_up_another_s_timers() {
    let carrier = Carrier::start();
    let folder = crate::repository::conformance::ScratchFolder::new("tenants");
    let messages = json!({"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()});
    let open = |namespace: &str, sender: &Value| {
        let config = json!({
            "repository": format!("sqlite:{}/otp.db", folder.path().display()), "namespace": namespace,
            "sender": sender,
            "policy": {"cooldownSeconds": 0, "sendLimits": []},
            "workflow": [{"channel": "messenger", "from": namespace, "expiryTime": 120},
                         {"channel": "sms", "from": namespace}],
        });
        let service = Service::open(Some(&config.to_string())).unwrap().0;
        service.on_clock(Some(Arc::new(|| T0 + 120_000))).unwrap();
        service
    };
    let (first, second) = (open("first", &messages), open("second", &messages));
    first.on_clock(Some(Arc::new(|| T0))).unwrap();
    for token in 0..20 {
        assert_eq!(first.create(&token.to_string(), Some(BOTH)).unwrap().outcome, Outcome::Ok);
    }
    assert_eq!(second.run_due().unwrap().ran, 0, "a tenant with a carrier");
    second.on_clock(Some(Arc::new(|| T0))).unwrap();
    assert_eq!(second.create("t", Some(BOTH)).unwrap().outcome, Outcome::Ok);
    second.on_clock(Some(Arc::new(|| T0 + 120_000))).unwrap();
    assert_eq!(second.run_due().unwrap().ran, 1, "its own, behind twenty of the other's");
    assert_eq!(carrier.seen().last().unwrap()["from"], "second");
    drop(second);
    assert_eq!(open("first", &json!({"type": "console"})).run_due().unwrap().ran, 0, "a service without timers");
    first.on_clock(Some(Arc::new(|| T0 + 120_000))).unwrap();
    // A call ends after a while, however much is due.
    let ran: u64 = (0..20).map(|_| first.run_due().unwrap().ran).sum();
    assert_eq!(ran, 20);
    assert_eq!(carrier.seen().iter().filter(|seen| seen["channel"] == "sms" && seen["from"] == "first").count(), 20);
}

#[test]
fn without_timers_nothing_is_due() {
    assert_eq!(fixture("messages").0.due(), (0, None));
}
