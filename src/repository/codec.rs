//! The binary form of rows, for repositories that keep bytes.
//!
//! The first byte tells the kind. Integers are varints (LEB128), times of a record are relative to its creation.
//! A record is laid out so that one with a single address takes about eighty bytes. The version of this form is
//! the repository's [`super::FORMAT_VERSION`].

mod read;

use super::{Meta, MetaState, Row};
use crate::block::{Block, Subject};
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::limits::INDEX_KEY_SEALED_BYTES;
use crate::policy::{Failures, Sends};
use crate::record::DeliveryState;
use crate::record::{Code, CodeState, Delivery, FirstAnswer, Record, Secret, Via};
use crate::workflow::{Reference, Timer};
use read::RowReader;

const META: u8 = 1;
const RECORD: u8 = 2;
const FAILURES: u8 = 3;
const SENDS: u8 = 4;
const TIMER: u8 = 5;
const REFERENCE: u8 = 6;

/// The kinds by their names, from the first on.
const KINDS: [&str; 6] = ["meta", "record", "failures", "sends", "timer", "reference"];

/// What follows the index key of a repository that is not one to work with.
const UNFINISHED: u8 = 1;
const MOVED: u8 = 2;

/// Flags of a record's second byte.
const HAS_IDEMPOTENCY: u8 = 1;
const HAS_DISPATCH_UUID: u8 = 1 << 1;
const HAS_REMEMBERED: u8 = 1 << 2;
const HAS_DUE: u8 = 1 << 3;
const IS_CLAIMED: u8 = 1 << 4;
const HAS_KEPT_FROM: u8 = 1 << 5;

/// Flags of a code's state byte, beside the two lowest bits.
const HAS_CONTEXT: u8 = 1 << 2;
const HAS_SUBJECT: u8 = 1 << 3; // otherwise it is the one before it in the row
const LENGTH_SHIFT: u8 = 4; // of a derived code; 0 for a MAC

/// Flags of a step's status byte, beside the four lowest bits.
const HAS_MESSAGE_UUID: u8 = 1 << 4;
const HAS_ERROR: u8 = 1 << 5;
const HAS_SENDER: u8 = 1 << 6;

/// More bytes than any row has: a sealed part comes from a request of 16 KiB at most.
const MOST_BYTES: usize = 32 * 1024;

/// Channels that take one byte; their place is their number, and 0 is written before any other name.
const CHANNELS: [&str; 6] = ["", "messenger", "sms", "whatsapp", "viber_service", "rcs"];

const STATES: [DeliveryState; 11] = [
    DeliveryState::Sending,
    DeliveryState::Accepted,
    DeliveryState::Submitted,
    DeliveryState::Delivered,
    DeliveryState::Read,
    DeliveryState::Rejected,
    DeliveryState::Undeliverable,
    DeliveryState::Failed,
    DeliveryState::InDoubt,
    DeliveryState::Skipped,
    DeliveryState::Stopped,
];

const VIAS: [Via; 7] = [Via::Dispatch, Via::Messages, Via::Host, Via::Console, Via::None, Via::Http, Via::Smtp];

/// The bytes of a row.
pub fn encode(row: &Row) -> Vec<u8> {
    let mut to = RowWriter(Vec::with_capacity(128));
    match row {
        Row::Meta(meta) => to.meta(meta),
        Row::Record(record) => to.record(record),
        Row::Failures(failures) => {
            to.byte(FAILURES);
            to.integer(u64::from(failures.count));
            to.integer(failures.last.ms());
            to.integer(failures.lock_ms);
            to.byte(u8::from(failures.disabled));
        }
        Row::Sends(sends) => {
            to.byte(SENDS);
            let mut before = Time::START;
            for time in &sends.times {
                to.integer(time.since(before));
                before = *time;
            }
        }
        Row::Timer(timer) => {
            to.byte(TIMER);
            to.integer(timer.due.ms());
            to.block(&timer.record);
            to.integer(u64::from(timer.delivery));
            to.byte(timer.step);
        }
        Row::Reference(reference) => {
            to.byte(REFERENCE);
            to.integer(reference.until.ms());
            to.block(&reference.record);
            to.integer(u64::from(reference.delivery));
            to.0.extend(reference.step);
        }
    }
    to.0
}

