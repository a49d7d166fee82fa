mod crash;
mod foreign;
mod scan;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::block::{BLOCK_BYTES, Block, KeySlot, RowKey};
use crate::clock::{DAY_MS, Time};
use crate::error::Error;
use crate::limits::INDEX_KEY_SEALED_BYTES;
use crate::outcome::Outcome;
use crate::policy::{Failures, Sends};
use crate::record::{Code, CodeState, Delivery, Record, Secret, Via};
use crate::repository::{META, Meta, MetaState};

/// A repository's folder inside a folder that is removed with all that is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("otp-json-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("repository")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn engine(&self) -> Json {
        engine(&self.path(), Durability::Full)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

type State = BTreeMap<RowKey, Row>;
type Changes = Vec<(RowKey, Option<Row>)>;

fn engine(path: &Path, durability: Durability) -> Json {
    Json::new(Folder::open(path, &mut Vec::new()).unwrap(), durability)
}

fn key(number: u8) -> RowKey {
    block(number)
}

fn block<Kind>(number: u8) -> Block<Kind> {
    Block::new([number; BLOCK_BYTES])
}

fn failures(count: u32) -> Option<Row> {
    Some(Row::Failures(Failures { count, last: Time::from_ms(1_700_000_000_000), lock_ms: 0, disabled: false }))
}

fn sends(ms: u64) -> Option<Row> {
    Some(Row::Sends(Sends { times: vec![Time::from_ms(ms)] }))
}

fn meta() -> Option<Row> {
    Some(Row::Meta(Meta {
        keys: vec![block(9)],
        sealed_by: KeySlot(0),
        index_key: vec![255; INDEX_KEY_SEALED_BYTES],
        state: MetaState::Whole,
    }))
}

fn record() -> Option<Row> {
    let code = Code {
        slot: KeySlot(0),
        created: Time::from_ms(1_700_000_000_000),
        expires: Time::from_ms(1_700_000_300_000),
        secret: Secret::Derived { nonce: block(7), length: 6 },
        max_attempts: 5,
        subject: block(1),
        context: None,
        state: CodeState::Live,
    };
    Some(Row::Record(Box::new(Record {
        remembered: vec![Code { secret: Secret::Mac(block(8)), state: CodeState::Used(code.created), ..code.clone() }],
        seen: code.created,
        code,
        attempts: 1,
        recipients: vec![block(2)],
        retention_minutes: 1440,
        kept_from: None,
        sealed: vec![255; 20],
        idempotency: None,
        deliveries: 1,
        delivery: Delivery::new(Via::None),
    })))
}

fn commit(engine: &mut Json, changes: &Changes, synced: bool) -> Result<()> {
    assert!(engine.try_begin()?, "somebody else has the lock");
    for (key, row) in changes {
        engine.write(key, row.as_ref())?;
    }
    engine.commit(synced).map(drop)
}

fn state(engine: &mut Json) -> Result<State> {
    assert!(engine.try_begin()?, "somebody else has the lock");
    let rows = rows(engine);
    engine.rollback();
    rows?.into_iter().map(|(key, row)| Ok((key, row?))).collect()
}

