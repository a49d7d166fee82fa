//! The system calls that need `unsafe`: becoming another user, and waiting for a signal.
#![allow(unsafe_code)]

use std::io;

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
