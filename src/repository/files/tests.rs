use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::*;
use crate::outcome::Outcome;

/// A folder that is removed with all that is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("otp-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[track_caller]
fn assert_refused<T>(result: Result<T>, outcome: Outcome, why: &str) {
    let error = result.err().expect("this must be refused");
    assert_eq!(error.outcome(), outcome, "{error}");
    assert!(error.detail().contains(why), "{error}");
    assert!(!error.detail().contains('\n'));
}

#[test]
fn private_file() {
    let folder = Scratch::new("private");
    let path = folder.file("file");
    open_or_make(&path).unwrap().0.write_all(b"kept").unwrap();
    assert_eq!(mode(&path), 0o600);
    let mut text = String::new();
    open_or_make(&path).unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "kept");

    symlink(&path, folder.file("link")).unwrap();
    assert_refused(open_or_make(&folder.file("link")), Outcome::Store, "symbolic link");
    symlink(folder.file("elsewhere"), folder.file("dangling")).unwrap();
    assert_refused(open_or_make(&folder.file("dangling")), Outcome::Store, "symbolic link");
    assert!(!folder.file("elsewhere").exists());
    assert_refused(open_or_make(&folder.0), Outcome::Store, "directory");
    let status = Command::new("mkfifo").arg(folder.file("pipe")).status().unwrap();
    assert!(status.success());
    assert_refused(open_or_make(&folder.file("pipe")), Outcome::Store, "not a regular file");
    assert_refused(open_or_make(&folder.file("none/file")), Outcome::Store, "none/file");
}

