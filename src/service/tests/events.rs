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

/// Runs it, and gives the events that it told.
fn told_by(fixture: &Fixture, run: impl FnOnce()) -> Vec<(i32, Value)> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let log: Arc<LogFn> =
        Arc::new(move |level, event: &str| told.lock().unwrap().push((level, serde_json::from_str(event).unwrap())));
    fixture.service.on_log(4, Some(log)).unwrap();
    run();
    fixture.service.on_log(0, None).unwrap();
    Arc::into_inner(events).unwrap().into_inner().unwrap()
}

#[test]
fn a_message_that_was_not_sent_tells_why() {
    let (fixture, carrier) = fixture("messages");
    carrier.order(&[422, 500]);
    let events = told_by(&fixture, || assert_eq!(fixture.send("t").outcome, Outcome::InDoubt));
    let sends: Vec<_> = events.iter().filter(|(_, event)| event["event"] == "send").collect();
    assert_eq!(sends.len(), 2, "{events:?}");
    for ((level, event), status) in sends.iter().zip([422, 500]) {
        assert_eq!((*level, &event["httpStatus"]), (1, &Value::from(status)), "{event}");
        let cause = event["cause"].as_str().unwrap();
        assert!(
            cause.starts_with("127.0.0.1:") && cause.ends_with(&format!(": status {status}: code ordered")),
            "{event}"
        );
        assert_eq!(event["vendorCode"], "ordered", "{event}");
    }
    let fine = told_by(&fixture, || assert_eq!(fixture.send("u").outcome, Outcome::Ok));
    assert!(
        fine.iter().all(|(_, event)| event.get("cause").is_none() && event.get("httpStatus").is_none()),
        "{fine:?}"
    );
}

#[test]
fn what_strangers_do_wrong_is_a_warning() {
    let (fixture, _carrier) = fixture("messages");
    let events = told_by(&fixture, || {
        assert!(fixture.service.create("t", Some(r#"{"phoneNumber":"12"}"#)).is_err());
        assert!(fixture.service.webhook(None, b"{}").is_err());
        assert!(fixture.service.webhook(Some("Bearer x.y.z"), b"{}").is_err());
        assert!(fixture.service.verify("t", " ", None).is_err());
    });
    let told: Vec<_> = events.iter().map(|(level, event)| (*level, event["result"].as_str().unwrap())).collect();
    assert_eq!(told, [(2, "OTP_E_ARGUMENT"), (2, "OTP_E_UNSIGNED"), (2, "OTP_E_SIGNATURE"), (2, "OTP_E_ARGUMENT")]);
}

#[test]
fn who_asks_is_told_by_a_pseudonym() {
    let fixture = Fixture::new("");
    let of = |token: &str, client: &str| {
        let request = serde_json::json!({ "client": client }).to_string();
        let events = told_by(&fixture, || drop(fixture.create(token, &request)));
        assert!(events.iter().all(|(_, event)| !event.to_string().contains(client)), "{events:?}");
        events[0].1["client"].as_str().unwrap().to_owned()
    };
    let (one, again, other) = (of("t", "192.0.2.7"), of("u", "192.0.2.7"), of("t", "192.0.2.8"));
    assert_eq!((one.len(), one == again, one == other), (16, true, false));
    let none = told_by(&fixture, || drop(fixture.create("t", "{}")));
    assert!(none[0].1.get("client").is_none());
}

/// The carrier's words in a status are withheld where they hold what nobody may see.
#[test]
fn an_error_of_the_carrier_shows_no_code_and_no_address() {
    for (words, shown) in [("network trouble", true), ("code {code} refused", false), ("to 8192-8364-51", false)] {
        let options = format!(
            r#","otpLength":4,"webhook":{{"signatureSecret":"{}"}},"workflow":[{{"channel":"messenger","from":"1"}}]"#,
            super::flow::SECRET
        );
        let (fixture, carrier) = super::flow::fixture_of("messages", &options);
        let _ = fixture.send("t");
        let message = carrier.seen()[0].clone();
        let words = words.replace("{code}", code_in(&message));
        let report = serde_json::json!({"message_uuid": message["message_uuid"], "to": "1", "from": "2",
            "status": "submitted", "timestamp": "2026-01-01T00:00:00Z", "channel": "messenger",
            "client_ref": message["client_ref"], "error": {"title": "1000", "detail": words}});
        assert_eq!(fixture.hear(&report).unwrap().known, Some(true));
        let steps = fixture.service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
        let error = steps[0].error.clone().unwrap();
        if shown {
            assert!(error.contains(&words), "{error}");
        } else {
            assert!(!error.contains(code_in(&message)) && !error.contains("8192"), "{error}");
        }
    }
}
