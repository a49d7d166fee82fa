//! What follows a failed sync: all that the log holds goes to the disk by another way.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::*;
use crate::repository::engine::Reader;

pub fn engine(path: &Path) -> Sqlite {
    Sqlite::new(Shared::of(Database::locate(path, &mut Vec::new()).unwrap())).unwrap()
}

/// Writes a row, and says that its commit must be synced.
pub fn write(engine: &mut Sqlite, number: u32) -> Result<()> {
    while !engine.try_begin()? {}
    engine.write(&key(number), Some(&row(number)))?;
    engine.commit(true)?.map_or(Ok(()), |settle| settle())
}

/// How things stand, and whether they are put right.
fn standing(engine: &mut Sqlite) -> Standing {
    assert!(engine.lock.try_lock().unwrap());
    let standing = engine.ledger().unwrap().standing().unwrap();
    engine.lock.unlock();
    standing
}

fn is_due(engine: &mut Sqlite) -> bool {
    let standing = standing(engine);
    standing.failed || standing.due > standing.synced
}

/// As a writer leaves it that died while it held the lock.
fn leave_due(engine: &mut Sqlite) {
    assert!(engine.lock.try_lock().unwrap());
    engine.ledger().unwrap().mark_section(true).unwrap();
    engine.lock.unlock();
}

#[test]
fn a_due_sync_empties_the_log_into_the_database() {
    let folder = ScratchFolder::new("recovery-due");
    let path = folder.path().join("otp.db");
    let (mut writer, mut other) = (engine(&path), engine(&path));
    (0..50).for_each(|number| write(&mut writer, number).unwrap());
    assert!(!is_due(&mut writer), "nothing is due after a commit");
    assert!(frames::readable(&File::open(log_of(&path)).unwrap()).unwrap() >= 50);
    leave_due(&mut writer);
    assert!(other.try_begin().unwrap());
    assert_eq!(length(&log_of(&path)), 0, "the log went into the database");
    assert_eq!(other.get(&key(49)).unwrap(), Some(row(49)));
    other.rollback();
    assert!(!is_due(&mut writer));
    write(&mut writer, 50).unwrap();
    assert_eq!(Readers(other.shared.clone()).read(&key(50)).unwrap(), Some(row(50)));
}

#[test]
fn a_due_sync_waits_for_a_reader_that_needs_the_log() {
    let folder = ScratchFolder::new("recovery-reader");
    let path = folder.path().join("otp.db");
    let mut writer = engine(&path);
    (0..10).for_each(|number| write(&mut writer, number).unwrap());
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM item").unwrap();
    leave_due(&mut writer);
    assert!(!writer.try_begin().unwrap());
    assert!(is_due(&mut writer));
    let error = loop {
        match writer.try_begin() {
            Ok(begun) => assert!(!begun),
            Err(error) => break error,
        }
    };
    assert!(error.detail().contains("keeps it from being repeated"), "{error}");
    reader.execute_batch("COMMIT").unwrap();
    write(&mut writer, 10).unwrap();
    assert!(!is_due(&mut writer));
}

/// What the disk did not take may be read back as it was before.
#[test]
fn pages_that_cannot_be_read_back_are_not_believed() {
    let folder = ScratchFolder::new("recovery-damage");
    let path = folder.path().join("otp.db");
    let mut writer = engine(&path);
    (0..30).for_each(|number| write(&mut writer, number).unwrap());
    let log = OpenOptions::new().read(true).write(true).open(log_of(&path)).unwrap();
    let pages = frames::readable(&log).unwrap();
    log.write_all_at(&[0xaa; 8], 32 + (pages - 5) * log::FRAME + 1000).unwrap();
    let left = frames::readable(&log).unwrap();
    assert!(left < pages && left >= pages - 8, "{left} of {pages} pages");
    leave_due(&mut writer);
    while !writer.try_begin().unwrap() {}
    assert_eq!(length(&log_of(&path)), 0);
    assert_eq!(writer.get(&key(0)).unwrap(), Some(row(0)));
    assert_eq!(writer.get(&key(29)).unwrap(), None, "of a page that was lost");
    writer.rollback();
    let check: String =
        rusqlite::Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    write(&mut writer, 29).unwrap();
}

#[test]
fn the_log_is_read_as_far_as_its_checksums_hold() {
    let folder = ScratchFolder::new("recovery-frames");
    let path = folder.path().join("otp.db");
    let mut writer = engine(&path);
    (0..20).for_each(|number| write(&mut writer, number).unwrap());
    let pages = writer.pages;
    let whole = std::fs::read(log_of(&path)).unwrap();
    let copy = folder.path().join("copy");
    let readable = |bytes: &[u8]| {
        std::fs::write(&copy, bytes).unwrap();
        frames::readable(&File::open(&copy).unwrap()).unwrap()
    };
    assert_eq!(readable(&whole), pages);
    for length in [0, 31, 32, 32 + 4119] {
        assert_eq!(readable(&whole[..length]), 0, "{length} bytes");
    }
    for at in [0, 5, 9, 17, 25, 31, 33, 40, 50, 56, 1000] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert_eq!(readable(&bytes), 0, "byte {at}");
    }
}
