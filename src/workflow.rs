//! Steps and timers of a delivery that libotp runs itself, one message at a time. Pure: no I/O, no clock, no keys.
//!
//! A step begins when the one before it failed, or when its condition (`delivered`, `read`) has not come in time.
//! Beginning a step and the end of the timer that led to it are one transaction: so of many that find a timer due
//! exactly one begins the step. A step that a timer or a report began is claimed first, for as long as a request may
//! take, and let go of in a transaction right before its message leaves. A claim whose owner died before that is taken
//! over: nothing was sent. One who died after it leaves a message in doubt, which is not sent again; the workflow goes
//! on from it at its timer as from any other.

use serde::{Deserialize, Serialize};

use crate::block::{Recipient, RowKey};
use crate::clock::{DAY_MS, MINUTE_MS, SWEPT_AHEAD_MS, Time};
use crate::error::Result;
use crate::record::DeliveryState;
use crate::record::{CodeState, MOST_RETENTION_MINUTES, Record, Step, VALIDITY_MS, Via};
use crate::tenant::Tenant;

/// How long a timer that nobody runs is kept after it was due.
const KEPT_MS: u64 = DAY_MS;

/// The longest wait for a condition.
pub const LONGEST_WAIT_MS: u64 = DAY_MS;

/// How long a code must be good for a later step to begin.
pub const LEAST_LEFT_MS: u64 = 30_000;

/// The longest time that a record is kept.
const LONGEST_KEPT_MS: u64 = *VALIDITY_MS.end() + MOST_RETENTION_MINUTES * MINUTE_MS;

/// When a step has to have met its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timer {
    /// When it is due.
    pub due: Time,
    /// The row of the record.
    pub record: RowKey,
    /// Which delivery of it.
    pub delivery: u32,
    /// Which step of that, from 0.
    pub step: u8,
}

impl Timer {
    /// Where it lies: among the timers of its record's tenant.
    pub fn key(&self) -> RowKey {
        Tenant::timer(self.due, &self.record)
    }

    /// What a sweep leaves of it: nothing when nobody ran it for long, or when it lies so far ahead that only a clock
    /// that was ahead can have set it. Its record ends with that clock as well.
    pub fn swept(self, now: Time) -> Option<Self> {
        let is_from_future = self.due.since(now) > LONGEST_WAIT_MS + SWEPT_AHEAD_MS;
        (now < self.kept_until() && !is_from_future).then_some(self)
    }

    /// Until when it is kept if nobody runs it.
    pub fn kept_until(&self) -> Time {
        self.due.plus(KEPT_MS)
    }
}

/// What a provider's identifier stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// The row of the record.
    pub record: RowKey,
    /// Which delivery of it.
    pub delivery: u32,
    /// Which step of that; absent where the provider runs the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u8>,
    /// Until when the row has to be kept.
    pub until: Time,
}

impl Reference {
    /// One that says no more than that it is there.
    pub fn to_itself(row: RowKey, until: Time) -> Self {
        Self { record: row, delivery: 0, step: None, until }
    }

    /// Whether it stands for the same message.
    pub fn is_same(&self, other: &Self) -> bool {
        Self { until: other.until, ..*self } == *other
    }

    /// What a sweep leaves of it: nothing when it is over. None is kept longer than a record can be, even if a
    /// clock was ahead.
    pub fn swept(self, now: Time) -> Option<Self> {
        let until = self.until.min(now.plus(LONGEST_KEPT_MS));
        (now < until).then_some(Self { until, ..self })
    }
}

/// The timer of a record that waits for a condition.
pub fn timer(row: &RowKey, record: &Record) -> Option<Timer> {
    let step = u8::try_from(record.delivery.steps.len().checked_sub(1)?).ok()?;
    Some(Timer { due: record.delivery.due?, record: *row, delivery: record.deliveries, step })
}

/// A configured step of a delivery.
pub struct PlannedStep<M> {
    /// Its channel.
    pub channel: String,
    /// Name of its sender, where senders have names.
    pub sender: Option<String>,
    /// Who sends it.
    pub via: Via,
    /// How long its condition is waited for, if it has one.
    pub wait_ms: Option<u64>,
    /// The recipients on which it counts, each with the channel where a limit of that counts it.
    pub counts: Vec<(Recipient, Option<String>)>,
    /// Its message, if there is an address for it: without one it is passed over.
    pub message: Option<M>,
}

