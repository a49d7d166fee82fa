//! The files beside the database: opened before the first of our connections and kept as long as a service of this
//! process uses it, since closing one ends the locks that SQLite holds on it, ours and the host's own.
//!
//! What is at the paths is looked at all the same: whoever deletes a side file while it is in use parts us from the
//! others.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::database::Database;
use super::guard::{Held, is_unsupported, lock};
use super::log;
use crate::error::{Error, Result};
use crate::files::{self, Identity};
use crate::sys::{self, RangeLock};

/// The byte of `-shm` that is locked by whoever uses it (`UNIX_SHM_DMS`).
const IN_USE: (i64, i64) = (128, 1);

/// Bytes of the index's header, which tell whether the rest is good (sqlite.org, "WAL-Index File Format").
const INDEX_HEADER: usize = 136;

/// Where in it the number of pages in the log stands (`mxFrame`), and how many of them are in the database (`nBackfill`).
const INDEX_PAGES: u64 = 16;
const INDEX_COPIED: u64 = 96;

/// Bytes of the index for so many pages of the log: it grows in such regions, and the first holds a few pages less.
const REGION: u64 = 32 << 10;
const REGION_PAGES: u64 = 4096;

/// The files that all connections of this process to one database have in common.
pub struct Sides {
    log: Side,
    index: Side,
    /// Bytes of the index that have their blocks.
    allocated: AtomicU64,
    /// None while the database is only switched to WAL mode.
    guard: Option<Held>,
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
    /// Opens the files, or makes them, before the first connection is opened. With the guard, which was taken before,
    /// nobody deletes them meanwhile.
    ///
    /// # Errors
    ///
    /// `Store` when that fails or one is not ours; `Busy` while somebody else begins to use them.
    pub fn open(database: &Database, guard: Option<Held>) -> Result<Self> {
        let log = Side::open(database.beside("-wal"))?;
        let index = Side::open(database.beside("-shm"))?;
        let sides = Self { log, index, allocated: AtomicU64::new(0), guard };
        if sides.join()? {
            sides.require_log()?;
        }
        sides.make_room(sides.log.metadata()?.len() / log::FRAME)?;
        Ok(sides)
    }

    /// Marks the index as in use. The first to use it does not believe what a crash left in it. Whether others are known
    /// to use it.
    fn join(&self) -> Result<bool> {
        let index = &self.index;
        let lock = |kind| lock(&index.file, kind, IN_USE).map_err(|cause| index.failed("lock", &cause));
        let first = lock(RangeLock::Exclusive)?;
        if first == Some(true) {
            index.file.write_all_at(&[0; INDEX_HEADER], 0).map_err(|cause| index.failed("write", &cause))?;
        }
        match lock(RangeLock::Shared)? {
            Some(false) => Err(Error::busy(format!("{:?} is being made by another process", index.path))),
            _ => Ok(first == Some(false)),
        }
    }

    /// Refuses a log that lacks what the index, which others use, tells of: the log was deleted. They have it open and
    /// bring it home with their next call; what was written without it would be lost with it.
    fn require_log(&self) -> Result<()> {
        let before = self.pages_in_log_alone()?;
        let length = self.log.metadata()?.len();
        // Others may be at work: the log has its pages before the index names them, and loses none that it names.
        if before > 0 && length < before * log::FRAME && self.pages_in_log_alone()? == before {
            return Err(Error::store(format!("{:?} was deleted while another process has it open", self.log.path)));
        }
        Ok(())
    }

    /// Pages up to the last one in the log, by the index, unless all are in the database.
    fn pages_in_log_alone(&self) -> Result<u64> {
        let number = |at| {
            let mut bytes = [0; 4];
            match self.index.file.read_exact_at(&mut bytes, at) {
                Ok(()) => Ok(u64::from(u32::from_ne_bytes(bytes))),
                // The index is just being made.
                Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(0),
                Err(cause) => Err(self.index.failed("read", &cause)),
            }
        };
        let (pages, copied) = (number(INDEX_PAGES)?, number(INDEX_COPIED)?);
        Ok(if pages > copied { pages } else { 0 })
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

    /// Refuses files that may not be written now. SQLite would open them all the same, to read alone, and keep them so.
    ///
    /// # Errors
    ///
    /// `Store` then, and when the system does not tell.
    pub fn check_writable(&self) -> Result<()> {
        for side in [&self.log, &self.index] {
            if side.metadata()?.mode() & 0o200 == 0 && sys::effective_uid() != 0 {
                return Err(files::refused(&side.path, "its owner may not write it"));
            }
        }
        Ok(())
    }

    /// Whether the log is still the one at its path.
    ///
    /// # Errors
    ///
    /// `Store` when the system does not tell.
    pub fn has_log_at_path(&self) -> Result<bool> {
        self.log.is_at_path()
    }

    /// Whether the index is still the one at its path.
    ///
    /// # Errors
    ///
    /// `Store` when the system does not tell.
    pub fn has_index_at_path(&self) -> Result<bool> {
        self.index.is_at_path()
    }

    /// Says that the log is as new as the database, which we are changing or have changed from it.
    pub fn touch_log(&self) {
        // Where that cannot be said, a log that is deleted is taken for an older one than the database.
        let _ = self.log.file.set_modified(SystemTime::now());
    }

    /// Of a log that is not: whether none took its place, or an empty one, and nothing was done to the database since
    /// the log was written to. Then what is in the log is in no other place.
    ///
    /// # Errors
    ///
    /// `Store` when the system does not tell.
    pub fn has_last_copy(&self) -> Result<bool> {
        let log = self.log.metadata()?;
        let Some(guard) = &self.guard else { return Ok(false) };
        let main = guard.file().metadata().map_err(|cause| self.log.failed("compare with the database", &cause))?;
        if (main.mtime(), main.mtime_nsec()) > (log.mtime(), log.mtime_nsec()) {
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

    /// The log, opened once more: errors are told to each open file by itself.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be opened; `Busy` when it is not the one at the path.
    pub fn reopen_log(&self) -> Result<File> {
        let (file, identity) = files::open_or_make(&self.log.path)?;
        if identity == self.log.identity {
            return Ok(file);
        }
        Err(Error::busy(format!("{:?} was replaced", self.log.path)))
    }

    /// The path of the index.
    pub fn index_path(&self) -> &Path {
        &self.index.path
    }
}
