//! A process whose system calls are seen, refused, cut short or belied: `ptrace`, with a filter that stops it at the
//! calls about files alone.
//!
//! The process that is traced speaks through [`say`]: a write to a descriptor that does not exist, which the tracer
//! takes for itself. So what it says stands in one order with all that it does.
#![allow(dead_code, reason = "every campaign uses its own part")]

pub mod calls;
pub mod subject;
pub mod world;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use libc::{c_int, c_long, c_void, pid_t};

/// The descriptor of [`say`].
const VOICE: c_int = 0x5a59;

/// The worker has no more to do, and may be killed.
const END: &str = "end";

/// A system call that a traced process is about to make, or has made.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub process: pid_t,
    pub name: &'static str,
    pub arguments: [u64; 6],
}

impl Call {
    /// Bytes of the caller's memory.
    pub fn memory(&self, from: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: length };
        let remote = libc::iovec { iov_base: from as *mut c_void, iov_len: length };
        // SAFETY: the local room is as long as it says; the remote one is checked by the system.
        let read = unsafe { libc::process_vm_readv(self.process, &raw const local, 1, &raw const remote, 1, 0) };
        bytes.truncate(read.max(0) as usize);
        bytes
    }

    /// A text of the caller's memory that ends with NUL.
    pub fn text(&self, from: u64) -> String {
        // Not beyond a page at once: the next one may not be there.
        let mut bytes = Vec::new();
        while !bytes.contains(&0) {
            let at = from + bytes.len() as u64;
            let piece = self.memory(at, 4096 - (at % 4096) as usize);
            assert!(!piece.is_empty(), "{} has a text that cannot be read", self.name);
            bytes.extend(piece);
        }
        bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or_default());
        String::from_utf8(bytes).unwrap()
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Pass,
    /// It is made, and [`Observer::leaves`] hears how it ended.
    Follow,
    /// It is not made, and the caller gets this result.
    Skip(i64),
    /// It is made with this third argument: of reading and writing, how many bytes.
    Shorten(u64),
    /// The worker and its children are killed before it is made.
    Kill,
}

/// Who looks at the calls of a process and of its children.
pub trait Observer {
    /// Something was said.
    fn hears(&mut self, line: &str);

    /// A call is about to be made.
    fn enters(&mut self, call: &Call) -> Verdict;

    /// A call that was followed has this result. Gives the one that the caller gets.
    fn leaves(&mut self, call: &Call, result: i64) -> i64;
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It had done its work, and was killed.
    Killed,
    /// It, or a child of it, ended otherwise.
    Died(String),
    /// It did not come to an end.
    Hung,
}

/// Says a line to whoever traces this process.
pub fn say(line: &str) {
    // SAFETY: the bytes are those of the line.
    let said = unsafe { libc::syscall(libc::SYS_write, VOICE, line.as_ptr(), line.len()) };
    assert_eq!(said, line.len() as c_long, "nobody listens to {line}");
}

/// Whether this machine lets a process be traced.
pub fn is_allowed() -> bool {
    struct Deaf;
    impl Observer for Deaf {
        fn hears(&mut self, _line: &str) {}
        fn enters(&mut self, _call: &Call) -> Verdict {
            Verdict::Pass
        }
        fn leaves(&mut self, _call: &Call, result: i64) -> i64 {
            result
        }
    }
    Tracer::new(60).run(&mut Deaf, || {}, |()| {}) == Ending::Killed
}

/// Makes processes and traces them, one at a time. Belongs to the thread that made it.
pub struct Tracer {
    alarm: &'static Alarm,
    limit: Duration,
}

impl Tracer {
    /// No worker may take longer than that.
    pub fn new(limit_seconds: u64) -> Self {
        Self { alarm: Alarm::start(), limit: Duration::from_secs(limit_seconds) }
    }

