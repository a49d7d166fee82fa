mod new;
mod refused;
mod secret;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::error::Error;
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
fn assert_refused<T, E: Into<Error>>(result: std::result::Result<T, E>, outcome: Outcome, why: &str) {
    let error = result.err().expect("this must be refused").into();
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
fn temporary_files() {
    let folder = Scratch::new("temporary");
    let path = folder.file("file");
    fs::write(&path, "old").unwrap();
    let (first, second) =
        (Temporary::write(&path, b"first", false).unwrap(), Temporary::write(&path, b"second", true).unwrap());
    assert_eq!(read(&path, 100).unwrap().unwrap().as_slice(), b"old");
    second.place().unwrap();
    assert_eq!(read(&path, 100).unwrap().unwrap().as_slice(), b"second");
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
    let open = |path: &Path| open_folder(path, &mut Vec::new());
    let opened = open(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert!(is_at(&opened, &path).unwrap());
    assert!(is_at(&open(&path).unwrap(), &path).unwrap());
    fs::remove_dir(&path).unwrap();
    assert!(!is_at(&opened, &path).unwrap());
    fs::create_dir(&path).unwrap();
    assert!(!is_at(&opened, &path).unwrap());

    assert_refused(open(&folder.file("none/made")), Outcome::Store, "none/made");
    symlink(&path, folder.file("link")).unwrap();
    assert_refused(open(&folder.file("link")), Outcome::Store, "link");
    fs::write(folder.file("file"), "").unwrap();
    assert_refused(open(&folder.file("file")), Outcome::Store, "file");
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
fn a_held_lock_knows_that_it_was_replaced() {
    let folder = Scratch::new("held");
    let path = folder.file("lock");
    let mut lock = FileLock::new(path.clone());
    assert_refused(lock.check(), Outcome::Store, "lock");
    assert!(lock.try_lock().unwrap());
    lock.check().unwrap();
    fs::rename(&path, folder.file("moved")).unwrap();
    assert_refused(lock.check(), Outcome::Store, "replaced or removed");
    fs::write(&path, "").unwrap();
    assert_refused(lock.check(), Outcome::Store, path.to_str().unwrap());
    fs::rename(folder.file("moved"), &path).unwrap();
    lock.check().unwrap();
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
