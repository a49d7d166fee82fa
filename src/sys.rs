//! System calls that the standard library does not offer, made safe. With the C interface it is the only place of
//! `unsafe` code.

#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(not(test), deny(clippy::undocumented_unsafe_blocks))]

#[cfg(feature = "postgres")]
pub mod socket;
pub mod sqlite;

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Has `prepare` called before every `fork`, and `parent` and `child` after it on either side.
///
/// # Errors
///
/// The system has no memory for it.
pub fn at_fork(prepare: extern "C" fn(), parent: extern "C" fn(), child: extern "C" fn()) -> io::Result<()> {
    // SAFETY: the functions are safe to call at any time and stay mapped, since the library is never unloaded.
    match unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// The user whose rights this process has.
pub fn effective_uid() -> u32 {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}

/// Signals for which hosts have handlers, which must run on threads of the host.
const FOR_THE_HOST: [libc::c_int; 14] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGCHLD,
    libc::SIGPIPE,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGIO,
];

/// Runs `section` with the signals held back from this thread, and from threads that it starts meanwhile, that are for
/// the host's own threads. Others stay as they are: runtimes stop every thread that has run their code by a signal of
/// theirs, and wait for it, and a host that reads signals has blocked its own everywhere.
pub fn without_host_signals<T>(section: impl FnOnce() -> T) -> T {
    struct RestoreMask(libc::sigset_t);
    impl Drop for RestoreMask {
        fn drop(&mut self) {
            // SAFETY: the set is initialised, and nothing is to be written.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
        }
    }
    let added = set_of(&FOR_THE_HOST);
    // SAFETY: a set of signals is plain data, for which zero is valid; the call gets valid sets and cannot fail.
    let before = unsafe {
        let mut before = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const added, &raw mut before);
        before
    };
    let _restore = RestoreMask(before);
    section()
}

/// Runs `section`, in which writing to a pipe that nobody reads, or beyond the largest size that a file may have
/// (`RLIMIT_FSIZE`), is an error and no signal: by default either would end the host.
pub fn without_write_signals<T>(section: impl FnOnce() -> T) -> T {
    let _held = HeldBack::new(&[libc::SIGPIPE, libc::SIGXFSZ]);
    section()
}

/// Signals that are held back from this thread. Those that come meanwhile are forgotten at the end.
struct HeldBack<'a> {
    signals: &'a [libc::c_int],
    /// The mask before.
    mask: libc::sigset_t,
    /// What was waiting before: the host's.
    pending: libc::sigset_t,
}

impl<'a> HeldBack<'a> {
    fn new(signals: &'a [libc::c_int]) -> Self {
        let set = set_of(signals);
        // SAFETY: zero is a valid set; both calls get valid sets.
        unsafe {
            let (mut mask, mut pending) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigpending(&raw mut pending);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut mask);
            Self { signals, mask, pending }
        }
    }
}

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        // SAFETY: all sets are initialised; the signals that are waited for are blocked, and nobody waits for long.
        unsafe {
            let mut pending = std::mem::zeroed();
            libc::sigpending(&raw mut pending);
            let is_in = |set: &libc::sigset_t, signal| libc::sigismember(set, signal) == 1;
            let ours = |signal: &&libc::c_int| is_in(&pending, **signal) && !is_in(&self.pending, **signal);
            for signal in self.signals.iter().filter(ours) {
                let (set, at_once) = (set_of(&[*signal]), libc::timespec { tv_sec: 0, tv_nsec: 0 });
                libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const at_once);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask, std::ptr::null_mut());
        }
    }
}

fn set_of(signals: &[libc::c_int]) -> libc::sigset_t {
    // SAFETY: zero is a valid set, and the signals have valid numbers.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}

/// A kind of lock on a range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeLock {
    /// Keeps writers of the range out; needs a file that is open for reading.
    Shared,
    /// Keeps everybody out; needs a file that is open for writing.
    Exclusive,
    /// Gives back what is held.
    None,
}

/// Takes a lock on `length` bytes from `start` on, without waiting, in place of one that is held. It belongs to the
/// open file and not to the process: closing another descriptor of the same file does not end it. `false` when
/// somebody else holds a lock that forbids it.
///
/// # Errors
///
/// `InvalidInput` where the system has no such locks, and others.
pub fn lock_range(file: &File, kind: RangeLock, start: i64, length: i64) -> io::Result<bool> {
    // SAFETY: the structure is plain data, for which zero is valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = match kind {
        RangeLock::Shared => libc::F_RDLCK as libc::c_short,
        RangeLock::Exclusive => libc::F_WRLCK as libc::c_short,
        RangeLock::None => libc::F_UNLCK as libc::c_short,
    };
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    (lock.l_start, lock.l_len) = (start, length);
    // SAFETY: the descriptor is open, and the structure lives as long as the call.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) } == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        cause if matches!(cause.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        cause => Err(cause),
    }
}

/// Gives the first `length` bytes of the file their blocks, and makes the file at least so long. What is in it stays.
///
/// # Errors
///
/// `StorageFull`; `Unsupported` where the file system cannot do it; and others.
pub fn allocate(file: &File, length: i64) -> io::Result<()> {
    loop {
        // SAFETY: the descriptor is open.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } == 0 {
            return Ok(());
        }
        let cause = io::Error::last_os_error();
        if cause.kind() != io::ErrorKind::Interrupted {
            return Err(cause);
        }
    }
}

/// Whether nobody may write to where the file is mounted.
///
/// # Errors
///
/// The system does not tell.
pub fn is_read_only(file: &File) -> io::Result<bool> {
    // SAFETY: the structure is plain data, for which zero is valid.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and there is room for the answer.
    match unsafe { libc::fstatvfs(file.as_raw_fd(), &raw mut found) } {
        0 => Ok(found.f_flag & libc::ST_RDONLY != 0),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether something is mounted at this very path, a symbolic link itself and not what it leads to; `None` when the
/// system does not tell.
pub fn is_mount_point(path: &CStr) -> Option<bool> {
    // SAFETY: the structure is plain data, for which zero is valid.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // By number, since older C libraries do not have the function.
    // SAFETY: the path ends in a zero byte, and there is room for the answer.
    let result = unsafe { libc::syscall(libc::SYS_statx, libc::AT_FDCWD, path.as_ptr(), flags, 0, &raw mut found) };
    let attribute = libc::STATX_ATTR_MOUNT_ROOT as u64;
    (result == 0 && found.stx_attributes_mask & attribute != 0).then_some(found.stx_attributes & attribute != 0)
}
