//! The database's file: found once, pinned, and looked at before it is trusted.

use std::ffi::CString;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::{self, Identity};
use crate::sys;

/// Where the system lists what is mounted.
const MOUNTS: &str = "/proc/self/mountinfo";

/// One database file. Whatever lies at its path later is another one: as long as this lives, the file's number is not
/// given to another.
pub struct Database {
    pub path: PathBuf,
    identity: Identity,
    /// Opened as a mere place (`O_PATH`): closing any other descriptor would end the locks that SQLite holds.
    pin: File,
}

impl Database {
    /// Finds the file or makes it, readable by its owner alone whatever the umask.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be found or made, or is not a file of our own under one name.
    pub fn locate(path: &Path, warnings: &mut Vec<String>) -> Result<Self> {
        let cannot = |cause: &dyn Display| Error::store(format!("cannot open {path:?}: {cause}"));
        // SQLite follows no link, not even in the folder's name; the host may well have one there.
        let folder = path.parent().unwrap_or(Path::new("/")).canonicalize().map_err(|cause| cannot(&cause))?;
        let name = path.file_name().ok_or_else(|| cannot(&"it names a folder"))?;
        let path = folder.join(name);
        files::check_folder(&folder, warnings)?;
        make(&path).map_err(|cause| cannot(&cause))?;
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let pin = OpenOptions::new().read(true).custom_flags(flags).open(&path).map_err(|cause| cannot(&cause))?;
        let metadata = files::own(&pin, &path)?;
        if metadata.mode() & 0o077 != 0 {
            warnings.push(format!("repository: {path:?} is open to group or others: mode 0600 keeps it private"));
        }
        let database = Self { path, identity: Identity::of(&metadata), pin };
        if database.is_mounted_apart().is_none() {
            warnings.push(format!("repository: the system does not tell whether {:?} has one name", database.path));
        }
        database.examine()?;
        Ok(database)
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The path of a file beside it.
    pub fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }

    /// Whether there is a rollback journal, as while the database is switched to WAL mode.
    ///
    /// # Errors
    ///
    /// `Store` when the system does not tell.
    pub fn has_journal(&self) -> Result<bool> {
        Ok(files::identity(&self.beside("-journal"))?.is_some())
    }

    /// Refuses a file that took the place of the one that was opened.
    ///
    /// # Errors
    ///
    /// `Store` then, and when the system does not tell.
    pub fn check(&self) -> Result<()> {
        if files::identity(&self.path)? == Some(self.identity) {
            return Ok(());
        }
        Err(Error::store(format!("{:?} is no longer the file that was opened", self.path)))
    }

    /// Refuses a file that may have a second name. Under each name SQLite makes files of its own beside it, and who
    /// uses one name does not see what is done under the other.
    ///
    /// # Errors
    ///
    /// `Store` then, when another file is at the path, and when the system does not tell.
    pub fn examine(&self) -> Result<()> {
        self.check()?;
        let metadata = files::own(&self.pin, &self.path)?;
        if metadata.nlink() > 1 {
            return Err(files::refused(&self.path, "it has more than one name (hard link)"));
        }
        if self.is_mounted_apart() == Some(true) {
            return Err(files::refused(&self.path, "it is mounted apart from its folder: mount the folder"));
        }
        Ok(())
    }

    /// Whether the file itself is mounted where it lies; `None` when the system does not tell.
    fn is_mounted_apart(&self) -> Option<bool> {
        let path = CString::new(self.path.as_os_str().as_bytes()).ok()?;
        sys::is_mount_point(&path).or_else(|| Some(is_listed(&fs::read(MOUNTS).ok()?, &self.path)))
    }

    /// The file, opened to be read: never another one that took its place.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be opened.
    pub fn reopen(&self) -> Result<File> {
        self.try_reopen().map_err(|cause| Error::store(format!("cannot open {:?}: {cause}", self.path)))
    }

    fn try_reopen(&self) -> io::Result<File> {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        let pinned = format!("/proc/self/fd/{}", self.pin.as_raw_fd());
        match OpenOptions::new().read(true).custom_flags(flags).open(pinned) {
            // Where /proc is not mounted.
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        let file = OpenOptions::new().read(true).custom_flags(flags | libc::O_NOFOLLOW).open(&self.path)?;
        if file.metadata().is_ok_and(|metadata| Identity::of(&metadata) == self.identity) {
            return Ok(file);
        }
        // Closing it could end the locks of whoever uses that file in this process.
        std::mem::forget(file);
        Err(io::Error::other("another file took its place"))
    }
}

/// Makes the file if there is none.
fn make(path: &Path) -> io::Result<()> {
    match files::make(path) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => Err(cause),
        _ => Ok(()),
    }
}

/// Whether something is mounted at the path, by the system's list: the fifth word of a line, in which a blank, a tab,
/// a line feed and a backslash stand as three octal digits (proc(5)).
fn is_listed(mounts: &[u8], path: &Path) -> bool {
    let mut escaped = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => escaped.extend(format!("\\{byte:03o}").into_bytes()),
            byte => escaped.push(*byte),
        }
    }
    mounts.split(|byte| *byte == b'\n').any(|line| line.split(|byte| *byte == b' ').nth(4) == Some(escaped.as_slice()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::is_listed;

    #[test]
    fn the_list_of_mounts_is_read_with_its_escapes() {
        let list = b"21 1 8:1 / / rw - ext4 /dev/a rw\n30 21 8:1 /a\\040b /data/otp\\040new.db rw - ext4 /dev/a rw\n";
        assert!(is_listed(list, Path::new("/data/otp new.db")));
        assert!(is_listed(list, Path::new("/")));
        for other in ["/data/otp", "/data", "/dev/a", "/data/otp\\040new.db"] {
            assert!(!is_listed(list, Path::new(other)), "{other}");
        }
        assert!(!is_listed(b"", Path::new("/")));
    }
}
