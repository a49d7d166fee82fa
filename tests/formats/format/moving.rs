//! A move that was interrupted: a source that says where it was moved to, and a copy that nobody may open yet.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use otp::{Outcome, Service};
use rusqlite::Connection;
use serde_json::{Value, json};
use testing::place::KEY;
use testing::{Folder, Watchdog};

use super::fixture::copy;
use super::servers::{self, SERVERS, Server};
use super::{ASKED_MS, KINDS, NEWEST, data};

const MOVE: Option<&str> = Some(r#"{"move":true}"#);

/// A repository of a test's own.
enum Place {
    Files { folder: Folder, kind: &'static str },
    Server(Server),
}

impl Place {
    fn new(kind: &'static str) -> Option<Self> {
        match KINDS.contains(&kind) {
            true => Some(Place::Files { folder: Folder::another("format-moving"), kind }),
            false => Server::start(kind).map(Place::Server),
        }
    }

    fn repository(&self) -> String {
        match self {
            Place::Files { folder, kind } => folder.repository(kind),
            Place::Server(server) => server.url(),
        }
    }

    fn open(&self) -> otp::Result<Service> {
        let config = json!({"repository": self.repository(), "key": KEY, "sender": {"type": "none"}});
        let service = Service::open(Some(&config.to_string()))?.0;
        service.on_clock(Some(Arc::new(|| ASKED_MS)))?;
        Ok(service)
    }

    fn keep(&self, to: &Path) {
        assert!(!to.exists(), "what there is is never made anew");
        fs::create_dir_all(to).unwrap();
        match self {
            Place::Server(server) => {
                fs::write(to.join("rows.json"), serde_json::to_string_pretty(&server.dump()).unwrap() + "\n").unwrap();
            }
            Place::Files { folder, kind } => {
                if *kind == "sqlite" {
                    // A repository that was moved leaves its last changes in the log.
                    let database = Connection::open(folder.path().join("otp.db")).unwrap();
                    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
                }
                copy(folder.path(), to);
                let log = fs::metadata(to.join("otp.db-wal")).map_or(0, |log| log.len());
                assert_eq!(log, 0, "the log is in the database");
                for made in ["otp.db-wal", "otp.db-shm", "otp.db-lock", "otp/lock"] {
                    let _ = fs::remove_file(to.join(made));
                }
            }
        }
    }

    fn load(&self, version: &str, from: &Path) {
        match self {
            Place::Files { folder, .. } => copy(from, folder.path()),
            Place::Server(server) => {
                let rows: Value = serde_json::from_slice(&fs::read(from.join("rows.json")).unwrap()).unwrap();
                server.load(&rows, &servers::schema(version));
            }
        }
    }
}

fn folder(version: &str, kind: &str) -> PathBuf {
    data().join(version).join("moving").join(kind)
}

/// Makes the fixtures.
pub fn keep() {
    for kind in KINDS.into_iter().chain(SERVERS) {
        let (Some(source), Some(target)) = (Place::new(kind), Place::new(kind)) else { continue };
        let code = interrupt(&source, &target);
        source.keep(&folder(NEWEST, kind).join("source"));
        target.keep(&folder(NEWEST, kind).join("target"));
        fs::write(folder(NEWEST, kind).join("code"), code).unwrap();
    }
}

/// Moves one, as far as a process may that dies when it begins to write what it read. The code in it.
fn interrupt(source: &Place, target: &Place) -> String {
    let service = source.open().unwrap();
    let code = service.create("moved", None).unwrap().message.unwrap().code.to_string();
    service.on_clock(Some(Arc::new(|| resume_unwind(Box::new("the end"))))).unwrap();
    let moved = catch_unwind(AssertUnwindSafe(|| service.copy(&target.repository(), MOVE).map(|reply| reply.rows)));
    assert!(moved.is_err(), "it ended: {:?}", moved.unwrap());
    code
}

#[test]
fn an_interrupted_move_is_ended_by_every_later_library() {
    let _watchdog = Watchdog::new("an_interrupted_move_is_ended_by_every_later_library", 300);
    for version in &super::versions() {
        KINDS.into_iter().chain(SERVERS).for_each(|kind| end_move(version, kind));
    }
}

fn end_move(version: &str, kind: &'static str) {
    let (Some(source), Some(target), Some(other)) = (Place::new(kind), Place::new(kind), Place::new("sqlite")) else {
        return;
    };
    let from = folder(version, kind);
    source.load(version, &from.join("source"));
    target.load(version, &from.join("target"));
    let code = fs::read_to_string(from.join("code")).unwrap();
    let refused = target.open().err().unwrap();
    assert!(refused.outcome() == Outcome::Store && refused.detail().contains("unfinished copy"), "{kind}: {refused}");
    let moved = source.open().unwrap();
    let refused = moved.status("moved").err().unwrap_or_else(|| panic!("{kind}"));
    assert!(refused.outcome() == Outcome::Store && refused.detail().contains("moved"), "{kind}: {refused}");
    // Live codes go along into the copy for which it was frozen, and into no other.
    let _ = moved.copy(&other.repository(), MOVE).unwrap();
    assert_eq!(super::verify(&other.open().unwrap(), "moved", &code), Outcome::Expired, "{kind}");
    assert_eq!(moved.copy(&target.repository(), MOVE).unwrap().skipped, 0);
    assert_eq!(super::verify(&target.open().unwrap(), "moved", &code), Outcome::Ok, "{kind}");
}
