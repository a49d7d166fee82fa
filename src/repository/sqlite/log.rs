//! The write-ahead log of the writing connection: how long it is, room to grow, and when it goes into the database.
//!
//! SQLite appends to the log and syncs; a file that grows costs the file system more writes at each sync than one
//! that is overwritten. So the log is lengthened with zeros, many commits' worth at a time. To SQLite they are what
//! an interrupted write may leave behind any frame: no frame has a checksum of zeros.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

/// Pages in the log at which it goes into the database. Four times SQLite's own default: a page that was changed
/// often is then copied once, and that is most of the work beside the sync. Bounds the log at 16 MiB.
const LONG: u64 = 4000;

/// Bytes that the log is lengthened by.
const STEP: u64 = 1 << 20;

/// Bytes kept ready: more than a usual batch of commits takes.
const READY: u64 = 512 << 10;

/// A page and its header (sqlite.org, "WAL-mode File Format").
const FRAME: u64 = 4096 + 24;

/// What is known of the log. Belongs to a connection: it ends with it.
pub(super) struct Log {
    /// Only ever lengthened. Without it all works, a little slower.
    file: Option<File>,
    /// Pages in use after the last commit.
    pages: Arc<AtomicU64>,
    /// How long the file was when last looked at.
    length: u64,
}

impl Log {
    /// Opens the log at this path, for the connection that has just read or written the database.
    pub(super) fn open(connection: &mut Connection, path: &Path) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU64::new(0));
        let counter = pages.clone();
        // Takes the place of SQLite's own checkpoint after every thousand pages.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, used: i32| {
            counter.store(u64::from(used.unsigned_abs()), Ordering::Relaxed);
            Ok(())
        }))?;
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let file = OpenOptions::new().write(true).custom_flags(flags).open(path);
        Ok(Self { file: file.ok(), pages, length: 0 })
    }

    /// Makes room for the commit that follows. The caller holds the database for writing, so nobody shortens the log
    /// meanwhile. A failure only costs time, or the commit has it too and reports it.
    pub(super) fn make_room(&mut self) {
        let needed = self.pages.load(Ordering::Relaxed) * FRAME + READY;
        if self.length >= needed {
            return;
        }
        let Some(file) = &self.file else { return };
        self.length = file.metadata().map_or(0, |metadata| metadata.len());
        if self.length < needed && file.write_all_at(&vec![0; STEP as usize], self.length).is_ok() {
            self.length += STEP;
        }
    }

    /// Whether the log should go into the database.
    pub(super) fn is_long(&self) -> bool {
        self.pages.load(Ordering::Relaxed) >= LONG
    }
}