    /// Makes a process that prepares itself, unseen, and then works, seen. It is killed when it has done its work.
    pub fn run<T>(&self, observer: &mut impl Observer, prepare: impl FnOnce() -> T, work: impl FnOnce(T)) -> Ending {
        // SAFETY: the child runs what the test is about, and ends without running anything of the parent's.
        let worker = unsafe { libc::fork() };
        assert!(worker >= 0, "no child: {}", std::io::Error::last_os_error());
        if worker == 0 {
            let done = catch_unwind(AssertUnwindSafe(|| {
                let prepared = prepare();
                enlist();
                work(prepared);
                say(END);
            }));
            // SAFETY: ends the process.
            unsafe { libc::_exit(if done.is_ok() { 0 } else { 101 }) };
        }
        self.alarm.set(worker, self.limit);
        let mut session = Session { worker, observer, known: BTreeSet::new(), ending: None };
        while let Some((process, status)) = wait() {
            session.handle(process, status);
        }
        if self.alarm.clear() { Ending::Hung } else { session.ending.unwrap_or(Ending::Died("unseen".to_owned())) }
    }
}

/// Lets the parent trace this process, and stops until it does.
fn enlist() {
    // SAFETY: these calls touch no memory.
    unsafe {
        libc::setpgid(0, 0);
        assert_eq!(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0), 0, "tracing is not allowed");
        libc::raise(libc::SIGSTOP);
    }
    calls::install_filter();
}

/// Waits for this thread's own children alone, and what is traced of theirs.
fn wait() -> Option<(pid_t, c_int)> {
    let mut status = 0;
    // SAFETY: room for a status.
    let process = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    (process > 0).then_some((process, status))
}

/// A worker that is being traced.
struct Session<'a, O> {
    worker: pid_t,
    observer: &'a mut O,
    /// The processes and threads that are traced.
    known: BTreeSet<pid_t>,
    ending: Option<Ending>,
}

impl<O: Observer> Session<'_, O> {
    fn handle(&mut self, process: pid_t, status: c_int) {
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            return self.note_end(process, status);
        }
        let event = status >> 16;
        match libc::WSTOPSIG(status) {
            // The first stop of each.
            libc::SIGSTOP if self.known.insert(process) => self.take_on(process),
            libc::SIGTRAP if event == libc::PTRACE_EVENT_SECCOMP => self.stop_at_call(process),
            libc::SIGTRAP if event != 0 => go_on(process, libc::PTRACE_CONT, 0),
            signal => go_on(process, libc::PTRACE_CONT, signal),
        }
    }

    fn take_on(&self, process: pid_t) {
        let options = libc::PTRACE_O_TRACESECCOMP
            | libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_EXITKILL;
        // SAFETY: the process is stopped and ours.
        unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, process, 0, c_long::from(options)) };
        go_on(process, libc::PTRACE_CONT, 0);
    }

    fn note_end(&mut self, process: pid_t, status: c_int) {
        let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
        let why = match signal {
            Some(signal) => format!("signal {signal}"),
            None => format!("exit {}", libc::WEXITSTATUS(status)),
        };
        let is_death = process == self.worker || signal.is_some() || libc::WEXITSTATUS(status) == 101;
        if is_death && self.ending.is_none() {
            self.ending = Some(Ending::Died(why));
            // Its children end with it.
            self.kill();
        }
    }

    fn kill(&self) {
        // SAFETY: the group is the worker's own.
        unsafe { libc::kill(-self.worker, libc::SIGKILL) };
    }

    fn stop_at_call(&mut self, process: pid_t) {
        let Some(mut registers) = registers(process) else { return };
        let name = calls::name(registers.orig_rax as c_long);
        let r = &registers;
        let call = Call { process, name, arguments: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] };
        let verdict = match self.heard(&call) {
            Some(line) if line == END => Verdict::Kill,
            Some(line) => {
                self.observer.hears(&line);
                Verdict::Skip(line.len() as i64)
            }
            None => self.observer.enters(&call),
        };
        match verdict {
            Verdict::Pass => go_on(process, libc::PTRACE_CONT, 0),
            Verdict::Follow => self.follow(&call),
            Verdict::Skip(result) => {
                registers.orig_rax = u64::MAX;
                registers.rax = result as u64;
                set_registers(process, &registers);
                go_on(process, libc::PTRACE_CONT, 0);
            }
            Verdict::Kill => {
                self.ending = Some(Ending::Killed);
                self.kill();
            }
            Verdict::Shorten(count) => {
                registers.rdx = count;
                set_registers(process, &registers);
                go_on(process, libc::PTRACE_CONT, 0);
            }
        }
    }

    /// What the call says, if it is a saying.
    fn heard(&self, call: &Call) -> Option<String> {
        let [descriptor, from, length, ..] = call.arguments;
        let is_saying = call.name == "write" && descriptor as c_int == VOICE;
        is_saying.then(|| String::from_utf8(call.memory(from, length as usize)).unwrap())
    }

    /// Lets the call be made, and waits for its end. Meanwhile no other that is looked at is made, so that what is
    /// followed has one order. Nothing of the library's waits for another process inside a call.
    fn follow(&mut self, call: &Call) {
        go_on(call.process, libc::PTRACE_SYSCALL, 0);
        let mut status = 0;
        // SAFETY: room for a status.
        let found = unsafe { libc::waitpid(call.process, &raw mut status, libc::__WALL) };
        if found != call.process {
            return;
        }
        if !libc::WIFSTOPPED(status) || libc::WSTOPSIG(status) != libc::SIGTRAP | 0x80 {
            return self.handle(call.process, status);
        }
        let Some(mut registers) = registers(call.process) else { return };
        registers.rax = self.observer.leaves(call, registers.rax as i64) as u64;
        set_registers(call.process, &registers);
        go_on(call.process, libc::PTRACE_CONT, 0);
    }
}

