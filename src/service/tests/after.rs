//! After the fact. Every call of every function is repeated with each of its transactions failing, in every way; and
//! whatever it then answers must be so. Above all, what says that nothing was done leaves every row as it was.

mod scenes;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::faulty::{Fault, Plan, Stage};
use super::*;
use scenes::scenes;

/// A call, and what must hold after it.
struct Scene {
    name: &'static str,
    sender: &'static str,
    prepare: fn(&Stage),
    act: fn(&Stage) -> Outcome,
    /// What it comes to where nothing fails.
    normally: Outcome,
    /// What is so when it was answered this. The repository works again.
    holds: fn(&Stage, Outcome),
}

/// Results that say that nothing was done.
fn says_nothing(outcome: Outcome) -> bool {
    use Outcome::*;
    let failures = matches!(outcome, Argument | Config | Busy | Signature | Unsigned | Random | Unsupported);
    failures || matches!(outcome, Locked | RateLimited | Refused | Unknown)
}

impl Scene {
    /// How many calls of the repository it makes where none fails.
    fn calls(&self) -> usize {
        let stage = self.prepared();
        stage.faulty.arm(None);
        assert_eq!((self.act)(&stage), self.normally, "{}", self.name);
        let calls = stage.faulty.calls();
        (self.holds)(&stage, self.normally);
        calls
    }

    fn prepared(&self) -> Stage {
        let stage = Stage::new(self.sender);
        (self.prepare)(&stage);
        stage
    }

    /// Runs it with this fault. Gives what it came to.
    fn fail(&self, plan: Plan) -> Outcome {
        let stage = self.prepared();
        let (rows, (given, left)) = (stage.rows(), stage.messages());
        stage.faulty.arm(Some(plan));
        let outcome = (self.act)(&stage);
        stage.faulty.arm(None);
        let what = format!("{}, {plan:?}: {}", self.name, outcome.name());
        let (given_now, left_now) = stage.messages();
        if says_nothing(outcome) {
            assert!(stage.rows() == rows, "{what}: rows changed");
            assert_eq!(given_now, given, "{what}: a message was given away");
        }
        if outcome.number() < 0 && outcome != Outcome::InDoubt {
            assert_eq!(left_now, left, "{what}: a message left");
        }
        let holds = catch_unwind(AssertUnwindSafe(|| (self.holds)(&stage, outcome)));
        assert!(holds.is_ok(), "{what}: that is not so");
        outcome
    }
}

/// Every scene, every transaction of it, every way to fail.
#[test]
fn what_is_answered_is_so_whichever_transaction_fails() {
    let mut met = Vec::new();
    for scene in scenes() {
        let calls = scene.calls();
        assert!(calls > 0, "{}: it does not use the repository", scene.name);
        for call in 0..calls {
            for fault in Fault::ALL {
                for lasts in [false, true] {
                    met.push(scene.fail(Plan { call, lasts, fault }));
                }
            }
        }
    }
    for outcome in [Outcome::Ok, Outcome::Busy, Outcome::Store, Outcome::InDoubt] {
        assert!(met.contains(&outcome), "no fault leads to {}", outcome.name());
    }
}
