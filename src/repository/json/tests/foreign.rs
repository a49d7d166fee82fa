//! Files that are not the ones we hold, or not ours alone.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown};

use super::*;
use crate::repository::{Commit, transact};
use crate::sys;

const COMMIT: Commit = Commit { synced: true, sweep: None };

/// Says yes once, as a verification does, and leaves `mark`. `meanwhile` runs in the transaction, by a thread of its
/// own.
fn use_once(repository: &dyn Repository, mark: u32, meanwhile: impl FnOnce() + Send + 'static) -> Result<bool> {
    let mut meanwhile = Some(meanwhile);
    transact(repository, COMMIT, move |transaction| {
        let before = transaction.get(&key(1))?;
        meanwhile.take().into_iter().for_each(|meanwhile| std::thread::spawn(meanwhile).join().unwrap());
        transaction.put(&key(1), failures(mark).unwrap());
        Ok(before.is_none())
    })
}

fn open_full(path: &Path) -> Arc<dyn Repository> {
    open(path, Durability::Full, &mut Vec::new()).unwrap()
}

#[test]
fn a_lock_replaced_in_a_transaction_gives_no_second_yes() {
    for replaced_by_another in [false, true] {
        let scratch = Scratch::new("second-yes");
        let (first, second) = (open_full(&scratch.path()), open_full(&scratch.path()));
        let (lock, other) = (scratch.file("lock"), second.clone());
        let answer = use_once(&*first, 1, move || {
            fs::remove_file(&lock).unwrap();
            if replaced_by_another {
                fs::write(&lock, "").unwrap();
            }
            assert_eq!(use_once(&*other, 2, || ()), Ok(true));
        });
        assert_store_error(answer, "lock");
        assert_eq!(second.read(&key(1)).unwrap(), failures(2), "nothing else was committed");
        for repository in [first, second] {
            assert_eq!(use_once(&*repository, 3, || ()), Ok(false), "it goes on with the new lock");
        }
    }
}

#[test]
fn a_lock_replaced_while_we_write_gives_no_second_yes() {
    let scratch = Scratch::new("late");
    let (mut first, mut second) = (scratch.engine(), scratch.engine());
    let lock = scratch.file("lock");
    first.hook = Some(Box::new(move || {
        // Once, after the lock was looked at: somebody else begins while the old file is still there.
        if fs::remove_file(&lock).is_ok() {
            assert!(second.try_begin()?);
            assert_eq!(second.get(&key(1))?, None);
            second.write(&key(1), failures(2).as_ref())?;
            second.commit(true)?;
            fs::rename(&lock, lock.with_file_name("used")).unwrap();
        }
        Ok(())
    }));
    assert_store_error(commit(&mut first, &vec![(key(1), failures(1))], true), "lock");
}

#[test]
fn a_folder_replaced_in_a_transaction_gives_no_second_yes() {
    let scratch = Scratch::new("moved");
    let first = open_full(&scratch.path());
    let (path, moved) = (scratch.path(), scratch.0.join("moved"));
    let answer = use_once(&*first, 1, move || {
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        fs::copy(moved.join("repository.json"), path.join("repository.json")).unwrap();
        assert_eq!(use_once(&*open_full(&path), 2, || ()), Ok(true));
    });
    assert_store_error(answer, "no longer the one that was opened");
    assert_eq!(open_full(&scratch.path()).read(&key(1)).unwrap(), failures(2), "nothing else was committed");
    // Also who reads, and about what is in neither.
    for number in [1, 2] {
        assert_store_error(first.read(&key(number)), "no longer the one that was opened");
    }
}

