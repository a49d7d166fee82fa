//! One batch: operations of many threads, run on rows that are read for all of them at once and committed together.
//!
//! An operation runs on what is known. A row that is not known it takes for absent, and the run does not count: what
//! all of them missed is read in one look, with what they had read before, and they run again. One that missed nothing
//! is settled: those after it see what it is about to write, and depend on it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::broken;
use super::view::{Rows, View};
use super::{Optimistic, Task};
use crate::block::{BLOCK_BYTES, RowKey};
use crate::clock::MINUTE_MS;
use crate::error::{Error, Result};
use crate::random::random;
use crate::repository::store::{ABSENT, Change, Content, Failure, Store, Verdict, Version, Write};
use crate::repository::{META, Row, codec};

/// Most runs of an operation in one batch: one that asks for other rows each time would never end.
const MOST_LOOKS: u32 = 32;

/// How much longer than its own times say the storage keeps a row: whoever reads it then says the same as before.
pub const KEPT_LONGER_MS: u64 = 10 * MINUTE_MS;

/// What came of a task.
pub enum Answer {
    /// It is over.
    Done(Result<()>),
    /// Somebody came in between: it has to run again.
    Again(Task),
}

/// A task that ran on what was known.
struct Settled {
    task: Task,
    place: usize,
    result: Result<()>,
    change: Change,
}

/// Runs these tasks, and answers each.
pub fn run<S: Store>(repository: &Optimistic<S>, tasks: Vec<Task>) -> Vec<Answer> {
    let by = tasks.iter().map(|task| task.deadline).min().unwrap_or_else(Instant::now);
    let size = tasks.len();
    let mut batch = Batch { repository, by, rows: Rows::default(), settled: Vec::new(), answers: BTreeMap::new() };
    batch.settle(tasks);
    batch.commit();
    let mut answers = batch.answers;
    (0..size).map(|place| answers.remove(&place).unwrap_or_else(|| Answer::Done(Err(broken())))).collect()
}

struct Batch<'a, S: Store> {
    repository: &'a Optimistic<S>,
    by: Instant,
    rows: Rows,
    /// Tasks that wait for the commit.
    settled: Vec<Settled>,
    answers: BTreeMap<usize, Answer>,
}

