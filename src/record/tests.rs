//! The state machine by tables, and against a model that keeps no more than what the rules say.

use super::*;
use crate::block::{Block, KeySlot};
use crate::policy::Policy;

const VALIDITY_MS: u64 = 300_000;
const RETENTION_MINUTES: u32 = 1440;
const DAY_MS: u64 = 86_400_000;

fn at(ms: u64) -> Time {
    Time::from_ms(1_700_000_000_000 + ms)
}

fn code(created: Time, state: CodeState) -> Code {
    Code {
        slot: KeySlot(0),
        created,
        expires: created.plus(VALIDITY_MS),
        secret: Secret::Mac(Block::new([1; 16])),
        max_attempts: 5,
        subject: Block::new([2; 16]),
        context: None,
        state,
    }
}

fn record(created: Time) -> Record {
    Record {
        code: code(created, CodeState::Live),
        attempts: 0,
        recipients: vec![Block::new([2; 16])],
        seen: created,
        retention_minutes: RETENTION_MINUTES,
        kept_from: None,
        remembered: Vec::new(),
        sealed: vec![1, 2, 3],
        idempotency: Some(Idempotency { key: Block::new([3; 16]), request: Block::new([4; 16]), answer: None }),
        deliveries: 1,
        delivery: Delivery::new(Via::None),
    }
}

fn check(record: &mut Record, matched: Option<Match>, now: Time) -> Outcome {
    record.settle(now);
    record.check(matched, &mut Failures::default(), Policy::default().subject_failures, now)
}

const NEWEST: Option<Match> = Some(Match::Newest);

#[test]
fn what_a_right_code_gets() {
    let used = at(5);
    for (state, outcome) in [
        (CodeState::Live, Outcome::Ok),
        (CodeState::Used(used), Outcome::Checked),
        (CodeState::Cancelled, Outcome::Cancelled),
        (CodeState::Expired, Outcome::Expired),
    ] {
        let mut record = record(at(0));
        record.code.state = state;
        assert_eq!(check(&mut record, NEWEST, at(10)), outcome, "{state:?}");
        let after = if state == CodeState::Live { CodeState::Used(at(10)) } else { state };
        assert_eq!((record.code.state, record.attempts), (after, 0));
        // Replaced, the same code is told as it was; one that was still live is too old.
        let mut newer = self::record(at(20));
        newer.remembered = vec![code(at(0), state)];
        let told = if state == CodeState::Live { Outcome::Expired } else { outcome };
        assert_eq!(check(&mut newer, Some(Match::Remembered(0)), at(30)), told, "{state:?} remembered");
        assert_eq!((newer.code.state, newer.attempts), (CodeState::Live, 0));
    }
}

#[test]
fn a_code_ends_at_its_expiry_and_never_lives_again() {
    for (age_ms, outcome) in [
        (VALIDITY_MS - 1, Outcome::Ok),
        (VALIDITY_MS, Outcome::Expired),
        (VALIDITY_MS + 3_600_000, Outcome::Expired),
        (VALIDITY_MS + 3_600_001, Outcome::Expired),
    ] {
        let mut record = record(at(0));
        assert_eq!(check(&mut record, NEWEST, at(age_ms)), outcome, "age {age_ms}");
        assert!(record.sealed.is_empty());
        let again = check(&mut record, NEWEST, at(1));
        assert_eq!(again, if outcome == Outcome::Ok { Outcome::Checked } else { outcome });
    }
}

#[test]
fn a_future_that_was_none_expires_for_good() {
    for (ahead_ms, outcome) in
        [(0, Outcome::Ok), (2000, Outcome::Ok), (2001, Outcome::Expired), (DAY_MS * 365, Outcome::Expired)]
    {
        let mut record = record(at(ahead_ms));
        assert_eq!(check(&mut record, NEWEST, at(0)), outcome, "{ahead_ms} ms ahead");
        if outcome == Outcome::Expired {
            assert_eq!(check(&mut record, NEWEST, at(ahead_ms)), Outcome::Expired);
        }
    }
    // A time that was seen is not undercut: the code ends although the clock went back a second.
    let mut record = record(at(0));
    record.see(at(VALIDITY_MS + 500));
    assert_eq!(check(&mut record, NEWEST, at(VALIDITY_MS - 500)), Outcome::Expired);
}

#[test]
fn wrong_guesses_lock_the_code_whatever_its_state() {
    for state in [CodeState::Live, CodeState::Used(at(1)), CodeState::Expired, CodeState::Cancelled] {
        let mut record = record(at(0));
        record.code.state = state;
        for left in (0..5).rev() {
            assert!(!record.is_locked());
            assert_eq!(check(&mut record, None, at(2)), Outcome::NotValid);
            assert_eq!(record.attempts_left(), left);
        }
        assert!(record.is_locked());
        assert_eq!(record.locked(Standing::Open), Some(Locked::Code));
        assert!(record.sealed.is_empty(), "a code that no one can use any more is wiped");
    }
}

