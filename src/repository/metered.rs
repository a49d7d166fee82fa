//! A repository whose work is counted and timed.

use std::iter;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use super::{Commit, Operation, Repository, Row, Scan, Sweeper, Swept};
use crate::block::RowKey;
use crate::clock::{Moment, Time};
use crate::error::Result;
use crate::metrics::Metrics;

struct Metered {
    repository: Arc<dyn Repository>,
    metrics: Arc<Metrics>,
}

/// Has all work in the repository counted from now on.
pub fn metered(repository: Arc<dyn Repository>, metrics: Arc<Metrics>) -> Arc<dyn Repository> {
    Arc::new(Metered { repository, metrics })
}

impl Metered {
    fn timed<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let done = work();
        self.metrics.stored(begun.elapsed(), done.as_ref().err());
        done
    }

    /// A page is a piece of work; the time between two is its reader's.
    fn timed_scan<'a>(&'a self, mut scan: Scan<'a>) -> Scan<'a> {
        Box::new(iter::from_fn(move || self.timed(|| scan.next().transpose()).transpose()))
    }
}

impl Repository for Metered {
    fn place(&self) -> &str {
        self.repository.place()
    }

    fn update(&self, commit: Commit, operation: Operation) -> Result<()> {
        self.timed(|| self.repository.update(commit, operation))
    }

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        self.timed(|| self.repository.read(key))
    }

    fn knows_absent(&self, key: &RowKey) -> Result<bool> {
        self.timed(|| self.repository.knows_absent(key))
    }

    /// Hardly ever work: what the storage said last is reckoned on.
    fn time(&self, moment: &Moment) -> Result<Time> {
        self.repository.time(moment)
    }

    fn scan(&self, range: RangeInclusive<RowKey>) -> Scan<'_> {
        self.timed_scan(self.repository.scan(range))
    }

    fn scan_for_copy(&self) -> Scan<'_> {
        self.timed_scan(self.repository.scan_for_copy())
    }

    fn settle_move(&self) -> Result<()> {
        self.repository.settle_move()
    }

    #[cfg(test)]
    fn removes_what_is_over(&self) -> bool {
        self.repository.removes_what_is_over()
    }

    fn log_bytes(&self) -> u64 {
        self.repository.log_bytes()
    }

    fn live(&self) -> Option<u64> {
        self.repository.live()
    }

    fn sweep(&self, limit: usize, sweeper: Sweeper) -> Result<Swept> {
        self.timed(|| self.repository.sweep(limit, sweeper))
    }
}
