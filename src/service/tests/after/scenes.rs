//! What is called, and what must be so afterwards.

use super::super::faulty::{Stage, outcome};
use super::*;
use crate::record::CodeState;
use crate::reply::DeliveryState;
use crate::repository::Row;
use crate::sender::Sent;

pub(super) fn scenes() -> Vec<Scene> {
    [creates(), resends(), codes(), carrier(), upkeep()].into_iter().flatten().collect()
}

fn nothing(_: &Stage) {}

fn anything(_: &Stage, _: Outcome) {}

fn create(stage: &Stage) -> Outcome {
    outcome(stage.create("t"))
}

fn created(stage: &Stage) {
    assert_eq!(create(stage), Outcome::Ok);
}

fn verify(stage: &Stage) -> Outcome {
    outcome(stage.service().verify("t", &stage.code(), None))
}

fn guess(stage: &Stage, token: &str) -> Outcome {
    outcome(stage.service().verify(token, &Fixture::wrong(&stage.code()), None))
}

/// Ten wrong guesses about two codes.
fn locked(stage: &Stage) {
    for token in ["a", "b"] {
        assert_eq!(outcome(stage.create(token)), Outcome::Ok);
        (0..5).for_each(|_| assert_eq!(guess(stage, token), Outcome::NotValid));
    }
}

