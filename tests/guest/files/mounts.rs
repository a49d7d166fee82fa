//! File systems that are full, small, or mounted for reading alone.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::ptr::null;

use otp::{Outcome, Service};

use super::host::{NOBODY, Scratch, become_user, call, config, is_root, use_code};

/// A key of 32 bytes in Base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

fn mount_with(kind: Option<&str>, at: &Path, flags: libc::c_ulong, options: &str) {
    let text = |text: &str| CString::new(text).unwrap();
    let (at, options) = (text(at.to_str().unwrap()), text(options));
    let kind = kind.map(text);
    let kind = kind.as_ref().map_or(null(), |kind| kind.as_ptr());
    // SAFETY: all texts end in a zero byte and live as long as the call.
    let done = unsafe { libc::mount(c"none".as_ptr(), at.as_ptr(), kind, flags, options.as_ptr().cast()) };
    assert_eq!(done, 0, "mount: {}", std::io::Error::last_os_error());
}

/// For a child: mounts a file system of its own, which nobody else sees and which ends with it.
fn mount(at: &Path, options: &str) {
    // SAFETY: touches no memory.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "{}", std::io::Error::last_os_error());
    mount_with(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE, "");
    mount_with(Some("tmpfs"), at, 0, options);
}

/// For a child: nobody may write there any more.
fn close_for_writing(at: &Path) {
    mount_with(None, at, libc::MS_REMOUNT | libc::MS_RDONLY, "");
}

fn fill(folder: &Path) {
    let mut file = File::create(folder.join("filler")).unwrap();
    let error = loop {
        if let Err(error) = file.write_all(&[1; 4096]) {
            break error;
        }
    };
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
}

#[test]
fn a_mebibyte_is_enough() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("small");
    call(|| {
        mount(scratch.path(), "size=1m,mode=0755");
        let (service, _) = Service::open(Some(&config(&scratch.path().join("otp")))).unwrap();
        (0..20).for_each(|number| use_code(&service, &format!("token {number}")));
    });
}

#[test]
fn a_full_disk_is_a_store_error_and_passes() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("full");
    call(|| {
        mount(scratch.path(), "size=256k,mode=0755");
        let config = config(&scratch.path().join("otp"));
        // The repository is there, and its key is not: the disk is full when that is made.
        let key = scratch.path().join("otp.key");
        drop(Service::open(Some(&config)).unwrap());
        fs::remove_dir_all(scratch.path().join("otp")).unwrap();
        fs::remove_file(&key).unwrap();
        fill(scratch.path());
        let with_key_there = format!(r#"{{"repository":"memory:","keyFile":"{}"}}"#, key.display());
        for config in [&config, &with_key_there] {
            let error = Service::open(Some(config)).err().expect("there is no room");
            assert_eq!(error.outcome(), Outcome::Store, "{error}");
            assert!(!key.exists());
        }
        fs::remove_file(scratch.path().join("filler")).unwrap();
        drop(Service::open(Some(&with_key_there)).unwrap());
        let (service, _) = Service::open(Some(&config)).unwrap();
        use_code(&service, "token");

        fill(scratch.path());
        let error = service.create("another", Some("{}")).err().expect("there is no room");
        assert_eq!(error.outcome(), Outcome::Store, "{error}");
        fs::remove_file(scratch.path().join("filler")).unwrap();
        use_code(&service, "another");
    });
}

#[test]
fn a_key_that_everybody_may_read_must_be_roots_where_nobody_writes() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("secrets");
    call(|| {
        let secrets = scratch.path().join("secrets");
        fs::create_dir(&secrets).unwrap();
        mount(&secrets, "size=1m,mode=0755");
        // As Kubernetes lays it out, with its default mode.
        fs::create_dir(secrets.join("..2026")).unwrap();
        fs::write(secrets.join("..2026/key"), KEY).unwrap();
        fs::set_permissions(secrets.join("..2026/key"), Permissions::from_mode(0o644)).unwrap();
        fs::write(secrets.join("theirs"), KEY).unwrap();
        std::os::unix::fs::chown(secrets.join("theirs"), Some(NOBODY), None).unwrap();
        symlink("..2026", secrets.join("..data")).unwrap();
        symlink("..data/key", secrets.join("key")).unwrap();
        let open = |name: &str| {
            Service::open(Some(&format!(
                r#"{{"repository":"memory:","sender":{{"type":"none"}},"keyFile":"{}"}}"#,
                secrets.join(name).display()
            )))
        };
        let refused = |name: &str, why: &str| {
            let error = open(name).err().expect("it is open to everybody");
            assert_eq!(error.outcome(), Outcome::Config, "{error}");
            assert!(error.detail().contains(why), "{error}");
        };
        refused("key", "everybody may read it");
        close_for_writing(&secrets);
        let accepted = || {
            let (service, warnings) = open("key").unwrap();
            let named =
                warnings.iter().any(|warning| warning.contains("everybody may read") && warning.contains("key"));
            assert!(named, "{warnings:?}");
            use_code(&service, "token");
        };
        accepted();
        refused("theirs", "it belongs to user 65534, and this process is user 0");
        become_user(NOBODY, NOBODY);
        accepted();
        // Ours, and open to everybody all the same.
        refused("theirs", "everybody may read it");
    });
}
