//! What the tests share: sizes, seeds, tools, folders, children, a guard against hanging, and the simulated carrier.

pub mod browser;
pub mod carrier;
pub mod compiler;
pub mod crew;
pub mod forked;
pub mod links;
pub mod mutate;
pub mod place;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod schema;
pub mod specification;
pub mod story;
pub mod workspace;

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// What a child process was started for; not set in the test itself.
const ROLE: &str = "OTP_TEST_ROLE";

/// The size of a campaign: `OTP_TEST_SIZE=small` (the default) or `full`.
pub fn size(small: usize, full: usize) -> usize {
    match std::env::var("OTP_TEST_SIZE").as_deref() {
        Err(_) | Ok("small") => small,
        Ok("full") => full,
        Ok(other) => panic!("OTP_TEST_SIZE is small or full, not {other}"),
    }
}

/// The program of this name. Says so when it is missing, and fails with `OTP_TEST_ALL=1`.
pub fn tool(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var("OTP_TEST_ALL").as_deref() != Ok("1"), "{name} is missing, and OTP_TEST_ALL=1 needs it");
        complain(&format!("SKIPPED, since {name} is missing: {}", std::thread::current().name().unwrap_or("a test")));
    }
    found
}

/// A port of loopback that nobody has now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes a line to standard error past the capturing of the test harness.
pub fn complain(line: &str) {
    let text = format!("{line}\n");
    // SAFETY: the bytes are those of `text`.
    let _ = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

/// An example in Rust, which is built together with the tests.
pub fn rust_example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let example = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(example.exists(), "{} is missing: cargo build --example {name}", example.display());
    example
}

/// The shared library that belongs to this test.
pub fn shared_library() -> PathBuf {
    let library = std::env::current_exe().unwrap().with_file_name("libotp.so");
    assert!(library.exists(), "{} is missing", library.display());
    library
}

/// Where tests may leave files.
pub fn scratch() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(3).unwrap().join("tmp")
}

/// A folder of its own, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        Self::within(&scratch(), name)
    }

    /// One of several with this name.
    pub fn another(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        Self::new(&format!("{name}{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// In memory, where the system has files there.
    pub fn in_memory(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::within(memory, &format!("otp-{name}")) } else { Self::new(name) }
    }

    fn within(folder: &Path, name: &str) -> Self {
        let path = folder.join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The repository of this kind in this folder, as the configuration names it.
    pub fn repository(&self, kind: &str) -> String {
        match kind {
            "sqlite" => format!("sqlite:{}/otp.db", self.0.display()),
            "json" => format!("json:{}/otp", self.0.display()),
            "memory" => "memory:".to_owned(),
            other => panic!("no repository {other}"),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A configuration without limits of sends, and with these members; those of `policy` come to the others there.
pub fn config(repository: &str, sender: &str, more: Value) -> String {
    let mut config = json!({"repository": repository, "sender": {"type": sender},
        "policy": {"cooldownSeconds": 0, "sendLimits": []}});
    if place::is_shared(repository) {
        config["key"] = json!(place::KEY);
    }
    for (name, value) in more.as_object().unwrap() {
        match (config[name].as_object_mut(), value) {
            (Some(members), Value::Object(more)) if name == "policy" => members.extend(more.clone()),
            _ => config[name] = value.clone(),
        }
    }
    config.to_string()
}

/// Random numbers that a seed repeats (SplitMix64). The seed is told when the test fails, and taken from
/// `OTP_TEST_SEED`.
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub fn from_environment() -> Self {
        let given = std::env::var("OTP_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        Self::seeded(given.unwrap_or_else(|| RandomState::new().hash_one(std::process::id())))
    }

    pub fn seeded(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.draw() % end as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            complain(&format!("repeat with OTP_TEST_SEED={}", self.seed));
        }
    }
}

/// The full name of a test of the module that asks.
#[macro_export]
macro_rules! here {
    ($test:literal) => {
        concat!(module_path!(), "::", $test)
    };
}

/// This test program again, to run one test, as [`here`] names it, in a process of its own, in which [`role`] is set.
pub fn child(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    // The harness leaves the crate's own name out.
    let (_, name) = test.split_once("::").unwrap();
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command
}

/// What this process was started for, if it is a [`child`].
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// What a test, as [`here`] names it, may do only in a process of its own.
pub fn alone(test: &str, work: impl FnOnce()) {
    if role().as_deref() == Some("alone") {
        let _watchdog = Watchdog::new(test, 300);
        return work();
    }
    let output = child(test, "alone").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Ends the process, as failed, unless it is dropped in time: nothing may hang.
pub struct Watchdog {
    _alive: Sender<()>,
}

impl Watchdog {
    pub fn new(what: &str, seconds: u64) -> Self {
        let (alive, over) = channel();
        let what = what.to_owned();
        std::thread::spawn(move || {
            if over.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout) {
                complain(&format!("HANGS for {seconds} seconds: {what}"));
                std::process::abort();
            }
        });
        Self { _alive: alive }
    }
}
