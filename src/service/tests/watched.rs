//! A repository that tells how many rows a transaction touches, and fails when it is told to.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Mutex;

use super::*;
use crate::clock::Moment;
use crate::fork::lock;
use crate::repository::Sweeper;
use crate::repository::{Operation, Row, Scan, Swept};

/// What was seen, and what is to happen.
#[derive(Default)]
pub(super) struct Watch {
    /// The keys that each transaction touched.
    transactions: Mutex<Vec<BTreeSet<RowKey>>>,
    /// Sweeps that were asked for.
    pub(super) sweeps: AtomicI64,
    /// After so many further transactions it is busy.
    pub(super) busy_after: Mutex<Option<usize>>,
    /// How long each transaction takes.
    pub(super) delay: Mutex<std::time::Duration>,
    /// Whether nothing can be scanned.
    pub(super) is_blind: std::sync::atomic::AtomicBool,
}

impl Watch {
    /// The transactions since this was asked last.
    pub(super) fn transactions(&self) -> Vec<BTreeSet<RowKey>> {
        std::mem::take(&mut *lock(&self.transactions))
    }
}

struct Watched {
    repository: Arc<dyn Repository>,
    watch: Arc<Watch>,
}

/// Watches the repository of this service, which nobody else has yet.
pub(super) fn watch(fixture: &mut Fixture) -> Arc<Watch> {
    let watch = Arc::new(Watch::default());
    let core = Arc::get_mut(&mut fixture.service.core).unwrap();
    core.repository = Arc::new(Watched { repository: core.repository.clone(), watch: watch.clone() });
    watch
}

impl Repository for Watched {
    fn place(&self) -> &str {
        self.repository.place()
    }

    fn update(&self, commit: Commit, mut operation: Operation) -> Result<()> {
        if let Some(left) = &mut *lock(&self.watch.busy_after) {
            *left = left.checked_sub(1).ok_or_else(|| Error::busy("planted"))?;
        }
        std::thread::sleep(*lock(&self.watch.delay));
        let watch = self.watch.clone();
        // Of an operation that runs several times the last run counts.
        let mut place = None;
        let watched = move |transaction: &mut dyn Transaction| {
            let mut watched = Touched { transaction, keys: BTreeSet::new() };
            let done = operation(&mut watched);
            let mut transactions = lock(&watch.transactions);
            let place = *place.get_or_insert(transactions.len());
            transactions.truncate(place);
            transactions.push(watched.keys);
            done
        };
        self.repository.update(commit, Box::new(watched))
    }

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        self.repository.read(key)
    }

    fn scan(&self, range: RangeInclusive<RowKey>) -> Scan<'_> {
        if self.watch.is_blind.load(Ordering::Relaxed) {
            return Box::new(std::iter::once(Err(Error::store("planted"))));
        }
        self.repository.scan(range)
    }

    fn live(&self) -> Option<u64> {
        self.repository.live()
    }

    fn sweep(&self, limit: usize, sweeper: Sweeper) -> Result<Swept> {
        self.watch.sweeps.fetch_add(1, Ordering::Relaxed);
        self.repository.sweep(limit, sweeper)
    }
}

struct Touched<'a> {
    transaction: &'a mut dyn Transaction,
    keys: BTreeSet<RowKey>,
}

impl Transaction for Touched<'_> {
    fn get(&mut self, key: &RowKey) -> Result<Option<Row>> {
        self.keys.insert(*key);
        self.transaction.get(key)
    }

    fn put(&mut self, key: &RowKey, row: Row) {
        self.keys.insert(*key);
        self.transaction.put(key, row);
    }

    fn delete(&mut self, key: &RowKey) {
        self.keys.insert(*key);
        self.transaction.delete(key);
    }

    fn time(&mut self, moment: &Moment) -> Time {
        self.transaction.time(moment)
    }
}
