//! `sqlite:`, the default: one file, or rather a database in WAL mode with its `-wal` and `-shm`, and a `-lock`.
//!
//! One connection writes at a time, a few read. Between processes a lock on the side file decides who writes: SQLite's
//! own waiting starves the slowest process. The host may use SQLite itself, and people do things to files: what is
//! held is compared with what is at the path before a transaction, before its answer, and after a read.

mod checkpoint;
mod connection;
mod database;
mod examine;
mod frames;
mod guard;
mod ledger;
mod log;
mod parted;
mod readers;
mod recovery;
mod rows;
mod shared;
mod sides;
mod syncer;
#[cfg(test)]
mod tests;
mod transaction;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::params;

use self::connection::Kind;
use self::database::Database;
pub use self::examine::{examine, look};
use self::ledger::{Ledger, Standing};
use self::readers::Readers;
use self::rows::Table;
use self::shared::{Lease, Shared};
use self::transaction::{Running, empty};
use super::commit::GroupCommit;
use super::engine::{Engine, Settle};
use super::{Fate, Judge, META, Repository, Row, Swept, codec};
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

/// How long a connection that is to be opened waits until nobody owes a sync, and between two looks.
const DRAIN_PATIENCE: Duration = Duration::from_millis(250);
const DRAIN_PAUSE: Duration = Duration::from_micros(20);

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
    match repository.update(super::Commit { synced: true, sweep: None }, Box::new(|_| Ok(()))) {
        // What was moved can still be copied.
        Err(error) if !error.is_move() => Err(error),
        _ => Ok(repository),
    }
}

