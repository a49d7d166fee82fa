//! Why a dialogue came to nothing, and what that says about the message.

use std::io::{self, ErrorKind};

use super::super::wire::{Again, is_passing, line};
use super::super::{Answer, SendFailure};
use super::reply::Reply;
use crate::typed::{WITHHELD, shown_without};

/// Why a dialogue did not come further, and at which step of it.
pub struct Failure {
    step: &'static str,
    cause: Cause,
}

enum Cause {
    /// The server said so.
    Said(Reply),
    /// There was no reply, or none that can be understood.
    Broken { text: String, is_passing: bool },
}

impl Failure {
    /// The server said so.
    pub fn said(step: &'static str, reply: Reply) -> Self {
        Self { step, cause: Cause::Said(reply) }
    }

    /// What was read makes no sense, or what is needed is not there.
    pub fn unfit(step: &'static str, text: &str) -> Self {
        Self { step, cause: Cause::Broken { text: text.to_owned(), is_passing: false } }
    }

    /// The connection failed.
    pub fn of(step: &'static str, cause: &io::Error) -> Self {
        let is_passing = is_passing(cause);
        let text = if cause.kind() == ErrorKind::TimedOut { "timed out".to_owned() } else { cause.to_string() };
        Self { step, cause: Cause::Broken { text, is_passing } }
    }

    /// Of a message that has certainly not been taken: whether another try may help.
    pub fn not_taken(self, host: &str, secrets: &[&str]) -> (Answer, Again) {
        let again = match &self.cause {
            Cause::Said(reply) if reply.class() == 4 => Again::Later(None),
            Cause::Broken { is_passing: true, .. } => Again::Soon,
            Cause::Said(_) | Cause::Broken { .. } => Again::Never,
        };
        (Answer::NotTaken(self.told(host, secrets)), again)
    }

    /// The failure as it is told. A text of the server that may have an address in it is withheld.
    pub fn told(self, host: &str, secrets: &[&str]) -> SendFailure {
        let step = self.step;
        match self.cause {
            Cause::Broken { text, .. } => {
                SendFailure { detail: format!("{host}: {step}: {}", line(&text)), ..SendFailure::default() }
            }
            Cause::Said(reply) => {
                let text = line(&reply.text());
                let text = if text.contains('@') { WITHHELD.to_owned() } else { shown_without(secrets, text) };
                SendFailure {
                    detail: format!("{host}: {step}: reply {}", reply.codes()),
                    vendor_code: Some(reply.codes()),
                    vendor_title: Some(text).filter(|text| !text.is_empty()),
                    ..SendFailure::default()
                }
            }
        }
    }
}
