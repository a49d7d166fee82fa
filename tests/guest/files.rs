//! Files that others made, mounted, filled or opened, and a host that must not end because of ours.

mod host;
mod mounts;
mod shortages;
mod signals;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use host::{NOBODY, Scratch, become_user, call, config, is_root, use_code, with_key};
use otp::{Outcome, Service};
use testing::{Folder, Watchdog};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn volumes_of_orchestrators_open() {
    if !is_root() {
        return;
    }
    let group = 1234;
    // A volume as Kubernetes makes it for `fsGroup`, one that was made for us, and a folder as /tmp is.
    for (owner, volume_mode, warns) in [(0, 0o2775, true), (NOBODY, 0o700, false), (0, 0o1777, false)] {
        let scratch = Scratch::new("volume");
        let volume = scratch.path().join("volume");
        let below = volume.join("sub");
        for folder in [&volume, &below] {
            fs::create_dir(folder).unwrap();
            chown(folder, Some(owner), Some(group)).unwrap();
            fs::set_permissions(folder, Permissions::from_mode(volume_mode)).unwrap();
        }
        call(|| {
            become_user(NOBODY, group);
            // The volume itself, a folder of it that is mounted (`subPath`), and one that we make there.
            for folder in [&below, &volume.join("made")] {
                let (service, warnings) = Service::open(Some(&with_key(folder))).unwrap();
                use_code(&service, "token");
                let warned = warnings.iter().any(|warning| warning.contains("writable by group or others"));
                assert_eq!(warned, warns && folder == &below, "{volume_mode:o} {warnings:?}");
            }
        });
    }
}

#[test]
fn a_folder_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("theirs");
    let folder = scratch.path().join("otp");
    fs::create_dir(&folder).unwrap();
    chown(&folder, Some(12345), None).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    call(|| {
        become_user(NOBODY, NOBODY);
        let error = Service::open(Some(&with_key(&folder))).err().expect("it is refused");
        assert_eq!(error.outcome(), Outcome::Store);
        let why = format!("folder {folder:?} is refused: it belongs to user 12345, and this process is user {NOBODY}");
        assert_eq!(error.detail(), why);
    });
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn no_umask_shuts_us_out() {
    for (umask, kind) in
        [0, 0o077, 0o177, 0o277, 0o777].into_iter().flat_map(|umask| [(umask, "json"), (umask, "sqlite")])
    {
        let scratch = Scratch::new("umask");
        let repository = scratch.path().join("otp");
        let config = config(&repository).replace("json:", &format!("{kind}:"));
        if is_root() {
            chown(scratch.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        call(|| {
            // Root may enter everything.
            if is_root() {
                become_user(NOBODY, NOBODY);
            }
            // SAFETY: touches no memory, and this process ends soon.
            unsafe { libc::umask(umask) };
            for token in ["made", "opened again"] {
                let (service, _) = Service::open(Some(&config)).unwrap();
                use_code(&service, token);
            }
        });
        let inside = if kind == "json" { repository.as_path() } else { scratch.path() };
        let files: Vec<_> = fs::read_dir(inside).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 2, "{files:?}");
        for file in files.iter().chain([&scratch.path().join("otp.key")]) {
            assert_eq!(mode(file), 0o600, "{umask:o} {file:?}");
        }
        assert!(kind != "json" || mode(&repository) == 0o700, "{umask:o}");
    }
}

#[test]
fn a_new_repository_needs_no_hard_links() {
    for kind in ["json", "sqlite"] {
        let scratch = Scratch::new("links");
        let repository = format!("{kind}:{}/otp", scratch.path().display());
        call(|| {
            host::without_hard_links();
            let refused = fs::hard_link(scratch.path(), scratch.path().join("link")).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EPERM), "the system refuses them");
            let config = format!(r#"{{"repository":"{repository}","sender":{{"type":"none"}}}}"#);
            use_code(&Service::open(Some(&config)).unwrap().0, "token");
        });
        assert!(scratch.path().join("otp.key").exists());
    }
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let _watchdog = Watchdog::new("a pipe where a file is due", 60);
    let folder = Folder::new("pipe");
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/tty")] {
        let path = path.display();
        let sender = format!(r#"{{"type":"messages","applicationId":"a","privateKey":"{path}"}}"#);
        for config in [
            format!(r#"{{"repository":"memory:","sender":{sender}}}"#),
            format!(r#"{{"repository":"memory:","keyFile":"{path}"}}"#),
        ] {
            let error = Service::open(Some(&config)).err().expect("it is no file");
            assert_eq!(error.outcome(), Outcome::Config, "{error}");
            assert!(error.detail().contains(&path.to_string()), "{error}");
        }
    }
    let lock = folder.path().join("otp/lock");
    drop(Service::open(Some(&config(&folder.path().join("otp")))).unwrap());
    fs::remove_file(&lock).unwrap();
    fs::rename(&pipe, &lock).unwrap();
    let error = Service::open(Some(&config(&folder.path().join("otp")))).err().expect("it is no file");
    assert_eq!(error.outcome(), Outcome::Store, "{error}");
}

/// Whose record it is cannot be told, and it may be in order: nobody may believe that all were erased.
#[test]
fn an_erase_that_may_not_read_a_record_says_so() {
    let scratch = Scratch::new("erase");
    let folder = scratch.path().join("otp");
    let service = Service::open(Some(&config(&folder))).unwrap().0;
    let create = |token: &str| {
        let reply = service.create(token, Some(r#"{"messengerId":"8192836451"}"#)).unwrap();
        assert_eq!(reply.outcome, Outcome::Ok);
    };
    let outcome = |token: &str| service.status(token).unwrap().outcome;
    create("one");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut records = files.filter(|path| fs::read_to_string(path).unwrap().contains("\"record\":"));
    let (record, aside) = (records.next().unwrap(), folder.join("aside"));
    create("two");
    fs::rename(&record, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &record).unwrap();
    let error = service.erase("8192836451").expect_err("one of them could not be read");
    assert_eq!(error.outcome(), Outcome::Store, "{error}");
    assert!(error.detail().contains(record.to_str().unwrap()), "{error}");
    assert_eq!(outcome("two"), Outcome::Unknown, "the others are gone");
    fs::remove_file(&record).unwrap();
    fs::rename(&aside, &record).unwrap();
    assert_eq!(outcome("one"), Outcome::Ok);
    assert!(service.erase("8192836451").unwrap().found);
    assert_eq!(outcome("one"), Outcome::Unknown);
}
