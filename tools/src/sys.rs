//! The system calls that need `unsafe`: becoming another user, and waiting for a signal.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

/// Whom the system takes this process for.
pub fn effective_uid() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Becomes this user, in this group alone, for good. To be called before there is a second thread.
///
/// # Errors
///
/// The system's; some of it may have been done.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // The user goes last: who is no longer root may not change the groups.
    // SAFETY: the pointer is to one group, which lives through the call; the others take numbers alone.
    let done = unsafe { libc::setgroups(1, &gid) == 0 && libc::setgid(gid) == 0 && libc::setuid(uid) == 0 };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The signals that a program is asked by to end, or to read its configuration again, kept from ending this one, so that
/// what it is doing is finished.
pub struct Signals(libc::sigset_t);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// SIGINT, SIGTERM.
    End,
    /// SIGHUP.
    Reopen,
}

impl Signals {
    /// Holds SIGINT, SIGTERM and SIGHUP back. To be called before there is a second thread.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn hold() -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the set, which outlives all calls.
        let (held, set) = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            let mut set = set.assume_init();
            libc::sigaddset(&mut set, libc::SIGINT);
            libc::sigaddset(&mut set, libc::SIGTERM);
            libc::sigaddset(&mut set, libc::SIGHUP);
            (libc::pthread_sigmask(libc::SIG_BLOCK, &set, null_mut()), set)
        };
        if held == 0 { Ok(Self(set)) } else { Err(io::Error::from_raw_os_error(held)) }
    }

    /// Waits for so long, or until one comes. Tells what it asks for.
    pub fn came_within(&self, time: Duration) -> Option<Wish> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let nanoseconds = left.subsec_nanos().into();
            let left = libc::timespec { tv_sec: left.as_secs() as libc::time_t, tv_nsec: nanoseconds };
            // SAFETY: set and time outlive the call, and nothing is asked about the signal.
            let signal = unsafe { libc::sigtimedwait(&self.0, null_mut(), &left) };
            if signal >= 0 {
                return Some(if signal == libc::SIGHUP { Wish::Reopen } else { Wish::End });
            }
            // Stopped and continued, say, the wait ends early.
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                return None;
            }
        }
    }
}