/// The row of these bytes.
///
/// # Errors
///
/// Damage when they are not a row as [`encode`] writes it, bit for bit, or when it has a value that is never written.
pub fn decode(bytes: &[u8]) -> Result<Row> {
    let row = Some(bytes).filter(|bytes| bytes.len() <= MOST_BYTES).and_then(|bytes| read_row(&mut RowReader(bytes)));
    match row {
        Some(row) if !row.is_valid() => Err(damaged(bytes, "a value is out of range")),
        Some(row) if encode(&row) != bytes => Err(damaged(bytes, "it is not written as its values are")),
        Some(row) => Ok(row),
        None => Err(damaged(bytes, "its bytes make no sense")),
    }
}

#[cold]
fn damaged(bytes: &[u8], cause: &str) -> Error {
    let kind = bytes.first().and_then(|kind| KINDS.get(usize::from(kind.checked_sub(META)?)).copied());
    Error::damaged_row(kind, format!("a row is damaged: {cause}"))
}

/// The error about what should be bytes, and is none.
#[cold]
pub fn no_bytes() -> Error {
    damaged(&[], "it is not made of bytes")
}

fn read_row(from: &mut RowReader<'_>) -> Option<Row> {
    Some(match from.byte()? {
        META => {
            let count = from.size()?;
            let keys = (0..count).map(|_| from.block()).collect::<Option<_>>()?;
            let (sealed_by, index_key) = (from.slot()?, from.bytes(INDEX_KEY_SEALED_BYTES)?);
            Row::Meta(Meta { keys, sealed_by, index_key, state: from.meta_state()? })
        }
        RECORD => Row::Record(Box::new(from.record()?)),
        FAILURES => Row::Failures(Failures {
            count: u32::try_from(from.integer()?).ok()?,
            last: from.time()?,
            lock_ms: from.integer()?,
            disabled: from.flag()?,
        }),
        SENDS => {
            let mut times = Vec::new();
            let mut before = Time::START;
            while !from.0.is_empty() {
                before = from.later(before)?;
                times.push(before);
            }
            Row::Sends(Sends { times })
        }
        TIMER => Row::Timer(Timer {
            due: from.time()?,
            record: from.block()?,
            delivery: u32::try_from(from.integer()?).ok()?,
            step: from.byte()?,
        }),
        REFERENCE => Row::Reference(Reference {
            until: from.time()?,
            record: from.block()?,
            delivery: u32::try_from(from.integer()?).ok()?,
            step: from.byte(),
        }),
        _ => return None,
    })
}

struct RowWriter(Vec<u8>);

impl RowWriter {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn block<Kind>(&mut self, block: &Block<Kind>) {
        self.0.extend_from_slice(block.bytes());
    }

