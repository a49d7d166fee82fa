//! By which a create is known when it comes again, and how it was answered.

use serde::{Deserialize, Serialize};

use crate::block::Mac;
use crate::outcome::Outcome;

/// An idempotency key and the request that came with it, both hashed, and what was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// The key.
    pub key: Mac,
    /// The request.
    pub request: Mac,
    /// The first answer, once there was one: whatever becomes of the delivery, the same request gets it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<FirstAnswer>,
}

/// The answer to a create that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FirstAnswer {
    /// The message is on its way.
    Sent,
    /// It may be.
    InDoubt,
}

impl FirstAnswer {
    /// Its outcome.
    pub fn outcome(self) -> Outcome {
        match self {
            FirstAnswer::Sent => Outcome::Ok,
            FirstAnswer::InDoubt => Outcome::InDoubt,
        }
    }
}
