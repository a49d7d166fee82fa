//! What many hosts do to each other, and a network to all of them.

use super::*;
use crate::Outcome;
use crate::block::Nonce;
use crate::block::{BLOCK_BYTES, Block, KeySlot};
use crate::clock::{DAY_MS, MINUTE_MS};
use crate::policy::{Failures, Sends};
use crate::repository::fake::{FakeStore, Fault};
use crate::repository::samples::Draw;
use crate::repository::{META, Meta, MetaState, Transaction, transact};
use crate::workflow::Reference;

const COMMIT: Commit = Commit { synced: true, sweep: None };

fn key(number: u8) -> RowKey {
    let mut key = [number; BLOCK_BYTES];
    (key[0], key[1], key[2], key[3]) = (0x80, 0, 0, 7);
    RowKey::new(key)
}

fn row(count: u32) -> Row {
    let until = Time::from_ms(4_000_000_000_000);
    Row::Reference(Reference { record: key(0), delivery: count, step: None, until })
}

fn count_of(row: Option<&Row>) -> u32 {
    match row {
        Some(Row::Reference(reference)) => reference.delivery,
        _ => 0,
    }
}

/// Adds one to a row, and tells what it was.
fn add(repository: &dyn Repository, number: u8) -> Result<u32> {
    transact(repository, COMMIT, move |transaction| {
        let before = count_of(transaction.get(&key(number))?.as_ref());
        transaction.put(&key(number), row(before + 1));
        Ok(before)
    })
}

fn count(repository: &dyn Repository, number: u8) -> u32 {
    count_of(repository.read(&key(number)).unwrap().as_ref())
}

fn trips<T>(store: &FakeStore, call: impl FnOnce() -> T) -> (usize, T) {
    let before = store.with(|shared| shared.trips);
    let done = call();
    (store.with(|shared| shared.trips) - before, done)
}

#[test]
fn rows_are_read_together_and_what_belongs_together_is_learned() {
    let store = FakeStore::default();
    let repository = store.open();
    let both = |transaction: &mut dyn Transaction| {
        let first = transaction.get(&key(1))?;
        let second = transaction.get(&key(2))?;
        Ok((count_of(first.as_ref()), count_of(second.as_ref())))
    };
    assert_eq!(trips(&store, || transact(&*repository, COMMIT, both)), (1, Ok((0, 0))));
    assert_eq!(trips(&store, || add(&*repository, 1)), (2, Ok(0)));
    // Which row is second stands in the first.
    let chained = |transaction: &mut dyn Transaction| match transaction.get(&key(1))? {
        Some(first) => Ok(count_of(transaction.get(&key(10 + count_of(Some(&first)) as u8))?.as_ref())),
        None => Ok(0),
    };
    assert_eq!(trips(&store, || transact(&*repository, COMMIT, chained)).0, 2);
    assert_eq!(trips(&store, || transact(&*repository, COMMIT, chained)).0, 1);
    assert_eq!(trips(&store, || transact(&*repository, COMMIT, |_| Ok(()))), (0, Ok(())));
}

#[test]
fn an_answer_that_was_lost_is_found_out_and_nothing_is_done_twice() {
    let store = FakeStore::default();
    let repository = store.open();
    for (fault, expected) in [
        (Fault::LoseAfter, [Ok(0), Ok(1)]),
        (Fault::LoseBefore, [Ok(0), Ok(1)]),
        (Fault::Refuse, [Err(Outcome::Store), Ok(0)]),
    ] {
        store.with(|shared| {
            *shared = Default::default();
            shared.commits.push_back(fault);
        });
        let told: [_; 2] = std::array::from_fn(|_| add(&*repository, 1).map_err(|error| error.outcome()));
        assert_eq!(told, expected);
        let done = told.iter().filter(|told| told.is_ok()).count() as u32;
        assert_eq!(count(&*repository, 1), done);
    }
}

/// The commit comes through only when its caller has run again: it must know its own work.
#[test]
fn a_change_that_comes_late_is_never_done_twice() {
    let store = FakeStore::default();
    let repository = store.open();
    store.with(|shared| shared.commits.push_back(Fault::Delay));
    assert_eq!(add(&*repository, 1).map_err(|error| error.outcome()), Err(Outcome::Store));
    assert_eq!(count(&*repository, 1), 1);
}

#[test]
fn where_nobody_can_tell_it_is_an_error() {
    let store = FakeStore::default();
    let repository = store.open();
    // Nothing of ours is left, and what we had read is gone as well.
    store.with(|shared| {
        shared.commits.push_back(Fault::LoseAfter);
        shared.looks.extend([Fault::None, Fault::Meddle(key(1), codec::encode(&row(50)))]);
    });
    assert_eq!(add(&*repository, 1).unwrap_err().outcome(), Outcome::Store);
    assert_eq!(count(&*repository, 1), 50);
    // The way to find out is blocked.
    store.with(|shared| {
        shared.commits.push_back(Fault::LoseBefore);
        shared.looks.extend([Fault::None, Fault::Refuse]);
    });
    assert_eq!(add(&*repository, 1).unwrap_err().outcome(), Outcome::Store);
    assert_eq!(count(&*repository, 1), 50);
}

