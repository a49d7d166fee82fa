//! Whose a repository is, and whom root believes. Side files that another user made would lock the service out, so
//! nothing is opened as anybody but the owner. Root becomes that user, and reads nothing on behalf of somebody else: of
//! a file that says where the repository is, it first becomes the owner.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;

use crate::fault::{Fault, Result};
use crate::sys;

const ROOT: u32 = 0;

/// Who may write to a file besides its owner: group and others.
const WRITABLE: u32 = 0o022;

/// Longest file that is taken for a configuration, or for a secret in one.
const FILE_BYTES: u64 = 64 * 1024;

/// As many symbolic links as Linux follows.
const MOST_LINKS: usize = 40;

/// The file by which root became its owner. That is done once.
static BELIEVED: OnceLock<(String, u32)> = OnceLock::new();

/// Why a file was not read.
pub enum Unread {
    /// The system's reason.
    Failed(io::Error),
    /// Root would do what somebody else says.
    NotBelieved(Fault),
}

/// What root does about a file of somebody else's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// It becomes that user, for good.
    Become,
    /// It does not believe it.
    Refuse,
}

/// Reads a file that is one: a pipe is not waited for, and what does not end is not read.
///
/// # Errors
///
/// As root, for a file that somebody else than its owner may write to, or that is a stranger's; those of the system.
pub fn read_believed(path: &str, name: &str, stranger: Stranger) -> std::result::Result<String, Unread> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(Unread::Failed)?;
    let metadata = file.metadata().map_err(Unread::Failed)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(Unread::Failed(io::Error::other("not a regular file of at most 64 KiB")));
    }
    believe(&metadata, &format!("{name} {path:?}"), stranger).map_err(Unread::NotBelieved)?;
    text(file).map_err(Unread::Failed)
}

fn text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn believe(metadata: &Metadata, name: &str, stranger: Stranger) -> Result<()> {
    if sys::effective_uid() != ROOT {
        return Ok(());
    }
    let refused = |cause: &str| Err(Fault::config(format!("{name}: {cause}, so root does not believe it")));
    match metadata.uid() {
        _ if metadata.mode() & WRITABLE != 0 => refused("group or others may write to it"),
        ROOT => Ok(()),
        uid if stranger == Stranger::Refuse => refused(&format!("belongs to {}", called(uid))),
        uid => {
            become_user(metadata).map_err(|cause| Fault::config(format!("{name}: {cause}")))?;
            // Whoever is no longer root does not get here again.
            let _ = BELIEVED.set((name.to_owned(), uid));
            Ok(())
        }
    }
}

/// Refuses to go to a server by what somebody else says, where this was root.
pub fn refuse_foreign_server() -> Result<()> {
    let Some((name, uid)) = BELIEVED.get() else { return Ok(()) };
    let cause = format!("belongs to {}, and for a repository on a server root believes its own alone", called(*uid));
    Err(Fault::config(format!("{name}: {cause}: run otp as that user")))
}

/// Becomes the owner of what is at the path, where this is root. `false` when there is nothing.
///
/// # Errors
///
/// For another user than the owner, whom the error names.
pub fn become_owner(path: &Path) -> Result<bool> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(failed(path, &cause.to_string().to_lowercase())),
    };
    let (uid, own) = (metadata.uid(), sys::effective_uid());
    if uid == own {
        return Ok(true);
    }
    if own != ROOT {
        return Err(failed(path, &not_the_owner(uid, own)));
    }
    become_user(&metadata).map_err(|cause| failed(path, &cause))?;
    Ok(true)
}

fn not_the_owner(uid: u32, own: u32) -> String {
    let owner = called(uid);
    match BELIEVED.get() {
        Some((name, whose)) => {
            format!("belongs to {owner}, but {name} to {}: root believes that owner or itself alone", called(*whose))
        }
        None => format!("belongs to {owner}, and this is {}: run otp as that user, or as root", called(own)),
    }
}

/// Becomes the user whom something belongs to.
fn become_user(metadata: &Metadata) -> std::result::Result<(), String> {
    let uid = metadata.uid();
    // Nobody else is given what root's group may do.
    let gid = match metadata.gid() {
        ROOT if uid != ROOT => user(uid).map_or(uid, |user| user.gid),
        gid => gid,
    };
    sys::become_user(uid, gid).map_err(|cause| format!("cannot become {}: {cause}", called(uid)))
}

/// The folder that an absolute path is in.
pub fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Refuses to make a copy where somebody else decides what is there. Root goes by no folder and no symbolic link of
/// others; anybody else makes a folder only in one of their own or of root's, as the library makes a file.
pub fn check_target(path: &Path) -> Result<()> {
    let own = sys::effective_uid();
    if own == ROOT {
        return check_path(path, 0);
    }
    match fs::metadata(parent(path)) {
        Ok(folder) if folder.uid() != ROOT && folder.uid() != own => {
            Err(refused(parent(path), &format!("belongs to {}, and this is {}", called(folder.uid()), called(own))))
        }
        _ => Ok(()),
    }
}

/// Refuses a part of a path, which may be a symbolic link, that others than root may change. What is not there, or no
/// folder, the library refuses.
fn check_roots(part: &Path, links: usize) -> Result<()> {
    let Ok(metadata) = fs::symlink_metadata(part) else { return Ok(()) };
    if metadata.uid() != ROOT {
        let what = if metadata.is_symlink() { "is a symbolic link of" } else { "belongs to" };
        let who = called(metadata.uid());
        return Err(refused(part, &format!("{what} {who}, and root goes by its own alone: run otp as that user")));
    }
    let is_shared = metadata.is_dir() && metadata.mode() & WRITABLE != 0 && metadata.mode() & libc::S_ISVTX == 0;
    if is_shared {
        return Err(refused(part, "group or others may write to it, so root makes nothing there"));
    }
    match fs::read_link(part) {
        Ok(_) if links == MOST_LINKS => Err(refused(part, "too many symbolic links")),
        // What a link of root's leads to is looked at as well.
        Ok(to) => check_path(&parent(part).join(to), links + 1),
        Err(_) => Ok(()),
    }
}

fn check_path(path: &Path, links: usize) -> Result<()> {
    path.ancestors().try_for_each(|part| check_roots(part, links))
}

fn refused(path: &Path, cause: &str) -> Fault {
    Fault::store(format!("repository to copy to: {path:?}: {cause}"))
}

/// Who could make something in a folder, in words.
pub fn maker(folder: &Metadata) -> String {
    match folder.uid() {
        ROOT => "a service that may write to its folder makes it".to_owned(),
        uid => format!("a service of {} makes it", called(uid)),
    }
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

/// Somebody in `/etc/passwd`.
struct User {
    name: String,
    gid: u32,
}

fn user(uid: u32) -> Option<User> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let is_this = fields.get(2)?.parse() == Ok(uid);
        is_this.then_some(User { name: (*fields.first()?).to_owned(), gid: fields.get(3)?.parse().ok()? })
    })
}

/// A user's number, and the name that `/etc/passwd` has for it.
fn called(uid: u32) -> String {
    user(uid).map_or_else(|| format!("user {uid}"), |user| format!("user {uid} ({})", user.name))
}
