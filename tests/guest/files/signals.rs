//! Signals that writing may raise: the host lives on, and its own are left alone.

use std::io::pipe;
use std::os::fd::AsRawFd;

use otp::{Outcome, Service};

use super::host::call;

const REQUEST: &str = r#"{"messengerId":"8192836451"}"#;

/// A service that prints to a pipe that nobody reads.
fn deaf_service() -> Service {
    let (reader, writer) = pipe().unwrap();
    // SAFETY: standard error of this child, which says nothing there.
    assert_eq!(unsafe { libc::dup2(writer.as_raw_fd(), 2) }, 2);
    drop((reader, writer));
    // SAFETY: the default, which ends the process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    Service::open(Some(&testing::config("memory:", "console", serde_json::json!({})))).unwrap().0
}

fn signals(read: impl FnOnce(*mut libc::sigset_t) -> i32) -> Vec<i32> {
    // SAFETY: zero is a valid set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    assert_eq!(read(&raw mut set), 0);
    // SAFETY: the set was read.
    (1..32).filter(|signal| unsafe { libc::sigismember(&raw const set, *signal) } == 1).collect()
}

fn pending() -> Vec<i32> {
    // SAFETY: room for a set.
    signals(|set| unsafe { libc::sigpending(set) })
}

fn blocked() -> Vec<i32> {
    // SAFETY: room for a set, and none to take.
    signals(|set| unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set) })
}

#[test]
fn a_console_that_nobody_reads_is_not_sent_and_no_death() {
    call(|| {
        let service = deaf_service();
        for round in 0..3 {
            let reply = service.create(&format!("token {round}"), Some(REQUEST)).unwrap();
            assert_eq!(reply.outcome, Outcome::Send);
        }
        assert_eq!((pending(), blocked()), (vec![], vec![]));
    });
}

#[test]
fn a_signal_that_waits_for_the_host_goes_on_waiting() {
    call(|| {
        let service = deaf_service();
        // SAFETY: a set is plain data, for which zero is valid; the signal is blocked before it is raised.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigaddset(&raw mut set, libc::SIGPIPE);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            libc::raise(libc::SIGPIPE);
        }
        assert_eq!(service.create("token", Some(REQUEST)).unwrap().outcome, Outcome::Send);
        assert_eq!((pending(), blocked()), (vec![libc::SIGPIPE], vec![libc::SIGPIPE]));
    });
}
