//! The models of infobip/infobip-api-python-client, 5419238 (November 2025): `POST /sms/3/messages`.

use serde_json::json;

use super::{Accepted, Endpoint, InDoubt, NotTaken, Ours, PHONE, Recipe, Refused, holds};

#[test]
fn sms() {
    let destination = json!({"type": "object", "required": ["to"], "additionalProperties": false, "properties": {
        "to": {"type": "string", "pattern": "^[1-9][0-9]{1,14}$", "maxLength": 64}, "messageId": {"type": "string"},
        "networkId": {"type": "integer"}}});
    let content = json!({"type": "object", "required": ["text"], "additionalProperties": false, "properties": {
        "text": {"type": "string", "minLength": 1}, "transliteration": {"type": "string"}, "language": {"type": "object"}}});
    let message = json!({"type": "object", "required": ["destinations", "content"], "additionalProperties": false,
        "properties": {"sender": {"type": "string"}, "content": content, "options": {"type": "object"},
            "destinations": {"type": "array", "minItems": 1, "items": destination}, "webhooks": {"type": "object"}}});
    let body = json!({"type": "object", "required": ["messages"], "additionalProperties": false, "properties": {
        "messages": {"type": "array", "minItems": 1, "items": message}, "options": {"type": "object"}}});
    holds(&Recipe {
        page: "infobip",
        place: 0,
        origin: "https://example.api.infobip.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/sms/3/messages",
            headers: vec![("authorization", "App .+"), ("content-type", "application/json")],
            body,
        },
        good: (
            200,
            r#"{"bulkId": "b", "messages": [{"messageId": "2250be2d4219", "status": {"groupId": 1, "groupName": "PENDING"}}]}"#,
        ),
        message_id: Some("2250be2d4219"),
        answers: &[
            (
                (200, r#"{"messages": [{"messageId": "m", "status": {"groupId": 3, "groupName": "DELIVERED"}}]}"#),
                Accepted,
            ),
            (
                (200, r#"{"messages": [{"messageId": "m", "status": {"groupId": 5, "groupName": "REJECTED"}}]}"#),
                Refused,
            ),
            ((400, r#"{"errorCode": "E400", "description": "no"}"#), Refused),
            ((401, r#"{"errorCode": "E401", "description": "no"}"#), Ours),
            ((403, r#"{"errorCode": "E403", "description": "no"}"#), Refused),
            ((429, r#"{"errorCode": "E429", "description": "no"}"#), NotTaken),
            ((500, r#"{"errorCode": "E500", "description": "no"}"#), InDoubt),
            ((404, ""), InDoubt),
        ],
    });
}
