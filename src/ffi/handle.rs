//! Handles: numbers that lead to a service, so that a handle that is closed, foreign or made up leads nowhere.
//!
//! A number is never given twice in a process, and never dereferenced. The table counts the calls that run on each
//! service; whoever closes it waits for them, or leaves it to the last of them to free the service.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::Service;
use crate::error::{Error, Result};
use crate::ffi::guard::catch;
use crate::fork::{self, ForkAware};
use crate::service::driver::PAUSE;

/// A service: what otp_open() makes and otp_close() frees. Any number of threads may use it at once.
pub struct otp_service {
    _opaque: (),
}

/// Runtimes know that nothing lies below.
const FIRST_PAGE_BYTES: usize = 4096;

/// How long a close waits at most before it looks itself whether the calls have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

static TABLE: Mutex<Table> = Mutex::new(Table { slots: BTreeMap::new(), opened: 0 });

thread_local! {
    /// The services that calls of this thread are running on, outermost first. Never destroyed, so that this works
    /// also while a thread ends; the memory goes back whenever it is empty.
    static RUNNING: ManuallyDrop<RefCell<Vec<usize>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

struct Table {
    slots: BTreeMap<usize, Slot>,
    opened: usize,
}

struct Slot {
    /// From a box. A raw pointer, since calls hold references to it while the slot moves about.
    service: NonNull<Service>,
    running: usize,
    closed: bool,
    /// Who waits in otp_close().
    waiting: Option<Thread>,
}

// SAFETY: stands for the box of a `Service`, which any thread may own, share and drop.
unsafe impl Send for Slot {}

impl Slot {
    fn is_over(&self) -> bool {
        self.closed && self.running == 0
    }

    /// The service, of a slot that is over and was just removed from the table.
    fn into_service(self) -> Box<Service> {
        // SAFETY: made by `Box::into_raw`, and given back once, since the slot is consumed; nobody holds a reference,
        // since no call runs and none can begin.
        unsafe { Box::from_raw(self.service.as_ptr()) }
    }
}

impl Table {
    fn remove_if_over(&mut self, id: usize) -> Option<Box<Service>> {
        if self.slots.get(&id).is_some_and(Slot::is_over) {
            self.slots.remove(&id).map(Slot::into_service)
        } else {
            None
        }
    }
}

/// A call that runs on a service, which lives at least as long.
pub struct RunningCall {
    id: usize,
    service: NonNull<Service>,
}

impl Deref for RunningCall {
    type Target = Service;

    fn deref(&self) -> &Service {
        // SAFETY: the service is freed only when no call is counted on it.
        unsafe { self.service.as_ref() }
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        RUNNING.with(|running| {
            let mut running = running.borrow_mut();
            running.pop();
            if running.is_empty() {
                *running = Vec::new();
            }
        });
        // Where a lock may be held for ever, rather leave the service than wait.
        if fork::check().is_err() {
            return;
        }
        let (over, waiting) = fork::shared(|| {
            let mut table = fork::lock(&TABLE);
            let Some(slot) = table.slots.get_mut(&self.id) else { return (None, None) };
            slot.running = slot.running.saturating_sub(1);
            match slot.waiting.clone() {
                Some(waiting) => (None, slot.is_over().then_some(waiting)),
                None => (table.remove_if_over(self.id), None),
            }
        });
        if let Some(waiting) = waiting {
            waiting.unpark();
        }
        drop(over);
    }
}

/// Takes a service into the table; the number is its handle.
///
/// # Errors
///
/// `Internal` when fork handlers cannot be installed.
pub fn add(service: Service) -> Result<*mut otp_service> {
    watch_forks()?;
    let id = fork::shared(|| {
        let mut table = fork::lock(&TABLE);
        table.opened += 1;
        // Odd, so that it is never the address of an object of the host; and no address within the first page, which
        // runtimes take for a sign of damage where a pointer is due.
        FIRST_PAGE_BYTES + 2 * table.opened - 1
    });
    // Its own thread comes through the handle as the host does: a round is a call like any other.
    service.set_round(move |sweeps| {
        let round = || enter(std::ptr::without_provenance_mut(id)).map(|service| service.drive(sweeps));
        catch(|| Ok(round().ok())).unwrap_or(Some(PAUSE))
    });
    let service = NonNull::from(Box::leak(Box::new(service)));
    fork::shared(|| {
        let mut table = fork::lock(&TABLE);
        table.slots.insert(id, Slot { service, running: 0, closed: false, waiting: None });
    });
    Ok(std::ptr::without_provenance_mut(id))
}

/// Begins a call on the service behind a handle.
///
/// # Errors
///
/// `Argument` when there is none; `Store` in a child that was made without fork handlers.
pub fn enter(handle: *mut otp_service) -> Result<RunningCall> {
    if handle.is_null() {
        return Err(Error::argument("service: must not be NULL"));
    }
    fork::check()?;
    let id = handle.addr();
    let service = fork::shared(|| {
        let mut table = fork::lock(&TABLE);
        let slot = table.slots.get_mut(&id).filter(|slot| !slot.closed)?;
        slot.running += 1;
        Some(slot.service)
    });
    let service = service.ok_or_else(|| Error::argument("service: is not open"))?;
    RUNNING.with(|running| running.borrow_mut().push(id));
    Ok(RunningCall { id, service })
}

/// Closes a handle: frees the service when no call runs on it, at once, after waiting, or, where this thread runs one
/// itself, when the last ends. A handle that is not open is left alone.
///
/// # Errors
///
/// `Store` in a child that was made without fork handlers: there the service is left as it is.
pub fn close(handle: *mut otp_service) -> Result<()> {
    let id = handle.addr();
    fork::check()?;
    let waits = calls_of_this_thread(id) == 0;
    let known = fork::shared(|| {
        let mut table = fork::lock(&TABLE);
        let Some(slot) = table.slots.get_mut(&id).filter(|slot| !slot.closed) else { return false };
        slot.closed = true;
        slot.waiting = waits.then(thread::current);
        true
    });
    if !known || !waits {
        return Ok(());
    }
    loop {
        let over = fork::shared(|| fork::lock(&TABLE).remove_if_over(id));
        if over.is_some() {
            return Ok(());
        }
        // Not for ever: a thread at its end has lost the identity by which it would be woken.
        thread::park_timeout(LOOK_AGAIN);
    }
}

fn calls_of_this_thread(id: usize) -> usize {
    RUNNING.with(|running| running.borrow().iter().filter(|running| **running == id).count())
}

/// Tells the table of forks. No lock guards the first time: a second registration does no harm, and a thread that is
/// in here at a fork keeps nothing from the child.
fn watch_forks() -> Result<()> {
    static WATCHING: AtomicBool = AtomicBool::new(false);
    if !WATCHING.load(Ordering::Acquire) {
        let watcher: Arc<dyn ForkAware> = Arc::new(Watcher);
        fork::register(Arc::downgrade(&watcher))?;
        std::mem::forget(watcher);
        WATCHING.store(true, Ordering::Release);
    }
    Ok(())
}

struct Watcher;

impl ForkAware for Watcher {
    fn before_fork(&self) {}

    /// Only the calls of the thread that forked go on here.
    fn in_child(&self) {
        for (id, slot) in &mut fork::lock(&TABLE).slots {
            slot.running = calls_of_this_thread(*id);
            slot.waiting = None;
        }
    }
}
