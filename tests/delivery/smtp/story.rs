//! The tutorial's story over three carriers, the last of them mail; and what came of mails that failed.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::SeqCst;

use otp::{DeliveryState, Outcome, Service};
use serde_json::json;
use simulator::smtp::{Act, MailFault, Stage};
use testing::carrier::{Carrier, code_in};

use super::{open_inbox, sender, take_one};
use crate::http::server::Server;
use crate::{EXPIRY_MS, T0, open};

const REQUEST: &str = r#"{"messengerId": "8192836451", "phoneNumber": "393331234567", "email": "Mario@B.example"}"#;

/// The steps of a delivery: sender, channel and state.
fn steps(service: &Service, token: &str) -> Vec<(String, String, DeliveryState)> {
    let steps = service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
    steps.into_iter().map(|step| (step.sender.unwrap_or_default(), step.channel, step.status)).collect()
}

#[test]
fn one_message_each_over_three_carriers() {
    let clock = Arc::new(AtomicI64::new(T0));
    let (carrier, second, inbox) = (Carrier::start(), Server::start(), open_inbox());
    let config = json!({"repository": "memory:", "policy": {"cooldownSeconds": 0, "sendLimits": []}, "brand": "ACME",
        "senders": {
            "vonage": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()},
            "sms": {"type": "http", "url": second.url("/send"), "form": {"to": "{to}", "text": "{text}"}, "refused": [400]},
            "mail": sender(&inbox)},
        "workflow": [
            {"channel": "messenger", "sender": "vonage", "from": "1923256201470000", "expiryTime": 120, "conditionStatus": "read"},
            {"channel": "sms", "sender": "sms"},
            {"channel": "email", "sender": "mail", "from": "ACME <codes@acme.example>", "conditionStatus": "verified"}]});
    let service = open(&config.to_string(), &clock);
    second.answers(&[(400, "{}")]);
    assert_eq!(service.create("t", Some(REQUEST)).unwrap().outcome, Outcome::Ok);
    clock.fetch_add(EXPIRY_MS - 1, SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 0);
    assert_eq!((second.take().len(), inbox.messages().len()), (0, 0));
    clock.fetch_add(1, SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 1);
    let told = |sender: &str, channel: &str, state| (sender.to_owned(), channel.to_owned(), state);
    let expected = [
        told("vonage", "messenger", DeliveryState::Accepted),
        told("sms", "sms", DeliveryState::Failed),
        told("mail", "email", DeliveryState::Accepted),
    ];
    assert_eq!(steps(&service, "t"), expected);
    let mail = take_one(&inbox);
    let code = code_in(&carrier.seen()[0]).to_owned();
    assert_eq!((mail.subject.as_str(), mail.text), ("ACME: your code", format!("Insert the following code: {code}")));
    assert_eq!((&*mail.envelope.from, &*mail.envelope.to), ("codes@acme.example", "Mario@B.example"));
    assert_eq!((carrier.count(), second.take().len()), (1, 1));

    // A bounce names the mail by its Message-ID.
    let id = mail.headers.iter().find(|(name, _)| name == "message-id").unwrap().1.trim_matches(['<', '>']).to_owned();
    let bounce = json!({"sender": "mail", "messageId": id, "status": "undeliverable"}).to_string();
    assert_eq!(service.report(&bounce).unwrap().state, Some(DeliveryState::Undeliverable));
    assert_eq!(service.verify("t", &code, None).unwrap().outcome, Outcome::Ok);
    clock.fetch_add(10 * EXPIRY_MS, SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 0);
    assert_eq!((carrier.count(), second.take().len(), inbox.messages().len()), (1, 0, 0));
}

