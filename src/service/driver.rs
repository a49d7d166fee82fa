//! The background driver: one thread of a service that does what is due, for hosts without an event loop.
//!
//! It rests until the next timer, and looks at least every few seconds whatever it knows. No call has to wake it:
//! a step waits for its condition for 15 seconds at least, so a timer that anybody sets, in this process or another,
//! is seen by a look before it is due.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use crate::error::{Error, Result};
use crate::fork::{self, ForkAware, lock};
use crate::sys;

/// The longest rest of a service that has timers: shorter than the shortest wait for a condition, and by much, since
/// the clock may be set meanwhile.
pub const LOOK: Duration = Duration::from_secs(5);

/// The longest rest with a clock of the host, which may go at any speed.
pub const LOOK_AT_HOST_CLOCK: Duration = Duration::from_millis(500);

/// How often rows past retention are removed, and the rest of a service that has nothing else to do.
pub const SWEEP: Duration = Duration::from_secs(60);

/// The rest after a failure.
pub const PAUSE: Duration = Duration::from_secs(5);

/// Name of the thread.
const NAME: &str = "otp-driver";

/// Its stack, whatever the environment says: most of it is for the host's functions.
const STACK_BYTES: usize = 2 << 20;

/// Does what is due now, and removes old rows if asked to. Gives how long to rest; `None` when the service has ended.
pub type Round = dyn Fn(bool) -> Option<Duration> + Send + Sync;

/// A service's thread. Dropped with the service, it ends the thread and waits for it.
pub struct Driver(Arc<DriverState>);

#[derive(Default)]
struct DriverState {
    /// Whether there is a thread in this process: spares every call the lock.
    runs: AtomicBool,
    thread: Mutex<Option<RunningThread>>,
    round: OnceCell<Arc<Round>>,
}

struct RunningThread {
    /// Never dropped: in a child of a fork the thread is not there, and nothing may be asked of it.
    handle: ManuallyDrop<JoinHandle<()>>,
    ends: Arc<AtomicBool>,
}

impl Driver {
    /// A driver whose thread has not been started.
    ///
    /// # Errors
    ///
    /// `Internal` when fork handlers cannot be installed.
    pub fn new() -> Result<Self> {
        let inner = Arc::new(DriverState::default());
        let member: Arc<dyn ForkAware> = inner.clone();
        fork::register(Arc::downgrade(&member))?;
        Ok(Self(inner))
    }

    /// Sets how rounds are done, in place of what [`Driver::start`] is given. Only the first one counts.
    pub fn set_round(&self, round: Arc<Round>) {
        let _ = self.0.round.set(round);
    }

    /// Starts the thread, unless it runs in this process.
    ///
    /// # Errors
    ///
    /// `Internal` when it cannot be started; `Store` in a child that was made without fork handlers.
    pub fn start(&self, round: impl FnOnce() -> Arc<Round>) -> Result<()> {
        if self.0.runs.load(Ordering::Acquire) {
            return Ok(());
        }
        fork::check()?;
        let round = self.0.round.get().cloned().unwrap_or_else(round);
        fork::shared(|| {
            let mut thread = lock(&self.0.thread);
            if thread.is_none() {
                *thread = Some(RunningThread::start(round)?);
            }
            self.0.runs.store(true, Ordering::Release);
            Ok(())
        })
    }
}

impl RunningThread {
    fn start(round: Arc<Round>) -> Result<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        let seen = ends.clone();
        let thread = thread::Builder::new().name(NAME.to_owned()).stack_size(STACK_BYTES);
        let handle = sys::without_host_signals(|| thread.spawn(move || drive(&*round, &seen)));
        let handle = handle.map_err(|cause| Error::internal(format!("background: cannot start a thread: {cause}")))?;
        Ok(Self { handle: ManuallyDrop::new(handle), ends })
    }
}

fn drive(round: &Round, ends: &AtomicBool) {
    let mut sweep_at = Instant::now();
    while !ends.load(Ordering::Acquire) {
        let sweeps = Instant::now() >= sweep_at;
        if sweeps {
            sweep_at = Instant::now() + SWEEP;
        }
        let rest = catch_unwind(AssertUnwindSafe(|| round(sweeps))).unwrap_or(Some(PAUSE));
        let Some(rest) = rest else { return };
        let until = Instant::now() + rest;
        while !ends.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
    }
}

impl Drop for Driver {
    /// Not in the drop of `DriverState`, the last owner of which may be the handler of a fork, where nobody waits.
    fn drop(&mut self) {
        if fork::check().is_err() {
            return;
        }
        let Some(RunningThread { handle, ends }) = fork::shared(|| lock(&self.0.thread).take()) else { return };
        ends.store(true, Ordering::Release);
        let handle = ManuallyDrop::into_inner(handle);
        handle.thread().unpark();
        // Where a callback ended the service, this is that thread itself, and it ends when it comes back from here.
        if handle.thread().id() != thread::current().id() {
            let _ = handle.join();
        }
    }
}

impl ForkAware for DriverState {
    fn before_fork(&self) {}

    /// The thread is not in the child, unless it is the one that forked: then it ends when it comes back.
    fn in_child(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            thread.ends.store(true, Ordering::Release);
        }
        self.runs.store(false, Ordering::Release);
    }
}
