//! Every request to the carrier is one that its specification accepts, on each channel.

use otp::{Outcome, Service};
use serde_json::{Value, json};
use testing::carrier::Carrier;
use testing::specification::objections;

fn send(kind: &str, workflow: &Value, request: &Value) -> Value {
    let carrier = Carrier::start();
    let config = json!({
        "repository": "memory:", "workflow": workflow, "brand": "Shop", "message": "{brand}: {code}",
        "sender": {"type": kind, "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()},
    });
    let service = Service::open(Some(&config.to_string())).unwrap().0;
    let reply = service.create("token", Some(&request.to_string())).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok, "{workflow}");
    carrier.seen().pop().unwrap()
}

#[test]
fn messages_of_every_channel_are_as_specified() {
    for (channel, more) in [
        ("messenger", json!({})),
        ("sms", json!({})),
        ("whatsapp", json!({"template": "verify_code"})),
        ("whatsapp", json!({})),
        ("viber_service", json!({})),
        ("rcs", json!({})),
    ] {
        let mut step = json!({"channel": channel, "from": "447700900000"});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = json!({"messengerId": "8192836451", "phoneNumber": "+39 333 123 4567"});
        let sent = send("messages", &json!([step]), &request);
        assert_eq!(sent["channel"], channel);
        assert_eq!(objections(&sent), [""; 0], "{sent}");
    }
}

#[test]
fn a_dispatch_workflow_is_as_specified() {
    let workflow = json!([
        {"channel": "messenger", "from": "1923256201470000", "expiryTime": 120, "conditionStatus": "read"},
        {"channel": "sms", "from": "NEXMO"},
    ]);
    let sent = send("dispatch", &workflow, &json!({"messengerId": "8192836451", "phoneNumber": "393331234567"}));
    assert_eq!(objections(&sent), [""; 0], "{sent}");
    let recorded: Value = serde_json::from_str(include_str!("../data/carrier/dispatch.messenger-sms.json")).unwrap();
    assert_eq!(objections(&recorded), [""; 0], "what the carrier's own client sent");
}

#[test]
fn what_is_not_as_specified_is_noticed() {
    let sms = json!({"channel": "sms", "from": "NEXMO", "to": "393331234567", "message_type": "text", "text": "code"});
    assert_eq!(objections(&sms), [""; 0]);
    for (member, value) in [("to", Value::Null), ("channel", json!("post")), ("text", json!(1)), ("to", json!("+39"))] {
        let mut wrong = sms.clone();
        wrong[member] = value;
        assert_ne!(objections(&wrong), [""; 0], "{wrong}");
    }
    let step = json!({"from": {"type": "sms", "number": "NEXMO"}, "to": {"type": "sms", "number": "393331234567"},
        "message": {"content": {"type": "text", "text": "code"}}});
    for workflow in [json!("none"), json!([{"from": 1}]), json!([step["from"]])] {
        let wrong = json!({"template": "failover", "workflow": workflow});
        assert_ne!(objections(&wrong), [""; 0], "{wrong}");
    }
}
