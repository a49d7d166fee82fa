//! Processes that do the same thing at the same moment, and the memory they share.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Words of shared memory. The first three are the barrier's.
const WORDS: usize = 1024;
const ARRIVED: usize = 0;
const ROUND: usize = 1;
const STOP: usize = 2;
/// Words from here on are the test's own.
const FREE: usize = 8;

/// How long a process sleeps before it looks whether all is over.
static LOOK: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// How long a round may take before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Memory that processes share through a file, with a barrier in it. Mapped until the process ends.
pub struct Shared {
    words: &'static [AtomicU32],
}

impl Shared {
    pub fn open(file: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file).unwrap();
        let bytes = WORDS * size_of::<AtomicU32>();
        file.set_len(bytes as u64).unwrap();
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of a file of that length, never unmapped; any bytes are atomic numbers.
        let words = unsafe {
            let start = libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, file.as_raw_fd(), 0);
            assert_ne!(start, libc::MAP_FAILED);
            std::slice::from_raw_parts(start.cast(), WORDS)
        };
        Self { words }
    }

    /// The test's own word of this number.
    pub fn word(&self, number: usize) -> &AtomicU32 {
        &self.words[FREE + number]
    }

    /// Lets everybody's waiting end, for good.
    pub fn stop(&self) {
        self.words[STOP].store(1, SeqCst);
        self.words[ROUND].fetch_add(1, SeqCst);
        futex(&self.words[ROUND], libc::FUTEX_WAKE, i32::MAX as u32);
    }

    /// Waits until `members` wait; `false` when it was stopped instead.
    pub fn wait(&self, members: usize) -> bool {
        self.wait_watching(members, || {})
    }

    fn wait_watching(&self, members: usize, mut watch: impl FnMut()) -> bool {
        let round = self.words[ROUND].load(SeqCst);
        if self.words[ARRIVED].fetch_add(1, SeqCst) + 1 == members as u32 {
            self.words[ARRIVED].store(0, SeqCst);
            self.words[ROUND].fetch_add(1, SeqCst);
            futex(&self.words[ROUND], libc::FUTEX_WAKE, i32::MAX as u32);
        }
        let stopped = || self.words[STOP].load(SeqCst) != 0;
        while self.words[ROUND].load(SeqCst) == round && !stopped() {
            futex(&self.words[ROUND], libc::FUTEX_WAIT, round);
            watch();
        }
        !stopped()
    }
}

fn futex(word: &AtomicU32, what: i32, value: u32) {
    // SAFETY: the word is valid, and the timeout is read only.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), what, value, &raw const LOOK) };
}

/// Child processes that share memory with their parent, which is a member of the barrier itself.
pub struct Crew {
    pub shared: Shared,
    children: Vec<Child>,
    members: usize,
}

impl Crew {
    /// Starts the same child several times, each with `threads` members. `entry` and `role` as for [`super::child`].
    pub fn start(entry: &str, roles: &[String], threads: usize, memory: &Path) -> Self {
        let shared = Shared::open(memory);
        let start = |role: &String| super::child(entry, role).stdout(Stdio::null()).spawn().unwrap();
        let children: Vec<_> = roles.iter().map(start).collect();
        Self { shared, members: children.len() * threads + 1, children }
    }

    pub fn members(&self) -> usize {
        self.members
    }

    /// Waits until everybody waits. Panics when a child has ended, or nothing happens.
    pub fn wait(&mut self) {
        let begun = Instant::now();
        let children = &mut self.children;
        self.shared.wait_watching(self.members, || {
            for child in children.iter_mut() {
                assert!(child.try_wait().unwrap().is_none(), "a child ended before its time");
            }
            assert!(begun.elapsed() < PATIENCE, "a round does not end");
        });
    }

    /// Ends the children, which wait at the barrier, and looks how they ended.
    pub fn finish(mut self) {
        self.shared.stop();
        for mut child in std::mem::take(&mut self.children) {
            assert!(child.wait().unwrap().success(), "a child failed");
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
