//! `src/docs/swagger.json` of bbernhard/signal-cli-rest-api, a08db23 (August 2026): `POST /v2/send`.

use serde_json::json;

use super::{Endpoint, InDoubt, Recipe, holds};

#[test]
fn signal() {
    let body = json!({"type": "object", "required": ["message", "number", "recipients"], "additionalProperties": false,
        "properties": {
            "message": {"type": "string"},
            "number": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"},
            "recipients": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "text_mode": {"enum": ["normal", "styled"]},
            "base64_attachments": {"type": "array"}, "edit_timestamp": {"type": "integer"},
            "link_preview": {"type": "object"}, "mentions": {"type": "array"}, "notify_self": {"type": "boolean"},
            "quote_author": {"type": "string"}, "quote_mentions": {"type": "array"}, "quote_message": {"type": "string"},
            "quote_timestamp": {"type": "integer"}, "sticker": {"type": "string"}, "view_once": {"type": "boolean"}}});
    holds(&Recipe {
        page: "signal",
        place: 0,
        origin: "http://127.0.0.1:8080",
        to: ("signal", "+393331234567"),
        endpoint: Endpoint {
            method: "POST",
            target: "/v2/send",
            headers: vec![("content-type", "application/json")],
            body,
        },
        good: (201, r#"{"timestamp": "1700000000123"}"#),
        message_id: Some("1700000000123"),
        answers: &[
            ((400, r#"{"error": "Couldn't process request - invalid request"}"#), InDoubt),
            ((400, r#"{"error": "Failed to send message", "account": "+15005550006"}"#), InDoubt),
            ((429, r#"{"error": "rate limit", "challenge_tokens": ["t"], "account": "+15005550006"}"#), InDoubt),
            ((500, ""), InDoubt),
        ],
    });
}
