//! What is left when the process is killed or the disk fails.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::*;

use crate::repository::{Commit, transact};
use crate::workflow::Reference;

/// One transaction after the other, each with more than one shape of change in it.
fn script() -> Vec<Changes> {
    vec![
        vec![(META, meta())],
        vec![(key(1), record()), (key(2), failures(1)), (key(3), sends(1))],
        vec![(key(1), failures(2))],
        vec![(key(2), None), (key(3), sends(2)), (key(4), record())],
        vec![(META, None), (key(4), None)],
        vec![(key(3), None)],
        vec![(key(1), record()), (key(5), None)],
        vec![(key(1), record()), (key(6), sends(9)), (key(1), None)],
    ]
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// What a reader that takes no lock sees of the keys of the script.
fn seen(path: &Path) -> State {
    let reader = Folder::open(path, &mut Vec::new()).unwrap();
    let keys = std::iter::once(META).chain((1..=6).map(key));
    keys.filter_map(|key| reader.read(&key).unwrap().map(|row| (key, row))).collect()
}

#[test]
fn killed_at_any_step_it_is_as_before_or_as_after() {
    for (durability, synced) in [(Durability::Full, true), (Durability::Full, false), (Durability::Process, false)] {
        let scratch = Scratch::new("killed");
        let mut engine = engine(&scratch.path(), durability);
        let (mut before, mut after) = (State::new(), State::new());
        for (number, changes) in script().into_iter().enumerate() {
            apply(&mut after, &changes);
            // The folder as it is before each step is what a kill at that moment leaves.
            let (from, to) = (scratch.path(), scratch.0.clone());
            let copies = Arc::new(Mutex::new(Vec::new()));
            let taken = copies.clone();
            engine.hook = Some(Box::new(move || {
                let mut taken = taken.lock().unwrap();
                let path = to.join(format!("{number}-{}", taken.len()));
                copy(&from, &path);
                taken.push(path);
                Ok(())
            }));
            commit(&mut engine, &changes, synced).unwrap();
            engine.hook = None;
            let mut committed = false;
            let copies = std::mem::take(&mut *copies.lock().unwrap());
            assert!(!copies.is_empty() || before == after);
            for path in copies {
                let found = seen(&path);
                assert!(found == after || (found == before && !committed), "{}", path.display());
                committed = found == after;
                let mut next = self::engine(&path, durability);
                assert_eq!(state(&mut next).unwrap(), found, "{}", path.display());
                assert_eq!(seen(&path), found, "{}", path.display());
                assert!(!path.join("journal.json").exists());
                while !next.sweep(100, &Time::START.into()).unwrap().wrapped {}
                assert!(fs::read_dir(&path).unwrap().all(|entry| !files::is_temporary(&entry.unwrap().file_name())));
            }
            assert_eq!(state(&mut engine).unwrap(), after);
            before = after.clone();
        }
    }
}

#[test]
fn a_disk_that_fails_at_any_step_leaves_before_or_after() {
    for bad in [1, u32::MAX] {
        let steps = (0..).find(|good| !fails_after(*good, bad)).unwrap();
        assert!(steps > 30, "the faults must reach every step, not {steps}");
    }
}

/// Runs the script on a disk of which `bad` steps fail after `good` ones. Whether any did.
fn fails_after(good: u32, bad: u32) -> bool {
    let scratch = Scratch::new("disk");
    let mut engine = scratch.engine();
    engine.hook = fault(good, bad);
    let (mut before, mut after, mut failed) = (State::new(), State::new(), false);
    for changes in script() {
        apply(&mut after, &changes);
        let done = commit(&mut engine, &changes, true);
        failed |= done.is_err();
        let found = seen(&scratch.path());
        assert!(found == after || (done.is_err() && found == before), "{good} {bad}");
        if let Ok(state) = state(&mut engine) {
            assert_eq!(state, found);
        }
        // Another handle, on a disk that works, completes what is left and goes on from there.
        assert_eq!(state(&mut scratch.engine()).unwrap(), found);
        (before, after) = (found.clone(), found);
    }
    engine.hook = None;
    assert_eq!(state(&mut engine).unwrap(), before);
    failed
}

#[test]
fn a_torn_journal_was_never_committed() {
    let scratch = Scratch::new("torn");
    let mut engine = scratch.engine();
    let before = State::from([(key(1), failures(1).unwrap()), (key(2), sends(1).unwrap())]);
    commit(&mut engine, &before.iter().map(|(key, row)| (*key, Some(row.clone()))).collect(), true).unwrap();
    let changes: Vec<_> = [(key(1), failures(2)), (key(2), None)]
        .iter()
        .map(|(key, row)| Change::new(key, row.as_ref()).unwrap())
        .collect();
    let good = format::journal_text(&changes).unwrap();
    let journal = scratch.file("journal.json");
    let mut attempt = |bytes: &[u8]| {
        fs::write(&journal, bytes).unwrap();
        let seen = engine.folder.read(&key(1)).unwrap();
        let state = state(&mut engine).unwrap();
        assert!(!journal.exists());
        assert_eq!(state.get(&key(1)), seen.as_ref());
        state
    };
    for length in 0..good.trim_end().len() {
        assert_eq!(attempt(&good.as_bytes()[..length]), before, "{length}");
    }
    let mut zeroed = good.clone().into_bytes();
    let middle = zeroed.len() / 2;
    zeroed[middle..].fill(0);
    assert_eq!(attempt(&zeroed), before);
    assert_eq!(attempt(good.replace("\\\"count\\\": 2", "\\\"count\\\": 3").as_bytes()), before);
    assert_eq!(attempt(good.replace("\"text\": null", "\"text\": \"\"").as_bytes()), before);
    assert_eq!(attempt(good.as_bytes()), State::from([(key(1), failures(2).unwrap())]));

    fs::write(&journal, good.replace("\"version\": 1,\n  \"checksum", "\"version\": 2,\n  \"checksum")).unwrap();
    assert_store_error(engine.try_begin(), "version 2");
    assert!(journal.exists(), "a newer library has to complete it");
    assert!(scratch.engine().lock.try_lock().unwrap(), "the lock was given back");
}

const FOLDER: &str = "OTP_TEST_JSON_FOLDER";

/// Adds one to each of three rows that must stay equal, and tells the new number.
fn count(repository: &dyn Repository) -> Result<u32> {
    let commit = Commit { synced: false, sweep: Some((2, crate::clock::Moment::new(Time::START).into())) };
    transact(repository, commit, |transaction| {
        let counts = [1, 2, 3].map(|number| match transaction.get(&key(number)) {
            Ok(Some(Row::Reference(counter))) => counter.delivery,
            Ok(None) => 0,
            other => panic!("{other:?}"),
        });
        assert!(counts[0] == counts[1] && counts[1] == counts[2], "{counts:?}");
        let row = Reference { record: key(0), delivery: counts[0] + 1, step: None, until: Time::from_ms(DAY_MS) };
        [1, 2, 3].iter().for_each(|number| transaction.put(&key(*number), Row::Reference(row)));
        Ok(counts[0] + 1)
    })
}

/// The processes of the test below.
#[test]
#[ignore = "run by another test, as a process of its own"]
fn counting_process() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let repository = open(Path::new(&folder), Durability::Process, &mut Vec::new()).unwrap();
    loop {
        println!("\ncounted {}", count(&*repository).unwrap());
    }
}

