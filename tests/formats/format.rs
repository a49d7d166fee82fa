//! What was written once is read by every later version, and `docs/format.md` says enough to read it without the library.

mod reader;
mod story;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::scenarios::library::Library;
use crate::scenarios::model::{Names, Scenario, fill_value};
use crate::scenarios::runner::Runner;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use otp::{Outcome, Service};
use reader::{Block, Bytes, Key, Record, row_key};
use ring::digest;
use rusqlite::Connection;
use serde_json::{Value, json};
use testing::carrier::{Carrier, SECRET, report};
use testing::{Folder, Watchdog};

const KINDS: [&str; 2] = ["sqlite", "json"];

/// The state of the format that the library writes now.
const NEWEST: &str = "unreleased";

/// When the questions begin.
const ASKED_MS: i64 = 1_700_000_361_000;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format")
}

/// A repository that was written once, in a folder of its own, as the library made it: git does not keep modes.
struct Fixture {
    folder: Folder,
    kind: &'static str,
    names: Names,
}

impl Fixture {
    fn copy(version: &str, kind: &'static str) -> Self {
        let thread = std::thread::current();
        let folder = Folder::new(&format!("format-{kind}-{}", thread.name().unwrap_or_default()));
        let from = data().join(version).join(kind);
        copy(&from, folder.path());
        let names = serde_json::from_slice(&fs::read(from.join("names.json")).unwrap()).unwrap();
        Self { folder, kind, names }
    }

    fn newest(kind: &'static str) -> Self {
        Self::copy(NEWEST, kind)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(if self.kind == "sqlite" { "otp.db" } else { "otp" })
    }

    fn open(&self) -> Service {
        let config = json!({
            "repository": self.folder.repository(self.kind), "previousKeys": [self.names["previous key"]],
            "sender": {"type": "none"},
        });
        let service = Service::open(Some(&config.to_string())).unwrap().0;
        service.on_clock(Some(Arc::new(|| ASKED_MS))).unwrap();
        service
    }

    /// The newest code of this token, as the story had it.
    fn code(&self, token: &str) -> &str {
        &self.names[token]
    }

    /// What is kept under a key, which is there.
    fn row(&self, key: &Block) -> Vec<u8> {
        match self.kind {
            "sqlite" => {
                let database = Connection::open(self.path()).unwrap();
                database.query_row("SELECT v FROM item WHERE k = ?1", [key], |row| row.get(0)).unwrap()
            }
            _ => fs::read(self.file(key)).unwrap(),
        }
    }

    /// The file of a row of `json:`.
    fn file(&self, key: &Block) -> PathBuf {
        self.path().join(if *key == [0; 16] { "repository.json".to_owned() } else { format!("{}.json", hex(key)) })
    }

    fn key(&self) -> Key {
        let path = self.folder.path().join(if self.kind == "sqlite" { "otp.db.key" } else { "otp.key" });
        Key::derive(&STANDARD.decode(fs::read_to_string(path).unwrap().trim()).unwrap())
    }

    /// The identifiers of all keys, and the index key.
    fn description(&self) -> (Vec<Block>, Vec<u8>) {
        let (key, row) = (self.key(), self.row(&[0; 16]));
        let block = |bytes: Vec<u8>| -> Block { bytes.try_into().unwrap() };
        let (keys, sealed_by, sealed): (Vec<Block>, u8, Vec<u8>) = if self.kind == "sqlite" {
            let mut bytes = Bytes(&row);
            assert_eq!(bytes.byte(), 1, "the repository's own row");
            let keys = (0..bytes.integer()).map(|_| block(bytes.take(16))).collect();
            (keys, bytes.byte(), bytes.0.to_vec())
        } else {
            let file: Value = serde_json::from_slice(&row).unwrap();
            assert_eq!((&file["format"], &file["version"]), (&json!("libotp"), &json!(1)));
            let meta = &file["meta"];
            let text = |value: &Value| reader::hex(value.as_str().unwrap());
            let keys = meta["keys"].as_array().unwrap().iter().map(|key| block(text(key))).collect();
            (keys, meta["sealedBy"].as_u64().unwrap() as u8, text(&meta["indexKey"]))
        };
        assert_eq!(keys[usize::from(sealed_by)], key.id);
        (keys, key.unseal(&[0; 16], &sealed[..16], &sealed[16..]))
    }

    fn record(&self, key: &Block) -> Record {
        let row = self.row(key);
        match self.kind {
            "sqlite" => Bytes(&row).record(),
            _ => reader::json_record(std::str::from_utf8(&row).unwrap()),
        }
    }

    /// Where the record of a token lies.
    fn place(&self, token: &str) -> Block {
        row_key(&self.description().1, "token", "default", token)
    }

    /// Changes the JSON of a row.
    fn edit(&self, key: &Block, edit: impl FnOnce(&mut Value)) {
        let mut file: Value = serde_json::from_slice(&self.row(key)).unwrap();
        edit(&mut file["record"]);
        fs::write(self.file(key), file.to_string()).unwrap();
    }
}

