//! `otp check`.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use testing::carrier::BOTH;

use super::command::{Said, Site};
use super::ground::{GROUNDS, Ground, OWN};

const OTHER_KEY: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

fn each(work: impl Fn(Ground)) {
    for ground in GROUNDS.iter().filter_map(|kind| Ground::new(kind)) {
        work(ground);
    }
}

/// The keys that a check lists, each with its kind and cause.
fn listed(said: &Said) -> Vec<(&str, &str, &str)> {
    let is_row = |line: &&str| line.split("  ").next().is_some_and(|key| key.len() == 32 && !key.contains(' '));
    let parts = |line| {
        let mut parts = str::splitn(line, 3, "  ");
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    said.out.lines().filter(is_row).map(parts).collect()
}

fn keys(said: &Said) -> Vec<&str> {
    let mut keys: Vec<_> = listed(said).into_iter().map(|(key, ..)| key).collect();
    keys.sort_unstable();
    keys
}

#[track_caller]
fn is_damaged(said: &Said, text: &str) {
    assert!(said.code == 1 && said.out.contains(text) && said.err.is_empty(), "no {text:?}: {said:?}");
}

#[test]
fn what_is_whole_is_said_to_be_and_nothing_is_written() {
    each(|ground| {
        ground.fill();
        let (rows, state) = (ground.rows(), || ground.rows().keys().map(|key| ground.bytes(key)).collect::<Vec<_>>());
        for kind in ["record", "failures", "sends", "timer", "reference"] {
            assert!(rows.values().any(|found| *found == kind), "{kind}: {rows:?}");
        }
        let before = state();
        ground.site.run(&["check"]).is_done(&format!("whole: {} rows, 0 damaged\n", rows.len()));
        let said = ground.site.run(&["check", "--no-key"]);
        said.is_done(&format!("whole, as far as can be seen without the key: {} rows, 0 damaged\n", rows.len()));
        said.is_done("note: what is sealed beside 3 live codes which need the key was not opened\n");
        let reply = ground.site.json(&["check"]);
        assert_eq!((&reply["whole"], &reply["withKey"], &reply["findings"]), (&json!(true), &json!(true), &json!([])));
        assert_eq!(state(), before);
        ground.site.run(&["check", "--remove", "--yes"]).is_done("0 rows removed or mended\n");
        assert_eq!(state(), before);
    });
}

#[test]
fn every_kind_of_damaged_row_is_found_by_its_key_and_removed_alone() {
    each(|ground| {
        ground.fill();
        let rows = ground.rows();
        let mut planted = Vec::new();
        for kind in ["failures", "sends", "reference", "timer", "record"] {
            // The first of the records is a live one or not: its bytes make no sense either way.
            let key = rows.iter().find(|(_, found)| **found == kind).map(|(key, _)| key.clone()).unwrap();
            ground.cut(&key);
            planted.push((key, kind));
        }
        planted.sort();
        for arguments in [&["check"][..], &["check", "--no-key"]] {
            let said = ground.site.run(arguments);
            is_damaged(&said, "damaged");
            let mut found: Vec<_> = listed(&said);
            found.retain(|(_, _, cause)| !cause.contains("its timer is not there"));
            found.sort_unstable();
            let names: Vec<_> = found.iter().map(|(key, ..)| *key).collect();
            assert_eq!(names, planted.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), "{said:?}");
            for ((_, kind, cause), (_, planted)) in found.iter().zip(&planted) {
                // A file of JSON that was cut says nothing.
                assert!(kind == planted || *kind == "unknown", "{said:?}");
                assert!(cause.contains("damaged"), "{said:?}");
            }
        }
        ground.site.run(&["check", "--remove"]).failed_after(2, "it needs --yes");
        assert_eq!(ground.site.run(&["check"]).code, 1);
        let whole: Vec<_> = rows.keys().filter(|key| !planted.iter().any(|(name, _)| name == *key)).collect();
        let before: Vec<_> = whole.iter().map(|key| ground.bytes(key)).collect();
        let removed = ground.site.run(&["check", "--remove", "--yes"]);
        assert!(removed.code == 0 && removed.out.contains("removed or mended\n"), "{removed:?}");
        assert_eq!(whole.iter().map(|key| ground.bytes(key)).collect::<Vec<_>>(), before);
        let said = ground.site.run(&["check"]);
        said.is_done("whole: ");
    });
}

