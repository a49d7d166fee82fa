//! What carriers share: requests by HTTP, how they are repeated, and the words for what failed.

mod again;
mod http;

pub use again::{Again, no_reply, persist};
pub use http::{Http, HttpReply, HttpRequest};
pub use ureq::http::Method;

use std::io::{self, ErrorKind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Answer, SendFailure};
use crate::error::Error;
use crate::limits::FOREIGN_BYTES;

/// The value of `Authorization` for a name and a password.
pub fn basic(name: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{name}:{password}"));
    let mut header = Zeroizing::new(String::with_capacity(6 + pair.len().div_ceil(3) * 4));
    header.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut header);
    header
}

/// The answer about a message that could not even be tried.
pub fn not_taken(error: &Error) -> Answer {
    Answer::NotTaken(SendFailure { detail: error.detail().to_owned(), ..SendFailure::default() })
}

/// Whether another try may find what this one did not: a server that starts again, or a connection that it had closed.
pub fn is_passing(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    )
}

/// Foreign text as one short line.
pub fn line(text: &str) -> String {
    let mut line = String::new();
    for letter in text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
        if line.len() + letter.len_utf8() > FOREIGN_BYTES {
            break;
        }
        line.push(letter);
    }
    line
}
