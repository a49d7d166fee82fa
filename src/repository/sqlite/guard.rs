//! The guard: a lock that keeps other copies of SQLite from taking the database for theirs alone.
//!
//! SQLite's locks belong to the process and end with any close of the file, also by another copy of SQLite in it.
//! Whoever closes the database then takes himself for the last one, and deletes the log that we go on writing to. So we
//! hold SQLite's shared lock once more, by a file of our own to which it belongs.
//!
//! It is taken before the first connection is opened. Another copy of SQLite in this process that is about to delete
//! the log has the database alone; a lock of our SQLite, which belongs to the same process, would take its place and
//! tell us nothing. For the same reason the file stays open while we wait: closing it would end that lock.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::database::Database;
use crate::error::{Error, Result};
use crate::sys::{self, RangeLock};

/// Bytes of the database that SQLite locks while it is open (`SHARED_FIRST`, `SHARED_SIZE`).
const SHARED: (i64, i64) = (0x4000_0002, 510);

/// Where the database tells its journal mode, and how it tells WAL (sqlite.org, "Database File Format", 1.3.3).
const MODE: u64 = 18;
const WAL: [u8; 2] = [2, 2];

/// How every database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The database, opened for the lock. It is closed after the last service of this process, or in a child of `fork`,
/// which has no locks yet.
pub struct Guard {
    file: File,
    /// Whose lock it is.
    process: u32,
}

impl Guard {
    /// Opens the database, and locks nothing yet.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be opened.
    pub fn open(database: &Database) -> Result<Self> {
        Ok(Self { file: database.reopen()?, process: std::process::id() })
    }

    /// What the file's head says: whether it is in WAL mode, if it is a database at all.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be read.
    pub fn header(&self, database: &Database) -> Result<Option<bool>> {
        let mut head = [0; MAGIC.len()];
        match self.file.read_at(&mut head, 0) {
            Ok(_) if head != *MAGIC => Ok(None),
            Ok(_) => self.is_in_wal_mode(database).map(Some),
            Err(cause) => Err(Error::store(format!("cannot read {:?}: {cause}", database.path))),
        }
    }

    /// Takes the lock. Not before WAL mode is known: our own switch to it needs the database alone.
    ///
    /// # Errors
    ///
    /// `Store` when the system fails; `Busy` when somebody has the database alone.
    pub fn take(self: &Arc<Self>, database: &Database) -> Result<Held> {
        match lock(&self.file, RangeLock::Shared, SHARED) {
            Ok(Some(false)) => Err(Error::busy(format!("repository {:?}: it is locked", database.path))),
            Ok(_) => Ok(Held(self.clone())),
            Err(cause) => Err(Error::store(format!("cannot lock {:?}: {cause}", database.path))),
        }
    }

    /// Whether the database is in WAL mode.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be read.
    pub fn is_in_wal_mode(&self, database: &Database) -> Result<bool> {
        let mut mode = [0; 2];
        match self.file.read_at(&mut mode, MODE) {
            Ok(_) => Ok(mode == WAL),
            Err(cause) => Err(Error::store(format!("cannot read {:?}: {cause}", database.path))),
        }
    }
}

/// The lock, as long as it lives. A process has one at a time of each guard.
pub struct Held(Arc<Guard>);

impl Held {
    /// The open database, to be looked at.
    pub fn file(&self) -> &File {
        &self.0.file
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A child has the lock in common with its parent, and leaves it alone.
        if self.0.process == std::process::id() {
            // What is not given back keeps nobody from reading and writing.
            let _ = lock(&self.0.file, RangeLock::None, SHARED);
        }
    }
}

/// Whether the lock was taken; `None` where there are no locks of open files.
pub fn lock(file: &File, kind: RangeLock, (start, length): (i64, i64)) -> io::Result<Option<bool>> {
    match sys::lock_range(file, kind, start, length) {
        Err(cause) if is_unsupported(&cause) => Ok(None),
        taken => taken.map(Some),
    }
}

/// Whether the system, or the file system, has no such thing.
pub fn is_unsupported(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP))
}
