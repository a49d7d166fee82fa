//! The recipes of the manual, against a server that is strict about the request.

use std::path::Path;

use otp::{DeliveryState, Outcome, Service};
use serde_json::{Value, json};

use super::server::{Received, Server, fields};

const PHONE: &str = r#"{"phoneNumber":"+39 333 123 4567"}"#;

const SECRET: &str = "a-secret";

/// A recipe, sent to this server; secrets of the environment are given.
fn recipe(name: &str, server: &Server, origin: &str) -> Value {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/carriers/{name}.md"));
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```json\n").unwrap();
    let text = rest.split("```").next().unwrap();
    assert!(text.contains(origin), "{text}");
    let mut text = text.replace(origin, &server.url(""));
    while let Some((before, variable)) = text.split_once("\"env:") {
        let (_, after) = variable.split_once('"').unwrap();
        text = format!("{before}\"{SECRET}\"{after}");
    }
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["repository"] = json!("memory:");
    config["policy"] = json!({"cooldownSeconds": 0, "sendLimits": [], "countries": ["39"]});
    config
}

fn open(config: &Value) -> Service {
    let (service, warnings) = open_with_warnings(config);
    assert_eq!(warnings, [""; 0]);
    service
}

/// The same, and what it is warned of but the limits, which a test switches off.
fn open_with_warnings(config: &Value) -> (Service, Vec<String>) {
    let (service, mut warnings) = Service::open(Some(&config.to_string())).unwrap();
    warnings.retain(|warning| !warning.starts_with("policy."));
    (service, warnings)
}

/// What becomes of a message by this answer, and the request for it.
fn send(service: &Service, server: &Server, token: &str, answer: (u16, &str)) -> (Outcome, Received) {
    server.answers(&[answer]);
    let outcome = service.create(token, Some(PHONE)).unwrap().outcome;
    (outcome, server.take_one())
}

fn message_id(service: &Service, token: &str) -> Option<String> {
    let steps = service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
    assert_eq!(steps[0].status, DeliveryState::Accepted);
    steps[0].message_uuid.clone()
}

/// The code at the end of a text.
fn code_of(text: &str) -> &str {
    text.strip_prefix("Insert the following code: ").filter(|code| code.len() == 6).unwrap()
}

#[test]
fn twilio() {
    let server = Server::start();
    let service = open(&recipe("twilio", &server, "https://api.twilio.com"));
    let sid = "SM0123456789abcdef0123456789abcdef";
    let good = format!(r#"{{"sid": "{sid}", "status": "queued", "error_code": null}}"#);
    let (outcome, received) = send(&service, &server, "t", (201, &good));
    assert_eq!((outcome, message_id(&service, "t").as_deref()), (Outcome::Ok, Some(sid)));
    let target = format!("/2010-04-01/Accounts/AC{}/Messages.json", "0".repeat(32));
    assert_eq!((&*received.method, &*received.target), ("POST", &*target));
    assert_eq!(received.header("authorization").unwrap(), "Basic YS1zZWNyZXQ6YS1zZWNyZXQ=");
    assert_eq!(received.header("content-type"), Some("application/x-www-form-urlencoded"));
    let mut found = fields(&received.body);
    found.sort();
    let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found[1..], [("From", "+15005550006"), ("To", "+393331234567")]);
    assert_eq!(found[0].0, "Body");
    assert_eq!(service.verify("t", code_of(found[0].1), None).unwrap().outcome, Outcome::Ok);
    for (status, code, expected) in [
        (400, 21610, Outcome::Refused),
        (400, 21211, Outcome::Refused),
        (400, 21606, Outcome::InDoubt),
        (500, 20500, Outcome::InDoubt),
    ] {
        let body = format!(r#"{{"code": {code}, "message": "no", "more_info": "", "status": {status}}}"#);
        assert_eq!(send(&service, &server, &format!("t{code}"), (status, &body)).0, expected, "{code}");
    }
}

#[test]
fn infobip() {
    let server = Server::start();
    let service = open(&recipe("infobip", &server, "https://example.api.infobip.com"));
    let good = r#"{"bulkId": "b", "messages": [{"messageId": "2250be2d4219", "status": {"groupId": 1}}]}"#;
    let (outcome, received) = send(&service, &server, "t", (200, good));
    assert_eq!((outcome, message_id(&service, "t").as_deref()), (Outcome::Ok, Some("2250be2d4219")));
    assert_eq!((&*received.method, &*received.target), ("POST", "/sms/3/messages"));
    assert_eq!(received.header("authorization"), Some(SECRET));
    let body: Value = serde_json::from_str(&received.body).unwrap();
    let text = body["messages"][0]["content"]["text"].as_str().unwrap();
    let message = json!({"sender": "InfoSMS", "destinations": [{"to": "393331234567"}], "content": {"text": text}});
    assert_eq!(body, json!({"messages": [message]}));
    assert_eq!(service.verify("t", code_of(text), None).unwrap().outcome, Outcome::Ok);
    assert_eq!(send(&service, &server, "u", (500, "{}")).0, Outcome::InDoubt);
}

#[test]
fn a_webhook_of_one_s_own() {
    let server = Server::start();
    let mut config = recipe("webhook", &server, "http://127.0.0.1:8080");
    config["background"] = json!(false);
    let (service, warnings) = open_with_warnings(&config);
    assert!(warnings.len() == 1 && warnings[0].starts_with("background: off"), "{warnings:?}");
    server.answers(&[(410, ""), (204, "")]);
    let reply = service.create("t", Some(PHONE)).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok);
    let received = server.take();
    let channels = ["sms", "voice"];
    assert_eq!(received.len(), channels.len());
    for (received, channel) in received.iter().zip(channels) {
        let reference = received.target.strip_prefix("/messages/").unwrap();
        assert!(reference.len() == 66 && reference.bytes().all(|byte| byte.is_ascii_hexdigit()), "{reference}");
        let body: Value = serde_json::from_str(&received.body).unwrap();
        let (text, code) = (body["text"].as_str().unwrap(), body["code"].as_str().unwrap());
        assert_eq!(code, code_of(text));
        let expected = json!({"channel": channel, "to": "393331234567", "text": text, "code": code, "locale": "en",
            "minutes": "5"});
        assert_eq!((&*received.method, body), ("PUT", expected));
    }
    assert_ne!(received[0].target, received[1].target);
}
