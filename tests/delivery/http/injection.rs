//! Whatever stands in a request, a carrier receives it as the exact text in the exact place, and nothing else changes.

use otp::{Outcome, Service};
use serde_json::{Value, json};

use super::server::{Received, Server, decoded, fields};

/// Of these, values are made.
const PARTS: [&str; 40] = [
    "\"",
    "\\",
    "\\\"",
    "{",
    "}",
    "{{",
    "}}",
    "{code}",
    "{to}",
    "{text}",
    "{params.b}",
    "[",
    "]",
    ":",
    ",",
    "&",
    "=",
    "%",
    "%0d%0a",
    "%00",
    "%2e%2e",
    "+",
    " ",
    "#",
    "?",
    "/",
    "../",
    "..",
    ".",
    ";",
    "'",
    "<",
    ">",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{10000}",
    "𝒳",
    "é",
    "a",
];

/// Random numbers of which a seed is all (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    /// A text of at most so many bytes.
    pub fn text(&mut self, most_bytes: usize) -> String {
        let mut text = String::new();
        for _ in 0..self.below(9) {
            let part = PARTS[self.below(PARTS.len())];
            if text.len() + part.len() <= most_bytes {
                text += part;
            }
        }
        text
    }

    /// A code of a host's own: printable ASCII.
    pub fn code(&mut self) -> String {
        let letter = |random: &mut Self| char::from(b' ' + u8::try_from(random.below(95)).unwrap());
        let count = 3 + self.below(12);
        (0..count).fold("a".to_owned(), |code, _| code + &letter(self).to_string())
    }
}

/// What a request of a create brings.
struct Brought {
    to: String,
    a: String,
    b: String,
    code: String,
    locale: String,
}

impl Brought {
    fn text(&self) -> String {
        format!("<{}> {} {}", self.a, self.code, self.b)
    }

    fn request(&self, channel: &str) -> String {
        json!({channel: self.to, "channels": [channel], "code": self.code, "locale": self.locale,
            "params": {"a": self.a, "b": self.b}, "client": self.a.clone() + "x", "subject": self.b.clone() + "x"})
        .to_string()
    }
}