#[test]
fn a_failure_counts_on_the_subject_and_success_clears_it() {
    let limits = Policy::default().subject_failures;
    let (mut record, mut failures) = (record(at(0)), Failures::default());
    record.check(None, &mut failures, limits, at(1));
    record.check(None, &mut failures, limits, at(2));
    assert_eq!((failures.count, failures.last), (2, at(2)));
    assert_eq!(record.check(NEWEST, &mut failures, limits, at(3)), Outcome::Ok);
    assert!(failures.is_clear());
}

#[test]
fn what_locks_first_is_told() {
    let mut open = record(at(0));
    assert_eq!(open.locked(Standing::Open), None);
    open.attempts = 5;
    for (standing, locked) in [
        (Standing::Open, Locked::Code),
        (Standing::LockedFor(1), Locked::Subject),
        (Standing::Disabled, Locked::Disabled),
    ] {
        assert_eq!(open.locked(standing), Some(locked));
    }
}

#[test]
fn cancel_resend_and_status_by_state() {
    let locked = Standing::LockedFor(1);
    for (state, cancel, resend, resend_locked, told, told_locked) in [
        (CodeState::Live, Outcome::Ok, Outcome::Ok, Outcome::Locked, RequestState::Pending, RequestState::Locked),
        (
            CodeState::Used(at(1)),
            Outcome::Checked,
            Outcome::Checked,
            Outcome::Checked,
            RequestState::Checked,
            RequestState::Checked,
        ),
        (
            CodeState::Cancelled,
            Outcome::Ok,
            Outcome::Cancelled,
            Outcome::Cancelled,
            RequestState::Cancelled,
            RequestState::Cancelled,
        ),
        (
            CodeState::Expired,
            Outcome::Expired,
            Outcome::Expired,
            Outcome::Locked,
            RequestState::Expired,
            RequestState::Locked,
        ),
    ] {
        let mut record = record(at(0));
        record.code.state = state;
        assert_eq!(record.resendable(Standing::Open), resend, "{state:?}");
        assert_eq!(record.resendable(locked), resend_locked, "{state:?}");
        assert_eq!(record.state(Standing::Open), told, "{state:?}");
        assert_eq!(record.state(locked), told_locked, "{state:?}");
        assert_eq!(record.cancel(), cancel, "{state:?}");
        let after = if state == CodeState::Live { CodeState::Cancelled } else { state };
        assert_eq!(record.code.state, after);
    }
}

#[test]
fn retention_counts_from_the_last_expiry() {
    let retention_ms = u64::from(RETENTION_MINUTES) * MINUTE_MS;
    let mut record = record(at(0));
    assert!(!record.is_absent(at(VALIDITY_MS + retention_ms - 1)));
    assert!(record.is_absent(at(VALIDITY_MS + retention_ms)));
    let mut longer = code(at(0), CodeState::Live);
    longer.expires = at(2 * VALIDITY_MS);
    record.remembered = vec![longer];
    assert!(!record.is_absent(at(VALIDITY_MS + retention_ms)));
    assert!(record.is_absent(at(2 * VALIDITY_MS + retention_ms)));
}

#[test]
fn a_token_remembers_eight_codes_and_each_until_its_own_end() {
    let mut newest = record(at(0));
    for number in 1..=10u8 {
        let created = at(u64::from(number));
        let remembered = newest.into_remembered(Block::new([number; 16]), created);
        newest = record(created);
        newest.remembered = remembered;
    }
    let kept: Vec<_> = newest.remembered.iter().map(|code| code.secret).collect();
    let expected: Vec<_> = (3..=10).rev().map(|number| Secret::Mac(Block::new([number; 16]))).collect();
    assert_eq!(kept, expected);
    let over = at(VALIDITY_MS + u64::from(RETENTION_MINUTES) * MINUTE_MS + 5);
    let kept = newest.into_remembered(Block::new([11; 16]), over);
    assert_eq!(kept.len(), 5, "the codes created at 6 to 10");
}

#[test]
fn a_delivery_goes_on_only_for_the_code_it_began_with() {
    let mut record = record(at(0));
    let ticket = record.ticket();
    assert_eq!(record.meanwhile(&ticket), Meanwhile::Current);
    for (state, meanwhile) in [
        (CodeState::Used(at(1)), Meanwhile::Used),
        (CodeState::Cancelled, Meanwhile::Gone),
        (CodeState::Expired, Meanwhile::Current),
    ] {
        record.code.state = state;
        assert_eq!(record.meanwhile(&ticket), meanwhile);
    }
    record.code.state = CodeState::Live;
    record.begin_delivery(record.delivery.clone());
    assert_eq!(record.meanwhile(&ticket), Meanwhile::Superseded);
    let mut other = self::record(at(0));
    other.code.secret = Secret::Mac(Block::new([9; 16]));
    assert_eq!(other.meanwhile(&ticket), Meanwhile::Gone);
    other.give_up();
    assert_eq!((other.code.state, other.idempotency), (CodeState::Cancelled, None));
    assert!(other.sealed.is_empty());
}