/// Each sender has its own time: whoever uses it up takes none from those that are there to replace it.
#[test]
fn a_sender_that_hangs_is_replaced_in_the_same_call() {
    let (second, inbox) = (Server::start(), open_inbox());
    inbox.faults([Some(MailFault::new(Stage::Greeting, Act::Silence))]);
    let mut mail = sender(&inbox);
    mail["timeoutSeconds"] = json!(1);
    let sms = json!({"type": "http", "url": second.url("/"), "form": {"text": "{text}"}, "timeoutSeconds": 1});
    let config = json!({"repository": "memory:", "senders": {"mail": mail, "sms": sms},
        "workflow": [{"channel": "email", "sender": "mail", "from": "codes@acme.example"}, {"channel": "sms", "sender": "sms"}]});
    let service = open(&config.to_string(), &Arc::new(AtomicI64::new(T0)));
    assert_eq!(service.create("t", Some(REQUEST)).unwrap().outcome, Outcome::Ok);
    assert_eq!((second.take().len(), inbox.messages().len()), (1, 0));
}

/// Of one sender all steps share one time. What that leaves nothing for is left to the next call, and not forgotten.
#[test]
fn a_step_for_which_no_time_was_left_begins_in_the_next_call() {
    let inbox = open_inbox();
    let fault = |stage, act| Some(MailFault::new(stage, act));
    inbox.faults([fault(Stage::Reset, Act::Close), fault(Stage::Greeting, Act::Silence)]);
    let mut mail = sender(&inbox);
    mail["timeoutSeconds"] = json!(1);
    let step = json!({"channel": "email", "from": "codes@acme.example"});
    let mut first = step.clone();
    (first["conditionStatus"], first["expiryTime"]) = (json!("verified"), json!(120));
    let config = json!({"repository": "memory:", "sender": mail, "workflow": [first, step.clone(), step],
        "policy": {"cooldownSeconds": 0, "sendLimits": []}});
    let clock = Arc::new(AtomicI64::new(T0));
    let service = open(&config.to_string(), &clock);
    let states = || steps(&service, "t").into_iter().map(|(_, _, state)| state).collect::<Vec<_>>();
    assert_eq!(service.create("t", Some(REQUEST)).unwrap().outcome, Outcome::Ok);
    clock.fetch_add(EXPIRY_MS, SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 1);
    assert_eq!(states(), [DeliveryState::Accepted, DeliveryState::Failed]);
    // The first of these ends the round that the failure broke off.
    let ran: u64 = (0..2).map(|_| service.run_due().unwrap().ran).sum();
    assert_eq!(ran, 1);
    assert_eq!(states(), [DeliveryState::Accepted, DeliveryState::Failed, DeliveryState::Accepted]);
    assert_eq!(inbox.messages().len(), 2);
}

#[test]
fn what_an_inbox_says_decides() {
    for (fault, outcome, message, arrived) in [
        (MailFault::reply(Stage::Recipient, "550 5.1.1 <Mario@B.example> unknown"), Outcome::Refused, "550 5.1.1", 0),
        (MailFault::reply(Stage::Dot, "554 5.7.1 spam"), Outcome::Send, "554 5.7.1", 1),
        (MailFault::reply(Stage::Recipient, "550 5.7.1 relaying denied"), Outcome::Send, "550 5.7.1", 0),
        (MailFault::new(Stage::Dot, Act::Close), Outcome::InDoubt, "final dot", 1),
    ] {
        let inbox = open_inbox();
        inbox.faults([Some(fault)]);
        let steps = json!([{"channel": "email", "from": "codes@acme.example"}]);
        let config = json!({"repository": "memory:", "sender": sender(&inbox), "workflow": steps});
        let service = open(&config.to_string(), &Arc::new(AtomicI64::new(T0)));
        let reply = service.create("t", Some(REQUEST)).unwrap();
        let failure = reply.failure.unwrap();
        assert_eq!(reply.outcome, outcome, "{failure:?}");
        assert!(failure.detail.contains(message) && failure.http_status.is_none(), "{failure:?}");
        assert!(!format!("{failure:?}").contains("Mario"), "{failure:?}");
        assert_eq!(inbox.messages().len(), arrived);
        // A code that may have arrived is good; one that certainly has not is given up.
        let resent = service.resend("t").unwrap().outcome;
        assert_eq!(resent, if outcome == Outcome::InDoubt { Outcome::RateLimited } else { Outcome::Cancelled });
        if outcome == Outcome::InDoubt {
            // A bounce tells that it did arrive somewhere.
            let mail = take_one(&inbox);
            let id = mail.header("message-id").unwrap().trim_matches(['<', '>']);
            let bounce = json!({"sender": "smtp", "messageId": id, "status": "undeliverable"}).to_string();
            assert!(service.report(&bounce).unwrap().known);
        }
    }
}

