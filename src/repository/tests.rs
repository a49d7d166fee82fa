//! What a sweep does with each kind of row, also with one that a clock left that was ahead.

use super::*;
use crate::clock::{DAY_MS, MINUTE_MS};

const MOST_KEPT_MS: u64 = DAY_MS + 43_200 * MINUTE_MS;

fn at(ms: u64) -> Time {
    Time::from_ms(1_700_000_000_000 + ms)
}

#[test]
fn a_timer_of_a_wrong_clock_goes_and_others_stay_until_they_are_long_due() {
    let timer = |ms| Row::Timer(Timer { due: at(ms), record: RowKey::new([1; 16]), delivery: 1, step: 0 });
    for (due, now, fate) in [
        (2 * DAY_MS, 0, Fate::Keep),
        (2 * DAY_MS + 1, 0, Fate::Remove),
        (365 * DAY_MS, 0, Fate::Remove),
        (0, DAY_MS - 1, Fate::Keep),
        (0, DAY_MS, Fate::Remove),
    ] {
        assert_eq!(timer(due).swept(at(now)), fate, "due at {due}, swept at {now}");
    }
}

#[test]
fn a_reference_is_kept_no_longer_than_any_record() {
    let reference = |until| Row::Reference(Reference { record: RowKey::new([1; 16]), delivery: 1, step: None, until });
    for (until, now, fate) in [
        (at(MOST_KEPT_MS), 0, Fate::Keep),
        (at(MOST_KEPT_MS + 1), 0, Fate::Replace(reference(at(MOST_KEPT_MS)))),
        (Time::END, 5, Fate::Replace(reference(at(5 + MOST_KEPT_MS)))),
        (at(7), 6, Fate::Keep),
        (at(7), 7, Fate::Remove),
    ] {
        assert_eq!(reference(until).swept(at(now)), fate, "kept until {until}, swept at {now}");
    }
}

#[test]
fn the_repository_s_own_row_stays() {
    assert_eq!(Row::Meta(Meta::default()).swept(Time::END), Fate::Keep);
}

/// Of a row at random a sweep leaves one that may be written, and sweeping again changes nothing.
#[test]
fn what_a_sweep_leaves_is_a_row() {
    let mut replaced = 0;
    for seed in 0..5000 {
        let mut draw = samples::Draw(seed);
        let (row, now) = (draw.row(), Time::from_ms(draw.number(Time::END.ms())));
        if let Fate::Replace(left) = row.swept(now) {
            replaced += 1;
            assert!(left.is_valid(), "seed {seed}: {left:?}");
            assert_eq!(left.swept(now), Fate::Keep, "seed {seed}");
        }
    }
    assert!(replaced > 500, "only {replaced} were replaced");
}