    fn integer(&mut self, mut integer: u64) {
        while integer >= 0x80 {
            self.byte((integer & 0x7f) as u8 | 0x80);
            integer >>= 7;
        }
        self.byte(integer as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.integer(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A time near another, before or after it: the sign is the lowest bit.
    fn near(&mut self, time: Time, base: Time) {
        match time.since(base) {
            0 => self.integer(base.since(time) << 1 | 1),
            later => self.integer(later << 1),
        }
    }

    fn meta(&mut self, meta: &Meta) {
        self.byte(META);
        self.integer(meta.keys.len() as u64);
        meta.keys.iter().for_each(|key| self.block(key));
        self.byte(meta.sealed_by.0);
        self.0.extend_from_slice(&meta.index_key);
        match &meta.state {
            MetaState::Whole => {}
            MetaState::Unfinished { copy, run } => {
                self.byte(UNFINISHED);
                self.block(copy);
                self.block(run);
            }
            MetaState::Moved(copy) => {
                self.byte(MOVED);
                self.block(copy);
            }
        }
    }

    fn record(&mut self, record: &Record) {
        let mut flags = 0;
        for (flag, holds) in [
            (HAS_IDEMPOTENCY, record.idempotency.is_some()),
            (HAS_DISPATCH_UUID, record.delivery.dispatch_uuid.is_some()),
            (HAS_REMEMBERED, !record.remembered.is_empty()),
            (HAS_DUE, record.delivery.due.is_some()),
            (IS_CLAIMED, record.delivery.claimed),
            (HAS_KEPT_FROM, record.kept_from.is_some()),
        ] {
            flags |= if holds { flag } else { 0 };
        }
        self.byte(RECORD);
        self.byte(flags);
        self.integer(record.recipients.len() as u64);
        record.recipients.iter().for_each(|recipient| self.block(recipient));
        self.code(&record.code, record.recipients.first().map(|first| Subject::from(*first)).as_ref());
        self.byte(record.attempts);
        self.near(record.seen, record.code.created);
        self.integer(u64::from(record.retention_minutes));
        if let Some(kept_from) = record.kept_from {
            self.near(kept_from, record.code.created);
        }
        if let Some(idempotency) = &record.idempotency {
            self.block(&idempotency.key);
            self.block(&idempotency.request);
            self.byte(match idempotency.answer {
                None => 0,
                Some(FirstAnswer::Sent) => 1,
                Some(FirstAnswer::InDoubt) => 2,
            });
        }
        if !record.remembered.is_empty() {
            self.integer(record.remembered.len() as u64);
            record.remembered.iter().for_each(|code| self.code(code, Some(&record.code.subject)));
        }
        self.integer(u64::from(record.deliveries));
        self.delivery(&record.delivery, record.code.created);
        self.0.extend_from_slice(&record.sealed);
    }

    /// A code, whose subject is written unless it is the usual one.
    fn code(&mut self, code: &Code, usual: Option<&Subject>) {
        let (length, secret) = match &code.secret {
            Secret::Derived { nonce, length } => (*length, nonce.bytes()),
            Secret::Mac(mac) => (0, mac.bytes()),
        };
        let (state, used) = match code.state {
            CodeState::Live => (0, None),
            CodeState::Used(at) => (1, Some(at)),
            CodeState::Cancelled => (2, None),
            CodeState::Expired => (3, None),
        };
        let context = if code.context.is_some() { HAS_CONTEXT } else { 0 };
        let subject = if usual == Some(&code.subject) { 0 } else { HAS_SUBJECT };
        self.byte(state | context | subject | length << LENGTH_SHIFT);
        self.byte(code.slot.0);
        self.0.extend_from_slice(secret);
        self.integer(code.created.ms());
        self.near(code.expires, code.created);
        if let Some(used) = used {
            self.near(used, code.created);
        }
        self.byte(code.max_attempts);
        if subject != 0 {
            self.block(&code.subject);
        }
        if let Some(context) = &code.context {
            self.block(context);
        }
    }

    fn delivery(&mut self, delivery: &Delivery, base: Time) {
        let via = VIAS.iter().position(|via| *via == delivery.via).unwrap_or_default();
        self.integer((delivery.steps.len() * VIAS.len() + via) as u64);
        if let Some(uuid) = &delivery.dispatch_uuid {
            self.bytes(uuid.as_bytes());
        }
        if let Some(due) = delivery.due {
            self.near(due, base);
        }
        for step in &delivery.steps {
            let channel = CHANNELS.iter().position(|name| *name == step.channel).unwrap_or_default();
            self.byte(channel as u8);
            if channel == 0 {
                self.bytes(step.channel.as_bytes());
            }
            let status = STATES.iter().position(|state| *state == step.status).unwrap_or_default() as u8;
            let uuid = if step.message_uuid.is_some() { HAS_MESSAGE_UUID } else { 0 };
            let error = if step.error.is_some() { HAS_ERROR } else { 0 };
            let sender = if step.sender.is_some() { HAS_SENDER } else { 0 };
            self.byte(status | uuid | error | sender);
            self.near(step.at, base);
            step.sender
                .iter()
                .chain(&step.message_uuid)
                .chain(&step.error)
                .for_each(|text| self.bytes(text.as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests;
