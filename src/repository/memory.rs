//! `memory:`, a repository that belongs to the process that opened it and ends with it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use super::commit::GroupCommit;
use super::engine::{Engine, PAGE, Reader, Rest, Settle};
use super::{Fate, Judge, META, Page, Repository, Row, Swept, moved};
use crate::block::RowKey;
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::fork::lock;

const PLACE: &str = "memory:";

type Rows = Arc<Mutex<BTreeMap<RowKey, Row>>>;

/// Makes an empty repository.
///
/// # Errors
///
/// `Internal` when the fork handlers cannot be installed.
pub fn open() -> Result<Arc<dyn Repository>> {
    let rows = Rows::default();
    let process = std::process::id();
    let reader = MemoryReader { rows: rows.clone(), process };
    Ok(GroupCommit::new(MemoryEngine { rows, process, undo: Vec::new(), cursor: None }, reader, Durability::Process)?)
}

struct MemoryEngine {
    rows: Rows,
    process: u32,
    /// What the rows of this transaction were before, newest last.
    undo: Vec<(RowKey, Option<Row>)>,
    cursor: Option<RowKey>,
}

struct MemoryReader {
    rows: Rows,
    process: u32,
}

/// A child has a copy of the rows, in which a code could be used a second time.
fn check_process(process: u32) -> Result<()> {
    if process == std::process::id() {
        return Ok(());
    }
    Err(Error::store("repository: memory: belongs to the process that opened it"))
}

fn refuse_moved(rows: &Rows) -> Result<()> {
    if lock(rows).get(&META).is_some_and(Row::is_moved) { Err(moved(PLACE)) } else { Ok(()) }
}

fn after(key: Option<&RowKey>) -> (Bound<RowKey>, Bound<RowKey>) {
    (key.map_or(Bound::Unbounded, |key| Bound::Excluded(*key)), Bound::Unbounded)
}

impl Engine for MemoryEngine {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    fn try_begin(&mut self) -> Result<bool> {
        check_process(self.process)?;
        refuse_moved(&self.rows)?;
        self.undo.clear();
        Ok(true)
    }

    fn get(&mut self, key: &RowKey) -> Result<Option<Row>> {
        Ok(lock(&self.rows).get(key).cloned())
    }

    fn write(&mut self, key: &RowKey, row: Option<&Row>) -> Result<()> {
        let mut rows = lock(&self.rows);
        let before = match row {
            Some(row) => rows.insert(*key, row.clone()),
            None => rows.remove(key),
        };
        self.undo.push((*key, before));
        Ok(())
    }

    fn sweep(&mut self, limit: usize, judge: &Judge) -> Result<Swept> {
        let mut rows = lock(&self.rows);
        let looked_at: Vec<_> = rows.range(after(self.cursor.as_ref())).take(limit).collect();
        let wrapped = looked_at.len() < limit;
        self.cursor = if wrapped { None } else { looked_at.last().map(|(key, _)| **key) };
        let fates: Vec<_> = looked_at.into_iter().map(|(key, row)| (*key, judge.fate(key, row))).collect();
        let mut purged = 0;
        for (key, fate) in fates {
            let before = match fate {
                Fate::Keep => continue,
                Fate::Remove => rows.remove(&key),
                Fate::Replace(row) => rows.insert(key, row),
            };
            purged += u64::from(!rows.contains_key(&key));
            self.undo.push((key, before));
        }
        Ok(Swept { purged, wrapped })
    }

    fn commit(&mut self, _synced: bool) -> Result<Option<Settle>> {
        self.undo.clear();
        Ok(None)
    }

    fn rollback(&mut self) {
        let mut rows = lock(&self.rows);
        for (key, before) in self.undo.drain(..).rev() {
            match before {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
    }

    fn close(&mut self) {
        self.rollback();
    }
}

impl Reader for MemoryReader {
    type Position = Rest;

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        check_process(self.process)?;
        if *key != META {
            self.refuse_moved()?;
        }
        Ok(lock(&self.rows).get(key).cloned())
    }

    fn scan(&self, place: &mut Rest) -> Result<Option<Page>> {
        check_process(self.process)?;
        let rows = lock(&self.rows);
        let page = |range| rows.range(range).take(PAGE).map(|(key, row)| (*key, Ok(row.clone()))).collect();
        place.next(|range| Ok(page(range)))
    }

    fn refuse_moved(&self) -> Result<()> {
        refuse_moved(&self.rows)
    }

    fn close(&self) {}
}