#[test]
fn a_file_with_a_second_name_is_refused() {
    let scratch = Scratch::new("links");
    let mut engine = scratch.engine();
    commit(&mut engine, &vec![(key(1), failures(1))], true).unwrap();
    let link = scratch.0.join("link");
    let with_link = |name: &str, check: &mut dyn FnMut(&str)| {
        fs::hard_link(scratch.file(name), &link).unwrap();
        check(&format!("{name}\" is refused: it has more than one name"));
        fs::remove_file(&link).unwrap();
    };
    let row = format!("{}.json", key(1));
    with_link(&row, &mut |why| assert_store_error(engine.folder.read(&key(1)), why));
    engine.close();
    with_link("lock", &mut |why| assert_store_error(engine.try_begin(), why));
    for name in ["lock", "repository.json"] {
        with_link(name, &mut |why| assert_store_error(Folder::open(&scratch.path(), &mut Vec::new()), why));
    }
    assert_eq!(state(&mut engine).unwrap().len(), 1, "it goes on when the other name is gone");
}

#[test]
fn files_of_another_user_are_refused() {
    if sys::effective_uid() != 0 {
        // Only root can give a file away. The files themselves have tests that need no root.
        return;
    }
    let scratch = Scratch::new("owners");
    let mut engine = scratch.engine();
    commit(&mut engine, &vec![(key(1), failures(1))], true).unwrap();
    engine.close();
    let row = format!("{}.json", key(1));
    fs::write(scratch.file("journal.json"), format::journal_text(&[]).unwrap()).unwrap();
    for name in [row.as_str(), "journal.json", "lock", "repository.json"] {
        let why = format!("{name}\" is refused: it belongs to user 12345, and this process is user 0");
        chown(scratch.file(name), Some(12345), None).unwrap();
        if name == row {
            fs::rename(scratch.file("journal.json"), scratch.0.join("journal")).unwrap();
            assert_store_error(engine.folder.read(&key(1)), &why);
            fs::rename(scratch.0.join("journal"), scratch.file("journal.json")).unwrap();
        } else {
            assert_store_error(Folder::open(&scratch.path(), &mut Vec::new()), &why);
        }
        if matches!(name, "journal.json" | "lock") {
            assert_store_error(engine.try_begin(), &why);
        }
        chown(scratch.file(name), Some(0), None).unwrap();
    }
    assert_eq!(state(&mut engine).unwrap().len(), 1);
    chown(scratch.path(), Some(12345), None).unwrap();
    assert_store_error(Folder::open(&scratch.path(), &mut Vec::new()), "user 12345");
}

#[test]
fn what_is_open_to_others_is_a_warning() {
    let scratch = Scratch::new("warnings");
    let opened = || {
        let mut warnings = Vec::new();
        drop(open(&scratch.path(), Durability::Full, &mut warnings).unwrap());
        warnings
    };
    assert_eq!(opened(), [""; 0]);
    drop(scratch.engine().try_begin());
    for (name, mode) in [("", 0o777), ("lock", 0o666), ("repository.json", 0o644)] {
        let path = scratch.path().join(name);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = opened();
        let path = path.components().collect::<PathBuf>();
        assert!(warnings.len() == 1 && warnings[0].contains(&format!("{path:?} is ")), "{name}: {warnings:?}");
        fs::set_permissions(&path, before).unwrap();
    }
    assert_eq!(opened(), [""; 0]);
}

#[test]
fn nothing_is_read_that_is_longer_than_we_write() {
    let scratch = Scratch::new("long");
    let mut engine = scratch.engine();
    let sealed = |bytes| match record() {
        Some(Row::Record(mut record)) => {
            record.sealed = vec![7; bytes];
            Some(Row::Record(record))
        }
        _ => None,
    };
    commit(&mut engine, &vec![(key(1), sealed(16_000))], true).unwrap();
    assert_eq!(engine.folder.read(&key(1)).unwrap(), sealed(16_000));
    assert_store_error(commit(&mut engine, &vec![(key(1), sealed(600_000))], true), "longer than");
    assert_eq!(state(&mut engine).unwrap()[&key(1)], sealed(16_000).unwrap(), "and nothing is written");

    // With holes: three gibibytes that take no room, and that there may be no memory for.
    for name in [format!("{}.json", key(1)), "journal.json".to_owned()] {
        File::create(scratch.file(&name)).unwrap().set_len(3 << 30).unwrap();
        assert_store_error(engine.folder.read(&key(1)), &format!("{name}\" is refused: it is longer than"));
        if name == "journal.json" {
            assert_store_error(engine.try_begin(), &name);
        }
    }
}
