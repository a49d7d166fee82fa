//! Files that are ours alone.
//!
//! A file is never reached through a symbolic link, and what is opened is looked at before it is trusted: a regular
//! file of our own under one name. New content goes to a temporary file beside its target, `.NAME.SOMETHING.tmp`,
//! locked as long as its writer lives: one that is not locked was left behind by a crash and may be removed.
//!
//! Nothing here makes hard links: some file systems have none, and on others their number is right only later.

mod folder;
mod lock;
mod secret;
mod temporary;
#[cfg(test)]
mod tests;

use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::file::{self, Attempt, Failure};
use crate::sys;

pub use folder::{check_folder, find_folder, open_folder, sync_folder};
pub use lock::FileLock;
pub use secret::{read_given, read_mounted, read_private};
pub use temporary::{Temporary, is_temporary, remove_stale, write_new};

const OPEN_FLAGS: i32 = file::OPEN_FLAGS | libc::O_NOFOLLOW;

/// Readable and writable by the owner.
const PRIVATE: u32 = 0o600;

/// How often something is tried again that others can spoil only by chance.
const TRIES: u32 = 100;

/// The error about a file that is not used.
pub fn refused(path: &Path, why: &str) -> Error {
    Failure::refused(path, why).into()
}

/// The folder that holds the path.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn belongs_to(owner: u32) -> String {
    format!("it belongs to user {owner}, and this process is user {}", sys::effective_uid())
}

/// Refuses anything but a regular file of our own that has one name.
fn refuse_foreign(metadata: &Metadata, path: &Path) -> Attempt<()> {
    let why = if !metadata.is_file() {
        "it is not a regular file".to_owned()
    } else if metadata.uid() != sys::effective_uid() {
        belongs_to(metadata.uid())
    } else if metadata.nlink() > 1 {
        "it has more than one name (hard link)".to_owned()
    } else {
        return Ok(());
    };
    Err(Failure::refused(path, &why))
}

/// What the open file is, if it is ours alone: a regular file of this user with one name.
pub fn own(file: &File, path: &Path) -> Attempt<Metadata> {
    let metadata = file.metadata().map_err(|cause| Failure::of("examine", path, &cause))?;
    refuse_foreign(&metadata, path)?;
    Ok(metadata)
}

/// Makes a file that must not be there yet, for its owner alone and whatever the umask.
pub fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(PRIVATE).custom_flags(OPEN_FLAGS);
    let file = options.open(path)?;
    if file.metadata()?.mode() & PRIVATE != PRIVATE {
        file.set_permissions(Permissions::from_mode(PRIVATE))?;
    }
    Ok(file)
}

/// Opens a file for reading and writing, or makes it, readable by its owner alone. It must be ours alone.
pub fn open_or_make(path: &Path) -> Attempt<(File, Identity)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OPEN_FLAGS);
    for _ in 0..TRIES {
        let opened = match options.open(path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => make(path),
            opened => opened,
        };
        match opened {
            Ok(file) => {
                let identity = Identity::of(&own(&file, path)?);
                return Ok((file, identity));
            }
            // Somebody else was faster to make it.
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(Failure::of("open", path, &cause)),
        }
    }
    Err(Failure::passing(format!("cannot open {path:?}: it comes and goes")))
}

/// Reads a whole file of at most `limit` bytes; `None` when there is none.
///
/// # Errors
///
/// `Store` when it cannot be read, is longer, or is not ours alone: a regular file of this user with one name.
pub fn read(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(file) = file::open(path, libc::O_NOFOLLOW)? else { return Ok(None) };
    let metadata = own(&file, path)?;
    Ok(Some(file::read(&file, &metadata, path, limit)?))
}

/// Looks at a file without opening it; `None` when there is none. Warns when it is open to group or others.
///
/// # Errors
///
/// `Store` when it is not ours alone: a regular file of this user with one name.
pub fn look(path: &Path, warnings: &mut Vec<String>) -> Result<Option<Identity>> {
    let Some(metadata) = metadata(path)? else { return Ok(None) };
    refuse_foreign(&metadata, path)?;
    if metadata.mode() & 0o077 != 0 {
        warnings.push(format!("repository: file {path:?} is open to group or others: mode 0600 closes it"));
    }
    Ok(Some(Identity::of(&metadata)))
}

/// Removes a file. `Ok` when there is none.
///
/// # Errors
///
/// `Store` when that fails.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(Failure::of("remove", path, &cause).into()),
        _ => Ok(()),
    }
}

/// Device and inode: what a name stands for as long as it is not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// What this is the metadata of.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What is at the path now, a symbolic link itself and not what it leads to; `None` when there is nothing.
fn metadata(path: &Path) -> Attempt<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Failure::of("examine", path, &cause)),
    }
}

fn identity_at(path: &Path) -> Attempt<Option<Identity>> {
    Ok(metadata(path)?.map(|metadata| Identity::of(&metadata)))
}

/// What is at the path now, a symbolic link itself and not what it leads to; `None` when there is nothing.
///
/// # Errors
///
/// `Store` when the system does not tell.
pub fn identity(path: &Path) -> Result<Option<Identity>> {
    Ok(identity_at(path)?)
}

/// Whether the open file, or folder, is the one that is at the path now.
///
/// # Errors
///
/// `Store` when the system does not tell.
pub fn is_at(file: &File, path: &Path) -> Result<bool> {
    Ok(is_still_at(file, path)?)
}

fn is_still_at(file: &File, path: &Path) -> Attempt<bool> {
    let metadata = file.metadata().map_err(|cause| Failure::of("examine", path, &cause))?;
    Ok(identity_at(path)? == Some(Identity::of(&metadata)))
}

/// Takes the lock of an open file, if that needs no waiting. `false` when somebody else has it.
fn try_lock(file: &File, path: &Path) -> Attempt<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(cause)) => Err(Failure::of("lock", path, &cause)),
    }
}
