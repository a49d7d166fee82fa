//! Senders by name: steps that are timed, counted and reported on, whoever sends them.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::reply::DeliveryState::{Accepted, Delivered, Failed, Read, Skipped, Stopped};
use crate::reply::{DeliveryState, ReportReply};
use crate::sender::{Message, Sent};

const BOTH: &str = r#"{"messengerId":"8192836451","phoneNumber":"393331234567"}"#;

/// A host that delivers all steps, and what it was given.
struct Host {
    fixture: Fixture,
    given: Arc<Mutex<Vec<Message>>>,
    answer: Arc<Mutex<Sent>>,
}

impl Host {
    /// With this workflow; the policy sets no limits unless it is given.
    fn new(workflow: &Value, policy: Option<Value>) -> Self {
        let policy = policy.unwrap_or(json!({"cooldownSeconds": 0, "sendLimits": []}));
        let senders = json!({"one": {"type": "host"}, "other": {"type": "host"}});
        let options = json!({"senders": senders, "workflow": workflow, "policy": policy}).to_string();
        let fixture = Fixture::of(options.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap());
        let host = Self { fixture, given: Arc::default(), answer: Arc::new(Mutex::new(Sent::Sent)) };
        host.listen();
        host
    }

    fn listen(&self) {
        let (given, answer) = (self.given.clone(), self.answer.clone());
        let send = move |message: &Message| {
            given.lock().unwrap().push(message.clone());
            *answer.lock().unwrap()
        };
        self.fixture.service.on_send(Some(Arc::new(send))).unwrap();
    }

    fn create(&self, token: &str) -> CreateReply {
        self.fixture.service.create(token, Some(BOTH)).unwrap()
    }

    fn due(&self) -> u64 {
        self.fixture.service.run_due().unwrap().ran
    }

    /// What was given: senders and channels.
    fn given(&self) -> Vec<(String, String)> {
        self.given.lock().unwrap().iter().map(|it| (it.sender.clone().unwrap(), it.channel.clone())).collect()
    }

    fn newest(&self) -> Message {
        self.given.lock().unwrap().last().unwrap().clone()
    }

    fn steps(&self, token: &str) -> Vec<(String, DeliveryState)> {
        let steps = self.fixture.service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
        steps.into_iter().map(|step| (step.sender.unwrap(), step.status)).collect()
    }

    fn report(&self, report: &Value) -> ReportReply {
        self.fixture.service.report(&report.to_string()).unwrap()
    }
}

fn pairs<T: Clone>(pairs: &[(&str, T)]) -> Vec<(String, T)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

fn verified_first() -> Value {
    json!([{"channel": "messenger", "sender": "one", "conditionStatus": "verified", "expiryTime": 60},
        {"channel": "sms", "sender": "other"}])
}

#[test]
fn a_step_that_nobody_verified_in_time_is_followed_by_the_next_with_the_same_code() {
    let host = Host::new(&verified_first(), None);
    let reply = host.create("t").delivery.unwrap();
    assert_eq!((reply.via, reply.sender.as_deref(), reply.state), ("host", Some("one"), Accepted));
    let first = host.newest();
    host.fixture.later(59_999);
    assert_eq!(host.due(), 0);
    // Whoever read it has not verified it.
    let read = host.report(&json!({"clientRef": first.client_ref, "status": "read"}));
    assert_eq!(read, ReportReply { known: true, state: Some(Read) });
    host.fixture.later(1);
    assert_eq!((host.due(), host.due()), (1, 0));
    assert_eq!(host.given(), texts(&[("one", "messenger"), ("other", "sms")]));
    let second = host.newest();
    assert!(*second.code == *first.code && second.client_ref != first.client_ref && second.token == "t");
    assert_eq!(host.steps("t"), pairs(&[("one", Read), ("other", Accepted)]));
    assert_eq!(host.fixture.verify("t", &first.code), Outcome::Ok);
}

#[test]
fn a_code_that_was_verified_begins_no_further_step() {
    let host = Host::new(&verified_first(), None);
    let _ = host.create("t");
    assert_eq!(host.fixture.verify("t", &host.newest().code), Outcome::Ok);
    host.fixture.later(60_000);
    assert_eq!((host.due(), host.given().len()), (0, 1));
    assert_eq!(host.steps("t"), pairs(&[("one", Accepted), ("other", Stopped)]));
}

#[test]
fn no_later_step_begins_in_the_last_half_minute() {
    let workflow = json!([{"channel": "messenger", "sender": "one", "conditionStatus": "verified", "expiryTime": 271},
        {"channel": "sms", "sender": "other"}]);
    let host = Host::new(&workflow, None);
    let _ = host.create("t");
    host.fixture.later(271_000);
    assert_eq!((host.due(), host.given().len()), (0, 1));
    assert_eq!(host.fixture.verify("t", &host.newest().code), Outcome::Ok);
}