/// Two processes count in one folder until they are killed. Returns what they were told, together.
fn count_and_kill(path: &Path, after: Duration) -> Vec<u32> {
    let name = "repository::json::tests::crash::counting_process";
    let children: Vec<_> = (0..2)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--ignored", "--exact", "--nocapture", name]).env(FOLDER, path);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    std::thread::sleep(after);
    let mut told = Vec::new();
    for mut child in children {
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), None, "{}", String::from_utf8_lossy(&output.stderr));
        let lines = BufReader::new(&*output.stdout).lines().map(|line| line.unwrap());
        told.extend(lines.filter_map(|line| line.strip_prefix("counted ")?.parse::<u32>().ok()));
    }
    told.sort_unstable();
    told
}

#[test]
fn killed_processes_lose_and_tear_nothing() {
    let scratch = Scratch::new("processes");
    let path = scratch.path();
    let mut last = 0;
    for round in 0..20 {
        let told = count_and_kill(&path, Duration::from_millis(60 + 7 * round));
        assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "two were told the same number");
        let repository = open(&path, Durability::Process, &mut Vec::new()).unwrap();
        let next = count(&*repository).unwrap();
        assert!(told.first().is_none_or(|first| *first > last));
        // Each of the killed may have counted once more without being able to tell.
        let known = told.last().copied().unwrap_or(last);
        assert!((known + 1..=known + 3).contains(&next), "{known} {next}");
        last = next;
    }
    assert!(last > 100, "they counted to {last} only");
}

#[test]
fn after_a_failed_sync_nothing_is_answered_before_one_succeeds() {
    let scratch = Scratch::new("unsynced");
    let mut engine = scratch.engine();
    commit(&mut engine, &vec![(key(1), failures(1))], true).unwrap();
    // The file is in its place, and its name not on the disk.
    engine.hook = fault(2, 1);
    assert_store_error(commit(&mut engine, &vec![(key(1), failures(2))], true), "broken");
    let mut other = scratch.engine();
    for engine in [&mut engine, &mut other] {
        engine.hook = fault(0, u32::MAX);
        assert_store_error(engine.try_begin(), "broken");
    }
    other.hook = fault(1, u32::MAX);
    assert!(other.try_begin().unwrap(), "one sync is enough");
    assert_eq!(other.get(&key(1)).unwrap(), failures(2));
    other.commit(true).unwrap();
    engine.hook = fault(0, u32::MAX);
    assert!(engine.try_begin().unwrap(), "nothing is due any more");
    engine.rollback();
}