#[test]
fn secret() {
    let folder = Scratch::new("secret");
    let path = folder.file("key");
    assert!(read_secret(&path, 10).unwrap().is_none());
    assert!(write_new(&path, b"0123456789").unwrap());
    assert_eq!(mode(&path), 0o600);
    assert_eq!(read_secret(&path, 10).unwrap().unwrap().as_slice(), b"0123456789");
    assert_refused(read_secret(&path, 9), Outcome::Config, "longer than 9 bytes");
    for open in [0o640, 0o604, 0o620, 0o602, 0o777] {
        fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
        assert_refused(read_secret(&path, 10), Outcome::Config, "group or others");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert!(read_secret(&path, 10).unwrap().is_some());

    symlink(&path, folder.file("link")).unwrap();
    assert_refused(read_secret(&folder.file("link"), 10), Outcome::Config, "symbolic link");
    assert_refused(read_secret(&folder.0, 10), Outcome::Config, "not a regular file");
    fs::hard_link(&path, folder.file(".another.1.0.tmp")).unwrap();
    assert_refused(read_secret(&path, 10), Outcome::Config, "hard link");
    assert!(folder.file(".another.1.0.tmp").exists());
}

#[test]
fn a_file_of_another_user_is_refused() {
    // Only root can make one, or be refused one that is readable.
    let (path, ours) = (Path::new("/proc/version"), sys::effective_uid());
    if ours != 0 {
        assert_refused(read(path), Outcome::Store, "another user");
        return;
    }
    let folder = Scratch::new("owner");
    let path = folder.file("file");
    fs::write(&path, "text").unwrap();
    std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
    assert_refused(read(&path), Outcome::Store, "another user");
    assert_refused(open_or_make(&path), Outcome::Store, "another user");
    assert_refused(read_secret(&path, 10), Outcome::Config, "another user");
    assert_refused(FileLock::new(path).try_lock(), Outcome::Store, "another user");
}

#[test]
fn a_new_file_is_written_once() {
    let folder = Scratch::new("new");
    let path = folder.file("key");
    assert!(write_new(&path, b"first").unwrap());
    assert!(!write_new(&path, b"second").unwrap());
    assert_eq!(read(&path).unwrap().unwrap(), b"first");
    assert_eq!(folder.names(), ["key"]);

    let made = folder.file("racing");
    let winners: Vec<u8> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8u8)
            .map(|number| {
                let made = &made;
                scope.spawn(move || {
                    let won = write_new(made, &[number; 100]).unwrap();
                    // Whoever comes second finds the whole file, while the first may not have tidied up yet.
                    let found = read_secret(made, 100).unwrap().unwrap();
                    (won, found[0], found.len())
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(results.iter().all(|(_, found, length)| (*found, *length) == (results[0].1, 100)));
        results.iter().filter(|(won, ..)| *won).map(|(_, found, _)| *found).collect()
    });
    assert_eq!(winners.len(), 1);
    assert_eq!(folder.names(), ["key", "racing"]);

    assert_refused(write_new(&folder.file("none/key"), b"text"), Outcome::Store, "none");
    assert_refused(write_new(&folder.file(&"n".repeat(250)), b"text"), Outcome::Store, "cannot make");
    assert_eq!(folder.names(), ["key", "racing"]);
}

#[test]
fn what_a_crash_left_is_removed() {
    let folder = Scratch::new("stale");
    let path = folder.file("key");
    fs::write(folder.file(".key.1.0.tmp"), "half").unwrap();
    let alive = Temporary::write(&path, b"of a living writer", false).unwrap();
    assert!(write_new(&path, b"text").unwrap());
    let kept = alive.path.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(folder.names(), [kept.as_str(), "key"]);
    drop(alive);
    assert_eq!(folder.names(), ["key"]);

    // It died between the final name and the removal of the temporary one.
    fs::hard_link(&path, folder.file(".key.1.0.tmp")).unwrap();
    assert_eq!(read_secret(&path, 10).unwrap().unwrap().as_slice(), b"text");
    assert_eq!(folder.names(), ["key"]);
}

#[test]
fn temporary_files() {
    let folder = Scratch::new("temporary");
    let path = folder.file("file");
    fs::write(&path, "old").unwrap();
    let (first, second) =
        (Temporary::write(&path, b"first", false).unwrap(), Temporary::write(&path, b"second", true).unwrap());
    assert_eq!(read(&path).unwrap().unwrap(), b"old");
    second.place().unwrap();
    assert_eq!(read(&path).unwrap().unwrap(), b"second");
    assert_eq!(mode(&path), 0o600);
    for name in folder.names() {
        assert_eq!(is_temporary(OsStr::new(&name)), name != "file", "{name}");
    }
    drop(first);
    assert_eq!(folder.names(), ["file"]);

    fs::create_dir(folder.file("folder")).unwrap();
    let refused = Temporary::write(&folder.file("folder"), b"text", false).unwrap().place();
    assert_refused(refused, Outcome::Store, "cannot replace");
    assert_eq!(folder.names(), ["file", "folder"]);
}

#[test]
fn folders() {
    let folder = Scratch::new("folder");
    let path = folder.file("made");
    let opened = open_folder(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert!(is_at(&opened, &path).unwrap());
    assert!(is_at(&open_folder(&path).unwrap(), &path).unwrap());
    fs::remove_dir(&path).unwrap();
    assert!(!is_at(&opened, &path).unwrap());
    fs::create_dir(&path).unwrap();
    assert!(!is_at(&opened, &path).unwrap());

    assert_refused(open_folder(&folder.file("none/made")), Outcome::Store, "none/made");
    symlink(&path, folder.file("link")).unwrap();
    assert_refused(open_folder(&folder.file("link")), Outcome::Store, "link");
    fs::write(folder.file("file"), "").unwrap();
    assert_refused(open_folder(&folder.file("file")), Outcome::Store, "file");
}

#[test]
fn identities() {
    let folder = Scratch::new("identity");
    let (path, other) = (folder.file("file"), folder.file("other"));
    assert_eq!(identity(&path).unwrap(), None);
    fs::write(&path, "").unwrap();
    fs::write(&other, "").unwrap();
    let before = identity(&path).unwrap();
    assert!(before.is_some());
    assert_eq!(identity(&path).unwrap(), before);
    fs::rename(&other, &path).unwrap();
    assert_ne!(identity(&path).unwrap(), before);
    symlink(&path, &other).unwrap();
    assert_ne!(identity(&other).unwrap(), identity(&path).unwrap());
}

#[test]
fn lock_keeps_others_out() {
    let folder = Scratch::new("lock");
    let path = folder.file("lock");
    let (mut first, mut second) = (FileLock::new(path.clone()), FileLock::new(path.clone()));
    assert!(!path.exists());
    second.unlock();
    assert!(first.try_lock().unwrap());
    assert!(!second.try_lock().unwrap());
    first.unlock();
    assert!(second.try_lock().unwrap());
    assert!(!first.try_lock().unwrap());
    second.close();
    assert!(first.try_lock().unwrap());
    drop(first);
    assert!(second.try_lock().unwrap());
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_lock_is_given_back_although_a_child_has_the_file() {
    let folder = Scratch::new("inherited");
    let (mut first, mut second) = (FileLock::new(folder.file("lock")), FileLock::new(folder.file("lock")));
    assert!(first.try_lock().unwrap());
    let child = first.file.as_ref().unwrap().0.try_clone().unwrap();
    first.close();
    assert!(second.try_lock().unwrap());
    drop(child);
}

#[test]
fn a_deleted_lock_file_is_noticed() {
    let folder = Scratch::new("deleted");
    let path = folder.file("lock");
    let mut locks: Vec<_> = (0..3).map(|_| FileLock::new(path.clone())).collect();
    for lock in &mut locks {
        assert!(lock.try_lock().unwrap());
        lock.unlock();
    }
    fs::remove_file(&path).unwrap();
    assert!(locks[0].try_lock().unwrap());
    assert!(!locks[1].try_lock().unwrap());
    locks[0].unlock();

    fs::write(folder.file("another"), "").unwrap();
    fs::rename(folder.file("another"), &path).unwrap();
    assert!(locks[2].try_lock().unwrap());
    assert!(!locks[0].try_lock().unwrap());
    locks[2].unlock();

    fs::remove_file(&path).unwrap();
    symlink(folder.file("elsewhere"), &path).unwrap();
    assert_refused(locks[0].try_lock(), Outcome::Store, "symbolic link");
    assert!(!folder.file("elsewhere").exists());
}
