//! What lies around the files: their owners, their modes, what is mounted, and what the system offers.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::host::worker::Place;
use otp::Service;
use testing::forked::{By, fork};
use testing::{Watchdog, complain};

/// "nobody", and the group of that name.
const OTHER: u32 = 65534;

/// A folder that any user can reach, removed at the end.
struct Open(PathBuf);

impl Open {
    fn new(name: &str, mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("libotp-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Self(path)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether what only the system's own user may do can be tested.
fn is_root() -> bool {
    // SAFETY: cannot fail and touches no memory.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        assert!(std::env::var("OTP_TEST_ALL").as_deref() != Ok("1"), "OTP_TEST_ALL=1 needs root");
        complain("SKIPPED, since only root may: files of others, and what is mounted");
    }
    root
}

fn done(result: libc::c_int) {
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Opens a service; its warnings, or its failure.
fn open(place: &Place) -> Result<Vec<String>, String> {
    match Service::open(Some(&place.config)) {
        Ok((service, warnings)) => {
            let reply = service.create("token", None).map_err(|failure| failure.to_string())?;
            let code = reply.message.unwrap().code.to_string();
            assert_eq!(service.verify("token", &code, None).unwrap().outcome, otp::Outcome::Ok);
            Ok(warnings)
        }
        Err(failure) => Err(failure.to_string()),
    }
}

/// Opens a service in a child, which prepares itself before.
fn open_in_child(place: &Place, prepare: impl FnOnce()) -> Result<String, String> {
    fork(By::Fork, || {
        prepare();
        open(place).map(|warnings| warnings.join("\n"))
    })
    .join()
}

fn open_as_other(place: &Place) -> Result<String, String> {
    // SAFETY: they change nothing but whose rights the process has.
    open_in_child(place, || unsafe {
        done(libc::setgroups(0, std::ptr::null()));
        done(libc::setgid(OTHER));
        done(libc::setuid(OTHER));
    })
}

fn path_of(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn mount(from: &Path, to: &Path) {
    let (from, to, none) = (path_of(from), path_of(to), std::ptr::null());
    // SAFETY: all texts end in a zero byte.
    done(unsafe { libc::mount(from.as_ptr(), to.as_ptr(), none, libc::MS_BIND, none.cast()) });
}

/// Opens a service in a child that sees what is mounted by itself alone.
fn open_with_mount(place: &Place, from: &Path, to: &Path) -> Result<String, String> {
    open_in_child(place, || {
        let (none, private) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
        // SAFETY: the root's name is a text that ends in a zero byte.
        unsafe {
            done(libc::unshare(libc::CLONE_NEWNS));
            done(libc::mount(none, c"/".as_ptr(), none, private, none.cast()));
        }
        mount(from, to);
    })
}

fn assert_refused(answer: Result<String, String>, words: &[&str]) {
    let why = answer.expect_err("it was opened");
    assert!(words.iter().all(|word| why.contains(word)), "{words:?} are not in: {why}");
}

#[test]
fn a_file_mounted_apart_is_refused_and_a_folder_is_not() {
    if !is_root() {
        return;
    }
    let _watchdog = Watchdog::new("mounts", 600);
    let home = Open::new("mounts", 0o755);
    let (data, elsewhere) = (home.0.join("data"), home.0.join("elsewhere"));
    fs::create_dir_all(data.join("sub")).unwrap();
    fs::create_dir_all(&elsewhere).unwrap();
    let (file, whole) = (Place::new(&data), Place::new(&elsewhere));
    open(&file).unwrap();
    // As `docker -v otp.db:/data/otp.db` does.
    fs::write(&whole.database, "").unwrap();
    fs::copy(file.beside(".key"), whole.beside(".key")).unwrap();
    let apart = open_with_mount(&whole, &file.database, &whole.database);
    assert_refused(apart, &["mounted apart from its folder", "otp.db"]);
    fs::remove_file(&whole.database).unwrap();
    // As volumes are, and parts of them (`subPath`).
    open_with_mount(&whole, &data, &elsewhere).unwrap();
    open_with_mount(&whole, &data.join("sub"), &elsewhere).unwrap();
}

#[test]
fn side_files_of_others_are_refused() {
    if !is_root() {
        return;
    }
    for side in ["-wal", "-shm", "-lock"] {
        let home = Open::new("planted", 0o755);
        let place = Place::new(&home.0);
        open(&place).unwrap();
        let _ = fs::remove_file(place.beside(side));
        fs::write(place.beside(side), "").unwrap();
        chown(place.beside(side), Some(OTHER), Some(OTHER)).unwrap();
        let refused = open(&place).map(|warnings| warnings.join("\n"));
        assert_refused(refused, &[side, "belongs to user 65534, and this process is user 0"]);
        assert_eq!(fs::read(place.beside(side)).unwrap(), b"", "{side} was written to");
    }
}

#[test]
fn a_database_of_others_is_refused_and_an_open_one_is_warned_of() {
    let home = Open::new("modes", 0o700);
    let place = Place::new(&home.0);
    let before = open(&place).unwrap();
    fs::set_permissions(&place.database, Permissions::from_mode(0o666)).unwrap();
    let warnings = open(&place).unwrap();
    assert_eq!(warnings.len(), before.len() + 1, "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("otp.db\" is open to group or others")), "{warnings:?}");
    if is_root() {
        chown(&place.database, Some(OTHER), Some(OTHER)).unwrap();
        assert_refused(open(&place).map(|_| String::new()), &["otp.db", "belongs to user 65534"]);
    }
}

#[test]
fn folders_are_ours_or_the_systems() {
    if !is_root() {
        return;
    }
    // As orchestrators make volumes: of root, and writable by the group that the process has.
    for (mode, warned) in [(0o2775, true), (0o1777, false)] {
        let home = Open::new("volume", mode);
        chown(&home.0, Some(0), Some(OTHER)).unwrap();
        fs::set_permissions(&home.0, Permissions::from_mode(mode)).unwrap();
        let warnings = open_as_other(&Place::new(&home.0)).unwrap();
        assert_eq!(warnings.contains("may replace its files"), warned, "{mode:o}: {warnings}");
    }
    let home = Open::new("theirs", 0o755);
    chown(&home.0, Some(OTHER), Some(OTHER)).unwrap();
    let place = Place::new(&home.0);
    assert_refused(open(&place).map(|_| String::new()), &["folder", "belongs to user 65534"]);
    open_as_other(&place).unwrap();
}

/// Has the system answer, for this process and its children, that it knows no locks that belong to an open file.
pub fn without_locks_of_open_files() -> io::Result<()> {
    const NUMBER: u32 = 0;
    /// Where the second argument lies, its lower half, in `struct seccomp_data`.
    const COMMAND: u32 = if cfg!(target_endian = "little") { 24 } else { 28 };
    let load = |offset| libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: offset };
    let skip_unless = |value, others| libc::sock_filter { code: 0x15, jt: 0, jf: others, k: value };
    let answer = |value| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: value };
    let mut filter = [
        load(NUMBER),
        skip_unless(libc::SYS_fcntl as u32, 3),
        load(COMMAND),
        skip_unless(libc::F_OFD_SETLK as u32, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives as long as the calls.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if set { Ok(()) } else { Err(io::Error::last_os_error()) }
}