#[test]
fn what_is_sealed_is_opened_with_the_key() {
    each(|ground| {
        ground.fill();
        // Of the records those that are live have something sealed.
        let service = ground.service();
        assert_eq!(service.create("sealed", Some(BOTH)).unwrap().outcome, otp::Outcome::Ok);
        let before = ground.of_kind("record");
        assert_eq!(service.create("turned", Some(BOTH)).unwrap().outcome, otp::Outcome::Ok);
        drop(service);
        let turned = ground.of_kind("record").into_iter().find(|key| !before.contains(key)).unwrap();
        ground.turn(&turned);
        let said = ground.site.run(&["check"]);
        is_damaged(&said, "record  what is sealed in it does not open");
        assert_eq!(keys(&said), [turned.as_str()]);
        ground.site.run(&["check", "--no-key"]).is_done("whole, as far as can be seen without the key: ");
        // Another tenant's are not opened.
        let other = ground.config(json!({"namespace": "another"}));
        ground.site.run(&["check", "--config", &other]).is_done("5 live codes of other namespaces was not opened\n");
        let reply = ground.site.json(&["check", "--remove", "--yes"]);
        assert_eq!((&reply["removed"], &reply["findings"][0]["key"]), (&json!(1), &json!(turned)), "{reply}");
        ground.site.run(&["check"]).is_done("whole: ");
        assert_eq!(ground.service().status("turned").unwrap().outcome, otp::Outcome::Unknown);
        assert_eq!(ground.service().status("sealed").unwrap().outcome, otp::Outcome::Ok);
    });
}

#[test]
fn a_stalled_code_gets_its_timer_again() {
    each(|ground| {
        ground.fill();
        let timers = ground.of_kind("timer");
        ground.remove(&timers[0]);
        let said = ground.site.run(&["check"]);
        is_damaged(&said, "record  it is due, and its timer is not there: its next step never begins\n");
        assert!(said.out.contains("0 damaged, 1 stalled"), "{said:?}");
        let mended = ground.site.run(&["check", "--remove", "--yes"]);
        assert!(mended.code == 0 && mended.out.contains("1 row removed or mended\n"), "{mended:?}");
        ground.site.run(&["check"]).is_done("whole: ");
        assert_eq!(ground.of_kind("timer"), timers);
        // A timer whose record is gone leads nowhere, and is no damage.
        let service = ground.service();
        let records = ground.of_kind("record");
        records.iter().for_each(|key| ground.remove(key));
        drop(service);
        ground.site.run(&["check"]).is_done("lead to what is gone: harmless").is_done("whole: ");
    });
}

#[test]
fn the_repository_s_own_row_is_told_of_and_never_removed() {
    each(|ground| {
        ground.fill();
        ground.cut(OWN);
        for arguments in [&["check"][..], &["check", "--no-key"], &["check", "--remove", "--yes"]] {
            let said = ground.site.run(arguments);
            is_damaged(&said, &format!("{OWN}  meta  "));
            assert!(!said.out.contains("removed or mended\n") || said.out.contains("0 rows removed"), "{said:?}");
        }
    });
}

#[test]
fn a_short_row_is_removed_as_well() {
    each(|ground| {
        ground.fill();
        let sends = ground.of_kind("sends");
        ground.shorten(&sends[0]);
        assert_eq!(keys(&ground.site.run(&["check"])), [sends[0].as_str()]);
        let said = ground.site.run(&["check", "--remove", "--yes"]);
        assert!(said.code == 0 && said.out.contains("1 row removed or mended\n"), "{said:?}");
        ground.site.run(&["check"]).is_done("whole: ");
    });
}

