//! Rows as the rules want them: typed, settled, and written only when they changed.

use crate::block::{Recipient, RowKey, Subject};
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::policy::{Failures, Sends};
use crate::record::Record;
use crate::repository::{Row, Transaction};
use crate::workflow::{self, Timer};

#[cold]
fn mixed_up() -> Error {
    Error::damaged("a row is of another kind than its key")
}

/// The record in this row, unless it is past retention: then it is removed, or a clock that goes back would bring it
/// back.
pub fn record(transaction: &mut dyn Transaction, row: &RowKey, now: Time) -> Result<Option<Record>> {
    match transaction.get(row)? {
        Some(Row::Record(record)) if record.is_absent(now) => {
            delete_record(transaction, row, &record);
            Ok(None)
        }
        Some(Row::Record(record)) => Ok(Some(*record)),
        Some(_) => Err(mixed_up()),
        None => Ok(None),
    }
}

/// The timer in this row.
pub fn timer(transaction: &mut dyn Transaction, row: &RowKey) -> Result<Option<Timer>> {
    match transaction.get(row)? {
        Some(Row::Timer(timer)) => Ok(Some(timer)),
        Some(_) => Err(mixed_up()),
        None => Ok(None),
    }
}

/// Writes a record in place of one with this timer, or of none.
pub fn put_new_record(transaction: &mut dyn Transaction, row: &RowKey, timer: Option<Timer>, record: &Record) {
    put_timer(transaction, timer, workflow::timer(row, record));
    transaction.put(row, Row::Record(Box::new(record.clone())));
}

/// Removes a record, and with it its timer.
pub fn delete_record(transaction: &mut dyn Transaction, row: &RowKey, record: &Record) {
    put_timer(transaction, workflow::timer(row, record), None);
    transaction.delete(row);
}

/// Keeps the timer of a record where the record says it is due.
fn put_timer(transaction: &mut dyn Transaction, before: Option<Timer>, timer: Option<Timer>) {
    if before == timer {
        return;
    }
    if let Some(before) = before {
        transaction.delete(&before.key());
    }
    if let Some(timer) = timer {
        transaction.put(&timer.key(), Row::Timer(timer));
    }
}

/// Writes a record that changed, and with it the time.
pub fn put_record(transaction: &mut dyn Transaction, row: &RowKey, before: &Record, mut record: Record, now: Time) {
    if record != *before {
        record.see(now);
        put_timer(transaction, workflow::timer(row, before), workflow::timer(row, &record));
        transaction.put(row, Row::Record(Box::new(record)));
    }
}

/// The failures of a subject. What a wrong clock left in the future is put right and written at once.
pub fn settled_failures(transaction: &mut dyn Transaction, subject: &Subject, now: Time) -> Result<Failures> {
    let mut failures = match transaction.get(&subject.row())? {
        Some(Row::Failures(failures)) => failures,
        Some(_) => return Err(mixed_up()),
        None => Failures::default(),
    };
    if failures.settle(now) {
        put_failures(transaction, subject, failures.clone());
    }
    Ok(failures)
}

/// Writes the failures of a subject; none at all take no row.
pub fn put_failures(transaction: &mut dyn Transaction, subject: &Subject, failures: Failures) {
    if failures.is_clear() {
        transaction.delete(&subject.row());
    } else {
        transaction.put(&subject.row(), Row::Failures(failures));
    }
}

/// The sends to a recipient, put right as the failures are.
pub fn settled_sends(transaction: &mut dyn Transaction, recipient: &Recipient, now: Time) -> Result<Sends> {
    let mut sends = match transaction.get(&recipient.row())? {
        Some(Row::Sends(sends)) => sends,
        Some(_) => return Err(mixed_up()),
        None => Sends::default(),
    };
    if sends.settle(now) {
        transaction.put(&recipient.row(), Row::Sends(sends.clone()));
    }
    Ok(sends)
}

/// Counts a send to every recipient.
pub fn count_sends(transaction: &mut dyn Transaction, sends: Vec<(Recipient, Sends)>, now: Time, keep: usize) {
    for (recipient, mut sends) in sends {
        sends.add(now, keep);
        transaction.put(&recipient.row(), Row::Sends(sends));
    }
}
