//! `sqlite:`, the default: one file, or rather a database in WAL mode with its `-wal` and `-shm`, and a `-lock`.
//!
//! One connection writes at a time, a few read. Between processes a lock on the side file decides who writes: SQLite's
//! own waiting starves the slowest process. The host may use SQLite itself, and people do things to files: what is
//! held is compared with what is at the path before a transaction, before its answer, and after a read.

mod checkpoint;
mod connection;
mod database;
mod frames;
mod guard;
mod log;
mod parted;
mod readers;
mod recovery;
mod shared;
mod sides;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};

use self::checkpoint::checkpoint;
use self::connection::{Kind, is_busy, is_full};
use self::database::Database;
use self::readers::Readers;
use self::shared::{Lease, Shared};
use super::commit::GroupCommit;
use super::engine::{Engine, PAGE};
use super::{Fate, Judge, Page, Repository, Row, Swept, codec, due};
use crate::block::{BLOCK_BYTES, RowKey};
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::files::{self, FileLock};
use crate::outcome::Outcome;
use crate::random::random;

/// How often files that were replaced are opened anew in one call.
const TRIES: u32 = 3;

/// How long the recovery from a failed sync waits for readers, and between two tries.
const RECOVERY_PATIENCE: Duration = Duration::from_secs(1);
const RECOVERY_PAUSE: Duration = Duration::from_millis(50);

/// After how many tries in a row at which the database is busy, though nobody of ours can have it, all connections are
/// opened anew: SQLite keeps what it could not unlock as its own.
const BUSY: u32 = 200;

/// Opens the database at this path, and makes it if there is none.
///
/// # Errors
///
/// `Store` when it cannot be opened, is not ours, holds something else, or was written by a newer library.
pub fn open(path: &Path, durability: Durability, warnings: &mut Vec<String>) -> Result<Arc<dyn Repository>> {
    let shared = Shared::of(Database::locate(path, warnings)?);
    let engine = Sqlite::new(shared.clone())?;
    let repository = GroupCommit::new(engine, Readers(shared), durability)?;
    // The first transaction makes the table, or refuses the file.
    repository.update(super::Commit { synced: true, sweep: None }, Box::new(|_| Ok(())))?;
    Ok(repository)
}

struct Sqlite {
    shared: Arc<Shared>,
    lock: FileLock,
    /// The connection of the transaction that runs.
    writer: Option<Lease>,
    /// Whether the transaction has changed something.
    changed: bool,
    /// Pages in the log after the last commit.
    pages: u64,
    /// Tries in a row at which the database was busy.
    busy: u32,
    /// Since when the recovery from a failed sync has to wait, and when it is tried next.
    waits: Option<(Instant, Instant)>,
    /// The last key the sweep looked at. It begins anywhere, so that short-lived processes sweep everything as well.
    cursor: RowKey,
}

impl Sqlite {
    fn new(shared: Arc<Shared>) -> Result<Self> {
        let lock = FileLock::new(shared.database.beside("-lock"));
        let cursor = RowKey::new(random()?);
        Ok(Self { shared, lock, writer: None, changed: false, pages: 0, busy: 0, waits: None, cursor })
    }