/// Random schedules of guesses, sweeps and clock steps: the code is accepted at most once, never after it was told to be
/// used or expired, and never when it is older than it may be.
#[test]
fn no_schedule_revives_a_code() {
    for seed in 0..2000u64 {
        let mut state = seed;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut record = record(at(0));
        let (mut clock, mut over) = (0i64, false);
        for _ in 0..20 {
            let step = [1000, 2001, 60_000, 300_000, 3_600_000, 86_400_000][draw(6) as usize];
            clock += if draw(2) == 0 { step } else { -step };
            let now = Time::from_ms((1_700_000_000_000 + clock).unsigned_abs());
            if draw(4) == 0 {
                let Some(swept) = record.clone().swept(now) else { break };
                over |= swept.code.state != record.code.state;
                record = swept;
            }
            record.settle(now);
            let matched = if draw(3) == 0 { None } else { NEWEST };
            if record.is_locked() {
                break;
            }
            let outcome = check(&mut record, matched, now);
            record.see(now);
            if outcome == Outcome::Ok {
                assert!(!over, "seed {seed}: accepted after it was over");
                assert!(clock < VALIDITY_MS as i64, "seed {seed}: accepted at age {clock}");
            }
            over |= matches!(outcome, Outcome::Ok | Outcome::Checked | Outcome::Expired);
        }
    }
}

#[test]
fn a_sweep_ends_what_a_clock_that_was_ahead_left() {
    let (ahead, now) = (at(365 * DAY_MS), at(0));
    let retention_ms = u64::from(RETENTION_MINUTES) * MINUTE_MS;
    for (state, left) in [
        (CodeState::Live, CodeState::Expired),
        (CodeState::Used(ahead), CodeState::Used(ahead)),
        (CodeState::Cancelled, CodeState::Cancelled),
    ] {
        let mut record = record(ahead);
        record.code.state = state;
        record.delivery.due = Some(ahead.plus(120_000));
        let swept = record.swept(now).unwrap();
        assert_eq!((swept.code.state, swept.kept_from, swept.seen), (left, Some(now), ahead));
        if state == CodeState::Live {
            assert!(swept.sealed.is_empty() && swept.delivery.due.is_none(), "what is sealed is gone");
        }
        assert_eq!(swept.clone().swept(now.plus(1000)), Some(swept.clone()), "it counts from the first sweep on");
        assert!(swept.clone().swept(now.plus(retention_ms - 1)).is_some());
        assert_eq!(swept.clone().swept(now.plus(retention_ms)), None);
        assert!(swept.is_absent(now.plus(retention_ms)), "swept or not");
        // The clock goes further back: then it counts from there.
        let earlier = Time::from_ms(now.ms() - 2 * DAY_MS);
        assert_eq!(swept.clone().swept(earlier).unwrap().kept_from, Some(earlier));
        // It was right after all: then all is as without a sweep, except what ended.
        let ends = ahead.plus(VALIDITY_MS);
        assert_eq!(swept.clone().swept(ends).unwrap().code.state, left);
        assert_eq!(swept.swept(ends.plus(retention_ms)), None);
    }
}

#[test]
fn a_sweep_leaves_alone_what_is_of_its_time() {
    for (seen, now) in [(at(0), at(0)), (at(DAY_MS), at(0)), (at(0), at(VALIDITY_MS + 1))] {
        let record = record(seen);
        assert_eq!(record.clone().swept(now), Some(record));
    }
    let retention_ms = u64::from(RETENTION_MINUTES) * MINUTE_MS;
    assert!(record(at(0)).swept(at(VALIDITY_MS + retention_ms - 1)).is_some());
    assert_eq!(record(at(0)).swept(at(VALIDITY_MS + retention_ms)), None);
}

/// A code of a clock that was ahead must not keep the record that replaced it, and what is sealed in that, for years.
#[test]
fn what_is_remembered_of_a_wrong_clock_ends_as_soon_as_the_longest_code_could() {
    let remembered = record(at(365 * DAY_MS)).into_remembered(Block::new([9; 16]), at(0));
    assert_eq!(remembered.len(), 1);
    let mut newest = record(at(0));
    newest.remembered = remembered;
    let end = at(DAY_MS + u64::from(RETENTION_MINUTES) * MINUTE_MS);
    assert_eq!(newest.kept_until(), end);
    assert!(newest.remembers(&newest.remembered[0], at(DAY_MS)));
    assert!(!newest.remembers(&newest.remembered[0], end));
    assert_eq!(newest.swept(end), None);
}
