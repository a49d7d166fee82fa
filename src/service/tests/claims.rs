//! Claims: of many that would send a step one does, and what an owner that died had claimed is not lost.

use serde_json::json;

use super::flow::{Carrier, code_in, fixture, fixture_with};
use super::*;
use crate::reply::DeliveryState;
use crate::repository::conformance::ScratchFolder;
use crate::service::plan::Job;

/// How long a claim lasts: the time for a request, and a second.
const CLAIM_MS: i64 = 11_000;

impl Fixture {
    /// Claims the step that is due, as a process does right before it is gone.
    fn claim(&self) -> Job {
        let (core, now) = (self.service.core.clone(), self.now());
        let timers: Vec<_> = core.repository.scan(core.tenant().timers()).flat_map(Result::unwrap).collect();
        let timers: Vec<_> = timers.into_iter().map(|(key, _)| key).collect();
        let ways = self.service.ways_at_hand();
        let look = transact(&*self.service.core.repository, DURABLE, move |transaction| {
            core.look(transaction, &timers, &ways, now)
        });
        *look.unwrap().job.expect("a step that is due")
    }

    /// Goes on with a claimed step, as its owner does.
    fn deliver(&self, job: Job) -> CreateReply {
        self.service.deliver(job, &self.service.ways_at_hand()).unwrap()
    }

    /// The steps of a delivery: channel and status.
    fn steps(&self, token: &str) -> Vec<(String, DeliveryState)> {
        let steps = self.service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
        steps.into_iter().map(|step| (step.channel, step.status)).collect()
    }
}

fn step(channel: &str, status: DeliveryState) -> (String, DeliveryState) {
    (channel.to_owned(), status)
}