    fn run<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.writer.as_ref().ok_or_else(no_transaction)?.run(work)
    }

    /// Begins a transaction, the lock being held. `false` when that has to wait.
    fn begin(&mut self, synced: bool) -> Result<bool> {
        for _ in 0..TRIES {
            if due::is_due(&self.lock)? && !self.recover()? {
                return Ok(false);
            }
            match self.lease()? {
                Some(writer) if writer.is_current()? => return self.begin_with(writer, synced),
                Some(writer) => writer.give_back(),
                None if self.shared.is_parted()? => {}
                None => return Ok(false),
            }
            if !parted::rejoin(&self.shared)? {
                return Ok(false);
            }
        }
        Err(self.shared.replaced())
    }

    /// Brings to the disk what a sync that failed may have left in memory. `false` when that has to wait: it is tried now
    /// and then, and no longer than a while.
    fn recover(&mut self) -> Result<bool> {
        let now = Instant::now();
        if self.waits.is_some_and(|(_, next)| now < next) {
            return Ok(false);
        }
        if recovery::recover(&self.shared)? {
            self.waits = None;
            due::note(&self.lock, false)?;
            return Ok(true);
        }
        let since = self.waits.map_or(now, |(since, _)| since);
        self.waits = Some((since, now + RECOVERY_PAUSE));
        if now - since < RECOVERY_PATIENCE {
            return Ok(false);
        }
        let path = self.shared.database.beside("-wal");
        Err(Error::store(format!("a sync of {path:?} failed, and a program that reads keeps it from being repeated")))
    }

    /// A connection to write with; `None` when that has to wait.
    fn lease(&self) -> Result<Option<Lease>> {
        if let Some(writer) = self.shared.lease_idle(Kind::Writer) {
            return Ok(Some(writer));
        }
        // Making the table is a change like any other.
        due::note(&self.lock, true)?;
        let writer = match self.shared.lease(Kind::Writer) {
            Err(error) if error.outcome() == Outcome::Busy => None,
            writer => Some(writer?),
        };
        files::sync_folder(files::parent(&self.shared.database.path))?;
        due::note(&self.lock, false)?;
        Ok(writer)
    }

    fn begin_with(&mut self, mut writer: Lease, synced: bool) -> Result<bool> {
        if writer.connection()?.log().is_full() && !self.empty(&mut writer)? {
            writer.discard();
            let path = self.shared.database.beside("-wal");
            return Err(Error::store(format!("{path:?} has grown to its limit: a program that reads keeps it in use")));
        }
        let connection = writer.connection()?;
        let level = connection.set_synced(synced).map_err(|cause| self.shared.database.failed(&cause));
        let begun = level.and_then(|()| {
            writer.run(|connection| connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(|_| ()))
        });
        match begun {
            Ok(()) => {
                (self.changed, self.busy) = (false, 0);
                self.writer = Some(writer);
                Ok(true)
            }
            Err(error) if error.outcome() == Outcome::Busy => {
                self.busy += 1;
                match self.busy.is_multiple_of(BUSY) {
                    true => writer.discard(),
                    false => writer.give_back(),
                }
                Ok(false)
            }
            Err(error) => {
                writer.discard();
                Err(error)
            }
        }
    }

    /// Brings all of the log into the database and empties it. `false` when somebody needs it.
    fn empty(&self, writer: &mut Lease) -> Result<bool> {
        due::note(&self.lock, true)?;
        let done = checkpoint(writer, "TRUNCATE")?;
        due::note(&self.lock, false)?;
        if !done.is_busy() {
            writer.connection()?.set_pages(0);
        }
        Ok(!done.is_busy())
    }

    /// Commits. Afterwards a sync is due only if one failed, or may have. `false` when the files were replaced meanwhile.
    fn commit_with(&mut self, writer: &mut Lease) -> Result<bool> {
        if self.changed {
            let connection = writer.connection()?;
            let sides = connection.sides().clone();
            connection.log().make_room(sides.log().0);
            sides.make_room(connection.log().pages())?;
            due::note(&self.lock, true)?;
            // Who replaced the lock would not find the note.
            self.lock.check()?;
        }
        let committed =
            writer.connection()?.sqlite().prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        if let Err(cause) = committed {
            if is_full(&cause) {
                due::note(&self.lock, false)?;
            }
            return Err(self.shared.database.failed(&cause));
        }
        self.pages = writer.connection()?.log().pages();
        if self.changed && bring_in(writer).is_ok() {
            // If it stays, all is brought to the disk once more.
            let _ = due::note(&self.lock, false);
        }
        writer.is_current()
    }
}

/// Brings a long log into the database file, as far as no reader needs it where it is. When that fails it is known
/// from the note, and the commit before it is as good as it was.
fn bring_in(writer: &mut Lease) -> Result<()> {
    if !writer.connection()?.log().is_long() {
        return Ok(());
    }
    let connection = writer.connection()?;
    connection.log().tried();
    let done = connection.sqlite().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    writer.touch_log();
    match done {
        Err(cause) if !is_busy(&cause) && !is_full(&cause) => writer.run(|_| Err(cause)),
        _ => Ok(()),
    }
}

#[cold]
fn no_transaction() -> Error {
    Error::internal("no transaction has begun")
}

impl Engine for Sqlite {
    fn place(&self) -> String {
        self.shared.database.path.display().to_string()
    }

    fn try_begin(&mut self, synced: bool) -> Result<bool> {
        if !self.lock.try_lock()? {
            return Ok(false);
        }
        let begun = self.begin(synced);
        match &begun {
            Ok(true) => {}
            Ok(false) => self.lock.unlock(),
            Err(_) => self.close(),
        }
        begun
    }

    fn in_transaction(&self) -> bool {
        self.run(|connection| Ok(!connection.is_autocommit())).unwrap_or(false)
    }

    fn get(&mut self, key: &RowKey) -> Result<Option<Row>> {
        self.run(|connection| fetch(connection, key))?.transpose()
    }

