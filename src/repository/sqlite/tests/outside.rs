//! What others do to the files.

use super::*;
use crate::fork::ForkAware;
use crate::sys::{self, RangeLock};

fn holds(repository: &dyn Repository, number: u32) -> Result<bool> {
    Ok(repository.read(&key(number))?.is_some())
}

/// The repository, and what a fork asks of it.
fn both(path: &Path) -> Arc<GroupCommit<Sqlite, Readers>> {
    let engine = super::recovery::engine(path);
    let readers = Readers(engine.shared.clone());
    GroupCommit::new(engine, readers, Durability::Full).unwrap()
}

#[test]
fn side_files_that_are_deleted_are_opened_anew() {
    for suffix in ["-wal", "-shm"] {
        let folder = ScratchFolder::new(&format!("outside{suffix}"));
        let path = folder.path().join("otp.db");
        let (first, second) = (both(&path), both(&path));
        put(&*first, 1);
        std::fs::remove_file(folder.path().join(format!("otp.db{suffix}"))).unwrap();
        assert!(holds(&*first, 1).unwrap());
        put(&*second, 2);
        assert!(holds(&*first, 2).unwrap());
        put(&*first, 3);
        let fresh = rusqlite::Connection::open(&path).unwrap();
        let rows: i64 = fresh.query_row("SELECT count(*) FROM item", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 3, "{suffix}");
    }
}

#[test]
fn a_side_file_that_is_replaced_during_a_transaction_is_no_success() {
    let folder = ScratchFolder::new("outside-during");
    let path = folder.path().join("otp.db");
    let repository = both(&path);
    put(&*repository, 1);
    let index = folder.path().join("otp.db-shm");
    let failed = transact(&*repository, COMMIT, move |transaction| {
        transaction.put(&key(2), row(2));
        std::fs::remove_file(&index).unwrap();
        Ok(())
    });
    assert_eq!(failed.unwrap_err().outcome(), Outcome::Store);
    put(&*repository, 3);
    assert!(holds(&*repository, 1).unwrap() && holds(&*repository, 3).unwrap());
}

/// Any close of a file ends the locks that belong to the process.
#[test]
fn a_transaction_keeps_its_lock_when_somebody_here_reads_the_index() {
    let folder = ScratchFolder::new("outside-index");
    let path = folder.path().join("otp.db");
    let repository = both(&path);
    put(&*repository, 1);
    let index = folder.path().join("otp.db-shm");
    let done = transact(&*repository, COMMIT, move |transaction| {
        transaction.put(&key(2), row(2));
        drop(std::fs::read(&index).unwrap());
        let another = OpenOptions::new().read(true).write(true).open(&index).unwrap();
        // The byte that is locked by who writes (`WAL_WRITE_LOCK`).
        assert!(!sys::lock_range(&another, RangeLock::Exclusive, 120, 1).unwrap(), "nobody is kept out");
        Ok(())
    });
    done.unwrap();
}

/// What is in the log alone stays, as long as a service has the log open.
#[test]
fn a_log_that_is_deleted_is_brought_home_unless_the_database_was_restored() {
    for restored in [false, true] {
        let folder = ScratchFolder::new("outside-log");
        let path = folder.path().join("otp.db");
        let repository = both(&path);
        put(&*repository, 1);
        rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let backup = std::fs::read(&path).unwrap();
        put(&*repository, 2);
        std::fs::remove_file(log_of(&path)).unwrap();
        if restored {
            std::fs::write(&path, backup).unwrap();
        }
        assert!(holds(&*repository, 1).unwrap());
        assert_eq!(holds(&*repository, 2).unwrap(), !restored, "restored: {restored}");
        put(&*repository, 3);
        drop(repository);
        let fresh = both(&path);
        assert_eq!([1, 2, 3].map(|number| holds(&*fresh, number).unwrap()), [true, !restored, true]);
    }
}

#[test]
fn another_database_at_the_path_is_refused_also_by_who_only_reads() {
    let folder = ScratchFolder::new("outside-replaced");
    let path = folder.path().join("otp.db");
    let repository = both(&path);
    put(&*repository, 1);
    let copy = folder.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    assert_eq!(holds(&*repository, 9).unwrap_err().outcome(), Outcome::Store);
    let failed = transact(&*repository, COMMIT, |transaction| transaction.get(&key(1)).map(|_| ()));
    assert_eq!(failed.unwrap_err().outcome(), Outcome::Store);
}

/// The number of a deleted file is given to the next one, unless something holds it.
#[test]
fn a_database_is_pinned_while_no_connection_is_open() {
    let folder = ScratchFolder::new("outside-pinned");
    let path = folder.path().join("otp.db");
    let repository = both(&path);
    put(&*repository, 1);
    repository.before_fork();
    let backup = std::fs::read(&path).unwrap();
    for _ in 0..50 {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &backup).unwrap();
        assert_eq!(holds(&*repository, 1).unwrap_err().outcome(), Outcome::Store);
    }
}

#[test]
fn a_second_name_is_refused() {
    let folder = ScratchFolder::new("outside-name");
    let path = folder.path().join("otp.db");
    let repository = both(&path);
    put(&*repository, 1);
    std::fs::hard_link(&path, folder.path().join("other.db")).unwrap();
    for name in ["otp.db", "other.db"] {
        let refused = open(&folder.path().join(name), Durability::Full, &mut Vec::new());
        let error = refused.map(|_| ()).unwrap_err();
        assert!(error.detail().contains("more than one name"), "{error}");
    }
    repository.before_fork();
    assert_eq!(holds(&*repository, 1).unwrap_err().outcome(), Outcome::Store);
    std::fs::remove_file(folder.path().join("other.db")).unwrap();
    assert!(holds(&*repository, 1).unwrap());
}

