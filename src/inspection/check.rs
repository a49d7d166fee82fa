//! Goes over all rows and tells what is not as it should be.

use serde::Serialize;

use super::judge::{Finding, Remedy, Seal, is_timer, slots};
use super::{Inspection, Own, cause, now};
use crate::block::RowKey;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::record::Record;
use crate::repository::{META, MetaState, Repository, Row};
use crate::workflow;

/// What it means that the repository's own row is damaged.
const NOBODY: &str = "no service can open the repository, so restore a backup";

/// What it means that it is gone, and others are not.
pub(super) const OWN_MISSING: &str =
    "its own row is missing, and other rows are there: leave them as they are, and restore a backup";

/// What a check came to, beside what it told of single rows.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReply {
    /// Whether nothing is wrong.
    pub whole: bool,
    /// Whether the key was at hand.
    pub with_key: bool,
    /// Rows that were looked at.
    pub rows: u64,
    /// Of these, those that are damaged.
    pub damaged: u64,
    /// Of these, live codes whose next step never begins.
    pub stalled: u64,
    /// Timers and references to what is gone. They are harmless, and go by themselves.
    pub strays: u64,
    /// Live codes whose sealed part was not opened: those of other namespaces, and all without the key.
    pub unopened: u64,
    /// Records that need a key which is not among those of the configuration: calls on them fail.
    pub without_their_key: u64,
    /// What is wrong beside single rows, a line each.
    pub faults: Vec<String>,
    /// What is worth knowing, and is no damage.
    pub notes: Vec<String>,
}

impl Inspection {
    /// Goes over all rows, and tells of each that is not as it should be.
    ///
    /// # Errors
    ///
    /// `Store` for a server that does not answer; `Busy`.
    pub fn check(&self, tell: &mut dyn FnMut(Finding)) -> Result<CheckReply> {
        let (faults, notes) = (self.examined.faults.clone(), self.examined.notes.clone());
        let with_key = self.lens.ring.is_some();
        let reply = CheckReply { with_key, faults, notes, ..CheckReply::default() };
        let mut check = Check { inspection: self, tell, reply };
        if let Some(repository) = &self.repository {
            check.own();
            check.rows(&**repository)?;
            check.reply.faults.extend(repository.faults()?);
        }
        let mut reply = check.reply;
        reply.whole = reply.faults.is_empty() && (reply.damaged, reply.stalled) == (0, 0);
        Ok(reply)
    }
}

/// A check on its way.
struct Check<'a> {
    inspection: &'a Inspection,
    tell: &'a mut dyn FnMut(Finding),
    reply: CheckReply,
}