#[test]
fn a_wrong_key_is_said_to_be_one() {
    each(|ground| {
        ground.fill();
        let wrong = ground.config(json!({"key": OTHER_KEY}));
        let said = ground.site.run(&["check", "--config", &wrong]);
        said.failed(3, "key: is not the one of this repository").failed(3, "otp check --no-key looks without it");
        ground.site.run(&["check", "--no-key", "--config", &wrong]).is_done("whole, as far as");
        let gone = ground.config(json!({"key": "file:/nowhere/at/all"}));
        ground.site.run(&["check", "--config", &gone]).failed(3, "otp check --no-key looks without it");
        ground.site.run(&["check", "--no-key", "--config", &gone]).is_done("whole, as far as");
    });
}

#[test]
fn it_runs_beside_services_at_work() {
    each(|ground| {
        ground.fill();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let (service, over) = (ground.service(), &over);
                scope.spawn(move || {
                    for round in 0.. {
                        let token = format!("{worker} {}", round % 20);
                        let _ = service.create(&token, Some(BOTH));
                        let _ = service.verify(&token, "000000000", None);
                        if over.load(Ordering::Relaxed) {
                            return;
                        }
                        let _ = service.cancel(&token);
                    }
                });
            }
            let checks: Vec<_> = (0..5).map(|_| ground.site.run(&["check"])).collect();
            over.store(true, Ordering::Relaxed);
            for said in checks {
                said.is_done("whole: ");
            }
        });
    });
}

#[test]
fn what_is_no_repository_is_said_to_be_none() {
    let site = Site::new("sqlite");
    let file = site.folder.path().join("otp.db");
    let head = std::fs::read(&file).unwrap();
    for (bytes, text) in [
        (b"this is a letter, and no database at all".to_vec(), "is not an SQLite database"),
        (Vec::new(), "is not an SQLite database"),
        (head[..head.len() / 2].to_vec(), "fault: "),
        (head[..100].to_vec(), "fault: "),
    ] {
        std::fs::write(&file, &bytes).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(site.folder.path().join(format!("otp.db{suffix}")));
        }
        for arguments in [&["check"][..], &["check", "--no-key"], &["check", "--remove", "--yes"]] {
            is_damaged(&site.run(arguments), text);
        }
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "it was left as it is");
    }
    let Some(shell) = testing::tool("sqlite3") else { return };
    let sql = |statement: &str| {
        assert!(std::process::Command::new(&shell).arg(&file).arg(statement).output().unwrap().status.success());
    };
    std::fs::write(&file, &head).unwrap();
    sql("PRAGMA user_version = 2");
    is_damaged(&site.run(&["check"]), "it has version 2, and this library reads up to version 1");
    sql("PRAGMA user_version = 1; CREATE TABLE other (x)");
    is_damaged(&site.run(&["check"]), "fault: the schema is not the one that this library makes\n");
    sql("DROP TABLE other; PRAGMA application_id = 7");
    is_damaged(&site.run(&["check"]), "not a repository of this library");
    sql("PRAGMA application_id = 0x6c6f7470; PRAGMA journal_mode = DELETE");
    is_damaged(&site.run(&["check"]), "is not in WAL mode");
    sql("PRAGMA journal_mode = WAL; INSERT INTO item VALUES (x'0102', x'03')");
    is_damaged(&site.run(&["check"]), "fault: rows with a key that is not 16 bytes, which no service reads: 1\n");
    sql("DELETE FROM item WHERE length(k) = 2");
    site.run(&["check"]).is_done("whole: ");
}