#[test]
fn without_the_host_s_function_a_step_stays_due_and_the_log_hears_of_it_once() {
    let host = Host::new(&verified_first(), None);
    let _ = host.create("t");
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let log = move |_: i32, event: &str| heard.lock().unwrap().push(event.to_owned());
    host.fixture.service.on_log(2, Some(Arc::new(log))).unwrap();
    host.fixture.service.on_send(None).unwrap();
    host.fixture.later(60_000);
    assert_eq!((host.due(), host.due()), (0, 0));
    let events = told.lock().unwrap().clone();
    assert!(events.len() == 1 && events[0].contains("OTP_E_UNSUPPORTED"), "{events:?}");
    assert_eq!(host.fixture.service.create("u", Some(BOTH)).err().unwrap().outcome(), Outcome::Unsupported);
    host.listen();
    assert_eq!((host.due(), host.given().len()), (1, 2));
}

#[test]
fn inside_a_callback_no_step_begins() {
    let host = Host::new(&verified_first(), None);
    let _ = host.create("t");
    host.fixture.later(60_000);
    let service = Arc::new(Service {
        driver: None,
        core: host.fixture.service.core.clone(),
        hooks: host.fixture.service.hooks.clone(),
    });
    let ran = Arc::new(Mutex::new(Vec::new()));
    let (inner, told) = (Arc::downgrade(&service), ran.clone());
    let send = move |_: &Message| {
        told.lock().unwrap().push(inner.upgrade().unwrap().run_due().unwrap().ran);
        Sent::Sent
    };
    service.on_send(Some(Arc::new(send))).unwrap();
    let _ = service.create("u", Some(BOTH)).unwrap();
    assert_eq!(*ran.lock().unwrap(), [0], "the step of t waits");
    assert_eq!(service.run_due().unwrap().ran, 1);
    assert_eq!(*ran.lock().unwrap(), [0, 0]);
}

#[test]
fn a_receipt_of_the_host_moves_the_delivery_and_begins_one_step_at_most() {
    let workflow = json!([{"channel": "messenger", "sender": "one", "conditionStatus": "delivered"},
        {"channel": "sms", "sender": "other"}]);
    let host = Host::new(&workflow, None);
    let _ = host.create("t");
    let first = host.newest().client_ref.unwrap();
    let failed = json!({"clientRef": first, "status": "failed", "error": "no such user 393331234567"});
    assert_eq!(host.report(&failed), ReportReply { known: true, state: Some(Failed) });
    let _ = host.report(&failed);
    assert_eq!(host.given(), texts(&[("one", "messenger"), ("other", "sms")]));
    assert_eq!(host.steps("t"), pairs(&[("one", Failed), ("other", Accepted)]));
    let steps = host.fixture.service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
    assert_eq!(steps[0].error.as_deref(), Some("no such user *"));
    // One that arrived after all.
    let late = host.report(&json!({"clientRef": first, "status": "delivered"}));
    assert_eq!(late.state, Some(Delivered));
    let unknown = host.report(&json!({"clientRef": format!("{first}0"), "status": "read"}));
    assert_eq!(unknown, ReportReply { known: false, state: None });
    let counted = host.fixture.service.metrics().unwrap();
    assert_eq!((counted.reports["failed"], counted.reports["duplicate"], counted.reports["unknown"]), (1, 1, 1));
    assert_eq!((counted.send["one"]["accepted"], counted.send["other"]["accepted"]), (1, 1));
}

#[test]
fn a_message_counts_when_its_step_begins_on_its_own_recipient() {
    let policy = json!({"cooldownSeconds": 30, "sendLimits": [{"count": 2, "minutes": 10}]});
    let host = Host::new(&verified_first(), Some(policy));
    let phone = r#"{"phoneNumber":"393331234567"}"#;
    let send = |token: &str, request: &str| host.fixture.service.create(token, Some(request)).unwrap().outcome;
    assert_eq!(send("t", BOTH), Outcome::Ok);
    // The SMS of it was not sent, and does not count. A cool-down is no matter for a later step.
    assert_eq!(send("u", phone), Outcome::Ok);
    host.fixture.later(60_000);
    assert_eq!(host.due(), 1);
    assert_eq!(send("v", phone), Outcome::RateLimited);
    let _ = host.fixture.service.create("w", Some(BOTH)).unwrap();
    host.fixture.later(60_000);
    assert_eq!(host.due(), 0, "the limit of the phone number is reached");
    assert_eq!(host.steps("w"), pairs(&[("one", Accepted), ("other", Skipped)]));
    assert_eq!(host.fixture.service.status("w").unwrap().status.unwrap().delivery.state, Accepted);
}