/// Copies a folder, for its owner alone.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
            fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn verify(service: &Service, token: &str, code: &str) -> Outcome {
    service.verify(token, code, None).unwrap().outcome
}

/// Asks what is asked of one version, of a fresh copy for each scenario.
fn ask(version: &str, kind: &'static str) {
    let questions: Value =
        serde_json::from_slice(&fs::read(data().join(version).join("questions.json")).unwrap()).unwrap();
    for number in 0..questions.as_array().unwrap().len() {
        let (fixture, carrier) = (Fixture::copy(version, kind), Carrier::start());
        let mut names = fixture.names.clone();
        let message = json!({"to": "8192836453", "from": "1923256201470000", "channel": "messenger"});
        let (authorization, body) = report(&message, &names["waiting message"], "delivered", ASKED_MS);
        for (name, text) in [
            ("report authorization", authorization),
            ("report body", body),
            ("carrier", carrier.url()),
            ("webhook secret", SECRET.to_owned()),
        ] {
            names.insert(name.to_owned(), text);
        }
        let scenario: Scenario = serde_json::from_value(fill_value(&questions[number], &names)).unwrap();
        let answered = Runner::run(&mut Library::default(), &scenario, &fixture.folder.repository(kind));
        assert_eq!(answered, Ok(()), "{version}, {kind}: {}", scenario.name);
    }
}

#[test]
fn every_version_answers_as_it_did() {
    let _watchdog = Watchdog::new("every_version_answers_as_it_did", 300);
    let entries = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap());
    let versions: Vec<_> = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    assert!(versions.iter().any(|version| version == NEWEST));
    for version in versions {
        KINDS.iter().for_each(|kind| ask(version.to_str().unwrap(), kind));
    }
}

/// What a row is, without what is drawn, without errors, which name a port, and without the time, which a slow machine
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
                "error" => (name.clone(), "a text".into()),
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

/// With `UPDATE_FORMAT=1` the fixture becomes what is written now.
#[test]
fn what_is_written_now_is_of_the_newest_kind() {
    let _watchdog = Watchdog::new("what_is_written_now_is_of_the_newest_kind", 300);
    for kind in KINDS {
        let folder = Folder::new(&format!("format-story-{kind}"));
        let names = story::tell(&folder, kind);
        if std::env::var("UPDATE_FORMAT").as_deref() == Ok("1") {
            keep(&folder, kind, &names);
        }
        let (now, fixture) = (Path::new(if kind == "sqlite" { "otp.db" } else { "otp" }), Fixture::newest(kind));
        let (now, before) = (likenesses(&folder.path().join(now)), likenesses(&fixture.path()));
        assert_eq!(
            (without(&now, &before), without(&before, &now)),
            (vec![], vec![]),
            "{kind}: now, and in the fixture"
        );
        assert_eq!(now, before, "{kind}");
        assert!(names.keys().eq(fixture.names.keys()), "{kind}");
    }
}

/// Makes the fixture anew, without what every opener makes.
fn keep(folder: &Folder, kind: &str, names: &Names) {
    assert!(NEWEST.starts_with("unreleased"), "what was released is never made anew");
    let log = folder.path().join("otp.db-wal");
    assert!(!log.exists() || log.metadata().unwrap().len() == 0, "the log is in the database");
    let to = data().join(NEWEST).join(kind);
    let _ = fs::remove_dir_all(&to);
    copy(folder.path(), &to);
    for made in ["otp.db-wal", "otp.db-shm", "otp.db-lock", "otp/lock"] {
        let _ = fs::remove_file(to.join(made));
    }
    fs::write(to.join("names.json"), serde_json::to_string_pretty(names).unwrap() + "\n").unwrap();
}

