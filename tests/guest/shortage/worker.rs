//! The process that runs short.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use otp::{Error, Outcome, Service};

/// What the worker says when all went well.
pub const DONE: &str = "all works again";

/// What is called while something is short, and what has to come of it when nothing is.
type Call = fn(&Service, &str) -> Result<Outcome, Error>;

const CALLS: [(&str, Call, Outcome); 7] = [
    ("create", |service, token| service.create(token, Some(REQUEST)).map(|reply| reply.outcome), Outcome::Ok),
    ("status", |service, token| service.status(token).map(|reply| reply.outcome), Outcome::Ok),
    ("verify", |service, token| service.verify(token, "0000", None).map(|reply| reply.outcome), Outcome::NotValid),
    ("unknown", |service, _| service.verify("nobody", "0000", None).map(|reply| reply.outcome), Outcome::NotValid),
    ("cancel", |service, token| service.cancel(token).map(|reply| reply.outcome), Outcome::Ok),
    ("run_due", |service, _| service.run_due().map(|_| Outcome::Ok), Outcome::Ok),
    ("erase", |service, _| service.erase("nobody").map(|_| Outcome::Ok), Outcome::Ok),
];

const REQUEST: &str = r#"{"messengerId":"8192836451"}"#;

pub fn is_root() -> bool {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() == 0 }
}

pub fn run(role: &str) {
    let (name, repository) = role.split_once('|').unwrap();
    match name {
        "descriptors" => descriptors(repository),
        "opening" => opening(repository),
        "file-size" => file_size(repository),
        "permissions" => permissions(repository),
        "disk" => disk(repository),
        other => panic!("no scenario {other}"),
    }
    println!("{DONE}");
}

fn try_open(repository: &str) -> Result<Service, Error> {
    let options = serde_json::json!({"maxAttempts": 10, "policy": {"subjectFailures": {"lockAfter": 100}}});
    Service::open(Some(&testing::config(repository, "none", options))).map(|(service, _)| service)
}

fn open(repository: &str) -> Service {
    try_open(repository).unwrap()
}

/// A code that was acknowledged: its token and itself.
fn create(service: &Service, number: usize) -> Result<(String, String), Error> {
    let token = format!("token {number}");
    let reply = service.create(&token, Some(REQUEST))?;
    assert_eq!(reply.outcome, Outcome::Ok);
    Ok((token, reply.message.unwrap().code.to_string()))
}

/// What was acknowledged is good, once.
fn use_all(service: &Service, codes: &[(String, String)]) {
    for (token, code) in codes {
        assert_eq!(service.verify(token, code, None).unwrap().outcome, Outcome::Ok, "{token}");
        assert_eq!(service.verify(token, code, None).unwrap().outcome, Outcome::Checked, "{token}");
    }
}

/// Only the storage may have failed.
fn is_storage(answer: &Result<Outcome, Error>) -> bool {
    answer.as_ref().err().is_none_or(|error| matches!(error.outcome(), Outcome::Store | Outcome::Random))
}

/// A fork closes every connection, so that the next call opens anew.
fn fork() {
    // SAFETY: the child ends at once.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: the child is ours.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
}

/// Runs a section with a limit of the process in force.
fn with_limit<T>(which: libc::__rlimit_resource_t, limit: u64, section: impl FnOnce() -> T) -> T {
    let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for the limits; both calls get valid ones.
    unsafe {
        assert_eq!(libc::getrlimit(which, &raw mut before), 0);
        let lowered = libc::rlimit { rlim_cur: limit, rlim_max: before.rlim_max };
        assert_eq!(libc::setrlimit(which, &raw const lowered), 0);
        let result = section();
        assert_eq!(libc::setrlimit(which, &raw const before), 0);
        result
    }
}

fn descriptors(repository: &str) {
    let service = open(repository);
    let mut failed = 0;
    for (number, (name, call, expected)) in CALLS.into_iter().enumerate() {
        for spare in 0..12 {
            let token = format!("{name} {spare}");
            let (_, code) = create(&service, 1000 * number + spare).unwrap();
            let _ = service.create(&token, Some(REQUEST)).unwrap();
            fork();
            let first_free = File::open("/dev/null").unwrap().as_raw_fd() as u64;
            let answer = with_limit(libc::RLIMIT_NOFILE, first_free + spare as u64, || call(&service, &token));
            assert!(is_storage(&answer), "{name} with {spare} descriptors: {answer:?}");
            failed += usize::from(answer.is_err());
            assert_eq!(call(&service, &token).unwrap(), expected, "{name} after {spare} descriptors");
            use_all(&service, &[(format!("token {}", 1000 * number + spare), code)]);
        }
    }
    assert!(failed > 10, "{failed} calls ran short");
}

