//! What a batch does inside its transaction.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::super::census::Census;
use super::super::engine::{Engine, Settle};
use super::super::{Commit, Judge, Row, Sweeper, Swept, Transaction};
use super::{Pending, Work, broken, in_doubt};
use crate::block::RowKey;
use crate::error::Result;

/// Rows that are swept before it is asked whether it took too long.
pub const SWEPT_AT_ONCE: usize = 16;

/// How long a transaction sweeps. Reading a row may be slow, where it is a file.
pub const SWEEP_TIME: Duration = Duration::from_millis(5);

/// Runs the batch in the transaction that has begun, and ends it. Gives the results, and what they wait for.
pub fn run_batch<E: Engine>(
    engine: &mut E,
    batch: Vec<Pending>,
    durable: bool,
    census: &Census,
) -> (Vec<Result<Swept>>, Option<Settle>) {
    let mut results = Vec::with_capacity(batch.len());
    let size = batch.len();
    let (mut sweep, mut synced) = (None, false);
    let run = || -> Result<()> {
        for pending in batch {
            add_sweep(&mut sweep, pending.commit);
            let asks = durable && pending.commit.synced;
            let Done { result, changed } = run_one(engine, pending, census)?;
            synced |= asks && changed;
            results.push(result);
        }
        match sweep {
            Some((limit, sweeper)) => sweep_for_a_while(engine, limit, &sweeper.judge(), census).map(|_| ()),
            None => Ok(()),
        }
    };
    let ended = match run() {
        Ok(()) => engine.commit(synced).map_err(in_doubt),
        Err(error) => {
            engine.rollback();
            Err(error)
        }
    };
    match ended {
        Ok(settle) => (results, settle),
        Err(error) => {
            census.lost();
            results.iter_mut().filter(|result| result.is_ok()).for_each(|result| *result = Err(error.clone()));
            results.resize(size, Err(error));
            (results, None)
        }
    }
}

/// What the operations of a batch sweep besides, they sweep together, when all have run.
fn add_sweep(sweep: &mut Option<(usize, Sweeper)>, commit: Commit) {
    if let Some((limit, sweeper)) = commit.sweep {
        let before = sweep.map_or(0, |(limit, _)| limit);
        *sweep = Some((before + limit, sweeper));
    }
}

/// What came of a piece of work, and whether it changed something.
struct Done {
    result: Result<Swept>,
    changed: bool,
}

/// Runs one piece of work. An error outside fails the batch; one inside is the work's own, and has left no trace.
fn run_one<E: Engine>(engine: &mut E, pending: Pending, census: &Census) -> Result<Done> {
    let mut operation = match pending.work {
        Work::Run(operation) => operation,
        Work::Sweep(limit, sweeper) => {
            let swept = sweep_for_a_while(engine, limit, &sweeper.judge(), census)?;
            return Ok(Done { result: Ok(swept), changed: true });
        }
    };
    let mut staged = Overlay { engine, writes: BTreeMap::new() };
    let done = catch_unwind(AssertUnwindSafe(|| operation(&mut staged)));
    let Overlay { engine, writes } = staged;
    if let Err(error) = done.unwrap_or_else(|_| Err(broken())) {
        return if engine.in_transaction() { Ok(Done { result: Err(error), changed: false }) } else { Err(error) };
    }
    for (key, row) in &writes {
        engine.write(key, row.as_ref())?;
    }
    Ok(Done { result: Ok(Swept::default()), changed: !writes.is_empty() })
}

/// Sweeps `limit` rows, or as many as there is time for.
pub fn sweep_for_a_while<E: Engine>(engine: &mut E, limit: usize, judge: &Judge, census: &Census) -> Result<Swept> {
    let begun = Instant::now();
    let (mut all, mut left) = (Swept::default(), limit);
    while left > 0 && !all.wrapped {
        let rows = left.min(SWEPT_AT_ONCE);
        let swept = engine.sweep(rows, judge)?;
        all = Swept { purged: all.purged + swept.purged, wrapped: swept.wrapped };
        left = if begun.elapsed() < SWEEP_TIME { left - rows } else { 0 };
    }
    census.saw(judge.live(), all.wrapped);
    Ok(all)
}

/// An operation's view: its own writes before what the engine has. They reach the engine when it succeeds.
struct Overlay<'a, E> {
    engine: &'a mut E,
    writes: BTreeMap<RowKey, Option<Row>>,
}

impl<E: Engine> Transaction for Overlay<'_, E> {
    fn get(&mut self, key: &RowKey) -> Result<Option<Row>> {
        match self.writes.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.engine.get(key),
        }
    }

    fn put(&mut self, key: &RowKey, row: Row) {
        debug_assert!(row.is_valid(), "a row is written that reading will refuse");
        self.writes.insert(*key, Some(row));
    }

    fn delete(&mut self, key: &RowKey) {
        self.writes.insert(*key, None);
    }
}
