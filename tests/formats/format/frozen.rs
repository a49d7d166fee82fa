//! What is written now is of the newest kind: the same rows, with the same members. And the newest kind has all that the
//! page has numbers for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use testing::{Folder, Watchdog};

use super::fixture::{Fixture, copy};
use super::reader::{Block, Bytes, mac, row_key};
use super::servers::{self, SERVERS, Server};
use super::{KINDS, NEWEST, data, moving, story};
use crate::scenarios::model::Names;

/// What a row is, without what is drawn, without errors and identifiers, which name a port, and without the time, which a slow machine
/// moves on.
fn likeness(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{} digits", text.len()).into()
        }
        Value::Number(number) if number.as_u64() > Some(1_000_000_000) => "a time".into(),
        Value::Array(items) => items.iter().map(likeness).collect(),
        Value::Object(members) => {
            let told = members.iter().map(|(name, value)| match name.as_str() {
                "error" | "messageUuid" => (name.clone(), "a text".into()),
                "deliveries" => (name.clone(), "a number".into()),
                "delivery" if value.is_number() => (name.clone(), "a number".into()),
                _ => (name.clone(), likeness(value)),
            });
            Value::Object(told.collect())
        }
        other => other.clone(),
    }
}

/// What rows there are: all of `json:`, and of `sqlite:` their kinds and, of records, what they have.
fn likenesses(repository: &Path) -> Vec<String> {
    let mut likenesses: Vec<_> = if repository.is_dir() {
        let files = fs::read_dir(repository).unwrap().map(|entry| entry.unwrap().path());
        let rows = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        rows.map(|path| likeness(&serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).to_string()).collect()
    } else {
        let database = Connection::open(repository).unwrap();
        let mut rows = database.prepare("SELECT v FROM item").unwrap();
        let rows = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap().map(Result::unwrap);
        rows.map(|row| if row[0] == 2 { format!("2, {:#b}", row[1]) } else { row[0].to_string() }).collect()
    };
    likenesses.sort();
    likenesses
}

fn without<'a>(some: &'a [String], others: &[String]) -> Vec<&'a String> {
    some.iter().filter(|one| !others.contains(one)).collect()
}