/// Begins the next step of a delivery that has a message and that `may_begin` lets begin, if there is one: `planned`
/// are all that are configured, and the record is settled.
///
/// # Errors
///
/// Those of `may_begin`; then the record is as it was.
pub fn begin_next<M>(
    record: &mut Record,
    planned: &[PlannedStep<M>],
    now: Time,
    mut may_begin: impl FnMut(&PlannedStep<M>) -> Result<bool>,
) -> Result<bool> {
    let (mut passed_over, mut refused) = (Vec::new(), 0);
    for step in planned.iter().skip(record.delivery.steps.len()) {
        let begins = step.message.is_some() && may_begin(step)?;
        let status = if begins { DeliveryState::Sending } else { DeliveryState::Skipped };
        let (channel, sender) = (step.channel.clone(), step.sender.clone());
        passed_over.push(Step { channel, sender, status, at: now, message_uuid: None, error: None });
        if begins {
            record.delivery.steps.append(&mut passed_over);
            (record.delivery.via, record.delivery.due, record.delivery.claimed) = (step.via, None, false);
            return Ok(true);
        }
        if step.message.is_some() {
            refused = passed_over.len();
        }
    }
    // Whoever asks learns of a step that was not allowed; one without address follows from the request.
    record.delivery.steps.extend(passed_over.into_iter().take(refused));
    Ok(false)
}

/// From now on the condition of the newest step is waited for, if a step can follow it.
pub fn wait<M>(record: &mut Record, planned: &[PlannedStep<M>], now: Time) {
    let (waits, follows) = planned.split_at(record.delivery.steps.len().min(planned.len()));
    let newest = waits.last().filter(|_| follows.iter().any(|step| step.message.is_some()));
    record.delivery.due = newest.and_then(|step| step.wait_ms).map(|wait_ms| now.plus(wait_ms));
    record.delivery.claimed = false;
}

/// Claims the newest step, which was just begun or is taken over, until this time.
pub fn claim(record: &mut Record, now: Time, until: Time) {
    if let Some(step) = record.delivery.steps.last_mut() {
        step.at = now;
    }
    (record.delivery.due, record.delivery.claimed) = (Some(until), true);
}

/// Whether no step after this one was begun.
pub fn is_newest(record: &Record, step: usize) -> bool {
    record.delivery.steps.len() == step + 1
}

/// Whether the newest step is claimed and its message has not left. The record must be settled.
pub fn is_claimed(record: &Record) -> bool {
    record.delivery.claimed && record.delivery.state() == DeliveryState::Sending
}

/// Whether the step after this one may begin: it is the newest of the newest delivery, and the code still waits.
/// The record must be settled.
pub fn may_go_on(record: &Record, delivery: u32, step: usize) -> bool {
    record.deliveries == delivery
        && is_newest(record, step)
        && record.code.state == CodeState::Live
        && !record.is_locked()
}

/// Whether a step that nobody waits for may begin: the code is good long enough for somebody to type it.
pub fn has_time(record: &Record, now: Time) -> bool {
    record.code.expires.since(record.time(now)) >= LEAST_LEFT_MS
}

/// Since when the steps that were not begun are called off, if they are: the code ended, or a message did what was
/// asked of it. `is_met` tells the latter of a state of the newest step. The record must be settled.
pub fn called_off(record: &Record, is_met: impl Fn(DeliveryState) -> bool) -> Option<Time> {
    match record.code.state {
        CodeState::Used(at) => Some(at),
        CodeState::Expired => Some(record.code.expires),
        CodeState::Cancelled => Some(record.seen),
        CodeState::Live if record.is_locked() => Some(record.seen),
        CodeState::Live => record.delivery.newest().filter(|step| is_met(step.status)).map(|step| step.at),
    }
}

/// Whether a message in this state reached nobody, so that the next step begins at once.
pub fn has_failed(state: DeliveryState) -> bool {
    matches!(state, DeliveryState::Rejected | DeliveryState::Undeliverable | DeliveryState::Failed)
}

/// Whether no step of the delivery reached anybody, and none is under way.
pub fn is_vain(record: &Record) -> bool {
    let left_nothing = |state| has_failed(state) || matches!(state, DeliveryState::Skipped | DeliveryState::Stopped);
    record.delivery.steps.iter().all(|step| left_nothing(step.status))
}

/// Whether a message of the delivery was certainly taken, whatever became of it.
pub fn was_taken(record: &Record) -> bool {
    use DeliveryState::{Accepted, Delivered, Read, Rejected, Submitted, Undeliverable};
    let is_taken = |state| matches!(state, Accepted | Submitted | Delivered | Read | Rejected | Undeliverable);
    record.delivery.steps.iter().any(|step| is_taken(step.status))
}
