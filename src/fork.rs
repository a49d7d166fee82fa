//! What `fork` asks of the library: nobody inside a critical section, no open connection, and a child that starts
//! clean.
//!
//! One process-wide gate does it. Whoever takes a lock that another thread might hold while the process forks takes
//! it inside [`shared`]; the `fork` handler takes the gate alone. So at the moment of the fork no lock is held, no
//! transaction runs, and the members that are registered here have closed what must not be shared. Nobody waits,
//! calls back or talks to a network inside the gate.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, Weak};

use once_cell::sync::OnceCell;

use crate::error::{Error, Result};
use crate::sys;

static GATE: RwLock<()> = RwLock::new(());
static MEMBERS: Mutex<Vec<Weak<dyn ForkAware>>> = Mutex::new(Vec::new());
static HANDLERS: OnceCell<()> = OnceCell::new();

/// The process in which the handlers were installed or have run.
static PROCESS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// What this thread holds between the handlers of its `fork`.
    static FORKING: RefCell<Option<Forking>> = const { RefCell::new(None) };
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Fields are dropped in this order: a member that ends here needs the gate.
struct Forking {
    _gate: RwLockWriteGuard<'static, ()>,
    members: Vec<Arc<dyn ForkAware>>,
}

/// Something that holds what must not be carried over a fork. Both functions run while this thread is alone inside
/// the gate.
pub trait ForkAware: Send + Sync {
    /// Closes connections and gives back what a child must not have, in the process that is about to fork. They are
    /// opened again when next needed.
    fn before_fork(&self);

    /// Forgets what other threads had begun: in the child there are none.
    fn in_child(&self);
}

/// Runs a short section that a fork waits for. Sections do not nest: the second would wait for a fork that waits for
/// the first.
pub fn shared<T>(section: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }
    debug_assert!(!INSIDE.get(), "sections of the fork gate do not nest");
    let _gate = GATE.read().unwrap_or_else(PoisonError::into_inner);
    INSIDE.set(true);
    let _leave = Leave;
    section()
}

/// Locks; a panic of another holder does not matter, since no section leaves its data half changed.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the member of every fork for as long as it lives. Installs the handlers at the first call.
///
/// # Errors
///
/// `Internal` when the system has no memory for the handlers.
pub fn register(member: Weak<dyn ForkAware>) -> Result<()> {
    HANDLERS.get_or_try_init(|| {
        PROCESS.store(std::process::id(), Ordering::Release);
        sys::at_fork(prepare, parent, child)
            .map_err(|cause| Error::internal(format!("cannot install fork handlers: {cause}")))
    })?;
    shared(|| {
        let mut members = lock(&MEMBERS);
        members.retain(|member| member.strong_count() > 0);
        members.push(member);
    });
    Ok(())
}

/// Whether this process may use what it inherited: not a child in which the handlers did not run. Asked before any
/// lock is taken, since there they may be held for ever.
///
/// # Errors
///
/// `Store` in such a child.
pub fn check() -> Result<()> {
    let process = PROCESS.load(Ordering::Acquire);
    if process != 0 && process != std::process::id() {
        return Err(Error::store("this process was made without fork handlers and cannot use the repository"));
    }
    Ok(())
}

extern "C" fn prepare() {
    let gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
    let members: Vec<_> = lock(&MEMBERS).iter().filter_map(Weak::upgrade).collect();
    members.iter().for_each(|member| member.before_fork());
    FORKING.set(Some(Forking { _gate: gate, members }));
}

extern "C" fn parent() {
    drop(FORKING.take());
}

extern "C" fn child() {
    PROCESS.store(std::process::id(), Ordering::Release);
    let forking = FORKING.take();
    forking.iter().flat_map(|forking| &forking.members).for_each(|member| member.in_child());
    drop(forking);
}
