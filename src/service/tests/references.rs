//! Which step a report means: none but the one that its message was sent for.

use serde_json::{Value, json};

use super::flow::{fixture, fixture_with};
use super::*;
use crate::reply::{DeliveryState, WebhookKind};

/// The states of a token's steps.
fn states(fixture: &Fixture, token: &str) -> Vec<DeliveryState> {
    let steps = fixture.service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
    steps.into_iter().map(|step| step.status).collect()
}

/// A late report about a message of a code that was erased sends no SMS for the code after it, and calls none off.
#[test]
fn a_reference_does_not_come_back_after_an_erase_or_a_purge() {
    for end in ["erase", "purge"] {
        for status in ["rejected", "read"] {
            let (fixture, carrier) = fixture("messages");
            let _ = fixture.send("t");
            let old = carrier.seen()[0].clone();
            match end {
                "erase" => assert!(fixture.service.erase("8192836451").unwrap().found),
                _ => assert!(fixture.later(48 * 3_600_000).service.run_due().unwrap().purged > 0),
            }
            let _ = fixture.send("t");
            let _ = fixture.report(&old, status);
            assert_eq!(carrier.channels(), ["messenger"; 2], "{end}, {status}");
            assert_eq!(states(&fixture, "t"), [DeliveryState::Accepted], "{end}, {status}");
            assert_eq!(fixture.later(120_000).due().0, 1, "{end}, {status}");
        }
    }
}

#[test]
fn a_report_of_an_older_delivery_moves_no_step_of_the_newest() {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    assert_eq!(fixture.service.resend("t").unwrap().outcome, Outcome::Ok);
    let old = carrier.seen()[0].clone();
    let reply = fixture.report(&old, "rejected");
    assert_eq!((reply.known, reply.state), (Some(true), Some(DeliveryState::Accepted)));
    assert_eq!(carrier.channels(), ["messenger"; 2]);
}

#[test]
fn a_tenant_s_report_moves_no_other_s_delivery() {
    let (fixture, carrier) = fixture("messages");
    let folder = crate::repository::conformance::ScratchFolder::new("references");
    let open = |namespace: &str| {
        let config = json!({
            "repository": format!("sqlite:{}/otp.db", folder.path().display()), "namespace": namespace,
            "sender": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()},
            "webhook": {"signatureSecret": super::flow::SECRET},
            "workflow": [{"channel": "messenger", "from": "1", "expiryTime": 120}, {"channel": "sms", "from": "2"}],
        });
        let clock = fixture.clock.clone();
        let service = Service::open(Some(&config.to_string())).unwrap().0;
        service.on_clock(Some(Arc::new(move || clock.load(Ordering::Relaxed)))).unwrap();
        Fixture { service, clock: fixture.clock.clone() }
    };
    let (one, other) = (open("one"), open("other"));
    let _ = one.send("t");
    let message = carrier.seen()[0].clone();
    assert_eq!(other.report(&message, "rejected").known, Some(false));
    assert_eq!((carrier.seen().len(), states(&one, "t")), (1, vec![DeliveryState::Accepted]));
    assert_eq!(one.report(&message, "rejected").known, Some(true));
    assert_eq!(carrier.seen().len(), 2);
}

/// The second step waits for `delivered`, the first one for `read`.
#[test]
fn each_of_two_steps_of_one_channel_has_its_own_condition() {
    let step = |condition: &str| json!({"channel": "rcs", "from": "A", "expiryTime": 60, "conditionStatus": condition});
    let last = json!({"channel": "sms", "from": "NEXMO"});
    let (fixture, carrier) = fixture_with("messages", &json!([step("read"), step("delivered"), last]));
    let _ = fixture.send("t");
    assert_eq!(fixture.later(60_000).due().0, 1);
    let second = carrier.seen()[1].clone();
    let _ = fixture.report(&second, "delivered");
    assert_eq!(fixture.later(60_000).due(), (0, None), "the second was delivered");
    let _ = fixture.send("u");
    let first = carrier.seen()[2].clone();
    let _ = fixture.report(&first, "delivered");
    assert_eq!(fixture.later(60_000).due().0, 1, "the first was not read");
}

#[test]
fn a_reference_that_is_not_ours_or_contradicts_the_message_is_refused() {
    let (fixture, carrier) = fixture("messages");
    let _ = (fixture.send("t"), fixture.send("u"));
    let (message, other) = (carrier.seen()[0].clone(), carrier.seen()[1].clone());
    let own = message["client_ref"].as_str().unwrap().to_owned();
    assert_eq!(own.len(), 66);
    let with = |client_ref: &str, uuid: &Value| {
        let mut changed = message.clone();
        changed["client_ref"] = json!(client_ref);
        changed["message_uuid"] = uuid.clone();
        fixture.report(&changed, "rejected").known
    };
    assert_eq!(with(&own, &other["message_uuid"]), Some(false), "another message");
    let never = json!("never");
    for place in 0..own.len() {
        let mut flipped = own.clone().into_bytes();
        flipped[place] = if flipped[place] == b'0' { b'1' } else { b'0' };
        assert_eq!(with(&String::from_utf8(flipped).unwrap(), &never), Some(false), "{place}");
    }
    let (long, short, upper) = (format!("{own}0"), &own[..65], own.to_uppercase());
    for foreign in [long.as_str(), short, &upper, &"0".repeat(66), &"0".repeat(40), "0", "é".repeat(33).as_str()] {
        assert_eq!(with(foreign, &never), Some(false), "{foreign}");
    }
    assert_eq!(states(&fixture, "t"), [DeliveryState::Accepted]);
    assert_eq!(carrier.channels(), ["messenger"; 2]);
    assert_eq!(with("somebody else's", &message["message_uuid"]), Some(true), "found by the message alone");
}

