//! The end of the thread through the C functions: whoever closes, and wherever.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use otp::ffi::callbacks::{OTP_LOG_DEBUG, otp_on_clock, otp_on_log};
use otp::ffi::codes::{otp_cancel, otp_create, otp_status};
use otp::ffi::library::{otp_close, otp_open, otp_service};
use otp::ffi::results::{OTP_E_ARGUMENT, OTP_E_INTERNAL, OTP_OK, OTP_REPLY_SIZE, otp_result};

use super::{BACKGROUND, T0, is_driver, threads, until, wait_for_threads};
use testing::Folder;
use testing::carrier::{BOTH, Carrier, uuid};
use testing::forked::{By, fork};

/// A handle, as a C program shares it between threads.
#[derive(Clone, Copy)]
struct Handle(*mut otp_service);

// SAFETY: the functions may be called from any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

type Log = Box<dyn Fn(&str) + Send + Sync>;

/// What the host's functions share.
struct Host {
    clock: AtomicI64,
    log: Log,
    dropped: Arc<AtomicUsize>,
}

impl Handle {
    fn open(config: &str) -> Self {
        let (mut service, config) = (null_mut(), CString::new(config).unwrap());
        // SAFETY: as the header asks, here and in all calls below.
        assert_eq!(unsafe { otp_open(config.as_ptr(), &raw mut service, null_mut(), 0) }, OTP_OK);
        Self(service)
    }

    /// Gives the service a log and a clock, which live until both were dropped.
    fn host(self, log: impl Fn(&str) + Send + Sync + 'static) -> &'static Host {
        let dropped = Arc::new(AtomicUsize::new(0));
        let host: &'static Host = Box::leak(Box::new(Host { clock: AtomicI64::new(T0), log: Box::new(log), dropped }));
        let data = std::ptr::from_ref(host).cast_mut().cast();
        // SAFETY: the data lives for ever.
        unsafe {
            assert_eq!(otp_on_log(self.0, OTP_LOG_DEBUG, Some(on_log), data, Some(on_drop)), OTP_OK);
            assert_eq!(otp_on_clock(self.0, Some(on_clock), data, Some(on_drop)), OTP_OK);
        }
        host
    }

    fn create(self, token: &str) -> (otp_result, String) {
        let (token, request) = (CString::new(token).unwrap(), CString::new(BOTH).unwrap());
        let mut reply = [0; OTP_REPLY_SIZE];
        // SAFETY: see `open`.
        unsafe {
            let result = otp_create(self.0, token.as_ptr(), request.as_ptr(), reply.as_mut_ptr(), reply.len());
            (result, CStr::from_ptr(reply.as_ptr()).to_str().unwrap().to_owned())
        }
    }

    fn status(self) -> otp_result {
        // SAFETY: see `open`.
        unsafe { otp_status(self.0, c"t".as_ptr(), null_mut(), 0) }
    }

    fn cancel(self) -> otp_result {
        // SAFETY: see `open`.
        unsafe { otp_cancel(self.0, c"another".as_ptr(), null_mut(), 0) }
    }

    fn close(self) {
        // SAFETY: see `open`.
        unsafe { otp_close(self.0) };
    }
}

extern "C" fn on_log(host: *mut c_void, _level: i32, event: *const c_char) {
    // SAFETY: what `Handle::host` gave, and a text that ends with NUL.
    let (host, event) = unsafe { (&*host.cast::<Host>(), CStr::from_ptr(event)) };
    (host.log)(event.to_str().unwrap());
}

extern "C" fn on_clock(host: *mut c_void) -> i64 {
    // SAFETY: what `Handle::host` gave.
    unsafe { &*host.cast::<Host>() }.clock.load(SeqCst)
}

extern "C" fn on_drop(host: *mut c_void) {
    // SAFETY: what `Handle::host` gave.
    unsafe { &*host.cast::<Host>() }.dropped.fetch_add(1, SeqCst);
}

impl Host {
    fn dropped(&self) -> usize {
        self.dropped.load(SeqCst)
    }

