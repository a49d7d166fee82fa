//! How many codes are good, counted by the way: a sweep comes by all rows anyway.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::metrics::Gauge;

/// The count of one handle, whose sweeps come one after the other.
#[derive(Default)]
pub struct Census {
    counted: AtomicU64,
    /// Whether this round has seen all rows from the first on.
    is_whole: AtomicBool,
    live: Gauge,
}

impl Census {
    /// A part of a round found so many, and may have come to the end.
    pub fn saw(&self, live: u64, wrapped: bool) {
        let counted = self.counted.load(Ordering::Relaxed) + live;
        self.counted.store(if wrapped { 0 } else { counted }, Ordering::Relaxed);
        if wrapped && self.is_whole.swap(true, Ordering::Relaxed) {
            self.live.set(counted);
        }
    }

    /// Nobody knows where the sweep goes on: the next count begins with the next round.
    pub fn lost(&self) {
        self.is_whole.store(false, Ordering::Relaxed);
    }

    /// How many there were in the last full round.
    pub fn live(&self) -> Option<u64> {
        self.live.get()
    }
}

#[cfg(test)]
mod tests {
    use super::Census;

    #[test]
    fn only_a_round_from_end_to_end_counts() {
        let census = Census::default();
        census.saw(3, false);
        census.saw(1, true);
        assert_eq!(census.live(), None, "it began anywhere");
        census.saw(4, false);
        assert_eq!(census.live(), None);
        census.saw(5, true);
        assert_eq!(census.live(), Some(9));
        census.saw(1, false);
        census.lost();
        census.saw(100, true);
        assert_eq!(census.live(), Some(9), "some may have been seen twice");
        census.saw(0, true);
        assert_eq!(census.live(), Some(0));
    }
}
