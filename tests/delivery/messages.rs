//! Messages: the library runs the workflow, by its timers and by what the carrier reports.

use std::sync::Arc;

use otp::{DeliveryState, Outcome};
use serde_json::json;

use super::{EXPIRY_MS, MESSENGER_ID, PATIENCE, Stage, T0, states, until};
use testing::Folder;
use testing::carrier::code_in;
use testing::carrier::simulator::{Fault, Habit};

const MESSENGER_READ: (&str, DeliveryState) = ("messenger", DeliveryState::Read);
const MESSENGER_DELIVERED: (&str, DeliveryState) = ("messenger", DeliveryState::Delivered);
const SMS_DELIVERED: (&str, DeliveryState) = ("sms", DeliveryState::Delivered);
/// One that is not needed any more.
const SMS_STOPPED: (&str, DeliveryState) = ("sms", DeliveryState::Stopped);

/// Submitted and delivered: what a phone that nobody looks at has reported.
const RECEIVED: usize = 2;

/// The channels of the steps whose messages were sent.
fn sent<'a>(steps: &[(&'a str, DeliveryState)]) -> Vec<&'a str> {
    steps.iter().filter(|step| step.1 != DeliveryState::Stopped).map(|step| step.0).collect()
}

#[test]
fn a_message_that_is_not_read_is_followed_by_one_sms_at_the_deadline() {
    for kind in ["memory", "sqlite", "json"] {
        let folder = Folder::new(&format!("delivery-deadline-{kind}"));
        let stage = Stage::with("messages", json!({"repository": folder.repository(kind)}));
        stage.create("t");
        stage.host.wait(RECEIVED);
        assert_eq!(stage.later(EXPIRY_MS - 1).run_due(), (0, Some(1)), "{kind}");
        assert_eq!(stage.carrier.channels(), ["messenger"], "{kind}");
        assert_eq!(stage.later(1).run_due(), (1, None), "{kind}");
        stage.host.wait(2 * RECEIVED);
        assert_eq!(stage.steps("t"), states(&[MESSENGER_DELIVERED, SMS_DELIVERED]));
        stage.later(60_000);
        assert_eq!(stage.run_due(), (0, None));
        let received = stage.carrier.received();
        let times: Vec<_> = received.iter().map(|received| received.at_ms - T0).collect();
        assert_eq!(times, [0, EXPIRY_MS], "{kind}");
        let codes: Vec<_> = received.iter().map(|received| code_in(&received.body).to_owned()).collect();
        assert_eq!(codes[0], codes[1]);
        assert_eq!(stage.service.verify("t", &codes[1], None).unwrap().outcome, Outcome::Ok);
        assert!(stage.host.heard().iter().all(|heard| (heard.status, heard.known) == (200, Some(true))));
    }
}

#[test]
fn a_message_that_is_read_in_time_is_followed_by_none() {
    for last_ms in [119_000, EXPIRY_MS - 1] {
        let stage = Stage::new("messages");
        stage.create("t");
        stage.host.wait(RECEIVED);
        stage.later(last_ms);
        assert_eq!(stage.carrier.read_now(MESSENGER_ID), 1);
        stage.host.wait(RECEIVED + 1);
        assert_eq!(stage.run_due(), (0, None));
        assert_eq!(stage.steps("t"), states(&[MESSENGER_READ, SMS_STOPPED]));
        stage.assert_no_more(&["messenger"]);
    }
}

/// The phone itself does it, by the clock.
#[test]
fn a_phone_that_reads_after_119_seconds_gets_no_sms_and_one_that_takes_longer_does() {
    for (after_seconds, channels) in [(119, vec!["messenger"]), (121, vec!["messenger", "sms"])] {
        let stage = Stage::new("messages");
        stage.carrier.habit(MESSENGER_ID, Habit::Reads { after_seconds });
        stage.create("t");
        stage.host.wait(RECEIVED);
        let mut expected = RECEIVED;
        for second in 1..=121 {
            stage.later(1000);
            // Whatever is read now has been reported before the timers are looked at.
            if second == after_seconds {
                expected += 1;
                stage.host.wait(expected);
            }
            let (ran, _) = stage.run_due();
            assert_eq!(ran == 1, second == 120 && channels.len() == 2, "second {second}");
            if ran == 1 {
                expected += RECEIVED;
                stage.host.wait(expected);
            }
        }
        assert_eq!(stage.steps("t")[0], states(&[MESSENGER_READ])[0]);
        stage.assert_no_more(&channels);
    }
}