/// Sends a code; what comes of it is arranged by `prepare`.
fn creates() -> Vec<Scene> {
    let scene = |name, sender, prepare, normally| Scene {
        name,
        sender,
        prepare,
        act: create,
        normally,
        // A code that may have arrived is good, and one that cannot have is not.
        holds: |stage, outcome| match outcome {
            Outcome::Ok | Outcome::InDoubt => assert_eq!(verify(stage), Outcome::Ok),
            Outcome::Send => assert_eq!(verify(stage), Outcome::Cancelled),
            _ => {}
        },
    };
    let replaced = |stage: &Stage| {
        let _ = stage.service().create("t", Some(r#"{"phoneNumber":"393331234567"}"#)).unwrap();
    };
    vec![
        scene("create", "none", nothing, Outcome::Ok),
        scene("create, answered again", "none", created, Outcome::Ok),
        scene("create, in place of another", "host", replaced, Outcome::Ok),
        scene("create, locked", "none", locked, Outcome::Locked),
        scene("create, sent", "host", nothing, Outcome::Ok),
        scene("create, sent at the second step", "host", |stage| stage.answer(&[Sent::NotSent]), Outcome::Ok),
        scene("create, not sent", "host", |stage| stage.answer(&[Sent::NotSent; 2]), Outcome::Send),
        scene("create, in doubt", "host", |stage| stage.answer(&[Sent::InDoubt]), Outcome::InDoubt),
        scene("create, taken", "messages", nothing, Outcome::Ok),
        scene("create, taken at the second step", "messages", |stage| stage.carrier().order(&[422]), Outcome::Ok),
        scene("create, not taken", "messages", |stage| stage.carrier().order(&[422, 402]), Outcome::Send),
        scene("create, lost", "messages", |stage| stage.carrier().order(&[500]), Outcome::InDoubt),
        scene("create, dispatched", "dispatch", nothing, Outcome::Ok),
    ]
}

/// Sends a code once more.
fn resends() -> Vec<Scene> {
    let scene = |name, sender, prepare, normally| Scene {
        name,
        sender,
        prepare,
        act: |stage| outcome(stage.service().resend("t")),
        normally,
        // It stays good, whatever comes of it.
        holds: |stage, _| assert_eq!(verify(stage), Outcome::Ok),
    };
    let refused = |stage: &Stage| {
        created(stage);
        stage.answer(&[Sent::NotSent; 2]);
    };
    let doubtful = |stage: &Stage| {
        created(stage);
        stage.answer(&[Sent::InDoubt]);
    };
    let second = |stage: &Stage| {
        created(stage);
        stage.carrier().order(&[422]);
    };
    vec![
        scene("resend", "none", created, Outcome::Ok),
        scene("resend, sent", "host", created, Outcome::Ok),
        scene("resend, not sent", "host", refused, Outcome::Send),
        scene("resend, in doubt", "host", doubtful, Outcome::InDoubt),
        scene("resend, taken at the second step", "messages", second, Outcome::Ok),
        Scene { holds: anything, ..scene("resend, unknown", "host", nothing, Outcome::Unknown) },
    ]
}

/// Guesses, and what else is about one code.
fn codes() -> Vec<Scene> {
    let scene = |name, prepare, act, normally, holds| Scene { name, sender: "none", prepare, act, normally, holds };
    let four_guesses = |stage: &Stage| {
        created(stage);
        (0..4).for_each(|_| assert_eq!(guess(stage, "t"), Outcome::NotValid));
    };
    let used = |stage: &Stage| {
        created(stage);
        assert_eq!(verify(stage), Outcome::Ok);
    };
    let expired = |stage: &Stage| {
        created(stage);
        stage.fixture.later(600_000);
    };
    let status = |stage: &Stage| outcome(stage.service().status("t"));
    let with_context = |stage: &Stage| outcome(stage.service().verify("t", &stage.code(), Some("another")));
    let counts = |stage: &Stage, outcome| match outcome {
        Outcome::NotValid => assert_eq!(stage.record("t").unwrap().attempts, 1),
        Outcome::Busy => assert_eq!(stage.record("t").unwrap().attempts, 0),
        _ => {}
    };
    vec![
        scene("verify", created, verify, Outcome::Ok, |stage, outcome| match outcome {
            Outcome::Ok => assert_eq!(verify(stage), Outcome::Checked),
            Outcome::Busy => assert_eq!(verify(stage), Outcome::Ok),
            _ => {}
        }),
        scene("verify, wrong", created, |stage| guess(stage, "t"), Outcome::NotValid, counts),
        scene("verify, with a context", created, with_context, Outcome::NotValid, counts),
        scene("verify, wrong for the last time", four_guesses, |stage| guess(stage, "t"), Outcome::NotValid, anything),
        scene("verify, used", used, verify, Outcome::Checked, anything),
        scene("verify, expired", expired, verify, Outcome::Expired, anything),
        scene("verify, unknown", created, |stage| guess(stage, "u"), Outcome::NotValid, anything),
        scene(
            "cancel",
            created,
            |stage| outcome(stage.service().cancel("t")),
            Outcome::Ok,
            |stage, outcome| {
                if outcome == Outcome::Ok {
                    assert_eq!(verify(stage), Outcome::Cancelled);
                }
            },
        ),
        scene("cancel, unknown", nothing, |stage| outcome(stage.service().cancel("t")), Outcome::Unknown, anything),
        scene("status", created, status, Outcome::Ok, anything),
        scene("status, expired", expired, status, Outcome::Ok, anything),
    ]
}

/// A report on the newest message.
fn report(stage: &Stage, status: &str) -> Outcome {
    let message = stage.carrier().seen().last().unwrap().clone();
    match stage.fixture.try_report(&message, status) {
        Ok(reply) => {
            assert_eq!(reply.known, Some(true));
            Outcome::Ok
        }
        Err(error) => error.outcome(),
    }
}

/// Three messages that nobody read in time, and one that still may be.
fn three_due(stage: &Stage) {
    let create = |token| assert_eq!(outcome(stage.create(token)), Outcome::Ok);
    ["a", "b", "c"].into_iter().for_each(create);
    stage.fixture.later(120_000);
    create("t");
}

/// Due work; what left is told, whatever fails later.
fn run_due(stage: &Stage) -> Outcome {
    let (_, left) = stage.messages();
    let answer = stage.service().run_due();
    let left = (stage.messages().1 - left) as u64;
    assert!(left == 0 || answer.as_ref().is_ok_and(|done| done.ran >= left), "{answer:?} after {left} messages");
    outcome(answer)
}

/// Once a rejection is taken, the next step has begun.
fn goes_on(stage: &Stage, outcome: Outcome) {
    if outcome == Outcome::Ok {
        let record = stage.record("t").unwrap();
        let steps: Vec<_> = record.delivery.steps.iter().map(|step| step.channel.as_str()).collect();
        assert_eq!((steps, record.code.state), (vec!["messenger", "sms"], CodeState::Live));
        assert_eq!(record.delivery.steps[0].status, DeliveryState::Rejected);
    }
}

/// What the carrier reports, and what is due.
fn carrier() -> Vec<Scene> {
    let scene =
        |name, prepare, act, holds| Scene { name, sender: "messages", prepare, act, normally: Outcome::Ok, holds };
    let second_fails = |stage: &Stage| {
        created(stage);
        stage.carrier().order(&[422]);
    };
    let all_fail = |stage: &Stage| {
        three_due(stage);
        stage.carrier().order(&[422, 500, 422]);
    };
    vec![
        scene("webhook, read", created, |stage| report(stage, "read"), anything),
        scene("webhook, rejected", created, |stage| report(stage, "rejected"), goes_on),
        scene("webhook, rejected twice", second_fails, |stage| report(stage, "rejected"), goes_on),
        scene("webhook, with others due", three_due, |stage| report(stage, "delivered"), anything),
        scene("run_due", three_due, run_due, anything),
        scene("run_due, not taken", all_fail, run_due, anything),
        scene("run_due, with nothing due", created, run_due, anything),
    ]
}

fn upkeep() -> Vec<Scene> {
    let scene = |name, prepare, act, holds| Scene { name, sender: "none", prepare, act, normally: Outcome::Ok, holds };
    let many = |stage: &Stage| (0..600).for_each(|token| drop(stage.create(&token.to_string()).unwrap()));
    let past_retention = |stage: &Stage| {
        created(stage);
        stage.fixture.later(2 * 86_400_000);
    };
    let is_erased = |stage: &Stage, outcome| {
        if outcome == Outcome::Ok {
            assert!(stage.rows().iter().all(|(_, row)| !matches!(row, Row::Record(_))));
        }
    };
    let is_open = |stage: &Stage, outcome| {
        if outcome == Outcome::Ok {
            created(stage);
        }
    };
    vec![
        scene("run_due, past retention", past_retention, run_due, anything),
        scene("unlock", locked, |stage| outcome(stage.service().unlock("393331234567")), is_open),
        scene("erase", many, |stage| outcome(stage.service().erase("393331234567")), is_erased),
    ]
}
