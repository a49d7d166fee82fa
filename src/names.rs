//! Host names to addresses, within a deadline.

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

/// Looks names up on a thread of its own, since the system's look-up cannot be called off. A thread that cannot be
/// started is an error.
#[derive(Debug)]
pub struct Names {
    look_up: LookUp,
    running: Arc<AtomicUsize>,
}

impl Names {
    /// A resolver that asks `look_up`.
    pub fn new(look_up: LookUp) -> Self {
        Self { look_up, running: Arc::default() }
    }

    /// The addresses of a host; one that is an address itself, with brackets or without, is not looked up.
    ///
    /// # Errors
    ///
    /// Why there are none, in words, without the host.
    pub fn find(&self, host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, String> {
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
            Err(_) => self.ask(format!("{host}:{port}"), within),
        }
    }

    fn ask(&self, host_and_port: String, within: Duration) -> Result<Vec<SocketAddr>, String> {
        let under_way = UnderWay::take(&self.running).ok_or("too many look-ups are waiting")?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let look_up = self.look_up;
        let thread = thread::Builder::new().name("otp-names".to_owned()).stack_size(STACK_BYTES);
        let started = sys::without_host_signals(|| {
            thread.spawn(move || {
                let found = look_up(&host_and_port);
                drop(under_way);
                // Nobody listens after the deadline.
                let _ = sender.send(found);
            })
        });
        started.map_err(|cause| format!("cannot start a thread: {cause}"))?;
        match receiver.recv_timeout(within) {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(cause)) => Err(format!("host not found: {cause}")),
            Err(RecvTimeoutError::Timeout) => Err("timed out looking the host up".to_owned()),
            Err(RecvTimeoutError::Disconnected) => Err("the look-up failed".to_owned()),
        }
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
