//! Whether what processes were told about a token can have happened one after the other (Wing and Gong: linearizability).

use std::collections::HashSet;

use super::model::{Answer, Op, Token};
use otp::Outcome;

/// One call, from when it was begun to when it was answered, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub op: Op,
    pub begun: u64,
    /// `None` when the process was killed before.
    pub answered: Option<(u64, Answer)>,
}

/// What is known of a call's effect.
enum Effect {
    /// It was done, between its two times, and answered so.
    Done(Answer),
    /// It may have been done.
    Possible,
    /// "Nothing was done."
    None,
}

impl Call {
    fn effect(&self) -> Effect {
        match self.answered {
            None => Effect::Possible,
            Some((_, answer)) => match answer.outcome {
                Outcome::Busy => Effect::None,
                Outcome::Store => Effect::Possible,
                _ => Effect::Done(answer),
            },
        }
    }

    fn end(&self) -> u64 {
        self.answered.map_or(u64::MAX, |(end, _)| end)
    }

    /// The state after the call, if it may have been done in this one.
    fn after(&self, token: &Token) -> Option<Token> {
        let mut after = token.clone();
        match self.effect() {
            Effect::Done(answer) => (after.take(self.op, answer.code) == answer).then_some(after),
            // Where it changes nothing, it may as well not have been done.
            Effect::Possible => {
                after.take(self.op, None);
                (after != *token).then_some(after)
            }
            Effect::None => None,
        }
    }
}

/// A search for an order. Where it stood already it does not look again.
struct Search<'a> {
    calls: &'a [Call],
    /// Whether a code may end with its time, because a clock was wrong meanwhile.
    may_expire: bool,
    seen: HashSet<(u128, Token)>,
}

/// Whether there is an order of the calls that respects their times and gives every answer.
pub fn is_linearizable(calls: &[Call], may_expire: bool) -> bool {
    assert!(calls.len() <= 128, "{} calls are too many to be searched", calls.len());
    let done = calls.iter().enumerate().filter(|(_, call)| matches!(call.effect(), Effect::None));
    let done = done.fold(0, |done, (place, _)| done | 1 << place);
    Search { calls, may_expire, seen: HashSet::new() }.succeeds(done, &Token::default())
}

