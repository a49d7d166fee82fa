//! Whose a repository is. Side files that another user made would lock the service out, so nothing is opened as
//! anybody but the owner.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::fault::{Fault, Result};
use crate::sys;

const ROOT: u32 = 0;

/// Becomes the owner of what is at the path, where this is root. `false` when there is nothing.
///
/// # Errors
///
/// For another user than the owner, whom the error names.
pub fn become_owner(path: &Path) -> Result<bool> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(failed(path, &cause.to_string())),
    };
    let (uid, gid, own) = (metadata.uid(), metadata.gid(), sys::effective_uid());
    if uid == own {
        return Ok(true);
    }
    let (owner, this) = (called(uid), called(own));
    if own != ROOT {
        return Err(failed(path, &format!("belongs to {owner}, and this is {this}: run otp as that user, or as root")));
    }
    sys::become_user(uid, gid).map_err(|cause| failed(path, &format!("cannot become {owner}: {cause}")))?;
    Ok(true)
}

/// Becomes the owner of the folder in which a repository is to be made, where this is root. Anybody else makes what he
/// may.
///
/// # Errors
///
/// When there is no such folder.
pub fn become_owner_of_new(folder: &Path) -> Result<()> {
    if sys::effective_uid() == ROOT && !become_owner(folder)? {
        return Err(failed(folder, "is not there"));
    }
    Ok(())
}

fn failed(path: &Path, cause: &str) -> Fault {
    Fault::store(format!("repository {path:?}: {}", cause.trim_end()))
}

/// A user's number, and the name that `/etc/passwd` has for it.
fn called(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then_some(name)
    });
    name.map_or_else(|| format!("user {uid}"), |name| format!("user {uid} ({name})"))
}
