use super::*;
use crate::repository::transact;

/// Keeps nothing, and fails to commit in the given way.
struct Unlucky(fn(&'static str) -> Error);

impl Engine for Unlucky {
    fn try_begin(&mut self, _synced: bool) -> Result<bool> {
        Ok(true)
    }

    fn get(&mut self, _key: &Key) -> Result<Option<Row>> {
        Ok(None)
    }

    fn write(&mut self, _key: &Key, _row: Option<&Row>) -> Result<()> {
        Ok(())
    }

    fn scan(&mut self, _after: Option<&Key>, _limit: usize) -> Result<Vec<(Key, Row)>> {
        Ok(Vec::new())
    }

    fn sweep(&mut self, _limit: usize, _now: Time) -> Result<Swept> {
        Ok(Swept::default())
    }

    fn commit(&mut self) -> Result<()> {
        Err((self.0)("cause"))
    }

    fn rollback(&mut self) {}

    fn close(&mut self) {}
}

struct Nothing;

impl Reader for Nothing {
    fn read(&self, _key: &Key) -> Result<Option<Row>> {
        Ok(None)
    }

    fn close(&self) {}
}

#[test]
fn a_commit_that_fails_may_have_been_done() {
    for failure in [Error::busy, Error::store, Error::internal] {
        let repository = GroupCommit::new(Unlucky(failure), Nothing, Durability::Process).unwrap();
        let commit = Commit { synced: false, sweep: None };
        assert_eq!(transact(&*repository, commit, |_| Ok(())), Err(Error::store("cause")));
    }
}
