//! `sqlite:`, the default: one file, or rather a database in WAL mode with its `-wal` and `-shm`, and a `-lock`.
//!
//! One connection writes, a few read. Between processes a lock on the side file decides who writes: SQLite's own
//! waiting starves the slowest process. The file is never opened but through SQLite, since closing any descriptor of
//! it would end SQLite's locks (sqlite.org, "How To Corrupt", 2.2).

mod log;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use self::log::Log;
use super::commit::{Engine, GroupCommit, Reader};
use super::files::{FileLock, Identity, identity};
use super::{FORMAT_VERSION, Key, Repository, Row, Swept, codec};
use crate::block::Block;
use crate::clock::Time;
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::ffi::sys;
use crate::fork::lock;
use crate::outcome::Outcome;
use crate::random::random;

/// "lotp": marks a database as one of this library (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x6c6f_7470;

/// Connections kept for reading. More are opened when more threads read at once, and closed again.
const READERS: usize = 4;

const READER_CACHE: &str = "PRAGMA cache_size = -256";
const WRITER_CACHE: &str = "PRAGMA cache_size = -2048";

/// Opens the database at this path, and makes it if there is none.
///
/// # Errors
///
/// `Store` when it cannot be opened, is not private, holds something else, or was written by a newer library.
pub fn open(path: &Path, durability: Durability, _warnings: &mut Vec<String>) -> Result<Arc<dyn Repository>> {
    let database = Database::locate(path)?;
    let engine = Sqlite {
        lock: FileLock::new(with_suffix(&database.path, "-lock")),
        database: database.clone(),
        connection: None,
        log: None,
        synced: true,
        cursor: Block(random()?),
    };
    let readers = Readers { database: database.clone(), idle: Mutex::default() };
    let repository = GroupCommit::new(engine, readers, durability)?;
    // The first transaction makes the table, or refuses the file.
    repository.update(super::Commit { synced: true, sweep: None }, Box::new(|_| Ok(())))?;
    Ok(repository)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The file, found once: whatever lies at its path later is another one.
#[derive(Clone)]
struct Database {
    path: PathBuf,
    identity: Identity,
}

impl Database {
    /// Finds the file or makes it, readable by its owner alone whatever the umask.
    fn locate(path: &Path) -> Result<Self> {
        let cannot = |cause: &dyn std::fmt::Display| Error::store(format!("cannot open {path:?}: {cause}"));
        // SQLite follows no link, not even in the folder's name; the host may well have one there.
        let folder = path.parent().unwrap_or(Path::new("/")).canonicalize().map_err(|cause| cannot(&cause))?;
        let name = path.file_name().ok_or_else(|| cannot(&"it names a folder"))?;
        let path = folder.join(name);
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
        match OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(&path) {
            Ok(_) => {}
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cannot(&cause)),
        }
        let metadata = path.symlink_metadata().map_err(|cause| cannot(&cause))?;
        if !metadata.is_file() {
            return Err(cannot(&"it is not a regular file"));
        }
        if metadata.uid() != sys::effective_uid() {
            return Err(cannot(&"it belongs to another user"));
        }
        let identity = identity(&path)?.ok_or_else(|| cannot(&"it vanished"))?;
        Ok(Self { path, identity })
    }

    fn check_identity(&self) -> Result<()> {
        if identity(&self.path)? == Some(self.identity) {
            return Ok(());
        }
        Err(Error::store(format!("{:?} is no longer the file that was opened", self.path)))
    }

    /// A connection with nothing switched on that a hostile file could use. The path is absolute, so it cannot be
    /// taken for a URI even in a build of SQLite that reads URIs.
    fn connect(&self, cache: &str) -> Result<Connection> {
        self.check_identity()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let prepare = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(std::time::Duration::ZERO)?;
            for (option, on) in [
                (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
                (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
                (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
                (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
                // Closing before a fork must be quick, and must not delete the WAL under another process.
                (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
            ] {
                connection.set_db_config(option, on)?;
            }
            connection.execute_batch(cache)?;
            connection
                .execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY")?;
            Ok(connection)
        };
        prepare().map_err(|cause| self.failed(&cause))
    }

    #[cold]
    fn failed(&self, cause: &rusqlite::Error) -> Error {
        if is_busy(cause) {
            // As while another process recovers the log: all connections were closed for a fork, and it was first.
            return Error::busy(format!("repository {:?}: it is locked", self.path));
        }
        let cause = match cause {
            // The message repeats the statement; the code says what happened.
            rusqlite::Error::SqliteFailure(failure, _) => failure.to_string(),
            other => other.to_string(),
        };
        Error::store(format!("repository {:?}: {cause}", self.path))
    }
}

fn is_busy(cause: &rusqlite::Error) -> bool {
    matches!(cause.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked))
}

struct Sqlite {
    database: Database,
    lock: FileLock,
    connection: Option<Connection>,
    /// The connection's log; there when it is.
    log: Option<Log>,
    /// Whether the connection syncs its commits now.
    synced: bool,
    /// The last key the sweep looked at. It begins anywhere, so that short-lived processes sweep everything as well.
    cursor: Key,
}

impl Sqlite {
    /// Opens the writing connection. Called with the lock held: nobody else of ours makes the table at the same time.
    fn open(&mut self) -> Result<()> {
        let mut connection = self.database.connect(WRITER_CACHE)?;
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
        let is_over = |context: &mut rusqlite::functions::Context<'_>| {
            let now = Time::from_ms(context.get::<i64>(1)?.unsigned_abs());
            let row = context.get_raw(0).as_blob().ok().and_then(|bytes| codec::decode(bytes).ok());
            Ok(row.is_some_and(|row| row.is_over(now)))
        };
        let make = || -> rusqlite::Result<Option<String>> {
            connection.create_scalar_function("is_over", 2, flags, is_over)?;
            let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
            let tables = number("SELECT count(*) FROM sqlite_schema")?;
            let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
            if application != APPLICATION_ID && (tables, application, version) != (0, 0, 0) {
                return Ok(Some("not a repository of this library".to_owned()));
            }
            if version > i64::from(FORMAT_VERSION) {
                return Ok(Some(format!(
                    "it has version {version}, and this library reads up to version {FORMAT_VERSION}"
                )));
            }
            let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
            connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON")?;
            if tables == 0 {
                connection.execute_batch(&format!(
                    "BEGIN IMMEDIATE;
                     CREATE TABLE item (k BLOB NOT NULL PRIMARY KEY, v BLOB NOT NULL) STRICT, WITHOUT ROWID;
                     PRAGMA application_id = {APPLICATION_ID};
                     PRAGMA user_version = {FORMAT_VERSION};
                     COMMIT"
                ))?;
            }
            Ok(None)
        };
        match make() {
            Ok(None) => {
                let log = Log::open(&mut connection, &with_suffix(&self.database.path, "-wal"));
                self.log = Some(log.map_err(|cause| self.database.failed(&cause))?);
                self.connection = Some(connection);
                self.synced = true;
                Ok(())
            }
            Ok(Some(why)) => Err(Error::store(format!("cannot read {:?}: {why}", self.database.path))),
            Err(cause) => Err(self.database.failed(&cause)),
        }
    }

    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let connection = self.connection.as_ref().ok_or_else(|| Error::internal("no transaction has begun"))?;
        work(connection).map_err(|cause| self.database.failed(&cause))
    }

    /// Brings what the log holds into the database file, as far as no reader needs it where it is.
    fn checkpoint(&self, mode: &str) -> Result<()> {
        self.run(|connection| connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())))
    }

    fn begin(&mut self, synced: bool) -> Result<bool> {
        if self.connection.is_none() {
            match self.open() {
                Err(error) if error.outcome() == Outcome::Busy => return Ok(false),
                opened => opened?,
            }
        }
        self.database.check_identity()?;
        if self.synced != synced {
            // In WAL mode a commit is synced under FULL, and under NORMAL not before the next that is.
            let level = if synced { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            self.run(|connection| connection.execute_batch(level))?;
            self.synced = synced;
        }
        let Some(connection) = &self.connection else { return Ok(false) };
        match connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([])) {
            Ok(_) => Ok(true),
            Err(cause) if is_busy(&cause) => Ok(false),
            Err(cause) => Err(self.database.failed(&cause)),
        }
    }
}

