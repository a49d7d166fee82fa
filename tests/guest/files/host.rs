//! Hosts that are not like this one: another user, other mounts, other limits.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use otp::{Outcome, Service};

use testing::complain;
use testing::forked::{By, fork};

/// A user that owns nothing.
pub const NOBODY: u32 = 65534;

/// A folder that everybody may enter, unlike those of the build; removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("otp-host-{name}-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether this process is root. Says so when it is not, and fails with `OTP_TEST_ALL=1`.
pub fn is_root() -> bool {
    // SAFETY: cannot fail and touches no memory.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        assert!(std::env::var("OTP_TEST_ALL").as_deref() != Ok("1"), "OTP_TEST_ALL=1 needs root");
        complain(&format!("SKIPPED without root: {}", std::thread::current().name().unwrap_or("a test")));
    }
    root
}

/// Runs `work` in a child, so that what it does to its process ends with it.
#[track_caller]
pub fn call(work: impl FnOnce()) {
    let told = |panic: Box<dyn std::any::Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast_ref::<&str>().map_or("it panicked".to_owned(), |text| (*text).to_owned()),
    };
    let child = fork(By::Fork, || catch_unwind(AssertUnwindSafe(work)).map(|()| String::new()).map_err(told));
    child.join().unwrap();
}

/// For a child: gives up being root.
pub fn become_user(user: u32, group: u32) {
    // SAFETY: no groups are read, and the rest touches no memory.
    let done =
        unsafe { libc::setgroups(0, std::ptr::null()) == 0 && libc::setgid(group) == 0 && libc::setuid(user) == 0 };
    assert!(done, "{}", std::io::Error::last_os_error());
}

/// For a child: makes every attempt at a hard link fail, and at renaming with conditions, as on some file systems.
pub fn without_hard_links() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, k, jt| libc::sock_filter { code, jt, jf: u8::from(code == EQUAL && jt == 0), k };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    // The number of the system call is the first word.
    let mut filter = vec![step(LOAD, 0, 0)];
    let calls = [
        #[cfg(target_arch = "x86_64")]
        libc::SYS_link,
        libc::SYS_linkat,
        libc::SYS_renameat2,
    ];
    for call in calls {
        filter.extend([step(EQUAL, call as u32, 0), step(RETURN, refuse, 0)]);
    }
    filter.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives as long as the calls; it is copied.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    assert!(done, "{}", std::io::Error::last_os_error());
}

/// A configuration with a `json:` repository in this folder, of which the host delivers the codes.
pub fn config(folder: &Path) -> String {
    testing::config(&format!("json:{}", folder.display()), "none", serde_json::json!({}))
}

/// The same with a key of its own, so that nothing is made beside the folder.
pub fn with_key(folder: &Path) -> String {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    format!(r#"{{"key":"{key}",{}"#, &config(folder)[1..])
}

/// Creates a code.
pub fn create(service: &Service, token: &str) -> otp::Result<String> {
    let reply = service.create(token, Some("{}"))?;
    assert_eq!(reply.outcome, Outcome::Ok);
    Ok(reply.message.unwrap().code.to_string())
}

/// Creates a code and uses it, which works once.
pub fn use_code(service: &Service, token: &str) {
    let code = create(service, token).unwrap();
    for expected in [Outcome::Ok, Outcome::Checked] {
        assert_eq!(service.verify(token, &code, None).unwrap().outcome, expected, "{token}");
    }
}

/// Runs `work` with a soft limit of the process, which is taken back afterwards.
pub fn limited<T>(resource: libc::__rlimit_resource_t, limit: u64, work: impl FnOnce() -> T) -> T {
    let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for a limit.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut before) }, 0);
    let set = |soft| {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: before.rlim_max };
        // SAFETY: a limit.
        assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
    };
    set(limit);
    let result = work();
    set(before.rlim_cur);
    result
}