/// A mailbox has many spellings, and one counter, also among letters outside ASCII.
#[test]
fn spellings_of_a_mailbox_are_one_recipient() {
    let inbox = open_inbox();
    let config = json!({"repository": "memory:", "sender": sender(&inbox), "ownCodes": true,
        "workflow": [{"channel": "email", "from": "codes@acme.example"}],
        "policy": {"cooldownSeconds": 0, "sendLimits": [{"count": 4, "minutes": 60}]}});
    let service = open(&config.to_string(), &Arc::new(AtomicI64::new(T0)));
    let create = |token: &str, to: &str| {
        service.create(token, Some(&json!({"email": to, "code": "123456"}).to_string())).unwrap().outcome
    };
    let spellings = [
        "Jos\u{e9}@B\u{fc}cher.example",
        "jose\u{301}@bu\u{308}cher.example",
        "JOS\u{c9}@xn--bcher-kva.example",
        "jos\u{e9}@XN--BCHER-KVA.example",
        "jos\u{e9}@b\u{fc}cher.example",
    ];
    for (place, to) in spellings.into_iter().enumerate() {
        let expected = if place == 4 { Outcome::RateLimited } else { Outcome::Ok };
        assert_eq!(create(&format!("token {place}"), to), expected, "{to}");
    }
    let to: Vec<_> = inbox.take().into_iter().map(|mail| mail.envelope.to).collect();
    let sent = [
        "Jos\u{e9}@xn--bcher-kva.example",
        "jose\u{301}@xn--bcher-kva.example",
        "JOS\u{c9}@xn--bcher-kva.example",
        "jos\u{e9}@XN--BCHER-KVA.example",
    ];
    assert_eq!(to, sent, "each is sent to as given");
    assert_eq!(service.verify("token 0", "000000", None).unwrap().outcome, Outcome::NotValid);
    assert_eq!(service.verify("token 1", "000000", None).unwrap().outcome, Outcome::NotValid);
    assert_eq!(service.subject(spellings[4]).unwrap().failures, 2, "the address is the subject");
    assert!(service.unlock(spellings[2]).unwrap().found);
    assert_eq!(service.subject(spellings[0]).unwrap().failures, 0);
    assert!(service.erase(spellings[3]).unwrap().found);
    assert_eq!(service.status("token 2").unwrap().outcome, Outcome::Unknown);
    assert!(!service.erase(spellings[3]).unwrap().found);
}

#[test]
fn a_host_gets_the_subject_where_a_step_has_one() {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    for (subject, expected) in [(Some("{code} is yours, {name}"), true), (None, false)] {
        let mut step = json!({"channel": "email"});
        if let Some(subject) = subject {
            step["subject"] = json!(subject);
        }
        let config = json!({"repository": "memory:", "sender": {"type": "host"}, "ownCodes": true, "workflow": [step]});
        let service = open(&config.to_string(), &Arc::new(AtomicI64::new(T0)));
        let hears = heard.clone();
        let send = move |message: &otp::sender::Message| {
            hears.lock().unwrap().push(message.subject.as_ref().map(|subject| subject.to_string()));
            otp::sender::Sent::Sent
        };
        service.on_send(Some(Arc::new(send))).unwrap();
        let request = r#"{"email": "a@b.example", "code": "123456", "params": {"name": "Mario"}}"#;
        assert_eq!(service.create("t", Some(request)).unwrap().outcome, Outcome::Ok);
        let told = heard.lock().unwrap().pop().unwrap();
        assert_eq!(told.as_deref(), expected.then_some("123456 is yours, Mario"));
        if expected {
            let error = service.create("u", Some(r#"{"email": "c@d.example"}"#)).err().unwrap();
            assert_eq!(error.detail(), "params: subject for email: no value for {name}");
        }
    }
}