/// All rows as they were last committed.
fn rows(engine: &Json) -> Result<Page> {
    let mut place = super::scan::ScanPosition::from(META..=key(0xff));
    let pages = std::iter::from_fn(|| engine.folder.scan(&mut place).transpose());
    Ok(pages.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn apply(state: &mut State, changes: &Changes) {
    for (key, row) in changes {
        match row {
            Some(row) => state.insert(*key, row.clone()),
            None => state.remove(key),
        };
    }
}

/// Lets `good` steps pass, and then `bad` fail.
fn fault(good: u32, bad: u32) -> Option<Box<dyn FnMut() -> Result<()> + Send>> {
    let mut step = 0;
    Some(Box::new(move || {
        step += 1;
        if step > good && step - good <= bad { Err(Error::store("disk: broken")) } else { Ok(()) }
    }))
}

#[track_caller]
fn assert_store_error<T>(result: Result<T>, why: &str) {
    let error = result.err().expect("this must fail");
    assert_eq!(error.outcome(), Outcome::Store, "{error}");
    assert!(error.detail().contains(why), "{error}");
}

#[test]
fn files_are_readable_and_private() {
    let scratch = Scratch::new("layout");
    let mut engine = scratch.engine();
    assert_eq!(fs::metadata(scratch.path()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(
        fs::read_to_string(scratch.file("repository.json")).unwrap(),
        "{\n  \"format\": \"libotp\",\n  \"version\": 1\n}\n"
    );
    let rows = vec![(META, meta()), (key(1), record()), (key(2), failures(3)), (key(3), sends(5))];
    commit(&mut engine, &rows, true).unwrap();

    let (first, second, third) = ("01".repeat(16) + ".json", "02".repeat(16) + ".json", "03".repeat(16) + ".json");
    assert_eq!(scratch.names(), [&first, &second, &third, "lock", "repository.json"]);
    for name in scratch.names() {
        assert_eq!(fs::metadata(scratch.file(&name)).unwrap().mode() & 0o777, 0o600, "{name}");
    }
    let text = fs::read_to_string(scratch.file(&first)).unwrap();
    assert!(text.starts_with("{\n  \"version\": 1,\n  \"record\": {\n    \"code\": {\n"), "{text}");
    assert_eq!(
        fs::read_to_string(scratch.file(&third)).unwrap(),
        "{\n  \"version\": 1,\n  \"sends\": [\n    5\n  ]\n}\n"
    );
    assert!(fs::read_to_string(scratch.file(&second)).unwrap().contains("\"failures\": {\n    \"count\": 3,"));
    assert!(fs::read_to_string(scratch.file("repository.json")).unwrap().contains("\"indexKey\": \"ffff"));

    let reader = Folder::open(&scratch.path(), &mut Vec::new()).unwrap();
    for (key, row) in &rows {
        assert_eq!(reader.read(key).unwrap(), *row);
    }
    assert_eq!(reader.read(&key(4)).unwrap(), None);
    commit(&mut engine, &vec![(META, None), (key(3), None)], true).unwrap();
    assert_eq!(scratch.names(), [&first, &second, "lock", "repository.json"]);
    assert_eq!(scratch.engine().folder.read(&META).unwrap(), None);
}

#[test]
fn what_is_not_ours_is_refused() {
    let scratch = Scratch::new("foreign");
    let open = || Folder::open(&scratch.path(), &mut Vec::new());
    assert_store_error(Folder::open(&scratch.file("below"), &mut Vec::new()), "below");
    fs::create_dir(scratch.path()).unwrap();
    fs::write(scratch.file("notes.txt"), "theirs").unwrap();
    assert_store_error(open(), "other files");
    assert_eq!(scratch.names(), ["notes.txt"]);
    fs::write(scratch.file("repository.json"), "{\"format\": \"other\", \"version\": 9}").unwrap();
    assert_store_error(open(), "not a repository of this library");
    fs::write(scratch.file("repository.json"), "{\"format\": \"libotp\", \"version\": 2, \"new\": {}}").unwrap();
    assert_store_error(open(), "version 2, and this library reads up to version 1");
    for text in ["", "{}", "[]", "{\"format\": \"libotp\"}", "{\"format\": \"libotp\", \"version\": 1, \"meta\": 1}"] {
        fs::write(scratch.file("repository.json"), text).unwrap();
        assert_store_error(open(), "damaged, or not of this library");
    }
    fs::remove_file(scratch.file("repository.json")).unwrap();
    symlink("notes.txt", scratch.file("repository.json")).unwrap();
    assert_store_error(open(), "symbolic link");

    fs::remove_dir_all(scratch.path()).unwrap();
    fs::create_dir(scratch.0.join("elsewhere")).unwrap();
    symlink("elsewhere", scratch.path()).unwrap();
    assert_store_error(open(), "cannot open");
    assert_store_error(Folder::open(&scratch.path().join(""), &mut Vec::new()), "cannot open");
    fs::remove_file(scratch.path()).unwrap();
    fs::write(scratch.path(), "a file").unwrap();
    assert_store_error(open(), "cannot open");

    fs::remove_file(scratch.path()).unwrap();
    fs::create_dir(scratch.path()).unwrap();
    fs::write(scratch.file("lock"), "").unwrap();
    fs::write(scratch.file(".repository.json.1.0.tmp"), "half").unwrap();
    assert!(open().is_ok(), "another opener may have come this far");
    assert_eq!(scratch.names(), [".repository.json.1.0.tmp", "lock", "repository.json"]);
    sweep(&mut scratch.engine(), 10, Time::START);
    assert_eq!(scratch.names(), ["lock", "repository.json"]);
}

#[test]
fn damaged_files_are_reported_by_name() {
    let scratch = Scratch::new("damaged");
    let mut engine = scratch.engine();
    commit(&mut engine, &vec![(key(1), failures(1)), (key(2), failures(2))], true).unwrap();
    let name = key(1).to_string();
    let path = scratch.file(&format!("{name}.json"));
    let good = fs::read_to_string(&path).unwrap();
    let newer = good.replace("\"version\": 1", "\"version\": 2");
    let secret = good.replace("\"count\": 1", "\"count\": \"123456\"");
    for text in
        ["", "{", &good[..good.len() - 3], "{\"version\": 1}", "{\"version\": 1, \"others\": 1}", &newer, &secret]
    {
        fs::write(&path, text).unwrap();
        let error = engine.folder.read(&key(1)).unwrap_err();
        assert!(error.detail().contains(&name) && !error.detail().contains("123456"), "{error}");
        assert!(engine.try_begin().unwrap());
        assert_store_error(engine.get(&key(1)), &name);
        let [(damaged, why), second] = rows(&engine).unwrap().try_into().unwrap();
        assert_eq!((damaged, second), (key(1), (key(2), Ok(failures(2).unwrap()))));
        assert!(why.unwrap_err().is_of_one_row());
        assert_eq!(engine.get(&key(2)).unwrap(), failures(2));
        engine.rollback();
    }
    assert_store_error(engine.folder.read(&key(1)), "damaged");
    fs::write(&path, newer).unwrap();
    assert_store_error(engine.folder.read(&key(1)), "version 2");
    fs::remove_file(&path).unwrap();
    symlink(scratch.file(&format!("{}.json", key(2))), &path).unwrap();
    assert_store_error(engine.folder.read(&key(1)), "symbolic link");
    assert!(rows(&engine).unwrap()[0].1.as_ref().unwrap_err().is_of_one_row());
}

#[test]
fn another_folder_at_the_path_is_noticed() {
    let scratch = Scratch::new("replaced");
    let mut engine = scratch.engine();
    commit(&mut engine, &vec![(key(1), failures(1))], true).unwrap();
    engine.close();
    fs::remove_dir_all(scratch.path()).unwrap();
    assert_store_error(engine.try_begin(), "no longer");
    let mut another = scratch.engine();
    assert_store_error(engine.try_begin(), "no longer");
    assert_store_error(engine.folder.read(&key(1)), "no longer");
    assert!(another.try_begin().unwrap());
}

#[test]
fn only_one_handle_at_a_time() {
    let scratch = Scratch::new("handles");
    let (mut first, mut second) = (scratch.engine(), scratch.engine());
    assert!(first.try_begin().unwrap());
    first.write(&key(1), failures(1).as_ref()).unwrap();
    assert!(!second.try_begin().unwrap());
    assert_eq!(second.folder.read(&key(1)).unwrap(), None);
    first.commit(true).unwrap();
    assert!(second.try_begin().unwrap());
    assert_eq!(second.get(&key(1)).unwrap(), failures(1));
    second.write(&key(1), None).unwrap();
    second.rollback();
    assert_eq!(state(&mut first).unwrap(), State::from([(key(1), failures(1).unwrap())]));
    second.write(&key(2), failures(1).as_ref()).unwrap();
    second.close();
    assert!(first.try_begin().unwrap());
    assert_eq!(first.get(&key(2)).unwrap(), None);
}

#[test]
fn nothing_changed_nothing_written() {
    let scratch = Scratch::new("unchanged");
    let mut engine = scratch.engine();
    let rows = vec![(key(1), record()), (key(2), failures(1))];
    commit(&mut engine, &rows, true).unwrap();
    engine.hook = fault(0, u32::MAX);
    commit(&mut engine, &rows, true).unwrap();
    commit(&mut engine, &vec![(key(3), None), (key(1), None), (key(1), record()), (META, None)], true).unwrap();
    assert!(commit(&mut engine, &vec![(key(1), None)], true).is_err());
}

/// Sweeps in a transaction of its own.
fn sweep(engine: &mut Json, limit: usize, now: Time) -> Swept {
    assert!(engine.try_begin().unwrap());
    let swept = engine.sweep(limit, &now.into()).unwrap();
    engine.commit(false).unwrap();
    swept
}

#[test]
fn sweep_goes_round_in_small_steps() {
    let scratch = Scratch::new("sweep");
    let mut engine = scratch.engine();
    let mut rows: Changes = (1..=30).map(|number| (key(number), sends(number.into()))).collect();
    rows.push((META, meta()));
    commit(&mut engine, &rows, true).unwrap();
    // Of a row that ends at this time, only those up to number 20 are over.
    let now = Time::from_ms(20 + DAY_MS);
    let (mut purged, mut steps) = (0, 0);
    loop {
        let swept = sweep(&mut engine, 4, now);
        assert!(swept.purged <= 4);
        purged += swept.purged;
        steps += 1;
        if swept.wrapped {
            break;
        }
    }
    assert_eq!((purged, steps), (20, 9), "31 rows and the lock, by four");
    let left: Vec<_> = state(&mut engine).unwrap().into_keys().collect();
    assert_eq!(left, std::iter::once(META).chain((21..=30).map(key)).collect::<Vec<_>>());
    assert_eq!(sweep(&mut engine, 100, now), Swept { purged: 0, wrapped: true });
    assert_eq!(sweep(&mut engine, 0, Time::END), Swept::default());
    assert_eq!(sweep(&mut engine, 3, now), Swept::default());
    engine.close();
    assert_eq!(sweep(&mut engine, 100, Time::END), Swept { purged: 10, wrapped: true });
    assert_eq!(scratch.names(), ["lock", "repository.json"]);
}

#[test]
fn sweep_is_part_of_the_transaction() {
    let scratch = Scratch::new("staged");
    let mut engine = scratch.engine();
    let end = Time::from_ms(1 + DAY_MS);
    let rows = vec![(key(1), sends(1)), (key(2), sends(1)), (key(3), sends(2))];
    commit(&mut engine, &rows, true).unwrap();
    assert!(engine.try_begin().unwrap());
    engine.write(&key(1), sends(2).as_ref()).unwrap();
    engine.write(&key(3), sends(1).as_ref()).unwrap();
    assert_eq!(engine.sweep(100, &end.into()).unwrap(), Swept { purged: 2, wrapped: true });
    let left = [1, 2, 3].map(|number| engine.get(&key(number)).unwrap());
    assert_eq!(left, [sends(2), None, None]);
    engine.rollback();
    assert_eq!(state(&mut engine).unwrap().len(), 3);
    assert_eq!(sweep(&mut engine, 100, end), Swept { purged: 2, wrapped: true });
    assert_eq!(state(&mut engine).unwrap(), State::from([(key(3), sends(2).unwrap())]));
}

#[test]
fn sweep_passes_over_what_it_does_not_know() {
    let scratch = Scratch::new("clutter");
    let mut engine = scratch.engine();
    commit(&mut engine, &vec![(key(1), sends(1)), (key(2), sends(1)), (key(3), sends(1))], true).unwrap();
    fs::write(scratch.file(&format!("{}.json", key(2))), "damaged").unwrap();
    fs::write(scratch.file(".stale.json.1.0.tmp"), "half").unwrap();
    for name in
        ["README", "00.json", &format!("{META}.json"), &format!("{}.JSON", key(171)), &format!("{}.json~", key(1))]
    {
        fs::write(scratch.file(name), "theirs").unwrap();
    }
    let theirs = scratch.names();
    let alive = Temporary::write(&scratch.file("alive.json"), b"half", false).unwrap();
    assert_eq!(sweep(&mut engine, 100, Time::END), Swept { purged: 2, wrapped: true });
    let gone = [format!("{}.json", key(1)), format!("{}.json", key(3)), ".stale.json.1.0.tmp".to_owned()];
    let left: Vec<_> = scratch.names().into_iter().filter(|name| !name.contains("alive")).collect();
    assert_eq!(left, theirs.iter().filter(|name| !gone.contains(name)).cloned().collect::<Vec<_>>());
    alive.place().unwrap();
    assert!(scratch.file("alive.json").exists());
}
