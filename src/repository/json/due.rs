//! The note in the lock file that a sync is due: written before a change reaches the disk, and removed when it has.
//!
//! After a failed sync the system takes the pages for clean, so that a later sync succeeds without them. Whoever finds
//! the note under the lock knows that its writer failed or died in between, and that what can be read may be in memory
//! alone.

use std::io;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};
use crate::files::FileLock;

const DUE: [u8; 1] = *b"1";
const DONE: [u8; 1] = *b"0";

/// Whether a sync is due. The lock must be held, as for [`note`].
///
/// # Errors
///
/// `Store` when the note cannot be read.
pub fn is_due(lock: &FileLock) -> Result<bool> {
    let mut note = DONE;
    match lock.file().map(|file| file.read_at(&mut note, 0)) {
        Some(Ok(_)) => Ok(note == DUE),
        Some(Err(cause)) => Err(failed(&cause)),
        None => Err(Error::internal("the lock is not held")),
    }
}

/// Writes down whether a sync is due.
///
/// # Errors
///
/// `Store` when it cannot be written.
pub fn note(lock: &FileLock, due: bool) -> Result<()> {
    let note = if due { DUE } else { DONE };
    match lock.file().map(|file| file.write_all_at(&note, 0)) {
        Some(written) => written.map_err(|cause| failed(&cause)),
        None => Err(Error::internal("the lock is not held")),
    }
}

fn failed(cause: &io::Error) -> Error {
    Error::store(format!("cannot use the lock file of the repository: {cause}"))
}
