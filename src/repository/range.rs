//! What a row may hold: for every field the range that writing guarantees, whichever form it is read from.
//!
//! Who can write the file but has no key must not be able to loosen a rule, to keep a call busy, or to have it ask for
//! much memory. What a code is bound to by the key is held there (see [`crate::code`]); all the rest is held here, so
//! that no rule has to expect a value that the rules never make.

use super::{Meta, Row};
use crate::channel::is_sender_name;
use crate::clock::MINUTE_MS;
use crate::limits::{CHANNEL_BYTES, ID_BYTES, INDEX_KEY_SEALED_BYTES, LEAST_SEALED_BYTES, MOST_KEYS, STEP_ERROR_BYTES};
use crate::policy::{Failures, MOST_FAILURES, MOST_LOCK_MINUTES, MOST_SENDS, Sends};
use crate::record::{
    ATTEMPTS, Code, CodeState, Delivery, LENGTHS, MOST_RETENTION_MINUTES, MOST_STEPS, REMEMBERED, Record, Secret, Step,
    VALIDITY_MS,
};
use crate::strict::is_name;
use crate::workflow::{Reference, Timer};

/// A phone number, a Messenger id, an address of mail, and one for every other channel.
const MOST_RECIPIENTS: usize = 3 + MOST_STEPS;

/// More than a request of 16 KiB can have sealed.
const MOST_SEALED_BYTES: usize = 17 * 1024;

impl Row {
    /// Whether every value is one that is written.
    pub fn is_valid(&self) -> bool {
        match self {
            Row::Meta(meta) => is_meta(meta),
            Row::Record(record) => is_record(record),
            Row::Failures(failures) => is_failures(failures),
            Row::Sends(sends) => is_sends(sends),
            Row::Timer(timer) => is_timer(timer),
            Row::Reference(reference) => is_reference(reference),
        }
    }
}

fn is_meta(meta: &Meta) -> bool {
    meta.keys.len() <= usize::from(MOST_KEYS)
        && usize::from(meta.sealed_by.0) < meta.keys.len()
        && meta.index_key.len() == INDEX_KEY_SEALED_BYTES
}

fn is_record(record: &Record) -> bool {
    let code = &record.code;
    let was_seen = match code.state {
        CodeState::Used(at) => at <= record.seen,
        _ => true,
    };
    is_code(code)
        && code.created <= record.seen
        && was_seen
        && record.attempts <= code.max_attempts
        && is_sealed(record)
        && record.recipients.len() <= MOST_RECIPIENTS
        && u64::from(record.retention_minutes) <= MOST_RETENTION_MINUTES
        && record.kept_from.is_none_or(|from| from <= record.seen && code.state != CodeState::Live)
        && record.remembered.len() <= REMEMBERED
        && record.remembered.iter().all(|code| is_code(code) && matches!(code.secret, Secret::Mac(_)))
        && is_delivery(&record.delivery)
}

/// What is sealed is there as long as the code is good, and no longer.
fn is_sealed(record: &Record) -> bool {
    let is_needed = record.code.state == CodeState::Live && !record.is_locked();
    let sizes = if is_needed { LEAST_SEALED_BYTES..=MOST_SEALED_BYTES } else { 0..=0 };
    sizes.contains(&record.sealed.len())
}

fn is_code(code: &Code) -> bool {
    // The last time there is bounds both ends.
    let ends = [VALIDITY_MS.start(), VALIDITY_MS.end()].map(|validity_ms| code.created.plus(*validity_ms));
    let used_in_time = match code.state {
        CodeState::Used(at) => code.created <= at && at < code.expires,
        _ => true,
    };
    let length_is_valid = match code.secret {
        Secret::Derived { length, .. } => LENGTHS.contains(&u64::from(length)),
        Secret::Mac(_) => true,
    };
    code.slot.0 < MOST_KEYS
        && (ends[0]..=ends[1]).contains(&code.expires)
        && used_in_time
        && length_is_valid
        && ATTEMPTS.contains(&u64::from(code.max_attempts))
}

fn is_delivery(delivery: &Delivery) -> bool {
    delivery.steps.len() <= MOST_STEPS
        && delivery.steps.iter().all(is_step)
        && is_name_or_none(delivery.dispatch_uuid.as_deref(), ID_BYTES)
}

fn is_step(step: &Step) -> bool {
    is_name(&step.channel, CHANNEL_BYTES)
        && step.sender.as_deref().is_none_or(is_sender_name)
        && is_name_or_none(step.message_uuid.as_deref(), ID_BYTES)
        && step.error.as_ref().is_none_or(|error| error.len() <= STEP_ERROR_BYTES)
}

fn is_name_or_none(text: Option<&str>, most_bytes: usize) -> bool {
    text.is_none_or(|text| is_name(text, most_bytes))
}

fn is_failures(failures: &Failures) -> bool {
    (1..=MOST_FAILURES).contains(&u64::from(failures.count)) && failures.lock_ms <= MOST_LOCK_MINUTES * MINUTE_MS
}

fn is_sends(sends: &Sends) -> bool {
    (1..=MOST_SENDS).contains(&(sends.times.len() as u64)) && sends.times.is_sorted()
}

fn is_timer(timer: &Timer) -> bool {
    usize::from(timer.step) < MOST_STEPS
}

fn is_reference(reference: &Reference) -> bool {
    reference.step.is_none_or(|step| usize::from(step) < MOST_STEPS)
}

#[cfg(test)]
mod tests;
