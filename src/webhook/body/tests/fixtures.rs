//! Every recorded form of a webhook says what its name does.

use super::super::super::{Event, FinalEvent, FinalMessage, StatusEvent};
use super::{DeliveryState, Read, Rejected, Submitted, inbound, parse, status};
use crate::record::DeliveryState::Delivered;
use crate::webhook::timestamp;

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../tests/data/webhooks/", $name, ".json")))),*]
    };
}

pub const ALL: [(&str, &str); 24] = fixtures![
    "v0.1.observed-shape.01-messenger-submitted",
    "v0.1.observed-shape.02-messenger-delivered",
    "v0.1.observed-shape.03-messenger-read",
    "v0.1.observed-shape.04-final-completed-on-first",
    "v0.1.observed-shape.05-sms-submitted-after-failover",
    "v0.1.observed-shape.06-sms-delivered",
    "v0.1.observed-shape.07-final-completed-on-second",
    "v0.1.observed-shape.08-inbound-messenger",
    "v0.1.spec-shape.01-sms-delivered",
    "v0.1.spec-shape.02-messenger-rejected-1340",
    "v0.1.spec-shape.03-messenger-rejected-1300",
    "v0.1.spec-shape.04-final-error",
    "v1.dotnet.ShouldDeserializeStatus-response",
    "v1.dotnet.ShouldDeserializeWebhook-response",
    "v1.schema.inbound-messenger-text",
    "v1.schema.inbound-sms-stop",
    "v1.schema.status-messenger-read-failover-1of2",
    "v1.schema.status-messenger-rejected-1340-failover-1of2",
    "v1.schema.status-sms-delivered",
    "v1.schema.status-sms-rejected-1240",
    "v1.schema.status-sms-segments",
    "v1.schema.status-sms-submitted-failover-2of2",
    "v1.schema.status-sms-submitted",
    "v1.schema.status-title-as-number",
];

const MESSENGER: &str = "1b2f6f0a-7f0e-4d0c-9b54-0c4b8a3d9e01";
const SMS: &str = "5d7c9d3b-0f2e-4f55-a6f0-7f2e1d0c3b02";
const DISPATCH: &str = "9f0c1b7e-53a1-4a55-8f0a-2b7d6f1e0c11";

fn fixture(name: &str) -> &'static str {
    ALL.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name}")).1
}

#[test]
fn all_parse_and_none_is_missing() {
    for (name, body) in ALL {
        let kind = match parse(body.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}")) {
            Event::Status(_) => "status",
            Event::Final(_) => "final",
            Event::Inbound(_) => "inbound",
            Event::Other => "other",
        };
        let expected = match name {
            _ if name.contains("final") => "final",
            _ if name.contains("inbound") || name.contains("DeserializeWebhook") => "inbound",
            _ => "status",
        };
        assert_eq!(kind, expected, "{name}");
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/webhooks");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), ALL.len());
}

type Expected<'a> = (&'a str, &'a str, DeliveryState, &'a str, Option<&'a str>, Option<&'a str>);

#[rustfmt::skip]
const STATUSES: [Expected<'static>; 16] = [
    ("v0.1.observed-shape.01-messenger-submitted", MESSENGER, Submitted, "2019-08-08T01:52:55.101Z", None, None),
    ("v0.1.observed-shape.02-messenger-delivered", MESSENGER, Delivered, "2019-08-08T01:52:56.404Z", None, None),
    ("v0.1.observed-shape.03-messenger-read", MESSENGER, Read, "2019-08-08T01:53:07.922Z", None, None),
    ("v0.1.observed-shape.05-sms-submitted-after-failover", SMS, Submitted, "2019-08-08T01:54:55.300Z", None, None),
    ("v0.1.observed-shape.06-sms-delivered", SMS, Delivered, "2019-08-08T01:54:58.385Z", None, None),
    ("v0.1.spec-shape.01-sms-delivered", SMS, Delivered, "2020-01-01T14:00:00.000Z", None, None),
    ("v0.1.spec-shape.02-messenger-rejected-1340", MESSENGER, Rejected, "2020-01-01T14:00:00.000Z", None,
        Some("1340: Outside of the allowed window")),
    ("v0.1.spec-shape.03-messenger-rejected-1300", MESSENGER, Rejected, "2020-01-01T14:00:00.000Z", None,
        Some("1300: Not part of the provider network")),
    ("v1.schema.status-messenger-read-failover-1of2", MESSENGER, Read, "2025-02-03T12:14:25.000Z", Some("otp-1"), None),
    ("v1.schema.status-messenger-rejected-1340-failover-1of2", MESSENGER, Rejected, "2025-02-03T12:14:25.000Z",
        Some("otp-1"),
        Some("1340: Outside of the allowed window - This message is sent outside of allowed response window.")),
    ("v1.schema.status-sms-delivered", SMS, Delivered, "2025-02-03T12:14:25.000Z", Some("otp-1"), None),
    ("v1.schema.status-sms-rejected-1240", SMS, Rejected, "2025-02-03T12:14:25.000Z", Some("otp-1"),
        Some("1240: Illegal Number")),
    ("v1.schema.status-sms-segments", SMS, Delivered, "2025-02-03T12:14:25.000Z", Some("otp-1"), None),
    ("v1.schema.status-sms-submitted-failover-2of2", SMS, Submitted, "2025-02-03T12:14:25.000Z", Some("otp-1"), None),
    ("v1.schema.status-sms-submitted", SMS, Submitted, "2025-02-03T12:14:25.000Z", Some("otp-1"), None),
    ("v1.schema.status-title-as-number", MESSENGER, Rejected, "2025-02-03T12:14:25.000Z", None,
        Some("1000: Throttled")),
];

