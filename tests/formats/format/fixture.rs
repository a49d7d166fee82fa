//! Repositories in files as they were written once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use otp::Service;
use rusqlite::Connection;
use serde_json::{Value, json};
use testing::Folder;

use super::reader::{self, Block, Bytes, Key, Record, row_key};
use super::{ASKED_MS, NEWEST, data};
use crate::scenarios::model::Names;

/// A repository that was written once, in a folder of its own, as the library made it: git does not keep modes.
pub struct Fixture {
    pub folder: Folder,
    kind: &'static str,
    pub names: Names,
}

impl Fixture {
    pub fn copy(version: &str, kind: &'static str) -> Self {
        let thread = std::thread::current();
        let folder = Folder::new(&format!("format-{kind}-{}", thread.name().unwrap_or_default()));
        let from = data().join(version).join(kind);
        copy(&from, folder.path());
        let names = serde_json::from_slice(&fs::read(from.join("names.json")).unwrap()).unwrap();
        Self { folder, kind, names }
    }

    pub fn newest(kind: &'static str) -> Self {
        Self::copy(NEWEST, kind)
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join(if self.kind == "sqlite" { "otp.db" } else { "otp" })
    }

    pub fn open(&self) -> Service {
        let config = json!({
            "repository": self.folder.repository(self.kind), "previousKeys": [self.names["previous key"]],
            "sender": {"type": "none"},
        });
        let service = Service::open(Some(&config.to_string())).unwrap().0;
        service.on_clock(Some(Arc::new(|| ASKED_MS))).unwrap();
        service
    }

    /// The newest code of this token, as the story had it.
    pub fn code(&self, token: &str) -> &str {
        &self.names[token]
    }

    /// What is kept under a key, which is there.
    pub fn row(&self, key: &Block) -> Vec<u8> {
        match self.kind {
            "sqlite" => {
                let database = Connection::open(self.path()).unwrap();
                database.query_row("SELECT v FROM item WHERE k = ?1", [key], |row| row.get(0)).unwrap()
            }
            _ => fs::read(self.file(key)).unwrap(),
        }
    }

    /// The file of a row of `json:`.
    pub fn file(&self, key: &Block) -> PathBuf {
        self.path().join(if *key == [0; 16] { "repository.json".to_owned() } else { format!("{}.json", hex(key)) })
    }

    /// The present key, as a configuration has it.
    pub fn key_text(&self) -> String {
        let path = self.folder.path().join(if self.kind == "sqlite" { "otp.db.key" } else { "otp.key" });
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// The present key, and the one before.
    pub fn keys(&self) -> (Key, Key) {
        let derive = |text: &str| Key::derive(&STANDARD.decode(text).unwrap());
        (derive(&self.key_text()), derive(self.code("previous key")))
    }

    /// The identifiers of all keys, and the index key.
    pub fn description(&self) -> (Vec<Block>, Vec<u8>) {
        let (key, row) = (self.keys().0, self.row(&[0; 16]));
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

    pub fn record(&self, key: &Block) -> Record {
        let row = self.row(key);
        match self.kind {
            "sqlite" => Bytes(&row).record(),
            _ => reader::json_record(std::str::from_utf8(&row).unwrap()),
        }
    }

    /// Where the record of a token lies.
    pub fn place(&self, token: &str) -> Block {
        row_key(&self.description().1, "token", "default", token)
    }

    /// Changes the JSON of a row.
    pub fn edit(&self, key: &Block, edit: impl FnOnce(&mut Value)) {
        let mut file: Value = serde_json::from_slice(&self.row(key)).unwrap();
        edit(&mut file["record"]);
        fs::write(self.file(key), file.to_string()).unwrap();
    }
}

/// Copies a folder, for its owner alone.
pub fn copy(from: &Path, to: &Path) {
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

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