    fn write(&mut self, key: &RowKey, row: Option<&Row>) -> Result<()> {
        self.changed = true;
        self.run(|connection| {
            match row {
                Some(row) => connection
                    .prepare_cached("INSERT OR REPLACE INTO item (k, v) VALUES (?1, ?2)")?
                    .execute(params![key.bytes(), codec::encode(row)])?,
                None => connection.prepare_cached("DELETE FROM item WHERE k = ?1")?.execute([key.bytes()])?,
            };
            Ok(())
        })
    }

    fn sweep(&mut self, limit: usize, judge: &Judge) -> Result<Swept> {
        let from = self.cursor;
        let fates = self.run(|connection| {
            // One that cannot be read is left to whoever needs it: it must not stop the sweep.
            let sql = "SELECT k, v FROM item WHERE k > ?1 AND length(k) = ?2 ORDER BY k LIMIT ?3";
            let mut select = connection.prepare_cached(sql)?;
            let fates = select.query_map(params![from.bytes(), BLOCK_BYTES as i64, limit as i64], |row| {
                let key = RowKey::new(row.get(0)?);
                let read = row.get_ref(1)?.as_blob().ok().and_then(|bytes| codec::decode(bytes).ok());
                Ok((key, read.map_or(Fate::Keep, |row| judge.fate(&key, &row))))
            })?;
            fates.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let last = fates.last().filter(|_| fates.len() == limit).map(|(key, _)| *key);
        let mut purged = 0;
        for (key, fate) in &fates {
            match fate {
                Fate::Keep => {}
                Fate::Remove => {
                    self.write(key, None)?;
                    purged += 1;
                }
                Fate::Replace(row) => self.write(key, Some(row))?,
            }
        }
        // The first key of all belongs to the repository itself and is never over.
        self.cursor = last.unwrap_or(super::META);
        Ok(Swept { purged, wrapped: last.is_none() })
    }

    fn commit(&mut self) -> Result<()> {
        let mut writer = self.writer.take().ok_or_else(no_transaction)?;
        let committed = self.commit_with(&mut writer);
        match &committed {
            Ok(_) if !log::is_stuck(self.pages) => writer.give_back(),
            // Or what keeps the log in use is a lock of ours that could not be given back.
            _ => writer.discard(),
        }
        self.lock.unlock();
        if committed? { Ok(()) } else { Err(self.shared.replaced()) }
    }

    fn rollback(&mut self) {
        if let Some(writer) = self.writer.take() {
            match writer.run(|connection| connection.prepare_cached("ROLLBACK")?.execute([])) {
                Ok(_) => writer.give_back(),
                Err(_) => writer.discard(),
            }
        }
        self.lock.unlock();
    }

    fn log_bytes(&self) -> u64 {
        self.pages * log::FRAME
    }

    fn close(&mut self) {
        self.writer = None;
        // What is in a log that was deleted is lost with the last connection.
        if self.shared.is_parted().is_ok_and(|parted| parted) && self.lock.try_lock().is_ok_and(|held| held) {
            let _ = parted::rejoin(&self.shared);
        }
        self.shared.close_all();
        self.lock.close();
    }

    /// Brings the database file up to date, so that a copy of it alone is whole. Others that have it open go on; what
    /// they keep from being done now they will do.
    fn finish(&mut self) {
        // Nothing is lost when it fails: the log has it all, and the note tells whether all of the log is on the disk.
        let _ = self.empty_log();
        self.close();
        self.shared.release();
    }
}

impl Sqlite {
    fn empty_log(&mut self) -> Result<()> {
        let Some(mut writer) = self.shared.lease_idle(Kind::Writer) else { return Ok(()) };
        if !self.lock.try_lock()? {
            return Ok(());
        }
        if !writer.is_current()? {
            // Closing brings home what is in the log.
            writer.give_back();
            return Ok(());
        }
        if !due::is_due(&self.lock)? {
            self.empty(&mut writer)?;
        }
        Ok(())
    }
}

/// The row, or why its bytes are none.
fn fetch(connection: &rusqlite::Connection, key: &RowKey) -> rusqlite::Result<Option<Result<Row>>> {
    connection
        .prepare_cached("SELECT v FROM item WHERE k = ?1")?
        .query_row([key.bytes()], |row| Ok(codec::decode(row.get_ref(0)?.as_blob()?)))
        .optional()
}

/// The first rows of a range. What has no key of ours is none of them.
fn fetch_page(connection: &rusqlite::Connection, range: &RangeInclusive<RowKey>) -> rusqlite::Result<Page> {
    let sql = "SELECT k, v FROM item WHERE k BETWEEN ?1 AND ?2 AND length(k) = 16 ORDER BY k LIMIT ?3";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params![range.start().bytes(), range.end().bytes(), PAGE as i64], |row| {
        Ok((RowKey::new(row.get(0)?), codec::decode(row.get_ref(1)?.as_blob()?)))
    })?;
    rows.collect()
}
