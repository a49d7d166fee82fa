//! Limits by tables.

use super::*;

fn at(ms: u64) -> Time {
    Time::from_ms(1_700_000_000_000 + ms)
}

#[test]
fn every_multiple_locks_and_the_last_disables() {
    let limits = SubjectFailures { lock_after: 3, lock_ms: 1000, disable_after: 7 };
    let mut failures = Failures::default();
    let mut seen = Vec::new();
    for number in 0..7 {
        let now = at(number * 10_000);
        failures.settle(now);
        assert_eq!(failures.standing(now), Standing::Open, "the lock before failure {number} has ended");
        failures.count(limits, now);
        seen.push(failures.standing(now));
    }
    let lock = Standing::LockedFor(1000);
    let open = Standing::Open;
    assert_eq!(seen, [open, open, lock, open, open, lock, Standing::Disabled]);
    assert_eq!(failures.kept_until(), Time::END);
    assert!(!failures.settle(at(400 * DAY_MS)), "disabled stays");
}

#[test]
fn a_lock_ends_by_itself_and_failures_are_forgotten() {
    let limits = SubjectFailures { lock_after: 1, lock_ms: 1000, disable_after: 100 };
    let mut failures = Failures::default();
    failures.count(limits, at(0));
    assert_eq!(failures.standing(at(999)), Standing::LockedFor(1));
    assert_eq!(failures.standing(at(1000)), Standing::Open);
    assert!(!failures.settle(at(30 * DAY_MS - 1)));
    assert!(failures.settle(at(30 * DAY_MS)));
    assert!(failures.is_clear());
}

#[test]
fn a_lock_from_the_future_counts_from_now() {
    let limits = SubjectFailures { lock_after: 1, lock_ms: 1000, disable_after: 100 };
    let mut failures = Failures::default();
    failures.count(limits, at(365 * DAY_MS));
    assert!(failures.settle(at(0)));
    assert_eq!(failures.standing(at(0)), Standing::LockedFor(1000));
    assert_eq!(failures.standing(at(1000)), Standing::Open);
    assert!(!failures.settle(at(0)), "written down once");
}

fn policy(cooldown_ms: u64, limits: &[(u32, u64)]) -> Policy {
    let send_limits =
        limits.iter().map(|(count, window_ms)| SendLimit { channel: None, count: *count, window_ms: *window_ms });
    Policy { cooldown_ms, send_limits: send_limits.collect(), ..Policy::default() }
}

#[test]
fn sliding_windows_hold_exactly() {
    let policy = policy(10, &[(3, 1000), (5, 5000)]);
    let mut sends = Sends::default();
    let mut times = Vec::new();
    for ms in 0..6000 {
        if policy.send_wait_ms(None, Turn::First, &sends, at(ms)).is_none() {
            sends.add(at(ms), policy.sends_kept());
            times.push(ms);
        }
    }
    assert_eq!(times, [0, 10, 20, 1000, 1010, 5000, 5010, 5020]);
    for (from, ms) in times.iter().enumerate() {
        let within = |window| times.iter().skip(from).filter(|time| **time < ms + window).count();
        assert!(within(1000) <= 3 && within(5000) <= 5);
    }
}

#[test]
fn the_longest_wait_is_told_and_is_enough() {
    let policy = policy(30_000, &[(2, 600_000)]);
    let mut sends = Sends::default();
    sends.add(at(0), 50);
    assert_eq!(policy.send_wait_ms(None, Turn::First, &sends, at(29_999)), Some(1));
    sends.add(at(30_000), 50);
    let wait = policy.send_wait_ms(None, Turn::First, &sends, at(30_000)).unwrap();
    assert_eq!(wait, 570_000);
    assert_eq!(policy.send_wait_ms(None, Turn::First, &sends, at(30_000 + wait)), None);
}

#[test]
fn sends_from_the_future_count_from_now() {
    let policy = policy(0, &[(1, 1000)]);
    let mut sends = Sends::default();
    sends.add(at(365 * DAY_MS), 50);
    assert!(sends.settle(at(0)));
    assert_eq!(policy.send_wait_ms(None, Turn::First, &sends, at(0)), Some(1000));
    assert_eq!(policy.send_wait_ms(None, Turn::First, &sends, at(1000)), None);
}

#[test]
fn only_what_a_limit_can_count_is_kept() {
    let mut sends = Sends::default();
    (0..200).for_each(|ms| sends.add(at(ms), 50));
    assert_eq!(sends.times.len(), 50);
    assert_eq!(sends.times.first(), Some(&at(150)));
    sends.add(at(SENDS_KEPT_MS + 170), 50);
    assert_eq!(sends.times.len(), 30, "29 from the last day and the new one");
    assert_eq!(policy(0, &[(1000, 1)]).sends_kept(), 1000);
}

#[test]
fn countries_are_prefixes() {
    let countries = Some(vec!["39".to_owned(), "4420".to_owned()]);
    let policy = Policy { countries, ..Policy::default() };
    for (phone, allowed) in [("393331234567", true), ("442071234567", true), ("447911123456", false), ("3", false)] {
        assert_eq!(policy.allows(phone), allowed, "{phone}");
    }
    assert!(Policy::default().allows("1"));
}

#[test]
fn a_sweep_counts_from_now_what_a_clock_that_was_ahead_left() {
    let limits = SubjectFailures { lock_after: 1, lock_ms: DAY_MS, disable_after: 100 };
    let mut failures = Failures::default();
    failures.count(limits, at(365 * DAY_MS));
    let swept = failures.clone().swept(at(0)).unwrap();
    assert_eq!((swept.last, swept.lock_ms), (at(0), DAY_MS));
    assert_eq!(swept.clone().swept(at(DAY_MS)), Some(swept.clone()), "nothing else is changed");
    assert_eq!(swept.swept(at(FAILURES_KEPT_MS)), None);
    failures.disabled = true;
    let disabled = failures.swept(at(0)).unwrap();
    assert_eq!(disabled.clone().swept(Time::END), Some(disabled), "disabled stays");

    let sends = Sends { times: vec![at(0), at(365 * DAY_MS), at(366 * DAY_MS)] };
    let swept = sends.swept(at(5)).unwrap();
    assert_eq!(swept.times, [at(0), at(5), at(5)]);
    assert!(swept.clone().swept(at(5 + SENDS_KEPT_MS - 1)).is_some());
    assert_eq!(swept.swept(at(5 + SENDS_KEPT_MS)), None);
}

/// What is read may be a number that the rules never leave so; what is written must be one that reading takes.
#[test]
fn a_count_that_somebody_wrote_goes_no_further() {
    let limits = SubjectFailures { lock_after: 100, lock_ms: 1000, disable_after: 100 };
    let mut failures = Failures { count: 100, last: at(0), lock_ms: 0, disabled: false };
    failures.count(limits, at(1));
    assert_eq!((failures.count, failures.disabled), (100, true));
}

/// The clocks of the hosts and tenants that share a repository differ.
#[test]
fn a_sweep_leaves_alone_what_lies_a_little_ahead() {
    let failures = Failures { count: 10, last: at(DAY_MS), lock_ms: 1000, disabled: false };
    assert_eq!(failures.clone().swept(at(0)), Some(failures));
    let sends = Sends { times: vec![at(1), at(DAY_MS)] };
    assert_eq!(sends.clone().swept(at(0)), Some(sends));
}
