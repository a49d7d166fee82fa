//! A host that runs short of something for a moment: of descriptors, of disk, of the size its files may have, of the
//! right to write. It lives on, hears what was wrong, and all works again once there is enough.

mod worker;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use otp::{Outcome, Service};
use testing::{Folder, Watchdog, tool};

/// The process that runs short: not a test of its own.
#[test]
fn worker() {
    if let Some(role) = testing::role() {
        worker::run(&role);
    }
}

/// Runs the worker, which must come to its end. A signal would be the death of the host.
fn check(mut command: Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains(worker::DONE), "the worker did nothing: {text}");
}

fn scenario(name: &str, kind: &str) {
    let _watchdog = Watchdog::new(name, 300);
    let folder = Folder::new(&format!("shortage-{name}-{kind}"));
    check(testing::child(testing::here!("worker"), &format!("{name}|{}", folder.repository(kind))));
}

#[test]
fn short_of_descriptors_with_sqlite() {
    scenario("descriptors", "sqlite");
}

#[test]
fn short_of_descriptors_with_json() {
    scenario("descriptors", "json");
}

#[test]
fn short_of_descriptors_while_opening_with_sqlite() {
    scenario("opening", "sqlite");
}

#[test]
fn short_of_descriptors_while_opening_with_json() {
    scenario("opening", "json");
}

#[test]
fn files_that_may_not_grow_with_sqlite() {
    scenario("file-size", "sqlite");
}

#[test]
fn files_that_may_not_grow_with_json() {
    scenario("file-size", "json");
}

/// As a user for whom permissions count.
#[test]
fn a_file_that_may_not_be_written_for_a_while() {
    let _watchdog = Watchdog::new("permissions", 300);
    let folder = std::env::temp_dir().join(format!("otp-shortage-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    let mut command =
        testing::child(testing::here!("worker"), &format!("permissions|sqlite:{}/otp.db", folder.display()));
    if worker::is_root() {
        // The test program may lie where others cannot reach it.
        let program = folder.join("worker");
        std::fs::copy(command.get_program(), &program).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let variables: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        command = Command::new(program);
        command.args(arguments).uid(NOBODY).gid(NOBODY).current_dir(&folder);
        command.envs(variables.into_iter().filter_map(|(name, value)| Some((name, value?))));
    }
    check(command);
    std::fs::remove_dir_all(&folder).unwrap();
}

const NOBODY: u32 = 65_534;

/// A file system of its own, seen by the worker alone.
fn on_disk(what: &str, kind: &str, mount: &str) {
    if !worker::is_root() || tool("unshare").is_none() || tool("mkfs.ext4").is_none() {
        testing::complain(&format!("SKIPPED, since only root can mount a small disk: {what}"));
        return;
    }
    let _watchdog = Watchdog::new(what, 300);
    let folder = Folder::new(&format!("shortage-{what}-{kind}"));
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let repository = match kind {
        "sqlite" => format!("sqlite:{}/otp.db", disk.display()),
        _ => format!("json:{}/otp", disk.display()),
    };
    let worker = testing::child(testing::here!("worker"), &format!("disk|{repository}"));
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-ec", &format!("{mount}\nexec \"$@\""), "sh"]);
    command.arg(worker.get_program()).args(worker.get_args());
    command.envs(worker.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("DISK", &disk).env("IMAGE", image(folder.path()));
    check(command);
}

fn image(folder: &Path) -> PathBuf {
    let image = folder.join("image");
    std::fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    image
}

/// Blocks smaller than what SQLite counts on: memory that is mapped to a file may have none behind it.
const SMALL_BLOCKS: &str = "mkfs.ext4 -q -b 1024 -O ^has_journal \"$IMAGE\" && mount -o loop \"$IMAGE\" \"$DISK\"";
const IN_MEMORY: &str = "mount -t tmpfs -o size=1m none \"$DISK\"";

#[test]
fn a_full_disk_of_small_blocks_with_sqlite() {
    on_disk("blocks", "sqlite", SMALL_BLOCKS);
}

#[test]
fn a_full_disk_of_small_blocks_with_json() {
    on_disk("blocks", "json", SMALL_BLOCKS);
}

#[test]
fn a_mebibyte_of_disk_with_sqlite() {
    on_disk("mebibyte", "sqlite", IN_MEMORY);
}

#[test]
fn a_mebibyte_of_disk_with_json() {
    on_disk("mebibyte", "json", IN_MEMORY);
}

/// Somebody reads the database and never ends.
#[test]
fn a_log_that_grows_is_told_until_it_can_be_used_anew() {
    let folder = Folder::new("shortage-reader");
    let durability = serde_json::json!({"durability": "process"});
    let config = testing::config(&folder.repository("sqlite"), "none", durability);
    let service = Service::open(Some(&config)).unwrap().0;
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let heard = sizes.clone();
    let log = move |level: i32, event: &str| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        if event["event"] == "store" {
            heard.lock().unwrap().push((level, event["size"].as_u64().unwrap()));
        }
    };
    service.on_log(2, Some(Arc::new(log))).unwrap();
    let create = |number: usize| {
        let request = r#"{"messengerId":"8192836451"}"#;
        assert_eq!(service.create(&format!("token {number}"), Some(request)).unwrap().outcome, Outcome::Ok);
    };
    create(0);
    let reader = rusqlite::Connection::open(folder.path().join("otp.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM item").unwrap();
    let told = (1..40_000).find(|number| {
        create(*number);
        !sizes.lock().unwrap().is_empty()
    });
    let told = told.expect("an event");
    (1..100).for_each(|more| create(told + more));
    let (level, size) = sizes.lock().unwrap()[0];
    assert_eq!((level, sizes.lock().unwrap().len()), (2, 1), "once, as a warning");
    assert!((64 << 20..66 << 20).contains(&size), "{size} bytes");
    reader.execute_batch("COMMIT").unwrap();
    (100..400).for_each(|more| create(told + more));
    let log = folder.path().join("otp.db-wal").metadata().unwrap().len();
    assert!(log <= 20 << 20, "the log is {log} bytes long");
}
