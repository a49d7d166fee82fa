//! `plivo/resources/messages.py` and `plivo/rest/client.py` of plivo/plivo-python, a0cd323 (February 2026):
//! `POST /v1/Account/{Auth ID}/Message/`. There is no description by OpenAPI.

use serde_json::json;

use super::{Endpoint, InDoubt, Ours, PHONE, Recipe, Refused, holds};

#[test]
fn sms() {
    let body = json!({"type": "object", "required": ["dst", "src", "text"], "additionalProperties": false, "properties": {
        "dst": {"type": "string", "pattern": r"^\+?[1-9][0-9]{1,14}(<\+?[1-9][0-9]{1,14})*$"},
        "src": {"type": "string", "minLength": 1},
        "text": {"type": "string", "minLength": 1},
        "type": {"enum": ["sms", "mms", "whatsapp"]},
        "url": {"type": "string", "pattern": "^https?://"},
        "method": {"enum": ["GET", "POST"]},
        "log": {"type": "string"},
        "trackable": {"type": "boolean"},
        "media_urls": {"type": "array"}, "media_ids": {"type": "array"},
        "message_expiry": {"type": "integer"},
        "dlt_entity_id": {"type": "string"}, "dlt_template_id": {"type": "string"},
        "dlt_template_category": {"type": "string"}}});
    holds(&Recipe {
        page: "plivo",
        place: 0,
        origin: "https://api.plivo.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/v1/Account/[MS]A[A-Z0-9]{18}/Message/",
            headers: vec![("authorization", "Basic [A-Za-z0-9+/]+=*"), ("content-type", "application/json")],
            body,
        },
        good: (
            202,
            r#"{"api_id": "a", "message": "message(s) queued", "message_uuid": ["5b40a428-bfc7-4daf-9d06-726c558bf3b8"]}"#,
        ),
        message_id: Some("5b40a428-bfc7-4daf-9d06-726c558bf3b8"),
        answers: &[
            ((429, r#"{"api_id": "a", "error": "too many requests"}"#), InDoubt),
            ((400, r#"{"api_id": "a", "error": "invalid dst"}"#), Refused),
            ((401, "no"), Ours),
            ((404, r#"{"api_id": "a", "error": "not found"}"#), Refused),
            ((402, r#"{"api_id": "a", "error": "no credit"}"#), InDoubt),
            ((403, r#"{"api_id": "a", "error": "this country is not enabled"}"#), InDoubt),
            ((500, r#"{"api_id": "a", "error": "no"}"#), InDoubt),
        ],
    });
}
