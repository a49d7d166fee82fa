//! Engines whose rows take their time, or whose commits fail.

use super::batch::{SWEEP_TIME, SWEPT_AT_ONCE, sweep_for_a_while};
use super::*;
use crate::clock::Time;
use crate::repository::engine::Rest;
use crate::repository::{Judge, Page, moved, transact};

/// Keeps nothing.
struct Odd {
    /// Rows that were swept.
    swept: usize,
    /// How a commit fails, if it does.
    failure: Option<fn(&'static str) -> Error>,
    moved: bool,
}

const FAST: Odd = Odd { swept: 0, failure: None, moved: false };

impl Engine for Odd {
    fn place(&self) -> String {
        "odd:".to_owned()
    }

    fn try_begin(&mut self) -> Result<bool> {
        if self.moved { Err(moved("odd:")) } else { Ok(true) }
    }

    fn get(&mut self, _key: &RowKey) -> Result<Option<Row>> {
        Ok(None)
    }

    fn write(&mut self, _key: &RowKey, _row: Option<&Row>) -> Result<()> {
        Ok(())
    }

    fn sweep(&mut self, limit: usize, _judge: &Judge) -> Result<Swept> {
        self.swept += limit;
        thread::sleep(SWEEP_TIME);
        Ok(Swept { purged: 1, wrapped: false })
    }

    fn commit(&mut self, _synced: bool) -> Result<Option<Settle>> {
        self.failure.map_or(Ok(None), |failure| Err(failure("cause")))
    }

    fn rollback(&mut self) {}

    fn close(&mut self) {}
}

/// Finds nothing, after it was busy so many times.
struct Nothing(AtomicU64);

impl Nothing {
    fn look<T>(&self, found: T) -> Result<T> {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left > 0 { Err(Error::busy("cause")) } else { Ok(found) }
    }
}

impl Reader for Nothing {
    type Position = Rest;

    fn read(&self, _key: &RowKey) -> Result<Option<Row>> {
        self.look(None)
    }

    fn scan(&self, _place: &mut Rest) -> Result<Option<Page>> {
        self.look(None)
    }

    fn refuse_moved(&self) -> Result<()> {
        Ok(())
    }

    fn close(&self) {}
}

fn repository(engine: Odd, busy: u64) -> Arc<GroupCommit<Odd, Nothing>> {
    GroupCommit::new(engine, Nothing(busy.into()), Durability::Process).unwrap()
}

#[test]
fn a_sweep_of_slow_rows_ends_after_a_while() {
    let mut slow = FAST;
    assert_eq!(
        sweep_for_a_while(&mut slow, 1000, &Time::START.into(), &Census::default()).unwrap(),
        Swept { purged: 1, wrapped: false }
    );
    assert_eq!(slow.swept, SWEPT_AT_ONCE);
    assert_eq!(sweep_for_a_while(&mut slow, 3, &Time::START.into(), &Census::default()).unwrap().purged, 1);
    assert_eq!(slow.swept, SWEPT_AT_ONCE + 3);
}

#[test]
fn a_commit_that_fails_may_have_been_done() {
    for failure in [Error::busy, Error::store, Error::internal] {
        let repository = repository(Odd { failure: Some(failure), ..FAST }, 0);
        let commit = Commit { synced: false, sweep: None };
        assert_eq!(transact(&*repository, commit, |_| Ok(())), Err(Error::store("cause")));
    }
}

/// A writer that comes too late has everything closed, and keeps readers out for a moment.
#[test]
fn what_was_moved_is_copied_though_a_reader_has_to_wait() {
    let repository = repository(Odd { moved: true, ..FAST }, 3);
    assert!(repository.scan_for_copy().next().is_none());
    let refused = transact(&*repository, Commit { synced: false, sweep: None }, |_| Ok(()));
    assert!(refused.unwrap_err().is_move());
}

#[test]
fn a_reader_that_has_to_wait_is_told_why_a_writer_fails() {
    let failing = Odd { failure: Some(Error::internal), ..FAST };
    assert_eq!(repository(failing, 1).read(&META), Err(Error::store("cause")));
    assert_eq!(repository(FAST, 3).read(&META), Ok(None));
}