#[test]
fn a_database_that_left_wal_mode_is_brought_back() {
    let folder = ScratchFolder::new("outside-mode");
    let path = folder.path().join("otp.db");
    let repository = both(&path);
    put(&*repository, 1);
    let switch = || -> rusqlite::Result<String> {
        rusqlite::Connection::open(&path)?.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))
    };
    assert!(switch().is_err(), "not while it is open");
    // As in a child, which has nothing open yet.
    repository.before_fork();
    repository.in_child();
    // A process that another test starts has our guard as well, until it is another program.
    let deadline = Instant::now() + Duration::from_secs(10);
    while switch().is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(switch().unwrap(), "delete");
    assert!(holds(&*repository, 1).unwrap());
    assert!(switch().is_err());
    put(&*repository, 2);
    assert!(holds(&*repository, 2).unwrap());
}

#[test]
fn a_reader_that_never_ends_is_known_by_the_length_of_the_log() {
    let folder = ScratchFolder::new("outside-reader");
    let path = folder.path().join("otp.db");
    let repository = both(&path);
    put(&*repository, 0);
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM item").unwrap();
    let mut number = 0;
    while repository.log_bytes() < 30 << 20 {
        number += 1;
        put(&*repository, number);
    }
    reader.execute_batch("COMMIT").unwrap();
    for more in 1..=300 {
        put(&*repository, number + more);
    }
    assert!(repository.log_bytes() < 16 << 20, "{} bytes", repository.log_bytes());
    assert!(length(&log_of(&path)) <= 20 << 20, "the file is {} bytes long", length(&log_of(&path)));
}

/// Nobody needs it any more: it goes into the database, and all works again.
#[test]
fn a_log_that_grew_to_its_limit_is_emptied_when_its_reader_has_ended() {
    let folder = ScratchFolder::new("outside-limit");
    let path = folder.path().join("otp.db");
    let repository = both(&path);
    put(&*repository, 0);
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM item").unwrap();
    let write = |number: u32| {
        transact(&*repository, COMMIT, move |transaction| {
            // Many pages at once.
            (0..2000).for_each(|part| transaction.put(&key(number * 2000 + part), row(part + 1)));
            Ok(())
        })
    };
    let full = (1..2000).find_map(|number| write(number).err()).expect("a limit");
    assert!(full.detail().contains("has grown to its limit"), "{full}");
    assert!((256 << 20..300 << 20).contains(&length(&log_of(&path))), "{} bytes", length(&log_of(&path)));
    assert!(write(0).is_err() && holds(&*repository, 0).unwrap());
    reader.execute_batch("COMMIT").unwrap();
    write(0).unwrap();
    assert!(length(&log_of(&path)) < 64 << 20, "{} bytes", length(&log_of(&path)));
}

/// Somebody deletes the log, and before the next call something else happens: what was acknowledged stays.
#[test]
fn a_deleted_log_is_brought_home_whatever_comes_in_between() {
    type Between = fn(&GroupCommit<Sqlite, Readers>, &Path);
    let between: [(&str, Between); 4] = [
        ("fork", |repository, _| repository.before_fork()),
        ("chmod", |_, path| {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o640);
            std::fs::set_permissions(path, permissions).unwrap();
        }),
        ("readers", |repository, _| {
            let holds = |number| move || assert!(repository.read(&key(number)).unwrap().is_some());
            std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(holds(2)))));
        }),
        ("nothing", |_, _| {}),
    ];
    for (name, between) in between {
        let folder = ScratchFolder::new(&format!("outside-between-{name}"));
        let path = folder.path().join("otp.db");
        let repository = both(&path);
        put(&*repository, 1);
        put(&*repository, 2);
        std::fs::remove_file(log_of(&path)).unwrap();
        between(&repository, &path);
        assert!(holds(&*repository, 2).unwrap(), "{name}");
        put(&*repository, 3);
        drop(repository);
        let fresh = both(&path);
        (1..=3).for_each(|number| assert!(holds(&*fresh, number).unwrap(), "{name}: row {number}"));
    }
}

#[test]
fn a_deleted_log_waits_for_a_foreign_reader_to_end() {
    let folder = ScratchFolder::new("outside-waits");
    let path = folder.path().join("otp.db");
    let mut engine = super::recovery::engine(&path);
    super::recovery::write(&mut engine, 1).unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM item").unwrap();
    super::recovery::write(&mut engine, 2).unwrap();
    std::fs::remove_file(log_of(&path)).unwrap();
    (0..5).for_each(|_| assert!(!engine.try_begin().unwrap()));
    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    super::recovery::write(&mut engine, 3).unwrap();
    let fresh = both(&path);
    (1..=3).for_each(|number| assert!(holds(&*fresh, number).unwrap(), "row {number}"));
}

/// As a process leaves it that died while it switched the database to WAL mode: SQLite needs it alone to go on.
#[test]
fn a_rollback_journal_that_was_left_keeps_nobody_out() {
    let folder = ScratchFolder::new("outside-journal");
    let path = folder.path().join("otp.db");
    put(&*both(&path), 1);
    std::fs::write(folder.path().join("otp.db-journal"), [7; 1024]).unwrap();
    let repository = both(&path);
    put(&*repository, 2);
    assert!(holds(&*repository, 1).unwrap() && holds(&*repository, 2).unwrap());
    assert!(!folder.path().join("otp.db-journal").exists());
}
