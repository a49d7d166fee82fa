//! Bodies as the carrier's own client had them.

use serde_json::{Value, json};

use super::*;

fn leg<'a>(channel: &'a str, from: &'a str, to: &'a str) -> Leg<'a> {
    Leg {
        channel,
        from,
        to,
        text: "Insert the following code: 63731",
        code: "63731",
        locale: None,
        template: None,
        expiry_seconds: 120,
        condition: Condition::Read,
    }
}

fn json_of(legs: &[Leg<'_>]) -> Value {
    serde_json::from_slice(&body(legs).ok().unwrap()).unwrap()
}

#[test]
fn the_recorded_workflow() {
    let legs = [leg("messenger", "YOUR_MESSENGER_ID", "8192836451"), leg("sms", "NEXMO", "393331234567")];
    let recorded = include_str!("../../../../tests/data/carrier/dispatch.messenger-sms.json");
    assert_eq!(json_of(&legs), serde_json::from_str::<Value>(recorded).unwrap());
}

#[test]
fn failover_stands_on_every_message_but_the_last() {
    for count in 1..=5 {
        let legs: Vec<_> = (0..count).map(|_| leg("messenger", "page", "user")).collect();
        let body = json_of(&legs);
        let workflow = body["workflow"].as_array().unwrap();
        assert_eq!(workflow.len(), count);
        for (index, message) in workflow.iter().enumerate() {
            assert!(message.is_object());
            assert_eq!(message.get("failover").is_some(), index + 1 < count, "{index} of {count}");
        }
    }
    assert!(body(&[]).is_err());
}

#[test]
fn channels() {
    let mut last = leg("sms", "NEXMO", "393331234567");
    let mut first = leg("viber_service", "service", "393331234567");
    first.condition = Condition::Delivered;
    first.expiry_seconds = 15;
    assert_eq!(
        json_of(&[first, last])["workflow"][0],
        json!({
            "from": {"type": "viber_service_msg", "id": "service"},
            "to": {"type": "viber_service_msg", "number": "393331234567"},
            "message": {"content": {"type": "text", "text": "Insert the following code: 63731"}},
            "failover": {"expiry_time": 15, "condition_status": "delivered"},
        })
    );
    last = leg("whatsapp", "447700900001", "393331234567");
    last.template = Some("otp");
    last.locale = Some("en_GB");
    assert_eq!(
        json_of(&[last])["workflow"][0],
        json!({
            "from": {"type": "whatsapp", "number": "447700900001"},
            "to": {"type": "whatsapp", "number": "393331234567"},
            "message": {
                "content": {"type": "template", "template": {"name": "otp", "parameters": [{"default": "63731"}]}},
                "whatsapp": {"policy": "deterministic", "locale": "en-GB"},
            },
        })
    );
}

#[test]
fn no_room_is_left_behind() {
    let text = "\u{1}\"\\é".repeat(500);
    let mut awkward = leg("sms", "NEXMO", "393331234567");
    awkward.text = &text;
    let room = body(std::slice::from_ref(&awkward)).ok().unwrap();
    assert_eq!(room.capacity(), 1024 + 6 * (text.len() + "NEXMO393331234567".len()));
    assert_eq!(json_of(&[awkward])["workflow"][0]["message"]["content"]["text"], text);
}
