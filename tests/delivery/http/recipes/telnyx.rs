//! `src/telnyx/types/message_send_params.py` of team-telnyx/telnyx-python, 6d68c8c (August 2026): `POST /v2/messages`;
//! codes by Telnyx's list of errors.

use serde_json::json;

use super::{Endpoint, InDoubt, NotTaken, Ours, PHONE, Recipe, Refused, holds};

#[test]
fn sms() {
    let body = json!({"type": "object", "required": ["to", "from", "text"], "additionalProperties": false, "properties": {
        "to": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"},
        "from": {"type": "string", "minLength": 1},
        "text": {"type": "string", "minLength": 1},
        "type": {"enum": ["SMS", "MMS"]},
        "encoding": {"enum": ["auto", "gsm7", "ucs2"]},
        "auto_detect": {"type": "boolean"},
        "messaging_profile_id": {"type": "string"},
        "media_urls": {"type": "array"},
        "subject": {"type": "string"}, "send_at": {"type": ["string", "null"]},
        "use_profile_webhooks": {"type": "boolean"},
        "webhook_url": {"type": "string", "pattern": "^https?://"},
        "webhook_failover_url": {"type": "string"}}});
    holds(&Recipe {
        page: "telnyx",
        place: 0,
        origin: "https://api.telnyx.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/v2/messages",
            headers: vec![("authorization", "Bearer .+"), ("content-type", "application/json")],
            body,
        },
        good: (
            200,
            r#"{"data": {"id": "40385f64-5717-4562-b3fc-2c963f66afa6", "record_type": "message", "errors": []}}"#,
        ),
        message_id: Some("40385f64-5717-4562-b3fc-2c963f66afa6"),
        answers: &[
            ((429, r#"{"errors": [{"code": "10011", "title": "Too many requests"}]}"#), NotTaken),
            ((422, r#"{"errors": [{"code": "10002", "title": "Invalid phone number"}]}"#), Refused),
            ((400, r#"{"errors": [{"code": "10015", "title": "Bad Request"}]}"#), Refused),
            ((400, r#"{"errors": [{"code": "10016", "title": "E.164"}, {"code": "10015"}]}"#), Refused),
            ((403, r#"{"errors": [{"code": "10010", "title": "Authorization failed"}]}"#), Refused),
            ((401, ""), Ours),
            ((500, r#"{"errors": [{"code": "10007", "title": "Unexpected error"}]}"#), InDoubt),
            ((408, r#"{"errors": [{"code": "10008", "title": "Request timeout"}]}"#), InDoubt),
            ((400, r#"{"errors": [{"code": "40300", "title": "Blocked"}]}"#), InDoubt),
            ((429, ""), InDoubt),
        ],
    });
}