struct Sqlite {
    shared: Arc<Shared>,
    lock: FileLock,
    /// The transaction that runs.
    running: Option<Running>,
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
        Ok(Self { shared, lock, running: None, pages: 0, busy: 0, waits: None, cursor })
    }

    fn run<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.running.as_ref().ok_or_else(no_transaction)?.writer.run(work)
    }

    /// The ledger in the lock file. The lock must be held.
    fn ledger(&self) -> Result<Arc<Ledger>> {
        let file = self.lock.identity().ok_or_else(|| Error::internal("the lock is not held"))?;
        self.shared.ledger(file)
    }

    /// Begins a transaction, the lock being held. `false` when that has to wait.
    fn begin(&mut self) -> Result<bool> {
        for _ in 0..TRIES {
            let ledger = self.ledger()?;
            let mut standing = ledger.standing()?;
            if !self.shared.is_ready(&standing) {
                standing = drained(&ledger)?;
            }
            if standing.failed {
                if !self.recover(&ledger, &standing)? {
                    return Ok(false);
                }
                standing = ledger.standing()?;
            }
            match self.lease(&ledger)? {
                Some(writer) if writer.is_current()? => return self.begin_with(writer, ledger, standing),
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
    fn recover(&mut self, ledger: &Ledger, standing: &Standing) -> Result<bool> {
        let now = Instant::now();
        if self.waits.is_some_and(|(_, next)| now < next) {
            return Ok(false);
        }
        if recovery::recover(&self.shared)? {
            self.waits = None;
            ledger.bring_home(standing.next())?;
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
    fn lease(&self, ledger: &Ledger) -> Result<Option<Lease>> {
        if let Some(writer) = self.shared.lease_idle(Kind::Writer) {
            return Ok(Some(writer));
        }
        // Making the table is a change like any other.
        ledger.mark_section(true)?;
        let writer = match self.shared.lease(Kind::Writer) {
            Err(error) if error.outcome() == Outcome::Busy => None,
            writer => Some(writer?),
        };
        files::sync_folder(files::parent(&self.shared.database.path))?;
        ledger.mark_section(false)?;
        Ok(writer)
    }

    fn begin_with(&mut self, mut writer: Lease, ledger: Arc<Ledger>, standing: Standing) -> Result<bool> {
        if writer.connection()?.table() == Table::Moved {
            writer.give_back();
            return Err(self.shared.moved());
        }
        if writer.connection()?.log().is_full() && !empty(&mut writer, &ledger)? {
            writer.discard();
            let path = self.shared.database.beside("-wal");
            return Err(Error::store(format!("{path:?} has grown to its limit: a program that reads keeps it in use")));
        }
        let syncer = match ledger.take_place()? {
            true => Some(self.shared.syncer(writer.connection()?.sides(), &standing)?),
            false => None,
        };
        let connection = writer.connection()?;
        let level = connection.set_synced(syncer.is_none()).map_err(|cause| self.shared.database.failed(&cause));
        let begun = level.and_then(|()| {
            writer.run(|connection| connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(|_| ()))
        });
        match begun {
            Ok(()) => {
                self.busy = 0;
                self.running = Some(Running { writer, ledger, standing, syncer, changed: false, moves: false });
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
}

/// How things stand when nobody owes a sync any more: what is opened now will tell of every error to come. The lock must
/// be held: nothing more is written meanwhile. Who takes longer than a while is taken for one that failed.
fn drained(ledger: &Ledger) -> Result<Standing> {
    let begun = Instant::now();
    loop {
        let standing = ledger.standing()?;
        if standing.due <= standing.synced || standing.failed {
            return Ok(standing);
        }
        if begun.elapsed() > DRAIN_PATIENCE {
            return Ok(Standing { failed: true, ..standing });
        }
        thread::sleep(DRAIN_PAUSE);
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

    fn try_begin(&mut self) -> Result<bool> {
        if !self.lock.try_lock()? {
            return Ok(false);
        }
        let begun = self.begin();
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
        self.run(|connection| Table::Item.fetch(connection, key))?.transpose()
    }

    fn write(&mut self, key: &RowKey, row: Option<&Row>) -> Result<()> {
        let running = self.running.as_mut().ok_or_else(no_transaction)?;
        running.changed = true;
        running.writer.run(|connection| {
            match row {
                Some(row) => connection
                    .prepare_cached("INSERT OR REPLACE INTO item (k, v) VALUES (?1, ?2)")?
                    .execute(params![key.bytes(), codec::encode(row)])?,
                None => connection.prepare_cached("DELETE FROM item WHERE k = ?1")?.execute([key.bytes()])?,
            };
            if row.is_some_and(Row::is_moved) { connection.execute_batch(Table::MOVE) } else { Ok(()) }
        })?;
        running.moves |= row.is_some_and(Row::is_moved);
        Ok(())
    }

    fn sweep(&mut self, limit: usize, judge: &Judge) -> Result<Swept> {
        if self.running.as_ref().is_some_and(|running| running.moves) {
            return Ok(Swept { purged: 0, wrapped: true });
        }
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
        self.cursor = last.unwrap_or(META);
        Ok(Swept { purged, wrapped: last.is_none() })
    }

    fn commit(&mut self, synced: bool) -> Result<Option<Settle>> {
        let mut running = self.running.take().ok_or_else(no_transaction)?;
        let committed = running.commit(&self.lock, synced).and_then(|due| match running.writer.is_current()? {
            true => Ok(due),
            false => Err(self.shared.replaced()),
        });
        self.pages = running.writer.connection()?.log().pages();
        let Running { writer, ledger, standing, syncer, moves, .. } = running;
        match &committed {
            Ok(_) if !moves && !log::is_stuck(self.pages) => writer.give_back(),
            // Or what keeps the log in use is a lock of ours that could not be given back.
            _ => writer.discard(),
        }
        if committed.is_err() {
            ledger.fail();
        }
        self.lock.unlock();
        let due = committed?;
        let syncer = syncer.filter(|_| due > standing.synced);
        Ok(syncer.map(|syncer| -> Settle { Box::new(move || syncer.settle(due)) }))
    }

    fn rollback(&mut self) {
        if let Some(Running { writer, .. }) = self.running.take() {
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
        self.running = None;
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
        let ledger = self.ledger()?;
        if !ledger.standing()?.failed {
            empty(&mut writer, &ledger)?;
        }
        Ok(())
    }
}
