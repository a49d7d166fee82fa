//! Host names to addresses, within a deadline.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::sys;

/// Most addresses of a host that are tried.
pub const MAX_ADDRESSES: usize = 16;

/// The stack of a look-up, whatever the environment says: the system's needs some 100 KiB.
const STACK_BYTES: usize = 512 << 10;

/// Most look-ups under way: with a name server that does not answer, each leaves a thread behind for a while.
const MAX_LOOK_UPS: usize = 64;

/// Asks the system for the addresses of `host:port`.
pub type LookUp = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// The system's own look-up.
pub fn look_up(host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
    host_and_port.to_socket_addrs().map(|addresses| addresses.take(MAX_ADDRESSES).collect())
}

/// Looks names up on a thread of its own, since the system's look-up cannot be called off, and needs more of a stack
/// than a caller may have. A thread that cannot be started is an error.
#[derive(Debug)]
pub struct Names {
    look_up: LookUp,
    running: Arc<AtomicUsize>,
}

/// Why a look-up gave nothing.
#[derive(Debug)]
pub enum Missed {
    /// Too many are under way.
    Crowded,
    /// There was no thread for it.
    NoThread(io::Error),
    /// It goes on, and nobody waits any more.
    Late,
    /// It panicked.
    Broken,
}

impl fmt::Display for Missed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missed::Crowded => formatter.write_str("too many look-ups are waiting"),
            Missed::NoThread(cause) => write!(formatter, "cannot start a thread: {cause}"),
            Missed::Late => formatter.write_str("timed out looking the host up"),
            Missed::Broken => formatter.write_str("the look-up failed"),
        }
    }
}

/// The address that a host is, with brackets or without, if it is no name.
pub fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

impl Names {
    /// A resolver that asks `look_up`.
    pub fn new(look_up: LookUp) -> Self {
        Self { look_up, running: Arc::default() }
    }

    /// The addresses of a host; one that is an address itself is not looked up.
    ///
    /// # Errors
    ///
    /// Why there are none, in words, without the host.
    pub fn find(&self, host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, String> {
        if let Some(address) = address(host) {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let (look_up, host_and_port) = (self.look_up, format!("{host}:{port}"));
        let found = self.aside(within, move || look_up(&host_and_port)).map_err(|missed| missed.to_string())?;
        found.map_err(|cause| format!("host not found: {cause}"))
    }

    /// Has work done that looks a name up by itself.
    ///
    /// # Errors
    ///
    /// Why it came to nothing.
    pub fn aside<T: Send + 'static>(
        &self,
        within: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Missed> {
        let under_way = UnderWay::take(&self.running).ok_or(Missed::Crowded)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("otp-names".to_owned()).stack_size(STACK_BYTES);
        let started = sys::without_host_signals(|| {
            thread.spawn(move || {
                let done = work();
                drop(under_way);
                // Nobody listens after the deadline.
                let _ = sender.send(done);
            })
        });
        started.map_err(Missed::NoThread)?;
        receiver.recv_timeout(within).map_err(|cause| match cause {
            RecvTimeoutError::Timeout => Missed::Late,
            RecvTimeoutError::Disconnected => Missed::Broken,
        })
    }
}

/// A look-up under way.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn take(running: &Arc<AtomicUsize>) -> Option<Self> {
        let under_way = Self(running.clone());
        (running.fetch_add(1, Ordering::AcqRel) < MAX_LOOK_UPS).then_some(under_way)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
