//! What can go wrong, and where: every call of every phase, in every way that its manual page allows.

use std::fmt;
use std::path::Path;

use crate::trace::Call;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It fails and does nothing.
    Before,
    /// It does what it should and says that it failed.
    After,
    /// It reads or writes half of what it should.
    Short,
    /// It is not made: the process is killed.
    Death,
}

/// How long it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Once,
    Few,
    Always,
}

/// Calls that fail with [`Span::Few`].
const FEW: usize = 4;

/// A fault: from the n-th call of a kind on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub phase: String,
    pub call: String,
    /// Counted from 1.
    pub number: usize,
    pub mode: Mode,
    pub span: Span,
    pub error: i32,
}

impl Point {
    /// Whether the call of this number goes wrong.
    pub fn covers(&self, name: &str, number: usize) -> bool {
        let end = match self.span {
            Span::Once => self.number + 1,
            Span::Few => self.number + FEW,
            Span::Always => usize::MAX,
        };
        self.call == name && (self.number..end).contains(&number)
    }

    /// The point as it is written.
    pub fn read(text: &str) -> Option<Self> {
        let words: Vec<_> = text.split(' ').collect();
        let [phase, call, number, mode, span, error] = words.as_slice() else { return None };
        let mode = [Mode::Before, Mode::After, Mode::Short, Mode::Death]
            .into_iter()
            .find(|known| format!("{known:?}") == *mode)?;
        let span = [Span::Once, Span::Few, Span::Always].into_iter().find(|known| format!("{known:?}") == *span)?;
        let error = ERRORS.iter().find(|known| known.0 == *error)?.1;
        Some(Self {
            phase: (*phase).to_owned(),
            call: (*call).to_owned(),
            number: number.parse().ok()?,
            mode,
            span,
            error,
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, call, number, mode, span, error } = self;
        let error = ERRORS.iter().find(|known| known.1 == *error).map_or("?", |known| known.0);
        write!(formatter, "{phase} {call} {number} {mode:?} {span:?} {error}")
    }
}

const ERRORS: [(&str, i32); 16] = [
    ("EPERM", libc::EPERM),
    ("ENOENT", libc::ENOENT),
    ("EINTR", libc::EINTR),
    ("EIO", libc::EIO),
    ("EAGAIN", libc::EAGAIN),
    ("ENOMEM", libc::ENOMEM),
    ("EACCES", libc::EACCES),
    ("ENFILE", libc::ENFILE),
    ("EMFILE", libc::EMFILE),
    ("ENOSPC", libc::ENOSPC),
    ("EROFS", libc::EROFS),
    ("EMLINK", libc::EMLINK),
    ("ENOLCK", libc::ENOLCK),
    ("ENOSYS", libc::ENOSYS),
    ("EDQUOT", libc::EDQUOT),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
];

/// The errors that a call may have.
fn errors(call: &str) -> &'static [i32] {
    match call {
        "open" | "openat" => &[libc::EMFILE, libc::EACCES, libc::EIO, libc::ENOSPC, libc::EINTR],
        "read" | "pread64" => &[libc::EIO, libc::EINTR],
        "write" | "pwrite64" | "writev" => &[libc::ENOSPC, libc::EIO, libc::EDQUOT, libc::EINTR],
        "fsync" | "fdatasync" => &[libc::EIO, libc::ENOSPC, libc::EDQUOT, libc::EINTR],
        "stat" | "lstat" | "fstat" | "newfstatat" | "statx" => &[libc::EIO, libc::ENOMEM, libc::EACCES],
        "access" | "readlink" | "readlinkat" => &[libc::EIO, libc::EACCES],
        "getcwd" => &[libc::ENOENT, libc::EACCES],
        "ftruncate" => &[libc::EIO, libc::ENOSPC, libc::EINTR],
        "fallocate" => &[libc::ENOSPC, libc::EIO, libc::EOPNOTSUPP, libc::EINTR],
        "fchmod" | "fchown" => &[libc::EPERM, libc::EIO],
        "unlink" | "unlinkat" | "rmdir" => &[libc::EIO, libc::EACCES, libc::EROFS],
        "rename" | "renameat" | "renameat2" => &[libc::EIO, libc::ENOSPC, libc::EACCES],
        "link" | "linkat" => &[libc::EIO, libc::EPERM, libc::ENOSPC, libc::EMLINK],
        "mkdir" | "mkdirat" => &[libc::EIO, libc::ENOSPC, libc::EACCES],
        "flock" => &[libc::ENOLCK, libc::EIO, libc::EINTR],
        "fcntl" => &[libc::ENOLCK, libc::EIO, libc::EAGAIN],
        "mmap" => &[libc::ENOMEM, libc::EAGAIN],
        // Not `ENOENT`: it says that the folder was removed, and ends the list.
        "getdents64" => &[libc::EIO, libc::ENOMEM],
        "getrandom" => &[libc::ENOSYS, libc::EIO],
        "clone" | "clone3" | "fork" | "vfork" => &[libc::EAGAIN, libc::ENOMEM],
        _ => &[libc::EIO],
    }
}

/// In which ways a call may fail. What only looks is the same before and after; a call that closes always does.
fn modes(call: &str) -> &'static [Mode] {
    match call {
        "close" => &[Mode::After],
        "open" | "openat" | "fsync" | "fdatasync" | "ftruncate" | "fallocate" | "unlink" | "unlinkat" | "rename"
        | "renameat" | "renameat2" | "link" | "linkat" | "mkdir" | "mkdirat" | "rmdir" | "flock" => {
            &[Mode::Before, Mode::After]
        }
        "write" | "pwrite64" | "writev" => &[Mode::Before, Mode::After],
        _ => &[Mode::Before],
    }
}

/// Every fault of a phase in which the call was made so many times.
pub fn points(phase: &str, call: &str, count: usize) -> Vec<Point> {
    let mut points = Vec::new();
    for number in 1..=count {
        let mut add = |mode, span, error| {
            points.push(Point { phase: phase.to_owned(), call: call.to_owned(), number, mode, span, error });
        };
        let all = modes(call).iter().flat_map(|mode| errors(call).iter().map(|error| (*mode, *error)));
        // Who was interrupted has done nothing, or all.
        for (mode, error) in all.filter(|kind| *kind != (Mode::After, libc::EINTR)) {
            add(mode, Span::Once, error);
            // With these somebody has to try again, for ever or for as long as an operation waits.
            if !matches!(error, libc::EINTR | libc::EAGAIN | libc::ENOLCK) {
                add(mode, Span::Always, error);
            }
            if mode == Mode::Before {
                add(mode, Span::Few, error);
            }
        }
        add(Mode::Death, Span::Once, libc::EIO);
        if matches!(call, "read" | "pread64" | "write" | "pwrite64") {
            add(Mode::Short, Span::Once, libc::EIO);
            add(Mode::Short, Span::Few, libc::EIO);
        }
    }
    points
}

/// Whether the call is one of those that are counted: it is about files, and neither memory alone nor the terminal.
pub fn counts(call: &Call) -> bool {
    let [first, _, _, flags, ..] = call.arguments;
    match call.name {
        "mmap" => flags & libc::MAP_ANONYMOUS as u64 == 0,
        // No system fails to close a folder, and Rust's library panics when one does.
        "close" => !Path::new(&format!("/proc/{}/fd/{}", call.process, first as i32)).is_dir(),
        "read" | "write" | "writev" => first as i32 > libc::STDERR_FILENO,
        _ => true,
    }
}
