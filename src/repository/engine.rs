//! What a kind of repository is made of: an engine that changes its rows, and a reader that looks at them.

use std::ops::RangeInclusive;

use super::{Judge, Page, Row, Swept};
use crate::block::RowKey;
use crate::error::Result;
use crate::tenant;

/// Rows that a scan reads at once.
pub const PAGE: usize = 256;

/// What is left to do before an answer may tell of a transaction: returns when it is on the disk. An error says that it
/// may not be, and that what was committed may be lost.
pub type Settle = Box<dyn FnOnce() -> Result<()> + Send>;

/// Storage that one thread at a time works with. [`super::commit::GroupCommit`] adds threads, waiting and fork.
pub trait Engine: Send {
    /// Most operations in one transaction: bounds how long a fork, and other processes, wait.
    const BATCH: usize = 128;

    /// Where it lies, to tell by: what is said of a damaged row begins with it.
    fn place(&self) -> String;

    /// Opens what is not open, and tries, without waiting, to take the lock that keeps other processes and other
    /// handles out. `false` when somebody else has it. Refuses a repository that was moved.
    fn try_begin(&mut self) -> Result<bool>;

    /// Whether the transaction still stands. An error of the storage may have ended it.
    fn in_transaction(&self) -> bool {
        true
    }

    /// The row with this key; inside a transaction.
    fn get(&mut self, key: &RowKey) -> Result<Option<Row>>;

    /// Writes the row, or removes it; inside a transaction.
    fn write(&mut self, key: &RowKey, row: Option<&Row>) -> Result<()>;

    /// Looks at the next `limit` rows and removes those that are over; inside a transaction. Keeps its own cursor.
    fn sweep(&mut self, limit: usize, judge: &Judge) -> Result<Swept>;

    /// Commits and gives the lock back. With `synced` the change must survive a power cut. Neither it nor what was read
    /// may be on the disk before that which is given, if something is, has been done, without the lock. After an error
    /// the fate of the transaction is not known, everything is closed, and the next `try_begin` opens anew.
    fn commit(&mut self, synced: bool) -> Result<Option<Settle>>;

    /// Undoes the transaction and gives the lock back. Closes what cannot be undone.
    fn rollback(&mut self);

    /// Bytes of what is written down and not yet where it belongs, after the last commit.
    fn log_bytes(&self) -> u64 {
        0
    }

    /// Closes, quickly, what a child of `fork` must not have in common with its parent. The next call opens again.
    fn close(&mut self);

    /// Closes every file for the last time, and leaves them as people expect to find them.
    fn finish(&mut self) {
        self.close();
    }
}

/// How an engine's rows are read without its lock, by any number of threads.
pub trait Reader: Send + Sync {
    /// How far a scan of a range has come.
    type Position: From<RangeInclusive<RowKey>>;

    /// The row with this key as last committed; of a repository that was moved, its own alone. `Busy` when that cannot
    /// be known at this moment.
    fn read(&self, key: &RowKey) -> Result<Option<Row>>;

    /// The next rows of a scan; `None` when there are no more. Short, since a fork waits for it: about [`PAGE`] rows.
    /// `Busy` when they cannot be known at this moment.
    fn scan(&self, place: &mut Self::Position) -> Result<Option<Page>>;

    /// The same, with what the system refuses to read of one row as that row's error.
    fn scan_all(&self, place: &mut Self::Position) -> Result<Option<Page>> {
        self.scan(place)
    }

    /// Refuses a repository that was moved.
    fn refuse_moved(&self) -> Result<()>;

    /// Closes every file. The next call opens again.
    fn close(&self);

    /// Forgets what a child of `fork` has in common with its parent.
    fn in_child(&self) {}
}

/// The place of a scan, for readers that find the first rows of a range by themselves: what is left of the range.
pub struct Rest(Option<RangeInclusive<RowKey>>);

impl From<RangeInclusive<RowKey>> for Rest {
    fn from(range: RangeInclusive<RowKey>) -> Self {
        Self(Some(range).filter(|range| !range.is_empty()))
    }
}

impl Rest {
    /// Reads the next page: the first [`PAGE`] rows of a range, or all if there are fewer.
    pub fn next(&mut self, read: impl FnOnce(RangeInclusive<RowKey>) -> Result<Page>) -> Result<Option<Page>> {
        let Some(range) = self.0.clone() else { return Ok(None) };
        let page = read(range.clone())?;
        let last = page.last().filter(|_| page.len() >= PAGE);
        *self = last.map_or(Self(None), |(key, _)| tenant::after(key, range).into());
        Ok(Some(page))
    }
}
