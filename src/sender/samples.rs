//! A message, and what came of one, for the tests of senders.

use zeroize::Zeroizing;

use super::{Answer, Message, SendFailure};

/// A message of the code 63731.
pub fn message(channel: &str, to: &str, text: &str) -> Message {
    let zeroizing = |text: &str| Zeroizing::new(text.to_owned());
    Message {
        token: "token".to_owned(),
        channel: channel.to_owned(),
        to: zeroizing(to),
        from: String::new(),
        subject: None,
        text: zeroizing(text),
        code: zeroizing("63731"),
        expires_in_seconds: None,
        locale: None,
        sender: None,
        client_ref: None,
        minutes: 5,
        params: Vec::new(),
    }
}

/// What an answer is, in words, and why.
pub fn told(answer: Answer) -> (&'static str, SendFailure) {
    match answer {
        Answer::Accepted { uuid: Some(_) } => ("accepted", SendFailure::default()),
        Answer::Accepted { uuid: None } => ("accepted without", SendFailure::default()),
        Answer::NotTaken(failure) => ("not taken", failure),
        Answer::InDoubt(failure) => ("in doubt", failure),
        Answer::Refused(failure) => ("refused", failure),
    }
}
