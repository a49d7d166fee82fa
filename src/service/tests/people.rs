//! What people type, and what operators ask about them.

use serde_json::json;

use super::flow::{code_in, fixture};
use super::*;
use crate::reply::{FoundReply, SubjectReply};

const NUMBER: &str = r#"{"phoneNumber":"+39 333 123 4567"}"#;

/// Spellings of that number which people paste.
const SPELLINGS: [&str; 6] = [
    "+39\u{a0}333\u{a0}1234567",
    "\u{2068}+39 333 1234567\u{2069}",
    "+39 333\u{2011}123\u{2011}4567",
    "tel:+39-333-1234567",
    "00 39 (333) 123.4567\n",
    "＋３９３３３１２３４５６７",
];

#[test]
fn codes_are_read_as_people_type_them() {
    let fixture = Fixture::new("");
    let typed: [fn(&str) -> String; 7] = [
        |code| format!("{} {}", &code[..3], &code[3..]),
        |code| format!("{}-{}", &code[..3], &code[3..]),
        |code| format!(" {code}\n"),
        |code| format!("\u{200b}{}\u{a0}{}", &code[..3], &code[3..]),
        |code| code.chars().map(|digit| char::from_u32(digit as u32 - 0x30 + 0x660).unwrap()).collect(),
        |code| code.chars().map(|digit| char::from_u32(digit as u32 - 0x30 + 0x6f0).unwrap()).collect(),
        |code| code.chars().map(|digit| char::from_u32(digit as u32 - 0x30 + 0xff10).unwrap()).collect(),
    ];
    for (round, typed) in typed.iter().enumerate() {
        let token = round.to_string();
        let code = fixture.create(&token, "{}");
        assert_eq!(fixture.verify(&token, &typed(&code)), Outcome::Ok, "{round}");
        assert_eq!(fixture.verify(&token, &typed(&code)), Outcome::Checked, "{round}");
    }
    let code = fixture.create("t", "{}");
    for nothing in ["", " ", "-", " \n\t", "\u{200b}", "–—"] {
        let refused = fixture.service.verify("t", nothing, None).unwrap_err();
        assert_eq!(refused.outcome(), Outcome::Argument, "{nothing:?}");
    }
    let status = fixture.service.status("t").unwrap().status.unwrap();
    assert_eq!(status.attempts_left, 5, "what is nothing does not count");
    assert_eq!(fixture.verify("t", &format!("{code}0")), Outcome::NotValid);
    assert_eq!(fixture.service.status("t").unwrap().status.unwrap().attempts_left, 4);
}

