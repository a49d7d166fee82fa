//! Forks while threads are inside functions of the host, and forks by those functions themselves.

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};

use super::api::{ARGUMENT, CALLS, CHECKED, Handle, OK, STORE};
use super::{ALONE, CHILDREN};
use testing::forked::{By, Forked, fork};
use testing::{Folder, Watchdog};

/// What the functions of the host have in common. One campaign at a time uses it.
static HOST: Host = Host { held: Mutex::new(Held { inside: 0, open: true }), changed: Condvar::new() };

/// The process whose threads are held; others, its children, pass.
static HOLDER: AtomicI32 = AtomicI32::new(0);

/// The last message, in the process that sent it.
static CODE: Mutex<String> = Mutex::new(String::new());

struct Host {
    held: Mutex<Held>,
    changed: Condvar,
}

struct Held {
    /// How many threads are inside a function of the host.
    inside: usize,
    /// Whether they may go on.
    open: bool,
}

fn process() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getpid() }
}

impl Host {
    /// From now on, who comes stays, until [`Host::open`].
    fn close(&self) {
        HOLDER.store(process(), SeqCst);
        *self.held.lock().unwrap() = Held { inside: 0, open: false };
    }

    fn open(&self) {
        self.held.lock().unwrap().open = true;
        self.changed.notify_all();
    }

    /// Waits until so many threads are inside.
    fn until_inside(&self, count: usize) {
        drop(self.changed.wait_while(self.held.lock().unwrap(), |held| held.inside < count));
    }

    fn pass(&self) {
        if HOLDER.load(SeqCst) != process() {
            return;
        }
        let mut held = self.held.lock().unwrap();
        held.inside += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(held, |held| !held.open));
    }
}

fn wall() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

extern "C" fn clock(holds: *mut c_void) -> i64 {
    if !holds.is_null() {
        HOST.pass();
    }
    wall()
}

/// The member `code` of the message.
fn code_of(message: *const c_char) -> String {
    // SAFETY: the library gives a text that ends with NUL.
    let text = unsafe { CStr::from_ptr(message) }.to_str().unwrap();
    let message: serde_json::Value = serde_json::from_str(text).unwrap();
    message["code"].as_str().unwrap().to_owned()
}

extern "C" fn send(holds: *mut c_void, message: *const c_char) -> i32 {
    if !holds.is_null() {
        HOST.pass();
    }
    // Only where no other thread may hold it at a fork: not in a process with threads in here.
    if HOLDER.load(SeqCst) != process() {
        *CODE.lock().unwrap() = code_of(message);
    }
    1
}

/// Any address that is not NULL: the function holds who calls it.
fn holds() -> *mut c_void {
    (&raw const HOST).cast_mut().cast()
}

fn config(folder: &Folder, kind: &str) -> String {
    testing::config(&folder.repository(kind), "host", serde_json::json!({}))
}

const REQUEST: &str = r#"{"phoneNumber":"393331234567"}"#;

/// Four threads inside the clock and the send function; then forks in every way.
fn fork_with_threads_inside(in_clock: bool, kind: &str) {
    let folder = Folder::new(&format!("fork-inside-{in_clock}-{kind}"));
    let handle = Handle::open(&config(&folder, kind)).unwrap();
    handle.on_send(Some(send), if in_clock { std::ptr::null_mut() } else { holds() });
    handle.on_clock(Some(clock), if in_clock { holds() } else { std::ptr::null_mut() });
    HOST.close();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| scope.spawn(move || handle.create_with(&format!("parent {thread}"), REQUEST)))
            .collect();
        HOST.until_inside(4);
        let told = std::panic::catch_unwind(|| fork_all(handle));
        HOST.open();
        threads.into_iter().for_each(|thread| drop(thread.join().unwrap().expect("the parent is unharmed")));
        told.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
    });
    HOLDER.store(0, SeqCst);
    handle.create_with("after", REQUEST).unwrap();
    let code = CODE.lock().unwrap().clone();
    handle.expect("after", &code, OK).unwrap();
    handle.close();
}

fn fork_all(handle: Handle) {
    let works = |child: usize| {
        let work = move || {
            let token = format!("child {child}");
            handle.create_with(&token, REQUEST)?;
            let code = CODE.lock().unwrap().clone();
            handle.expect(&token, &code, OK)?;
            handle.expect(&token, &code, CHECKED)?;
            // The parent's threads are in calls of this handle: not here.
            handle.close();
            Ok(String::new())
        };
        fork(By::Fork, work)
    };
    let children: Vec<Forked> = (0..CHILDREN).map(works).collect();
    children.into_iter().for_each(|child| drop(child.join().unwrap()));
    let closes = fork(By::Fork, || {
        handle.close();
        Ok(String::new())
    });
    closes.join().unwrap();
    let raw = fork(By::Clone, || {
        let answers = handle.every_call("token", "1");
        handle.close();
        Ok(format!("{answers:?}"))
    });
    assert_eq!(raw.join().unwrap(), format!("{:?}", CALLS.map(|call| (call, STORE))));
}

