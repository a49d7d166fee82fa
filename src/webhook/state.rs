//! How far a report moves a delivery.

use crate::config::Condition;
use crate::record::DeliveryState;

/// The state after a report on a message that is in state `current`, if the report changes it.
///
/// The states that reports tell have one order: `submitted`, `failed`, `undeliverable`, `rejected`, `delivered`, `read`. A report
/// moves a message up in it and never down, so reports may come in any order and any number of times. A message that
/// was given up can still arrive, which is why `delivered` comes after `rejected`. Before all of them come the states
/// in which the library itself leaves a step that it began: of those every report knows better. A step that was
/// passed over or called off keeps its state, and a `reported` state that no report has changes nothing.
pub fn advance(current: DeliveryState, reported: DeliveryState) -> Option<DeliveryState> {
    let (from, to) = (rank(current)?, rank(reported)?);
    (to > from).then_some(reported)
}

/// Whether a message in this state meets a step's condition: who has read it has received it.
pub fn reached(state: DeliveryState, condition: Condition) -> bool {
    match condition {
        Condition::Delivered => matches!(state, DeliveryState::Delivered | DeliveryState::Read),
        Condition::Read => state == DeliveryState::Read,
        Condition::Verified => false,
    }
}

/// The place in the order; `None` for a step that has no message.
fn rank(state: DeliveryState) -> Option<u8> {
    match state {
        DeliveryState::Sending | DeliveryState::Accepted | DeliveryState::InDoubt => Some(0),
        DeliveryState::Submitted => Some(1),
        DeliveryState::Failed => Some(2),
        DeliveryState::Undeliverable => Some(3),
        DeliveryState::Rejected => Some(4),
        DeliveryState::Delivered => Some(5),
        DeliveryState::Read => Some(6),
        DeliveryState::Skipped | DeliveryState::Stopped => None,
    }
}

#[cfg(test)]
mod tests;