#[test]
fn every_spelling_of_a_number_is_one_recipient() {
    let fixture = Fixture::new(r#","policy":{"cooldownSeconds":0,"sendLimits":[{"count":6,"minutes":10}]}"#);
    for (round, spelling) in SPELLINGS.iter().enumerate() {
        let request = json!({ "phoneNumber": spelling }).to_string();
        let reply = fixture.service.create(&round.to_string(), Some(&request)).unwrap();
        assert_eq!(reply.outcome, Outcome::Ok);
        assert_eq!(reply.message.unwrap().to.as_str(), "393331234567");
    }
    assert_eq!(fixture.service.create("more", Some(NUMBER)).unwrap().outcome, Outcome::RateLimited);
    for (text, cause) in [
        ("+44 07911 123456", "phoneNumber: must be a phone number without a 0 after its calling code"),
        ("+44 ( 0 ) 7911 123456", "phoneNumber: must be a phone number without a 0 after its calling code"),
        ("3331234567", "phoneNumber: must be a phone number with its calling code"),
    ] {
        let request = json!({ "phoneNumber": text }).to_string();
        let refused = fixture.service.create("t", Some(&request)).err().unwrap();
        assert_eq!((refused.outcome(), refused.detail()), (Outcome::Argument, cause), "{text}");
    }
}

#[test]
fn national_numbers_are_read_with_the_default_country() {
    let to = |country: &str, number: &str| {
        let fixture = Fixture::new(&format!(r#","defaultCountry":"{country}""#));
        let request = json!({ "phoneNumber": number }).to_string();
        fixture.service.create("t", Some(&request)).map(|reply| reply.message.unwrap().to.to_string())
    };
    assert_eq!(to("39", "333 123 4567").unwrap(), "393331234567");
    assert_eq!(to("44", "07911 123456").unwrap(), "447911123456");
    let fixture = Fixture::new(r#","defaultCountry":"39""#);
    let _ = fixture.create("t", NUMBER);
    assert!(fixture.service.erase("333 123 4567").unwrap().found, "erase reads them as well");
    let refused = to("49", "15123456789").unwrap_err();
    assert_eq!(refused.detail(), "phoneNumber: may mean two phone numbers: must begin with + and the calling code");
}

#[test]
fn erase_and_unlock_find_every_spelling_and_tell_what_they_found() {
    for spelling in SPELLINGS {
        let fixture =
            Fixture::new(r#","policy":{"subjectFailures":{"lockAfter":2,"lockMinutes":30,"disableAfter":3}}"#);
        let code = fixture.create("t", NUMBER);
        let wrong = Fixture::wrong(&code);
        assert_eq!([fixture.verify("t", &wrong), fixture.verify("t", &wrong)], [Outcome::NotValid; 2]);
        assert_eq!(fixture.verify("t", &code), Outcome::Locked);
        let subject = fixture.service.subject(spelling).unwrap();
        assert_eq!((subject.failures, subject.locked), (2, Some(Locked::Subject)), "{spelling:?}");
        assert_eq!(subject.retry_after_seconds, Some(1800));
        assert_eq!(fixture.service.unlock(spelling).unwrap(), FoundReply { found: true }, "{spelling:?}");
        assert_eq!(fixture.service.unlock(spelling).unwrap(), FoundReply { found: false }, "{spelling:?}");
        let open = SubjectReply { failures: 0, locked: None, retry_after_seconds: None };
        assert_eq!(fixture.service.subject(spelling).unwrap(), open);
        assert_eq!(fixture.service.erase(spelling).unwrap(), FoundReply { found: true }, "{spelling:?}");
        assert_eq!(fixture.service.erase(spelling).unwrap(), FoundReply { found: false }, "{spelling:?}");
        assert_eq!(fixture.verify("t", &code), Outcome::NotValid);
    }
}

#[test]
fn a_disabled_subject_is_told_and_unlocked() {
    let fixture = Fixture::new(r#","policy":{"subjectFailures":{"lockAfter":100,"lockMinutes":30,"disableAfter":2}}"#);
    let code = fixture.create("t", r#"{"subject":"alice"}"#);
    let wrong = Fixture::wrong(&code);
    let _ = (fixture.verify("t", &wrong), fixture.verify("t", &wrong));
    let disabled = SubjectReply { failures: 2, locked: Some(Locked::Disabled), retry_after_seconds: None };
    assert_eq!(fixture.service.subject("alice").unwrap(), disabled);
    assert!(fixture.service.unlock("alice").unwrap().found);
    assert_eq!(fixture.verify("t", &code), Outcome::Ok);
}

#[test]
fn a_text_that_can_be_nothing_known_is_refused() {
    let fixture = Fixture::new("");
    for text in ["", "+39 12", "+", "tel:1", "\u{2068}+39\u{2069}", "+1234567890123456", "+39 333 123", "alice\n"] {
        for refused in [
            fixture.service.erase(text).map(|_| ()),
            fixture.service.unlock(text).map(|_| ()),
            fixture.service.subject(text).map(|_| ()),
        ] {
            assert_eq!(refused.unwrap_err().outcome(), Outcome::Argument, "{text:?}");
        }
    }
    assert!(!fixture.service.erase("8192836451").unwrap().found);
    assert!(!fixture.service.unlock("somebody").unwrap().found);
    // What is there is found, whatever its name looks like.
    let code = fixture.create("+39 12", "{}");
    assert_eq!(fixture.verify("+39 12", &Fixture::wrong(&code)), Outcome::NotValid);
    assert_eq!(fixture.service.subject("+39 12").unwrap().failures, 1);
    assert!(fixture.service.unlock("+39 12").unwrap().found);
}

/// An earlier version kept numbers that are no recipient any more.
#[test]
fn erase_finds_a_number_as_an_earlier_version_kept_it() {
    let fixture = Fixture::new(r#","workflow":[{"channel":"messenger"}]"#);
    let code = fixture.create("t", r#"{"messengerId":"4407911123456"}"#);
    assert!(fixture.service.erase("4407911123456").unwrap().found);
    assert_eq!(fixture.verify("t", &code), Outcome::NotValid);
    let earlier = fixture.service.core.recipients("+44 07911 123456");
    assert!(earlier.contains(&fixture.service.core.recipient(&crate::channel::AddressKind::Phone, "4407911123456")));
}

#[test]
fn send_it_by_sms_instead() {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    let code = code_in(&carrier.seen()[0]).to_owned();
    assert_eq!(fixture.service.resend_channel("t", "sms").unwrap().outcome, Outcome::Ok);
    assert_eq!(carrier.channels(), ["messenger", "sms"]);
    assert_eq!(code_in(&carrier.seen()[1]), code);
    let steps = fixture.service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
    let steps: Vec<_> = steps.iter().map(|step| (step.channel.as_str(), step.status)).collect();
    use crate::reply::DeliveryState::{Accepted, Skipped};
    assert_eq!(steps, [("messenger", Skipped), ("sms", Accepted)]);
    assert_eq!(fixture.later(200_000).due(), (0, None), "nothing follows the SMS");
    assert_eq!(fixture.service.resend_channel("t", "messenger").unwrap().outcome, Outcome::Ok);
    assert_eq!(fixture.later(50_000).due().0, 0);
    for (token, channel) in [("t", "pigeon"), ("t", ""), ("none", "pigeon")] {
        let refused = fixture.service.resend_channel(token, channel).err().unwrap();
        assert_eq!(refused.outcome(), Outcome::Argument, "{token} {channel}");
    }
    assert_eq!(fixture.service.resend_channel("none", "sms").unwrap().outcome, Outcome::Unknown);
    assert_eq!(fixture.verify("t", &code), Outcome::Ok);
    assert_eq!(fixture.service.resend_channel("t", "sms").unwrap().outcome, Outcome::Checked);
}

#[test]
fn a_channel_without_address_is_refused_and_counts_nothing() {
    let options = r#","policy":{"cooldownSeconds":0,"sendLimits":[{"count":2,"minutes":10}]}"#;
    let fixture = Fixture::new(options);
    let _ = fixture.create("t", r#"{"messengerId":"8192836451"}"#);
    for _ in 0..3 {
        assert_eq!(fixture.service.resend_channel("t", "sms").err().unwrap().outcome(), Outcome::Argument);
    }
    assert_eq!(fixture.service.resend_channel("t", "messenger").unwrap().outcome, Outcome::Ok);
    assert_eq!(fixture.service.resend_channel("t", "messenger").unwrap().outcome, Outcome::RateLimited);
}

#[test]
fn a_create_may_name_its_channels() {
    let (fixture, carrier) = fixture("messages");
    let only = |channels: &str| {
        format!(r#"{{"messengerId":"8192836451","phoneNumber":"393331234567","channels":{channels}}}"#)
    };
    assert_eq!(fixture.service.create("t", Some(&only(r#"["sms"]"#))).unwrap().outcome, Outcome::Ok);
    assert_eq!(carrier.channels(), ["sms"]);
    assert_eq!(fixture.service.resend("t").unwrap().outcome, Outcome::Ok);
    assert_eq!(carrier.channels(), ["sms"; 2]);
    assert_eq!(fixture.service.resend_channel("t", "messenger").err().unwrap().outcome(), Outcome::Argument);
    assert_eq!(fixture.service.create("u", Some(&only(r#"["messenger"]"#))).unwrap().outcome, Outcome::Ok);
    assert_eq!(fixture.later(120_000).due(), (0, None), "no SMS follows");
    assert_eq!(fixture.service.create("v", Some(&only(r#"["messenger","sms"]"#))).unwrap().outcome, Outcome::Ok);
    assert_eq!(fixture.later(120_000).due().0, 1);
    for (channels, cause) in [
        ("[]", "channels: must have 1 to 5 items"),
        (r#"["pigeon"]"#, "channels[0]: must be the channel of a step of the workflow"),
        (r#""sms""#, "channels: must be a list"),
    ] {
        assert_eq!(fixture.service.create("w", Some(&only(channels))).err().unwrap().detail(), cause);
    }
    let refused = fixture.service.create("w", Some(r#"{"messengerId":"1","channels":["sms"]}"#)).err().unwrap();
    assert_eq!(refused.detail(), "request: has no address for any step of the workflow that it may use");
}

/// With sender `none` the first step that may be used is handed over.
#[test]
fn what_is_handed_over_is_of_the_channel_that_was_asked_for() {
    let fixture = Fixture::new(r#","policy":{"cooldownSeconds":0}"#);
    let reply = fixture.service.create("t", Some(r#"{"channels":["sms"]}"#)).unwrap();
    assert_eq!(reply.message.unwrap().channel, "sms");
    let both = r#"{"messengerId":"8192836451","phoneNumber":"393331234567"}"#;
    assert_eq!(fixture.service.create("u", Some(both)).unwrap().message.unwrap().channel, "messenger");
    assert_eq!(fixture.service.resend_channel("u", "sms").unwrap().message.unwrap().channel, "sms");
}

/// A host that delivers itself says that a message did not leave, and gets the next one.
#[test]
fn a_message_that_did_not_leave_is_followed_by_the_next_and_counts_once() {
    let fixture = Fixture::new(r#","workflow":[{"channel":"messenger"},{"channel":"pigeon"},{"channel":"sms"}]"#);
    let both = r#"{"messengerId":"8192836451","phoneNumber":"393331234567"}"#;
    let first = fixture.service.create("t", Some(both)).unwrap().message.unwrap();
    let next = fixture.service.not_sent("t").unwrap();
    let message = next.message.unwrap();
    assert_eq!((next.outcome, message.channel.as_str(), &message.code), (Outcome::Ok, "sms", &first.code));
    let end = fixture.service.not_sent("t").unwrap();
    assert!(end.outcome == Outcome::Send && end.message.is_none());
    assert_eq!(fixture.service.not_sent("t").err().unwrap().outcome(), Outcome::Argument);
    use crate::reply::DeliveryState::{Failed, Skipped};
    let steps = fixture.service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
    assert_eq!(steps.iter().map(|step| step.status).collect::<Vec<_>>(), [Failed, Skipped, Failed]);
    assert_eq!(fixture.verify("t", &first.code), Outcome::Ok, "it is good until it is cancelled");
    assert_eq!(fixture.service.not_sent("t").unwrap().outcome, Outcome::Checked);
    assert_eq!(fixture.service.not_sent("unknown").unwrap().outcome, Outcome::Unknown);
    let other = Fixture::with(r#"{"type":"console"}"#, "");
    assert_eq!(other.service.not_sent("t").err().unwrap().outcome(), Outcome::Unsupported);
}

/// The first answer again, with the message that is on its way now.
#[test]
fn an_answer_that_is_repeated_has_the_newest_message() {
    let fixture = Fixture::new(r#","policy":{"cooldownSeconds":0}"#);
    let request = r#"{"messengerId":"8192836451","phoneNumber":"393331234567","idempotencyKey":"k"}"#;
    let channel = || fixture.service.create("t", Some(request)).unwrap().message.unwrap().channel;
    assert_eq!([channel(), channel()], ["messenger", "messenger"]);
    assert_eq!(fixture.service.not_sent("t").unwrap().outcome, Outcome::Ok);
    assert_eq!(channel(), "sms");
    assert_eq!(fixture.service.resend_channel("t", "messenger").unwrap().outcome, Outcome::Ok);
    assert_eq!(channel(), "messenger");
}
