//! Answers against lists.

use serde_json::{Value as Json, json};

use super::*;
use crate::config::Config;

/// How an answer is judged with these options, and how often more it is tried.
fn judged(options: &Json, status: u16, body: &str) -> (String, Option<String>, Again) {
    let mut sender = json!({"type": "http", "url": "https://h", "json": {"t": "{text}"}});
    sender.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let config = Config::parse(Some(&json!({"repository": "memory:", "sender": sender}).to_string())).ok().unwrap();
    let http = config.senders[0].http.clone().unwrap();
    let reply = HttpReply { status, retry_after: None, body: Some(body.as_bytes().to_vec()) };
    let (answer, again) = judge("h", &reply, &http, &["63731", "393331234567"]);
    let (kind, id) = match answer {
        Answer::Accepted { uuid } => ("accepted", uuid),
        Answer::NotTaken(failure) => ("not taken", failure.vendor_code),
        Answer::Refused(failure) => ("refused", failure.vendor_code),
        Answer::InDoubt(failure) => ("in doubt", failure.vendor_code),
    };
    (kind.to_owned(), id, again)
}

fn kind(options: &Json, status: u16, body: &str) -> String {
    judged(options, status, body).0
}

#[test]
fn statuses() {
    let options = json!({"notTaken": [429, 503], "refused": [400, 401, 402, 404]});
    for status in 100..=999 {
        let expected = match status {
            200..=299 => "accepted",
            // The account's, so no recipient was refused.
            401 | 402 | 429 | 503 => "not taken",
            400 | 404 => "refused",
            _ => "in doubt",
        };
        let (kind, _, again) = judged(&options, status, "{}");
        assert_eq!(kind, expected, "{status}");
        let again_later = matches!(status, 429 | 503);
        assert_eq!(again, if again_later { Again::Later(None) } else { Again::Never }, "{status}");
    }
    assert_eq!(kind(&json!({"accepted": [201]}), 200, "{}"), "in doubt");
    assert_eq!(kind(&json!({"accepted": [201]}), 201, "{}"), "accepted");
    assert_eq!(kind(&json!({"accepted": []}), 200, "{}"), "in doubt");
}

#[test]
fn paths_decide_before_statuses() {
    let options = json!({"accepted": [200, {"messages.0.status": ["0", 0]}], "notTaken": [{"messages.0.status": ["1"]}, 429],
        "refused": [{"messages.0.status": ["7", 7.5, true, null]}, {"error.code": [21610]}, 400]});
    let status = |value: &str| format!(r#"{{"messages": [{{"status": {value}}}]}}"#);
    for (code, body, expected) in [
        (200, status("\"0\""), "accepted"),
        (200, status("0"), "accepted"),
        (200, status("\"1\""), "not taken"),
        (200, status("1"), "accepted"),
        (200, status("\"7\""), "refused"),
        (200, status("7.5"), "refused"),
        (200, status("true"), "refused"),
        (200, status("null"), "refused"),
        (200, status("[0]"), "accepted"),
        (200, status("\"9\""), "accepted"),
        (429, status("\"7\""), "refused"),
        (400, status("\"1\""), "not taken"),
        (500, status("\"1\""), "not taken"),
        (500, status("\"0\""), "in doubt"),
        (400, status("\"0\""), "in doubt"),
        (200, r#"{"messages": [{"status": "0"}], "error": {"code": 21610}}"#.to_owned(), "in doubt"),
        (200, r#"{"messages": [{"status": "1"}], "error": {"code": 21610}}"#.to_owned(), "in doubt"),
        (500, r#"{"error": {"code": 21610}}"#.to_owned(), "refused"),
        (500, r#"{"error": {"code": "21610"}}"#.to_owned(), "in doubt"),
        // No path holds.
        (500, r#"{"error": {"code": 21610, "code": 21610}}"#.to_owned(), "in doubt"),
        (500, r#"{"error": {"code": 21610}, "x": [{"a": 1, "a": 2}]}"#.to_owned(), "in doubt"),
        (200, r#"{"error": {"code": 21610}"#.to_owned(), "accepted"),
        (200, format!(r#"[{}]"#, status("\"7\"")), "accepted"),
        (200, String::new(), "accepted"),
    ] {
        assert_eq!(kind(&options, code, &body), expected, "{code} {body}");
    }
    assert_eq!(judged(&options, 500, r#"{"error": {"code": 21610}}"#).1.as_deref(), Some("21610"));
}

#[test]
fn identifiers() {
    let id = |body: &str| judged(&json!({"messageId": "data.id"}), 200, body).1;
    let with = |id: &str| format!(r#"{{"data": {{"id": {id}}}}}"#);
    let longest = "x".repeat(128);
    for (value, expected) in [
        ("\"SM-1_a:b\"", Some("SM-1_a:b")),
        ("17", Some("17")),
        (&*format!("\"{longest}\""), Some(&*longest)),
        (&*format!("\"{longest}x\""), None),
        ("\"\"", None),
        ("\"a b\"", None),
        ("\"é\"", None),
        ("null", None),
        ("1.5", None),
        ("[\"a\"]", None),
        ("\"a63731b\"", Some("a63731b")),
        ("\"a-63731\"", None),
        ("\"393331234567:1\"", None),
    ] {
        assert_eq!(id(&with(value)).as_deref(), expected, "{value}");
    }
    assert_eq!(id(r#"{"data": {"id": "a", "id": "b"}}"#), None);
    assert_eq!(judged(&json!({}), 200, r#"{"id": "a"}"#), ("accepted".to_owned(), None, Again::Never));
}
