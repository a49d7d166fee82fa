//! `spec/json/twilio_api_v2010.json` of twilio/twilio-oai, d50069b (April 2026): `POST …/Messages.json`.

use serde_json::json;

use super::{Endpoint, InDoubt, NotTaken, PHONE, Recipe, Refused, holds};

#[test]
fn sms() {
    let text = json!({"type": "string"});
    let optional = [
        "ApplicationSid",
        "MaxPrice",
        "ProvideFeedback",
        "Attempt",
        "ValidityPeriod",
        "ForceDelivery",
        "ContentRetention",
        "AddressRetention",
        "SmartEncoded",
        "PersistentAction",
        "TrafficType",
        "ShortenUrls",
        "ScheduleType",
        "SendAt",
        "SendAsMms",
        "ContentVariables",
        "RiskCheck",
        "FallbackFrom",
        "MessagingServiceSid",
        "MediaUrl",
        "ContentSid",
        "StatusCallback",
    ];
    let mut members = json!({
        "To": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"}, "From": text,
        "Body": {"type": "string", "minLength": 1, "maxLength": 1600}});
    optional.iter().for_each(|name| members[name] = text.clone());
    // A sender is a number or a service; a text is a body, media or a stored content.
    let body = json!({"type": "object", "required": ["To", "From", "Body"], "properties": members,
        "additionalProperties": false});
    holds(&Recipe {
        page: "twilio",
        place: 0,
        origin: "https://api.twilio.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: r"/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Messages\.json",
            headers: vec![
                ("authorization", "Basic [A-Za-z0-9+/]+=*"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            body,
        },
        good: (201, r#"{"sid": "SM0123456789abcdef0123456789abcdef", "status": "queued", "error_code": null}"#),
        message_id: Some("SM0123456789abcdef0123456789abcdef"),
        answers: &[
            ((429, r#"{"code": 20429, "message": "Too Many Requests", "status": 429}"#), NotTaken),
            ((400, r#"{"code": 21211, "message": "no", "more_info": "", "status": 400}"#), Refused),
            ((400, r#"{"code": 21610, "message": "no", "more_info": "", "status": 400}"#), Refused),
            ((400, r#"{"code": 21614, "message": "no", "more_info": "", "status": 400}"#), Refused),
            ((400, r#"{"code": 21606, "message": "no", "more_info": "", "status": 400}"#), InDoubt),
            ((401, r#"{"code": 20003, "message": "Authenticate", "more_info": "", "status": 401}"#), InDoubt),
            ((500, r#"{"code": 20500, "message": "no", "more_info": "", "status": 500}"#), InDoubt),
        ],
    });
}
