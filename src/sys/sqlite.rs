//! SQLite's locks on `-shm`, made to belong to its open file.
//!
//! As SQLite takes them they belong to the process, and any close of the file in it ends them all: by another SQLite
//! in the process that reads and closes, or by a program that merely reads the file. A transaction that runs at that
//! moment then keeps nobody out, and a checkpoint elsewhere cuts the log that it writes to. All connections of a
//! process share one open `-shm`, so locks of that open file serve them as well, and no other close ends them. The
//! locks on the database are another matter: each connection has it open for itself.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Once;

use libc::{c_int, flock, off_t};
use rusqlite::ffi::{sqlite3_syscall_ptr, sqlite3_vfs_find};

/// The bytes of `-shm` that SQLite locks (`UNIX_SHM_BASE` to `UNIX_SHM_DMS`). Those of a database lie at 1 GiB.
const INDEX: RangeInclusive<off_t> = 120..=128;

/// As SQLite declares `fcntl`, with the third argument, which SQLite always gives here.
type Control = unsafe extern "C" fn(c_int, c_int, *mut flock) -> c_int;

/// Has it so in this process. Call it before the first connection is opened.
pub fn keep_index_locks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the default file system of SQLite stays, the name ends in a zero byte, and the function takes what
        // SQLite passes. SQLite calls it through a pointer of the type that it has there.
        unsafe {
            let system = sqlite3_vfs_find(std::ptr::null());
            if let Some(set) = system.as_ref().and_then(|system| system.xSetSystemCall) {
                let control = std::mem::transmute::<Control, sqlite3_syscall_ptr>(control);
                // Where it is refused, SQLite goes on as it would without.
                set(system, c"fcntl".as_ptr(), control);
            }
        }
    });
}

/// `fcntl` for SQLite.
unsafe extern "C" fn control(file: c_int, command: c_int, argument: *mut flock) -> c_int {
    let of_file = match command {
        libc::F_SETLK => libc::F_OFD_SETLK,
        libc::F_GETLK => libc::F_OFD_GETLK,
        // SAFETY: what SQLite wants is what the system gets.
        _ => return unsafe { libc::fcntl(file, command, argument) },
    };
    // SAFETY: with these commands comes a lock, which lives as long as the call.
    unsafe {
        if INDEX.contains(&(*argument).l_start) {
            (*argument).l_pid = 0;
            let result = libc::fcntl(file, of_file, argument);
            // Else the system has no such locks.
            if result == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
                return result;
            }
        }
        libc::fcntl(file, command, argument)
    }
}