#[test]
fn a_row_that_changed_in_between_is_read_again() {
    let store = FakeStore::default();
    let repository = store.open();
    store.with(|shared| shared.commits.push_back(Fault::Meddle(key(1), codec::encode(&row(7)))));
    assert_eq!(add(&*repository, 1), Ok(7));
    assert_eq!(count(&*repository, 1), 8);
    // A row that was only read counts as well.
    store.with(|shared| shared.commits.push_back(Fault::Meddle(key(2), codec::encode(&row(3)))));
    let copied = transact(&*repository, COMMIT, |transaction| {
        let from = transaction.get(&key(2))?;
        transaction.put(&key(3), row(count_of(from.as_ref())));
        Ok(())
    });
    copied.unwrap();
    assert_eq!(count(&*repository, 3), 3);
}

#[test]
fn who_is_refused_too_often_takes_a_lease_and_gives_up_in_time() {
    let store = FakeStore::default();
    let repository = store.open();
    let meddle = |count| Fault::Meddle(key(1), codec::encode(&row(count)));
    store.with(|shared| shared.commits.extend((0..6).map(meddle)));
    assert_eq!(add(&*repository, 1), Ok(5));
    assert!(store.with(|shared| shared.leases_taken) > 0);
    // A lease that nobody gives back holds nobody up for long.
    let other = store.clone();
    other.take_lease(&key(1), &Version::new([9; 16]), LEASE, Instant::now()).unwrap();
    store.with(|shared| shared.commits.extend((0..4).map(meddle)));
    assert_eq!(add(&*repository, 1), Ok(3));
    store.with(|shared| shared.commits.extend((0..1_000_000).map(meddle)));
    let begun = Instant::now();
    assert_eq!(add(&*repository, 1).unwrap_err().outcome(), Outcome::Busy);
    assert!(begun.elapsed() <= PATIENCE);
}

#[test]
fn many_threads_of_many_handles_count_exactly() {
    let store = FakeStore::default();
    let handles: Vec<_> = (0..4).map(|_| store.open()).collect();
    thread::scope(|scope| {
        for repository in &handles {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| assert!(add(&**repository, 1).is_ok())));
            }
        }
    });
    assert_eq!(count(&*handles[0], 1), 4 * 8 * 20);
}

/// Some that depend on those before them are in the next part.
#[test]
fn a_batch_is_committed_in_parts_where_it_is_about_too_many_rows() {
    let store = FakeStore::default();
    let repository = Optimistic::new(store.clone(), 4).unwrap();
    for (most, expected) in [(None, 7), (Some(3), 3), (Some(1), 1)] {
        store.with(|shared| (shared.most_keys, shared.widest) = (most, 0));
        let told = Arc::new(Mutex::new(Vec::new()));
        let task = |number: u8| {
            let told = told.clone();
            let operation: Operation = Box::new(move |transaction| {
                let before = count_of(transaction.get(&key(number))?.as_ref());
                transaction.put(&key(number), row(before + 1));
                told.lock().unwrap().push(number);
                Ok(())
            });
            let deadline = Instant::now() + PATIENCE;
            Task { operation, synced: true, deadline, refusals: 0, contended: None, lost: Vec::new() }
        };
        let before: Vec<_> = (1..8).map(|number| count(&*repository, number)).collect();
        let answers = batch::run(&repository, [1, 2, 3, 1, 4, 5, 6, 7, 1].map(task).into());
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Done(Ok(())))));
        let added = (1..8).zip(before).map(|(number, before)| count(&*repository, number) - before);
        assert_eq!(added.collect::<Vec<_>>(), [3, 1, 1, 1, 1, 1, 1]);
        assert!(store.with(|shared| shared.widest) <= expected, "{most:?}");
    }
}

#[test]
fn a_repository_that_was_emptied_or_replaced_is_to_be_opened_again() {
    let found = |repository: &dyn Repository, keys: u64| {
        let meta = Draw(keys).meta();
        transact(repository, COMMIT, move |transaction| {
            if transaction.get(&META)?.is_none() {
                transaction.put(&META, Row::Meta(meta.clone()));
            }
            Ok(())
        })
    };
    let store = FakeStore::default();
    let repository = store.open();
    found(&*repository, 1).unwrap();
    add(&*repository, 1).unwrap();
    let told = |answer: Result<u32>| answer.unwrap_err().to_string();
    // Emptied in the midst of a call, and before one.
    store.with(|shared| shared.commits.push_back(Fault::Flush));
    assert!(told(add(&*repository, 1)).contains("emptied or replaced"));
    assert!(told(add(&*repository, 1)).contains("emptied or replaced"));
    assert!(repository.read(&key(1)).is_err() && repository.scan(key(0)..=key(9)).any(|page| page.is_err()));
    // Somebody made another in its place: who had the old one never writes to it.
    let other = store.open();
    found(&*other, 2).unwrap();
    add(&*other, 1).unwrap();
    assert!(told(add(&*repository, 1)).contains("emptied or replaced"));
    assert_eq!(count(&*other, 1), 1);
    // Another key in the repository's own row is no other repository.
    let second = store.open();
    let rotated = transact(&*second, COMMIT, |transaction| {
        let Some(Row::Meta(mut meta)) = transaction.get(&META)? else { panic!("the row is gone") };
        meta.keys.push(Draw(3).meta().keys[0]);
        transaction.put(&META, Row::Meta(meta));
        Ok(())
    });
    rotated.unwrap();
    assert_eq!(add(&*other, 1), Ok(1));
}