fn go_on(process: pid_t, how: libc::c_uint, signal: c_int) {
    // SAFETY: touches no memory of ours. Fails only when the process was killed meanwhile.
    unsafe { libc::ptrace(how, process, 0, c_long::from(signal)) };
}

/// `None` when the process was killed meanwhile.
fn registers(process: pid_t) -> Option<libc::user_regs_struct> {
    // SAFETY: the structure is plain data, for which zero is valid, and has room for all registers.
    unsafe {
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        (libc::ptrace(libc::PTRACE_GETREGS, process, 0, &raw mut registers) == 0).then_some(registers)
    }
}

fn set_registers(process: pid_t, registers: &libc::user_regs_struct) {
    // SAFETY: the structure is whole. Fails only when the process was killed meanwhile.
    unsafe { libc::ptrace(libc::PTRACE_SETREGS, process, 0, registers as *const libc::user_regs_struct) };
}

/// Kills a worker that takes too long.
struct Alarm {
    begun: Instant,
    /// The worker, or 0.
    worker: AtomicI32,
    /// Milliseconds after `begun`.
    until_ms: AtomicU64,
    rang: AtomicI32,
}

impl Alarm {
    fn start() -> &'static Self {
        let alarm: &'static Self = Box::leak(Box::new(Self {
            begun: Instant::now(),
            worker: AtomicI32::new(0),
            until_ms: AtomicU64::new(0),
            rang: AtomicI32::new(0),
        }));
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(200));
                let worker = alarm.worker.load(SeqCst);
                if worker != 0 && alarm.begun.elapsed().as_millis() as u64 > alarm.until_ms.load(SeqCst) {
                    alarm.rang.store(1, SeqCst);
                    // SAFETY: the group, or before it has one the process, is the worker's own.
                    unsafe {
                        libc::kill(-worker, libc::SIGKILL);
                        libc::kill(worker, libc::SIGKILL);
                    }
                }
            }
        });
        alarm
    }

    fn set(&self, worker: pid_t, limit: Duration) {
        self.until_ms.store((self.begun.elapsed() + limit).as_millis() as u64, SeqCst);
        self.worker.store(worker, SeqCst);
    }

    /// Whether it rang.
    fn clear(&self) -> bool {
        self.worker.store(0, SeqCst);
        self.rang.swap(0, SeqCst) == 1
    }
}
