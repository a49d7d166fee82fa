//! Group commit: operations of many threads in one transaction and one sync.
//!
//! Callers queue. The first to come leads: it takes the lock between processes, runs all that is queued in one
//! transaction, commits once, hands the lead to the next in the queue and answers. Leading lasts one batch, so no
//! caller works for others for long.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::engine::{Engine, Reader};
use super::{Commit, Judge, Operation, Repository, Row, Scan, Sweeper, Swept, Transaction};
use crate::block::RowKey;
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::fork::{self, ForkAware, lock};
use crate::outcome::Outcome;
use crate::sys;

/// Rows that are swept before it is asked whether it took too long.
const SWEPT_AT_ONCE: usize = 16;

/// How long a transaction sweeps. Reading a row may be slow, where it is a file.
const SWEEP_TIME: Duration = Duration::from_millis(5);

/// Pause between two tries to get the lock from another process. Constant: doubling pauses starve the slowest.
const PAUSE: Duration = Duration::from_micros(50);

/// How long an operation waits before it is withdrawn.
const PATIENCE: Duration = Duration::from_secs(10);

/// A repository made of an engine and a reader.
pub(super) struct GroupCommit<E: Engine, R: Reader> {
    durability: Durability,
    queue: Mutex<Queue>,
    engine: Mutex<E>,
    reader: R,
    log_bytes: AtomicU64,
    place: String,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    /// Whether somebody leads. If so, that caller's own work is the first in the queue.
    led: bool,
}

struct Pending {
    caller: Arc<Caller>,
    commit: Commit,
    work: Work,
}

enum Work {
    Run(Operation),
    Sweep(usize, Sweeper),
}

/// A thread that waits. Nobody but it and its leader looks here, so no gate is needed: a child has neither.
struct Caller {
    thread: Thread,
    turn: Mutex<Turn>,
}

enum Turn {
    Wait,
    Lead,
    Answered(Result<Swept>),
}

type Answers = Vec<(Arc<Caller>, Result<Swept>)>;

impl<E: Engine + 'static, R: Reader + 'static> GroupCommit<E, R> {
    pub(super) fn new(engine: E, reader: R, durability: Durability) -> Result<Arc<Self>> {
        let place = engine.place();
        let (queue, engine, log_bytes) = (Mutex::default(), Mutex::new(engine), AtomicU64::new(0));
        let repository = Arc::new(Self { durability, queue, engine, reader, log_bytes, place });
        let member: Arc<dyn ForkAware> = repository.clone();
        fork::register(Arc::downgrade(&member))?;
        Ok(repository)
    }

    fn submit(&self, commit: Commit, work: Work) -> Result<Swept> {
        fork::check()?;
        let deadline = Instant::now() + PATIENCE;
        let caller = Arc::new(Caller { thread: thread::current(), turn: Mutex::new(Turn::Wait) });
        let leads = fork::shared(|| {
            let mut queue = lock(&self.queue);
            queue.waiting.push_back(Pending { caller: caller.clone(), commit, work });
            !std::mem::replace(&mut queue.led, true)
        });
        let answer = if leads { self.lead(&caller, deadline) } else { self.follow(&caller, deadline) };
        answer.map_err(|error| error.in_repository(&self.place))
    }

