//! The lock between processes.

use std::fs::File;
use std::path::PathBuf;

use super::{Identity, TRIES, identity, open_or_make, try_lock};
use crate::error::{Error, Result};
use crate::fork;

/// The lock that keeps other processes, and other handles of this process, out: a file of its own under `flock`,
/// which ends with the process that holds it. The file is made at the first use and stays for ever.
pub struct FileLock {
    path: PathBuf,
    /// Which file it is stays true as long as it is open.
    pub(super) file: Option<(File, Identity)>,
}

impl FileLock {
    /// A lock on the file at this path. Opens nothing yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Takes the lock, if that needs no waiting. `false` when somebody else has it.
    ///
    /// # Errors
    ///
    /// `Store` when the file cannot be opened or locked, or is not a regular file of our own.
    pub fn try_lock(&mut self) -> Result<bool> {
        for _ in 0..TRIES {
            let (file, opened) = match self.file.take() {
                Some(file) => file,
                None => open_or_make(&self.path)?,
            };
            if !try_lock(&file, &self.path)? {
                self.file = Some((file, opened));
                return Ok(false);
            }
            // Who locks a file that was deleted keeps nobody out: others lock the one that took its place.
            if identity(&self.path)? == Some(opened) {
                self.file = Some((file, opened));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the lock that is held still keeps others out: not when another file took its place.
    ///
    /// # Errors
    ///
    /// `Store` when it does not.
    pub fn check(&self) -> Result<()> {
        let held = self.file.as_ref().map(|(_, opened)| *opened);
        if held.is_some() && identity(&self.path)? == held {
            return Ok(());
        }
        Err(Error::store(format!("lock {:?} was replaced or removed while it was held", self.path)))
    }

    /// Which file it is, while it is open.
    pub fn identity(&self) -> Option<Identity> {
        self.file.as_ref().map(|(_, identity)| *identity)
    }

    /// The file, while it is open: for what only the holder of the lock writes down.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref().map(|(file, _)| file)
    }

    /// Gives the lock back. Does nothing when it is not held.
    pub fn unlock(&mut self) {
        // Closing alone would not do: a child that is about to execute another program may have the file as well.
        if self.file.as_ref().is_some_and(|(file, _)| file.unlock().is_err()) {
            self.file = None;
        }
    }

    /// Gives the lock back and closes the file. The next [`FileLock::try_lock`] opens it again.
    pub fn close(&mut self) {
        self.unlock();
        self.file = None;
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The lock belongs to the open file, which a child of a raw clone has in common with its parent: there
        // giving it back would take it from the parent.
        if fork::check().is_ok() {
            self.close();
        }
    }
}
