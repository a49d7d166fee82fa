//! The database under another name, or another database under its name.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::host::worker::{Home, Place, shell};
use crate::host::{Hosts, Worker};

/// A whole copy of the database, as a backup has it.
fn back_up(home: &Home) -> std::path::PathBuf {
    let copy = home.place.beside(".backup");
    shell(&home.place.database, &format!(".backup {}", copy.display())).unwrap();
    copy
}

/// Opens a service, which must be refused with these words.
fn refused(worker: &mut Worker, words: &str) {
    let answer = worker.ask("open 7");
    assert!(answer.starts_with("E_STORE ") && answer.contains(words), "{answer}");
}

#[test]
fn a_database_that_was_replaced_is_noticed_by_all_that_look() {
    let Some(hosts) = Hosts::new("renamed") else { return };
    let home = Home::new("renamed");
    let (mut here, mut idle) = (hosts.opened(&home), hosts.opened(&home));
    let code = here.create(0, "token");
    let copy = back_up(&home);
    assert_eq!(here.verify(0, "token", &code), "OK");
    fs::rename(&copy, &home.place.database).unwrap();
    assert_eq!(idle.verify(0, "unknown", "123456"), "E_STORE", "an unknown token");
    assert_eq!(idle.result("status 0 unknown"), "E_STORE", "an unknown token");
    for command in [format!("verify 0 token {code}"), "create 0 other".to_owned(), "status 0 token".to_owned()] {
        let answer = here.ask(&command);
        assert!(answer.starts_with("E_STORE ") && answer.contains("no longer the file"), "{command}: {answer}");
    }
    // Whoever opens the restored one knows what he does.
    assert_eq!(here.ask("close 0"), "OK");
    here.open(0);
    let _ = here.create(0, "other");
}

/// After a fork nothing is open, and a restored backup could have the number of the file before.
#[test]
fn a_number_that_is_used_again_is_no_identity() {
    let Some(hosts) = Hosts::new("number") else { return };
    let home = Home::new("number");
    let mut here = hosts.opened(&home);
    let code = here.create(0, "token");
    let backup = back_up(&home);
    assert_eq!(here.verify(0, "token", &code), "OK");
    let number = fs::metadata(&home.place.database).unwrap().ino();
    // Both sides have closed everything.
    assert_eq!(here.result(&format!("fork 0 token {code}")), "CHECKED");
    for side in ["", "-wal", "-shm"] {
        fs::remove_file(home.place.beside(side)).unwrap();
    }
    let taken = take_number(home.folder.path(), number);
    match taken {
        Some(path) => {
            fs::write(&path, fs::read(&backup).unwrap()).unwrap();
            fs::rename(&path, &home.place.database).unwrap();
        }
        None => fs::rename(&backup, &home.place.database).unwrap(),
    }
    assert_eq!(here.verify(0, "token", &code), "E_STORE", "the file that was restored was taken for the one before");
    assert_eq!(here.result("status 0 unknown"), "E_STORE");
}

/// Makes files until one has this number; none does as long as the number is taken.
fn take_number(folder: &Path, number: u64) -> Option<std::path::PathBuf> {
    let mut made = (0..200).map(|name| {
        let path = folder.join(format!("file-{name}"));
        fs::write(&path, "").unwrap();
        path
    });
    made.find(|path| fs::metadata(path).unwrap().ino() == number)
}

#[test]
fn a_database_has_one_name() {
    let Some(hosts) = Hosts::new("names") else { return };
    let home = Home::new("names");
    let (mut here, other) = (hosts.opened(&home), Place::named(home.folder.path().join("other.db")));
    let code = here.create(0, "token");
    fs::hard_link(&home.place.database, &other.database).unwrap();
    // Without this the key would be another one.
    fs::copy(home.place.beside(".key"), other.beside(".key")).unwrap();
    let mut there = hosts.c.start(&other);
    refused(&mut there, "more than one name");
    refused(&mut hosts.c.start(&home.place), "more than one name");
    let answers = [here.verify(0, "token", &code), here.verify(0, "token", &code)];
    assert!(answers == ["OK", "CHECKED"] || answers == ["E_STORE", "E_STORE"], "{answers:?}");
    fs::remove_file(&other.database).unwrap();
    let mut fresh = hosts.opened(&home);
    let expected = if answers[0] == "OK" { "CHECKED" } else { "OK" };
    assert_eq!(fresh.verify(0, "token", &code), expected);
    assert_eq!(here.verify(0, "token", &code), "CHECKED");
    for side in ["-wal", "-shm"] {
        let (path, twin) = (home.place.beside(side), home.folder.path().join("twin"));
        fs::hard_link(&path, &twin).unwrap();
        refused(&mut hosts.c.start(&home.place), "more than one name");
        fs::remove_file(&twin).unwrap();
    }
}