    /// Reads, again and again as long as the reader is busy.
    fn patiently<T>(&self, mut read: impl FnMut(&R) -> Result<T>) -> Result<T> {
        fork::check()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match fork::shared(|| read(&self.reader)) {
                Err(error) if error.outcome() == Outcome::Busy && Instant::now() < deadline => thread::sleep(PAUSE),
                answer => return answer.map_err(|error| error.in_repository(&self.place)),
            }
            // What keeps a reader out, as a database that was switched to another mode, a writer puts right.
            self.submit(Commit { synced: false, sweep: None }, Work::Run(Box::new(|_| Ok(()))))?;
        }
    }

    /// Waits to be answered, or to be made the leader.
    fn follow(&self, caller: &Arc<Caller>, deadline: Instant) -> Result<Swept> {
        let mut withdrawable = true;
        loop {
            match std::mem::replace(&mut *lock(&caller.turn), Turn::Wait) {
                Turn::Answered(answer) => return answer,
                Turn::Lead => return self.lead(caller, deadline),
                Turn::Wait => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
            } else if !withdrawable {
                thread::park();
            } else if self.withdraw(caller) {
                return Err(busy());
            } else {
                // The leader has it: the answer will come.
                withdrawable = false;
            }
        }
    }

    /// Takes the caller's work out of the queue. `false` when it is no longer there, or leads the queue.
    fn withdraw(&self, caller: &Arc<Caller>) -> bool {
        fork::shared(|| {
            let mut queue = lock(&self.queue);
            if matches!(*lock(&caller.turn), Turn::Lead) {
                return false;
            }
            let place = queue.waiting.iter().position(|pending| Arc::ptr_eq(&pending.caller, caller));
            place.is_some_and(|place| queue.waiting.remove(place).is_some())
        })
    }

    /// Runs one batch, the caller's own work in it, and hands the lead on.
    fn lead(&self, caller: &Arc<Caller>, deadline: Instant) -> Result<Swept> {
        loop {
            // Where the disk or a limit of the process ends, the answer is an error.
            if let Some(answers) = fork::shared(|| sys::without_write_signals(|| self.try_batch())) {
                return answer(answers, caller);
            }
            if Instant::now() >= deadline {
                fork::shared(|| {
                    let mut queue = lock(&self.queue);
                    queue.waiting.pop_front();
                    queue.hand_over();
                });
                return Err(busy());
            }
            thread::sleep(PAUSE);
        }
    }

    /// One try to get the lock and run what is queued. `None` when somebody else has the lock.
    fn try_batch(&self) -> Option<Answers> {
        let mut engine = lock(&self.engine);
        // The queue stands still while the transaction begins: what is in it decides whether that will be synced.
        let mut queue = lock(&self.queue);
        let size = queue.waiting.len().min(E::BATCH);
        let asked = queue.waiting.iter().take(size).any(|pending| pending.commit.synced);
        let synced = asked && self.durability == Durability::Full;
        let begun = catch_unwind(AssertUnwindSafe(|| engine.try_begin(synced))).unwrap_or_else(|_| Err(broken()));
        if let Ok(false) = begun {
            return None;
        }
        let batch: Vec<_> = queue.waiting.drain(..size).collect();
        drop(queue);
        let callers: Vec<_> = batch.iter().map(|pending| pending.caller.clone()).collect();
        let answers = begun.and_then(|_| {
            let run = AssertUnwindSafe(|| run_batch(&mut *engine, batch));
            catch_unwind(run).map_err(|_| broken())
        });
        let answers = match answers {
            Ok(answers) => callers.into_iter().zip(answers).collect(),
            Err(error) => {
                engine.close();
                callers.into_iter().map(|caller| (caller, Err(error.clone()))).collect()
            }
        };
        self.log_bytes.store(engine.log_bytes(), Ordering::Relaxed);
        drop(engine);
        lock(&self.queue).hand_over();
        Some(answers)
    }
}

impl Queue {
    /// Makes the first in the queue the leader, if there is one.
    fn hand_over(&mut self) {
        match self.waiting.front() {
            Some(next) => {
                *lock(&next.caller.turn) = Turn::Lead;
                next.caller.thread.unpark();
            }
            None => self.led = false,
        }
    }
}

/// Gives every caller its answer, and returns that of `own`.
fn answer(answers: Answers, own: &Arc<Caller>) -> Result<Swept> {
    let mut mine = Err(broken());
    for (caller, answer) in answers {
        if Arc::ptr_eq(&caller, own) {
            mine = answer;
        } else {
            *lock(&caller.turn) = Turn::Answered(answer);
            caller.thread.unpark();
        }
    }
    mine
}

/// Runs the batch in the transaction that has begun, and ends it.
fn run_batch<E: Engine>(engine: &mut E, batch: Vec<Pending>) -> Vec<Result<Swept>> {
    let mut answers = Vec::with_capacity(batch.len());
    let size = batch.len();
    let mut sweep = None;
    let run = || -> Result<()> {
        for pending in batch {
            add_sweep(&mut sweep, pending.commit);
            answers.push(run_one(engine, pending)?);
        }
        match sweep {
            Some((limit, sweeper)) => sweep_for_a_while(engine, limit, &sweeper.judge()).map(|_| ()),
            None => Ok(()),
        }
    };
    let ended = match run() {
        // Whatever kind of failure it is: the transaction may stand.
        Ok(()) => engine.commit().map_err(|error| Error::store(error.detail())),
        Err(error) => {
            engine.rollback();
            Err(error)
        }
    };
    if let Err(error) = ended {
        answers.iter_mut().filter(|answer| answer.is_ok()).for_each(|answer| *answer = Err(error.clone()));
        answers.resize(size, Err(error));
    }
    answers
}

