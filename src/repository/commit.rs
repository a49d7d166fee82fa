//! Group commit: operations of many threads in one transaction and one sync.
//!
//! Callers queue. The first to come leads: it takes the lock between processes, runs all that is queued in one
//! transaction, commits once, hands the lead to the next in the queue, has the storage synced where an operation asks
//! for it, and answers. Leading lasts one batch, so no caller works for others for long, and while one batch is being
//! synced the next one runs.

mod batch;

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use self::batch::run_batch;
use super::census::Census;
use super::engine::{Engine, Reader, Settle};
use super::{Commit, LAST, META, Operation, Repository, Row, Scan, Sweeper, Swept};
use crate::block::RowKey;
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::fork::{self, ForkAware, lock};
use crate::outcome::Outcome;
use crate::sys;

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
    census: Census,
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

/// An answer, and for whom.
struct Answer {
    caller: Arc<Caller>,
    /// Whether it is given only when the storage is synced.
    synced: bool,
    result: Result<Swept>,
}

/// What came of a batch.
struct Batch {
    answers: Vec<Answer>,
    /// What some answers wait for.
    settle: Option<Settle>,
}

impl<E: Engine + 'static, R: Reader + 'static> GroupCommit<E, R> {
    pub(super) fn new(engine: E, reader: R, durability: Durability) -> Result<Arc<Self>> {
        let place = engine.place();
        let (queue, engine) = (Mutex::default(), Mutex::new(engine));
        let (log_bytes, census) = (AtomicU64::new(0), Census::default());
        let repository = Arc::new(Self { durability, queue, engine, reader, log_bytes, census, place });
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
            // What keeps a reader out, as a database that was switched to another mode, a writer puts right. From one
            // that was moved there is still something to read.
            match self.submit(Commit { synced: false, sweep: None }, Work::Run(Box::new(|_| Ok(())))) {
                Err(error) if !error.is_move() => return Err(error),
                _ => {}
            }
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
            if let Some(batch) = fork::shared(|| sys::without_write_signals(|| self.try_batch())) {
                return self.answer(batch, caller);
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
    fn try_batch(&self) -> Option<Batch> {
        let mut engine = lock(&self.engine);
        let begun = catch_unwind(AssertUnwindSafe(|| engine.try_begin())).unwrap_or_else(|_| Err(broken()));
        if let Ok(false) = begun {
            return None;
        }
        let mut queue = lock(&self.queue);
        let size = queue.waiting.len().min(E::BATCH);
        let batch: Vec<_> = queue.waiting.drain(..size).collect();
        drop(queue);
        let durable = self.durability == Durability::Full;
        let callers: Vec<_> =
            batch.iter().map(|pending| (pending.caller.clone(), durable && pending.commit.synced)).collect();
        let done = begun.and_then(|_| {
            let run = AssertUnwindSafe(|| run_batch(&mut *engine, batch, durable, &self.census));
            catch_unwind(run).map_err(|_| broken())
        });
        let (results, settle) = done.unwrap_or_else(|error| {
            engine.close();
            self.census.lost();
            (vec![Err(error); size], None)
        });
        self.log_bytes.store(engine.log_bytes(), Ordering::Relaxed);
        drop(engine);
        lock(&self.queue).hand_over();
        let answers =
            callers.into_iter().zip(results).map(|((caller, synced), result)| Answer { caller, synced, result });
        Some(Batch { answers: answers.collect(), settle })
    }

    /// Gives every caller its answer, when what it asked for is on the disk, and returns that of `own`.
    fn answer(&self, batch: Batch, own: &Arc<Caller>) -> Result<Swept> {
        let mut mine = Err(broken());
        let mut give = |answer: Answer| {
            if Arc::ptr_eq(&answer.caller, own) {
                mine = answer.result;
            } else {
                *lock(&answer.caller.turn) = Turn::Answered(answer.result);
                answer.caller.thread.unpark();
            }
        };
        let (wait, done): (Vec<_>, _) =
            batch.answers.into_iter().partition(|answer| answer.synced && batch.settle.is_some());
        done.into_iter().for_each(&mut give);
        if let Some(settle) = batch.settle.filter(|_| !wait.is_empty()) {
            let settled = fork::shared(|| sys::without_write_signals(settle)).map_err(in_doubt);
            for mut answer in wait {
                answer.result = settled.clone().and(answer.result);
                give(answer);
            }
        }
        mine
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

impl<E: Engine + 'static, R: Reader + 'static> Repository for GroupCommit<E, R> {
    fn place(&self) -> &str {
        &self.place
    }

    fn update(&self, commit: Commit, operation: Operation) -> Result<()> {
        self.submit(commit, Work::Run(operation)).map(|_| ())
    }

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        self.patiently(|reader| reader.read(key))
    }

    fn scan(&self, range: RangeInclusive<RowKey>) -> Scan<'_> {
        let mut place = R::Position::from(range);
        let mut scan = move |reader: &R| reader.refuse_moved().and_then(|()| reader.scan(&mut place));
        Box::new(std::iter::from_fn(move || self.patiently(&mut scan).transpose()))
    }

    fn scan_for_copy(&self) -> Scan<'_> {
        let mut place = R::Position::from(META..=LAST);
        Box::new(std::iter::from_fn(move || self.patiently(|reader| reader.scan(&mut place)).transpose()))
    }

    fn scan_for_check(&self) -> Scan<'_> {
        let mut place = R::Position::from(META..=LAST);
        Box::new(std::iter::from_fn(move || self.patiently(|reader| reader.scan_all(&mut place)).transpose()))
    }

    fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    fn live(&self) -> Option<u64> {
        self.census.live()
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
        self.census.lost();
        self.reader.close();
    }

    fn in_child(&self) {
        *lock(&self.queue) = Queue::default();
        self.reader.in_child();
    }
}

/// Whatever kind of failure it is: the transaction may stand.
fn in_doubt(error: Error) -> Error {
    Error::store(error.detail())
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
