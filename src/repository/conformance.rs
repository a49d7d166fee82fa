//! What every repository promises, as one suite.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::clock::DAY_MS;
use crate::error::Error;
use crate::tenant;

const PLAIN: Commit = Commit { synced: false, sweep: None };
const SYNCED: Commit = Commit { synced: true, sweep: None };

/// A folder that goes away with the test.
pub(crate) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("libotp-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Rows of one tenant.
fn key(number: u8) -> RowKey {
    let mut key = [number; BLOCK_BYTES];
    (key[0], key[1], key[2], key[3], key[15]) = (0x80, 0, 0, 7, 1);
    RowKey::new(key)
}

fn row(count: u32) -> Row {
    Row::Reference(Reference { record: key(0), delivery: count, step: None, until: Time::from_ms(30 * DAY_MS) })
}

fn moment(time: Time) -> Moment {
    Moment::of_host(time)
}

fn put(repository: &dyn Repository, commit: Commit, number: u8, row: Row) {
    transact(repository, commit, move |transaction| {
        transaction.put(&key(number), row.clone());
        Ok(())
    })
    .unwrap();
}

/// The suite. `open` opens the same repository again each time; `shared` says that two handles see each other.
pub(crate) fn suite(open: &dyn Fn() -> Arc<dyn Repository>, shared: bool) {
    let repository = open();
    writes_are_seen(&*repository);
    failures_leave_nothing(&*repository);
    scans_in_order(&*repository);
    scans_page_by_page(&*repository);
    sweeps_what_is_over(&*repository);
    counts_from_many_threads(&repository);
    if shared {
        outlives_its_handle(&*repository, &*open());
        drop(repository);
        assert_eq!(open().read(&key(1)).unwrap(), Some(row(1)));
        leaves_nothing(&*open());
    }
}

/// What has rows, and no row of its own, is no repository that a service opens.
fn leaves_nothing(repository: &dyn Repository) {
    let all: Vec<_> = repository.scan_for_copy().flat_map(Result::unwrap).map(|(key, _)| key).collect();
    let removed = transact(repository, PLAIN, move |transaction| {
        all.iter().for_each(|key| transaction.delete(key));
        Ok(())
    });
    removed.unwrap();
}

fn writes_are_seen(repository: &dyn Repository) {
    assert_eq!(repository.read(&key(1)).unwrap(), None);
    let seen = transact(repository, SYNCED, |transaction| {
        assert_eq!(transaction.get(&key(1))?, None);
        transaction.put(&key(1), row(7));
        transaction.put(&key(1), row(1));
        transaction.put(&key(2), row(2));
        transaction.delete(&key(2));
        assert_eq!(transaction.get(&key(2))?, None);
        transaction.get(&key(1))
    });
    assert_eq!(seen.unwrap(), Some(row(1)));
    assert_eq!(repository.read(&key(1)).unwrap(), Some(row(1)));
    assert_eq!(repository.read(&key(2)).unwrap(), None);
}

fn failures_leave_nothing(repository: &dyn Repository) {
    let failed = transact(repository, SYNCED, |transaction| -> Result<()> {
        transaction.put(&key(1), row(99));
        Err(Error::argument("no"))
    });
    assert_eq!(failed, Err(Error::argument("no")));
    let panicked = transact(repository, SYNCED, |transaction| -> Result<()> {
        transaction.put(&key(1), row(99));
        panic!("planted")
    });
    assert_eq!(panicked.unwrap_err().outcome(), crate::Outcome::Internal);
    assert_eq!(repository.read(&key(1)).unwrap(), Some(row(1)));
}

fn scans_in_order(repository: &dyn Repository) {
    for number in [9, 3, 6] {
        put(repository, PLAIN, number, row(u32::from(number)));
    }
    let found = |range| numbers(repository, range);
    assert_eq!(found(META..=LAST), [1, 3, 6, 9]);
    assert_eq!(found(key(3)..=key(6)), [3, 6]);
    assert_eq!(found(tenant::after(&key(3), META..=key(8))), [6]);
    assert_eq!(found(tenant::after(&key(9), META..=LAST)), [0; 0]);
    assert_eq!(found(tenant::after(&LAST, META..=META)), [0; 0]);
    let mut scan = repository.scan(META..=LAST);
    drop(scan.next().unwrap().unwrap());
    assert_eq!(found(META..=LAST), [1, 3, 6, 9], "beside another that has not ended");
}

fn numbers(repository: &dyn Repository, range: RangeInclusive<RowKey>) -> Vec<u8> {
    let pages = repository.scan(range).map(Result::unwrap);
    pages.flatten().map(|(key, row)| row.map(|_| key.bytes()[4]).unwrap()).collect()
}

/// More rows than a page has, of another tenant, some of which come and go while others are looked at.
fn scans_page_by_page(repository: &dyn Repository) {
    let numbered = |number: u128| RowKey::new((0x9e << 120 | number).to_be_bytes());
    let change = |numbers: Vec<u128>, row: Option<Row>| {
        let changed = transact(repository, PLAIN, move |transaction| {
            for &number in &numbers {
                match &row {
                    Some(row) => transaction.put(&numbered(number), row.clone()),
                    None => transaction.delete(&numbered(number)),
                }
            }
            Ok(())
        });
        changed.unwrap();
    };
    let all = 2 * engine::PAGE as u128 + 3;
    change((0..all).collect(), Some(row(1)));
    let mut pages = repository.scan(numbered(0)..=numbered(all)).map(Result::unwrap).filter(|page| !page.is_empty());
    let mut found = pages.next().unwrap();
    assert_eq!(found.len(), engine::PAGE, "a page is bounded");
    change(vec![1, all - 2], None);
    change(vec![all - 1], Some(row(2)));
    found.extend(pages.flatten());
    let expected: Vec<_> = (0..all).filter(|number| *number != all - 2).collect();
    assert_eq!(
        found.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
        expected.into_iter().map(numbered).collect::<Vec<_>>()
    );
    assert_eq!(found.last().unwrap().1, Ok(row(2)));
    change((0..all).collect(), None);
}

fn sweeps_what_is_over(repository: &dyn Repository) {
    let failed = |days| Failures { count: 1, last: Time::from_ms(days * DAY_MS), lock_ms: 0, disabled: false };
    let recent = Row::Failures(failed(20));
    let disabled = Row::Failures(Failures { count: 100, last: Time::START, lock_ms: 0, disabled: true });
    put(repository, PLAIN, 3, recent.clone());
    put(repository, PLAIN, 4, Row::Failures(failed(400)));
    put(repository, PLAIN, 6, disabled.clone());
    put(repository, PLAIN, 9, row(9));
    let now = Time::from_ms(31 * DAY_MS);
    let mut purged = 0;
    let mut ends = 0;
    while ends < 2 {
        let swept = repository.sweep(2, moment(now).into()).unwrap();
        purged += swept.purged;
        ends += u32::from(swept.wrapped);
    }
    assert_eq!(purged, 2, "the rows 1 and 9 are over");
    assert_eq!(repository.read(&key(3)).unwrap(), Some(recent));
    assert_eq!(repository.read(&key(4)).unwrap(), Some(Row::Failures(failed(31))), "of a clock that was ahead");
    assert_eq!(repository.read(&key(6)).unwrap(), Some(disabled));
    // A sweep beside a write.
    put(repository, PLAIN, 1, row(1));
    put(repository, PLAIN, 9, row(9));
    let commit = Commit { synced: true, sweep: Some((100, moment(now).into())) };
    for _ in 0..2 {
        transact(repository, commit, |_| Ok(())).unwrap();
        if repository.removes_what_is_over() {
            repository.sweep(100, moment(now).into()).unwrap();
        }
    }
    assert_eq!(repository.read(&key(9)).unwrap(), None);
    put(repository, PLAIN, 1, row(1));
}

/// Read-modify-write of one row from eight threads: every step is counted once.
fn counts_from_many_threads(repository: &Arc<dyn Repository>) {
    const THREADS: u32 = 8;
    const STEPS: u32 = 25;
    put(&**repository, PLAIN, 20, row(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..STEPS {
                    add_one(&**repository);
                }
            });
        }
    });
    assert_eq!(repository.read(&key(20)).unwrap(), Some(row(THREADS * STEPS)));
}