/// One of several services on one database.
fn open_on(folder: &ScratchFolder, clock: &Arc<AtomicI64>, url: &str, channels: &[&str]) -> Fixture {
    let workflow: Vec<_> = channels.iter().map(|channel| json!({"channel": channel, "from": "1"})).collect();
    let config = json!({"repository": format!("sqlite:{}/otp.db", folder.path().display()), "workflow": workflow,
        "sender": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": url}});
    let (service, time) = (Service::open(Some(&config.to_string())).unwrap().0, clock.clone());
    service.on_clock(Some(Arc::new(move || time.load(Ordering::Relaxed)))).unwrap();
    Fixture { service, clock: clock.clone() }
}

/// A message that nobody read, and whose SMS a process claimed.
fn claimed() -> (Fixture, Carrier, Job) {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    fixture.later(120_000);
    let job = fixture.claim();
    (fixture, carrier, job)
}

#[test]
fn what_a_dead_owner_claimed_is_sent_once_its_claim_ends() {
    let (fixture, carrier, _) = claimed();
    let sending = [step("messenger", DeliveryState::Accepted), step("sms", DeliveryState::Sending)];
    assert_eq!(fixture.steps("t"), sending);
    assert_eq!(fixture.later(CLAIM_MS - 1).due(), (0, Some(1)));
    assert_eq!(carrier.channels(), ["messenger"]);
    assert_eq!(fixture.later(1).due(), (1, None));
    assert_eq!(fixture.later(CLAIM_MS).due(), (0, None));
    assert_eq!(carrier.channels(), ["messenger", "sms"]);
    assert_eq!(fixture.steps("t")[1], step("sms", DeliveryState::Accepted));
}

#[test]
fn an_owner_that_comes_back_too_late_sends_nothing() {
    let (fixture, carrier, job) = claimed();
    assert_eq!(fixture.later(CLAIM_MS).due(), (1, None));
    let steps = fixture.service.status("t");
    assert_eq!(fixture.deliver(job).outcome, Outcome::Cancelled);
    assert_eq!((carrier.channels(), fixture.service.status("t")), (vec!["messenger".into(), "sms".into()], steps));
}

/// It finds out only when it fails, with the step in another process's hands.
#[test]
fn an_owner_that_comes_back_too_late_stores_nothing() {
    let (fixture, carrier, mut late) = claimed();
    fixture.later(CLAIM_MS);
    let owner = fixture.claim();
    // Its request is refused before it would be asked whether the message may leave.
    late.record.delivery.claimed = false;
    carrier.order(&[422]);
    assert_eq!(fixture.deliver(late).outcome, Outcome::Cancelled);
    assert_eq!(fixture.steps("t")[1], step("sms", DeliveryState::Sending));
    assert_eq!(fixture.deliver(owner).outcome, Outcome::Ok);
    assert_eq!(fixture.steps("t")[1], step("sms", DeliveryState::Accepted));
}

#[test]
fn an_owner_that_comes_back_too_late_begins_nothing() {
    let later = json!({"channel": "sms", "from": "NEXMO", "conditionStatus": "delivered"});
    let first = json!({"channel": "messenger", "from": "1923256201470000"});
    let (fixture, carrier) = fixture_with("messages", &json!([first, later, later]));
    let _ = fixture.send("t");
    let mut late = fixture.later(120_000).claim();
    assert_eq!(fixture.later(CLAIM_MS).due().0, 1);
    let _ = fixture.report(&carrier.seen()[1], "submitted");
    late.record.delivery.claimed = false;
    carrier.order(&[422]);
    let _ = fixture.deliver(late);
    assert_eq!(carrier.channels(), ["messenger", "sms", "sms"], "the last is the late one, which was refused");
    assert_eq!(fixture.steps("t")[1..], [step("sms", DeliveryState::Submitted)]);
}

/// A new version of the host comes with another workflow while an old one's claim stands.
#[test]
fn a_claimed_step_that_is_no_longer_configured_is_called_off() {
    let ((_, carrier), folder) = (fixture("messages"), ScratchFolder::new("workflows"));
    let clock = Arc::new(AtomicI64::new(T0));
    let open = |channels: &[&str]| open_on(&folder, &clock, &carrier.url(), channels);
    let (old, new) = (open(&["messenger", "sms"]), open(&["messenger", "whatsapp", "sms"]));
    let _ = old.send("t");
    let _ = old.later(120_000).claim();
    assert_eq!(new.later(CLAIM_MS).due().0, 1);
    assert_eq!(carrier.channels(), ["messenger", "sms"]);
    let expected = [step("sms", DeliveryState::Stopped), step("sms", DeliveryState::Accepted)];
    assert_eq!(new.steps("t")[1..], expected);
}

#[test]
fn what_ended_while_it_was_claimed_is_called_off() {
    for end in ["verify", "cancel", "expire", "lock"] {
        let (fixture, carrier, job) = claimed();
        let code = code_in(&carrier.seen()[0]).to_owned();
        match end {
            "verify" => assert_eq!(fixture.verify("t", &code), Outcome::Ok),
            "cancel" => assert_eq!(fixture.service.cancel("t").unwrap().outcome, Outcome::Ok),
            "expire" => drop(fixture.later(600_000)),
            _ => (0..5).for_each(|_| assert_eq!(fixture.verify("t", &Fixture::wrong(&code)), Outcome::NotValid)),
        }
        assert_eq!(fixture.deliver(job).outcome, Outcome::Cancelled, "{end}");
        assert_eq!(fixture.later(CLAIM_MS).due(), (0, None), "{end}");
        assert_eq!(carrier.channels(), ["messenger"], "{end}");
        assert_eq!(fixture.steps("t")[1], step("sms", DeliveryState::Stopped), "{end}");
    }
}

#[test]
fn what_was_read_while_its_sms_was_claimed_needs_none() {
    for is_taken_over in [false, true] {
        let (fixture, carrier, job) = claimed();
        let message = carrier.seen()[0].clone();
        let _ = fixture.report(&message, "read");
        if is_taken_over {
            assert_eq!(fixture.later(CLAIM_MS).due(), (0, None));
        }
        assert_eq!(fixture.deliver(job).outcome, Outcome::Cancelled);
        assert_eq!(carrier.channels(), ["messenger"]);
        assert_eq!(fixture.steps("t"), [step("messenger", DeliveryState::Read), step("sms", DeliveryState::Stopped)]);
    }
}

/// The message of a claimed step never left: that is a failure like any other, and ends the claim.
#[test]
fn a_claim_ends_where_the_carrier_is_not_reached() {
    let ((_, carrier), folder) = (fixture("messages"), ScratchFolder::new("unreachable"));
    let clock = Arc::new(AtomicI64::new(T0));
    // Nobody listens on this port.
    let open = |url: &str| open_on(&folder, &clock, url, &["messenger", "sms"]);
    let (near, far) = (open(&carrier.url()), open("http://127.0.0.1:1"));
    let _ = near.send("t");
    assert_eq!(far.later(120_000).due().0, 1);
    assert_eq!(far.due(), (0, None));
    let failed = [step("messenger", DeliveryState::Accepted), step("sms", DeliveryState::Failed)];
    assert_eq!(far.steps("t"), failed);
    assert_eq!((near.later(CLAIM_MS).due(), near.steps("t")), ((0, None), failed.into()));
    assert_eq!(carrier.channels(), ["messenger"]);
}

#[test]
fn a_claim_ends_with_what_came_of_it() {
    let (fixture, carrier, _) = claimed();
    fixture.later(CLAIM_MS);
    carrier.order(&[422]);
    assert_eq!(fixture.due(), (1, None));
    assert_eq!(fixture.steps("t")[1], step("sms", DeliveryState::Failed));
    carrier.order(&[500]);
    let _ = fixture.send("u");
    let message = carrier.seen().last().unwrap().clone();
    let _ = fixture.report(&message, "rejected");
    assert_eq!(fixture.steps("u"), [step("messenger", DeliveryState::Rejected), step("sms", DeliveryState::Accepted)]);
    assert_eq!(fixture.later(CLAIM_MS).due(), (0, None));
}

#[test]
fn a_step_without_an_address_is_skipped_and_one_not_needed_is_stopped() {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.service.create("t", Some(r#"{"phoneNumber":"393331234567"}"#)).unwrap();
    let passed_over = [step("messenger", DeliveryState::Skipped), step("sms", DeliveryState::Accepted)];
    assert_eq!((carrier.channels(), fixture.steps("t")), (vec!["sms".into()], passed_over.into()));
    let _ = fixture.send("u");
    assert_eq!(fixture.steps("u"), [step("messenger", DeliveryState::Accepted)]);
    let message = carrier.seen().last().unwrap().clone();
    let _ = fixture.report(&message, "read");
    assert_eq!(fixture.steps("u"), [step("messenger", DeliveryState::Read), step("sms", DeliveryState::Stopped)]);
    let _ = fixture.send("v");
    assert_eq!(fixture.verify("v", code_in(carrier.seen().last().unwrap())), Outcome::Ok);
    assert_eq!(fixture.steps("v"), [step("messenger", DeliveryState::Accepted), step("sms", DeliveryState::Stopped)]);
}
