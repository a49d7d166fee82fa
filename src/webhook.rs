//! Webhooks of the carrier: whether one is genuine, what it says, and what that may change. Pure: no I/O, no clock.
//!
//! [`Verifier`] decides about the signature, [`parse`] reads the body, and [`advance`] says how far a report moves a
//! delivery. A webhook may come twice, late and in any order; none can move a delivery backwards, and none has
//! anything to do with whether a code is right.

mod body;
pub mod receipt;
mod signature;
mod state;
mod timestamp;

#[cfg(test)]
pub mod signer;

use zeroize::Zeroizing;

pub use body::parse;
pub use signature::Verifier;
pub use state::{advance, reached};

use crate::clock::Time;
use crate::record::DeliveryState;

/// What a webhook is about.
pub enum Event {
    /// A report on one message.
    Status(StatusEvent),
    /// The last report on a whole Dispatch workflow.
    Final(FinalEvent),
    /// A message from a user.
    Inbound(InboundEvent),
    /// Anything else: the carrier has kinds that are of no use here, and may add others.
    Other,
}

/// A report on one message. What the carrier left out, or wrote in a form of its own, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusEvent {
    /// The carrier's identifier of the message: 1 to 128 bytes.
    pub message_uuid: Option<String>,
    /// The name of the sender whose identifier that is; none where it is Vonage's.
    pub sender: Option<String>,
    /// The carrier's identifier of the Dispatch workflow: 1 to 128 bytes.
    pub dispatch_uuid: Option<String>,
    /// What the message was sent with: 1 to 128 bytes.
    pub client_ref: Option<String>,
    /// The channel, as in the configuration.
    pub channel: Option<String>,
    /// How far the message came: `submitted`, `delivered`, `read`, `rejected` or `undeliverable`. `None` for a status
    /// that is not known, which changes nothing.
    pub state: Option<DeliveryState>,
    /// When, by the carrier's clock.
    pub at: Option<Time>,
    /// The carrier's error: code and sentence, one line of up to 200 bytes. Longer numbers than a code, such as an
    /// address, are masked.
    pub error: Option<String>,
}

/// The last report on a whole Dispatch workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalEvent {
    /// The carrier's identifier of the workflow: 1 to 128 bytes.
    pub dispatch_uuid: String,
    /// `true`: a message met its condition, or the last was delivered; `false`: the last step failed; `None`: a
    /// status that is not known.
    pub completed: Option<bool>,
    /// When, by the carrier's clock.
    pub at: Option<Time>,
    /// The messages that were sent, in order: up to 16.
    pub messages: Vec<FinalMessage>,
}

/// A message of a workflow that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalMessage {
    /// The carrier's identifier of the message: 1 to 128 bytes.
    pub message_uuid: Option<String>,
    /// The channel, as in the configuration.
    pub channel: Option<String>,
    /// How far it came; see [`StatusEvent::state`].
    pub state: Option<DeliveryState>,
}

/// A message from a user. Holds an address and private text, and so has no `Debug`.
pub struct InboundEvent {
    /// The carrier's identifier of the message: 1 to 128 bytes.
    pub message_uuid: Option<String>,
    /// The user's address on the channel, such as the Messenger id that a request takes: up to 256 bytes.
    pub from: Option<Zeroizing<String>>,
    /// The channel, as in the configuration.
    pub channel: Option<String>,
    /// The text, if it is a message of text: as long as the body allows.
    pub text: Option<Zeroizing<String>>,
}
