//! What the files hold: JSON that people can read.

use std::path::Path;

use ring::digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::{FORMAT_VERSION, META, Meta, Row};
use crate::block::{Mac, RowKey};
use crate::error::{Error, Result};
use crate::policy::{Failures, Sends};
use crate::record::Record;
use crate::workflow::{Reference, Timer};

/// Most bytes of a row's file. No row comes near it: it keeps a file that is not ours from being read whole.
pub const ROW_BYTES: usize = 1 << 20;

/// Most bytes of a journal: more than a whole batch of the longest rows.
pub const JOURNAL_BYTES: usize = 64 << 20;

/// Says that a folder is a repository of this library.
const FORMAT: &str = "libotp";

/// What every file begins with, whatever its version.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// What the file of the [`META`] row begins with.
#[derive(Deserialize)]
struct Format {
    format: String,
}

/// The file of the [`META`] row. There is one before there is a row.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetaFile {
    format: String,
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

/// The file of any other row, to be written.
#[derive(Serialize)]
struct RowFile<'a> {
    version: u32,
    #[serde(flatten)]
    row: &'a Row,
}

/// The file of any other row, as it is read: with one row, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    #[serde(rename = "version")]
    _version: u32,
    record: Option<Box<Record>>,
    failures: Option<Failures>,
    sends: Option<Sends>,
    timer: Option<Timer>,
    reference: Option<Reference>,
}

impl Found {
    fn row(self) -> Option<Row> {
        let record = self.record.map(Row::Record);
        let failures = self.failures.map(Row::Failures);
        let sends = self.sends.map(Row::Sends);
        let timer = self.timer.map(Row::Timer);
        let reference = self.reference.map(Row::Reference);
        let mut rows = [record, failures, sends, timer, reference].into_iter().flatten();
        rows.next().filter(|_| rows.next().is_none())
    }
}

/// A transaction of several files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalFile {
    version: u32,
    checksum: Mac,
    changes: Vec<Change>,
}

/// New content of a row's file; none removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The row.
    pub key: RowKey,
    /// The whole text of its file.
    pub text: Option<String>,
}

impl Change {
    /// The change that makes a file hold this row.
    pub fn new(key: &RowKey, row: Option<&Row>) -> Result<Self> {
        let text = match row {
            Some(Row::Meta(meta)) if *key == META => Some(meta_text(Some(meta.clone()))?),
            None if *key == META => Some(meta_text(None)?),
            Some(row) => Some(text(&RowFile { version: FORMAT_VERSION, row })?),
            None => None,
        };
        refuse_longer(text.as_ref().map_or(0, String::len), ROW_BYTES)?;
        Ok(Self { key: *key, text })
    }
}

/// What could not be read again is not written.
fn refuse_longer(length: usize, limit: usize) -> Result<()> {
    if length <= limit {
        return Ok(());
    }
    Err(Error::store(format!("a file of the repository would be longer than {limit} bytes")))
}

fn text(file: &impl Serialize) -> Result<String> {
    let mut text =
        serde_json::to_string_pretty(file).map_err(|_| Error::internal("a row cannot be written as JSON"))?;
    text.push('\n');
    Ok(text)
}

/// The text of the file that makes a folder a repository.
pub fn meta_text(meta: Option<Meta>) -> Result<String> {
    text(&MetaFile { format: FORMAT.to_owned(), version: FORMAT_VERSION, meta })
}

fn unreadable(path: &Path, cause: &serde_json::Error) -> Error {
    // The cause itself would quote from the file.
    let (line, column) = (cause.line(), cause.column());
    Error::damaged(format!("cannot read {path:?}: damaged, or not of this library, at line {line}, column {column}"))
}

/// The row, if all it says can be.
fn valid(row: Option<Row>, path: &Path) -> Result<Row> {
    match row {
        Some(row) if row.is_valid() => Ok(row),
        row => {
            let kind = row.as_ref().map(Row::kind);
            let detail = format!("cannot read {path:?}: damaged: a value is out of range");
            Err(Error::damaged_row(kind, detail))
        }
    }
}

/// Reads the text of the file at `path`.
fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|cause| unreadable(path, &cause))
}

fn refuse_newer(Version { version }: Version, path: &Path) -> Result<()> {
    if version == 0 {
        return Err(Error::damaged(format!("cannot read {path:?}: damaged: it has version 0")));
    }
    if version <= FORMAT_VERSION {
        return Ok(());
    }
    Err(Error::damaged(format!(
        "cannot read {path:?}: it has version {version}, and this library reads up to version {FORMAT_VERSION}"
    )))
}

/// The row in a row's file.
pub fn row(key: &RowKey, bytes: &[u8], path: &Path) -> Result<Option<Row>> {
    if *key == META {
        let Format { format } = parse(bytes, path)?;
        if format != FORMAT {
            return Err(Error::store(format!("cannot read {path:?}: not a repository of this library")));
        }
    }
    refuse_newer(parse(bytes, path)?, path)?;
    if *key == META {
        let meta = parse::<MetaFile>(bytes, path)?.meta;
        return meta.map(|meta| valid(Some(Row::Meta(meta)), path)).transpose();
    }
    valid(parse::<Found>(bytes, path)?.row(), path).map(Some)
}

/// The text of a journal.
pub fn journal_text(changes: &[Change]) -> Result<String> {
    let file = JournalFile { version: FORMAT_VERSION, checksum: checksum(changes), changes: changes.to_vec() };
    let text = text(&file)?;
    refuse_longer(text.len(), JOURNAL_BYTES)?;
    Ok(text)
}

/// The changes in a journal; `None` when it was not written to its end.
pub fn journal(bytes: &[u8], path: &Path) -> Result<Option<Vec<Change>>> {
    let Ok(version) = serde_json::from_slice(bytes) else { return Ok(None) };
    refuse_newer(version, path)?;
    let file = serde_json::from_slice(bytes).ok();
    Ok(file.filter(|file: &JournalFile| file.checksum == checksum(&file.changes)).map(|file| file.changes))
}

/// Over the texts themselves, byte by byte, so that no way of writing JSON changes it.
fn checksum(changes: &[Change]) -> Mac {
    let mut context = digest::Context::new(&digest::SHA256);
    for Change { key, text } in changes {
        context.update(key.bytes());
        // A length of a text that cannot be stands for none.
        context.update(&text.as_ref().map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        context.update(text.as_deref().unwrap_or_default().as_bytes());
    }
    Mac::truncated(context.finish().as_ref())
}

#[cfg(test)]
mod tests;