fn add_one(repository: &dyn Repository) {
    let added = transact(repository, PLAIN, |transaction| {
        let Some(Row::Reference(counter)) = transaction.get(&key(20))? else { panic!("the row is gone") };
        transaction.put(&key(20), row(counter.delivery + 1));
        Ok(())
    });
    added.unwrap();
}

/// A second handle sees what the first wrote, and both count together.
fn outlives_its_handle(first: &dyn Repository, second: &dyn Repository) {
    assert_eq!(second.read(&key(1)).unwrap(), Some(row(1)));
    put(first, PLAIN, 20, row(0));
    std::thread::scope(|scope| {
        for repository in [first, second] {
            scope.spawn(move || (0..50).for_each(|_| add_one(repository)));
        }
    });
    assert_eq!(first.read(&key(20)).unwrap(), Some(row(100)));
}

#[test]
fn memory() {
    suite(&|| super::open(&RepositoryUrl::Memory, Durability::Full, &mut Vec::new()).unwrap(), false);
}

#[test]
fn many_hosts() {
    let store = super::fake::FakeStore::default();
    suite(&|| store.open(), true);
}

#[test]
fn sqlite() {
    for durability in [Durability::Full, Durability::Process] {
        let folder = ScratchFolder::new("sqlite");
        let url = RepositoryUrl::Sqlite(folder.path().join("otp.db"));
        suite(&|| super::open(&url, durability, &mut Vec::new()).unwrap(), true);
    }
}

#[test]
fn json() {
    for durability in [Durability::Full, Durability::Process] {
        let folder = ScratchFolder::new("json");
        let url = RepositoryUrl::Json(folder.path().join("otp"));
        suite(&|| super::open(&url, durability, &mut Vec::new()).unwrap(), true);
    }
}
