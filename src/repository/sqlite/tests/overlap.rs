//! Commits of several processes whose syncs overlap, fail, or never come.

use super::recovery::{engine, write};
use super::*;

/// An engine as another process has it.
fn process(path: &Path) -> Sqlite {
    Sqlite::new(Shared::apart(Database::locate(path, &mut Vec::new()).unwrap())).unwrap()
}

/// Writes a row that must survive, and gives what is left to do for that.
fn commit(engine: &mut Sqlite, number: u32) -> Option<Settle> {
    while !engine.try_begin().unwrap() {}
    engine.write(&key(number), Some(&row(number))).unwrap();
    engine.commit(true).unwrap()
}

/// Reads, and gives what is left to do before that may be told.
fn look(engine: &mut Sqlite, number: u32) -> (Option<Row>, Option<Settle>) {
    while !engine.try_begin().unwrap() {}
    let row = engine.get(&key(number)).unwrap();
    (row, engine.commit(true).unwrap())
}

/// How often the log went home because a sync had failed.
fn recoveries(engine: &mut Sqlite) -> u64 {
    while !engine.lock.try_lock().unwrap() {}
    let standing = engine.ledger().unwrap().standing().unwrap();
    engine.lock.unlock();
    standing.home
}

fn break_syncs(engine: &mut Sqlite) {
    while !engine.try_begin().unwrap() {}
    engine.running.as_ref().unwrap().syncer.as_ref().unwrap().break_file();
    engine.rollback();
}

#[test]
fn an_answer_waits_for_the_sync_of_what_it_tells_and_for_no_other() {
    let folder = ScratchFolder::new("overlap-wait");
    let path = folder.path().join("otp.db");
    let (mut first, mut second) = (process(&path), process(&path));
    write(&mut second, 1).unwrap();
    assert!(look(&mut first, 1).1.is_none(), "it is on the disk");
    let settle = commit(&mut first, 2).expect("its sync is due");
    let (row, owed) = look(&mut second, 2);
    assert!(row.is_some());
    owed.expect("what is told of is not on the disk")().unwrap();
    assert!(look(&mut first, 2).1.is_none(), "another process had it synced");
    settle().unwrap();
    // What asks for no sync is not waited for: the outcome of a message, say.
    while !first.try_begin().unwrap() {}
    first.write(&key(3), Some(&super::row(3))).unwrap();
    assert!(first.commit(false).unwrap().is_none());
    assert!(look(&mut second, 3).1.is_none());
    assert_eq!(recoveries(&mut second), recoveries(&mut first));
}

#[test]
fn a_sync_answers_for_nothing_that_comes_after_its_commit() {
    let folder = ScratchFolder::new("overlap-later");
    let path = folder.path().join("otp.db");
    let (mut first, mut second) = (process(&path), process(&path));
    write(&mut second, 1).unwrap();
    let (one, other) = (commit(&mut first, 2).unwrap(), commit(&mut second, 3).unwrap());
    one().unwrap();
    assert!(first.lock.try_lock().unwrap());
    let standing = first.ledger().unwrap().standing().unwrap();
    first.lock.unlock();
    assert_eq!(standing.synced + 1, standing.due, "the second process still owes");
    other().unwrap();
}

#[test]
fn who_dies_between_commit_and_sync_has_failed() {
    let folder = ScratchFolder::new("overlap-death");
    let path = folder.path().join("otp.db");
    let (mut first, mut second) = (process(&path), process(&path));
    write(&mut second, 1).unwrap();
    let before = recoveries(&mut second);
    // Dropped unused, as by a process that is killed.
    drop(commit(&mut first, 2));
    drop(first);
    assert_eq!(look(&mut second, 2).0, Some(row(2)));
    assert!(recoveries(&mut second) > before);
    assert_eq!(length(&log_of(&path)), 0, "the log went into the database");
    write(&mut second, 3).unwrap();
}

