//! One connection to the database, with nothing switched on that a hostile file could use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{OpenFlags, ffi};

use super::super::{FORMAT_VERSION, moved};
use super::database::Database;
use super::log::Log;
use super::rows::Table;
use super::sides::Sides;
use crate::error::{Error, Result};
use crate::sys::sqlite::keep_index_locks;

/// "lotp": marks a database as one of this library (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x6c6f_7470;

/// Asks how many tables and other things there are.
const TABLES: &str = "SELECT count(*) FROM sqlite_schema";

/// Bytes at which the log is cut when it is used anew: only what something kept from being used anew is longer.
const LOG_BYTES: u32 = 20 << 20;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reading what was committed.
    Reader,
    /// Transactions.
    Writer,
}

impl Kind {
    fn cache(self) -> &'static str {
        match self {
            Kind::Reader => "PRAGMA cache_size = -256",
            Kind::Writer => "PRAGMA cache_size = -2048",
        }
    }
}

/// A connection, and what must not be closed before it.
pub struct Connection {
    /// First: it is closed before the side files are.
    sqlite: rusqlite::Connection,
    sides: Arc<Sides>,
    kind: Kind,
    table: Table,
    /// Pages in the log after the last commit, as SQLite tells them.
    pages: Arc<AtomicU64>,
    log: Log,
    /// Whether commits are synced now.
    synced: bool,
}

impl Connection {
    /// Opens the database. A connection to write makes the table if there is none: call it with the lock between
    /// processes held.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be opened for writing, holds something else, or was written by a newer library;
    /// `Busy` when somebody else is about to do the same.
    pub fn open(database: &Database, sides: Arc<Sides>, kind: Kind) -> Result<Self> {
        let mut sqlite = connect(database, kind).map_err(|cause| database.failed(&cause))?;
        // Short of descriptors SQLite opens what it cannot write, and would keep it so.
        if sqlite.is_readonly("main").map_err(|cause| database.failed(&cause))? {
            return Err(Error::store(format!("cannot open {:?} for writing", database.path)));
        }
        let pages = Arc::new(AtomicU64::new(0));
        match kind {
            Kind::Reader => require_log(&sqlite, database)?,
            Kind::Writer => {
                prepare(&sqlite, database)?;
                count_pages(&mut sqlite, &pages).map_err(|cause| database.failed(&cause))?;
            }
        }
        if !sides.are_current(database)? {
            return Err(Error::busy(format!("the files beside {:?} were replaced", database.path)));
        }
        let table = Table::of(&sqlite).map_err(|cause| database.failed(&cause))?;
        Ok(Self { sqlite, sides, kind, table, pages, log: Log::default(), synced: true })
    }

    /// Makes a database that is not one yet, or that is not in WAL mode: call it with the lock between processes held and
    /// without the guard. Nothing stays open.
    ///
    /// # Errors
    ///
    /// As of [`Connection::open`].
    pub fn make(database: &Database) -> Result<()> {
        let sqlite = connect(database, Kind::Writer).map_err(|cause| database.failed(&cause))?;
        prepare(&sqlite, database)
    }

    /// What SQLite offers.
    pub fn sqlite(&self) -> &rusqlite::Connection {
        &self.sqlite
    }

