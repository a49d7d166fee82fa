//! Whatever stands in a request, an inbox receives it as the exact text, and headers and envelope are as they should be.

use otp::{Outcome, Service};
use serde_json::json;
use simulator::smtp::{Inbox, Mail};

use super::{open_inbox, sender, take_one};
use crate::http::injection::Random;

/// Of these, what stands before an `@` is made.
const ATOMS: [&str; 24] = [
    "a",
    "Z",
    "0",
    "{code}",
    "{to}",
    "%0d%0a",
    "%00",
    "'",
    "=",
    "=?utf-8?b?",
    "+",
    "&",
    "#",
    "!",
    "/",
    "?",
    "^",
    "`",
    "|",
    "~",
    "*",
    "$",
    "\u{e9}",
    "\u{10000}",
];

/// What no address may have.
const FORBIDDEN: [&str; 20] = [
    "\"", ",", ";", "<", ">", "(", ")", " ", "\t", "\r\n", "\n", "\0", "\u{2028}", "\u{a0}", "\\", "[", "]", ":", "@",
    "\u{85}",
];

const DOMAINS: [(&str, &str); 4] = [
    ("b.example", "b.example"),
    ("B.Example", "B.Example"),
    ("b\u{fc}cher.example", "xn--bcher-kva.example"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
];

/// Names of senders, and how they stand in a header.
const NAMES: [(&str, &str); 4] =
    [("ACME", "ACME"), ("A C", "\"A C\""), ("\u{c4}CME", "=?utf-8?b?w4RDTUU=?="), ("A, B.", "=?utf-8?b?QSwgQi4=?=")];

const HEADERS: [&str; 9] = [
    "date",
    "from",
    "to",
    "message-id",
    "auto-submitted",
    "mime-version",
    "content-type",
    "subject",
    "content-transfer-encoding",
];

fn service(inbox: &Inbox, brand: &str, name: &str) -> Service {
    let steps = json!([{"channel": "email", "from": format!("{name} <codes@acme.example>"),
        "subject": "{a}{brand}{b}"}]);
    let config = json!({"repository": "memory:", "sender": sender(inbox), "workflow": steps, "ownCodes": true,
        "brand": brand, "message": "{a}\n.{b}\n..\n{brand} {code}\n.\n{b}", "policy": {"cooldownSeconds": 0, "sendLimits": []}});
    Service::open(Some(&config.to_string())).unwrap_or_else(|error| panic!("{error}: {brand} {name}")).0
}

fn local_part(random: &mut Random) -> String {
    let mut text = "m".to_owned();
    for _ in 0..random.below(6) {
        text += if random.below(4) == 0 { "." } else { "" };
        text += ATOMS[random.below(ATOMS.len())];
    }
    text
}

/// What may not change, whatever a request brings.
fn check_frame(mail: &Mail, shown: &str) {
    let names: Vec<_> = mail.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, HEADERS);
    let header = |name: &str| mail.headers.iter().find(|(other, _)| other == name).unwrap().1.as_str();
    assert_eq!(header("from"), format!("{shown} <codes@acme.example>"));
    assert_eq!((header("auto-submitted"), header("mime-version")), ("auto-generated", "1.0"));
    assert_eq!(header("content-type"), "text/plain; charset=utf-8");
    let id = header("message-id");
    assert!(id.starts_with('<') && id.ends_with("@acme.example>") && id.len() == 32 + "<@acme.example>".len(), "{id}");
    assert_eq!(header("to"), mail.envelope.to);
    assert_eq!(mail.envelope.from, "codes@acme.example");
}

#[test]
fn nothing_that_a_request_brings_becomes_structure() {
    let (inbox, mut random) = (open_inbox(), Random(0x9e37_79b9_7f4a_7c15));
    let (mut brand, (mut name, mut shown)) = ("ACME".to_owned(), NAMES[0]);
    let mut service = service(&inbox, &brand, name);
    for round in 0..testing::size(600, 100_000) {
        if round % 50 == 49 {
            (brand, (name, shown)) = (random.text(30) + "B", NAMES[random.below(NAMES.len())]);
            service = self::service(&inbox, &brand, name);
        }
        let (a, b, code) = (random.text(50), random.text(50), random.code());
        let (local_part, (domain, ascii)) = (local_part(&mut random), DOMAINS[random.below(DOMAINS.len())]);
        let is_bad = random.below(5) == 0;
        let forbidden = if is_bad { FORBIDDEN[random.below(FORBIDDEN.len())] } else { "" };
        let to = format!("{local_part}{forbidden}x@{domain}");
        let request = json!({"email": to, "code": code, "params": {"a": a, "b": b}}).to_string();
        let answer = service.create(&format!("token {round}"), Some(&request));
        if is_bad {
            assert_eq!(answer.err().unwrap_or_else(|| panic!("{request}")).outcome(), Outcome::Argument, "{request}");
            assert_eq!(inbox.take().len(), 0);
            continue;
        }
        let reply = answer.unwrap_or_else(|error| panic!("{error}: {request}"));
        assert_eq!(reply.outcome, Outcome::Ok, "{:?}: {request}: {:?}", reply.failure, inbox.complaints());
        let mail = take_one(&inbox);
        assert_eq!(mail.text, format!("{a}\n.{b}\n..\n{brand} {code}\n.\n{b}"));
        assert_eq!(mail.subject, format!("{a}{brand}{b}"));
        assert_eq!(mail.envelope.to, format!("{local_part}x@{ascii}"));
        assert_eq!(mail.envelope.utf8, !local_part.is_ascii());
        check_frame(&mail, shown);
    }
}
