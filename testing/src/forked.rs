//! Children made by fork, in the middle of a process with threads.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long a child may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child of this process, and what it has to say.
pub struct Forked {
    /// Until it was waited for.
    process: Option<libc::pid_t>,
    output: File,
}

/// How to make the child.
#[derive(Clone, Copy, PartialEq)]
pub enum By {
    /// `fork`, with its handlers.
    Fork,
    /// The bare system call, of which the C library and the handlers know nothing.
    Clone,
}

/// Makes a child, which runs `work` and ends. What `work` returns is told to the parent; a panic is one too.
pub fn fork(by: By, work: impl FnOnce() -> Result<String, String>) -> Forked {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: both descriptors are new and nobody else's.
    let [output, mut input] = ends.map(|end| unsafe { File::from_raw_fd(end) });
    // SAFETY: the child calls what the test is about, and ends without running anything of the parent's.
    let process = match by {
        By::Fork => unsafe { libc::fork() },
        By::Clone => unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t },
    };
    assert!(process >= 0, "no child: {}", std::io::Error::last_os_error());
    if process == 0 {
        let told = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("it panicked".to_owned()));
        let (text, status) = match told {
            Ok(text) => (text, 0),
            Err(text) => (text, 1),
        };
        let _ = input.write_all(text.as_bytes());
        // SAFETY: ends the process.
        unsafe { libc::_exit(status) };
    }
    Forked { process: Some(process), output }
}

/// Runs `work` in so many threads at the same time, as a program in C has them. A thread of Rust's library takes a lock
/// of that library as it starts, and in a child that lock may be held by a thread of the parent's for ever.
pub fn in_threads<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    type Part<'a> = Box<dyn FnOnce() + Send + 'a>;
    extern "C" fn start(part: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: made below, for this thread alone.
        unsafe { Box::from_raw(part.cast::<Part<'_>>())() };
        std::ptr::null_mut()
    }
    let mut results: Vec<_> = (0..count).map(|_| None).collect();
    let begin = |(number, result): (usize, &mut Option<T>)| {
        let work = &work;
        let part: Box<Part<'_>> =
            Box::new(Box::new(move || *result = catch_unwind(AssertUnwindSafe(|| work(number))).ok()));
        let mut thread = 0;
        // SAFETY: the thread ends before what it borrows, as all are joined below.
        let made =
            unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), start, Box::into_raw(part).cast()) };
        assert_eq!(made, 0, "no thread");
        thread
    };
    let threads: Vec<_> = results.iter_mut().enumerate().map(begin).collect();
    for thread in threads {
        // SAFETY: a thread that was made and not joined yet.
        assert_eq!(unsafe { libc::pthread_join(thread, std::ptr::null_mut()) }, 0);
    }
    results.into_iter().map(|result| result.expect("a thread panicked")).collect()
}

/// How many of this process's descriptors are connections to this port of loopback.
pub fn connections_to(port: u16) -> usize {
    let is_one = |descriptor: i32| {
        // SAFETY: plain data, for which zero is valid.
        let mut peer: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        let mut size = size_of_val(&peer) as libc::socklen_t;
        // SAFETY: there is room for the address. What is no socket, or no longer open, is an error.
        let got = unsafe { libc::getpeername(descriptor, (&raw mut peer).cast(), &raw mut size) };
        got == 0 && peer.sin_family == libc::AF_INET as libc::sa_family_t && u16::from_be(peer.sin_port) == port
    };
    (0..1024).filter(|descriptor| is_one(*descriptor)).count()
}

impl Forked {
    /// Waits for the child, and gives what its work returned. A child that hangs is an error.
    pub fn join(mut self) -> Result<String, String> {
        let begun = Instant::now();
        let mut text = String::new();
        let status = loop {
            // Not until its end: a child of its parent's may have inherited the pipe.
            self.collect(&mut text);
            if let Some(status) = self.wait(libc::WNOHANG) {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                return Err("the child hung".to_owned());
            }
        };
        self.collect(&mut text);
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
            Ok(text)
        } else {
            Err(format!("{status:#x}: {text}"))
        }
    }

    fn wait(&mut self, options: i32) -> Option<i32> {
        let (process, mut status) = (self.process?, 0);
        // SAFETY: room for a status, and the child is ours and has not been waited for.
        let ended = unsafe { libc::waitpid(process, &raw mut status, options) } == process;
        self.process.take_if(|_| ended).map(|_| status)
    }

    /// Reads what is there, waiting a little for more.
    fn collect(&mut self, text: &mut String) {
        let mut poll = libc::pollfd { fd: self.output.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor.
        while unsafe { libc::poll(&raw mut poll, 1, 5) } > 0 && poll.revents & libc::POLLIN != 0 {
            let mut bytes = [0; 4096];
            let size = self.output.read(&mut bytes).unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes[..size]));
        }
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            // SAFETY: the child is ours and has not been waited for.
            unsafe { libc::kill(process, libc::SIGKILL) };
            let _ = self.wait(0);
        }
    }
}
