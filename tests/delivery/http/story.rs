//! The tutorial's story over three carriers.

use std::sync::Arc;

use otp::{DeliveryState, Outcome, Service};
use serde_json::{Value, json};
use testing::carrier::{BOTH, Carrier, code_in};

use super::server::Server;
use crate::{EXPIRY_MS, T0, open};

/// The steps of a delivery: sender, channel and state.
fn steps(service: &Service, token: &str) -> Vec<(String, String, DeliveryState)> {
    let steps = service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
    steps.into_iter().map(|step| (step.sender.unwrap(), step.channel, step.status)).collect()
}

fn told(steps: &[(&str, &str, DeliveryState)]) -> Vec<(String, String, DeliveryState)> {
    steps.iter().map(|(sender, channel, state)| ((*sender).to_owned(), (*channel).to_owned(), *state)).collect()
}

fn config(carrier: &Carrier, second: &Server, third: &Server) -> Value {
    json!({"repository": "memory:", "policy": {"cooldownSeconds": 0, "sendLimits": []},
        "senders": {
            "vonage": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()},
            "sms": {"type": "http", "url": second.url("/send"), "form": {"to": "{to}", "text": "{text}"}, "refused": [400]},
            "calls": {"type": "http", "url": third.url("/call"), "json": {"to": "{to}", "say": "{text}", "ref": "{ref}"},
                "messageId": "id"}},
        "workflow": [
            {"channel": "messenger", "sender": "vonage", "from": "1923256201470000", "expiryTime": 120, "conditionStatus": "read"},
            {"channel": "sms", "sender": "sms"},
            {"channel": "voice", "sender": "calls", "conditionStatus": "delivered"}]})
}

#[test]
fn one_message_each_over_three_carriers() {
    let clock = Arc::new(std::sync::atomic::AtomicI64::new(T0));
    let (carrier, second, third) = (Carrier::start(), Server::start(), Server::start());
    let service = open(&config(&carrier, &second, &third).to_string(), &clock);
    second.answers(&[(400, r#"{"error": "no such number"}"#)]);
    assert_eq!(service.create("t", Some(BOTH)).unwrap().outcome, Outcome::Ok);
    assert_eq!(steps(&service, "t"), told(&[("vonage", "messenger", DeliveryState::Accepted)]));
    clock.fetch_add(EXPIRY_MS - 1, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 0);
    assert_eq!((second.take().len(), third.take().len()), (0, 0));
    clock.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 1);
    let expected = [
        ("vonage", "messenger", DeliveryState::Accepted),
        ("sms", "sms", DeliveryState::Failed),
        ("calls", "voice", DeliveryState::Accepted),
    ];
    assert_eq!(steps(&service, "t"), told(&expected));
    assert_eq!(carrier.channels(), ["messenger"]);
    let code = code_in(&carrier.seen()[0]).to_owned();
    let text = format!("Insert the following code: {code}");
    let sms = second.take_one();
    let fields = super::server::fields(&sms.body);
    assert!(fields.contains(&("text".to_owned(), text.clone())), "the same code");
    let call: Value = serde_json::from_str(&third.take_one().body).unwrap();
    assert_eq!((&call["to"], &call["say"]), (&json!("393331234567"), &json!(text)));

    // Receipts name the message either way, and a verify ends all.
    let reported = service.report(&json!({"clientRef": call["ref"], "status": "submitted"}).to_string()).unwrap();
    assert_eq!((reported.known, reported.state), (true, Some(DeliveryState::Submitted)));
    let by_id = json!({"sender": "calls", "messageId": "m-1", "status": "delivered"}).to_string();
    assert_eq!(service.report(&by_id).unwrap().state, Some(DeliveryState::Delivered));
    let elsewhere = json!({"sender": "sms", "messageId": "m-1", "status": "delivered"}).to_string();
    assert!(!service.report(&elsewhere).unwrap().known, "an identifier is one sender's");
    assert_eq!(service.verify("t", &code, None).unwrap().outcome, Outcome::Ok);
    clock.fetch_add(10 * EXPIRY_MS, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 0);
    assert_eq!((carrier.count(), second.take().len(), third.take().len()), (1, 0, 0));
}

#[test]
fn what_cannot_be_filled_in_stores_nothing() {
    let server = Server::start();
    let sender = json!({"type": "http", "url": server.url("/"), "json": {"t": "{text}", "city": "{params.city}"}});
    let config = json!({"repository": "memory:", "sender": sender, "workflow": [{"channel": "voice"}]}).to_string();
    let service = Service::open(Some(&config)).unwrap().0;
    let error = service.create("t", Some(r#"{"phoneNumber":"393331234567"}"#)).err().unwrap();
    assert_eq!((error.outcome(), service.status("t").unwrap().outcome), (Outcome::Argument, Outcome::Unknown));
    assert_eq!(error.detail(), "request: message for voice: params has no value for {params.city}");
    let request = r#"{"phoneNumber":"393331234567","params":{"city":"Bari"}}"#;
    assert_eq!(service.create("t", Some(request)).unwrap().outcome, Outcome::Ok);
    assert_eq!(serde_json::from_str::<Value>(&server.take_one().body).unwrap()["city"], "Bari");
}