fn service(server: &Server) -> Service {
    let sender = |rest: Value| {
        let mut sender = json!({"type": "http", "messageId": "id", "refused": [400]});
        sender.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        sender
    };
    let senders = json!({
        "json": sender(json!({"url": server.url("/json"), "json": {
            "to": "{to}", "list": ["{text}", {"part": "pre {params.a} post", "number": 7}], "locale": "{locale}",
            "inner": {"$json": {"text": "{text}", "deeper": {"$json": ["{params.b}", null]}}}, "code": "{code}"}})),
        "form": sender(json!({"url": server.url("/form"), "form": {
            "Body": "{text}", "To": "{to}", "a": ["{params.a}", "x{params.b}y"], "j": {"$json": {"c": "{code}"}}}})),
        "query": sender(json!({"url": server.url("/query?fixed=1"), "method": "GET", "query": {
            "a": "{params.a}", "locale": "{locale}", "text": "{text}", "to": "{to}"}})),
        "path": sender(json!({"url": server.url("/to/{to}/x-{params.a}-y?b={params.b}"), "method": "PUT",
            "json": {"text": "{text}"}}))});
    let steps = ["json", "form", "query", "path"].map(|name| json!({"channel": format!("by_{name}"), "sender": name}));
    let config = json!({"repository": "memory:", "senders": senders, "workflow": steps, "ownCodes": true,
        "message": "<{a}> {code} {b}", "policy": {"cooldownSeconds": 0, "sendLimits": []}});
    Service::open(Some(&config.to_string())).unwrap().0
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn check(channel: &str, brought: &Brought, received: &Received) {
    let text = brought.text();
    let Brought { to, a, b, code, locale } = brought;
    match channel {
        "by_json" => {
            let mut body: Value = serde_json::from_str(&received.body).unwrap();
            let mut inner: Value = serde_json::from_str(body["inner"].as_str().unwrap()).unwrap();
            let deeper: Value = serde_json::from_str(inner["deeper"].as_str().unwrap()).unwrap();
            assert_eq!(deeper, json!([b, null]));
            inner["deeper"] = Value::Null;
            assert_eq!(inner, json!({"text": text, "deeper": null}));
            body["inner"] = Value::Null;
            let expected = json!({"to": to, "list": [text, {"part": format!("pre {a} post"), "number": 7}],
                "locale": locale, "inner": null, "code": code});
            assert_eq!(body, expected);
            assert_eq!((&*received.method, &*received.target), ("POST", "/json"));
            assert_eq!(received.header("content-type"), Some("application/json"));
        }
        "by_form" => {
            let inner = json!({"c": code}).to_string();
            let (a, b) = (a.as_str(), format!("x{b}y"));
            assert_eq!(
                fields(&received.body),
                pairs(&[("Body", &text), ("To", to), ("a", a), ("a", &b), ("j", &inner)])
            );
            assert_eq!((&*received.method, &*received.target), ("POST", "/form"));
        }
        "by_query" => {
            let (path, query) = received.target.split_once('?').unwrap();
            let expected = [("fixed", "1"), ("a", a), ("locale", locale), ("text", &text), ("to", to)];
            assert_eq!((path, fields(query)), ("/query", pairs(&expected)));
            assert_eq!((&*received.method, &*received.body), ("GET", ""));
        }
        _ => {
            let (path, query) = received.target.split_once('?').unwrap();
            let segments: Vec<_> = path.split('/').skip(1).map(decoded).collect();
            assert_eq!(segments, ["to", to, &format!("x-{a}-y")]);
            assert_eq!(fields(query), pairs(&[("b", b)]));
            assert_eq!(serde_json::from_str::<Value>(&received.body).unwrap(), json!({"text": text}));
            assert_eq!(received.method, "PUT");
        }
    }
    assert!(received.headers.iter().all(|(name, _)| {
        ["host", "user-agent", "accept", "accept-encoding", "content-type", "content-length"].contains(&name.as_str())
    }));
}

#[test]
fn nothing_that_a_request_brings_becomes_structure() {
    let (server, mut random) = (Server::start(), Random(0x9e37_79b9_7f4a_7c15));
    let service = service(&server);
    for round in 0..testing::size(600, 100_000) {
        let channel = ["by_json", "by_form", "by_query", "by_path"][round % 4];
        let to = random.text(63) + ["", "1"][random.below(2)];
        let brought = Brought {
            to: if to.is_empty() { "1".to_owned() } else { to },
            a: random.text(255),
            b: random.text(255),
            code: random.code(),
            locale: random.text(34) + "x",
        };
        let answer = service.create(&format!("token {round}"), Some(&brought.request(channel)));
        let has_no_place = channel == "by_path" && (matches!(&*brought.to, "." | "..") || brought.a.is_empty());
        if has_no_place {
            let error = answer.err().unwrap();
            assert_eq!(error.outcome(), Outcome::Argument);
            assert_eq!(server.take().len(), 0);
            continue;
        }
        let reply = answer.unwrap_or_else(|error| panic!("{error}: {}", brought.request(channel)));
        assert_eq!(reply.outcome, Outcome::Ok, "{:?}", reply.failure);
        check(channel, &brought, &server.take_one());
    }
}

#[test]
fn control_characters_never_come_as_far() {
    let server = Server::start();
    let service = service(&server);
    for control in ["\r\n", "\n", "\r", "\0", "\u{1b}", "\u{7f}", "\u{85}"] {
        for request in [
            json!({"by_json": format!("1{control}x: y"), "channels": ["by_json"], "params": {"a": "", "b": ""}}),
            json!({"by_json": "1", "channels": ["by_json"], "params": {"a": control, "b": ""}}),
            json!({"by_json": "1", "channels": ["by_json"], "locale": control, "params": {"a": "", "b": ""}}),
        ] {
            let error = service.create("t", Some(&request.to_string())).err().unwrap();
            assert_eq!(error.outcome(), Outcome::Argument);
        }
    }
    assert_eq!(server.take().len(), 0);
}
