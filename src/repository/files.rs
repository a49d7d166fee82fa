//! Files that are ours alone, and the lock between processes.
//!
//! A file is never reached through a symbolic link, and what is opened is looked at before it is trusted. New content
//! goes to a temporary file beside its target, `.NAME.PROCESS.NUMBER.tmp`, locked as long as its writer lives: one
//! that is not locked was left behind by a crash and may be removed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ffi::sys;
use crate::fork;

/// Also says that opening must not wait, as it would for a pipe.
const OPEN_FLAGS: i32 = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;

/// Readable and writable by the owner.
const PRIVATE: u32 = 0o600;

/// How often something is tried again that others can spoil only by chance.
const TRIES: u32 = 100;

fn failed(what: &str, path: &Path, cause: &io::Error) -> Error {
    match cause.raw_os_error() {
        Some(libc::ELOOP) => Error::damaged(format!("cannot {what} {path:?}: symbolic links are not followed")),
        Some(libc::EACCES | libc::EPERM) => Error::damaged(format!("cannot {what} {path:?}: {cause}")),
        _ => Error::store(format!("cannot {what} {path:?}: {cause}")),
    }
}

/// The error about a file that is not used.
pub fn refused(path: &Path, why: &str) -> Error {
    Error::store(format!("file {path:?} is refused: {why}"))
}

/// The folder that holds the path.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What the open file is, if it is a regular file of our own.
///
/// # Errors
///
/// `Store` when it is not, or the system does not tell.
pub fn own(file: &File, path: &Path) -> Result<Metadata> {
    let metadata = file.metadata().map_err(|cause| failed("examine", path, &cause))?;
    if !metadata.is_file() {
        return Err(refused(path, "it is not a regular file").of_one_row());
    }
    if metadata.uid() != sys::effective_uid() {
        return Err(refused(path, &of_another_user(metadata.uid())).of_one_row());
    }
    Ok(metadata)
}

fn of_another_user(owner: u32) -> String {
    format!("it belongs to another user ({owner}, and this process runs as {})", sys::effective_uid())
}

/// Looks at a folder that holds files of ours: it is ours or the system's. Warns when others could replace what is in
/// it.
///
/// # Errors
///
/// `Store` when it is somebody else's, or the system does not tell.
pub fn check_folder(path: &Path, warnings: &mut Vec<String>) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|cause| failed("examine", path, &cause))?;
    if metadata.uid() != sys::effective_uid() && metadata.uid() != 0 {
        return Err(Error::store(format!("folder {path:?} is refused: {}", of_another_user(metadata.uid()))));
    }
    if metadata.mode() & 0o022 != 0 && metadata.mode() & libc::S_ISVTX == 0 {
        warnings.push(format!("repository: group or others may replace the files in {path:?}"));
    }
    Ok(())
}

/// Opens a file for reading and writing, or makes it, readable by its owner alone.
///
/// # Errors
///
/// `Store` when it cannot be opened, or is not a regular file of our own.
pub fn open_or_make(path: &Path) -> Result<(File, Identity)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(PRIVATE).custom_flags(OPEN_FLAGS);
    let file = options.open(path).map_err(|cause| failed("open", path, &cause))?;
    let identity = Identity::of(&own(&file, path)?);
    Ok((file, identity))
}

fn open_to_read(path: &Path) -> Result<Option<File>> {
    match OpenOptions::new().read(true).custom_flags(OPEN_FLAGS).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed("open", path, &cause)),
    }
}

/// Reads a whole file; `None` when there is none.
///
/// # Errors
///
/// `Store` when it cannot be read, is a symbolic link or not a regular file, or belongs to another user.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let Some(mut file) = open_to_read(path)? else { return Ok(None) };
    own(&file, path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|cause| failed("read", path, &cause))?;
    Ok(Some(bytes))
}

