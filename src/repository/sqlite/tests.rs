//! The log: that it has room, comes to an end, and may end in zeros; and what happens to the files from outside.

mod ledger;
mod outside;
mod overlap;
mod recovery;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::clock::Time;
use crate::repository::conformance::ScratchFolder;
use crate::repository::{Commit, transact};
use crate::workflow::Reference;

const COMMIT: Commit = Commit { synced: false, sweep: None };

fn key(number: u32) -> RowKey {
    // As scattered as hashes are, so that every commit changes pages of its own.
    let mut key = [7; BLOCK_BYTES];
    key[..4].copy_from_slice(&number.wrapping_mul(2_654_435_769).to_be_bytes());
    RowKey::new(key)
}

fn row(count: u32) -> Row {
    Row::Reference(Reference { record: key(0), delivery: count, step: None, until: Time::from_ms(1000) })
}

fn put(repository: &dyn Repository, number: u32) {
    transact(repository, COMMIT, move |transaction| {
        transaction.put(&key(number), row(number));
        Ok(())
    })
    .unwrap();
}

fn log_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

fn length(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

#[test]
fn the_log_has_room_before_it_is_needed() {
    let folder = ScratchFolder::new("log-room");
    let path = folder.path().join("otp.db");
    let repository = open(&path, Durability::Process, &mut Vec::new()).unwrap();
    put(&*repository, 1);
    let ready = length(&log_of(&path));
    assert!(ready >= 1 << 20, "the log is {ready} bytes long");
    (2..100).for_each(|number| put(&*repository, number));
    assert_eq!(length(&log_of(&path)), ready, "a hundred small commits fit");
}

#[test]
fn the_log_goes_into_the_database_when_it_is_long() {
    let folder = ScratchFolder::new("log-end");
    let path = folder.path().join("otp.db");
    let repository = open(&path, Durability::Process, &mut Vec::new()).unwrap();
    (0..9000).for_each(|number| put(&*repository, number));
    let longest = length(&log_of(&path));
    assert!(longest < 19 << 20, "the log is {longest} bytes long");
    assert!(length(&path) > 100 << 10, "the database has {} bytes", length(&path));
}

#[test]
fn zeros_in_the_log_are_no_rows_and_hide_none() {
    for rows in [0, 3] {
        let folder = ScratchFolder::new("log-zeros");
        let path = folder.path().join("otp.db");
        let copy = folder.path().join("copy.db");
        let repository = open(&path, Durability::Process, &mut Vec::new()).unwrap();
        (0..rows).for_each(|number| put(&*repository, number));
        // What a crash leaves behind: the database and a log with zeros, or with nothing but zeros.
        std::fs::copy(&path, &copy).unwrap();
        let log = log_of(&copy);
        std::fs::copy(log_of(&path), &log).unwrap();
        if rows == 0 {
            repository.update(COMMIT, Box::new(|_| Ok(()))).unwrap();
            drop(repository);
            std::fs::copy(&path, &copy).unwrap();
            let file = OpenOptions::new().write(true).truncate(true).open(&log).unwrap();
            file.write_all_at(&[0; 4096], 0).unwrap();
        }
        let repository = open(&copy, Durability::Process, &mut Vec::new()).unwrap();
        for number in 0..5 {
            let found = repository.read(&key(number)).unwrap();
            assert_eq!(found, (number < rows).then(|| row(number)), "row {number} of {rows}");
        }
        put(&*repository, 4);
        drop(repository);
        assert_eq!(open(&copy, Durability::Process, &mut Vec::new()).unwrap().read(&key(4)).unwrap(), Some(row(4)));
    }
}
