//! Webhooks as the carrier may send them: late, in any order, several times, again after a refusal, unsigned.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use otp::{DeliveryState, Outcome, Service};
use serde_json::json;

use super::{BOTH, EXPIRY_MS, MESSENGER_ID, PATIENCE, QUIET, Stage, T0, open, states};
use testing::carrier::simulator::{Habit, Webhook};
use testing::carrier::{Carrier, report, uuid};
use testing::{self, Folder, Random, Watchdog};

const BOTH_READ_AND_DELIVERED: [(&str, DeliveryState); 2] =
    [("messenger", DeliveryState::Read), ("sms", DeliveryState::Delivered)];

const READ: [(&str, DeliveryState); 2] = [("messenger", DeliveryState::Read), ("sms", DeliveryState::Stopped)];

/// In any order, each up to three times, by the same signature.
fn disorder(webhooks: &mut Vec<Webhook>, random: &mut Random) {
    let copies: Vec<_> = webhooks.iter().flat_map(|webhook| vec![webhook.clone(); random.below(3)]).collect();
    webhooks.extend(copies);
    for end in (1..webhooks.len()).rev() {
        webhooks.swap(end, random.below(end + 1));
    }
}

#[test]
fn late_disordered_and_repeated_webhooks_come_to_the_same() {
    let mut random = Random::from_environment();
    for round in 0..testing::size(20, 500) {
        let stage = Stage::new("messages");
        stage.carrier.hold();
        stage.create("t");
        assert_eq!(stage.carrier.wait_held(2, PATIENCE), 2);
        assert_eq!(stage.later(EXPIRY_MS).run_due(), (1, None));
        assert_eq!(stage.carrier.wait_held(4, PATIENCE), 4);
        assert_eq!(stage.carrier.read_now(MESSENGER_ID), 1);
        let mut count = 0;
        let answers = stage.carrier.release(|webhooks| {
            assert_eq!(webhooks.len(), 5);
            disorder(webhooks, &mut random);
            count = webhooks.len();
        });
        assert_eq!(answers, vec![200; count], "round {round}");
        assert!(stage.host.heard().iter().all(|heard| heard.known == Some(true)), "round {round}");
        assert_eq!(stage.steps("t"), states(&BOTH_READ_AND_DELIVERED), "round {round}");
        stage.later(10 * EXPIRY_MS);
        assert_eq!(stage.run_due(), (0, None), "round {round}");
        assert_eq!(stage.carrier.channels(), ["messenger", "sms"], "round {round}");
    }
}

/// Before the deadline: whatever comes before or after `read`, or twice, no SMS.
#[test]
fn a_read_among_disordered_webhooks_is_heard() {
    let mut random = Random::from_environment();
    for round in 0..testing::size(20, 500) {
        let stage = Stage::new("messages");
        stage.carrier.hold();
        stage.carrier.habit(MESSENGER_ID, Habit::Reads { after_seconds: 0 });
        stage.create("t");
        assert_eq!(stage.carrier.wait_held(3, PATIENCE), 3);
        stage.later(EXPIRY_MS - 1);
        stage.carrier.release(|webhooks| disorder(webhooks, &mut random));
        assert_eq!(stage.later(1).run_due(), (0, None), "round {round}");
        assert_eq!(stage.steps("t"), states(&READ), "round {round}");
        assert_eq!(stage.carrier.channels(), ["messenger"], "round {round}");
    }
}

/// It begins the next step, once, and none after that.
#[test]
fn a_rejection_that_comes_many_times_begins_one_step() {
    let workflow = json!([
        {"channel": "messenger", "from": "1923256201470000"},
        {"channel": "whatsapp", "from": "447700900000", "conditionStatus": "delivered"},
        {"channel": "sms"}]);
    let stage = Stage::with("messages", json!({"repository": "memory:", "workflow": workflow}));
    stage.carrier.hold();
    stage.carrier.habit(MESSENGER_ID, Habit::Rejects { code: 1340 });
    stage.create("t");
    assert_eq!(stage.carrier.wait_held(2, PATIENCE), 2);
    // From here on those of the next message are posted at once.
    let answers = stage.carrier.release(|webhooks| {
        let rejected = webhooks[1].clone();
        *webhooks = vec![rejected; 10];
    });
    assert_eq!(answers, [200; 10]);
    stage.host.wait(12);
    let (rejected, delivered) = (DeliveryState::Rejected, DeliveryState::Delivered);
    let steps = [("messenger", rejected), ("whatsapp", delivered), ("sms", DeliveryState::Stopped)];
    assert_eq!(stage.steps("t"), states(&steps));
    stage.assert_no_more(&["messenger", "whatsapp"]);
}

/// Of a delivery that another create replaced: nothing waits for it.
#[test]
fn webhooks_of_an_older_delivery_change_nothing() {
    let stage = Stage::new("messages");
    stage.carrier.hold();
    stage.carrier.habit(MESSENGER_ID, Habit::Rejects { code: 1340 });
    stage.create("t");
    assert_eq!(stage.carrier.wait_held(2, PATIENCE), 2);
    stage.carrier.habit(MESSENGER_ID, Habit::Receives);
    stage.later(60_000).create("t");
    assert_eq!(stage.carrier.wait_held(4, PATIENCE), 4);
    let answers = stage.carrier.release(|webhooks| webhooks.truncate(2));
    assert_eq!(answers, [200; 2]);
    assert_eq!(stage.steps("t"), states(&[("messenger", DeliveryState::Accepted)]));
    assert_eq!(stage.later(EXPIRY_MS - 1).run_due(), (0, Some(1)));
    assert_eq!(stage.later(1).run_due(), (1, None), "the newer one's time");
    assert_eq!(stage.carrier.channels(), ["messenger", "messenger", "sms"]);
}

