//! What answers say of records, locks and deliveries.

use super::Core;
use crate::clock::{SECOND_MS, Time};
use crate::outcome::Outcome;
use crate::policy::Standing;
use crate::record::{CodeState, Record};
use crate::reply::{CreateReply, DeliveryReply, Locked};

impl Core {
    /// What all answers about a code say.
    pub(super) fn sent_reply(&self, outcome: Outcome, record: &Record, now: Time) -> CreateReply {
        let live = record.code.state == CodeState::Live;
        let mut reply = CreateReply::new(outcome);
        reply.expires_in_seconds = Some(if live { record.code.expires.since(record.time(now)) / SECOND_MS } else { 0 });
        reply.attempts_left = Some(record.attempts_left());
        reply.delivery = Some(delivery_reply(record));
        reply
    }
}

/// After how many seconds it makes sense to try again, rounded up.
pub fn retry_after(locked: Option<Locked>, standing: Standing) -> Option<u64> {
    match (locked, standing) {
        (Some(Locked::Subject), Standing::LockedFor(ms)) => Some(whole_seconds_up(ms)),
        _ => None,
    }
}

pub fn whole_seconds_up(ms: u64) -> u64 {
    ms.div_ceil(1000).max(1)
}

pub fn delivery_reply(record: &Record) -> DeliveryReply {
    let newest = record.delivery.newest();
    DeliveryReply {
        via: record.delivery.via.name(),
        sender: newest.and_then(|step| step.sender.clone()),
        dispatch_uuid: record.delivery.dispatch_uuid.clone(),
        message_uuid: newest.and_then(|step| step.message_uuid.clone()),
        channel: newest.map(|step| step.channel.clone()),
        state: record.delivery.state(),
        steps: None,
    }
}

/// A refusal because of a lock.
pub fn locked_reply(locked: Locked, standing: Standing) -> CreateReply {
    let mut reply = CreateReply::new(Outcome::Locked);
    reply.locked = Some(locked);
    reply.retry_after_seconds = retry_after(Some(locked), standing);
    reply
}

/// A refusal because of the limits on messages.
pub fn limited_reply(wait_ms: u64) -> CreateReply {
    let mut reply = CreateReply::new(Outcome::RateLimited);
    reply.retry_after_seconds = Some(whole_seconds_up(wait_ms));
    reply
}

/// How a subject is locked when there is no code to look at.
pub fn subject_locked(standing: Standing) -> Option<Locked> {
    match standing {
        Standing::Open => None,
        Standing::LockedFor(_) => Some(Locked::Subject),
        Standing::Disabled => Some(Locked::Disabled),
    }
}
