//! Workflows against a carrier on loopback: what is sent when, and what reports change.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::clock::Time;
use crate::reply::{DeliveryState, WebhookReply};
use crate::webhook::signer;

const SECRET: &str = "a secret of thirty-two bytes and more";
const BOTH: &str = r#"{"messengerId":"8192836451","phoneNumber":"+39 333 123 4567"}"#;

/// Takes every message, unless another status was ordered, and keeps what was sent.
pub(super) struct Carrier {
    port: u16,
    seen: Arc<Mutex<Vec<Value>>>,
    orders: Arc<Mutex<VecDeque<u16>>>,
}

impl Carrier {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, orders) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(VecDeque::new())));
        let (keep, order) = (seen.clone(), orders.clone());
        // Ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (keep, order) = (keep.clone(), order.clone());
                std::thread::spawn(move || while serve(&stream, &keep, &order).is_some() {});
            }
        });
        Self { port, seen, orders }
    }

    pub(super) fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn channels(&self) -> Vec<String> {
        self.seen().iter().map(|body| body["channel"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn order(&self, statuses: &[u16]) {
        self.orders.lock().unwrap().extend(statuses);
    }
}

fn serve(mut stream: &TcpStream, seen: &Mutex<Vec<Value>>, orders: &Mutex<VecDeque<u16>>) -> Option<()> {
    let mut bytes = Vec::new();
    let body_at = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        read_more(stream, &mut bytes)?;
    };
    let head = String::from_utf8(bytes[..body_at].to_vec()).unwrap().to_lowercase();
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().unwrap();
    while bytes.len() < body_at + length {
        read_more(stream, &mut bytes)?;
    }
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(serde_json::from_slice(&bytes[body_at..]).unwrap());
        seen.len()
    };
    let status = orders.lock().unwrap().pop_front().unwrap_or(202);
    let body = json!({"message_uuid": format!("m-{number}"), "dispatch_uuid": "d-1"}).to_string();
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).ok()
}

fn read_more(mut stream: &TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&buffer[..count]);
    Some(())
}

pub(super) fn fixture(kind: &str) -> (Fixture, Carrier) {
    let carrier = Carrier::start();
    let options = format!(
        r#","policy":{{"cooldownSeconds":0,"sendLimits":[]}},"webhook":{{"signatureSecret":"{SECRET}"}},
        "workflow":[{{"channel":"messenger","from":"1923256201470000","expiryTime":120,"conditionStatus":"read"}},
                    {{"channel":"sms","from":"NEXMO"}}]"#
    );
    let sender =
        format!(r#"{{"type":"{kind}","apiKey":"k","apiSecret":"s","baseUrl":"http://127.0.0.1:{}"}}"#, carrier.port);
    (Fixture::with(&sender, &options), carrier)
}

impl Fixture {
    pub(super) fn send(&self, token: &str) -> CreateReply {
        self.service.create(token, Some(BOTH)).unwrap()
    }

    pub(super) fn now(&self) -> Time {
        Time::from_ms(self.clock.load(Ordering::Relaxed).unsigned_abs())
    }

    fn hear(&self, body: &Value) -> WebhookReply {
        let body = body.to_string();
        let authorization = signer::authorization(SECRET, "jti", self.now(), body.as_bytes());
        self.service.webhook(Some(&authorization), body.as_bytes()).unwrap()
    }

    /// A report on a message as Messages v1 sends it.
    pub(super) fn report(&self, message: &Value, status: &str) -> WebhookReply {
        self.hear(&json!({"message_uuid": "m-1", "to": message["to"], "from": message["from"], "status": status,
            "timestamp": "2026-01-01T00:00:00Z", "channel": message["channel"], "client_ref": message["client_ref"]}))
    }

    pub(super) fn due(&self) -> (u64, Option<u64>) {
        let reply = self.service.run_due().unwrap();
        (reply.ran, reply.next_due_in_milliseconds)
    }
}

pub(super) fn code_in(message: &Value) -> &str {
    message["text"].as_str().unwrap().rsplit(' ').next().unwrap()
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
    assert_eq!(steps, [("messenger".to_owned(), Some("m-1".to_owned())), ("sms".to_owned(), Some("m-2".to_owned()))]);
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
fn what_ended_is_not_sent_again() {
    for end in ["verify", "cancel", "erase", "replace"] {
        let (fixture, carrier) = fixture("messages");
        let _ = fixture.send("t");
        let message = carrier.seen()[0].clone();
        match end {
            "verify" => assert_eq!(fixture.verify("t", code_in(&message)), Outcome::Ok),
            "cancel" => assert_eq!(fixture.service.cancel("t").unwrap().outcome, Outcome::Ok),
            "erase" => assert_eq!(fixture.service.erase("8192836451").unwrap().outcome, Outcome::Ok),
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
    assert_eq!(delivery.dispatch_uuid.as_deref(), Some("d-1"));
    let seen = carrier.seen();
    assert_eq!((seen.len(), seen[0]["workflow"].as_array().unwrap().len()), (1, 2));
    let status = json!({"message_uuid": "x", "to": {"type": "sms", "number": "393331234567"}, "status": "delivered",
        "from": {"type": "sms", "number": "NEXMO"}, "timestamp": "2026-01-01T00:00:00Z",
        "_links": {"workflow": {"href": "v0.1/dispatch/d-1", "dispatch_uuid": "d-1"}}, "dispatch_uuid": "d-1"});
    let reply = fixture.hear(&status);
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
    let body = json!({"message_uuid": "m-1", "to": "1", "from": "2", "status": "rejected", "channel": "messenger",
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
    assert_eq!((unknown.known, unknown.duplicate, unknown.state), (Some(false), None, None));
}

#[test]
fn no_tenant_runs_or_holds_up_another_s_timers() {
    let carrier = Carrier::start();
    let folder = crate::repository::conformance::Folder::new("tenants");
    let url = format!("http://127.0.0.1:{}", carrier.port);
    let messages = json!({"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": url});
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
