//! The types of messagebird/bird-sdk-typescript, 0d5cc9a (August 2026): `POST /v1/sms/messages`, a text of one's own.
//! What is announced and refused as yet is not among the members.

use serde_json::json;

use super::{Endpoint, InDoubt, NotTaken, Ours, PHONE, Recipe, Refused, holds};

#[test]
fn sms() {
    let sender = r"^(\+[1-9][0-9]{1,14}|[0-9]{5,6}|[A-Za-z0-9 _-]{1,11})$";
    let body = json!({"type": "object", "required": ["to", "from", "text", "category"], "additionalProperties": false,
        "properties": {
            "to": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"},
            "from": {"type": "string", "pattern": sender},
            "text": {"type": "string", "minLength": 1, "maxLength": 1836},
            "category": {"enum": ["transactional", "marketing", "authentication", "service"]},
            "tags": {"type": "array", "maxItems": 20},
            // Of any names; the page reads this one.
            "metadata": {"type": "object", "required": ["ref"], "additionalProperties": false,
                "properties": {"ref": {"type": "string"}}},
            "options": {"type": "object"}}});
    holds(&Recipe {
        page: "bird",
        place: 0,
        origin: "https://eu1.platform.bird.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/v1/sms/messages",
            headers: vec![("authorization", "Bearer .+"), ("content-type", "application/json")],
            body,
        },
        good: (202, r#"{"id": "sms_0123456789", "status": "accepted", "to": "+393331234567"}"#),
        message_id: Some("sms_0123456789"),
        answers: &[
            ((429, r#"{"error": {"type": "rate_limit_error", "code": "E01000"}}"#), NotTaken),
            ((400, r#"{"error": {"type": "bad_request_error"}}"#), Refused),
            ((401, r#"{"error": {"type": "auth_error"}}"#), Ours),
            ((402, r#"{"error": {"type": "billing_error"}}"#), Ours),
            ((403, r#"{"error": {"type": "permission_error"}}"#), Refused),
            ((422, r#"{"error": {"type": "validation_error", "name": "SMSInvalidRecipient"}}"#), Refused),
            ((409, r#"{"error": {"type": "conflict_error", "code": "E01004"}}"#), InDoubt),
            ((500, r#"{"error": {"type": "internal_error"}}"#), InDoubt),
            ((200, "{}"), InDoubt),
        ],
    });
}
