//! A repository, and its rows as they lie there, to be changed behind the library's back.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use testing::Folder;
use testing::mutate::{self, Draw};

/// How rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Json,
}

/// A row's key, or its file's name, and what is kept there.
pub type Row = (Vec<u8>, Vec<u8>);
pub type Rows = Vec<Row>;

pub struct Stored {
    kind: Kind,
    folder: Folder,
}

impl Stored {
    pub fn new(kind: Kind) -> Self {
        let thread = std::thread::current();
        Self { kind, folder: Folder::new(&format!("values-{kind:?}-{}", thread.name().unwrap_or_default())) }
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "sqlite",
            Kind::Json => "json",
        }
    }

    /// As the configuration names it.
    pub fn url(&self) -> String {
        self.folder.repository(self.name())
    }

    /// The file, or the folder.
    pub fn path(&self) -> PathBuf {
        let url = self.url();
        Path::new(url.split_once(':').unwrap().1).to_owned()
    }

    fn database(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn all(&self) -> Rows {
        match self.kind {
            Kind::Sqlite => {
                let database = self.database();
                let mut rows = database.prepare("SELECT k, v FROM item ORDER BY k").unwrap();
                let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                rows.collect::<Result<_, _>>().unwrap()
            }
            Kind::Json => {
                let entries = std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
                let mut files: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
                files.sort();
                let row = |path: PathBuf| {
                    let name = path.file_name().unwrap().to_str().unwrap().as_bytes().to_vec();
                    (name, std::fs::read(path).unwrap())
                };
                files.into_iter().map(row).collect()
            }
        }
    }

    fn is_description(&self, key: &[u8]) -> bool {
        key == b"repository.json" || key == [0; 16]
    }

    /// All rows but the repository's own.
    pub fn rows(&self) -> Rows {
        self.all().into_iter().filter(|(key, _)| !self.is_description(key)).collect()
    }

    /// The repository's own row.
    pub fn description(&self) -> Row {
        self.all().into_iter().find(|(key, _)| self.is_description(key)).unwrap()
    }

    /// The row in some way changed.
    pub fn change(&self, row: &[u8], other: &[u8], draw: &mut Draw<'_>) -> Vec<u8> {
        let (text, other_text) = (std::str::from_utf8(row), std::str::from_utf8(other));
        match (self.kind, text, other_text) {
            (Kind::Json, Ok(text), Ok(other))
                if draw(10) > 0 && serde_json::from_str::<serde_json::Value>(text).is_ok() =>
            {
                mutate::json(text, other, draw).into_bytes()
            }
            _ => {
                let mut bytes = row.to_vec();
                mutate::bytes(&mut bytes, other, draw);
                bytes
            }
        }
    }

    pub fn remove(&self, key: &[u8]) {
        match self.kind {
            Kind::Sqlite => drop(self.database().execute("DELETE FROM item WHERE k = ?1", [key]).unwrap()),
            Kind::Json => std::fs::remove_file(self.path().join(std::str::from_utf8(key).unwrap())).unwrap(),
        }
    }

    pub fn put(&self, key: &[u8], row: &[u8]) {
        match self.kind {
            Kind::Sqlite => {
                let replace = "INSERT OR REPLACE INTO item (k, v) VALUES (?1, ?2)";
                self.database().execute(replace, params![key, row]).unwrap();
            }
            Kind::Json => std::fs::write(self.path().join(std::str::from_utf8(key).unwrap()), row).unwrap(),
        }
    }

    /// Puts all rows but the repository's own back as they were.
    pub fn restore(&self, rows: &[Row]) {
        match self.kind {
            Kind::Sqlite => {
                let mut database = self.database();
                let transaction = database.transaction().unwrap();
                transaction.execute("DELETE FROM item WHERE k <> zeroblob(16)", []).unwrap();
                for (key, row) in rows {
                    transaction.execute("INSERT INTO item (k, v) VALUES (?1, ?2)", params![key, row]).unwrap();
                }
                transaction.commit().unwrap();
            }
            Kind::Json => {
                let known = |key: &[u8]| rows.iter().any(|(known, _)| known == key);
                for (key, _) in self.rows().iter().filter(|(key, _)| !known(key)) {
                    self.remove(key);
                }
                rows.iter().for_each(|(key, row)| self.put(key, row));
            }
        }
    }
}