/// Dispatch names the messages itself: one whose step is known does not move the step of another.
#[test]
fn a_report_of_dispatch_counts_for_its_own_message() {
    let sms = json!({"channel": "sms", "from": "NEXMO", "expiryTime": 60, "conditionStatus": "delivered"});
    let (fixture, _carrier) = fixture_with("dispatch", &json!([sms, sms]));
    let delivery = fixture.send("t").delivery.unwrap();
    let report = |uuid: &str, status: &str| {
        json!({"message_uuid": uuid, "to": {"type": "sms", "number": "393331234567"}, "status": status,
            "from": {"type": "sms", "number": "NEXMO"}, "timestamp": "2026-01-01T00:00:00Z",
            "_links": {"workflow": {"dispatch_uuid": delivery.dispatch_uuid}}})
    };
    for (uuid, status) in [("a", "submitted"), ("b", "delivered"), ("a", "undeliverable")] {
        assert_eq!(fixture.hear(&report(uuid, status)).unwrap().known, Some(true), "{uuid}");
    }
    assert_eq!(states(&fixture, "t"), [DeliveryState::Undeliverable, DeliveryState::Delivered]);
    for uuid in ["c", "d", "e"] {
        assert_eq!(fixture.hear(&report(uuid, "read")).unwrap().known, Some(true), "{uuid}");
    }
    assert_eq!(fixture.hear(&report("f", "read")).unwrap().known, Some(false), "there is no room for a sixth");
    assert_eq!(states(&fixture, "t").len(), 5);
}

/// An address is erased also when the workflow does not have its channel any more.
#[test]
fn erase_finds_addresses_of_channels_that_are_gone() {
    let folder = crate::repository::conformance::ScratchFolder::new("channels");
    let open = |channel: &str| {
        let config = json!({"repository": format!("sqlite:{}/otp.db", folder.path().display()),
            "sender": {"type": "none"}, "workflow": [{"channel": channel, "from": "A"}, {"channel": "sms"}]});
        Service::open(Some(&config.to_string())).unwrap().0
    };
    let before = open("pigeon");
    let code = before.create("t", Some(r#"{"pigeon":"coop 7"}"#)).unwrap().message.unwrap().code;
    let after = open("raven");
    assert!(after.erase("coop 7").unwrap().found);
    assert_eq!(after.verify("t", &code, None).unwrap().outcome, Outcome::NotValid);
}

#[test]
fn one_address_for_two_channels_counts_once() {
    let config = json!({"repository": "memory:", "sender": {"type": "none"},
        "workflow": [{"channel": "pigeon"}, {"channel": "raven"}],
        "policy": {"cooldownSeconds": 0, "sendLimits": [{"count": 2, "minutes": 10}]}});
    let service = Service::open(Some(&config.to_string())).unwrap().0;
    let create = |token: &str| service.create(token, Some(r#"{"pigeon":"7","raven":"7"}"#)).unwrap().outcome;
    assert_eq!([create("a"), create("b"), create("c")], [Outcome::Ok, Outcome::Ok, Outcome::RateLimited]);
}

#[test]
fn a_kind_that_is_not_known_is_taken_and_changes_nothing() {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    let reply = fixture.hear(&json!({"request_id": "r", "type": "summary", "status": "completed"})).unwrap();
    assert!(reply.kind == WebhookKind::Other && reply.known == Some(false) && reply.duplicate.is_none());
    assert_eq!(carrier.seen().len(), 1);
}

#[test]
fn an_inbound_message_is_news_once() {
    let (fixture, _carrier) = fixture("messages");
    let hear = |uuid: &str, text: &str| {
        let reply = fixture.hear(&json!({"message_uuid": uuid, "from": "1", "channel": "messenger", "text": text}));
        let reply = reply.unwrap();
        assert_eq!((reply.kind, reply.from.unwrap().as_str(), reply.known), (WebhookKind::Inbound, "1", None));
        reply.duplicate
    };
    assert_eq!(hear("m", "hello"), Some(false));
    assert_eq!(hear("n", "hello"), Some(false));
    assert_eq!(hear("m", "hello"), Some(true));
    assert_eq!(hear("", "one"), Some(false), "without an identifier all of it counts");
    assert_eq!(hear("", "other"), Some(false));
    assert_eq!(hear("", "one"), Some(true));
    fixture.later(599_999);
    assert_eq!(hear("n", "hello"), Some(true));
    fixture.later(1);
    assert_eq!(hear("m", "hello"), Some(false), "past the age it is not known any more");
}
