//! `host`: a function of the host delivers.

use super::{Message, Sent};

/// A function that delivers a message.
pub type SendFn = dyn Fn(&Message) -> Sent + Send + Sync;
