//! `json:`, a folder of JSON files that people can read: one for every row, named by its key.
//!
//! | file | holds |
//! |---|---|
//! | `repository.json` | `format`, `version` and what the repository says of itself: [`META`] |
//! | `KEY.json` | `version`, and one of `record` (a token), `failures` (of a subject), `sends` (to a recipient) |
//! | `journal.json` | a transaction of several files on its way into them |
//! | `lock` | nothing: whoever changes something holds a lock on it |
//!
//! A file is only ever replaced as a whole. A change of one file is committed when the file is replaced, a change of
//! several when the journal is in place; whoever takes the lock next completes what the journal says.

mod due;
mod examine;
mod folder;
mod format;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fs::ReadDir;
use std::path::Path;
use std::sync::Arc;

use super::commit::GroupCommit;
use super::engine::{Engine, Reader, Settle};
use super::{Fate, Judge, META, Page, Repository, Row, Swept, moved};
use crate::block::RowKey;
use crate::config::Durability;
use crate::error::Result;
use crate::files::{self, FileLock, Temporary};
pub use examine::{examine, look};
use folder::{Entry, Folder};
use format::Change;

/// Opens the repository in this folder. The folder is made, for its owner alone, when there is none; its parent must
/// exist.
///
/// # Errors
///
/// `Store` when the folder cannot be made or read, holds something else, or was written by a newer library.
pub fn open(folder: &Path, durability: Durability, warnings: &mut Vec<String>) -> Result<Arc<dyn Repository>> {
    let folder = Folder::open(folder, warnings)?;
    Ok(GroupCommit::new(Json::new(folder.clone(), durability), folder, durability)?)
}

struct Json {
    folder: Folder,
    lock: FileLock,
    /// Whether what was synced once must survive a power cut during any later change. It says so also of changes that
    /// need not be synced themselves: a file must not take the place of another before its content is on the disk.
    durable: bool,
    rows: BTreeMap<RowKey, Staged>,
    /// Where the sweep is. Its cost does not depend on how many rows there are.
    cursor: Option<ReadDir>,
    /// Called before every change on the disk: there the tests kill the process or break the disk.
    #[cfg(test)]
    hook: Option<Box<dyn FnMut() -> Result<()> + Send>>,
}

/// A row that the transaction has read or written.
struct Staged {
    /// What its file held, or that it is damaged.
    before: Result<Option<Row>>,
    now: Result<Option<Row>>,
}

impl Json {
    fn new(folder: Folder, durability: Durability) -> Self {
        Self {
            lock: FileLock::new(folder.lock_file()),
            folder,
            durable: durability == Durability::Full,
            rows: BTreeMap::new(),
            cursor: None,
            #[cfg(test)]
            hook: None,
        }
    }

    /// What can be read may not be on the disk: whoever changed it last failed to bring it there, or died before it was.
    fn sync_what_is_due(&mut self) -> Result<()> {
        if !self.durable || !due::is_due(&self.lock)? {
            return Ok(());
        }
        self.sync(true)?;
        due::note(&self.lock, false)
    }

    /// Completes the transaction that was committed and perhaps not carried out to its end, if there is one.
    fn recover(&mut self) -> Result<()> {
        if files::identity(&self.folder.journal_file())?.is_none() {
            return Ok(());
        }
        // A journal that a power cut has torn was never committed.
        let changes = self.folder.journal()?.unwrap_or_default();
        // Who left it may have been killed before its name was on the disk.
        self.sync(self.durable)?;
        self.carry_out(&changes, self.durable)
    }

    fn staged(&mut self, key: &RowKey) -> Result<&mut Staged> {
        match self.rows.entry(*key) {
            btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            btree_map::Entry::Vacant(entry) => {
                let before = match self.folder.row(key) {
                    Err(error) if !error.is_of_one_row() => return Err(error),
                    before => before,
                };
                Ok(entry.insert(Staged { now: before.clone(), before }))
            }
        }
    }

    /// Sweeps the row. True when it was over and is gone. One that cannot be read is left to whoever needs it: it must
    /// not stop the sweep.
    fn sweep_row(&mut self, key: &RowKey, judge: &Judge) -> bool {
        let row = match self.rows.get(key) {
            Some(row) => row.now.clone().unwrap_or_default(),
            None => self.folder.row(key).unwrap_or_default(),
        };
        let Some(row) = row else { return false };
        let left = match judge.fate(key, &row) {
            Fate::Keep => return false,
            Fate::Remove => None,
            Fate::Replace(row) => Some(row),
        };
        let is_over = left.is_none();
        self.rows.entry(*key).or_insert(Staged { before: Ok(Some(row)), now: Ok(None) }).now = Ok(left);
        is_over
    }

