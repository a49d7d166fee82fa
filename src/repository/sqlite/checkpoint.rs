//! Bringing the log into the database.

use super::shared::Lease;
use crate::error::Result;

/// What a checkpoint did.
pub struct Checkpoint {
    busy: bool,
    /// Pages in the log.
    pub pages: u64,
    /// How many of them are in the database.
    copied: u64,
}

impl Checkpoint {
    /// Whether somebody kept it from coming to its end.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether everything is in the database.
    pub fn is_whole(&self) -> bool {
        self.copied >= self.pages
    }
}

/// Brings the log into the database in one of SQLite's ways (sqlite.org, `PRAGMA wal_checkpoint`).
///
/// # Errors
///
/// `Store` when the disk fails.
pub fn checkpoint(writer: &Lease, mode: &str) -> Result<Checkpoint> {
    let number = |row: &rusqlite::Row<'_>, place| row.get::<_, i64>(place).map(|number| number.max(0).unsigned_abs());
    let done = writer.run(|connection| {
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok(Checkpoint { busy: number(row, 0)? != 0, pages: number(row, 1)?, copied: number(row, 2)? })
        })
    });
    writer.touch_log();
    done
}
