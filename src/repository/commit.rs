//! Group commit: operations of many threads in one transaction and one sync.
//!
//! Callers queue. The first to come leads: it takes the lock between processes, runs all that is queued in one
//! transaction, commits once, hands the lead to the next in the queue and answers. Leading lasts one batch, so no
//! caller works for others for long.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{Commit, Key, Operation, Repository, Row, Swept, Transaction};
use crate::clock::{Moment, Time};
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::ffi::sys;
use crate::fork::{self, ForkAware, lock};
use crate::outcome::Outcome;

/// Most operations in one transaction: bounds how long a fork, and other processes, wait.
const BATCH: usize = 128;

/// Pause between two tries to get the lock from another process. Constant: doubling pauses starve the slowest.
const PAUSE: Duration = Duration::from_micros(50);

/// How long an operation waits before it is withdrawn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Storage that one thread at a time works with. [`GroupCommit`] adds threads, waiting and fork.
pub(super) trait Engine: Send {
    /// Opens what is not open, and tries, without waiting, to take the lock that keeps other processes and other
    /// handles out. `false` when somebody else has it. `synced` says whether the commit must survive a power cut.
    fn try_begin(&mut self, synced: bool) -> Result<bool>;

    /// Whether the transaction still stands. An error of the storage may have ended it.
    fn in_transaction(&self) -> bool {
        true
    }

    /// The row with this key; inside a transaction.
    fn get(&mut self, key: &Key) -> Result<Option<Row>>;

    /// Writes the row, or removes it; inside a transaction.
    fn write(&mut self, key: &Key, row: Option<&Row>) -> Result<()>;

    /// As [`Transaction::scan`].
    fn scan(&mut self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Row)>>;

    /// Looks at the next `limit` rows and removes those that are over; inside a transaction. Keeps its own cursor.
    fn sweep(&mut self, limit: usize, now: Time) -> Result<Swept>;

    /// Commits and gives the lock back. After an error the fate of the transaction is not known, everything is
    /// closed, and the next `try_begin` opens anew.
    fn commit(&mut self) -> Result<()>;

    /// Undoes the transaction and gives the lock back. Closes what cannot be undone.
    fn rollback(&mut self);

    /// Bytes of what is written down and not yet where it belongs, after the last commit.
    fn log_bytes(&self) -> u64 {
        0
    }

    /// Closes every file, quickly: before a fork. The next call opens again.
    fn close(&mut self);

    /// Closes every file for the last time, and leaves them as people expect to find them.
    fn finish(&mut self) {
        self.close();
    }
}

/// How an engine's rows are read without its lock, by any number of threads.
pub(super) trait Reader: Send + Sync {
    /// The row with this key as last committed. `Busy` when that cannot be told at this moment.
    fn read(&self, key: &Key) -> Result<Option<Row>>;

    /// Closes every file. The next call opens again.
    fn close(&self);
}

/// A repository made of an engine and a reader.
pub(super) struct GroupCommit<E: Engine, R: Reader> {
    durability: Durability,
    queue: Mutex<Queue>,
    engine: Mutex<E>,
    reader: R,
    log_bytes: AtomicU64,
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
    Sweep(usize, Moment),
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
        let (queue, log_bytes) = (Mutex::default(), AtomicU64::new(0));
        let repository = Arc::new(Self { durability, queue, engine: Mutex::new(engine), reader, log_bytes });
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
        if leads { self.lead(&caller, deadline) } else { self.follow(&caller, deadline) }
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
        let size = queue.waiting.len().min(BATCH);
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
            Some((limit, moment)) => engine.sweep(limit, moment.now()).map(|_| ()),
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
fn add_sweep(sweep: &mut Option<(usize, Moment)>, commit: Commit) {
    if let Some((limit, moment)) = commit.sweep {
        let before = sweep.map_or(0, |(limit, _)| limit);
        *sweep = Some((before + limit, moment));
    }
}

/// Runs one piece of work. An error outside fails the batch; one inside is the work's own, and has left no trace.
fn run_one<E: Engine>(engine: &mut E, pending: Pending) -> Result<Result<Swept>> {
    let operation = match pending.work {
        Work::Run(operation) => operation,
        Work::Sweep(limit, moment) => return engine.sweep(limit, moment.now()).map(Ok),
    };
    let mut staged = Staged { engine, writes: Vec::new() };
    let done = catch_unwind(AssertUnwindSafe(|| operation(&mut staged)));
    let Staged { engine, writes } = staged;
    if let Err(error) = done.unwrap_or_else(|_| Err(broken())) {
        return if engine.in_transaction() { Ok(Err(error)) } else { Err(error) };
    }
    for (key, row) in &writes {
        engine.write(key, row.as_ref())?;
    }
    Ok(Ok(Swept::default()))
}

/// An operation's view: its own writes before what the engine has. They reach the engine when it succeeds.
struct Staged<'a, E> {
    engine: &'a mut E,
    writes: Vec<(Key, Option<Row>)>,
}

impl<E: Engine> Staged<'_, E> {
    fn stage(&mut self, key: &Key, row: Option<Row>) {
        match self.writes.iter_mut().find(|(written, _)| written == key) {
            Some((_, written)) => *written = row,
            None => self.writes.push((*key, row)),
        }
    }
}

impl<E: Engine> Transaction for Staged<'_, E> {
    fn get(&mut self, key: &Key) -> Result<Option<Row>> {
        match self.writes.iter().find(|(written, _)| written == key) {
            Some((_, row)) => Ok(row.clone()),
            None => self.engine.get(key),
        }
    }

    fn put(&mut self, key: &Key, row: Row) {
        self.stage(key, Some(row));
    }

    fn delete(&mut self, key: &Key) {
        self.stage(key, None);
    }

    fn scan(&mut self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Row)>> {
        self.engine.scan(after, limit)
    }
}

impl<E: Engine + 'static, R: Reader + 'static> Repository for GroupCommit<E, R> {
    fn update(&self, commit: Commit, operation: Operation) -> Result<()> {
        self.submit(commit, Work::Run(operation)).map(|_| ())
    }

    fn read(&self, key: &Key) -> Result<Option<Row>> {
        fork::check()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match fork::shared(|| self.reader.read(key)) {
                Err(error) if error.outcome() == Outcome::Busy && Instant::now() < deadline => thread::sleep(PAUSE),
                answer => return answer,
            }
            // What keeps a reader out, as a database that was switched to another mode, a writer puts right.
            self.update(Commit { synced: false, sweep: None }, Box::new(|_| Ok(())))?;
        }
    }

    fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    fn sweep(&self, limit: usize, moment: Moment) -> Result<Swept> {
        self.submit(Commit { synced: false, sweep: None }, Work::Sweep(limit, moment))
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
        self.reader.close();
        lock(&self.engine).close();
    }

    fn in_child(&self) {
        *lock(&self.queue) = Queue::default();
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
