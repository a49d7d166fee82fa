//! What the files hold: JSON that people can read.

use std::path::Path;

use ring::digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::{FORMAT_VERSION, Key, META, Meta, Row};
use crate::block::Block;
use crate::error::{Error, Result};

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

/// The file of any other row.
#[derive(Serialize, Deserialize)]
struct RowFile<R> {
    version: u32,
    #[serde(flatten)]
    row: R,
}

/// A transaction of several files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalFile {
    version: u32,
    checksum: Block,
    changes: Vec<Change>,
}

/// New content of a row's file; none removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The row.
    pub key: Key,
    /// The whole text of its file.
    pub text: Option<String>,
}

impl Change {
    /// The change that makes a file hold this row.
    pub fn new(key: &Key, row: Option<&Row>) -> Result<Self> {
        let text = match row {
            Some(Row::Meta(meta)) if *key == META => Some(meta_text(Some(meta.clone()))?),
            None if *key == META => Some(meta_text(None)?),
            Some(row) => Some(text(&RowFile { version: FORMAT_VERSION, row })?),
            None => None,
        };
        Ok(Self { key: *key, text })
    }
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

/// Reads the text of the file at `path`.
fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|cause| unreadable(path, &cause))
}

fn refuse_newer(Version { version }: Version, path: &Path) -> Result<()> {
    if version <= FORMAT_VERSION {
        return Ok(());
    }
    Err(Error::damaged(format!(
        "cannot read {path:?}: it has version {version}, and this library reads up to version {FORMAT_VERSION}"
    )))
}

/// The row in a row's file.
pub fn row(key: &Key, bytes: &[u8], path: &Path) -> Result<Option<Row>> {
    if *key == META {
        let Format { format } = parse(bytes, path)?;
        if format != FORMAT {
            return Err(Error::store(format!("cannot read {path:?}: not a repository of this library")));
        }
    }
    refuse_newer(parse(bytes, path)?, path)?;
    if *key == META {
        return parse::<MetaFile>(bytes, path).map(|file| file.meta.map(Row::Meta));
    }
    parse::<RowFile<Row>>(bytes, path).map(|file| Some(file.row))
}

/// The text of a journal.
pub fn journal_text(changes: &[Change]) -> Result<String> {
    text(&JournalFile { version: FORMAT_VERSION, checksum: checksum(changes), changes: changes.to_vec() })
}

/// The changes in a journal; `None` when it was not written to its end.
pub fn journal(bytes: &[u8], path: &Path) -> Result<Option<Vec<Change>>> {
    let Ok(version) = serde_json::from_slice(bytes) else { return Ok(None) };
    refuse_newer(version, path)?;
    let file = serde_json::from_slice(bytes).ok();
    Ok(file.filter(|file: &JournalFile| file.checksum == checksum(&file.changes)).map(|file| file.changes))
}

/// Over the texts themselves, byte by byte, so that no way of writing JSON changes it.
fn checksum(changes: &[Change]) -> Block {
    let mut context = digest::Context::new(&digest::SHA256);
    for Change { key, text } in changes {
        context.update(&key.0);
        // A length of a text that cannot be stands for none.
        context.update(&text.as_ref().map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        context.update(text.as_deref().unwrap_or_default().as_bytes());
    }
    Block::truncated(context.finish().as_ref())
}