/// The carrier waits 5 s after the first refusal, and twice as long after each further one.
#[test]
fn a_webhook_that_was_refused_comes_again_and_has_its_effect() {
    let stage = Stage::new("messages");
    stage.carrier.habit(MESSENGER_ID, Habit::Rejects { code: 1340 });
    // Of `submitted` and `rejected`, each three times.
    stage.host.refuse(6);
    stage.create("t");
    stage.host.wait(2);
    for (count, pause_ms) in [(4, 5_000), (6, 10_000)] {
        stage.later(pause_ms - 1);
        std::thread::sleep(QUIET);
        assert_eq!(stage.host.heard().len(), count - 2);
        stage.later(1);
        stage.host.wait(count);
    }
    assert_eq!(stage.carrier.channels(), ["messenger"], "nothing was heard yet");
    stage.later(20_000);
    stage.carrier.wait(2);
    stage.host.wait(10);
    assert_eq!(stage.carrier.received()[1].at_ms - T0, 35_000);
    assert_eq!(stage.steps("t"), states(&[("messenger", DeliveryState::Rejected), ("sms", DeliveryState::Delivered)]));
    // What was taken is not sent again.
    stage.assert_no_more(&["messenger", "sms"]);
    assert_eq!(stage.host.heard().len(), 10);
}

/// An unsigned webhook gets an answer of 5xx, and so comes again with its signature.
#[test]
fn what_came_unsigned_counts_once_it_comes_signed() {
    let stage = Stage::new("messages");
    stage.carrier.hold();
    stage.carrier.habit(MESSENGER_ID, Habit::Reads { after_seconds: 0 });
    stage.create("t");
    assert_eq!(stage.carrier.wait_held(3, PATIENCE), 3);
    let answers = stage.carrier.release(|webhooks| webhooks.iter_mut().for_each(|it| it.authorization.clear()));
    assert_eq!(answers, [503; 3]);
    assert_eq!(stage.steps("t"), states(&[("messenger", DeliveryState::Accepted)]));
    stage.later(5_000).host.wait(6);
    assert_eq!(stage.steps("t"), states(&READ));
    stage.assert_no_more(&["messenger"]);
}

/// What the carrier signed says nothing about another body, and nothing when it is old.
#[test]
fn a_webhook_that_is_not_genuine_sends_nothing() {
    let stage = Stage::new("messages");
    stage.carrier.hold();
    stage.create("t");
    assert_eq!(stage.carrier.wait_held(2, PATIENCE), 2);
    let mut kept = Vec::new();
    stage.carrier.release(|webhooks| kept.append(webhooks));
    let hear = |authorization: &str, body: &str| {
        stage.service.webhook(Some(authorization), body.as_bytes()).err().map(|error| error.outcome())
    };
    let Webhook { authorization, body } = &kept[1];
    let forged = body.replace("delivered", "rejected");
    assert_ne!(forged, *body);
    assert_eq!(hear(authorization, &forged), Some(Outcome::Signature));
    assert_eq!(stage.steps("t"), states(&[("messenger", DeliveryState::Accepted)]));
    assert_eq!(hear(authorization, body), None);
    assert_eq!(stage.steps("t"), states(&[("messenger", DeliveryState::Delivered)]));
    stage.later(24 * 3_600_000);
    assert_eq!(hear(authorization, body), Some(Outcome::Signature), "of yesterday");
    assert_eq!(stage.carrier.channels(), ["messenger"]);
}

/// The carrier's answer to the first message, and the report that it failed, at the same moment: one SMS, whichever is
/// stored first, and while the SMS is on its way.
#[test]
fn an_answer_and_a_rejection_race() {
    let _watchdog = Watchdog::new("an_answer_and_a_rejection_race", 900);
    type Reporter = JoinHandle<()>;
    let (service, reporters) = (Arc::new(OnceLock::<Service>::new()), Arc::new(Mutex::new(Vec::<Reporter>::new())));
    let (told, begun, random) = (service.clone(), reporters.clone(), Mutex::new(Random::from_environment()));
    let count = AtomicUsize::new(0);
    let carrier = Carrier::with(move |message| {
        let name = uuid(count.fetch_add(1, Ordering::Relaxed) + 1);
        if message["channel"] == "messenger" {
            let (authorization, body) = report(message, &name, "rejected", T0);
            let (told, pause) = (told.clone(), Duration::from_micros(random.lock().unwrap().below(600) as u64));
            begun.lock().unwrap().push(spawn(move || {
                sleep(pause);
                let heard = told.wait().webhook(Some(&authorization), body.as_bytes()).unwrap();
                assert_eq!(heard.known, Some(true));
            }));
        }
        true
    });
    let folder = Folder::new("delivery-answer-race");
    let clock = Arc::new(AtomicI64::new(T0));
    assert!(service.set(open(&carrier.config(&folder.repository("sqlite"), ""), &clock)).is_ok());
    for round in 0..testing::size(300, 10_000) {
        let token = format!("token {}", round % 7);
        assert_eq!(service.wait().create(&token, Some(BOTH)).unwrap().outcome, Outcome::Ok);
        let reporter = reporters.lock().unwrap().pop().unwrap();
        reporter.join().unwrap();
        assert_eq!(service.wait().run_due().unwrap().ran, 0, "round {round}");
        assert_eq!(carrier.channels_from(2 * round), ["messenger", "sms"], "round {round}");
    }
}