    /// The files beside the database.
    pub fn sides(&self) -> &Arc<Sides> {
        &self.sides
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The table that it works with.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The log after the last commit.
    pub fn log(&mut self) -> &mut Log {
        self.log.set_pages(self.pages.load(Ordering::Relaxed));
        &mut self.log
    }

    /// Says how many pages are in the log, where that was not a commit.
    pub fn set_pages(&self, pages: u64) {
        self.pages.store(pages, Ordering::Relaxed);
    }

    /// Has commits synced from now on, or not.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn set_synced(&mut self, synced: bool) -> rusqlite::Result<()> {
        if self.synced != synced {
            // In WAL mode a commit is synced under FULL, and under NORMAL not before the next that is.
            let level = if synced { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            self.sqlite.execute_batch(level)?;
            self.synced = synced;
        }
        Ok(())
    }
}

/// The path is absolute, so it cannot be taken for a URI even in a build of SQLite that reads URIs.
fn connect(database: &Database, kind: Kind) -> rusqlite::Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    keep_index_locks();
    let connection = rusqlite::Connection::open_with_flags(&database.path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    for (option, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        // Else the sweep's statement is prepared anew for each place that it begins at.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        // Closing before a fork must be quick, and must not delete the WAL under another process.
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    ] {
        connection.set_db_config(option, on)?;
    }
    connection.execute_batch(kind.cache())?;
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY")?;
    Ok(connection)
}

/// Waits for a writer where the database is not in WAL mode: one that was switched to another while nobody of ours had
/// it open, or is just being made.
fn require_log(connection: &rusqlite::Connection, database: &Database) -> Result<()> {
    let mode = text(connection, "PRAGMA journal_mode").map_err(|cause| database.failed(&cause))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(Error::busy(format!("repository {:?}: it is not in WAL mode", database.path)))
}

/// Switches to WAL mode and makes the table, or refuses the file.
fn prepare(connection: &rusqlite::Connection, database: &Database) -> Result<()> {
    let refused = |why: &str| Err(Error::store(format!("cannot read {:?}: {why}", database.path)));
    let run = |sql: &str| connection.execute_batch(sql).map_err(|cause| database.failed(&cause));
    if let Some(why) = refusal(connection).map_err(|cause| database.failed(&cause))? {
        return refused(&why);
    }
    let tables = number(connection, TABLES).map_err(|cause| database.failed(&cause))?;
    // Without an error SQLite stays in the mode that it has.
    let mode = text(connection, "PRAGMA journal_mode = WAL").map_err(|cause| database.failed(&cause))?;
    if mode != "wal" {
        return refused(&format!("it cannot be switched from journal mode {mode} to WAL mode"));
    }
    run(&format!("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA journal_size_limit = {LOG_BYTES}"))?;
    if tables == 0 {
        run(&format!(
            "BEGIN IMMEDIATE;
             {};
             PRAGMA application_id = {APPLICATION_ID};
             PRAGMA user_version = {FORMAT_VERSION};
             COMMIT",
            Table::MAKE
        ))?;
    }
    Ok(())
}

/// Why a database is none that this library can have, if it is none.
///
/// # Errors
///
/// Those of SQLite.
pub fn refusal(connection: &rusqlite::Connection) -> rusqlite::Result<Option<String>> {
    let tables = number(connection, TABLES)?;
    let (application, version) =
        (number(connection, "PRAGMA application_id")?, number(connection, "PRAGMA user_version")?);
    if application != APPLICATION_ID && (tables, application, version) != (0, 0, 0) {
        return Ok(Some("not a repository of this library".to_owned()));
    }
    let is_newer = version > i64::from(FORMAT_VERSION);
    Ok(is_newer.then(|| format!("it has version {version}, and this library reads up to version {FORMAT_VERSION}")))
}

fn number(connection: &rusqlite::Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.query_row(sql, [], |row| row.get(0))
}

fn text(connection: &rusqlite::Connection, sql: &str) -> rusqlite::Result<String> {
    connection.query_row(sql, [], |row| row.get(0))
}

/// Counts the pages in the log. Takes the place of SQLite's own checkpoint after every thousand pages.
fn count_pages(connection: &mut rusqlite::Connection, pages: &Arc<AtomicU64>) -> rusqlite::Result<()> {
    let counter = pages.clone();
    let used: i64 = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
    counter.store(used.max(0).unsigned_abs(), Ordering::Relaxed);
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, used: i32| {
        counter.store(u64::from(used.unsigned_abs()), Ordering::Relaxed);
        Ok(())
    }))
}

impl Database {
    /// The error for a failure of SQLite.
    #[cold]
    pub fn failed(&self, cause: &rusqlite::Error) -> Error {
        if is_busy(cause) {
            // As while another process recovers the log: all connections were closed for a fork, and it was first.
            return Error::busy(format!("repository {:?}: it is locked", self.path));
        }
        if Table::is_gone(cause) {
            return moved(&self.path.display().to_string());
        }
        let cause = match cause {
            // The message repeats the statement; the code says what happened.
            rusqlite::Error::SqliteFailure(failure, _) => failure.to_string(),
            other => other.to_string(),
        };
        Error::store(format!("repository {:?}: {cause}", self.path))
    }
}

/// Whether somebody else has what is needed.
pub fn is_busy(cause: &rusqlite::Error) -> bool {
    matches!(cause.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked))
}

/// Whether the disk had no room: nothing was handed to it that it may have lost.
pub fn is_full(cause: &rusqlite::Error) -> bool {
    cause.sqlite_error().is_some_and(|failure| failure.extended_code == ffi::SQLITE_FULL)
}
