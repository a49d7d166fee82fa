//! The files beside the database, and the guard that keeps what another SQLite does from ending our locks.
//!
//! SQLite's locks belong to the process and end with any close of the file, also by another copy of SQLite in it. A
//! process elsewhere would then take itself for the last one, and delete the log that we go on writing to. So we
//! hold two locks besides that belong to open files of our own: SQLite's shared lock on the database, and the one
//! by which it knows that `-shm` is in use. Closing these files ends SQLite's locks in turn: they are opened before the
//! first of our connections and closed after the last.
//!
//! What is at the paths is looked at all the same: whoever deletes a side file while it is in use parts us from the
//! others.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::files::{self, Identity};
use super::database::Database;
use super::log;
use crate::error::{Error, Result};
use crate::ffi::sys::{self, RangeLock};

/// Bytes of the database that SQLite locks while it is open (`SHARED_FIRST`, `SHARED_SIZE`).
const SHARED: (i64, i64) = (0x4000_0002, 510);

/// The byte of `-shm` that is locked by whoever uses it (`UNIX_SHM_DMS`).
const IN_USE: (i64, i64) = (128, 1);

/// Bytes of the index's header, which tell whether the rest is good (sqlite.org, "WAL-Index File Format").
const INDEX_HEADER: usize = 136;

/// Bytes of the index for so many pages of the log: it grows in such regions, and the first holds a few pages less.
const REGION: u64 = 32 << 10;
const REGION_PAGES: u64 = 4096;

/// The files that all connections of this process to one database have in common.
pub struct Sides {
    /// The database itself, for the lock alone.
    main: File,
    log: Side,
    index: Side,
    /// Bytes of the index that have their blocks.
    allocated: AtomicU64,
}

struct Side {
    path: PathBuf,
    file: File,
    identity: Identity,
}

impl Side {
    fn open(path: PathBuf) -> Result<Self> {
        let (file, identity) = files::open_or_make(&path)?;
        let side = Self { path, file, identity };
        if side.metadata()?.nlink() > 1 {
            return Err(files::refused(&side.path, "it has more than one name (hard link)"));
        }
        Ok(side)
    }

    fn metadata(&self) -> Result<Metadata> {
        self.file.metadata().map_err(|cause| self.failed("examine", &cause))
    }

    fn is_at_path(&self) -> Result<bool> {
        Ok(files::identity(&self.path)? == Some(self.identity))
    }

    fn failed(&self, what: &str, cause: &io::Error) -> Error {
        Error::store(format!("cannot {what} {:?}: {cause}", self.path))
    }
}

impl Sides {
    /// Opens the files, or makes them, before the first connection is opened.
    ///
    /// # Errors
    ///
    /// `Store` when that fails or one is not ours; `Busy` while somebody else begins to use them.
    pub fn open(database: &Database) -> Result<Self> {
        let main = database.reopen()?;
        let log = Side::open(database.beside("-wal"))?;
        let index = Side::open(database.beside("-shm"))?;
        let sides = Self { main, log, index, allocated: AtomicU64::new(0) };
        sides.join()?;
        sides.make_room(sides.log.metadata()?.len() / log::FRAME)?;
        Ok(sides)
    }

    /// Marks the index as in use. The first to use it does not believe what a crash left in it.
    fn join(&self) -> Result<()> {
        let index = &self.index;
        let lock = |kind| lock(&index.file, kind, IN_USE).map_err(|cause| index.failed("lock", &cause));
        if lock(RangeLock::Exclusive)? == Some(true) {
            index.file.write_all_at(&[0; INDEX_HEADER], 0).map_err(|cause| index.failed("write", &cause))?;
        }
        match lock(RangeLock::Shared)? {
            Some(false) => Err(Error::busy(format!("{:?} is being made by another process", index.path))),
            _ => Ok(()),
        }
    }

    /// Takes SQLite's shared lock on the database, for as long as this lives. Only once it is known to be in WAL mode:
    /// the switch to it needs the database alone.
    ///
    /// # Errors
    ///
    /// `Store` when the system fails; `Busy` when somebody has the database alone.
    pub fn guard(&self, database: &Database) -> Result<()> {
        match lock(&self.main, RangeLock::Shared, SHARED) {
            Ok(Some(false)) => Err(Error::busy(format!("repository {:?}: it is locked", database.path))),
            Ok(_) => Ok(()),
            Err(cause) => Err(Error::store(format!("cannot lock {:?}: {cause}", database.path))),
        }
    }

    /// Whether these are still the files at the paths. Else what was read may be old, and what was written is lost.
    ///
    /// # Errors
    ///
    /// `Store` when the database itself is another one, and when the system does not tell.
    pub fn are_current(&self, database: &Database) -> Result<bool> {
        database.check()?;
        Ok(self.log.is_at_path()? && self.index.is_at_path()?)
    }

    /// Whether the log is gone from its path, or an empty one is there, and nothing was done to the database since the
    /// last change of ours: then what is in the log is in no other place.
    ///
    /// # Errors
    ///
    /// `Store` when the system does not tell.
    pub fn has_last_copy(&self) -> Result<bool> {
        let changed = self.log.metadata()?;
        let main = self.main.metadata().map_err(|cause| self.log.failed("compare with the database", &cause))?;
        if self.log.is_at_path()? || (main.ctime(), main.ctime_nsec()) > (changed.mtime(), changed.mtime_nsec()) {
            return Ok(false);
        }
        match fs::symlink_metadata(&self.log.path) {
            Ok(there) => Ok(there.len() == 0),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(true),
            Err(cause) => Err(self.log.failed("examine", &cause)),
        }
    }

    /// Gives the index the blocks for so many pages of the log, and for as many as a commit may add. SQLite writes to
    /// it in memory, and where the disk has no block for that the system ends the process.
    ///
    /// # Errors
    ///
    /// `Store` when there is no room.
    pub fn make_room(&self, pages: u64) -> Result<()> {
        let needed = (pages / REGION_PAGES + 2) * REGION;
        if self.allocated.load(Ordering::Relaxed) >= needed {
            return Ok(());
        }
        match sys::allocate(&self.index.file, needed.cast_signed()) {
            Ok(()) => {}
            // Then SQLite's own way, a byte written to each 4 KiB, has to do.
            Err(cause) if is_unsupported(&cause) => {}
            Err(cause) => return Err(self.index.failed("make room in", &cause)),
        }
        self.allocated.store(needed, Ordering::Relaxed);
        Ok(())
    }

    /// The log.
    pub fn log(&self) -> (&File, &Path) {
        (&self.log.file, &self.log.path)
    }

    /// The path of the index.
    pub fn index_path(&self) -> &Path {
        &self.index.path
    }
}

/// Whether the lock was taken; `None` where there are no locks of open files.
fn lock(file: &File, kind: RangeLock, (start, length): (i64, i64)) -> io::Result<Option<bool>> {
    match sys::lock_range(file, kind, start, length) {
        Err(cause) if is_unsupported(&cause) => Ok(None),
        taken => taken.map(Some),
    }
}

fn is_unsupported(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP))
}
