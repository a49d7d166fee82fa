//! System calls that the standard library does not offer, made safe.

use std::io;

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