/// Reads a small file that holds a secret; `None` when there is none.
///
/// # Errors
///
/// `Config` when it cannot be read, is a symbolic link or not a regular file, belongs to another user, is open to
/// group or others, has a second name (hard link), or is longer than `limit` bytes.
pub fn read_secret(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>> {
    try_read_secret(path, limit).map_err(|error| Error::config(error.detail()))
}

fn try_read_secret(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(mut file) = open_to_read(path)? else { return Ok(None) };
    let mut metadata = own(&file, path)?;
    if metadata.nlink() > 1 {
        // Its maker may be about to remove the temporary name, or have died before it could.
        remove_twins(path, Identity::of(&metadata));
        metadata = own(&file, path)?;
    }
    if metadata.nlink() > 1 {
        return Err(refused(path, "it has more than one hard link"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(refused(path, "it is open to group or others, and must have mode 0600"));
    }
    let Some(length) = usize::try_from(metadata.len()).ok().filter(|length| *length <= limit) else {
        return Err(refused(path, &format!("it is longer than {limit} bytes")));
    };
    // All the room at once: a buffer that grew would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes).map_err(|cause| failed("read", path, &cause))?;
    Ok(Some(bytes))
}

/// Writes a file that does not exist yet, readable by its owner alone: whole or not at all, and proof against a power
/// cut. `false`, and nothing written, when there is one; that is then proof against a power cut too.
///
/// # Errors
///
/// `Store` when it cannot be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool> {
    temporaries_of(path).iter().for_each(|temporary| remove_stale(temporary));
    let temporary = Temporary::write(path, bytes, true)?;
    let made = match fs::hard_link(&temporary.path, path) {
        Ok(()) => true,
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => false,
        Err(cause) => return Err(failed("make", path, &cause)),
    };
    drop(temporary);
    sync_folder(parent(path))?;
    Ok(made)
}

/// New content beside its target; removed again unless it takes the target's place.
pub struct Temporary {
    target: PathBuf,
    path: PathBuf,
    /// Holds the lock that says that the writer lives.
    file: File,
    placed: bool,
}

impl Temporary {
    /// Writes the content: to the disk if `synced`, else to the system.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be written.
    pub fn write(target: &Path, bytes: &[u8], synced: bool) -> Result<Self> {
        let temporary = Self::claim(target)?;
        let written = (&temporary.file).write_all(bytes);
        let done = written.and_then(|()| if synced { temporary.file.sync_all() } else { Ok(()) });
        done.map_err(|cause| failed("write", &temporary.path, &cause))?;
        Ok(temporary)
    }

    fn claim(target: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(PRIVATE).custom_flags(OPEN_FLAGS);
        for number in 0..TRIES {
            let path = temporary(target, number);
            let file = match options.open(&path) {
                Ok(file) => file,
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => continue,
                Err(cause) => return Err(failed("make", &path, &cause)),
            };
            // Before it was locked, another process may have taken it for a stale one.
            if try_lock(&file, &path)? && is_at(&file, &path)? {
                return Ok(Self { target: target.to_owned(), path, file, placed: false });
            }
        }
        Err(Error::store(format!("cannot write {target:?}: too many temporary files beside it")))
    }

    /// Takes the target's place, in one step.
    ///
    /// # Errors
    ///
    /// `Store` when that fails; the target is as it was.
    pub fn place(mut self) -> Result<()> {
        fs::rename(&self.path, &self.target).map_err(|cause| failed("replace", &self.target, &cause))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Name of a temporary file for the target.
fn temporary(target: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.{number}.tmp", std::process::id()));
    target.with_file_name(name)
}

/// Whether a file of this name is a temporary one, for whatever target.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(b".tmp")
}

/// The temporary files of the target that are there.
fn temporaries_of(target: &Path) -> Vec<PathBuf> {
    let mut prefix = OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(".");
    let Ok(entries) = fs::read_dir(parent(target)) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    let ours = names.filter(|name| is_temporary(name) && name.as_bytes().starts_with(prefix.as_bytes()));
    ours.map(|name| target.with_file_name(name)).collect()
}

/// Removes a temporary file whose writer is dead. Does nothing else, and never fails.
pub fn remove_stale(temporary: &Path) {
    let Ok(Some(file)) = open_to_read(temporary) else { return };
    let stale = own(&file, temporary).is_ok()
        && try_lock(&file, temporary).unwrap_or(false)
        && is_at(&file, temporary).unwrap_or(false);
    if stale {
        let _ = fs::remove_file(temporary);
    }
}

/// Removes the temporary name of a file that also has its final one.
fn remove_twins(path: &Path, file: Identity) {
    let is_twin = |path: &PathBuf| identity(path).is_ok_and(|twin| twin == Some(file));
    temporaries_of(path).into_iter().filter(is_twin).for_each(|twin| drop(fs::remove_file(twin)));
}

/// Opens a folder, or makes it, for its owner alone. Its parent must exist. As long as the folder is open, [`is_at`]
/// tells it from every other.
///
/// # Errors
///
/// `Store` when it cannot be opened or made, or what is there is not a folder.
pub fn open_folder(path: &Path) -> Result<File> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_folder(parent(path))?,
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(failed("make", path, &cause)),
    }
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OPEN_FLAGS | libc::O_DIRECTORY);
    options.open(path).map_err(|cause| failed("open", path, &cause))
}

/// Makes the names in a folder proof against a power cut.
///
/// # Errors
///
/// `Store` when that fails.
pub fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|cause| failed("sync", path, &cause))
}

/// Removes a file. `Ok` when there is none.
///
/// # Errors
///
/// `Store` when that fails.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(failed("remove", path, &cause)),
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
///
/// # Errors
///
/// `Store` when the system does not tell.
pub fn identity(path: &Path) -> Result<Option<Identity>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(Identity::of(&metadata))),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed("examine", path, &cause)),
    }
}

/// Whether the open file, or folder, is the one that is at the path now.
///
/// # Errors
///
/// `Store` when the system does not tell.
pub fn is_at(file: &File, path: &Path) -> Result<bool> {
    let metadata = file.metadata().map_err(|cause| failed("examine", path, &cause))?;
    Ok(identity(path)? == Some(Identity::of(&metadata)))
}

fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(cause)) => Err(failed("lock", path, &cause)),
    }
}

/// The lock that keeps other processes, and other handles of this process, out: a file of its own under `flock`,
/// which ends with the process that holds it. The file is made at the first use and stays for ever.
pub struct FileLock {
    path: PathBuf,
    /// Which file it is stays true as long as it is open.
    file: Option<(File, Identity)>,
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

#[cfg(test)]
mod tests;
