//! A transaction on its way to its end, and what is done with the log on the way.

use std::sync::Arc;

use super::checkpoint::checkpoint;
use super::connection::{is_busy, is_full};
use super::ledger::{Ledger, Standing};
use super::shared::Lease;
use super::syncer::Syncer;
use crate::error::Result;
use crate::files::FileLock;

/// A transaction.
pub struct Running {
    pub writer: Lease,
    pub ledger: Arc<Ledger>,
    /// How things stood when it began.
    pub standing: Standing,
    /// Who syncs what it commits; without one the commit itself does.
    pub syncer: Option<Arc<Syncer>>,
    /// Whether it has changed something.
    pub changed: bool,
    /// Whether it moves the repository.
    pub moves: bool,
}

impl Running {
    /// Commits, and gives the point that answers wait for. What it owes, or that it syncs for itself, is noted before:
    /// what keeps it from its end is taken for a sync that failed.
    ///
    /// # Errors
    ///
    /// Of any failure: it may have been done. `Store` when the lock was replaced.
    pub fn commit(&mut self, lock: &FileLock, synced: bool) -> Result<u64> {
        let owes = synced && self.changed && self.syncer.is_some();
        let before = if self.changed { self.note(lock, owes)? } else { 0 };
        let committed =
            self.writer.connection()?.sqlite().prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        if let Err(cause) = committed {
            // Nothing was handed to the disk that it may have lost.
            match is_full(&cause) && self.changed {
                true if owes => drop(self.ledger.owe(before)?),
                true => self.ledger.mark_section(false)?,
                false => {}
            }
            return self.writer.run(|_| Err(cause));
        }
        let due = if owes { self.standing.next() } else { self.standing.due };
        if let Some(syncer) = &self.syncer {
            syncer.note(due);
        }
        if self.changed {
            self.tidy(owes)?;
        }
        Ok(due)
    }

    /// Makes room for the commit, and notes what it will owe, or that it runs. Gives what was owed before.
    fn note(&mut self, lock: &FileLock, owes: bool) -> Result<u64> {
        let connection = self.writer.connection()?;
        let sides = connection.sides().clone();
        connection.log().make_room(sides.log().0);
        sides.make_room(connection.log().pages())?;
        let before = match owes {
            true => self.ledger.owe(self.standing.next())?,
            false => self.ledger.mark_section(true).map(|()| 0)?,
        };
        // Who replaced the lock would not find the note.
        lock.check()?;
        Ok(before)
    }

    /// Brings a long log into the database file. What fails there is known from the note, and the commit before it is as
    /// good as it was. If the note stays, all is brought to the disk once more.
    fn tidy(&mut self, owes: bool) -> Result<()> {
        let is_long = self.writer.connection()?.log().is_long();
        let is_marked = if is_long && owes { self.ledger.mark_section(true).is_ok() } else { !owes };
        if is_marked && (!is_long || bring_in(&mut self.writer).is_ok()) {
            let _ = self.ledger.mark_section(false);
        }
        Ok(())
    }
}

/// Brings the log into the database file, as far as no reader needs it where it is.
fn bring_in(writer: &mut Lease) -> Result<()> {
    let connection = writer.connection()?;
    connection.log().tried();
    let done = connection.sqlite().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    writer.touch_log();
    match done {
        Err(cause) if !is_busy(&cause) && !is_full(&cause) => writer.run(|_| Err(cause)),
        _ => Ok(()),
    }
}

/// Brings all of the log into the database and empties it. `false` when somebody needs it.
///
/// # Errors
///
/// `Store` when the disk fails.
pub fn empty(writer: &mut Lease, ledger: &Ledger) -> Result<bool> {
    ledger.mark_section(true)?;
    let done = checkpoint(writer, "TRUNCATE")?;
    ledger.mark_section(false)?;
    if !done.is_busy() {
        writer.connection()?.set_pages(0);
    }
    Ok(!done.is_busy())
}