impl Search<'_> {
    fn succeeds(&mut self, done: u128, token: &Token) -> bool {
        let left = || self.calls.iter().enumerate().filter(|(place, _)| done & 1 << place == 0);
        // Whatever must have been done and is not yet has to come before what began after its end.
        let must = left().filter(|(_, call)| matches!(call.effect(), Effect::Done(_)));
        let Some(limit) = must.map(|(_, call)| call.end()).min() else { return true };
        if !self.seen.insert((done, token.clone())) {
            return false;
        }
        let latest = self.calls.iter().enumerate().filter(|(place, _)| done & 1 << place != 0);
        let latest = latest.filter(|(_, call)| !matches!(call.effect(), Effect::None));
        let latest = latest.map(|(_, call)| call.begun).max().unwrap_or(0);
        let next: Vec<_> = left()
            .filter(|(_, call)| call.begun <= limit && call.end() >= latest)
            .filter_map(|(place, call)| Some((done | 1 << place, call.after(token)?)))
            .collect();
        if next.into_iter().any(|(done, token)| self.succeeds(done, &token)) {
            return true;
        }
        let mut expired = token.clone();
        self.may_expire && expired.expire() && self.succeeds(done, &expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use otp::RequestState;

    fn call(op: Op, begun: u64, end: u64, outcome: Outcome) -> Call {
        Call { op, begun, answered: Some((end, Answer::of(outcome))) }
    }

    fn create(begun: u64, end: u64, code: u32) -> Call {
        let answer = Answer { code: Some(code), ..Answer::of(Outcome::Ok) };
        Call { op: Op::Create, begun, answered: Some((end, answer)) }
    }

    fn status(begun: u64, end: u64, state: RequestState) -> Call {
        let answer = Answer { state: Some(state), ..Answer::of(Outcome::Ok) };
        Call { op: Op::Status, begun, answered: Some((end, answer)) }
    }

    fn killed(op: Op, begun: u64) -> Call {
        Call { op, begun, answered: None }
    }

    const RIGHT: Op = Op::Verify(1);
    const WRONG: Op = Op::Verify(9);

    #[test]
    fn a_code_that_was_good_twice_is_found() {
        let twice = [create(0, 1, 1), call(RIGHT, 2, 9, Outcome::Ok), call(RIGHT, 3, 8, Outcome::Ok)];
        assert!(!is_linearizable(&twice, true));
        let once = [create(0, 1, 1), call(RIGHT, 2, 9, Outcome::Checked), call(RIGHT, 3, 8, Outcome::Ok)];
        assert!(is_linearizable(&once, false));
        // Told that it was used before anybody used it.
        let early = [create(0, 1, 1), call(RIGHT, 2, 3, Outcome::Checked), call(RIGHT, 4, 8, Outcome::Ok)];
        assert!(!is_linearizable(&early, true));
    }

    #[test]
    fn what_was_acknowledged_and_lost_is_found() {
        let lost = [create(0, 1, 1), call(RIGHT, 2, 3, Outcome::NotValid)];
        assert!(!is_linearizable(&lost, true));
        assert!(!is_linearizable(&[create(0, 1, 1), call(Op::Cancel, 2, 3, Outcome::Unknown)], true));
        let replaced = [create(0, 1, 1), create(2, 3, 2), call(RIGHT, 4, 5, Outcome::Ok)];
        assert!(!is_linearizable(&replaced, true));
        let cancelled = [create(0, 1, 1), call(Op::Cancel, 2, 3, Outcome::Ok), call(RIGHT, 4, 5, Outcome::Ok)];
        assert!(!is_linearizable(&cancelled, true));
        let mut uncounted = vec![create(0, 1, 1)];
        uncounted.extend((1..12).map(|number| call(WRONG, 2 * number, 2 * number + 1, Outcome::NotValid)));
        assert!(!is_linearizable(&uncounted, true), "eleven wrong codes on one that allows ten");
        assert!(is_linearizable(&uncounted[..11], false));
    }

    #[test]
    fn what_was_cut_off_may_have_been_done_or_not() {
        for outcome in [Outcome::Ok, Outcome::Checked] {
            let calls = [create(0, 1, 1), killed(RIGHT, 2), call(RIGHT, 3, 4, outcome)];
            assert!(is_linearizable(&calls, false), "{outcome:?}");
            let failed = [create(0, 1, 1), call(RIGHT, 2, 3, Outcome::Store), call(RIGHT, 4, 5, outcome)];
            assert!(is_linearizable(&failed, false), "{outcome:?}");
        }
        // Not before it was begun, and what failed not after it was told so.
        let early = [create(0, 1, 1), call(RIGHT, 2, 3, Outcome::Checked), killed(RIGHT, 4)];
        assert!(!is_linearizable(&early, false));
        let late = [
            create(0, 1, 1),
            call(RIGHT, 2, 3, Outcome::Store),
            status(4, 5, RequestState::Pending),
            status(6, 7, RequestState::Checked),
        ];
        assert!(!is_linearizable(&late, false));
        // A code that nobody was told replaces the one before.
        assert!(is_linearizable(&[create(0, 1, 1), killed(Op::Create, 2), call(RIGHT, 3, 4, Outcome::Expired)], false));
    }

    #[test]
    fn nothing_was_done_means_that() {
        let busy = [create(0, 1, 1), call(RIGHT, 2, 3, Outcome::Busy), call(RIGHT, 4, 5, Outcome::Checked)];
        assert!(!is_linearizable(&busy, true));
        let busy = [create(0, 1, 1), call(RIGHT, 2, 3, Outcome::Busy), call(RIGHT, 4, 5, Outcome::Ok)];
        assert!(is_linearizable(&busy, false));
    }

    #[test]
    fn a_code_ends_where_a_clock_was_wrong_and_for_good() {
        let over = [create(0, 1, 1), call(RIGHT, 2, 3, Outcome::Expired)];
        assert!(is_linearizable(&over, true));
        assert!(!is_linearizable(&over, false), "no clock was wrong");
        let revived = [create(0, 1, 1), call(RIGHT, 2, 3, Outcome::Expired), call(RIGHT, 4, 5, Outcome::Ok)];
        assert!(!is_linearizable(&revived, true));
    }
}
