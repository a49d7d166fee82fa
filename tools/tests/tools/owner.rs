//! As whom the command works.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::command::{Site, said};

pub const NOBODY: u32 = 65534;
const SOMEBODY: u32 = 65533;

pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// All files below the folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { [files(&path), vec![path]].concat() } else { vec![path] }).collect()
}

pub fn give(site: &Site, user: u32) {
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

/// A configuration file of this user and mode.
fn config_file(site: &Site, config: &str, user: u32, mode: u32) -> String {
    let file = site.folder.path().join("config.json");
    fs::write(&file, config).unwrap();
    chown(&file, Some(user), Some(user)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn root_believes_no_file_of_others() {
    if !is_root() {
        return testing::complain("SKIPPED, since only root may become another user: root_believes_no_file_of_others");
    }
    for kind in ["sqlite", "json"] {
        let site = Site::new(kind);
        let _ = site.service().create("session 1", None).unwrap();
        let status =
            |user, mode| site.run(&["status", "session 1", "--config", &config_file(&site, &site.config, user, mode)]);
        status(0, 0o644).is_done("state: pending");
        give(&site, NOBODY);
        for (user, mode) in [(0, 0o600), (0, 0o644), (NOBODY, 0o600), (NOBODY, 0o644)] {
            status(user, mode).is_done("state: pending");
        }
        for (user, mode) in [(0, 0o620), (0, 0o602), (NOBODY, 0o660), (SOMEBODY, 0o666)] {
            let refused = status(user, mode);
            refused.failed(3, "config.json\": group or others may write to it, so root does not believe it");
        }
        let refused = status(SOMEBODY, 0o600);
        refused.failed(3, "belongs to user 65534").failed(3, "config.json\" to user 65533: root believes that owner");
        assert!(
            site.json(&["open", "--config", &config_file(&site, &site.config, SOMEBODY, 0o600)])["result"]
                == "OTP_E_STORE"
        );
    }
}

/// What the owner of a configuration may not read, root does not read for them.
#[test]
fn root_reads_nothing_for_others() {
    if !is_root() {
        return testing::complain("SKIPPED, since only root may become another user: root_reads_nothing_for_others");
    }
    let site = Site::new("sqlite");
    give(&site, NOBODY);
    let secret = site.folder.path().join("roots");
    fs::write(&secret, "sqlite:/nowhere/roots-secret.db").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!(r#"{{"repository": "file:{}"}}"#, secret.display());
    let named = |user| config_file(&site, &config, user, 0o600);
    site.run(&["status", "any", "--config", &named(0)]).failed(3, "roots-secret.db\": is not there");
    for command in [&["status", "any"][..], &["open"]] {
        let said = site.run(&[command, &["--config", &named(NOBODY)]].concat());
        assert!(
            !said.failed(3, "repository: the file that it names cannot be read").err.contains("roots-secret"),
            "{said:?}"
        );
    }
    // A key file is read by the owner, too.
    let key = site.folder.path().join("roots.key");
    fs::rename(site.folder.path().join("otp.db.key"), &key).unwrap();
    chown(&key, Some(0), Some(0)).unwrap();
    let config = site.config.replacen('{', &format!(r#"{{"keyFile": "{}", "#, key.display()), 1);
    site.run(&["status", "any", "--config", &config]).failed(3, "roots.key\": Permission denied");
    // A file that says where the repository is decides as much as a configuration.
    let place = site.folder.path().join("place");
    fs::write(&place, site.folder.repository("sqlite")).unwrap();
    chown(&place, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let config = format!(r#"{{"repository": "file:{}"}}"#, place.display());
    site.run(&["status", "any", "--config", &config]).failed(3, "place\" to user 65533: root believes that owner");
}

#[test]
fn root_goes_to_a_server_by_its_own_configuration() {
    if !is_root() {
        return testing::complain("SKIPPED, since only root may: root_goes_to_a_server_by_its_own_configuration");
    }
    let site = Site::new("sqlite");
    for url in ["redis://127.0.0.1:1", "postgres://127.0.0.1:1/otp"] {
        let config = format!(r#"{{"repository": "{url}", "key": "{}"}}"#, testing::place::KEY);
        for command in [&["status", "any"][..], &["open"]] {
            let named = |user| site.run(&[command, &["--config", &config_file(&site, &config, user, 0o600)]].concat());
            named(NOBODY).failed(3, "belongs to user 65534").failed(3, "on a server root believes its own alone");
            assert!(!named(0).err.contains("believes"), "{url}");
        }
    }
}

#[test]
fn copies_are_made_where_nobody_else_decides() {
    if !is_root() {
        return testing::complain(
            "SKIPPED, since only root may give files away: copies_are_made_where_nobody_else_decides",
        );
    }
    let site = Site::new("sqlite");
    let folder = |name: &str, user: u32| {
        let path = site.folder.path().join(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(user), Some(user)).unwrap();
        path
    };
    let (_own, theirs) = (folder("own", 0), folder("theirs", NOBODY));
    let link = |name: &str, to: &str, user: u32| {
        symlink(to, site.folder.path().join(name)).unwrap();
        lchown(site.folder.path().join(name), Some(user), Some(user)).unwrap();
    };
    link("their-link", "own", NOBODY);
    link("own-link", "own", 0);
    link("way-to-theirs", "theirs", 0);
    link("way-by-theirs", "their-link", 0);
    link("round", "round", 0);
    for kind in ["sqlite", "json"] {
        let to = |name: &str| site.run(&["copy", &format!("{kind}:{name}/{kind}")]);
        to("their-link").failed(3, "their-link\": is a symbolic link of user 65534");
        to("way-by-theirs").failed(3, "their-link\": is a symbolic link of user 65534");
        to("theirs").failed(3, "theirs\": belongs to user 65534");
        to("way-to-theirs").failed(3, "theirs\": belongs to user 65534");
        to("round").failed(3, "too many symbolic links");
        to("own-link").is_done("copied");
        // Where it is said is decided by who may write there.
        let file = site.folder.path().join("target");
        fs::write(&file, format!("{kind}:own/another-{kind}")).unwrap();
        chown(&file, Some(NOBODY), None).unwrap();
        let said = site.run(&["copy", &format!("file:{}", file.display())]);
        said.failed(3, "target\": belongs to user 65534").failed(3, "so root does not believe it");
    }
    assert_eq!(files(&theirs).len(), 0);
    // The owner of a repository makes a copy in no folder of a third.
    let third = folder("third", SOMEBODY);
    fs::set_permissions(&third, fs::Permissions::from_mode(0o777)).unwrap();
    for path in files(site.folder.path()).iter().filter(|path| path.to_str().unwrap().contains("otp.db")) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    chown(site.folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    site.run(&["copy", "json:third/copy"]).failed(3, "third\": belongs to user 65533");
    site.run(&["copy", "sqlite:third/copy"]).failed(3, "third\": belongs to user 65533");
    assert_eq!(files(&third).len(), 0);
    site.run(&["copy", "json:theirs/copy"]).is_done("copied");
}
