//! Folders: made for us alone, or found and looked at.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{OPEN_FLAGS, belongs_to, parent};
use crate::error::Result;
use crate::file::{Attempt, Failure};
use crate::sys;

/// Everything, for the owner alone.
const PRIVATE_FOLDER: u32 = 0o700;

/// Opens a folder, or makes it, for its owner alone. Its parent must exist. As long as the folder is open,
/// [`is_at`](super::is_at) tells it from every other. Warns as [`check_folder`] does.
///
/// # Errors
///
/// `Store` when it cannot be opened or made, belongs to another user, or what is there is not a folder.
pub fn open_folder(path: &Path, warnings: &mut Vec<String>) -> Result<File> {
    match DirBuilder::new().mode(PRIVATE_FOLDER).create(path) {
        Ok(()) => {
            let_owner_in(path)?;
            sync_folder(parent(path))?;
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(Failure::of("make", path, &cause).into()),
    }
    find_folder(path, warnings)
}

/// The same of a folder that is there.
///
/// # Errors
///
/// `Store` when it cannot be opened, belongs to another user, or is none.
pub fn find_folder(path: &Path, warnings: &mut Vec<String>) -> Result<File> {
    let folder = open(path, 0)?;
    let metadata = folder.metadata().map_err(|cause| Failure::of("examine", path, &cause))?;
    examine(&metadata, path, warnings)?;
    Ok(folder)
}

fn open(path: &Path, flags: i32) -> Attempt<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OPEN_FLAGS | libc::O_DIRECTORY | flags);
    options.open(path).map_err(|cause| Failure::of("open", path, &cause))
}

/// Opens a folder that was made just now to its owner, should the umask have shut it.
fn let_owner_in(path: &Path) -> Attempt<()> {
    // Pinned and not opened, for which there might be no right; changed by way of the descriptor, so that it is no
    // other folder that took its place.
    let pinned = open(path, libc::O_PATH)?;
    let metadata = pinned.metadata().map_err(|cause| Failure::of("examine", path, &cause))?;
    if metadata.mode() & PRIVATE_FOLDER == PRIVATE_FOLDER {
        return Ok(());
    }
    if metadata.uid() != sys::effective_uid() {
        return Err(Failure::refused(path, &belongs_to(metadata.uid())));
    }
    let descriptor = format!("/proc/self/fd/{}", pinned.as_raw_fd());
    let opened = fs::set_permissions(descriptor, Permissions::from_mode(PRIVATE_FOLDER));
    opened.map_err(|cause| Failure::of("open to its owner", path, &cause))
}

/// Looks at the folder that files are kept in. Orchestrators make the folders of their volumes as root. Warns when
/// others may put files in the place of ours.
///
/// # Errors
///
/// `Store` when it belongs to another user than root and us, or cannot be looked at.
pub fn check_folder(path: &Path, warnings: &mut Vec<String>) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|cause| Failure::of("examine", path, &cause))?;
    Ok(examine(&metadata, path, warnings)?)
}

fn examine(metadata: &Metadata, path: &Path, warnings: &mut Vec<String>) -> Attempt<()> {
    let owner = metadata.uid();
    if owner != 0 && owner != sys::effective_uid() {
        return Err(Failure::lasting(format!("folder {path:?} is refused: {}", belongs_to(owner))));
    }
    let mode = metadata.mode();
    // In a sticky folder, as /tmp is, nobody but its owner replaces a file.
    if mode & 0o022 != 0 && mode & libc::S_ISVTX == 0 {
        warnings.push(format!("repository: folder {path:?} is writable by group or others, who may replace its files"));
    }
    Ok(())
}

/// Makes the names in a folder proof against a power cut.
pub fn sync_folder(path: &Path) -> Attempt<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|cause| Failure::of("sync", path, &cause))
}
