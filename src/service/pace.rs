//! Many rows in small transactions: others wait for none for long, and get their turn after each.

use std::thread;
use std::time::{Duration, Instant};

use super::DURABLE;
use super::after::Series;
use crate::error::Result;
use crate::repository::{Repository, Transaction, transact};

/// Rows of the first transaction: few, since each may have to wait for the disk.
pub const FIRST: usize = 4;

/// Most rows of a transaction: the disk may turn slow in the midst of one.
pub const MOST: usize = 64;

/// How long a transaction should last. What a row takes depends on the disk, and on whether it is a file: it is found
/// out as we go.
const AIM: Duration = Duration::from_millis(10);

/// How long nobody of ours wants the lock between two transactions: long enough for one who waits to see it.
const GAP: Duration = Duration::from_micros(200);

/// How many rows fit a transaction, and the transactions so far.
pub struct Pace {
    rows: usize,
    /// How long the last transaction took.
    last: Duration,
    pub series: Series,
}

impl Pace {
    /// That of work that begins.
    pub fn new() -> Self {
        Self { rows: FIRST, last: Duration::ZERO, series: Series::default() }
    }

    /// Rows for the next transaction.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether one more transaction would end by then.
    pub fn fits(&self, until: Instant) -> bool {
        Instant::now() + self.last < until
    }

    /// Runs a transaction over so many rows, or fewer.
    pub fn transact<T: Send + 'static>(
        &mut self,
        repository: &dyn Repository,
        mut operation: impl FnMut(&mut dyn Transaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let timed = move |transaction: &mut dyn Transaction| {
            // From here on others wait.
            let begun = Instant::now();
            Ok((begun, operation(transaction)?))
        };
        let (begun, answer) = self.series.run(|| transact(repository, DURABLE, timed))?;
        self.took(begun.elapsed());
        rest();
        Ok(answer)
    }

    fn took(&mut self, time: Duration) {
        self.last = time;
        self.rows = match self.rows {
            rows if time > 2 * AIM => (rows / 2).max(1),
            rows if time < AIM => (rows * 2).min(MOST),
            rows => rows,
        };
    }
}

/// Lets others have the lock.
pub fn rest() {
    thread::sleep(GAP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_the_disk() {
        let mut pace = Pace::new();
        let mut after = |ms, times| {
            (0..times).for_each(|_| pace.took(Duration::from_millis(ms)));
            pace.rows()
        };
        assert_eq!([after(1, 1), after(1, 10), after(15, 10)], [2 * FIRST, MOST, MOST]);
        assert_eq!([after(30, 1), after(30, 20), after(1, 1)], [MOST / 2, 1, 2]);
    }

    #[test]
    fn another_transaction_must_fit() {
        let mut pace = Pace::new();
        let soon = Instant::now() + Duration::from_secs(60);
        assert!(pace.fits(soon) && !pace.fits(Instant::now()));
        pace.took(Duration::from_secs(61));
        assert!(!pace.fits(soon));
    }
}
