//! Opening and reading files: without waiting for what is no file, and never more than is expected of one.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Error;

/// With these opening waits for nobody, as it would for a pipe, and takes no terminal.
pub const OPEN_FLAGS: i32 = libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;

/// What the system says of a name, a kind, a place or rights that are wrong. Anything else, as when descriptors are
/// short or the disk is full, may be over the next time.
const LASTING: [i32; 11] = [
    libc::ENOENT,
    libc::ENOTDIR,
    libc::EISDIR,
    libc::ELOOP,
    libc::ENAMETOOLONG,
    libc::EACCES,
    libc::EPERM,
    libc::EROFS,
    libc::ENXIO,
    libc::ENODEV,
    libc::EINVAL,
];

/// Why a file cannot be used. For whoever keeps rows in it that is a failure of the storage.
#[derive(Debug)]
pub struct Failure {
    detail: String,
    /// Whether it is the file's own fault, and not that of the state that the system is in.
    is_lasting: bool,
}

/// What an attempt to use a file comes to.
pub type Attempt<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A system call failed.
    #[cold]
    pub fn of(what: &str, path: &Path, cause: &io::Error) -> Self {
        let code = cause.raw_os_error();
        let detail = match code {
            Some(libc::ELOOP) => format!("cannot {what} {path:?}: symbolic links are not followed"),
            _ => format!("cannot {what} {path:?}: {cause}"),
        };
        Self { detail, is_lasting: code.is_some_and(|code| LASTING.contains(&code)) }
    }

    /// What is there cannot be trusted.
    #[cold]
    pub fn refused(path: &Path, why: &str) -> Self {
        Self::lasting(format!("file {path:?} is refused: {why}"))
    }

    /// It will be so the next time.
    #[cold]
    pub fn lasting(detail: String) -> Self {
        Self { detail, is_lasting: true }
    }

    /// It may be over the next time.
    #[cold]
    pub fn passing(detail: String) -> Self {
        Self { detail, is_lasting: false }
    }

    /// Whether it will be so the next time.
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    /// The error when an option of the configuration names the file: `Config`, or `Store` when it may pass.
    pub fn of_option(self, option: &str) -> Error {
        let detail = format!("{option}: {}", self.detail);
        if self.is_lasting { Error::config(detail) } else { Error::store(detail) }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        // A file may hold one row of many.
        let error = Error::store(failure.detail);
        if failure.is_lasting { error.of_one_row() } else { error }
    }
}

/// Opens a file to be read; `None` when there is none. `flags` are added to [`OPEN_FLAGS`].
pub fn open(path: &Path, flags: i32) -> Attempt<Option<File>> {
    match OpenOptions::new().read(true).custom_flags(OPEN_FLAGS | flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Failure::of("open", path, &cause)),
    }
}

/// What the open file is, if it is a regular file.
pub fn regular(file: &File, path: &Path) -> Attempt<Metadata> {
    let metadata = file.metadata().map_err(|cause| Failure::of("examine", path, &cause))?;
    if metadata.is_file() { Ok(metadata) } else { Err(Failure::refused(path, "it is not a regular file")) }
}

/// Reads the file whole, if it has no more than `limit` bytes. `metadata` is the open file's.
pub fn read(mut file: &File, metadata: &Metadata, path: &Path, limit: usize) -> Attempt<Zeroizing<Vec<u8>>> {
    let Some(length) = usize::try_from(metadata.len()).ok().filter(|length| *length <= limit) else {
        return Err(Failure::refused(path, &format!("it is longer than {limit} bytes")));
    };
    // All the room at once: a buffer that grew would leave copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::new());
    let reserved = bytes.try_reserve_exact(length).map_err(|_| io::Error::from(ErrorKind::OutOfMemory));
    let done = reserved.and_then(|()| {
        bytes.resize(length, 0);
        file.read_exact(&mut bytes)
    });
    done.map_err(|cause| Failure::of("read", path, &cause))?;
    Ok(bytes)
}
