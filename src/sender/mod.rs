//! Delivery: one message at a time, by the sender that the configuration names.

pub mod console;
pub mod host;
pub(crate) mod http;
#[cfg(test)]
mod samples;
#[cfg(feature = "smtp")]
pub(crate) mod smtp;
pub(crate) mod vonage;
mod wire;

use serde::Serialize;
use zeroize::Zeroizing;

/// A message to deliver. It holds the code: it has no `Debug` and is wiped on drop.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The token it belongs to.
    pub token: String,
    /// The channel, such as `sms`.
    pub channel: String,
    /// Address of the recipient.
    pub to: Zeroizing<String>,
    /// Address of the sender; empty when the step names none.
    pub from: String,
    /// The subject, of a mail that has one. The code may stand in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Zeroizing<String>>,
    /// The text, with the code in it.
    pub text: Zeroizing<String>,
    /// The code alone.
    pub code: Zeroizing<String>,
    /// How long the code is good, in whole seconds, rounded down. Absent in the reply of a create, which has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// The locale of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The name of its sender, where senders have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// By what a report names it, where the host's function delivers: 1 to 100 characters, opaque.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ref: Option<String>,
    /// For a sender that fills them in: the minutes that the code is good, rounded up.
    #[serde(skip)]
    pub(crate) minutes: u64,
    /// For a sender that fills them in: the request's values.
    #[serde(skip)]
    pub(crate) params: Vec<(String, String)>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Sent,
    /// It was certainly not taken.
    NotSent,
    /// It may have been taken.
    InDoubt,
}

/// Something that delivers one message and says what became of it. Called with no lock held.
pub trait Sender: Send + Sync {
    /// Delivers.
    fn send(&self, message: &Message) -> Sent;
}

/// Why a message was not, or perhaps not, sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendFailure {
    /// What happened: one line; the reply's `message`.
    #[serde(skip)]
    pub detail: String,
    /// The provider's HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The provider's error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_code: Option<String>,
    /// The provider's title of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_title: Option<String>,
    /// By what a report may name a message that is in doubt.
    #[serde(skip)]
    pub message_id: Option<String>,
    /// After how many seconds the provider takes messages again, if it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

/// What became of a message, and what is known about it.
pub enum Answer {
    /// It was taken.
    Accepted {
        /// The provider's identifier of the message, or of the whole workflow.
        uuid: Option<String>,
    },
    /// It was certainly not taken.
    NotTaken(SendFailure),
    /// It may have been taken.
    InDoubt(SendFailure),
    /// It was certainly not taken, since the provider does not send to this recipient.
    Refused(SendFailure),
}

impl Answer {
    /// A message that was held back.
    pub fn called_off() -> Self {
        Answer::NotTaken(SendFailure { detail: "it was called off".to_owned(), ..SendFailure::default() })
    }

    /// Why it was not, or perhaps not, taken.
    pub fn failure(&self) -> Option<&SendFailure> {
        match self {
            Answer::Accepted { .. } => None,
            Answer::NotTaken(failure) | Answer::InDoubt(failure) | Answer::Refused(failure) => Some(failure),
        }
    }
}

impl From<Sent> for Answer {
    fn from(sent: Sent) -> Self {
        let failure = |detail: &str| SendFailure { detail: detail.to_owned(), ..SendFailure::default() };
        match sent {
            Sent::Sent => Answer::Accepted { uuid: None },
            Sent::NotSent => Answer::NotTaken(failure("the message was not sent")),
            Sent::InDoubt => Answer::InDoubt(failure("the message may have been sent: the sender does not know")),
        }
    }
}
