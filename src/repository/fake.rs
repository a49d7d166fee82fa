//! A store in memory, for tests: handles share its rows as hosts share a server, and calls fail when a test says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::optimistic::Optimistic;
use super::store::{ABSENT, Change, Failure, Look, Store, StorePage, Stored, Verdict, Verdicts, Version, Write};
use super::{META, Repository};
use crate::block::RowKey;
use crate::clock::{self, Time};
use crate::error::{Error, Result};

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is refused.
    Refuse,
    /// Its answer is lost, and it was not done.
    LoseBefore,
    /// Its answer is lost, and it was done.
    LoseAfter,
    /// Its answer is lost, and it is done only when the next commit comes.
    Delay,
    /// Somebody else writes this row before it.
    Meddle(RowKey, Vec<u8>),
    /// All is gone before it.
    Flush,
}

/// What the handles share.
#[derive(Default)]
pub struct Shared {
    rows: BTreeMap<RowKey, Kept>,
    mark: Version,
    leases: BTreeMap<RowKey, Version>,
    /// How far its clock is from the system's.
    pub ahead_ms: i64,
    /// What happens to the next looks, and commits.
    pub looks: VecDeque<Fault>,
    pub commits: VecDeque<Fault>,
    delayed: Vec<(Vec<Change>, Version)>,
    /// Calls, each a round trip.
    pub trips: usize,
    pub leases_taken: usize,
    /// Most keys of a commit of several changes, if there is a limit.
    pub most_keys: Option<usize>,
    /// The most that there were.
    pub widest: usize,
    fresh: u64,
}

struct Kept {
    stored: Stored,
    until: Option<Time>,
}

impl Shared {
    fn now(&self) -> Time {
        Time::from_ms(clock::wall().ms().saturating_add_signed(self.ahead_ms))
    }

    fn get(&mut self, key: &RowKey) -> Stored {
        let now = self.now();
        self.rows.retain(|_, kept| kept.until.is_none_or(|until| now < until));
        let stored = self.rows.get(key).map(|kept| kept.stored.clone());
        stored.unwrap_or(Stored { version: ABSENT, bytes: Vec::new() })
    }

    fn begin(&mut self, fault: &Fault) {
        self.trips += 1;
        match fault {
            Fault::Meddle(key, bytes) => {
                self.fresh += 1;
                let version = Version::new((1 << 100 | u128::from(self.fresh)).to_be_bytes());
                let stored = Stored { version, bytes: bytes.clone() };
                self.rows.insert(*key, Kept { stored, until: None });
            }
            Fault::Flush => (self.rows, self.mark) = Default::default(),
            _ => {}
        }
    }

    fn apply(&mut self, change: &Change, mark: &Version) -> Verdict {
        if *mark != self.mark {
            return Verdict::Reopen;
        }
        if !change.conditions.iter().all(|(key, version)| self.get(key).version == *version) {
            return Verdict::Changed;
        }
        if let Some(mark) = change.mark {
            self.mark = mark;
        }
        let now = self.now();
        for Write { key, version, content } in change.writes.clone() {
            match content {
                Some(content) => {
                    let until = content.kept_ms.map(|ms| now.plus(ms));
                    let stored = Stored { version, bytes: content.bytes };
                    self.rows.insert(key, Kept { stored, until });
                }
                None => drop(self.rows.remove(&key)),
            }
        }
        Verdict::Done
    }

    /// The rows that were written, and for how long they are kept.
    pub fn kept(&self) -> BTreeMap<RowKey, Option<u64>> {
        let now = self.now();
        self.rows.iter().map(|(key, kept)| (*key, kept.until.map(|until| until.since(now)))).collect()
    }
}

/// A handle.
#[derive(Clone, Default)]
pub struct FakeStore(pub Arc<Mutex<Shared>>);

impl FakeStore {
    pub fn open(&self) -> Arc<dyn Repository> {
        Optimistic::new(self.clone(), 4).unwrap()
    }

    pub fn with<T>(&self, with: impl FnOnce(&mut Shared) -> T) -> T {
        with(&mut self.0.lock().unwrap())
    }
}

impl Store for FakeStore {
    fn place(&self) -> String {
        "fake:".to_owned()
    }

    fn most_keys(&self) -> usize {
        self.with(|shared| shared.most_keys.unwrap_or(usize::MAX))
    }

    fn look(&self, keys: &[RowKey], _mark: &Version, _by: Instant) -> Result<Look> {
        self.with(|shared| {
            let fault = shared.looks.pop_front().unwrap_or(Fault::None);
            shared.begin(&fault);
            if let Fault::Refuse | Fault::LoseAfter | Fault::LoseBefore = fault {
                return Err(Error::store("planted"));
            }
            let rows = keys.iter().map(|key| shared.get(key)).collect();
            Ok(Look { time: shared.now(), mark: shared.mark, rows })
        })
    }

    fn commit(&self, changes: &[&Change], mark: &Version, _synced: bool, _by: Instant) -> Verdicts {
        self.with(|shared| {
            if changes.len() > 1 {
                let keys: BTreeSet<_> = changes.iter().flat_map(|change| change.keys()).collect();
                shared.widest = shared.widest.max(keys.len());
            }
            let fault = shared.commits.pop_front().unwrap_or(Fault::None);
            shared.begin(&fault);
            for (changes, mark) in std::mem::take(&mut shared.delayed) {
                for change in &changes {
                    shared.apply(change, &mark);
                }
            }
            match fault {
                Fault::Refuse => return Err(Failure::Final(Error::store("planted"))),
                Fault::LoseBefore => return Err(Failure::Lost(Error::store("planted"))),
                Fault::Delay => {
                    shared.delayed.push((changes.iter().map(|change| (*change).clone()).collect(), *mark));
                    return Err(Failure::Lost(Error::store("planted")));
                }
                _ => {}
            }
            let verdicts = changes.iter().map(|change| shared.apply(change, mark)).collect();
            if let Fault::LoseAfter = fault { Err(Failure::Lost(Error::store("planted"))) } else { Ok(verdicts) }
        })
    }

    fn page(&self, range: RangeInclusive<RowKey>, limit: usize, _mark: &Version, _by: Instant) -> Result<StorePage> {
        self.with(|shared| {
            shared.trips += 1;
            drop(shared.get(&META));
            let rows = shared.rows.range(range.clone()).take(limit);
            let rows: Vec<_> = rows.map(|(key, kept)| (*key, kept.stored.clone())).collect();
            let last = rows.last().filter(|_| rows.len() >= limit);
            let rest = last.map(|(key, _)| crate::tenant::after(key, range)).filter(|rest| !rest.is_empty());
            Ok(StorePage { time: shared.now(), mark: shared.mark, rows, rest })
        })
    }

    fn take_lease(&self, key: &RowKey, owner: &Version, _lasts: Duration, _by: Instant) -> Result<bool> {
        self.with(|shared| {
            let taken = *shared.leases.entry(*key).or_insert(*owner) == *owner;
            shared.leases_taken += usize::from(taken);
            Ok(taken)
        })
    }

    fn end_lease(&self, key: &RowKey, owner: &Version, _by: Instant) {
        self.with(|shared| {
            if shared.leases.get(key) == Some(owner) {
                shared.leases.remove(key);
            }
        });
    }
}
