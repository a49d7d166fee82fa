//! The rows as SQL sees them: the table, and reading from it.

use std::ops::RangeInclusive;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::engine::PAGE;
use super::super::{Page, Row, codec};
use crate::block::RowKey;
use crate::error::Result;

/// The table, by its name. A move gives it another name: so every statement that was prepared before fails from then
/// on, in every process, and no statement has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `item`: one to work with.
    Item,
    /// `moved`: what is left to copy from.
    Moved,
}

impl Table {
    /// Makes it.
    pub const MAKE: &str = "CREATE TABLE item (k BLOB NOT NULL PRIMARY KEY, v BLOB NOT NULL) STRICT, WITHOUT ROWID";

    /// Gives it its other name.
    pub const MOVE: &str = "ALTER TABLE item RENAME TO moved";

    /// The table that a database has.
    pub fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'moved'";
        let is_moved = connection.query_row(sql, [], |row| row.get::<_, i64>(0))? > 0;
        Ok(if is_moved { Self::Moved } else { Self::Item })
    }

    /// Whether a statement failed since the table has its other name.
    pub fn is_gone(cause: &rusqlite::Error) -> bool {
        cause.to_string().contains("no such table: item")
    }

    /// The row, or why its bytes are none.
    pub fn fetch(self, connection: &Connection, key: &RowKey) -> rusqlite::Result<Option<Result<Row>>> {
        let sql = match self {
            Self::Item => "SELECT v FROM item WHERE k = ?1",
            Self::Moved => "SELECT v FROM moved WHERE k = ?1",
        };
        let read = |row: &rusqlite::Row<'_>| Ok(decode(row.get_ref(0)?));
        connection.prepare_cached(sql)?.query_row([key.bytes()], read).optional()
    }

    /// The first rows of a range. What has no key of ours is none of them.
    pub fn fetch_page(self, connection: &Connection, range: &RangeInclusive<RowKey>) -> rusqlite::Result<Page> {
        let sql = match self {
            Self::Item => "SELECT k, v FROM item WHERE k BETWEEN ?1 AND ?2 AND length(k) = 16 ORDER BY k LIMIT ?3",
            Self::Moved => "SELECT k, v FROM moved WHERE k BETWEEN ?1 AND ?2 AND length(k) = 16 ORDER BY k LIMIT ?3",
        };
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map(params![range.start().bytes(), range.end().bytes(), PAGE as i64], |row| {
            Ok((RowKey::new(row.get(0)?), decode(row.get_ref(1)?)))
        })?;
        rows.collect()
    }
}

/// The row of a value. One that the table should not hold is damage to that row alone.
fn decode(value: ValueRef<'_>) -> Result<Row> {
    value.as_blob().map_or_else(|_| Err(codec::no_bytes()), codec::decode)
}