#[test]
fn threads_inside_callbacks_do_not_matter() {
    let _alone = ALONE.lock();
    let _watchdog = Watchdog::new("forking with threads inside callbacks", 300);
    for _ in 0..testing::size(2, 20) {
        for kind in ["sqlite", "json"] {
            fork_with_threads_inside(true, kind);
            fork_with_threads_inside(false, kind);
        }
    }
}

/// The child that a callback makes: 0 for none yet, -1 in that child.
static MADE: AtomicI32 = AtomicI32::new(-2);

/// Forks, once, when that is asked for. The child closes the handle at once when it is given one.
fn fork_here(closes: *mut c_void) {
    if MADE.load(SeqCst) != 0 {
        return;
    }
    // SAFETY: the child goes on in this thread alone, and ends where the test ends it.
    let child = unsafe { libc::fork() };
    MADE.store(if child == 0 { -1 } else { child }, SeqCst);
    if child == 0 && !closes.is_null() {
        Handle::from_raw(closes).close();
    }
}

extern "C" fn forking_clock(closes: *mut c_void) -> i64 {
    fork_here(closes);
    wall()
}

extern "C" fn forking_send(closes: *mut c_void, message: *const c_char) -> i32 {
    *CODE.lock().unwrap() = code_of(message);
    fork_here(closes);
    1
}

/// A call forks in the middle, both processes return from it and use the handle. Gives what verifying the one code
/// came to in the child and in the parent.
fn fork_inside(in_clock: bool, closes: bool, kind: &str) -> [i32; 2] {
    let folder = Folder::new(&format!("fork-by-{in_clock}-{closes}-{kind}"));
    let config = config(&folder, kind);
    let handle = Handle::open(&config).unwrap();
    let closed = if closes { handle.to_raw() } else { std::ptr::null_mut() };
    MADE.store(if in_clock { -2 } else { 0 }, SeqCst);
    handle.on_send(Some(forking_send), closed);
    handle.on_clock(Some(forking_clock), closed);
    if !in_clock {
        // Not at the first reading of the clock, which comes before the message.
        handle.on_clock(None, std::ptr::null_mut());
    }
    let created = handle.create_with("token", REQUEST);
    let code = CODE.lock().unwrap().clone();
    if in_clock {
        MADE.store(0, SeqCst);
    }
    // In the child the handle may be closed by now.
    let is_closed = closes && MADE.load(SeqCst) == -1;
    let mut verified = if is_closed { ARGUMENT } else { handle.verify("token", &code).0 };
    if MADE.load(SeqCst) == -1 {
        if closes {
            verified = if handle.create_with("mine", REQUEST).is_err() { verified } else { 99 };
        } else if handle.create_with("mine", REQUEST).is_err() || created.is_err() {
            verified = 98;
        }
        // SAFETY: ends the process.
        unsafe { libc::_exit((verified + 100) & 0xff) };
    }
    created.unwrap();
    let mut status = 0;
    // SAFETY: room for a status. A child that hangs ends with the watchdog.
    assert!(unsafe { libc::waitpid(MADE.load(SeqCst), &raw mut status, 0) } > 0);
    assert!(libc::WIFEXITED(status), "the child was killed");
    handle.create_with("after", REQUEST).unwrap();
    let code = CODE.lock().unwrap().clone();
    handle.expect("after", &code, OK).unwrap();
    handle.close();
    [libc::WEXITSTATUS(status) - 100, verified]
}

#[test]
fn a_fork_inside_a_callback_works() {
    let _alone = ALONE.lock();
    let _watchdog = Watchdog::new("forking inside callbacks", 300);
    for _ in 0..testing::size(3, 30) {
        for kind in ["sqlite", "json"] {
            for (in_clock, closes) in [(true, false), (false, false), (true, true)] {
                let mut verified = fork_inside(in_clock, closes, kind);
                verified.sort_unstable();
                assert_eq!(verified, [OK, CHECKED], "in the clock: {in_clock}, closes: {closes}, {kind}");
            }
            // Closed inside the call that created it: the child has no handle left to verify with.
            assert_eq!(fork_inside(false, true, kind), [ARGUMENT, OK], "{kind}");
        }
    }
}