/// Whoever is told that there is no repository makes files for a new one.
#[test]
fn the_repository_s_own_row_is_never_taken_for_absent() {
    let store = FakeStore::default();
    let found = transact(&*store.open(), COMMIT, |transaction| {
        transaction.put(&META, Row::Meta(Draw(1).meta()));
        Ok(())
    });
    found.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let read = transact(&*store.open(), COMMIT, move |transaction| {
        let meta: Option<Meta> = match transaction.get(&META)? {
            Some(Row::Meta(meta)) => Some(meta),
            _ => None,
        };
        told.lock().unwrap().push(meta.is_some());
        Ok(())
    });
    read.unwrap();
    assert_eq!(*seen.lock().unwrap(), [true]);
}

#[test]
fn the_storage_keeps_a_row_until_its_end_and_ten_minutes_more() {
    let store = FakeStore::default();
    let repository = store.open();
    // The host's clock is years behind: its rows are kept by it, not by the storage's.
    let now = Time::from_ms(1_700_000_000_000);
    let failures = move |disabled| Failures { count: 3, last: now, lock_ms: 0, disabled };
    let written = transact(&*repository, COMMIT, move |transaction| {
        let now = transaction.time(&Moment::of_host(now));
        transaction.put(&key(1), Row::Sends(Sends { times: vec![now] }));
        transaction.put(&key(2), Row::Failures(failures(false)));
        transaction.put(&key(3), Row::Failures(failures(true)));
        Ok(())
    });
    written.unwrap();
    let kept = store.with(|shared| shared.kept());
    let nearly = |key: RowKey, ms: u64| kept[&key].is_some_and(|kept| ms.abs_diff(kept) < 5000);
    assert!(nearly(key(1), DAY_MS + 10 * MINUTE_MS), "{kept:?}");
    assert!(nearly(key(2), 30 * DAY_MS + 10 * MINUTE_MS), "{kept:?}");
    assert_eq!(kept[&key(3)], None);
    store.with(|shared| shared.ahead_ms = (40 * DAY_MS) as i64);
    assert_eq!(repository.read(&key(1)), Ok(None));
    assert!(repository.read(&key(3)).unwrap().is_some());
}

#[test]
fn the_time_is_the_storage_s_unless_the_host_tells_it() {
    let store = FakeStore::default();
    let ahead = |time: Time| time.ms().saturating_sub(crate::clock::wall().ms()) / MINUTE_MS;
    store.with(|shared| shared.ahead_ms = (61 * MINUTE_MS) as i64);
    let repository = store.open();
    let wall = Moment::new(crate::clock::wall());
    assert!((60..=61).contains(&ahead(repository.time(&wall).unwrap())));
    let told = transact(&*repository, COMMIT, move |transaction| Ok(transaction.time(&wall)));
    assert!((60..=61).contains(&ahead(told.unwrap())));
    let host = Moment::of_host(Time::from_ms(7));
    assert_eq!(repository.time(&host), Ok(Time::from_ms(7)));
    assert_eq!(transact(&*repository, COMMIT, move |transaction| Ok(transaction.time(&host))), Ok(Time::from_ms(7)));
}

/// Whoever moves the repository may have work under way, which must not be done behind the copy.
#[test]
fn the_handle_that_moves_is_refused_like_all_others() {
    let store = FakeStore::default();
    let (one, two) = (store.open(), store.open());
    let own = |state| {
        let index_key = vec![0; crate::limits::INDEX_KEY_SEALED_BYTES];
        Row::Meta(Meta { keys: vec![Block::new([1; 16])], sealed_by: KeySlot(0), index_key, state })
    };
    let write = |repository: &Arc<dyn Repository>, row: Row| {
        transact(&**repository, COMMIT, move |transaction| {
            transaction.get(&META)?;
            transaction.put(&META, row.clone());
            Ok(())
        })
    };
    write(&one, own(MetaState::Whole)).unwrap();
    write(&two, own(MetaState::Whole)).unwrap();
    write(&one, own(MetaState::Moved(Nonce::new([2; 16])))).unwrap();
    for repository in [&one, &two] {
        let told = write(repository, own(MetaState::Whole)).unwrap_err();
        assert!(told.detail().contains("it was moved"), "{told}");
        assert!(
            repository.read(&RowKey::new([0x80; 16])).is_err()
                && repository.scan(META..=META).any(|page| page.is_err())
        );
        assert_eq!(repository.read(&META).unwrap(), Some(own(MetaState::Moved(Nonce::new([2; 16])))));
        assert_eq!(repository.scan_for_copy().flat_map(Result::unwrap).count(), 1);
    }
}
