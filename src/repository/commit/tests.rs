//! Engines whose rows take their time, or whose commits fail.

use super::batch::{SWEEP_TIME, SWEPT_AT_ONCE, sweep_for_a_while};
use super::*;
use crate::clock::Time;
use crate::repository::engine::Rest;
use crate::repository::{Judge, Page, transact};

/// Keeps nothing.
struct Odd {
    /// Rows that were swept.
    swept: usize,
    /// How a commit fails, if it does.
    failure: Option<fn(&'static str) -> Error>,
}

impl Engine for Odd {
    fn place(&self) -> String {
        "odd:".to_owned()
    }

    fn try_begin(&mut self) -> Result<bool> {
        Ok(true)
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

struct Nothing;

impl Reader for Nothing {
    type Position = Rest;

    fn read(&self, _key: &RowKey) -> Result<Option<Row>> {
        Ok(None)
    }

    fn scan(&self, _place: &mut Rest) -> Result<Option<Page>> {
        Ok(None)
    }

    fn close(&self) {}
}

#[test]
fn a_sweep_of_slow_rows_ends_after_a_while() {
    let mut slow = Odd { swept: 0, failure: None };
    assert_eq!(sweep_for_a_while(&mut slow, 1000, &Time::START.into()).unwrap(), Swept { purged: 1, wrapped: false });
    assert_eq!(slow.swept, SWEPT_AT_ONCE);
    assert_eq!(sweep_for_a_while(&mut slow, 3, &Time::START.into()).unwrap().purged, 1);
    assert_eq!(slow.swept, SWEPT_AT_ONCE + 3);
}

#[test]
fn a_commit_that_fails_may_have_been_done() {
    for failure in [Error::busy, Error::store, Error::internal] {
        let engine = Odd { swept: 0, failure: Some(failure) };
        let repository = GroupCommit::new(engine, Nothing, Durability::Process).unwrap();
        let commit = Commit { synced: false, sweep: None };
        assert_eq!(transact(&*repository, commit, |_| Ok(())), Err(Error::store("cause")));
    }
}
