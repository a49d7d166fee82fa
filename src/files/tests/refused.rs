//! What is not ours alone.

use std::os::unix::fs::chown;

use super::*;

/// What everything that reads, writes or looks says of this path.
fn assert_all_refuse(path: &Path, why: &str) {
    assert_refused(read(path, 10), Outcome::Store, why);
    assert_refused(look(path, &mut Vec::new()), Outcome::Store, why);
    assert_refused(open_or_make(path), Outcome::Store, why);
    assert_refused(FileLock::new(path.to_owned()).try_lock(), Outcome::Store, why);
}

#[test]
fn a_file_of_another_user() {
    let ours = sys::effective_uid();
    if ours != 0 {
        // Only root can make one, or open what this is about.
        let why = format!("it belongs to user 0, and this process is user {ours}");
        assert_refused(read(Path::new("/proc/version"), 10), Outcome::Store, &why);
        return;
    }
    let why = "it belongs to user 12345, and this process is user 0";
    let folder = Scratch::new("owner");
    let path = folder.file("file");
    fs::write(&path, "text").unwrap();
    chown(&path, Some(12345), None).unwrap();
    assert_all_refuse(&path, why);
    assert_refused(read_private(&path, 10), Outcome::Store, why);
    assert_refused(read_mounted(&path, 10, "keyFile", &mut Vec::new()), Outcome::Store, why);
    remove_stale(&path);
    assert!(path.exists());

    let inner = folder.file("folder");
    fs::create_dir(&inner).unwrap();
    chown(&inner, Some(12345), None).unwrap();
    assert_refused(open_folder(&inner, &mut Vec::new()), Outcome::Store, why);
    assert_refused(check_folder(&inner, &mut Vec::new()), Outcome::Store, why);
}

#[test]
fn a_file_with_two_names() {
    let folder = Scratch::new("links");
    let (path, other) = (folder.file("file"), folder.file("other"));
    fs::write(&path, "text").unwrap();
    fs::hard_link(&path, &other).unwrap();
    assert_all_refuse(&path, "it has more than one name");
    fs::remove_file(&other).unwrap();
    assert!(read(&path, 10).unwrap().is_some());
    assert!(FileLock::new(path).try_lock().unwrap());
}

#[test]
fn what_is_longer_than_expected_is_not_read() {
    let folder = Scratch::new("long");
    let path = folder.file("file");
    let file = File::create(&path).unwrap();
    file.set_len(10).unwrap();
    assert_eq!(read(&path, 10).unwrap().unwrap().as_slice(), [0; 10]);
    // With holes: three gibibytes that take no room, and that there may be no memory for.
    file.set_len(3 << 30).unwrap();
    assert_refused(read(&path, 10), Outcome::Store, "longer than 10 bytes");
    assert_refused(read(&path, 10), Outcome::Store, path.to_str().unwrap());
}

#[test]
fn what_is_open_to_others_is_a_warning() {
    let folder = Scratch::new("open");
    let path = folder.file("file");
    let warnings_of = |mode| {
        let mut warnings = Vec::new();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert!(look(&path, &mut warnings).unwrap().is_some());
        warnings
    };
    assert_eq!(look(&path, &mut Vec::new()).unwrap(), None);
    fs::write(&path, "text").unwrap();
    assert!(warnings_of(0o600).is_empty());
    assert!(warnings_of(0o400).is_empty());
    for open in [0o660, 0o604, 0o610, 0o666] {
        let warnings = warnings_of(open);
        assert!(warnings.len() == 1 && warnings[0].contains(path.to_str().unwrap()), "{open:o} {warnings:?}");
    }

    let inner = folder.file("folder");
    fs::create_dir(&inner).unwrap();
    for (mode, warns) in [(0o700, false), (0o755, false), (0o1777, false), (0o2775, true), (0o777, true), (0o702, true)]
    {
        let (mut opened, mut looked_at) = (Vec::new(), Vec::new());
        fs::set_permissions(&inner, Permissions::from_mode(mode)).unwrap();
        open_folder(&inner, &mut opened).unwrap();
        check_folder(&inner, &mut looked_at).unwrap();
        assert_eq!((!opened.is_empty(), &opened), (warns, &looked_at), "{mode:o}");
    }
}
