//! The write-ahead log as a writing connection knows it: room to grow, and when it goes into the database.
//!
//! SQLite appends to the log and syncs; a file that grows costs the file system more writes at each sync than one
//! that is overwritten. So the log is lengthened with zeros, many commits' worth at a time. To SQLite they are what
//! an interrupted write may leave behind any frame: no frame has a checksum of zeros.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Pages in the log at which it goes into the database. More than SQLite's own default: a page that was changed often is
/// then copied once, and that is most of the work beside the sync. No more, since others wait for it: 4,000 pages took
/// 50 ms and longer. Bounds the log at 10 MiB, unless somebody reads all the time.
pub const LONG: u64 = 2500;

/// Pages at which it does where there is no room to lengthen it.
const LONG_WHEN_CRAMPED: u64 = 32;

/// Pages between two tries while something keeps the log from being used anew.
const AGAIN: u64 = 250;

/// Pages beyond which nothing is written: 256 MiB.
const LONGEST: u64 = (256 << 20) / FRAME;

/// Bytes that the log is lengthened by, in pieces.
const STEP: u64 = 1 << 20;
const PIECE: usize = 64 << 10;

/// Bytes kept ready: more than a usual batch of commits takes.
const READY: u64 = 512 << 10;

/// A page and its header.
pub const FRAME: u64 = 4096 + 24;

/// What a writing connection knows of the log.
#[derive(Default)]
pub struct Log {
    /// Pages in use after the last commit.
    pages: u64,
    /// Whether the disk had no room to lengthen it.
    cramped: bool,
    /// Pages at which it is tried next to bring it into the database, if that is later than usual.
    try_at: u64,
}

impl Log {
    /// Notes the pages in use.
    pub fn set_pages(&mut self, pages: u64) {
        if pages < self.pages {
            *self = Self::default();
        }
        self.pages = pages;
    }

    /// Pages in use.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Makes room for the commit that follows. The caller holds the database for writing, so nobody shortens the log
    /// meanwhile. A failure only costs time, or the commit has it too and reports it.
    pub fn make_room(&mut self, file: &File) {
        let Ok(length) = file.metadata().map(|metadata| metadata.len()) else { return };
        if length >= self.pages * FRAME + READY || self.cramped {
            return;
        }
        // Not a constant, which would be that much of the library.
        let zeros = vec![0; PIECE];
        let lengthened = (length..length + STEP).step_by(PIECE).try_for_each(|at| file.write_all_at(&zeros, at));
        if lengthened.is_err() {
            // What was taken is given back: the commit may need it elsewhere.
            self.cramped = true;
            let _ = file.set_len(length);
        }
    }

    /// Whether the log should go into the database.
    pub fn is_long(&self) -> bool {
        let long = if self.cramped { LONG_WHEN_CRAMPED } else { LONG };
        self.pages >= long.max(self.try_at)
    }

    /// Notes that it was tried: the next commit uses the log anew, or it is tried again later.
    pub fn tried(&mut self) {
        self.try_at = self.pages + AGAIN;
    }

    /// Whether the log can take no more.
    pub fn is_full(&self) -> bool {
        self.pages >= LONGEST
    }
}

/// Whether a log of so many pages should have been used anew long before; now and then, since it may be in use.
pub fn is_stuck(pages: u64) -> bool {
    pages >= 2 * LONG && pages.is_multiple_of(AGAIN)
}
