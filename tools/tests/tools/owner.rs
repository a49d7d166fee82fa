//! As whom the command works.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::command::{Site, said};

const NOBODY: u32 = 65534;
const SOMEBODY: u32 = 65533;

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// All files below the folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { [files(&path), vec![path]].concat() } else { vec![path] }).collect()
}

fn give(site: &Site, user: u32) {
    for path in files(site.folder.path()).iter().map(|path| path.as_path()).chain([site.folder.path()]) {
        chown(path, Some(user), Some(user)).unwrap();
    }
}

#[test]
fn root_becomes_the_owner() {
    if !is_root() {
        return testing::complain("SKIPPED, since only root may become another user: root_becomes_the_owner");
    }
    for kind in ["sqlite", "json"] {
        let site = Site::new(kind);
        let _ = site.service().create("session 1", None).unwrap();
        give(&site, NOBODY);
        site.run(&["status", "session 1"]).is_done("state: pending");
        site.run(&["cancel", "session 1"]).is_done("the code is cancelled");
        let left = files(site.folder.path());
        assert!(left.len() >= 2, "{left:?}");
        for path in left {
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, NOBODY), "{path:?}");
        }
    }
}

#[test]
fn others_are_refused() {
    if !is_root() {
        return testing::complain("SKIPPED, since only root may become another user: others_are_refused");
    }
    let site = Site::new("sqlite");
    give(&site, NOBODY);
    // Where this program lies others may not even look, so it is reached by a copy.
    let copy = testing::Folder::in_memory("tools-owner");
    let program = copy.path().join("otp");
    fs::copy(env!("CARGO_BIN_EXE_otp"), &program).unwrap();
    let repository = copy.path().join("otp.db");
    fs::copy(site.folder.path().join("otp.db"), &repository).unwrap();
    chown(&repository, Some(NOBODY), Some(NOBODY)).unwrap();
    let config = format!(r#"{{"repository": "sqlite:{}", "sender": {{"type": "none"}}}}"#, repository.display());
    let mut command = std::process::Command::new(&program);
    command.args(["status", "any", "--config", &config]).uid(SOMEBODY).gid(SOMEBODY).current_dir("/");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let refusal = said(&mut command, "");
    refusal.failed(3, "belongs to user 65534").failed(3, "and this is user 65533: run otp as that user, or as root");
    assert_eq!(files(copy.path()).len(), 2, "nothing was made");
}
