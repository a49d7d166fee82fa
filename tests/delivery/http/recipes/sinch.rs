//! `sinch/domains/sms/models/v1/shared/text_request.py` of sinch/sinch-sdk-python, b45a3ed (July 2026):
//! `POST /xms/v1/{service plan}/batches`; codes of errors by Sinch's pages on the status 400.

use serde_json::json;

use super::{Endpoint, InDoubt, Ours, PHONE, Recipe, Refused, holds};

#[test]
fn sms() {
    let body = json!({"type": "object", "required": ["to", "body"], "additionalProperties": false, "properties": {
        "to": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"type": "string", "pattern": r"^\+?[1-9][0-9]{1,14}$"}},
        "from": {"type": "string"},
        "parameters": {"type": "object"},
        "body": {"type": "string", "minLength": 1, "maxLength": 2000},
        "type": {"const": "mt_text"},
        "delivery_report": {"enum": ["none", "summary", "full", "per_recipient", "per_recipient_final"]},
        "send_at": {"type": "string"}, "expire_at": {"type": "string"}, "callback_url": {"type": "string"},
        "client_reference": {"type": "string"}, "feedback_enabled": {"type": "boolean"},
        "flash_message": {"type": "boolean"}, "max_number_of_message_parts": {"type": "integer"},
        "truncate_concat": {"type": "boolean"}, "from_ton": {"type": "integer"}, "from_npi": {"type": "integer"}}});
    holds(&Recipe {
        page: "sinch",
        place: 0,
        origin: "https://eu.sms.api.sinch.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/xms/v1/[0-9a-z]{32}/batches",
            headers: vec![("authorization", "Bearer .+"), ("content-type", "application/json")],
            body,
        },
        good: (201, r#"{"id": "01FC66621XXXXX119Z8PMV1QPQ", "to": ["393331234567"], "type": "mt_text"}"#),
        message_id: Some("01FC66621XXXXX119Z8PMV1QPQ"),
        answers: &[
            ((429, ""), InDoubt),
            ((400, r#"{"code": "syntax_invalid_json", "text": "no"}"#), Refused),
            ((400, r#"{"code": "syntax_invalid_parameter_format", "text": "no"}"#), Refused),
            ((400, r#"{"code": "syntax_constraint_violation", "text": "no"}"#), Refused),
            ((401, ""), Ours),
            ((400, r#"{"code": "something_else", "text": "no"}"#), InDoubt),
            ((403, r#"{"code": "missing_callback_url", "text": "no"}"#), InDoubt),
            ((500, ""), InDoubt),
        ],
    });
}