/// What keys there are in a server, without what is drawn.
fn shapes(rows: &Value) -> Vec<String> {
    let shape = |key: &str| {
        let parts = key.split(':').map(|part| match part.len() {
            10 if part != "{own}" => "{tenant}".to_owned(),
            32 | 36 => "key".to_owned(),
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join(":")
    };
    let has = |row: &Value| {
        let members = row.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        members.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut shapes: Vec<_> =
        rows.as_object().unwrap().iter().map(|(key, row)| format!("{}: {}", shape(key), has(row))).collect();
    shapes.sort();
    shapes
}

fn assert_same(what: &str, now: &[String], before: &[String]) {
    assert_eq!((without(now, before), without(before, now)), (vec![], vec![]), "{what}: now, and in the fixture");
    assert_eq!(now, before, "{what}");
}

/// With `UPDATE_FORMAT=1` the fixture is made of what is written now, if there is none.
#[test]
fn what_is_written_now_is_of_the_newest_kind() {
    let _watchdog = Watchdog::new("what_is_written_now_is_of_the_newest_kind", 300);
    let is_made = std::env::var("UPDATE_FORMAT").as_deref() == Ok("1");
    for kind in KINDS {
        let folder = Folder::new(&format!("format-story-{kind}"));
        let names = story::tell(&folder, kind);
        if is_made {
            keep(&folder, kind, &names);
        }
        let (now, fixture) = (Path::new(if kind == "sqlite" { "otp.db" } else { "otp" }), Fixture::newest(kind));
        assert_same(kind, &likenesses(&folder.path().join(now)), &likenesses(&fixture.path()));
        assert!(names.keys().eq(fixture.names.keys()), "{kind}");
    }
    for kind in SERVERS {
        let Some(server) = Server::start(kind) else { continue };
        let moved = Fixture::newest("sqlite").open().copy(&server.url(), Some(r#"{"move":true}"#)).unwrap();
        assert_eq!(moved.skipped, 0);
        let now = server.dump();
        if is_made {
            servers::keep(kind, &now);
        }
        assert_same(kind, &shapes(&now), &shapes(&servers::rows(NEWEST, kind)));
    }
    assert_eq!(servers::schema(NEWEST), servers::SCHEMA, "what is released is never made in another way");
    if is_made {
        moving::keep();
    }
}

/// Makes the fixture, without what every opener makes.
fn keep(folder: &Folder, kind: &str, names: &Names) {
    let to = data().join(NEWEST).join(kind);
    assert!(!to.exists(), "what there is is never made anew");
    copy(folder.path(), &to);
    for made in ["otp.db-wal", "otp.db-shm", "otp.db-lock", "otp/lock"] {
        let log = to.join(made);
        assert!(
            made != "otp.db-wal" || !log.exists() || log.metadata().unwrap().len() == 0,
            "the log is in the database"
        );
        let _ = fs::remove_file(log);
    }
    fs::write(to.join("names.json"), serde_json::to_string_pretty(names).unwrap() + "\n").unwrap();
}

/// All numbers that are somewhere in the fixture.
#[derive(Default)]
struct Numbers {
    rows: BTreeSet<u8>,
    flags: BTreeSet<u8>,
    code_states: BTreeSet<u8>,
    code_flags: BTreeSet<u8>,
    answers: BTreeSet<u8>,
    vias: BTreeSet<u8>,
    channels: BTreeSet<u8>,
    states: BTreeSet<u8>,
    state_flags: BTreeSet<u8>,
    envelope: BTreeSet<u8>,
}

fn bits(byte: u8) -> impl Iterator<Item = u8> {
    (0..8).map(|bit| 1 << bit).filter(move |bit| byte & bit != 0)
}

/// Whatever has a number in `docs/format.md` is in the fixture, or nothing would show that it is read for ever.
#[test]
fn the_newest_kind_has_every_row_and_every_number() {
    let fixture = Fixture::newest("sqlite");
    let ((key, older), (_, index)) = (fixture.keys(), fixture.description());
    let database = Connection::open(fixture.path()).unwrap();
    let mut rows = database.prepare("SELECT k, v FROM item").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get::<_, Block>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    let mut seen = Numbers::default();
    for (place, row) in rows.map(Result::unwrap) {
        seen.rows.insert(row[0]);
        if row[0] != 2 {
            continue;
        }
        let record = Bytes(&row).record();
        seen.flags.extend(bits(record.flags));
        seen.answers.extend(record.answer);
        for code in record.remembered.iter().chain([&record.code]) {
            seen.code_states.insert(code.state & 3);
            seen.code_flags.extend(bits(code.state & 12));
        }
        seen.vias.insert(record.via);
        for step in &record.steps {
            seen.channels.insert(step.channel);
            seen.states.insert(step.status & 15);
            seen.state_flags.extend(bits(step.status & !15));
        }
        let is_default = row_key(&index, "token", "default", "")[..4] == place[..4];
        if is_default && !record.sealed.is_empty() {
            let identity = mac(&index, "fingerprint", &[&record.code.identity(&place)]);
            let identity: String = identity[..16].iter().map(|byte| format!("{byte:02x}")).collect();
            let sealed_to = row_key(&index, "sealed", "default", &identity);
            let (nonce, sealed) = match record.code.length {
                0 => record.sealed.split_at(16),
                _ => (&record.code.block[..], &record.sealed[..]),
            };
            let by = if record.code.slot == 0 { &older } else { &key };
            seen.envelope.extend(bits(by.unseal(&sealed_to, nonce, sealed)[0]));
        }
    }
    let all = |numbers: &[u8]| BTreeSet::from_iter(numbers.iter().copied());
    let upto = |last: u8| (0..=last).collect::<BTreeSet<_>>();
    assert_eq!(seen.rows, all(&[1, 2, 3, 4, 5, 6]));
    assert_eq!(seen.flags, all(&[1, 2, 4, 8, 16, 32]));
    assert_eq!((seen.code_states, seen.code_flags, seen.answers), (upto(3), all(&[4, 8]), upto(2)));
    assert_eq!((seen.vias, seen.channels, seen.states), (upto(6), upto(5), upto(10)));
    assert_eq!(seen.state_flags, all(&[16, 32, 64]));
    assert_eq!(seen.envelope, all(&[1, 2, 4, 8, 16, 32, 64, 128]));
}
