//! Bodies as the carrier's own client had them.

use serde_json::{Value, json};

use super::*;
use crate::config::Condition;

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

fn json_of(leg: &Leg<'_>) -> Value {
    serde_json::from_slice(&body(leg, "otp-1").ok().unwrap()).unwrap()
}

#[test]
fn the_recorded_messages() {
    let recorded = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(
        json_of(&leg("messenger", "YOUR_MESSENGER_ID", "8192836451")),
        recorded(include_str!("../../../../tests/data/carrier/messages.messenger.json"))
    );
    assert_eq!(
        json_of(&leg("sms", "NEXMO", "393331234567")),
        recorded(include_str!("../../../../tests/data/carrier/messages.sms.json"))
    );
    let mut template = leg("whatsapp", "447700900001", "393331234567");
    template.template = Some("otp");
    let mut expected = recorded(include_str!("../../../../tests/data/carrier/messages.whatsapp-template.json"));
    // The recorded request had none.
    expected["client_ref"] = json!("otp-1");
    assert_eq!(json_of(&template), expected);
    template.locale = Some("pt-BR");
    expected["custom"]["template"]["language"]["code"] = json!("pt_BR");
    assert_eq!(json_of(&template), expected);
}

#[test]
fn other_channels() {
    for (channel, rest) in
        [("viber_service", json!({})), ("whatsapp", json!({})), ("rcs", json!({"rcs": {"category": "authentication"}}))]
    {
        let mut expected = json!({
            "channel": channel, "message_type": "text", "from": "sender", "to": "393331234567", "client_ref": "otp-1",
            "text": "Insert the following code: 63731",
        });
        expected.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        assert_eq!(json_of(&leg(channel, "sender", "393331234567")), expected);
    }
}

/// Only WhatsApp has templates; a name elsewhere does not hide the text.
#[test]
fn templates_are_whatsapp_s() {
    let mut sms = leg("sms", "NEXMO", "393331234567");
    sms.template = Some("otp");
    assert_eq!(json_of(&sms)["message_type"], "text");
}
