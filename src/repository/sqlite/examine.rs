//! The database as it lies there: its files, what SQLite says of them, and the schema.

use std::path::Path;
use std::sync::Arc;

use super::connection::{Connection, Kind};
use super::database::Database;
use super::guard::Guard;
use super::ledger;
use super::readers::Readers;
use super::rows::Table;
use super::shared::Shared;
use super::{GroupCommit, Sqlite};
use crate::config::Durability;
use crate::error::Result;
use crate::files;
use crate::outcome::Outcome;
use crate::repository::{Examined, Repository};

/// Most lines that SQLite is asked for: what is damaged in one place is told many times.
const MOST_LINES: usize = 20;

/// What lies around the database, and what it is called.
const SIDES: [&str; 3] = ["-wal", "-shm", "-lock"];

/// How often the database is asked while others have it.
const TRIES: u32 = 200;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Opens a database that is there, without a transaction: nothing is written before something is removed.
///
/// # Errors
///
/// `Store` when it cannot be found.
pub fn look(path: &Path, durability: Durability) -> Result<Arc<dyn Repository>> {
    let shared = Shared::of(Database::locate(path, &mut Vec::new())?);
    let engine = Sqlite::new(shared.clone())?;
    Ok(GroupCommit::new(engine, Readers(shared), durability)?)
}

/// Examines a database, by connections that read alone.
///
/// # Errors
///
/// `Busy` when somebody has it alone all the time; `Store` when the system does not tell.
pub fn examine(path: &Path) -> Result<Examined> {
    let mut examined = Examined::default();
    if files::identity(path)?.is_none() {
        examined.close(format!("{path:?} is not there"));
        return Ok(examined);
    }
    let database = match Database::locate(path, &mut examined.notes) {
        Ok(database) => database,
        Err(error) => {
            examined.close(error.detail());
            return Ok(examined);
        }
    };
    for side in SIDES {
        if let Err(error) = files::look(&database.beside(side), &mut examined.notes) {
            examined.close(error.detail());
        }
    }
    if examined.is_closed {
        return Ok(examined);
    }
    look_at_ledger(&database, &mut examined)?;
    match Guard::open(&database)?.header(&database)? {
        None => examined.close(format!("{path:?} is not an SQLite database")),
        Some(is_in_wal_mode) if !is_in_wal_mode || database.has_journal()? => {
            examined.close(format!(
                "{path:?} is not in WAL mode, or on its way there: a service that opens it puts that right"
            ));
        }
        Some(_) => ask(Shared::of(database), &mut examined)?,
    }
    Ok(examined)
}

/// What a damaged ledger tells is that a sync may have failed: the next who writes brings all home once more.
fn look_at_ledger(database: &Database, examined: &mut Examined) -> Result<()> {
    let path = database.beside("-lock");
    if files::identity(&path)?.is_some() && ledger::is_damaged(&path)? {
        let note =
            format!("{path:?} has a damaged record: the next service that writes brings all to the disk once more");
        examined.notes.push(note);
    }
    Ok(())
}

/// Asks SQLite, in one look at what is committed: who writes does not wait for it.
fn ask(shared: Arc<Shared>, examined: &mut Examined) -> Result<()> {
    let path = &shared.database.path;
    match patiently(&shared, Connection::schema) {
        Err(error) if error.outcome() == Outcome::Store => examined.close(error.detail()),
        Err(error) => return Err(error),
        Ok(Schema::Refused(why)) => examined.close(format!("{path:?}: {why}")),
        Ok(Schema::Changed) => examined.faults.push("the schema is not the one that this library makes".to_owned()),
        Ok(Schema::Ours) => {}
    }
    if examined.is_closed {
        return Ok(());
    }
    for question in [integrity, odd_keys] {
        match patiently(&shared, |connection| question(connection.sqlite())) {
            Ok(lines) => examined.faults.extend(lines),
            Err(error) if error.outcome() == Outcome::Store => examined.faults.push(error.detail().to_owned()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Asks again as long as others have the database.
fn patiently<T>(shared: &Arc<Shared>, ask: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T> {
    let mut tries = 0;
    loop {
        tries += 1;
        let asked = shared.lease(Kind::Reader).and_then(|mut reader| {
            let answer = ask(reader.connection()?).map_err(|cause| shared.database.failed(&cause));
            match &answer {
                Ok(_) => reader.give_back(),
                Err(_) => reader.discard(),
            }
            answer
        });
        match asked {
            Err(error) if error.outcome() == Outcome::Busy && tries < TRIES => std::thread::sleep(PAUSE),
            asked => return asked,
        }
    }
}

/// What SQLite finds wrong with the database as a whole. Its lines tell pages and rows by number, and no content.
fn integrity(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({MOST_LINES})"))?;
    let mut texts: Vec<String> = Vec::new();
    let mut answers = check.query([])?;
    loop {
        match answers.next() {
            Ok(Some(answer)) => texts.push(answer.get(0)?),
            Ok(None) => break,
            // At a page that it cannot read it ends, and what it said before counts.
            Err(cause) if texts.is_empty() => return Err(cause),
            Err(_) => break,
        }
    }
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| *line != "ok" && !line.starts_with("***"));
    Ok(lines.map(|line| format!("SQLite says: {line}")).collect())
}

/// Rows that nobody can ask for: their keys are none of ours.
fn odd_keys(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<String>> {
    let table = match Table::of(connection)? {
        Table::Item => "item",
        Table::Moved => "moved",
    };
    let sql = format!("SELECT count(*) FROM {table} WHERE typeof(k) <> 'blob' OR length(k) <> 16");
    let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    let line = || format!("rows with a key that is not 16 bytes, which no service reads: {rows}");
    Ok((rows > 0).then(line).into_iter().collect())
}

/// What a database holds.
enum Schema {
    /// Our table, and nothing else.
    Ours,
    /// Something besides, or another table of its name.
    Changed,
    /// Nothing that this library can have.
    Refused(String),
}

impl Connection {
    /// What the database holds.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    fn schema(&self) -> rusqlite::Result<Schema> {
        if let Some(refusal) = super::connection::refusal(self.sqlite())? {
            return Ok(Schema::Refused(refusal));
        }
        let sql = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY 1";
        let mut select = self.sqlite().prepare(sql)?;
        let found = select.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        let ours = match self.table() {
            Table::Item => Table::MAKE.to_owned(),
            Table::Moved => Table::MAKE.replacen("TABLE item", "TABLE \"moved\"", 1),
        };
        Ok(match found.as_slice() {
            [] => Schema::Refused("it has no table: who made it did not come to the end".to_owned()),
            [only] if *only == ours => Schema::Ours,
            _ => Schema::Changed,
        })
    }
}