#[test]
fn a_message_that_fails_is_followed_at_once_through_the_webhook_alone() {
    for (habit, state, error) in [
        (Habit::Rejects { code: 1340 }, DeliveryState::Rejected, Some("1340")),
        (Habit::Unreachable, DeliveryState::Undeliverable, None),
    ] {
        let stage = Stage::new("messages");
        stage.carrier.habit(MESSENGER_ID, habit);
        stage.create("t");
        let received = stage.carrier.wait(2);
        assert_eq!(received[1]["channel"], "sms");
        assert_eq!(stage.carrier.received()[1].at_ms, T0, "no time has passed");
        stage.host.wait(2 * RECEIVED);
        assert_eq!(stage.steps("t"), states(&[("messenger", state), SMS_DELIVERED]));
        let steps = stage.service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
        let told = steps[0].error.as_deref();
        assert!(error.is_none_or(|error| told.is_some_and(|told| told.contains(error))), "{told:?}");
        stage.assert_no_more(&["messenger", "sms"]);
    }
}

#[test]
fn reports_that_overtake_the_answer_count() {
    for (habit, heard, steps) in [
        (Habit::Receives, RECEIVED, vec![MESSENGER_DELIVERED]),
        (Habit::Reads { after_seconds: 0 }, RECEIVED + 1, vec![MESSENGER_READ, SMS_STOPPED]),
        (Habit::Rejects { code: 1300 }, 2 * RECEIVED, vec![("messenger", DeliveryState::Rejected), SMS_DELIVERED]),
    ] {
        let stage = Stage::new("messages");
        stage.carrier.habit(MESSENGER_ID, habit);
        stage.carrier.faults([Fault::AnswerLast]);
        // What is known of the message when the carrier answers.
        stage.create("t");
        stage.host.wait(heard);
        assert_eq!(stage.steps("t"), states(&steps));
        assert!(stage.host.heard().iter().all(|heard| (heard.status, heard.known) == (200, Some(true))));
        let channels = sent(&steps);
        if matches!(habit, Habit::Receives) {
            assert_eq!(stage.later(EXPIRY_MS).run_due(), (1, None), "its time runs all the same");
            stage.assert_no_more(&["messenger", "sms"]);
        } else {
            stage.assert_no_more(&channels);
        }
    }
}

/// The carrier took it, and nobody learned of that but by its reports.
#[test]
fn reports_settle_what_was_in_doubt() {
    for (habit, steps) in [
        (Habit::Reads { after_seconds: 0 }, vec![MESSENGER_READ, SMS_STOPPED]),
        (Habit::Rejects { code: 1300 }, vec![("messenger", DeliveryState::Rejected), SMS_DELIVERED]),
    ] {
        let stage = Stage::new("messages");
        stage.carrier.habit(MESSENGER_ID, habit);
        stage.carrier.hold();
        stage.carrier.faults([Fault::AnswerLost]);
        assert_eq!(stage.service.create("t", Some(super::BOTH)).unwrap().outcome, Outcome::InDoubt);
        assert_eq!(stage.steps("t"), states(&[("messenger", DeliveryState::InDoubt)]));
        assert!(stage.carrier.wait_held(2, PATIENCE) >= 2);
        stage.carrier.release(|_| {});
        until("the delivery does not settle", || stage.steps("t") == states(&steps));
        let last = stage.carrier.seen().pop().unwrap();
        assert_eq!(stage.service.verify("t", code_in(&last), None).unwrap().outcome, Outcome::Ok);
        let channels = sent(&steps);
        stage.assert_no_more(&channels);
    }
}

/// One host, many tokens at the same moment, each failing over once.
#[test]
fn many_deliveries_fail_over_side_by_side() {
    const TOKENS: usize = 64;
    let folder = Folder::new("delivery-many");
    let stage = Arc::new(Stage::with("messages", json!({"repository": folder.repository("sqlite")})));
    stage.carrier.habit(MESSENGER_ID, Habit::Rejects { code: 1300 });
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let stage = &stage;
            scope.spawn(move || (0..TOKENS / 8).for_each(|token| stage.create(&format!("{thread} {token}"))));
        }
    });
    stage.carrier.wait(2 * TOKENS);
    stage.host.wait(4 * TOKENS);
    let sms = stage.carrier.channels().iter().filter(|channel| *channel == "sms").count();
    assert_eq!((sms, stage.carrier.received().len()), (TOKENS, 2 * TOKENS));
    for token in (0..8).flat_map(|thread| (0..TOKENS / 8).map(move |token| format!("{thread} {token}"))) {
        assert_eq!(stage.steps(&token), states(&[("messenger", DeliveryState::Rejected), SMS_DELIVERED]));
    }
}
