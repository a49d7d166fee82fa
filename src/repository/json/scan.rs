//! A look at many files. A folder tells its names in an order of its own, so all are read before the first row is.

use std::fs::ReadDir;
use std::ops::RangeInclusive;
use std::vec::IntoIter;

use super::super::Page;
use super::super::engine::PAGE;
use super::folder::{Entry, Folder};
use crate::block::RowKey;
use crate::error::{Error, Result};

/// Names that are read at once: some milliseconds.
const NAMES: usize = 8192;

/// How far a scan has come.
pub struct ScanPosition {
    range: RangeInclusive<RowKey>,
    keys: Keys,
}

enum Keys {
    NotListed,
    /// The folder, and the keys of the names so far. When another thread forks, the child inherits a descriptor
    /// that nobody uses: it does no harm.
    Listing(ReadDir, Vec<RowKey>),
    /// Those that are left, in their order.
    Listed(IntoIter<RowKey>),
}

impl From<RangeInclusive<RowKey>> for ScanPosition {
    fn from(range: RangeInclusive<RowKey>) -> Self {
        Self { range, keys: Keys::NotListed }
    }
}

impl ScanPosition {
    /// The next rows; an empty page as long as names are read.
    pub fn next(&mut self, folder: &Folder) -> Result<Option<Page>> {
        self.checked(folder, Error::is_of_one_row)
    }

    /// The same, where what cannot be read of one file is the error of its row.
    pub fn next_of_all(&mut self, folder: &Folder) -> Result<Option<Page>> {
        self.checked(folder, |_| true)
    }

    fn checked(&mut self, folder: &Folder, is_of_row: impl Fn(&Error) -> bool) -> Result<Option<Page>> {
        let page = self.step(folder, is_of_row);
        // Afterwards: only then it is known where the rows came from.
        folder.check()?;
        page
    }

    fn step(&mut self, folder: &Folder, is_of_row: impl Fn(&Error) -> bool) -> Result<Option<Page>> {
        match &mut self.keys {
            Keys::NotListed => {
                // First: what it changes may get its file when the listing has passed the name.
                let changes = folder.journal()?.unwrap_or_default();
                let keys = changes.iter().map(|change| change.key).filter(|key| self.range.contains(key));
                self.keys = Keys::Listing(folder.entries()?, keys.collect());
            }
            Keys::Listing(entries, keys) => {
                let mut names = 0;
                for entry in entries.take(NAMES) {
                    names += 1;
                    if let Entry::Row(key) = folder.entry(entry)? {
                        keys.extend(Some(key).filter(|key| self.range.contains(key)));
                    }
                }
                if names < NAMES {
                    let mut keys = std::mem::take(keys);
                    keys.sort_unstable();
                    keys.dedup();
                    self.keys = Keys::Listed(keys.into_iter());
                }
            }
            Keys::Listed(keys) => return read(folder, keys.take(PAGE).collect(), is_of_row),
        }
        Ok(Some(Page::new()))
    }
}

/// The rows with these keys, those that are there; `None` for no keys.
fn read(folder: &Folder, keys: Vec<RowKey>, is_of_row: impl Fn(&Error) -> bool) -> Result<Option<Page>> {
    if keys.is_empty() {
        return Ok(None);
    }
    let changes = folder.journal()?.unwrap_or_default();
    let mut page = Page::new();
    for key in keys {
        match folder.row_after(&changes, &key) {
            Ok(row) => page.extend(row.map(|row| (key, Ok(row)))),
            Err(error) if is_of_row(&error) => page.push((key, Err(error))),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(page))
}
