//! Events: what the log is told of each step.

use std::sync::Mutex;

use serde_json::Value;

use super::flow::{code_in, fixture};
use super::*;

#[test]
fn every_step_is_told_and_no_secret() {
    let (fixture, carrier) = fixture("messages");
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let log: Arc<LogFn> = Arc::new(move |level, event: &str| told.lock().unwrap().push((level, event.to_owned())));
    fixture.service.on_log(4, Some(log)).unwrap();
    carrier.order(&[202, 402, 202]);
    let _ = fixture.send("a token");
    let message = carrier.seen()[0].clone();
    for status in ["submitted", "submitted", "undeliverable"] {
        let _ = fixture.report(&message, status);
    }
    let _ = fixture.send("another token");
    fixture.later(120_000).due();
    let events = events.lock().unwrap();
    let of_steps: Vec<_> = events
        .iter()
        .map(|(level, event)| (level, serde_json::from_str::<Value>(event).unwrap()))
        .filter(|(_, event)| event.get("channel").is_some())
        .map(|(level, event)| {
            let text = |member: &str| event[member].as_str().unwrap().to_owned();
            assert_eq!(text("record").len(), 16);
            format!("{level} {} {} {} {}", text("event"), text("channel"), text("state"), text("result"))
        })
        .collect();
    let expected = [
        "3 send messenger accepted OTP_OK",
        "3 report messenger submitted OTP_OK",
        "2 report messenger undeliverable OTP_OK",
        "1 send sms failed OTP_E_SEND",
        "3 send messenger accepted OTP_OK",
        "3 send sms accepted OTP_OK",
    ];
    assert_eq!(of_steps, expected);
    let code = code_in(&message);
    for secret in [code, "a token", "8192836451", "39333", "aaaaaaaa"] {
        assert!(events.iter().all(|(_, event)| !event.contains(secret)), "{secret}: {events:?}");
    }
}
