//! What the host reports about a message, once it has authenticated that itself.

use super::StatusEvent;
use super::body::error_line;
use crate::error::{Error, Result};
use crate::limits::ID_BYTES;
use crate::record::DeliveryState;
use crate::strict;

/// Most bytes of an error that are looked at.
const ERROR_BYTES: usize = 2000;

/// How errors call the document.
const TITLE: &str = "report";

/// What a report may tell.
const STATES: [(&str, DeliveryState); 6] = [
    ("submitted", DeliveryState::Submitted),
    ("delivered", DeliveryState::Delivered),
    ("read", DeliveryState::Read),
    ("rejected", DeliveryState::Rejected),
    ("undeliverable", DeliveryState::Undeliverable),
    ("failed", DeliveryState::Failed),
];

/// Reads a report: strictly, since the host wrote it. `senders` are the names that it may have.
///
/// # Errors
///
/// `Argument` for anything unknown, repeated, of the wrong type or out of range, naming the member.
pub fn read(json: &str, senders: &[&str]) -> Result<StatusEvent> {
    let mut report = strict::parse(json, TITLE, Error::argument)?.object()?;
    let client_ref = report.take("clientRef").map(|node| node.name(ID_BYTES)).transpose()?;
    let message_id = report.take("messageId").map(|node| node.name(ID_BYTES)).transpose()?;
    let sender = report.take("sender");
    match (&client_ref, &message_id, &sender) {
        (Some(_), None, None) => {}
        (None, Some(_), Some(_)) => {}
        (None, Some(_), None) => return Err(report.error("sender", "missing: a messageId is one sender's")),
        (None, None, _) => return Err(report.error("clientRef", "missing, and so is messageId")),
        (Some(_), ..) => return Err(report.error("clientRef", "stands alone, without sender and messageId")),
    }
    let is_known = |name: &str| senders.contains(&name);
    let sender = sender.map(|node| node.text_if("the name of a sender", is_known).map(str::to_owned)).transpose()?;
    let state = report.need("status")?.choice(&STATES)?;
    let is_short = |text: &str| text.len() <= ERROR_BYTES;
    let error = report.take("error");
    let error =
        error.map(|node| node.text_if(&format!("a text of at most {ERROR_BYTES} bytes"), is_short).map(error_line));
    let error = error.transpose()?;
    report.finish()?;
    Ok(StatusEvent {
        message_uuid: message_id,
        sender,
        client_ref,
        state: Some(state),
        error,
        ..StatusEvent::default()
    })
}

#[cfg(test)]
mod tests;
