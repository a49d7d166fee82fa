//! The folder: which file holds what, and reading them.

use std::fs::{self, DirEntry, File, ReadDir};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::{META, Row};
use super::format::{self, Change};
use crate::block::RowKey;
use crate::error::{Error, Result};
use crate::files;

/// The file of the [`META`] row.
const META_FILE: &str = "repository.json";
const JOURNAL_FILE: &str = "journal.json";
const LOCK_FILE: &str = "lock";

/// A repository's folder. All files lie side by side in it, so that one sync makes every name proof against a power
/// cut, and nothing can come back on its own that a later change has replaced.
#[derive(Clone)]
pub struct Folder {
    path: PathBuf,
    /// Kept open, so that no other folder can be taken for it. It carries no lock, and so may be open across a fork.
    opened: Arc<File>,
}

impl Folder {
    /// Opens the folder of a repository. A folder that does not exist, or is empty, becomes one. Warns of what is open
    /// to others.
    ///
    /// # Errors
    ///
    /// `Store` when it is the folder of something or somebody else, was written by a newer library, or cannot be made
    /// or read.
    pub fn open(path: &Path, warnings: &mut Vec<String>) -> Result<Self> {
        // Without a slash at the end, behind which a symbolic link would be followed.
        let path: PathBuf = path.components().collect();
        let folder = Self { opened: Arc::new(files::open_folder(&path, warnings)?), path };
        let meta = folder.file(&META);
        if files::identity(&meta)?.is_none() {
            folder.refuse_foreign()?;
            files::write_new(&meta, format::meta_text(None)?.as_bytes())?;
        }
        if folder.row(&META)?.is_none() {
            // Nobody has come further yet, and who made it may have failed to bring the names to the disk.
            files::sync_folder(files::parent(&folder.path))?;
            folder.sync()?;
        }
        for path in [meta, folder.lock_file(), folder.journal_file()] {
            files::look(&path, warnings)?;
        }
        Ok(folder)
    }

    /// Opens a folder that is there, to look at it: nothing becomes a repository by that.
    ///
    /// # Errors
    ///
    /// `Store` when it is somebody else's, or cannot be opened.
    pub fn look(path: &Path, warnings: &mut Vec<String>) -> Result<Self> {
        let path: PathBuf = path.components().collect();
        Ok(Self { opened: Arc::new(files::find_folder(&path, warnings)?), path })
    }

    /// A folder without our file may hold nothing but what another opener makes before it.
    fn refuse_foreign(&self) -> Result<()> {
        for entry in self.entries()? {
            let name = entry.map_err(|cause| self.unlistable(&cause))?.file_name();
            // Our file may have come since it was looked for; other files come after it.
            let ours = name == META_FILE || name == LOCK_FILE || files::is_temporary(&name);
            if !ours && files::identity(&self.file(&META))?.is_none() {
                return Err(Error::store(format!(
                    "folder {:?} is refused: it has other files, and no {META_FILE}",
                    self.path
                )));
            }
        }
        Ok(())
    }

    /// Where it lies, to tell by.
    pub fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The path of the lock.
    pub fn lock_file(&self) -> PathBuf {
        self.path.join(LOCK_FILE)
    }

    /// The path of the journal.
    pub fn journal_file(&self) -> PathBuf {
        self.path.join(JOURNAL_FILE)
    }

    /// The path of a row's file.
    pub fn file(&self, key: &RowKey) -> PathBuf {
        self.path.join(if *key == META { META_FILE.to_owned() } else { format!("{key}.json") })
    }

    /// Refuses a folder that took the place of the one that was opened.
    pub fn check(&self) -> Result<()> {
        if files::is_at(&self.opened, &self.path)? {
            return Ok(());
        }
        Err(Error::store(format!("folder {:?} is no longer the one that was opened", self.path)))
    }

    /// The row in its file.
    pub fn row(&self, key: &RowKey) -> Result<Option<Row>> {
        let path = self.file(key);
        match files::read(&path, format::ROW_BYTES)? {
            Some(bytes) => format::row(key, &bytes, &path),
            None if *key == META => Err(Error::store(format!("cannot open {path:?}: it was removed"))),
            None => Ok(None),
        }
    }

    /// The committed transaction that may not have reached all its files.
    pub fn journal(&self) -> Result<Option<Vec<Change>>> {
        let path = self.journal_file();
        let journal = files::read(&path, format::JOURNAL_BYTES).and_then(|bytes| match bytes {
            Some(bytes) => format::journal(&bytes, &path),
            None => Ok(None),
        });
        // Without it no row can be trusted.
        journal.map_err(|error| Error::store(error.detail()))
    }

    /// The row as last committed.
    pub fn committed(&self, key: &RowKey) -> Result<Option<Row>> {
        let row = self.at_path(key);
        // Afterwards: only then it is known where the row came from.
        self.check()?;
        row
    }

    fn at_path(&self, key: &RowKey) -> Result<Option<Row>> {
        self.row_after(&self.journal()?.unwrap_or_default(), key)
    }

    /// The row when these changes, which are committed, have been carried out: a transaction counts from its journal on.
    pub fn row_after(&self, changes: &[Change], key: &RowKey) -> Result<Option<Row>> {
        match changes.iter().find(|change| change.key == *key) {
            Some(Change { text: Some(text), .. }) => format::row(key, text.as_bytes(), &self.journal_file()),
            Some(Change { text: None, .. }) => Ok(None),
            None => self.row(key),
        }
    }

    /// What is in the folder, in the order of the system.
    pub fn entries(&self) -> Result<ReadDir> {
        fs::read_dir(&self.path).map_err(|cause| self.unlistable(&cause))
    }

    /// What an entry of the folder is.
    pub fn entry(&self, entry: io::Result<DirEntry>) -> Result<Entry> {
        let name = entry.map_err(|cause| self.unlistable(&cause))?.file_name();
        let key = name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(RowKey::from_hex);
        Ok(match key {
            _ if name == META_FILE => Entry::Row(META),
            Some(key) if key != META => Entry::Row(key),
            _ if files::is_temporary(&name) => Entry::Temporary(self.path.join(name)),
            _ => Entry::Other(self.path.join(name)),
        })
    }

    /// Makes the names in the folder proof against a power cut.
    pub fn sync(&self) -> Result<()> {
        self.opened.sync_all().map_err(|cause| Error::store(format!("cannot sync {:?}: {cause}", self.path)))
    }

    fn unlistable(&self, cause: &io::Error) -> Error {
        Error::store(format!("cannot list {:?}: {cause}", self.path))
    }
}

/// What a file of the folder is.
pub enum Entry {
    /// The file of this row.
    Row(RowKey),
    /// Left behind by a crash, or of an opener that is about to make a repository.
    Temporary(PathBuf),
    /// The lock, the journal, or nothing of ours.
    Other(PathBuf),
}