#[test]
fn a_death_that_another_sync_made_good_is_no_failure() {
    let folder = ScratchFolder::new("overlap-good");
    let path = folder.path().join("otp.db");
    let (mut first, mut second) = (process(&path), process(&path));
    write(&mut second, 1).unwrap();
    drop(commit(&mut first, 2));
    let before = recoveries(&mut second);
    write(&mut second, 3).unwrap();
    drop(first);
    write(&mut second, 4).unwrap();
    assert_eq!(recoveries(&mut second), before);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_before_all_is_at_home() {
    let folder = ScratchFolder::new("overlap-failure");
    let path = folder.path().join("otp.db");
    let (mut first, mut second) = (process(&path), process(&path));
    write(&mut second, 1).unwrap();
    write(&mut first, 1).unwrap();
    break_syncs(&mut first);
    let before = recoveries(&mut second);
    let (one, other) = (commit(&mut first, 2).unwrap(), commit(&mut first, 3).unwrap());
    assert!(one().unwrap_err().detail().contains("cannot sync"));
    assert!(other().unwrap_err().detail().contains("failed"), "what was built on it has failed as well");
    assert_eq!(look(&mut second, 3).0, Some(row(3)));
    assert_eq!(length(&log_of(&path)), 0, "the log went into the database");
    assert!(recoveries(&mut second) > before);
    // Who failed opens everything anew, and goes on.
    write(&mut first, 4).unwrap();
    assert_eq!(look(&mut second, 4).0, Some(row(4)));
}

/// A sync that was under way while others recovered is not needed any more.
#[test]
fn a_recovery_answers_for_what_it_brought_home() {
    let folder = ScratchFolder::new("overlap-home");
    let path = folder.path().join("otp.db");
    let (mut first, mut second) = (process(&path), process(&path));
    write(&mut second, 1).unwrap();
    write(&mut first, 1).unwrap();
    break_syncs(&mut first);
    let (one, other) = (commit(&mut first, 2).unwrap(), commit(&mut first, 3).unwrap());
    assert!(one().is_err());
    assert_eq!(look(&mut second, 3).0, Some(row(3)));
    other().unwrap();
}

/// A process that was stopped between commit and sync holds up nobody who comes.
#[test]
fn who_owes_for_long_holds_up_nobody() {
    let folder = ScratchFolder::new("overlap-stopped");
    let path = folder.path().join("otp.db");
    let mut stopped = process(&path);
    let settle = commit(&mut stopped, 1).unwrap();
    let mut newcomer = process(&path);
    write(&mut newcomer, 2).unwrap();
    assert_eq!(look(&mut newcomer, 1).0, Some(row(1)));
    settle().unwrap();
    write(&mut stopped, 3).unwrap();
}

#[test]
fn without_a_place_the_commit_itself_syncs() {
    let folder = ScratchFolder::new("overlap-full");
    let path = folder.path().join("otp.db");
    let (others, _) = crate::files::open_or_make(&folder.path().join("otp.db-lock")).unwrap();
    assert!(crate::sys::lock_range(&others, crate::sys::RangeLock::Exclusive, 1 << 40, 1024).unwrap());
    let mut engine = engine(&path);
    assert!(commit(&mut engine, 1).is_none());
    while !engine.try_begin().unwrap() {}
    let level: i64 = engine.run(|connection| connection.query_row("PRAGMA synchronous", [], |row| row.get(0))).unwrap();
    assert_eq!(level, 2, "FULL");
    engine.rollback();
}

#[test]
fn many_threads_share_syncs_and_lose_nothing() {
    let folder = ScratchFolder::new("overlap-threads");
    let path = folder.path().join("otp.db");
    let repository = open(&path, Durability::Full, &mut Vec::new()).unwrap();
    let commit = Commit { synced: true, sweep: None };
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let repository = repository.clone();
            scope.spawn(move || {
                for number in (thread * 100..).take(20) {
                    transact(&*repository, commit, move |transaction| {
                        transaction.put(&key(number), row(number));
                        Ok(())
                    })
                    .unwrap();
                }
            });
        }
    });
    let mut process = process(&path);
    assert!(look(&mut process, 0).1.is_none(), "every answer was waited for");
}
