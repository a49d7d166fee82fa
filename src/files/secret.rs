//! Files that hold a secret.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::{belongs_to, own};
use crate::file::{self, Attempt, Failure};
use crate::sys;

type SecretBytes = Zeroizing<Vec<u8>>;

/// Reads a file of at most `limit` bytes that we keep a secret in; `None` when there is none.
///
/// # Errors
///
/// When it cannot be read, is longer, a symbolic link or not a regular file, belongs to another user, is open to group
/// or others, or has a second name (hard link).
pub fn read_private(path: &Path, limit: usize) -> Attempt<Option<SecretBytes>> {
    let Some(file) = file::open(path, libc::O_NOFOLLOW)? else { return Ok(None) };
    let metadata = own(&file, path)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(Failure::refused(path, "it is open to group or others, and must have mode 0600"));
    }
    file::read(&file, &metadata, path, limit).map(Some)
}

/// Reads a file of at most `limit` bytes that somebody gave, however it is protected; `None` when there is none.
///
/// # Errors
///
/// When it cannot be read, is longer, or not a regular file.
pub fn read_given(path: &Path, limit: usize) -> Attempt<Option<SecretBytes>> {
    let Some(file) = file::open(path, 0)? else { return Ok(None) };
    let metadata = file::regular(&file, path)?;
    file::read(&file, &metadata, path, limit).map(Some)
}

/// Reads a file of at most `limit` bytes that an operator or an orchestrator keeps a secret in; `None` when there is
/// none. It may be reached through symbolic links, belong to root, and be readable by its group. One that everybody
/// may read is refused unless it is root's and nobody may write to where it is mounted: then `option` is warned about.
///
/// # Errors
///
/// When it cannot be read, is longer, not a regular file, or not as closed as said.
pub fn read_mounted(
    path: &Path,
    limit: usize,
    option: &str,
    warnings: &mut Vec<String>,
) -> Attempt<Option<SecretBytes>> {
    let Some(file) = file::open(path, 0)? else { return Ok(None) };
    let metadata = file::regular(&file, path)?;
    refuse_writable(&metadata, path)?;
    if metadata.mode() & 0o004 != 0 {
        let is_fixed = sys::is_read_only(&file).map_err(|cause| Failure::of("examine", path, &cause))?;
        if metadata.uid() != 0 || !is_fixed {
            return Err(Failure::refused(path, "everybody may read it: mode 0600 or 0640 closes it"));
        }
        warnings.push(format!("{option}: everybody may read {path:?}"));
    }
    file::read(&file, &metadata, path, limit).map(Some)
}

fn refuse_writable(metadata: &Metadata, path: &Path) -> Attempt<()> {
    if metadata.uid() != 0 && metadata.uid() != sys::effective_uid() {
        return Err(Failure::refused(path, &belongs_to(metadata.uid())));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(Failure::refused(path, "group or others may write to it: mode 0600 or 0640 closes it"));
    }
    Ok(())
}