#[test]
fn the_page_says_how_to_read_a_code() {
    for kind in KINDS {
        let fixture = Fixture::newest(kind);
        let (key, (keys, index)) = (fixture.key(), fixture.description());
        for token in ["live", "guessed", "context"] {
            let (place, record) = (fixture.place(token), fixture.record(&fixture.place(token)));
            assert_eq!(keys[usize::from(record.code.slot)], key.id);
            assert_eq!(key.code(&place, &record.code), fixture.code(token), "{kind}: {token}");
        }
        let older = Key::derive(&STANDARD.decode(fixture.code("previous key")).unwrap());
        let (place, record) = (fixture.place("rotated"), fixture.record(&fixture.place("rotated")));
        assert_eq!(keys[usize::from(record.code.slot)], older.id);
        assert_eq!(older.code(&place, &record.code), fixture.code("rotated"));

        let (place, record) = (fixture.place("context"), fixture.record(&fixture.place("context")));
        assert_eq!(record.code.context, Some(key.context(&place, &record.code, story::CONTEXT)));

        let (place, record) = (fixture.place("own"), fixture.record(&fixture.place("own")));
        assert_eq!((record.code.length, record.code.block), (0, key.kept(&place, &record.code, story::OWN_CODE)));

        let (place, record) = (fixture.place("remembered"), fixture.record(&fixture.place("remembered")));
        let states = ["replaced", "expired", "cancelled", "used"];
        assert_eq!(record.remembered.len(), states.len());
        for (code, state) in record.remembered.iter().zip(states) {
            let text = fixture.code(&format!("remembered {state}"));
            assert_eq!(code.block, key.replaced(&place, code, text), "{kind}: {state}");
        }

        let (place, record) = (fixture.place("live"), fixture.record(&fixture.place("live")));
        let identity = reader::mac(&index, "fingerprint", &[&record.code.identity(&place)]);
        let sealed_to = row_key(&index, "sealed", "default", &hex(&identity[..16]));
        let envelope = key.unseal(&sealed_to, &record.code.block, &record.sealed);
        assert_eq!(envelope, [1, 0x8c, 0x39, 0x33, 0x31, 0x00, 0x00, 0x01], "{kind}: a phone number");
    }
}

/// A transaction of several files counts from its journal on, and only if that is whole.
#[test]
fn the_page_says_how_to_write_a_journal() {
    for is_whole in [true, false] {
        let fixture = Fixture::newest("json");
        let (live, used) = (fixture.place("live"), fixture.place("used"));
        let text = String::from_utf8(fixture.row(&live)).unwrap();
        fs::remove_file(fixture.file(&live)).unwrap();
        let mut summed = [&live[..], &(text.len() as u64).to_be_bytes(), text.as_bytes()].concat();
        summed.extend([&used[..], &u64::MAX.to_be_bytes()].concat());
        let checksum = hex(&digest::digest(&digest::SHA256, &summed).as_ref()[..16]);
        let checksum = if is_whole { checksum } else { "0".repeat(32) };
        let changes = json!([{"key": hex(&live), "text": text}, {"key": hex(&used), "text": null}]);
        let journal = fixture.path().join("journal.json");
        fs::write(&journal, json!({"version": 1, "checksum": checksum, "changes": changes}).to_string()).unwrap();
        fs::set_permissions(&journal, Permissions::from_mode(0o600)).unwrap();
        let service = fixture.open();
        let (of_live, of_used) =
            if is_whole { (Outcome::Ok, Outcome::NotValid) } else { (Outcome::NotValid, Outcome::Checked) };
        assert_eq!(verify(&service, "live", fixture.code("live")), of_live);
        assert_eq!(verify(&service, "used", fixture.code("used")), of_used);
        assert!(!journal.exists(), "it was carried out, or dropped");
    }
}

/// Who may write the files and has no key: what the page says of them, so that nobody relies on more.
#[test]
fn the_page_says_what_writers_without_the_key_can_do() {
    let fixture = Fixture::newest("json");
    let service = fixture.open();
    let place = |token| fixture.place(token);
    let sealed = "00".repeat(17);

    let older = fixture.row(&place("live"));
    assert_eq!(verify(&service, "live", fixture.code("live")), Outcome::Ok);
    fs::write(fixture.file(&place("live")), older).unwrap();
    assert_eq!(verify(&service, "live", fixture.code("live")), Outcome::Ok, "an older copy of the row");

    fixture.edit(&place("used"), |record| {
        record["code"]["state"] = json!("live");
        record["sealed"] = json!(sealed);
    });
    assert_eq!(verify(&service, "used", fixture.code("used")), Outcome::Ok, "a state that was put back");

    fixture.edit(&place("code locked"), |record| {
        record["attempts"] = json!(0);
        record["sealed"] = json!(sealed);
    });
    assert_eq!(
        verify(&service, "code locked", fixture.code("code locked")),
        Outcome::Ok,
        "attempts that were put back"
    );

    let mut failures = row_key(&fixture.description().1, "subject", "default", "subject locked");
    failures[15] ^= 1;
    fs::remove_file(fixture.file(&failures)).unwrap();
    assert_eq!(verify(&service, "subject locked", fixture.code("subject locked")), Outcome::Ok, "no failures");

    // And what they cannot: more attempts than the code was made with, and a row of another.
    fixture.edit(&place("guessed"), |record| record["code"]["maxAttempts"] = json!(10));
    assert_eq!(verify(&service, "guessed", fixture.code("guessed")), Outcome::NotValid);
    let sent = service.resend("guessed").map(|reply| reply.outcome);
    assert_eq!(sent.unwrap_err().outcome(), Outcome::Store, "it would be another code, which sending would tell");
    fs::copy(fixture.file(&place("rotated")), fixture.file(&place("expired"))).unwrap();
    assert_eq!(verify(&service, "expired", fixture.code("rotated")), Outcome::NotValid);
}
