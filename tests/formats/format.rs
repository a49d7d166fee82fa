//! What was written once is read by every later version, and `docs/format.md` says enough to read it without the library.

mod fixture;
mod frozen;
mod moving;
mod reader;
mod servers;
mod story;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::scenarios::library::Library;
use crate::scenarios::model::{Scenario, fill_value};
use crate::scenarios::runner::Runner;
use fixture::{Fixture, hex};
use otp::{Outcome, Service};
use reader::row_key;
use ring::digest;
use serde_json::{Value, json};
use servers::{SERVERS, Server};
use testing::Watchdog;
use testing::carrier::{Carrier, SECRET, report};

const KINDS: [&str; 2] = ["sqlite", "json"];

/// The state of the format that the library writes now.
const NEWEST: &str = "1";

/// When the questions begin.
const ASKED_MS: i64 = 1_700_000_361_000;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format")
}

fn verify(service: &Service, token: &str, code: &str) -> Outcome {
    service.verify(token, code, None).unwrap().outcome
}

/// All states of the format that were kept.
fn versions() -> Vec<String> {
    let entries = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The questions of a version.
fn questions(version: &str) -> Vec<Value> {
    serde_json::from_slice(&fs::read(data().join(version).join("questions.json")).unwrap()).unwrap()
}

/// Asks a question of a repository that has just been put back. Without `key` it has one of its own.
fn ask(question: &Value, fixture: &Fixture, repository: &str, key: Option<&str>) {
    let carrier = Carrier::start();
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
    let mut scenario: Scenario = serde_json::from_value(fill_value(question, &names)).unwrap();
    if let (Some(key), Some(config)) = (key, &mut scenario.config) {
        config["key"] = key.into();
    }
    let answered = Runner::run(&mut Library::default(), &scenario, repository);
    assert_eq!(answered, Ok(()), "{repository}: {}", scenario.name);
}

#[test]
fn every_version_answers_as_it_did() {
    let _watchdog = Watchdog::new("every_version_answers_as_it_did", 300);
    assert!(versions().iter().any(|version| version == NEWEST));
    for version in versions() {
        for question in questions(&version) {
            for kind in KINDS {
                let fixture = Fixture::copy(&version, kind);
                ask(&question, &fixture, &fixture.folder.repository(kind), None);
            }
        }
    }
}

#[test]
fn every_version_answers_as_it_did_from_a_server() {
    let _watchdog = Watchdog::new("every_version_answers_as_it_did_from_a_server", 300);
    for kind in SERVERS {
        let Some(server) = Server::start(kind) else { continue };
        for version in versions() {
            // What lies there is a copy of the one in a file.
            let (fixture, rows) = (Fixture::copy(&version, "sqlite"), servers::rows(&version, kind));
            for question in questions(&version) {
                server.load(&rows, &servers::schema(&version));
                ask(&question, &fixture, &server.url(), Some(&fixture.key_text()));
            }
        }
    }
}

#[test]
fn the_page_says_how_to_read_a_code() {
    for kind in KINDS {
        let fixture = Fixture::newest(kind);
        let ((key, older), (keys, index)) = (fixture.keys(), fixture.description());
        for token in ["live", "guessed", "context"] {
            let (place, record) = (fixture.place(token), fixture.record(&fixture.place(token)));
            assert_eq!(keys[usize::from(record.code.slot)], key.id);
            assert_eq!(key.code(&place, &record.code), fixture.code(token), "{kind}: {token}");
        }
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
