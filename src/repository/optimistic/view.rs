//! An operation's view of rows that were read beforehand: what is not among them it notes, and takes for absent until
//! it is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::block::RowKey;
use crate::clock::{self, Moment, Time};
use crate::error::{Error, Result};
use crate::repository::store::{ABSENT, Look, Stored, Version};
use crate::repository::{META, Row, Transaction, codec};

/// The storage's time, as one look told it.
#[derive(Clone, Copy)]
pub struct StoreClock {
    time: Time,
    read_at: Instant,
}

impl StoreClock {
    pub fn new(time: Time) -> Self {
        Self { time, read_at: Instant::now() }
    }

    pub fn now(&self) -> Time {
        self.time.plus(u64::try_from(self.read_at.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub fn age_ms(&self) -> u128 {
        self.read_at.elapsed().as_millis()
    }
}

/// A row that is known.
#[derive(Clone)]
pub struct Known {
    pub version: Version,
    /// An error when it is damaged.
    pub row: Result<Option<Row>>,
    /// The look that saw it; none saw what an operation of the same batch is about to write.
    pub seen_by: Option<u32>,
}

/// Rows that are known, and when.
#[derive(Default)]
pub struct Rows {
    known: BTreeMap<RowKey, Known>,
    clock: Option<StoreClock>,
    looks: u32,
}

impl Rows {
    /// Adds what a look saw. What is about to be written stays.
    pub fn add(&mut self, keys: &[RowKey], look: Look) {
        self.looks += 1;
        self.clock = Some(StoreClock::new(look.time));
        for (key, Stored { version, bytes }) in keys.iter().zip(look.rows) {
            let row = if version == ABSENT { Ok(None) } else { codec::decode(&bytes).map(Some) };
            let known = Known { version, row, seen_by: Some(self.looks) };
            if self.known.get(key).is_none_or(|known| known.seen_by.is_some()) {
                self.known.insert(*key, known);
            }
        }
    }

    /// Has the operations that follow see what this one is about to write.
    pub fn stage(&mut self, key: RowKey, version: Version, row: Option<Row>) {
        self.known.insert(key, Known { version, row: Ok(row), seen_by: None });
    }

    pub fn is_staged(&self, key: &RowKey) -> bool {
        self.known.get(key).is_some_and(|known| known.seen_by.is_none())
    }

    pub fn clock(&self) -> Option<StoreClock> {
        self.clock
    }

    pub fn looks(&self) -> u32 {
        self.looks
    }
}

/// What one run of an operation did.
pub struct View<'a> {
    rows: &'a Rows,
    /// The row that it asked for first.
    pub first: Option<RowKey>,
    /// Rows that it read, by the version they had.
    pub reads: BTreeMap<RowKey, Version>,
    /// Rows that it wants to write.
    pub writes: BTreeMap<RowKey, Option<Row>>,
    /// Rows that it asked for and that are not known.
    pub missed: BTreeSet<RowKey>,
    /// The looks that it depends on.
    looks: BTreeSet<Option<u32>>,
    /// The time that it was told.
    told: Option<Time>,
    /// Whether it asked for the time, which nobody knows yet.
    misses_time: bool,
}

impl<'a> View<'a> {
    pub fn new(rows: &'a Rows) -> Self {
        let (reads, writes, missed, looks) = Default::default();
        Self { rows, first: None, reads, writes, missed, looks, told: None, misses_time: false }
    }

    /// Whether all it wanted to know was known, so that the run counts.
    pub fn is_complete(&self) -> bool {
        let is_timed = self.writes.values().flatten().any(|row| row.kept_until().is_some());
        self.missed.is_empty() && !self.misses_time && (!is_timed || self.now().is_some())
    }

    /// Whether all that it read was there at one moment, and is committed.
    pub fn is_of_one_moment(&self) -> bool {
        self.looks.len() <= 1 && !self.looks.contains(&None)
    }

    /// The time of the operation: the one it was told, else the storage's.
    pub fn now(&self) -> Option<Time> {
        self.told.or_else(|| self.rows.clock().map(|clock| clock.now()))
    }
}

impl Transaction for View<'_> {
    fn get(&mut self, key: &RowKey) -> Result<Option<Row>> {
        self.first.get_or_insert(*key);
        if let Some(row) = self.writes.get(key) {
            return Ok(row.clone());
        }
        if let Some(known) = self.rows.known.get(key) {
            self.reads.insert(*key, known.version);
            self.looks.insert(known.seen_by);
            return known.row.clone();
        }
        self.missed.insert(*key);
        // Whoever takes a repository for a new one makes files.
        if *key == META { Err(Error::busy("the repository's own row has not been read yet")) } else { Ok(None) }
    }

    fn put(&mut self, key: &RowKey, row: Row) {
        debug_assert!(row.is_valid(), "a row is written that reading will refuse");
        self.writes.insert(*key, Some(row));
    }

    fn delete(&mut self, key: &RowKey) {
        self.writes.insert(*key, None);
    }

    fn time(&mut self, moment: &Moment) -> Time {
        let time = if moment.is_host_s() { Some(moment.now()) } else { self.rows.clock().map(|clock| clock.now()) };
        self.misses_time |= time.is_none();
        let time = time.unwrap_or_else(clock::wall);
        self.told = Some(time);
        time
    }
}
