//! New content beside its target, until it takes the target's place.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{TRIES, identity_at, is_still_at, make, open_or_make, own, parent, sync_folder, try_lock};
use crate::error::Result;
use crate::file::{self, Attempt, Failure};
use crate::sys;

/// How long somebody else who makes the same file is waited for, and how long between two looks.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// Writes a file that does not exist yet, readable by its owner alone: whole or not at all, and proof against a power
/// cut. `false`, and nothing written, when there is one; that is then proof against a power cut too.
///
/// Whoever makes a file of ours does it here: under the lock of its draft, of which there is one.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> Attempt<bool> {
    let draft = beside(path, "new");
    let deadline = Instant::now() + PATIENCE;
    while identity_at(path)?.is_none() {
        let (file, _) = open_or_make(&draft)?;
        // Another opener may have been here meanwhile, and put this draft in its place or removed it.
        if try_lock(&file, &draft)? && is_still_at(&file, &draft)? {
            let made = place_draft(&file, &draft, path, bytes);
            if !matches!(made, Ok(true)) {
                // What remains is empty or half written, and serves as the draft of the next.
                let _ = fs::remove_file(&draft);
            }
            return made.and_then(|made| sync_folder(parent(path)).map(|()| made));
        }
        if Instant::now() >= deadline {
            return Err(Failure::passing(format!("cannot make {path:?}: somebody else has been making it for long")));
        }
        std::thread::sleep(PAUSE);
    }
    sync_folder(parent(path))?;
    Ok(false)
}

/// Fills the draft and gives it its name, unless there is a file of that name by now. The caller holds its lock.
fn place_draft(file: &File, draft: &Path, path: &Path, bytes: &[u8]) -> Attempt<bool> {
    if identity_at(path)?.is_some() {
        return Ok(false);
    }
    // A crash may have left something in it.
    let write = || file.set_len(0).and_then(|()| (&*file).write_all(bytes)).and_then(|()| file.sync_all());
    sys::without_write_signals(write).map_err(|cause| Failure::of("write", draft, &cause))?;
    fs::rename(draft, path).map_err(|cause| Failure::of("make", path, &cause))?;
    Ok(true)
}

/// New content beside its target; removed again unless it takes the target's place.
pub struct Temporary {
    target: PathBuf,
    pub(super) path: PathBuf,
    /// Holds the lock that says that the writer lives.
    file: File,
    placed: bool,
}

impl Temporary {
    /// Writes the content: to the disk if `synced`, else to the system. The caller holds back the signals of writing.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be written.
    pub fn write(target: &Path, bytes: &[u8], synced: bool) -> Result<Self> {
        let temporary = Self::claim(target)?;
        let written = (&temporary.file).write_all(bytes);
        let done = written.and_then(|()| if synced { temporary.file.sync_all() } else { Ok(()) });
        done.map_err(|cause| Failure::of("write", &temporary.path, &cause))?;
        Ok(temporary)
    }

    fn claim(target: &Path) -> Attempt<Self> {
        for number in 0..TRIES {
            let path = beside(target, &format!("{}.{number}", std::process::id()));
            let file = match make(&path) {
                Ok(file) => file,
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => continue,
                Err(cause) => return Err(Failure::of("make", &path, &cause)),
            };
            // Before it was locked, another process may have taken it for a stale one.
            if try_lock(&file, &path)? && is_still_at(&file, &path)? {
                return Ok(Self { target: target.to_owned(), path, file, placed: false });
            }
        }
        Err(Failure::passing(format!("cannot write {target:?}: too many temporary files beside it")))
    }

    /// Takes the target's place, in one step.
    ///
    /// # Errors
    ///
    /// `Store` when that fails; the target is as it was.
    pub fn place(mut self) -> Result<()> {
        fs::rename(&self.path, &self.target).map_err(|cause| Failure::of("replace", &self.target, &cause))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            // One that stays is found to be stale, and removed, by a sweep.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Name of a temporary file for the target.
fn beside(target: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{what}.tmp"));
    target.with_file_name(name)
}

/// Whether a file of this name is a temporary one, for whatever target.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(b".tmp")
}

/// Removes a temporary file whose writer is dead. Does nothing else, and never fails: one that cannot be looked at now
/// is left to the next sweep.
pub fn remove_stale(temporary: &Path) {
    let Ok(Some(file)) = file::open(temporary, libc::O_NOFOLLOW) else { return };
    let stale = own(&file, temporary).is_ok()
        && try_lock(&file, temporary).unwrap_or(false)
        && is_still_at(&file, temporary).unwrap_or(false);
    if stale {
        let _ = fs::remove_file(temporary);
    }
}