/// Keys and secrets are read from files while a service opens: that they cannot be opened now is no fault of theirs.
fn opening(repository: &str) {
    let folder = Path::new(repository.split_once(':').unwrap().1).parent().unwrap();
    let private = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let key = private("given.key", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n");
    let pem = private("private.key", include_str!("../../data/private_key.pem"));
    let secret = private("secret", "s\n");
    for sender in [
        format!(r#"{{"type":"messages","applicationId":"a","privateKey":"{pem}"}}"#),
        format!(r#"{{"type":"messages","apiKey":"k","apiSecret":"file:{secret}"}}"#),
    ] {
        let config = format!(r#"{{"repository":"{repository}","keyFile":"{key}","sender":{sender}}}"#);
        let mut failed = 0;
        for spare in 0..16 {
            let first_free = File::open("/dev/null").unwrap().as_raw_fd() as u64;
            let open = || Service::open(Some(&config)).map(|_| Outcome::Ok);
            let answer = with_limit(libc::RLIMIT_NOFILE, first_free + spare, open);
            assert!(is_storage(&answer), "with {spare} descriptors: {answer:?}");
            failed += usize::from(answer.is_err());
        }
        assert!(failed > 1 && Service::open(Some(&config)).is_ok(), "{failed} ran short");
    }
}

fn file_size(repository: &str) {
    let service = open(repository);
    let mut codes = Vec::new();
    for kib in [0, 1, 4, 16, 64, 1100, 2000] {
        let enough = with_limit(libc::RLIMIT_FSIZE, kib << 10, || {
            (0..40)
                .take_while(|_| match create(&service, codes.len()) {
                    Ok(code) => {
                        codes.push(code);
                        true
                    }
                    Err(error) => {
                        assert_eq!(error.outcome(), Outcome::Store, "{error}");
                        false
                    }
                })
                .count()
        });
        assert!(kib > 0 || enough == 0, "nothing can be written");
        codes.push(create(&service, codes.len() + 10_000).unwrap());
    }
    use_all(&service, &codes);
}

fn permissions(repository: &str) {
    let service = open(repository);
    let path = repository.strip_prefix("sqlite:").unwrap();
    for side in ["", "-wal", "-shm"] {
        for (number, (name, call, expected)) in CALLS.into_iter().enumerate() {
            let token = format!("{name}{side}");
            let _ = service.create(&token, Some(REQUEST)).unwrap();
            let code = create(&service, number).unwrap();
            fork();
            let file = format!("{path}{side}");
            fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
            let answer = call(&service, &token);
            assert!(is_storage(&answer), "{token}: {answer:?}");
            if side.is_empty() {
                assert_eq!(try_open(repository).err().map(|error| error.outcome()), Some(Outcome::Store));
            }
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            assert_eq!(call(&service, &token).unwrap(), expected, "{token}");
            use_all(&service, &[code]);
        }
    }
}

/// Takes all blocks of the disk but so many KiB.
fn fill(path: &Path, spare_kib: usize) {
    let mut file = File::create(path).unwrap();
    let piece = [7; 1024];
    while file.write_all(&piece).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(spare_kib as u64 * 1024)).unwrap();
}

fn disk(repository: &str) {
    let place = PathBuf::from(repository.split_once(':').unwrap().1);
    let filler = place.with_file_name("filler");
    let mut codes = Vec::new();
    let service = open(repository);
    for number in 0..20 {
        codes.push(create(&service, number).unwrap());
    }
    for spare_kib in (0..48).step_by(3) {
        fill(&filler, spare_kib);
        fork();
        for number in 0..20 {
            match create(&service, 1000 * (spare_kib + 1) + number) {
                Ok(code) => codes.push(code),
                Err(error) => assert_eq!(error.outcome(), Outcome::Store, "{error}"),
            }
        }
        fs::remove_file(&filler).unwrap();
        codes.push(create(&service, 1000 * (spare_kib + 1) + 999).unwrap());
    }
    use_all(&service, &codes);
    drop(service);
    fresh_with_little_room(repository, &place, &filler);
}

/// A repository is made, or is not, with whatever room there is.
fn fresh_with_little_room(repository: &str, place: &Path, filler: &Path) {
    for spare_kib in (0..120).step_by(2) {
        for entry in fs::read_dir(place.parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            drop(removed);
        }
        fill(filler, spare_kib);
        let opened = try_open(repository).map(|service| create(&service, 0).map(|_| Outcome::Ok));
        let answer = opened.unwrap_or_else(Err);
        assert!(is_storage(&answer), "with {spare_kib} KiB: {answer:?}");
        fs::remove_file(filler).unwrap();
        assert_eq!(create(&open(repository), 1).map(|_| ()), Ok(()), "after {spare_kib} KiB");
    }
}