/// What the operations of a batch sweep besides, they sweep together, when all have run.
fn add_sweep(sweep: &mut Option<(usize, Sweeper)>, commit: Commit) {
    if let Some((limit, sweeper)) = commit.sweep {
        let before = sweep.map_or(0, |(limit, _)| limit);
        *sweep = Some((before + limit, sweeper));
    }
}

/// Runs one piece of work. An error outside fails the batch; one inside is the work's own, and has left no trace.
fn run_one<E: Engine>(engine: &mut E, pending: Pending) -> Result<Result<Swept>> {
    let mut operation = match pending.work {
        Work::Run(operation) => operation,
        Work::Sweep(limit, sweeper) => return sweep_for_a_while(engine, limit, &sweeper.judge()).map(Ok),
    };
    let mut staged = Overlay { engine, writes: BTreeMap::new() };
    let done = catch_unwind(AssertUnwindSafe(|| operation(&mut staged)));
    let Overlay { engine, writes } = staged;
    if let Err(error) = done.unwrap_or_else(|_| Err(broken())) {
        return if engine.in_transaction() { Ok(Err(error)) } else { Err(error) };
    }
    for (key, row) in &writes {
        engine.write(key, row.as_ref())?;
    }
    Ok(Ok(Swept::default()))
}

/// Sweeps `limit` rows, or as many as there is time for.
fn sweep_for_a_while<E: Engine>(engine: &mut E, limit: usize, judge: &Judge) -> Result<Swept> {
    let begun = Instant::now();
    let (mut all, mut left) = (Swept::default(), limit);
    while left > 0 && !all.wrapped {
        let rows = left.min(SWEPT_AT_ONCE);
        let swept = engine.sweep(rows, judge)?;
        all = Swept { purged: all.purged + swept.purged, wrapped: swept.wrapped };
        left = if begun.elapsed() < SWEEP_TIME { left - rows } else { 0 };
    }
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

impl<E: Engine + 'static, R: Reader + 'static> Repository for GroupCommit<E, R> {
    fn update(&self, commit: Commit, operation: Operation) -> Result<()> {
        self.submit(commit, Work::Run(operation)).map(|_| ())
    }

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        self.patiently(|reader| reader.read(key))
    }

    fn scan(&self, range: RangeInclusive<RowKey>) -> Scan<'_> {
        let mut place = R::Position::from(range);
        Box::new(std::iter::from_fn(move || self.patiently(|reader| reader.scan(&mut place)).transpose()))
    }

    fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    fn sweep(&self, limit: usize, sweeper: Sweeper) -> Result<Swept> {
        self.submit(Commit { synced: false, sweep: None }, Work::Sweep(limit, sweeper))
    }
}

/// Closing is a call of the storage like any other: a fork must not come in between. A child that has no business
/// with the files leaves them to the system.
impl<E: Engine, R: Reader> Drop for GroupCommit<E, R> {
    fn drop(&mut self) {
        if fork::check().is_ok() {
            fork::shared(|| {
                sys::without_write_signals(|| lock(&self.engine).finish());
                self.reader.close();
            });
        }
    }
}

impl<E: Engine + 'static, R: Reader + 'static> ForkAware for GroupCommit<E, R> {
    fn before_fork(&self) {
        lock(&self.engine).close();
        self.reader.close();
    }

    fn in_child(&self) {
        *lock(&self.queue) = Queue::default();
        self.reader.in_child();
    }
}

fn busy() -> Error {
    Error::busy(format!("the repository was busy for {} seconds", PATIENCE.as_secs()))
}

#[cold]
fn broken() -> Error {
    Error::internal("an operation of the repository panicked")
}

#[cfg(test)]
mod tests;