    /// Writes what changed. With `synced` it must survive a power cut.
    fn store(&mut self, synced: bool) -> Result<()> {
        let changed = self.rows.iter().filter(|(_, row)| row.now != row.before);
        let changed = changed.filter_map(|(key, row)| Some((key, row.now.as_ref().ok()?)));
        let changes: Vec<_> = changed.map(|(key, row)| Change::new(key, row.as_ref())).collect::<Result<_>>()?;
        if synced && !changes.is_empty() {
            due::note(&self.lock, true)?;
        }
        match changes.as_slice() {
            [] => return Ok(()),
            [change] => {
                self.apply(change)?;
                self.sync(synced)?;
            }
            _ => {
                self.replace(&self.folder.journal_file(), &format::journal_text(&changes)?)?;
                self.sync(synced)?;
                self.carry_out(&changes, synced)?;
            }
        }
        if synced {
            // If it stays, the next one syncs once more.
            let _ = due::note(&self.lock, false);
        }
        Ok(())
    }

    /// Brings what is in the journal into the files. May be done again, from the beginning.
    fn carry_out(&mut self, changes: &[Change], synced: bool) -> Result<()> {
        for change in changes {
            self.apply(change)?;
        }
        self.sync(synced)?;
        self.remove(&self.folder.journal_file())
    }

    fn apply(&mut self, change: &Change) -> Result<()> {
        let path = self.folder.file(&change.key);
        match &change.text {
            Some(text) => self.replace(&path, text),
            None => self.remove(&path),
        }
    }

    fn replace(&mut self, path: &Path, text: &str) -> Result<()> {
        self.step()?;
        let temporary = Temporary::write(path, text.as_bytes(), self.durable)?;
        self.step()?;
        temporary.place()
    }

    fn remove(&mut self, path: &Path) -> Result<()> {
        self.step()?;
        files::remove(path)
    }

    fn sync(&mut self, synced: bool) -> Result<()> {
        if !synced {
            return Ok(());
        }
        self.step()?;
        self.folder.sync()
    }

    /// Refuses to go on when others are no longer kept out: another lock or folder took the place of ours.
    fn check(&self) -> Result<()> {
        self.folder.check()?;
        self.lock.check()
    }

    fn step(&mut self) -> Result<()> {
        #[cfg(test)]
        if let Some(hook) = &mut self.hook {
            hook()?;
        }
        Ok(())
    }
}

impl Engine for Json {
    /// Each operation waits for the disk, once for every file.
    const BATCH: usize = 16;

    fn place(&self) -> String {
        self.folder.place()
    }

    fn try_begin(&mut self) -> Result<bool> {
        self.folder.check()?;
        if !self.lock.try_lock()? {
            return Ok(false);
        }
        let recovered = self.sync_what_is_due().and_then(|()| self.recover()).and_then(|()| self.folder.refuse_moved());
        if recovered.is_err() {
            self.close();
        }
        recovered.map(|()| true)
    }

    fn get(&mut self, key: &RowKey) -> Result<Option<Row>> {
        self.staged(key)?.now.clone()
    }

    fn write(&mut self, key: &RowKey, row: Option<&Row>) -> Result<()> {
        self.staged(key)?.now = Ok(row.cloned());
        Ok(())
    }

    fn sweep(&mut self, limit: usize, judge: &Judge) -> Result<Swept> {
        let mut swept = Swept::default();
        let mut looked_at = 0;
        while looked_at < limit {
            if self.cursor.is_none() {
                self.cursor = Some(self.folder.entries()?);
            }
            let Some(entry) = self.cursor.as_mut().and_then(Iterator::next) else {
                self.cursor = None;
                swept.wrapped = true;
                break;
            };
            let entry = self.folder.entry(entry);
            if entry.is_err() {
                // It would go on as if it had come to the end.
                self.cursor = None;
            }
            looked_at += 1;
            match entry? {
                Entry::Row(key) => swept.purged += u64::from(self.sweep_row(&key, judge)),
                Entry::Temporary(path) => files::remove_stale(&path),
                Entry::Other(_) => {}
            }
        }
        Ok(swept)
    }

    fn commit(&mut self, synced: bool) -> Result<Option<Settle>> {
        // Before, so that nothing is written where others are at work; and after, so that no code is
        // accepted here that may be accepted there as well.
        let stored = self.check().and_then(|()| self.store(synced)).and_then(|()| self.check());
        if stored.is_err() {
            self.close();
        } else {
            self.rollback();
        }
        stored.map(|()| None)
    }

    fn rollback(&mut self) {
        self.rows.clear();
        self.lock.unlock();
    }

    fn close(&mut self) {
        self.rows.clear();
        self.cursor = None;
        self.lock.close();
    }
}

impl Reader for Folder {
    type Position = scan::ScanPosition;

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        if *key != META {
            self.refuse_moved()?;
        }
        self.committed(key)
    }

    fn refuse_moved(&self) -> Result<()> {
        // Damage is for those to tell who need the row.
        let is_moved = self.committed(&META).is_ok_and(|row| row.is_some_and(|row| row.is_moved()));
        if is_moved { Err(moved(&self.place())) } else { Ok(()) }
    }

    fn scan(&self, place: &mut scan::ScanPosition) -> Result<Option<Page>> {
        place.next(self)
    }

    fn scan_all(&self, place: &mut scan::ScanPosition) -> Result<Option<Page>> {
        place.next_of_all(self)
    }

    /// Holds nothing open.
    fn close(&self) {}
}
