//! A carrier on loopback: takes every message, unless a test wants otherwise, keeps what was sent, and signs reports
//! on it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};
use serde_json::{Value, json};

use super::specification::objections;

/// The secret of its webhooks.
pub const SECRET: &str = "a secret of thirty-two bytes and more";

/// Addresses for both steps of [`Carrier::config`].
pub const BOTH: &str = r#"{"messengerId":"8192836451","phoneNumber":"+39 333 123 4567"}"#;

/// How long a test waits for something to be sent.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens when a message has come, before it is answered: `false` closes the connection in place of an answer.
pub type Arrival = dyn Fn(&Value) -> bool + Send + Sync;

#[derive(Default)]
struct Seen {
    messages: Mutex<Vec<Value>>,
    changed: Condvar,
}

/// Serves until the test process ends.
pub struct Carrier {
    port: u16,
    seen: Arc<Seen>,
}

impl Carrier {
    pub fn start() -> Self {
        Self::with(|_| true)
    }

    pub fn with(arrival: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, arrival): (_, Arc<Arrival>) = (Arc::new(Seen::default()), Arc::new(arrival));
        let keep = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (keep, arrival) = (keep.clone(), arrival.clone());
                std::thread::spawn(move || while serve(&stream, &keep, &*arrival).is_some() {});
            }
        });
        Self { port, seen }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The configuration of a service that sends here: Messenger for two minutes, then SMS. `more` are further
    /// members, each after a comma.
    pub fn config(&self, repository: &str, more: &str) -> String {
        format!(
            r#"{{"repository":"{repository}","policy":{{"cooldownSeconds":0,"sendLimits":[]}},"durability":"process",
            "sender":{{"type":"messages","apiKey":"k","apiSecret":"s","baseUrl":"{}"}},
            "webhook":{{"signatureSecret":"{SECRET}"}},
            "workflow":[{{"channel":"messenger","from":"1923256201470000","expiryTime":120,"conditionStatus":"read"}},
                        {{"channel":"sms","from":"NEXMO"}}]{more}}}"#,
            self.url()
        )
    }

    /// What was sent so far.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.messages.lock().unwrap().clone()
    }

    /// The channels of what was sent so far.
    pub fn channels(&self) -> Vec<String> {
        self.seen().iter().map(|message| message["channel"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until so many messages were sent. Fails when they do not come.
    pub fn wait(&self, count: usize) -> Vec<Value> {
        let (messages, until) = (self.seen.messages.lock().unwrap(), Instant::now() + PATIENCE);
        let waited = self.seen.changed.wait_timeout_while(messages, PATIENCE, |messages| messages.len() < count);
        let messages = waited.unwrap().0.clone();
        assert!(messages.len() >= count || Instant::now() < until, "{count} messages were not sent: {messages:?}");
        messages
    }
}

/// The code in a message with the default text.
pub fn code_in(message: &Value) -> &str {
    message["text"].as_str().unwrap().rsplit(' ').next().unwrap()
}

/// A report on a message, signed at this time, in milliseconds: the value of `Authorization`, and the body.
pub fn report(message: &Value, uuid: &str, status: &str, now_ms: i64) -> (String, String) {
    let body = json!({"message_uuid": uuid, "to": message["to"], "from": message["from"], "status": status,
        "timestamp": "2026-01-01T00:00:00Z", "channel": message["channel"], "client_ref": message["client_ref"]});
    let body = body.to_string();
    let hash: String =
        digest::digest(&digest::SHA256, body.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let claims = json!({"iat": now_ms / 1000, "jti": uuid, "iss": "Vonage", "payload_hash": hash}).to_string();
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    (format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(tag)), body)
}

fn serve(mut stream: &TcpStream, seen: &Seen, arrival: &Arrival) -> Option<()> {
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
    let message: Value = serde_json::from_slice(&bytes[body_at..]).unwrap();
    assert_eq!(objections(&message), [""; 0], "a request that the carrier would refuse: {message}");
    let number = {
        let mut messages = seen.messages.lock().unwrap();
        messages.push(message.clone());
        messages.len()
    };
    seen.changed.notify_all();
    if !arrival(&message) {
        return None;
    }
    let uuid = if message.get("workflow").is_some() { "dispatch_uuid" } else { "message_uuid" };
    let body = json!({uuid: format!("m-{number}")}).to_string();
    let answer = format!("HTTP/1.1 202 Accepted\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).ok()
}

fn read_more(mut stream: &TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&buffer[..count]);
    Some(())
}
