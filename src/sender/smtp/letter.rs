//! A mail as it goes to a server: its envelope, its headers (RFC 5322, RFC 3834) and its text.

use std::time::SystemTime;

use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Body, Mailbox as Named};
use zeroize::Zeroizing;

use super::encode;
use crate::email::{Email, Mailbox};
use crate::error::{Error, Result};
use crate::hex;
use crate::limits::ID_BYTES;
use crate::random::random;
use crate::sender::Message;

/// A mail that can be sent.
pub struct Letter {
    /// Whom it comes from, for the envelope.
    pub from: String,
    /// Whom it goes to.
    pub to: String,
    /// Whether one of them has letters outside ASCII before its `@`.
    pub needs_utf8: bool,
    /// By what it can be named: its Message-ID without brackets. It holds no code.
    pub id: String,
    /// What goes between DATA and the final dot.
    pub data: Zeroizing<Vec<u8>>,
}

impl Letter {
    /// Writes a mail.
    ///
    /// # Errors
    ///
    /// `Argument` for an address that is none, `Random` when the system gives no random numbers.
    pub fn write(message: &Message) -> Result<Self> {
        let cannot = |cause: &str| Error::argument(format!("request: message for {}: {cause}", message.channel));
        let from = Mailbox::parse(&message.from).ok_or_else(|| cannot("its step's from is no address"))?;
        let to = Email::parse(&message.to).map_err(|none| cannot(none.cause()))?;
        // The name of this machine is nobody's business.
        let id = format!("{}@{}", hex::encode(&random::<16>()?), from.email.domain);
        let headers = headers(&from, &to, &id).map_err(|cause| cannot(&cause))?;
        let subject = encode::header("Subject", message.subject.as_deref().map_or("", |subject| subject));
        let (encoding, text) = encode::body(&message.text);
        let encoding = format!("\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
        let parts = [headers.as_bytes(), subject.as_bytes(), encoding.as_bytes(), &text];
        let data = encode::stuffed(&Zeroizing::new(parts.concat())).ok_or_else(|| cannot("it cannot be written"))?;
        let needs_utf8 = !to.local_part.is_ascii() || !from.email.local_part.is_ascii();
        Ok(Self { from: from.email.text(), to: to.text(), needs_utf8, id, data })
    }

    /// Its name for reports, where that is not too long.
    pub fn reported_id(&self) -> Option<String> {
        Some(self.id.clone()).filter(|id| id.len() <= ID_BYTES)
    }
}

/// The headers that hold no code, each with its end.
fn headers(from: &Mailbox, to: &Email, id: &str) -> std::result::Result<String, String> {
    let address = |email: &Email| Address::new_dangerous(&email.local_part, &email.domain);
    let raw = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
    let message = lettre::Message::builder()
        .date(SystemTime::now())
        .from(Named::new(from.name.clone(), address(&from.email)))
        .to(Named::new(None, address(to)))
        .message_id(Some(format!("<{id}>")))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(Body::dangerous_pre_encoded(Vec::new(), ContentTransferEncoding::SevenBit));
    let message = message.map_err(|cause| cause.to_string())?;
    let mut headers = message.headers().clone();
    headers.remove::<ContentTransferEncoding>();
    Ok(headers.to_string())
}

#[cfg(test)]
mod tests;