impl Check<'_> {
    fn found(&mut self, row: RowKey, kind: Option<&'static str>, cause: impl Into<String>, remedy: Remedy) {
        match remedy {
            Remedy::Timer => self.reply.stalled += 1,
            _ => self.reply.damaged += 1,
        }
        // Nobody can do without the repository's own row.
        let remedy = if row == META { Remedy::None } else { remedy };
        (self.tell)(Finding { row, kind, cause: cause.into(), remedy });
    }

    fn own(&mut self) {
        let inspection = self.inspection;
        match &inspection.own {
            Own::Damaged(cause) => self.found(META, Some("meta"), format!("{cause}: {NOBODY}"), Remedy::None),
            Own::Missing => {}
            Own::There(meta) => {
                if inspection.slots.is_some() && inspection.lens.ring.is_none() {
                    let cause = format!("the index key does not open under the key that it names: {NOBODY}");
                    self.found(META, Some("meta"), cause, Remedy::None);
                }
                match meta.state {
                    MetaState::Whole => {}
                    MetaState::Unfinished { .. } => {
                        let fault = "it is an unfinished copy: call otp copy again, or empty it";
                        self.reply.faults.push(fault.to_owned());
                    }
                    MetaState::Moved(_) => {
                        self.reply.notes.push("it was moved: open what it was moved to".to_owned());
                    }
                }
            }
        }
    }

    fn rows(&mut self, repository: &dyn Repository) -> Result<()> {
        let time = now(repository)?;
        let mut last = None;
        for page in repository.scan_for_check() {
            let page = match page {
                Ok(page) => page,
                Err(error) if self.inspection.is_file && error.outcome() == Outcome::Store => {
                    self.ended(repository, last, &error);
                    break;
                }
                Err(error) => return Err(error),
            };
            last = page.last().map(|(key, _)| *key).or(last);
            for (key, row) in page.into_iter().filter(|(key, _)| *key != META) {
                self.reply.rows += 1;
                self.row(repository, key, row, time)?;
            }
        }
        if self.reply.rows > 0 && matches!(self.inspection.own, Own::Missing) {
            self.reply.faults.push(OWN_MISSING.to_owned());
        } else if matches!(self.inspection.own, Own::Missing) {
            let fault = "it is empty: nothing was ever stored, or its copy never finished";
            self.reply.faults.push(fault.to_owned());
        }
        Ok(())
    }

    fn ended(&mut self, repository: &dyn Repository, last: Option<RowKey>, error: &Error) {
        let after = last.map_or_else(String::new, |key| format!(" after row {key}"));
        self.reply.faults.push(format!("the rows cannot be read{after}: {}", cause(repository, error)));
    }

    fn row(&mut self, repository: &dyn Repository, key: RowKey, row: Result<Row>, time: Time) -> Result<()> {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                // What the system refuses to read is there still, and may be whole.
                let remedy = if error.is_damage() { Remedy::Remove } else { Remedy::None };
                let kind = error.kind().or(is_timer(&key).then_some("timer"));
                self.found(key, kind, cause(repository, &error), remedy);
                return Ok(());
            }
        };
        if let Some(fault) = self.inspection.lens.fault(&key, &row) {
            self.found(key, Some(row.kind()), fault, Remedy::Remove);
            return Ok(());
        }
        if let Row::Record(record) = &row
            && !record.is_absent(time)
        {
            let ring = self.inspection.lens.ring.as_ref();
            let is_missing = ring.is_some_and(|ring| slots(record).any(|slot| !ring.has(slot)));
            self.reply.without_their_key += u64::from(is_missing);
            let is_closed = record.is_live(time) && matches!(self.inspection.lens.seal(&key, record), Ok(Seal::Closed));
            self.reply.unopened += u64::from(is_closed);
        }
        // One that was moved tells of no row but all.
        if self.inspection.is_moved() { Ok(()) } else { self.neighbours(repository, key, &row, time) }
    }

    /// What a row says of others.
    fn neighbours(&mut self, repository: &dyn Repository, key: RowKey, row: &Row, time: Time) -> Result<()> {
        match row {
            Row::Timer(timer) => {
                let is_stray = match read(repository, &timer.record)? {
                    Read::There(Row::Record(record)) => workflow::timer(&timer.record, &record).as_ref() != Some(timer),
                    Read::There(_) | Read::Gone => true,
                    Read::Unreadable => false,
                };
                // The record may have gone on since the page was read.
                let is_there = || Ok::<_, Error>(matches!(read(repository, &key)?, Read::There(now) if now == *row));
                self.reply.strays += u64::from(is_stray && is_there()?);
            }
            Row::Reference(reference) if reference.record != key => {
                self.reply.strays += u64::from(matches!(read(repository, &reference.record)?, Read::Gone));
            }
            Row::Record(record) if record.is_live(time) && is_stalled(repository, &key, record)? => {
                let cause = "it is due, and its timer is not there: its next step never begins";
                self.found(key, Some("record"), cause, Remedy::Timer);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A row that another one is about.
enum Read {
    There(Row),
    Gone,
    Unreadable,
}

fn read(repository: &dyn Repository, key: &RowKey) -> Result<Read> {
    match repository.read(key) {
        Ok(Some(row)) => Ok(Read::There(row)),
        Ok(None) => Ok(Read::Gone),
        // It is told of where it lies: so are files that the system refuses to read, and pages that are garbled.
        Err(error) if error.outcome() == Outcome::Store => Ok(Read::Unreadable),
        Err(error) => Err(error),
    }
}

/// Whether a record lacks its timer. Both change together, so that a record that is the same before and after tells.
fn is_stalled(repository: &dyn Repository, key: &RowKey, record: &Record) -> Result<bool> {
    let Some(timer) = workflow::timer(key, record) else { return Ok(false) };
    if matches!(read(repository, &timer.key())?, Read::There(Row::Timer(found)) if found == timer) {
        return Ok(false);
    }
    Ok(matches!(read(repository, key)?, Read::There(Row::Record(now)) if *now == *record))
}