impl<S: Store> Batch<'_, S> {
    /// Runs the tasks until each is answered or waits for the commit.
    fn settle(&mut self, tasks: Vec<Task>) {
        let mut open: Vec<_> = tasks.into_iter().enumerate().collect();
        loop {
            let mut wanted = BTreeSet::new();
            for (place, task) in std::mem::take(&mut open) {
                if let Some(task) = self.try_one(place, task, &mut wanted) {
                    open.push((place, task));
                }
            }
            if open.is_empty() {
                return;
            }
            let looked = if self.rows.looks() < MOST_LOOKS { self.look(wanted) } else { Err(broken()) };
            if let Err(error) = looked {
                self.answers.extend(open.into_iter().map(|(place, _)| (place, Answer::Done(Err(error.clone())))));
                return;
            }
        }
    }

    fn look(&mut self, wanted: BTreeSet<RowKey>) -> Result<()> {
        let keys: Vec<_> = wanted.into_iter().filter(|key| !self.rows.is_staged(key)).collect();
        let look = self.repository.look(&keys, self.by)?;
        self.rows.add(&keys, look);
        Ok(())
    }

    /// Runs a task, and gives it back if it has to run again when what it wanted is known.
    fn try_one(&mut self, place: usize, mut task: Task, wanted: &mut BTreeSet<RowKey>) -> Option<Task> {
        let mut view = View::new(&self.rows);
        let run = catch_unwind(AssertUnwindSafe(|| (task.operation)(&mut view)));
        if !view.is_complete() {
            // Those that it read as well, so that all are of one moment.
            wanted.extend(view.missed.iter().chain(view.reads.keys()));
            if let (0, Some(first)) = (self.rows.looks(), view.first) {
                self.repository.hints(|hints| wanted.extend(hints.with(&first)));
            }
            return Some(task);
        }
        if let (true, Some(first)) = (self.rows.looks() > 1, view.first) {
            self.repository.hints(|hints| hints.learn(first, view.reads.keys().copied()));
        }
        if view.reads.values().any(|version| task.lost.contains(version)) {
            // Its own earlier run, of which nothing was heard, came through after all.
            self.answers.insert(place, Answer::Done(Err(Error::store("a change was made, and its answer lost"))));
            return None;
        }
        let result = run.unwrap_or_else(|_| Err(broken()));
        let (change, staged) = match change(&view, result.is_ok()) {
            Ok(change) => change,
            Err(error) => {
                self.answers.insert(place, Answer::Done(Err(error)));
                return None;
            }
        };
        if change.writes.is_empty() && view.is_of_one_moment() {
            self.answers.insert(place, Answer::Done(result));
            return None;
        }
        for (key, version, row) in staged {
            self.rows.stage(key, version, row);
        }
        self.settled.push(Settled { task, place, result, change });
        None
    }

    /// Commits what is settled, and answers: as much at a time as the store takes.
    fn commit(&mut self) {
        let (mut part, mut keys) = (Vec::new(), BTreeSet::new());
        for settled in std::mem::take(&mut self.settled) {
            let more: BTreeSet<_> = settled.change.keys().collect();
            if keys.union(&more).count() > self.repository.store.most_keys() && !part.is_empty() {
                self.commit_part(std::mem::take(&mut part));
                keys.clear();
            }
            keys.extend(more);
            part.push(settled);
        }
        if !part.is_empty() {
            self.commit_part(part);
        }
    }

    fn commit_part(&mut self, settled: Vec<Settled>) {
        let synced = settled.iter().any(|it| it.task.synced && !it.change.writes.is_empty());
        let changes: Vec<_> = settled.iter().map(|it| &it.change).collect();
        let mark = self.repository.mark();
        let verdicts = match self.repository.store.commit(&changes, &mark, synced, self.by) {
            Ok(verdicts) if verdicts.len() == changes.len() => verdicts,
            Ok(_) => return self.end(settled, |_| Err(broken())),
            Err(Failure::Final(error)) => return self.end(settled, |_| Err(error.clone())),
            Err(Failure::Lost(error)) => return self.find_out(settled, &error),
        };
        for (verdict, settled) in verdicts.into_iter().zip(settled) {
            let Settled { task, place, result, change } = settled;
            let answer = match verdict {
                Verdict::Done => {
                    self.repository.note_founding(&change);
                    Answer::Done(result)
                }
                Verdict::Changed => Answer::Again(task.after_change(&change)),
                // Whoever knew of none will know this one.
                Verdict::Reopen if mark == ABSENT => Answer::Again(task.after_change(&change)),
                Verdict::Reopen => Answer::Done(Err(self.repository.reopen())),
            };
            self.answers.insert(place, answer);
        }
    }

    fn end(&mut self, settled: Vec<Settled>, answer: impl Fn(Result<()>) -> Result<()>) {
        self.answers.extend(settled.into_iter().map(|it| (it.place, Answer::Done(answer(it.result)))));
    }

    /// The answer to a commit was lost. What has one of our versions was written by it. What is as it was before runs
    /// again, and knows its earlier self if that still comes. Of all else nobody can tell.
    fn find_out(&mut self, settled: Vec<Settled>, error: &Error) {
        let keys = settled.iter().flat_map(|it| it.change.keys());
        let keys: Vec<_> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        let Ok(look) = self.repository.look(&keys, self.by) else {
            return self.end(settled, |_| Err(error.clone()));
        };
        let now: BTreeMap<_, _> = keys.iter().copied().zip(look.rows.into_iter().map(|row| row.version)).collect();
        let is_now = |key: &RowKey, version: &Version| now.get(key) == Some(version);
        let mut written = BTreeSet::new();
        // From the last to the first: one that was done proves those that it was built upon.
        for Settled { task, place, result, change } in settled.into_iter().rev() {
            let versions = change.writes.iter().filter(|write| write.version != ABSENT);
            let is_done = versions.clone().any(|it| is_now(&it.key, &it.version) || written.contains(&it.version));
            let is_as_before = change.conditions.iter().all(|(key, version)| is_now(key, version));
            let answer = if is_done {
                written.extend(change.conditions.iter().map(|(_, version)| *version));
                self.repository.note_founding(&change);
                Answer::Done(result)
            } else if is_as_before || change.writes.is_empty() {
                Answer::Again(task.after_loss(versions.map(|write| write.version)))
            } else {
                Answer::Done(Err(error.clone()))
            };
            self.answers.insert(place, answer);
        }
    }
}

type Staged = Vec<(RowKey, Version, Option<Row>)>;

/// What a run comes to: its change, and what those after it see.
fn change(view: &View<'_>, is_ok: bool) -> Result<(Change, Staged)> {
    let conditions = view.reads.iter().map(|(key, version)| (*key, *version)).collect();
    let (mut change, mut staged) = (Change { conditions, writes: Vec::new(), mark: None }, Vec::new());
    for (key, row) in view.writes.iter().filter(|_| is_ok) {
        let is_gone = row.is_none() && view.reads.get(key) == Some(&ABSENT);
        if is_gone {
            continue;
        }
        let version = if row.is_some() { Version::new(random::<BLOCK_BYTES>()?) } else { ABSENT };
        let content = row.as_ref().map(|row| Content { bytes: codec::encode(row), kept_ms: kept_ms(view, row) });
        let draws = *key == META && (view.reads.get(key) == Some(&ABSENT) || row.as_ref().is_some_and(Row::is_moved));
        change.mark = Some(version).filter(|_| draws).or(change.mark);
        change.writes.push(Write { key: *key, version, content });
        staged.push((*key, version, row.clone()));
    }
    Ok((change, staged))
}

/// How long the storage keeps a row: by the clock of the operation, which need not be the storage's.
fn kept_ms(view: &View<'_>, row: &Row) -> Option<u64> {
    let (until, now) = (row.kept_until()?, view.now()?);
    Some(until.since(now).saturating_add(KEPT_LONGER_MS))
}

impl Change {
    /// The rows that it is about.
    pub fn keys(&self) -> impl Iterator<Item = RowKey> + '_ {
        self.conditions.iter().map(|(key, _)| *key).chain(self.writes.iter().map(|write| write.key))
    }
}
