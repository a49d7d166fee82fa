//! A repository over storage that many hosts share: operations run on rows as they were read, and run again when
//! somebody came in between.
//!
//! Operations of many threads go together, see [`batch`]. One that was refused waits in a lane of its own, where those
//! of this process get no longer in each other's way; after three refusals it also takes a lease on the row that was
//! changed, so that those of all processes take turns. Leases are a courtesy: the versions decide.

mod batch;
mod hints;
mod lane;
mod view;

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::engine::PAGE;
use super::store::{ABSENT, Change, Content, Look, Store, StorePage, Stored, Verdict, Version, Write};
use super::{
    Commit, Fate, Judge, LAST, META, Operation, Page, Repository, Row, Scan, Sweeper, Swept, codec, emptied, moved,
};
use crate::block::{BLOCK_BYTES, RowKey};
use crate::clock::{Moment, Time};
use crate::error::{Error, Result};
use crate::fork::{self, ForkAware, lock};
use crate::metrics::Gauge;
use crate::random::random;
use batch::Answer;
use hints::Hints;
use lane::Lane;
use view::StoreClock;

/// How long an operation waits before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long we look for why a repository is another one.
const TELLING: Duration = Duration::from_secs(1);

/// After so many refusals an operation takes a lease.
const PATIENT: u32 = 3;

/// How long a lease lasts whose owner died.
const LEASE: Duration = Duration::from_millis(500);

/// Longest pause after a refusal, in microseconds.
const PAUSE_US: u64 = 2000;

/// How long the storage's time is reckoned on from what it said.
const CLOCK_KEPT_MS: u128 = 10_000;

/// A repository over a store.
pub struct Optimistic<S: Store> {
    store: S,
    place: String,
    /// Where operations come first, and where those go that were refused.
    lanes: [Lane; 2],
    /// The mark of the repository, see [`Look::mark`].
    mark: Mutex<Version>,
    clock: Mutex<Option<StoreClock>>,
    hints: Mutex<Hints>,
    /// Where the next sweep goes on, and how many codes were good before that.
    cursor: Mutex<Option<(RangeInclusive<RowKey>, u64)>>,
    live: Gauge,
}

/// An operation on its way.
pub struct Task {
    operation: Operation,
    synced: bool,
    deadline: Instant,
    refusals: u32,
    /// A row that somebody changed.
    contended: Option<RowKey>,
    /// Versions that it may have written, though the answer was lost.
    lost: Vec<Version>,
}

impl Task {
    fn after_change(mut self, change: &Change) -> Self {
        self.refusals += 1;
        // One that has a version is more likely to be everybody's than one that is new.
        let contended = change.conditions.iter().find(|(_, version)| *version != ABSENT);
        self.contended = contended.or(change.conditions.first()).map(|(key, _)| *key);
        self
    }

    fn after_loss(mut self, versions: impl Iterator<Item = Version>) -> Self {
        self.refusals += 1;
        self.lost.extend(versions);
        self
    }
}

impl<S: Store + 'static> Optimistic<S> {
    /// Makes a repository of a store, with so many batches at the same time.
    pub fn new(store: S, width: usize) -> Result<Arc<Self>> {
        let place = store.place();
        let lanes = [Lane::new(width), Lane::new(1)];
        let (mark, clock, hints, cursor) = (Mutex::new(ABSENT), Mutex::default(), Mutex::default(), Mutex::default());
        let repository = Arc::new(Self { store, place, lanes, mark, clock, hints, cursor, live: Gauge::default() });
        let member: Arc<dyn ForkAware> = repository.clone();
        fork::register(Arc::downgrade(&member))?;
        Ok(repository)
    }
}

impl<S: Store> Optimistic<S> {
    fn mark(&self) -> Version {
        fork::shared(|| *lock(&self.mark))
    }

    fn hints<T>(&self, with: impl FnOnce(&mut Hints) -> T) -> T {
        fork::shared(|| with(&mut lock(&self.hints)))
    }

    fn look(&self, keys: &[RowKey], by: Instant) -> Result<Look> {
        let look = self.store.look(keys, &self.mark(), by)?;
        self.saw(&look.mark, look.time)?;
        Ok(look)
    }

    fn page(&self, range: RangeInclusive<RowKey>, limit: usize) -> Result<StorePage> {
        let page = self.store.page(range, limit, &self.mark(), Instant::now() + PATIENCE)?;
        self.saw(&page.mark, page.time)?;
        Ok(page)
    }

    /// Notes what the storage said, which must be the repository that was opened.
    fn saw(&self, mark: &Version, time: Time) -> Result<()> {
        let is_ours = fork::shared(|| {
            *lock(&self.clock) = Some(StoreClock::new(time));
            let mut known = lock(&self.mark);
            if *known == ABSENT {
                *known = *mark;
            }
            *known == *mark
        });
        if is_ours { Ok(()) } else { Err(self.reopen()) }
    }

