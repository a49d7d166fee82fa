//! `host`: a function of the host delivers.

use std::sync::Arc;

use super::{Message, Sender, Sent};

/// A function that delivers a message.
pub type SendFn = dyn Fn(&Message) -> Sent + Send + Sync;

/// Calls the host's function.
pub struct Host(pub Arc<SendFn>);

impl Sender for Host {
    fn send(&self, message: &Message) -> Sent {
        (self.0)(message)
    }
}