    fn later(&self) {
        self.clock.fetch_add(120_000, SeqCst);
    }
}

/// Whether this is the thread of the service.
fn on_driver() -> bool {
    std::thread::current().name() == Some("otp-driver")
}

#[test]
fn closing_waits_for_a_message_that_is_being_sent() {
    testing::alone(testing::here!("closing_waits_for_a_message_that_is_being_sent"), || {
        let (arrived, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (arrives, goes_on) = (arrived.clone(), go_on.clone());
        let carrier = Carrier::with(move |message| {
            if message["channel"] == "sms" {
                arrives.wait();
                goes_on.wait();
            }
            true
        });
        let folder = Folder::new("background-close");
        let config = carrier.config(&folder.repository("sqlite"), BACKGROUND);
        let handle = Handle::open(&config);
        let host = handle.host(|_| {});
        assert_eq!(handle.create("t").0, OTP_OK);
        host.later();
        arrived.wait();
        let closed = Arc::new(AtomicBool::new(false));
        let tells = closed.clone();
        let closing = std::thread::spawn(move || {
            handle.close();
            tells.store(true, SeqCst);
        });
        std::thread::sleep(Duration::from_millis(300));
        assert!(!closed.load(SeqCst));
        assert_eq!((handle.status(), host.dropped()), (OTP_E_ARGUMENT, 0));
        go_on.wait();
        closing.join().unwrap();
        wait_for_threads(0);
        assert_eq!(host.dropped(), 2);
        // What came of it was stored.
        let service = super::open(&carrier.config(&folder.repository("sqlite"), "")).0;
        let steps = service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
        assert_eq!(steps[1].message_uuid.as_deref(), Some(uuid(2).as_str()));
        assert_eq!(carrier.channels(), ["messenger", "sms"]);
    });
}

/// In the log of its own thread, alone, and while another thread is inside of a call.
#[test]
fn a_callback_on_the_thread_may_close() {
    testing::alone(testing::here!("a_callback_on_the_thread_may_close"), || {
        for others in [0, 1] {
            let (inside, go_on) = (Arc::new(Barrier::new(1 + others)), Arc::new(Barrier::new(1 + others)));
            let carrier = Carrier::start();
            let handle = Handle::open(&carrier.config("memory:", BACKGROUND));
            let closed = Arc::new(AtomicBool::new(false));
            let tells = closed.clone();
            let (comes, goes) = (inside.clone(), go_on.clone());
            let host = handle.host(move |event| {
                if on_driver() && event.contains(r#""event":"send""#) {
                    handle.close();
                    assert_eq!(handle.status(), OTP_E_ARGUMENT);
                    tells.store(true, SeqCst);
                } else if event.contains(r#""event":"cancel""#) {
                    comes.wait();
                    goes.wait();
                }
            });
            assert_eq!(handle.create("t").0, OTP_OK);
            let other = (others == 1).then(|| std::thread::spawn(move || handle.cancel()));
            inside.wait();
            host.later();
            until("the callback has not closed", || closed.load(SeqCst));
            until("the thread has not ended", || threads() == 0);
            if let Some(other) = other {
                assert_eq!(host.dropped(), 0);
                go_on.wait();
                other.join().unwrap();
            }
            until("the callbacks were not dropped", || host.dropped() == 2);
            assert_eq!(carrier.channels(), ["messenger", "sms"]);
        }
    });
}

#[test]
fn a_callback_on_the_thread_may_fork() {
    testing::alone(testing::here!("a_callback_on_the_thread_may_fork"), || {
        let (carrier, folder) = (Carrier::start(), Folder::new("background-callback"));
        let handle = Handle::open(&carrier.config(&folder.repository("sqlite"), BACKGROUND));
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let tells = told.clone();
        let host = handle.host(move |event| {
            if !on_driver() || !event.contains(r#""event":"send""#) {
                return;
            }
            // SAFETY: the child goes on as if nothing were, and ends with its only thread.
            let returns = unsafe { libc::fork() };
            if returns == 0 {
                return;
            }
            let mut status = -1;
            // SAFETY: room for a status.
            assert_eq!(unsafe { libc::waitpid(returns, &raw mut status, 0) }, returns);
            let child = fork(By::Fork, || {
                let result = handle.create("child").0;
                // The one that forked, and the child's own.
                wait_for_threads(2);
                handle.close();
                Ok(format!("{result}"))
            });
            tells.lock().unwrap().push((child.join(), status));
        });
        assert_eq!(handle.create("t").0, OTP_OK);
        host.later();
        until("the callback has not forked", || !told.lock().unwrap().is_empty());
        handle.close();
        assert_eq!(*told.lock().unwrap(), [(Ok("0".to_owned()), 0)]);
        wait_for_threads(0);
        assert_eq!(host.dropped(), 2);
        let sms = carrier.channels().iter().filter(|channel| *channel == "sms").count();
        assert_eq!(sms, 1);
    });
}

#[test]
fn a_child_starts_and_ends_its_own() {
    testing::alone(testing::here!("a_child_starts_and_ends_its_own"), || {
        let (carrier, folder) = (Carrier::start(), Folder::new("background-child"));
        let handle = Handle::open(&carrier.config(&folder.repository("sqlite"), BACKGROUND));
        let host = handle.host(|_| {});
        assert_eq!(handle.create("t").0, OTP_OK);
        for calls in [false, true] {
            let child = fork(By::Fork, || {
                let inherited = threads();
                if calls {
                    assert_eq!(handle.status(), OTP_OK);
                    wait_for_threads(1);
                }
                handle.close();
                Ok(format!("{inherited} {} {}", threads(), host.dropped()))
            });
            assert_eq!(child.join(), Ok("0 0 2".to_owned()));
        }
        wait_for_threads(1);
        assert_eq!(host.dropped(), 0);
        handle.close();
        wait_for_threads(0);
        assert_eq!(host.dropped(), 2);
    });
}

#[test]
fn opening_and_closing_leaves_nothing() {
    testing::alone(testing::here!("opening_and_closing_leaves_nothing"), || {
        let (carrier, folder) = (Carrier::start(), Folder::new("background-many"));
        let config = carrier.config(&folder.repository("sqlite"), BACKGROUND);
        let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let mut before = 0;
        for round in 0..200 {
            let handle = Handle::open(&config);
            let host = handle.host(|_| {});
            if round % 4 > 0 {
                assert_eq!(handle.status(), 8);
            }
            if round % 4 > 2 {
                std::thread::sleep(Duration::from_millis(round % 7));
            }
            handle.close();
            // A thread that was waited for to its end is listed a moment longer.
            wait_for_threads(0);
            assert_eq!(host.dropped(), 2, "round {round}");
            match round {
                9 => before = files(),
                199 => assert_eq!(files(), before),
                _ => {}
            }
        }
    });
}

#[test]
fn signals_are_for_the_host_s_threads() {
    testing::alone(testing::here!("signals_are_for_the_host_s_threads"), || {
        let handle = Handle::open(&Carrier::start().config("memory:", BACKGROUND));
        let blocked = |status: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim().to_owned();
            u64::from_str_radix(&line, 16).unwrap()
        };
        let own = || blocked(&std::fs::read_to_string("/proc/thread-self/status").unwrap());
        hold_back(libc::SIGUSR1);
        let before = own();
        assert_ne!(before & 1 << (libc::SIGUSR1 - 1), 0);
        let _ = handle.status();
        assert_eq!(own(), before);
        wait_for_threads(1);
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap());
        let tasks: Vec<_> = tasks.filter(is_driver).collect();
        assert_eq!(tasks.len(), 1);
        let status = std::fs::read_to_string(tasks[0].path().join("status")).unwrap();
        let held = [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGALRM,
            libc::SIGVTALRM,
            libc::SIGCHLD,
            libc::SIGPIPE,
            libc::SIGTSTP,
            libc::SIGTTIN,
            libc::SIGTTOU,
            libc::SIGWINCH,
            libc::SIGCONT,
            libc::SIGIO,
        ];
        let added = held.iter().fold(0, |set, signal| set | 1_u64 << (signal - 1));
        assert_eq!(blocked(&status), before | added, "these, and what the thread that began it held back");
        handle.close();
    });
}

fn hold_back(signal: libc::c_int) {
    // SAFETY: zero is a valid set, which both calls may change; nothing else is written.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, null_mut());
    }
}

/// There is no room for its stack. The test itself runs on the first thread.
#[test]
fn a_thread_that_cannot_be_started_is_an_error() {
    const TEST: &str = "close::a_thread_that_cannot_be_started_is_an_error";
    if testing::role().is_none() {
        let output = testing::child(TEST, "alone").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let config = r#"{"repository":"memory:","sender":{"type":"host"},"background":true}"#;
    let handle = Handle::open(config);
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
    let room = libc::rlimit { rlim_cur: pages * 4096 + (1 << 20), rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads the limit, which is there.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const room) }, 0);
    for _ in 0..2 {
        let (result, reply) = handle.create("t");
        assert_eq!(result, OTP_E_INTERNAL);
        assert!(reply.contains("background: cannot start a thread: "), "{reply}");
    }
    handle.close();
    // SAFETY: as the header asks.
    assert_eq!(unsafe { otp_status(null_mut(), null(), null_mut(), 0) }, OTP_E_ARGUMENT);
}