impl Engine for Sqlite {
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
        self.connection.as_ref().is_some_and(|connection| !connection.is_autocommit())
    }

    fn get(&mut self, key: &Key) -> Result<Option<Row>> {
        self.run(|connection| fetch(connection, key))?.transpose()
    }

    fn write(&mut self, key: &Key, row: Option<&Row>) -> Result<()> {
        self.run(|connection| {
            match row {
                Some(row) => connection
                    .prepare_cached("INSERT OR REPLACE INTO item (k, v) VALUES (?1, ?2)")?
                    .execute(params![key.0, codec::encode(row)])?,
                None => connection.prepare_cached("DELETE FROM item WHERE k = ?1")?.execute([key.0])?,
            };
            Ok(())
        })
    }

    fn scan(&mut self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Row)>> {
        let rows = self.run(|connection| {
            let sql = "SELECT k, v FROM item WHERE ?1 IS NULL OR k > ?1 ORDER BY k LIMIT ?2";
            let mut select = connection.prepare_cached(sql)?;
            let rows = select.query_map(params![after.map(|key| key.0), limit as i64], |row| {
                Ok((Block(row.get(0)?), codec::decode(row.get_ref(1)?.as_blob()?)))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        rows.into_iter().map(|(key, row)| Ok((key, row?))).collect()
    }

    fn sweep(&mut self, limit: usize, now: Time) -> Result<Swept> {
        let from = self.cursor;
        let (last, purged) = self.run(|connection| {
            let last = connection
                .prepare_cached("SELECT k FROM item WHERE k > ?1 ORDER BY k LIMIT 1 OFFSET ?2")?
                .query_row(params![from.0, limit.saturating_sub(1) as i64], |row| row.get(0))
                .optional()?
                .map(Block);
            let purged = connection
                .prepare_cached("DELETE FROM item WHERE k > ?1 AND k <= ?2 AND is_over(v, ?3)")?
                .execute(params![from.0, last.unwrap_or(LAST_KEY).0, now.ms() as i64])?;
            Ok((last, purged as u64))
        })?;
        // The first key of all belongs to the repository itself and is never over.
        self.cursor = last.unwrap_or(super::META);
        Ok(Swept { purged, wrapped: last.is_none() })
    }

    fn commit(&mut self) -> Result<()> {
        if let Some(log) = &mut self.log {
            log.make_room();
        }
        let committed = self.run(|connection| connection.prepare_cached("COMMIT")?.execute([]).map(|_| ()));
        let is_long = self.log.as_ref().is_some_and(Log::is_long);
        // What keeps the log from getting into the database must be known: the log would grow until the disk is full.
        let committed = committed.and_then(|()| if is_long { self.checkpoint("PASSIVE") } else { Ok(()) });
        if committed.is_err() {
            self.close();
        }
        self.lock.unlock();
        committed
    }

    fn rollback(&mut self) {
        let undone = self.run(|connection| connection.prepare_cached("ROLLBACK")?.execute([]).map(|_| ()));
        if undone.is_err() {
            self.close();
        }
        self.lock.unlock();
    }

    fn close(&mut self) {
        self.connection = None;
        self.log = None;
        self.lock.close();
    }

    /// Brings the database file up to date, so that a copy of it alone is whole. Others that have it open go on; what
    /// they keep from being done now they will do.
    fn finish(&mut self) {
        // Nothing is lost when it fails: the log has it all.
        drop(self.checkpoint("TRUNCATE"));
        self.close();
    }
}

const LAST_KEY: Key = Block([0xff; Block::SIZE]);

/// The row, or why its bytes are none.
fn fetch(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Result<Row>>> {
    connection
        .prepare_cached("SELECT v FROM item WHERE k = ?1")?
        .query_row([key.0], |row| Ok(codec::decode(row.get_ref(0)?.as_blob()?)))
        .optional()
}

/// Connections that only read.
struct Readers {
    database: Database,
    idle: Mutex<Vec<Connection>>,
}

impl Reader for Readers {
    fn read(&self, key: &Key) -> Result<Option<Row>> {
        let idle = lock(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.database.connect(READER_CACHE)?,
        };
        let row = fetch(&connection, key).map_err(|cause| self.database.failed(&cause))?;
        let mut idle = lock(&self.idle);
        if idle.len() < READERS {
            idle.push(connection);
        }
        row.transpose()
    }

    fn close(&self) {
        lock(&self.idle).clear();
    }
}
