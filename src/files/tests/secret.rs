//! Files with a key: ours, and what orchestrators mount.

use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What the failure is when an option names the file.
#[track_caller]
fn assert_config<T>(result: Attempt<T>, why: &str) {
    assert_refused(result.map_err(|failure| failure.of_option("keyFile")), Outcome::Config, why);
}

#[test]
fn ours_is_private() {
    let folder = Scratch::new("secret");
    let path = folder.file("key");
    assert!(read_private(&path, 10).unwrap().is_none());
    assert!(write_new(&path, b"0123456789").unwrap());
    assert_eq!(read_private(&path, 10).unwrap().unwrap().as_slice(), b"0123456789");
    assert_config(read_private(&path, 9), "longer than 9 bytes");
    for open in [0o640, 0o604, 0o620, 0o602, 0o777] {
        set_mode(&path, open);
        assert_config(read_private(&path, 10), "group or others");
    }
    set_mode(&path, 0o400);
    assert!(read_private(&path, 10).unwrap().is_some());

    symlink(&path, folder.file("link")).unwrap();
    assert_config(read_private(&folder.file("link"), 10), "symbolic link");
    assert_config(read_private(&folder.0, 10), "not a regular file");
    assert_config(read_private(&path.join("below"), 10), "key/below");
    fs::hard_link(&path, folder.file("another")).unwrap();
    assert_config(read_private(&path, 10), "hard link");
}

#[test]
fn a_mounted_one_may_be_a_link_and_readable_by_its_group() {
    let folder = Scratch::new("mounted");
    let path = folder.file("key");
    let read = |path: &Path, limit| {
        let mut warnings = Vec::new();
        let read = read_mounted(path, limit, "keyFile", &mut warnings);
        assert!(warnings.is_empty(), "{warnings:?}");
        read
    };
    assert!(read(&path, 10).unwrap().is_none());
    fs::write(&path, "0123456789").unwrap();
    for closed in [0o600, 0o400, 0o440, 0o640] {
        set_mode(&path, closed);
        assert_eq!(read(&path, 10).unwrap().unwrap().as_slice(), b"0123456789", "{closed:o}");
    }
    for (open, why) in
        [(0o660, "write"), (0o602, "write"), (0o644, "everybody may read"), (0o444, "everybody may read")]
    {
        set_mode(&path, open);
        assert_config(read(&path, 10), why);
    }
    set_mode(&path, 0o640);
    assert_config(read(&path, 9), "longer than 9 bytes");
    // As Kubernetes mounts it.
    fs::create_dir(folder.file("..2026")).unwrap();
    fs::rename(&path, folder.file("..2026/key")).unwrap();
    symlink("..2026", folder.file("..data")).unwrap();
    symlink("..data/key", &path).unwrap();
    assert!(read(&path, 10).unwrap().is_some());
    symlink("nowhere", folder.file("dangling")).unwrap();
    assert!(read(&folder.file("dangling"), 10).unwrap().is_none());

    assert!(Command::new("mkfifo").arg(folder.file("pipe")).status().unwrap().success());
    for other in [folder.0.as_path(), Path::new("/dev/zero"), &folder.file("pipe")] {
        assert_config(read(other, 10), "not a regular file");
    }
}

#[test]
fn what_may_pass_is_not_the_configurations_fault() {
    let path = Path::new("/run/secrets/key");
    for (code, outcome) in [
        (libc::EMFILE, Outcome::Store),
        (libc::ENFILE, Outcome::Store),
        (libc::ENOMEM, Outcome::Store),
        (libc::EIO, Outcome::Store),
        (libc::ENOSPC, Outcome::Store),
        (libc::EDQUOT, Outcome::Store),
        (libc::ENOENT, Outcome::Config),
        (libc::EACCES, Outcome::Config),
        (libc::ELOOP, Outcome::Config),
        (libc::EROFS, Outcome::Config),
    ] {
        let failure = Failure::of("open", path, &io::Error::from_raw_os_error(code));
        let error = failure.of_option("keyFile");
        assert_eq!(error.outcome(), outcome, "{error}");
        assert!(error.detail().starts_with("keyFile: cannot open \"/run/secrets/key\": "), "{error}");
    }
}
