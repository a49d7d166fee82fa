//! Steps and timers of a delivery that libotp runs itself, one message at a time. Pure: no I/O, no clock, no keys.
//!
//! A step begins when the one before it failed, or when its condition (`delivered`, `read`) has not come in time.
//! Beginning a step, the timer of the step after it, and the end of the timer that led to it are one transaction:
//! so of many that find a timer due exactly one begins the step, and a message is never begun twice. A step whose
//! owner died stays in doubt, and the workflow goes on from it at its timer as from any other.

use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::clock::{DAY_MS, SECOND_MS, Time};
use crate::config::StepConfig;
use crate::record::{CodeState, Record, Step};
use crate::reply::DeliveryState;

/// How long a timer that nobody runs is kept after it was due.
const KEPT_MS: u64 = DAY_MS;

/// When a step has to have met its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timer {
    /// When it is due.
    pub due: Time,
    /// The row of the record.
    pub record: Block,
    /// Which delivery of it.
    pub delivery: u32,
    /// Which step of that, from 0.
    pub step: u8,
}

impl Timer {
    /// Where it lies: six zero bytes, then the time, so that timers come before all other rows and in their order.
    /// Hashes do not begin so. The record's first bytes tell timers of the same millisecond apart.
    pub fn key(&self) -> Block {
        let mut key = [0; Block::SIZE];
        let [_, _, due @ ..] = self.due.ms().to_be_bytes();
        let bytes = due.into_iter().chain(self.record.0);
        key.iter_mut().skip(TIMER_PREFIX.len()).zip(bytes).for_each(|(to, from)| *to = from);
        Block(key)
    }

    /// Until when the row has to be kept.
    pub fn kept_until(&self) -> Time {
        self.due.plus(KEPT_MS)
    }
}

/// How the key of every timer begins.
pub const TIMER_PREFIX: [u8; 6] = [0; 6];

/// What a provider's identifier stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// The row of the record.
    pub record: Block,
    /// Which delivery of it.
    pub delivery: u32,
    /// Which step of that; absent where the provider runs the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u8>,
    /// Until when the row has to be kept.
    pub until: Time,
}

/// The timer of a record that waits for a condition.
pub fn timer(row: &Block, record: &Record) -> Option<Timer> {
    let step = u8::try_from(record.delivery.steps.len().checked_sub(1)?).ok()?;
    Some(Timer { due: record.delivery.due?, record: *row, delivery: record.deliveries, step })
}

/// Begins the next step of a delivery, if there is one: `planned` are all its steps, and the record is settled.
/// `waits` says that its outcome is waited for, as the library runs the workflow itself.
pub fn begin_next(record: &mut Record, planned: &[&StepConfig], waits: bool, now: Time) -> bool {
    let Some(step) = planned.get(record.delivery.steps.len()) else { return false };
    let waits = waits && planned.len() > record.delivery.steps.len() + 1;
    record.delivery.due = waits.then(|| now.plus(u64::from(step.expiry_seconds) * SECOND_MS));
    let channel = step.channel.clone();
    record.delivery.steps.push(Step {
        channel,
        status: DeliveryState::Sending,
        at: now,
        message_uuid: None,
        error: None,
    });
    true
}

/// Whether the step after this one may begin: it is the newest of the newest delivery, and the code still waits.
/// The record must be settled.
pub fn may_go_on(record: &Record, delivery: u32, step: usize) -> bool {
    record.deliveries == delivery
        && record.delivery.steps.len() == step + 1
        && record.code.state == CodeState::Live
        && !record.is_locked()
}

/// Whether a message in this state reached nobody, so that the next step begins at once.
pub fn has_failed(state: DeliveryState) -> bool {
    matches!(state, DeliveryState::Rejected | DeliveryState::Undeliverable | DeliveryState::Failed)
}