    /// Notes the mark, if this made the repository. Whoever moves it keeps the old one: other threads have work under
    /// way, which must be refused as that of all others.
    fn note_founding(&self, change: &Change) {
        let founded = change.mark.filter(|_| self.mark() == ABSENT);
        if let Some(mark) = founded {
            fork::shared(|| *lock(&self.mark) = mark);
        }
    }

    /// The mark of today, and what the repository says of itself: also of one that was moved.
    fn own(&self, by: Instant) -> Result<(Version, Option<Stored>)> {
        let look = self.store.look(&[META], &ABSENT, by)?;
        Ok((look.mark, look.rows.into_iter().next().filter(|own| own.version != ABSENT)))
    }

    /// A scan that reads its pages so.
    fn pages<'a>(
        &'a self,
        range: RangeInclusive<RowKey>,
        mut read: impl FnMut(RangeInclusive<RowKey>) -> Result<StorePage> + 'a,
    ) -> Scan<'a> {
        let mut rest = Some(range).filter(|range| !range.is_empty());
        Box::new(std::iter::from_fn(move || {
            let range = rest.take()?;
            Some(fork::check().and_then(|()| read(range)).map(|page| {
                rest = page.rest;
                let decode = |stored: &Stored| codec::decode(&stored.bytes);
                let rows = page.rows.iter().map(|(key, stored)| (*key, decode(stored)));
                rows.map(|(key, row)| (key, row.map_err(|error| error.in_repository(&self.place)))).collect::<Page>()
            }))
        }))
    }

    /// Why the mark is another.
    fn reopen(&self) -> Error {
        let own = self.own(Instant::now() + TELLING).ok().and_then(|(_, own)| codec::decode(&own?.bytes).ok());
        if own.is_some_and(|row| row.is_moved()) {
            return moved(&self.place);
        }
        emptied(&self.place)
    }

    /// Runs tasks that were refused, with a lease where that happened often.
    fn run_again(&self, tasks: Vec<Task>) -> Vec<Answer> {
        let patient = tasks.iter().filter(|task| task.refusals >= PATIENT);
        let contended =
            patient.max_by_key(|task| task.refusals).and_then(|task| Some((task.contended?, task.deadline)));
        let Some((key, by)) = contended else { return batch::run(self, tasks) };
        let Ok(owner) = random::<BLOCK_BYTES>().map(Version::new) else { return batch::run(self, tasks) };
        let given_up = (Instant::now() + LEASE).min(by);
        let mut has_lease = false;
        while !has_lease && Instant::now() < given_up {
            match self.store.take_lease(&key, &owner, LEASE, given_up) {
                Ok(taken) => has_lease = taken,
                Err(_) => break,
            }
            if !has_lease {
                pause();
            }
        }
        let answers = batch::run(self, tasks);
        if has_lease {
            self.store.end_lease(&key, &owner, by);
        }
        answers
    }

    /// Removes or replaces rows that are over, each if it still is as it was seen.
    fn purge(&self, rows: Vec<(RowKey, Stored)>, judge: &Judge, time: Time) -> Result<u64> {
        let mut changes = Vec::new();
        for (key, Stored { version, bytes }) in rows {
            // A row that is damaged is left to whoever needs it.
            let Ok(row) = codec::decode(&bytes) else { continue };
            let (new, content) = match judge.fate(&key, &row) {
                Fate::Keep => continue,
                Fate::Remove => (ABSENT, None),
                Fate::Replace(row) => {
                    let kept_ms = row.kept_until().map(|until| until.since(time).saturating_add(batch::KEPT_LONGER_MS));
                    (Version::new(random()?), Some(Content { bytes: codec::encode(&row), kept_ms }))
                }
            };
            let writes = vec![Write { key, version: new, content }];
            changes.push(Change { conditions: vec![(key, version)], writes, mark: None });
        }
        let mut purged = 0;
        for changes in changes.chunks(MOST_SWEPT) {
            let all: Vec<_> = changes.iter().collect();
            let by = Instant::now() + PATIENCE;
            let verdicts = self.store.commit(&all, &self.mark(), false, by).map_err(Error::from)?;
            let done = verdicts.iter().zip(changes).filter(|(verdict, _)| **verdict == Verdict::Done);
            purged +=
                done.filter(|(_, change)| change.writes.iter().any(|write| write.content.is_none())).count() as u64;
        }
        Ok(purged)
    }
}

/// Most rows that are swept in one commit.
const MOST_SWEPT: usize = 64;