#[test]
fn a_page_of_the_database_that_is_garbled_is_a_fault() {
    let site = Site::new("sqlite");
    let service = site.service();
    for token in 0..300 {
        let _ = service.create(&format!("session {token}"), None).unwrap();
    }
    drop(service);
    let file = site.folder.path().join("otp.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let (middle, page) = (bytes.len() / 4096 / 2, 4096);
    bytes[middle * page..(middle + 1) * page].fill(0x5a);
    std::fs::write(&file, &bytes).unwrap();
    let said = site.run(&["check"]);
    is_damaged(&said, "fault: SQLite says: ");
    assert!(said.out.contains("fault: the rows cannot be read"), "{said:?}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn files_that_others_use_are_told_of() {
    for kind in ["sqlite", "json"] {
        let site = Site::new(kind);
        let _ = site.service().create("session 1", None).unwrap();
        let folder = site.folder.path();
        let file = if kind == "sqlite" { folder.join("otp.db") } else { folder.join("otp/repository.json") };
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        site.run(&["check"]).is_done("note: repository: ").is_done("is open to group or others");
        let second = folder.join("second");
        std::fs::hard_link(&file, &second).unwrap();
        is_damaged(&site.run(&["check"]), "it has more than one name (hard link)");
        std::fs::remove_file(second).unwrap();
        site.run(&["check"]).is_done("whole: ");
    }
    let site = Site::new("json");
    let _ = site.service().create("session 1", None).unwrap();
    let row = std::fs::read_dir(site.folder.path().join("otp")).unwrap().map(|entry| entry.unwrap().path());
    let row = row.into_iter().find(|path| path.file_stem().unwrap().len() == 32).unwrap();
    std::fs::hard_link(&row, site.folder.path().join("second")).unwrap();
    std::fs::write(site.folder.path().join("otp/notes.txt"), "mine").unwrap();
    let said = site.run(&["check", "--remove", "--yes"]);
    is_damaged(&said, "it has more than one name (hard link)");
    assert!(said.out.contains("note: files in the folder: 1 that are none of this library's\n"), "{said:?}");
    assert!(said.out.contains("0 rows removed or mended\n") && row.exists(), "it may be whole: {said:?}");
}

#[test]
fn copies_that_are_not_finished_or_were_moved_are_told_of() {
    for kind in ["sqlite", "json"] {
        let site = Site::new(kind);
        let _ = site.service().create("session 1", None).unwrap();
        site.run(&["copy", "json:moved", "--move", "--yes"]).is_done("moved\n");
        site.run(&["check"]).is_done("note: it was moved: open what it was moved to\n").is_done("whole: ");
        let moved = site.folder.path().join("moved");
        let file = moved.join("repository.json");
        let mut own: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        own["meta"]["state"] = json!({"unfinished": {"copy": OWN, "run": OWN}});
        std::fs::write(&file, own.to_string()).unwrap();
        let config = json!({"repository": format!("json:{}", moved.display()), "sender": {"type": "none"}});
        let said = site.run(&["check", "--no-key", "--config", &config.to_string()]);
        is_damaged(&said, "fault: it is an unfinished copy: call otp copy again, or empty it\n");
    }
}

/// Whatever is called, it says the same, and does nothing.
#[test]
fn a_repository_without_its_own_row_is_refused_by_all() {
    // A folder with other files is refused before anything is read.
    for kind in GROUNDS.into_iter().filter(|kind| *kind != "json") {
        let Some(ground) = Ground::new(kind) else { continue };
        ground.fill();
        ground.remove(OWN);
        let rows = ground.rows();
        let text = "its own row is missing, and other rows are there: leave them as they are, and restore a backup";
        for command in [&["status", "used"][..], &["open"], &["copy", "json:backup"], &["rotate"], &["due"]] {
            ground.site.run(command).failed(3, text);
        }
        is_damaged(&ground.site.run(&["check"]), text);
        assert_eq!(ground.rows(), rows);
    }
}
