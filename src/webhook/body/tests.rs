use super::super::{Event, FinalMessage, InboundEvent, StatusEvent};
use super::{error_line, parse};
use crate::limits::BODY_BYTES;
use crate::outcome::Outcome;
use crate::record::DeliveryState::{self, *};

mod fixtures;

fn status(body: &str) -> StatusEvent {
    match parse(body.as_bytes()) {
        Ok(Event::Status(event)) => event,
        Ok(_) => panic!("no status: {body}"),
        Err(error) => panic!("{error}: {body}"),
    }
}

fn inbound(body: &str) -> InboundEvent {
    match parse(body.as_bytes()) {
        Ok(Event::Inbound(event)) => event,
        Ok(_) => panic!("not inbound: {body}"),
        Err(error) => panic!("{error}: {body}"),
    }
}

/// A status with these members besides.
fn status_with(members: &str) -> StatusEvent {
    status(&format!(r#"{{"message_uuid":"m","status":"rejected",{members}}}"#))
}

fn refused(body: &[u8], expected: &str) {
    let error = parse(body).err().unwrap_or_else(|| panic!("taken: {}", String::from_utf8_lossy(body)));
    assert_eq!(error.outcome(), Outcome::Argument);
    assert!(error.detail().starts_with(expected), "{error}");
}

#[test]
fn errors_in_every_form() {
    for (error, expected) in [
        (r#"{"title":"1240","detail":"Illegal Number"}"#, Some("1240: Illegal Number")),
        (r#"{"title":1240,"detail":"Illegal Number"}"#, Some("1240: Illegal Number")),
        (r#"{"error":{"title":"1240","detail":"Illegal Number"}}"#, Some("1240: Illegal Number")),
        (r#"{"error":{"title":1240}}"#, Some("1240")),
        (r#"{"error":{},"title":1240}"#, Some("1240")),
        (r#"{"code":1300,"reason":"Not part"}"#, Some("1300: Not part")),
        (r#"{"code":"1300"}"#, Some("1300")),
        (r##"{"type":"https://x/messages#1000","title":"Throttled"}"##, Some("1000: Throttled")),
        (r##"{"type":"https://x/Errors#InvalidParams","title":"Invalid"}"##, Some("Invalid")),
        (r#"{"detail":"no code"}"#, Some("no code")),
        (r#""1000""#, Some("1000")),
        ("1000", Some("1000")),
        ("{}", None),
        ("null", None),
        ("[1]", None),
        (r#"{"title":null,"detail":[]}"#, None),
    ] {
        assert_eq!(status_with(&format!(r#""error":{error}"#)).error.as_deref(), expected, "{error}");
    }
}

#[test]
fn errors_name_nobody() {
    for (text, expected) in [
        ("to 393331234567 failed", "to * failed"),
        ("to +39 333 123-4567.", "to +*."),
        ("number (0333) 1234", "number (*"),
        ("١٢٣٤٥", "*"),
        ("12345", "*"),
        ("1234", "1234"),
        ("1340: after 24 h", "1340: after 24 h"),
        ("a\r\nb\u{1b}[31mc\u{7}", "a  b [31mc "),
        ("", ""),
    ] {
        assert_eq!(error_line(text), expected, "{text}");
    }
    let long = error_line(&"é".repeat(150));
    assert_eq!(long, "é".repeat(100));
}

#[test]
fn channels_and_states_in_our_names() {
    for (members, expected) in [
        (r#""channel":"viber_service""#, Some("viber_service")),
        (r#""to":{"type":"viber_service_msg","number":"1"}"#, Some("viber_service")),
        (r#""from":{"type":"sms","number":"1"}"#, Some("sms")),
        (r#""channel":"rcs","to":"1""#, Some("rcs")),
        (r#""channel":7,"to":{"type":"sms"}"#, Some("7")),
        (r#""channel":"a b""#, None),
        (r#""channel":"","to":"sms""#, None),
        (r#""channel":["sms"]"#, None),
    ] {
        assert_eq!(status_with(members).channel.as_deref(), expected, "{members}");
    }
    assert_eq!(status_with(&format!(r#""channel":"{}""#, "c".repeat(33))).channel, None);
    for (status_text, expected) in [
        (r#""submitted""#, Some(Submitted)),
        (r#""delivered""#, Some(Delivered)),
        (r#""read""#, Some(Read)),
        (r#""rejected""#, Some(Rejected)),
        (r#""undeliverable""#, Some(Undeliverable)),
        (r#""Delivered""#, None),
        (r#""accepted""#, None),
        (r#""""#, None),
        ("null", None),
        ("{}", None),
    ] {
        let event = status(&format!(r#"{{"message_uuid":"m","from":"f","status":{status_text}}}"#));
        assert_eq!(event.state, expected, "{status_text}");
    }
}

#[test]
fn what_is_odd_is_left_out() {
    let odd = status_with(
        r#""timestamp":"yesterday","client_ref":{},"_links":[],"to":7,"from":[],"channel":null,
           "error":false,"usage":{"price":{}},"workflow":{"id":"w","item_number":"1","total_items":2},"new":[[[]]]"#,
    );
    let expected = StatusEvent { message_uuid: Some("m".into()), state: Some(Rejected), ..StatusEvent::default() };
    assert_eq!(odd, expected);
    for (timestamp, expected) in [
        (r#""2025-02-03T12:14:25Z""#, Some("2025-02-03T12:14:25.000Z")),
        (r#""2020-01-01T14:00:00.000Z""#, Some("2020-01-01T14:00:00.000Z")),
        (r#""2020-01-01 14:00:00 UTC""#, Some("2020-01-01T14:00:00.000Z")),
        ("1580000000", None),
        ("null", None),
        ("{}", None),
    ] {
        let at = status_with(&format!(r#""timestamp":{timestamp}"#)).at;
        assert_eq!(at.map(|at| at.to_string()).as_deref(), expected, "{timestamp}");
    }
}

#[test]
fn identifiers_are_bounded() {
    let id = |text: &str| status_with(&format!(r#""client_ref":"{text}""#)).client_ref;
    assert_eq!(id(&"r".repeat(128)), Some("r".repeat(128)));
    assert_eq!(id(&"r".repeat(129)), None);
    assert_eq!(id(r" \tr\n "), Some("r".to_owned()));
    for none in ["", " ", r"a\nb", r"a\u0000b", r"\u001b"] {
        assert_eq!(id(none), None, "{none}");
    }
    assert_eq!(status_with(r#""client_ref":12"#).client_ref.as_deref(), Some("12"));
    let dispatch = |links: &str| status_with(&format!(r#""_links":{links}"#)).dispatch_uuid;
    assert_eq!(dispatch(r#"{"dispatch":{"dispatch_uuid":"d"}}"#).as_deref(), Some("d"));
    assert_eq!(dispatch(r#"{"workflow":{"dispatch_uuid":"w"}}"#).as_deref(), Some("w"));
    assert_eq!(dispatch(r#"{"dispatch":null,"workflow":{"dispatch_uuid":"w"}}"#).as_deref(), Some("w"));
    assert_eq!(
        dispatch(r#"{"dispatch":{"dispatch_uuid":"d"},"workflow":{"dispatch_uuid":"w"}}"#).as_deref(),
        Some("d")
    );
    assert_eq!(dispatch(r#"{"dispatch":{"href":"d"}}"#), None);
}

#[test]
fn inbound_messages() {
    let event = inbound(r#"{"message_uuid":"m","from":"\t447700900001 ","channel":"sms","text":" a\nb "}"#);
    assert_eq!(event.from.as_deref().map(String::as_str), Some("447700900001"));
    assert_eq!(event.text.as_deref().map(String::as_str), Some(" a\nb "));
    let event = inbound(
        r#"{"message_uuid":"m","from":{"type":"viber_service_msg","number":447},"direction":"inbound","status":"read"}"#,
    );
    assert_eq!(event.from.as_deref().map(String::as_str), Some("447"));
    assert_eq!(event.channel.as_deref(), Some("viber_service"));
    assert!(event.text.is_none());
    let event = inbound(r#"{"message_uuid":"m","from":"US.1349","channel":"whatsapp","message_type":"unsupported"}"#);
    assert_eq!(event.from.as_deref().map(String::as_str), Some("US.1349"));
    assert!(event.text.is_none());
    let event = inbound(&format!(r#"{{"message_uuid":"m","from":"{}"}}"#, "é".repeat(200)));
    assert_eq!(event.from.as_deref().map(String::as_str), Some("é".repeat(128).as_str()));
    let event = inbound(r#"{"message_uuid":"m","from":" "}"#);
    assert!(event.from.is_none());
}

#[test]
fn final_reports() {
    let read = |body: &str| match parse(body.as_bytes()) {
        Ok(Event::Final(event)) => event,
        _ => panic!("not final: {body}"),
    };
    let message = r#"{"message_uuid":"m","channel":"viber_service_msg","status":"read"}"#;
    let event = read(&format!(
        r#"{{"template":"failover","dispatch_uuid":"d","status":"later","_links":{{"messages":[1,{message},{{}}]}}}}"#
    ));
    assert_eq!((event.dispatch_uuid.as_str(), event.completed, event.at), ("d", None, None));
    let first =
        FinalMessage { message_uuid: Some("m".into()), channel: Some("viber_service".into()), state: Some(Read) };
    assert_eq!(event.messages, [first, FinalMessage::default()]);
    let many = [message; 20].join(",");
    let event = read(&format!(r#"{{"template":"failover","dispatch_uuid":"d","_links":{{"messages":[{many}]}}}}"#));
    assert_eq!(event.messages.len(), 16);
    for links in ["null", "{}", r#"{"messages":{}}"#, r#"{"messages":null}"#, "[]"] {
        let event = read(&format!(r#"{{"template":"failover","dispatch_uuid":"d","_links":{links}}}"#));
        assert!(event.messages.is_empty());
    }
}

#[test]
fn what_is_refused() {
    let deep = |depth: usize| {
        format!(r#"{{"message_uuid":"m","status":"read","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    assert_eq!(status(&deep(15)).state, Some(Read));
    refused(deep(16).as_bytes(), "webhook body: nested too deeply");
    refused("[".repeat(BODY_BYTES).as_bytes(), "webhook body: nested too deeply");
    let whole = r#"{"message_uuid":"m","status":"read"}"#;
    let padded = |size: usize| format!("{whole}{}", " ".repeat(size - whole.len()));
    assert_eq!(status(&padded(BODY_BYTES)).state, Some(Read));
    refused(padded(BODY_BYTES + 1).as_bytes(), "webhook body: longer than 64 KiB");
    for (body, expected) in [
        (&b""[..], "webhook body: not valid JSON: line 1, column 0"),
        (b"{", "webhook body: not valid JSON"),
        (b"{}{}", "webhook body: not valid JSON"),
        (b"\xff", "webhook body: not UTF-8"),
        (br#"{"message_uuid":"\xff"}"#, "webhook body: not valid JSON"),
        (b"\xef\xbb\xbf{}", "webhook body: not valid JSON"),
        (b"[]", "webhook body: must be an object"),
        (br#"{"message_uuid":"m","status":"read","status":"rejected"}"#, "status: repeated"),
        (br#"{"message_uuid":"m","status":"read","a":1,"a":1}"#, "a: repeated"),
    ] {
        refused(body, expected);
    }
}

#[test]
fn other_kinds() {
    for body in [
        r"{}",
        r#"{"status":"read"}"#,
        r#"{"message_uuid":"m"}"#,
        r#"{"message_uuid":"m","status":"read","direction":"inbound"}"#,
        r#"{"template":"failover","status":"completed"}"#,
        r#"{"dispatch_uuid":"d","status":"completed"}"#,
        r#"{"template":"failover","dispatch_uuid":""}"#,
        r#"{"request_id":"r","type":"summary","status":"completed"}"#,
    ] {
        assert!(matches!(parse(body.as_bytes()), Ok(Event::Other)), "{body}");
    }
}

#[test]
fn no_mangled_body_panics() {
    for (_, body) in fixtures::ALL {
        let bytes = body.as_bytes();
        for index in 0..bytes.len() {
            let _ = parse(&bytes[..index]);
            for byte in [b'"', b'{', b'0', b'\\', 0, 0xff] {
                let mut mangled = bytes.to_vec();
                mangled[index] = byte;
                let _ = parse(&mangled);
            }
        }
    }
}