impl<S: Store + 'static> Repository for Optimistic<S> {
    fn place(&self) -> &str {
        &self.place
    }

    /// What a commit would sweep besides, the storage removes by itself.
    fn update(&self, commit: Commit, operation: Operation) -> Result<()> {
        fork::check()?;
        let deadline = Instant::now() + PATIENCE;
        let (refusals, contended, lost) = (0, None, Vec::new());
        let mut task = Task { operation, synced: commit.synced, deadline, refusals, contended, lost };
        loop {
            let [first, again] = &self.lanes;
            let answer = match task.refusals {
                0 => first.submit(task, &|tasks| batch::run(self, tasks)),
                _ => again.submit(task, &|tasks| self.run_again(tasks)),
            };
            task = match answer {
                Answer::Done(result) => return result.map_err(|error| error.in_repository(&self.place)),
                Answer::Again(task) => task,
            };
            if task.refusals > 1 {
                pause();
            }
            if Instant::now() + lane::LEAST_LEFT >= deadline {
                return Err(if task.lost.is_empty() { busy() } else { lost_answer() });
            }
        }
    }

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        fork::check()?;
        let by = Instant::now() + PATIENCE;
        let stored = match *key {
            META => self.own(by)?.1,
            _ => self.look(&[*key], by)?.rows.into_iter().next().filter(|row| row.version != ABSENT),
        };
        let row = stored.map(|stored| codec::decode(&stored.bytes)).transpose();
        row.map_err(|error| error.in_repository(&self.place))
    }

    #[cfg(test)]
    fn removes_what_is_over(&self) -> bool {
        true
    }

    /// To look is as far as to transact.
    fn knows_absent(&self, _key: &RowKey) -> Result<bool> {
        Ok(false)
    }

    fn time(&self, moment: &Moment) -> Result<Time> {
        if moment.is_host_s() {
            return Ok(moment.now());
        }
        fork::check()?;
        let clock = fork::shared(|| *lock(&self.clock)).filter(|clock| clock.age_ms() < CLOCK_KEPT_MS);
        match clock {
            Some(clock) => Ok(clock.now()),
            None => Ok(self.look(&[], Instant::now() + PATIENCE)?.time),
        }
    }

    fn settle_move(&self) -> Result<()> {
        fork::check()?;
        let by = Instant::now() + PATIENCE;
        let (mark, _) = self.own(by)?;
        self.store.spread_mark(&mark, by)
    }

    fn faults(&self) -> Result<Vec<String>> {
        fork::check()?;
        let (mark, _) = self.own(Instant::now() + PATIENCE)?;
        self.store.faults(&mark)
    }

    fn scan_for_copy(&self) -> Scan<'_> {
        let mut known = None;
        self.pages(META..=LAST, move |range| {
            let by = Instant::now() + PATIENCE;
            let mark = match known {
                Some(mark) => mark,
                None => *known.insert(self.own(by)?.0),
            };
            let page = self.store.page(range, PAGE, &mark, by)?;
            if page.mark == mark { Ok(page) } else { Err(self.reopen()) }
        })
    }

    fn scan(&self, range: RangeInclusive<RowKey>) -> Scan<'_> {
        self.pages(range, |range| self.page(range, PAGE))
    }

    fn live(&self) -> Option<u64> {
        self.live.get()
    }

    fn sweep(&self, limit: usize, sweeper: Sweeper) -> Result<Swept> {
        fork::check()?;
        let mut left = limit;
        let mut swept = Swept::default();
        while left > 0 && !swept.wrapped {
            let all = RowKey::new([0; BLOCK_BYTES])..=RowKey::new([0xff; BLOCK_BYTES]);
            let (range, counted) = fork::shared(|| lock(&self.cursor).take()).unwrap_or((all, 0));
            let page = self.page(range, left)?;
            left = left.saturating_sub(page.rows.len().max(1));
            swept.wrapped = page.rest.is_none();
            let judge = sweeper.judge_by(page.time);
            swept.purged += self.purge(page.rows, &judge, page.time)?;
            let counted = counted + judge.live();
            if swept.wrapped {
                self.live.set(counted);
            }
            fork::shared(|| *lock(&self.cursor) = page.rest.map(|rest| (rest, counted)));
        }
        Ok(swept)
    }
}

impl<S: Store> ForkAware for Optimistic<S> {
    /// Connections stay the parent's: nobody waits for who talks to another host.
    fn before_fork(&self) {}

    fn in_child(&self) {
        self.lanes.iter().for_each(Lane::in_child);
        self.store.in_child();
    }
}

/// A pause of random length, so that those who got in each other's way do not meet again.
fn pause() {
    let random = random::<8>().map(u64::from_le_bytes).unwrap_or(PAUSE_US);
    thread::sleep(Duration::from_micros(random % PAUSE_US));
}

fn busy() -> Error {
    Error::busy(format!("the repository was busy for {} seconds", PATIENCE.as_secs()))
}

fn lost_answer() -> Error {
    Error::store("the answer to a change was lost, and others changed the same rows for too long")
}

#[cold]
fn broken() -> Error {
    Error::internal("an operation of the repository panicked")
}

#[cfg(test)]
mod tests;
