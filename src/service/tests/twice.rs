//! A repository that runs every operation twice: first as one does whose commit finds that something has changed, and
//! then for good. What the first run did must leave no trace, neither in rows nor in what the operation holds.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::block::RowKey;
use crate::clock::Moment;
use crate::repository::{Operation, Row, Scan, Sweeper, Swept};

struct Twice(Arc<dyn Repository>);

/// Has every operation of this service run twice. Nobody else has its repository yet.
pub(super) fn run_twice(service: &mut Service) {
    let core = Arc::get_mut(&mut service.core).unwrap();
    core.repository = Arc::new(Twice(core.repository.clone()));
}

impl Repository for Twice {
    fn place(&self) -> &str {
        self.0.place()
    }

    fn update(&self, commit: Commit, mut operation: Operation) -> Result<()> {
        let twice = move |transaction: &mut dyn Transaction| {
            let mut discarded = Discarded { transaction, writes: BTreeMap::new() };
            let first = catch_unwind(AssertUnwindSafe(|| operation(&mut discarded)));
            let second = operation(transaction);
            let outcome = |done: &Result<()>| done.as_ref().err().map(Error::outcome);
            if let Ok(first) = &first {
                assert_eq!(outcome(first), outcome(&second), "the second run ends as the first");
            }
            second
        };
        self.0.update(commit, Box::new(twice))
    }

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        self.0.read(key)
    }

    fn knows_absent(&self, key: &RowKey) -> Result<bool> {
        self.0.knows_absent(key)
    }

    fn time(&self, moment: &Moment) -> Result<Time> {
        self.0.time(moment)
    }

    fn scan(&self, range: RangeInclusive<RowKey>) -> Scan<'_> {
        self.0.scan(range)
    }

    fn live(&self) -> Option<u64> {
        self.0.live()
    }

    fn sweep(&self, limit: usize, sweeper: Sweeper) -> Result<Swept> {
        self.0.sweep(limit, sweeper)
    }
}

/// A view whose writes reach nobody.
struct Discarded<'a> {
    transaction: &'a mut dyn Transaction,
    writes: BTreeMap<RowKey, Option<Row>>,
}

impl Transaction for Discarded<'_> {
    fn get(&mut self, key: &RowKey) -> Result<Option<Row>> {
        match self.writes.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.transaction.get(key),
        }
    }

    fn put(&mut self, key: &RowKey, row: Row) {
        self.writes.insert(*key, Some(row));
    }

    fn delete(&mut self, key: &RowKey) {
        self.writes.insert(*key, None);
    }

    fn time(&mut self, moment: &Moment) -> Time {
        self.transaction.time(moment)
    }
}

/// The fault that the repository above is there to find.
#[test]
fn an_operation_that_keeps_what_its_first_run_found_is_caught() {
    let fixture = Fixture::new("");
    let mut runs = 0;
    let told = transact(&*fixture.service.core.repository, DURABLE, move |_| {
        runs += 1;
        Ok(runs)
    });
    assert_eq!(told, Ok(2), "the last run counts, and there were two");
}