#[test]
fn statuses() {
    for (name, uuid, state, at, client_ref, error) in STATUSES {
        let expected = StatusEvent {
            message_uuid: Some(uuid.to_owned()),
            sender: None,
            dispatch_uuid: name.starts_with("v0.1").then(|| DISPATCH.to_owned()),
            client_ref: client_ref.map(str::to_owned),
            channel: Some(if uuid == SMS { "sms" } else { "messenger" }.to_owned()),
            state: Some(state),
            at: timestamp::parse(at),
            error: error.map(str::to_owned),
        };
        assert!(expected.at.is_some());
        assert_eq!(status(fixture(name)), expected, "{name}");
    }
    let throttled = status(fixture("v1.dotnet.ShouldDeserializeStatus-response"));
    assert_eq!(throttled.message_uuid.as_deref(), Some("aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"));
    assert_eq!((throttled.state, throttled.client_ref.as_deref()), (Some(Submitted), Some("abc123")));
    assert!(throttled.error.unwrap().starts_with("1000: Throttled - You have exceeded the submission capacity"));
}

#[test]
fn final_reports() {
    let message = |uuid: &str, state| FinalMessage {
        message_uuid: Some(uuid.to_owned()),
        channel: Some(if uuid == SMS { "sms" } else { "messenger" }.to_owned()),
        state: Some(state),
    };
    for (name, completed, at, messages) in [
        (
            "v0.1.observed-shape.04-final-completed-on-first",
            true,
            "2019-08-08T01:53:07.959Z",
            vec![message(MESSENGER, Read)],
        ),
        (
            "v0.1.observed-shape.07-final-completed-on-second",
            true,
            "2019-08-08T01:54:58.450Z",
            vec![message(MESSENGER, Submitted), message(SMS, Delivered)],
        ),
        (
            "v0.1.spec-shape.04-final-error",
            false,
            "2020-01-01T14:00:00.000Z",
            vec![message(MESSENGER, Rejected), message(SMS, Rejected)],
        ),
    ] {
        let expected = FinalEvent {
            dispatch_uuid: DISPATCH.to_owned(),
            completed: Some(completed),
            at: timestamp::parse(at),
            messages,
        };
        let Ok(Event::Final(event)) = parse(fixture(name).as_bytes()) else { panic!("{name}") };
        assert_eq!(event, expected, "{name}");
    }
}

#[test]
fn inbound_messages() {
    for (name, channel, from, text) in [
        ("v0.1.observed-shape.08-inbound-messenger", "messenger", "23037543461240000", "Hello"),
        ("v1.schema.inbound-messenger-text", "messenger", "23037543461240000", "Hello"),
        ("v1.schema.inbound-sms-stop", "sms", "393331234567", "STOP"),
        (
            "v1.dotnet.ShouldDeserializeWebhook-response",
            "whatsapp",
            "447700900001",
            "Nexmo Verification code: 12345.<br />Valid for 10 minutes.",
        ),
    ] {
        let event = inbound(fixture(name));
        let told = [event.channel.as_deref(), event.from.as_deref().map(String::as_str)];
        assert_eq!(told, [Some(channel), Some(from)], "{name}");
        assert_eq!(event.text.as_deref().map(String::as_str), Some(text), "{name}");
    }
}
