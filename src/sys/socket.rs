//! What the standard library does not offer of sockets.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Connects to a socket of this machine, and waits no longer than that for its server to take one more.
///
/// # Errors
///
/// `InvalidInput` for a path that is too long, `WouldBlock` in the end, and what the system says.
pub fn connect_unix(path: &Path, within: Duration) -> io::Result<UnixStream> {
    // SAFETY: plain data, for which zero is valid.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = OsStr::as_bytes(path.as_os_str());
    // One byte stays zero, and ends it.
    if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of the socket is too long"));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    // SAFETY: no memory is passed.
    let made = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(made) });
    stream.set_write_timeout(Some(within))?;
    let (place, size) = ((&raw const address).cast(), size_of_val(&address) as libc::socklen_t);
    // SAFETY: the address lives as long as the call, and has that size.
    match unsafe { libc::connect(stream.as_raw_fd(), place, size) } {
        0 => Ok(stream),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether there is something to read, or an end, now.
pub fn is_readable(descriptor: RawFd) -> bool {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor, which need not be open.
    unsafe { libc::poll(&raw mut poll, 1, 0) != 0 }
}

/// Closes the copies that a child of `fork` has of descriptors whose owners are threads of the parent's, which in the
/// child never come to close them. The files and sockets themselves stay as they are.
pub fn close_copies(descriptors: impl IntoIterator<Item = RawFd>) {
    for descriptor in descriptors {
        // SAFETY: a number alone is passed; nobody in this process uses it, as the caller knows.
        unsafe { libc::close(descriptor) };
    }
}
