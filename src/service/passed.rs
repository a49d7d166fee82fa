//! What those that go over many rows remember: where they are, and which rows they had to pass over.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Mutex;

use super::Service;
use crate::block::RowKey;
use crate::clock::Time;
use crate::fork::{self, lock};
use crate::hooks::{About, Level};
use crate::outcome::Outcome;
use crate::tenant;

/// Rows that are remembered to have been reported of: then all are forgotten, and may be reported of once more.
const MOST_REPORTED: usize = 1 << 16;

/// A row that could not be read, opened or rendered.
pub struct Passed {
    /// Its key.
    pub key: RowKey,
    /// The record it is about, as far as that is known, else the row itself.
    pub about: RowKey,
    /// What is wrong.
    pub outcome: Outcome,
}

/// How far a round over the timers has come.
#[derive(Clone, Copy)]
pub struct Place {
    /// The timer that was looked at last.
    pub timer: RowKey,
    /// How many it has found due.
    pub due: u64,
}

/// What a service remembers of its upkeep.
#[derive(Default)]
pub struct UpkeepMemory {
    /// The timer at which a look ended before it had seen all. The next one goes on there, so that none of those
    /// that cannot be run keeps it from those behind them.
    timer: Mutex<Option<Place>>,
    reported: Mutex<BTreeSet<RowKey>>,
}

impl UpkeepMemory {
    /// Those of these timers that the next look is about, and how many this round has found due before them.
    pub fn rest_of(&self, timers: RangeInclusive<RowKey>, now: Time) -> (RangeInclusive<RowKey>, u64) {
        let place = fork::shared(|| *lock(&self.timer));
        match place.filter(|place| tenant::due(&place.timer) <= now) {
            Some(Place { timer, due }) => (tenant::after(&timer, timers), due),
            None => (timers, 0),
        }
    }

    /// Notes where a look ended, or that it has seen all that was due.
    pub fn ended_at(&self, place: Option<Place>) {
        fork::shared(|| *lock(&self.timer) = place);
    }

    /// Whether this row is one that nobody was reported of. Now somebody is.
    fn is_news(&self, key: &RowKey) -> bool {
        fork::shared(|| {
            let mut reported = lock(&self.reported);
            if reported.len() >= MOST_REPORTED {
                reported.clear();
            }
            reported.insert(*key)
        })
    }
}

impl Service {
    /// Tells the log of rows that were passed over, of each once.
    pub(super) fn tell_passed(&self, event: &str, passed: &[Passed]) {
        for Passed { key, about, outcome } in passed {
            if self.core.memory.is_news(key) {
                self.hooks.log(Level::Error, event, *outcome, About { row: Some(about), ..About::default() });
            }
        }
    }
}
