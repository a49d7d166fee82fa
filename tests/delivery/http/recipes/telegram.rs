//! <https://core.telegram.org/gateway/api>, of February 2025: `sendVerificationMessage`.

use otp::Outcome;
use serde_json::{Value, json};

use super::page::Page;
use super::{CODE, Endpoint, InDoubt, Ours, Recipe, Refused, holds, open};
use crate::http::server::Server;

#[test]
fn telegram() {
    let body = json!({"type": "object", "required": ["phone_number", "code"], "additionalProperties": false, "properties": {
        "phone_number": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"},
        "request_id": {"type": "string"},
        "sender_username": {"type": "string"},
        "code": {"type": "string", "pattern": "^[0-9]{4,8}$"},
        "code_length": {"type": "integer", "minimum": 4, "maximum": 8},
        "callback_url": {"type": "string", "pattern": "^https://", "maxLength": 256},
        "payload": {"type": "string", "maxLength": 128},
        "ttl": {"type": "integer", "minimum": 30, "maximum": 3600}}});
    holds(&Recipe {
        page: "telegram",
        place: 0,
        origin: "https://gatewayapi.telegram.org",
        to: ("telegram", "+393331234567"),
        endpoint: Endpoint {
            method: "POST",
            target: "/sendVerificationMessage",
            headers: vec![("authorization", "Bearer .+"), ("content-type", "application/json")],
            body,
        },
        good: (
            200,
            r#"{"ok": true, "result": {"request_id": "118140126000000", "phone_number": "+393331234567", "request_cost": 0.01}}"#,
        ),
        message_id: Some("118140126000000"),
        answers: &[
            ((200, r#"{"ok": false, "error": "PHONE_NUMBER_NOT_FOUND"}"#), Refused),
            ((400, r#"{"ok": false, "error": "PHONE_NUMBER_INVALID"}"#), Refused),
            ((200, r#"{"ok": false, "error": "BALANCE_NOT_ENOUGH"}"#), Refused),
            ((401, r#"{"ok": false, "error": "ACCESS_TOKEN_INVALID"}"#), Ours),
            ((200, r#"{"ok": false, "error": "FLOOD_WAIT_12"}"#), InDoubt),
            ((200, r#"{"ok": false, "error": "MESSAGE_ALREADY_SENT"}"#), InDoubt),
            ((200, r#"{"ok": false, "error": "SOMETHING_NEW"}"#), InDoubt),
            ((200, "<html>"), InDoubt),
            ((502, ""), InDoubt),
        ],
    });
}

/// Its address is not read as a number: `policy.countries`, here Italy alone, does not hold for it.
#[test]
fn a_number_of_any_country() {
    let server = Server::start();
    let (service, _) = open(&Page::read("telegram", 0).configuration(&server, "https://gatewayapi.telegram.org"));
    let create = |token: &str, member: &str| {
        let request = json!({member: "+447700900123", "code": CODE}).to_string();
        server.answers(&[(200, r#"{"ok": true, "result": {"request_id": "1"}}"#)]);
        service.create(token, Some(&request)).map_or_else(|error| error.outcome(), |reply| reply.outcome)
    };
    assert_eq!(create("t", "telegram"), Outcome::Ok);
    let body: Value = serde_json::from_str(&server.take_one().body).unwrap();
    assert_eq!(body["phone_number"], "+447700900123");
    assert_ne!(create("u", "phoneNumber"), Outcome::Ok);
    assert_eq!(server.take().len(), 0);
}
