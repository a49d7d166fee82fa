use super::*;
use crate::outcome::Outcome;
use crate::strict::tests::with_mutants;

const SENDERS: [&str; 2] = ["vonage", "mail"];

#[test]
fn a_report_names_a_message_in_one_of_two_ways() {
    let by_ref = read(r#"{"clientRef":"r","status":"read"}"#, &SENDERS).unwrap();
    let state = Some(DeliveryState::Read);
    assert_eq!(by_ref, StatusEvent { client_ref: Some("r".to_owned()), state, ..StatusEvent::default() });
    let by_id = read(r#"{"sender":"mail","messageId":"7","status":"failed","error":"no\nbox"}"#, &SENDERS).unwrap();
    assert_eq!((by_id.sender.as_deref(), by_id.message_uuid.as_deref()), (Some("mail"), Some("7")));
    assert_eq!((by_id.state, by_id.error.as_deref()), (Some(DeliveryState::Failed), Some("no box")));
}

#[test]
fn anything_else_is_refused() {
    for (json, expected) in [
        ("", "report: not valid JSON"),
        ("[]", "report: must be an object"),
        ("{}", "clientRef: missing, and so is messageId"),
        (r#"{"status":"read"}"#, "clientRef: missing"),
        (r#"{"clientRef":"r"}"#, "status: missing"),
        (r#"{"clientRef":"","status":"read"}"#, "clientRef: must be"),
        (r#"{"clientRef":7,"status":"read"}"#, "clientRef: must be"),
        (r#"{"clientRef":"r","messageId":"7","sender":"mail","status":"read"}"#, "clientRef: stands alone"),
        (r#"{"clientRef":"r","sender":"mail","status":"read"}"#, "clientRef: stands alone"),
        (r#"{"messageId":"7","status":"read"}"#, "sender: missing"),
        (r#"{"sender":"mail","status":"read"}"#, "clientRef: missing"),
        (r#"{"messageId":"7","sender":"post","status":"read"}"#, "sender: must be the name of a sender"),
        (r#"{"clientRef":"r","status":"accepted"}"#, "status: must be one of submitted, delivered"),
        (r#"{"clientRef":"r","status":"read","at":1}"#, "at: unknown"),
        (r#"{"clientRef":"r","status":"read","status":"read"}"#, "status: repeated"),
        (r#"{"clientRef":"r","status":"read","error":{}}"#, "error: must be a text"),
    ] {
        let error = read(json, &SENDERS).unwrap_err();
        assert!(error.outcome() == Outcome::Argument && error.detail().starts_with(expected), "{json}: {error}");
    }
    with_mutants(&[r#"{"sender":"mail","messageId":"7","status":"read","error":"e"}"#], 2000, |text| {
        let _ = read(text, &SENDERS);
    });
}