#[test]
fn a_limit_may_be_one_channel_s() {
    let policy = json!({"cooldownSeconds": 0, "sendLimits": [{"count": 1, "minutes": 10, "channel": "sms"},
        {"count": 3, "minutes": 10}]});
    let workflow = json!([{"channel": "whatsapp", "sender": "one"}, {"channel": "sms", "sender": "other"}]);
    let host = Host::new(&workflow, Some(policy));
    let send = |token: &str, channel: &str| {
        let request = json!({"phoneNumber": "393331234567", "channels": [channel]}).to_string();
        host.fixture.service.create(token, Some(&request)).unwrap().outcome
    };
    assert_eq!(send("a", "sms"), Outcome::Ok);
    assert_eq!(send("b", "sms"), Outcome::RateLimited);
    assert_eq!((send("c", "whatsapp"), send("d", "whatsapp")), (Outcome::Ok, Outcome::Ok));
    assert_eq!(send("e", "whatsapp"), Outcome::RateLimited, "all three count together");
    let other = host.fixture.service.create("f", Some(r#"{"phoneNumber":"393331234568","channels":["sms"]}"#)).unwrap();
    assert_eq!(other.outcome, Outcome::Ok, "each number counts by itself");
}

#[test]
fn a_step_is_left_to_those_who_have_its_sender() {
    let host = Host::new(&verified_first(), None);
    let _ = host.create("t");
    host.fixture.later(60_000);
    let (core, now) = (host.fixture.service.core.clone(), host.fixture.service.time().unwrap());
    let timers: Vec<_> = core.repository.scan(core.tenant().timers()).flat_map(Result::unwrap).collect();
    let keys: Vec<_> = timers.into_iter().map(|(key, _)| key).collect();
    let ways = host.fixture.service.ways_at_hand();
    let claimed = transact(&*core.repository, DURABLE, {
        let core = core.clone();
        move |transaction| core.look(transaction, &keys, &ways, now)
    });
    assert!(claimed.unwrap().job.is_some(), "its owner dies now");
    drop(core);
    let mut service = host.fixture.service;
    let names: Vec<_> = ["one", "another"].map(|name| Some(name.to_owned())).into();
    let rename = |service: &mut Service, names: &[Option<String>]| {
        let config = &mut Arc::get_mut(&mut service.core).unwrap().config;
        config.senders.iter_mut().zip(names).for_each(|(sender, name)| sender.name = name.clone());
    };
    rename(&mut service, &names);
    host.fixture.clock.fetch_add(11_000, Ordering::Relaxed);
    assert_eq!((service.run_due().unwrap().ran, host.given.lock().unwrap().len()), (0, 1));
    rename(&mut service, &["one", "other"].map(|name| Some(name.to_owned())));
    assert_eq!((service.run_due().unwrap().ran, host.given.lock().unwrap().len()), (1, 2));
}

#[test]
fn what_is_wrong_with_a_sender_names_it() {
    let sender = json!({"type": "messages", "applicationId": "a", "privateKey": "/nowhere/private.key"});
    for (config, option) in [
        (json!({"repository": "memory:", "senders": {"vonage": sender}}), "senders.vonage.privateKey: "),
        (json!({"repository": "memory:", "sender": sender}), "sender.privateKey: "),
    ] {
        let error = Service::open(Some(&config.to_string())).err().unwrap();
        assert!(error.detail().starts_with(option), "{error}");
    }
}

#[test]
fn a_configuration_without_phones_is_not_warned_about_them() {
    let warned = |channel: &str| {
        let config = json!({"repository": "memory:", "sender": {"type": "none"}, "workflow": [{"channel": channel}]});
        let warnings = Service::open(Some(&config.to_string())).unwrap().1;
        warnings.iter().any(|warning| warning.starts_with("policy.countries: "))
    };
    assert_eq!((warned("email"), warned("sms")), (false, true));
}

/// A token is kept for messages that name it, and for nothing else.
#[test]
fn a_later_step_names_its_token_if_it_was_foreseen() {
    for (foreseen, token) in [(true, "t"), (false, "")] {
        let folder = testing::Folder::another("senders-token");
        let given: Arc<Mutex<Vec<Message>>> = Arc::default();
        let open = |channels: &[&str]| {
            let workflow: Vec<_> = channels
                .iter()
                .map(|channel| {
                    json!({"channel": channel,
                "conditionStatus": "verified"})
                })
                .collect();
            let config = json!({"repository": folder.repository("sqlite"), "durability": "process",
                "sender": {"type": "host"}, "workflow": workflow});
            let service = Service::open(Some(&config.to_string())).unwrap().0;
            let given = given.clone();
            let send = move |message: &Message| {
                given.lock().unwrap().push(message.clone());
                Sent::Sent
            };
            service.on_send(Some(Arc::new(send))).unwrap();
            service
        };
        let both = open(&["messenger", "sms"]);
        let first = if foreseen { &both } else { &open(&["messenger"]) };
        assert_eq!(first.create("t", Some(BOTH)).unwrap().outcome, Outcome::Ok);
        let reference = given.lock().unwrap()[0].client_ref.clone();
        let report = json!({"clientRef": reference, "status": "rejected"});
        assert!(both.report(&report.to_string()).unwrap().known);
        let tokens: Vec<_> = given.lock().unwrap().iter().map(|message| message.token.clone()).collect();
        assert_eq!(tokens, ["t", token], "{foreseen}");
    }
}
