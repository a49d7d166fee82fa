//! Replies: one JSON object for every answer, written to the caller's buffer and nowhere else, since it may hold a
//! code.
//!
//! Every text of a reply has a bound, and the bounds together stay below [`OTP_REPLY_SIZE`]: nothing is ever cut in
//! the middle. Lengths are those of the escaped text.

use std::ffi::c_char;
use std::io::{self, Write};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::ffi::results::OTP_REPLY_SIZE;
use crate::json::{escaped_bytes, escaped_char_bytes};
use crate::limits::FOREIGN_BYTES;
use crate::metrics::MetricsReply;
use crate::outcome::Outcome;
use crate::reply::{
    CopyReply, CreateReply, DeliveryReply, DoneReply, FoundReply, Reply, ReportReply, RunDueReply, StatusReply,
    SubjectReply, VerifyReply, WebhookReply,
};

/// An error's detail: it may hold two paths.
const DETAIL_LIMIT: usize = 2000;
/// What a user wrote.
const INBOUND_LIMIT: usize = 2000;
/// Five of each must fit a reply.
const STEP_ERROR_LIMIT: usize = 120;
const STEP_UUID_LIMIT: usize = 64;
const WARNING_LIMIT: usize = 400;
const WARNINGS_LIMIT: usize = 3500;

/// The answer of otp_open().
#[derive(Serialize)]
pub struct OpenReply {
    /// What the configuration should rather not be.
    pub warnings: Vec<String>,
}

/// What an entry point may answer.
pub trait Bounded: Reply {
    /// More about it than the outcome's own sentence.
    fn detail(&self) -> Option<String> {
        None
    }

    /// Brings every text that is not bounded by the library's own rules within its bound.
    fn shorten(&mut self, _shortened: &mut Shortened) {}
}

impl Reply for () {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl Bounded for () {}

impl Reply for OpenReply {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl Bounded for OpenReply {
    fn shorten(&mut self, shortened: &mut Shortened) {
        let mut total = 0;
        for (index, warning) in self.warnings.iter_mut().enumerate() {
            shortened.cut(warning, WARNING_LIMIT, || format!("warnings.{index}"));
        }
        let before = self.warnings.len();
        self.warnings.retain(|warning| {
            total += escaped_bytes(warning) + r#""","#.len();
            total <= WARNINGS_LIMIT
        });
        if self.warnings.len() < before {
            // Names of warnings that are gone would say nothing.
            *shortened = Shortened(vec!["warnings".to_owned()]);
        }
    }
}

impl Bounded for CreateReply {
    fn detail(&self) -> Option<String> {
        let failure = self.failure.as_ref().filter(|failure| !failure.detail.is_empty())?;
        matches!(self.outcome, Outcome::Send | Outcome::InDoubt).then(|| failure.detail.clone())
    }

    fn shorten(&mut self, shortened: &mut Shortened) {
        if let Some(delivery) = &mut self.delivery {
            shorten_delivery(delivery, shortened);
        }
        if let Some(failure) = &mut self.failure {
            shortened.cut_optional(&mut failure.vendor_code, FOREIGN_BYTES, || "vendorCode".to_owned());
            shortened.cut_optional(&mut failure.vendor_title, FOREIGN_BYTES, || "vendorTitle".to_owned());
        }
    }
}

impl Bounded for VerifyReply {}

impl Bounded for DoneReply {}
impl Bounded for CopyReply {}
impl Bounded for FoundReply {}
impl Bounded for MetricsReply {}
impl Bounded for SubjectReply {}

impl Bounded for WebhookReply {
    fn shorten(&mut self, shortened: &mut Shortened) {
        if let Some(from) = &mut self.from {
            shortened.cut(from, FOREIGN_BYTES, || "from".to_owned());
        }
        shortened.cut_optional(&mut self.channel, FOREIGN_BYTES, || "channel".to_owned());
        if let Some(text) = &mut self.text {
            shortened.cut(text, INBOUND_LIMIT, || "text".to_owned());
        }
    }
}

impl Bounded for StatusReply {
    fn shorten(&mut self, shortened: &mut Shortened) {
        if let Some(status) = &mut self.status {
            shorten_delivery(&mut status.delivery, shortened);
        }
    }
}

impl Bounded for RunDueReply {}
impl Bounded for ReportReply {}

fn shorten_delivery(delivery: &mut DeliveryReply, shortened: &mut Shortened) {
    shortened.cut_optional(&mut delivery.dispatch_uuid, FOREIGN_BYTES, || "delivery.dispatchUuid".to_owned());
    shortened.cut_optional(&mut delivery.message_uuid, FOREIGN_BYTES, || "delivery.messageUuid".to_owned());
    for (index, step) in delivery.steps.iter_mut().flatten().enumerate() {
        let name = |member| move || format!("delivery.steps.{index}.{member}");
        shortened.cut_optional(&mut step.message_uuid, STEP_UUID_LIMIT, name("messageUuid"));
        shortened.cut_optional(&mut step.error, STEP_ERROR_LIMIT, name("error"));
    }
}

/// The members that were shortened, as otp_reply_text() would be asked for them.
#[derive(Default)]
pub struct Shortened(Vec<String>);

impl Shortened {
    fn cut(&mut self, text: &mut String, limit: usize, name: impl FnOnce() -> String) {
        let mut length = 0;
        let end = text.char_indices().find(|(_, character)| {
            length += escaped_char_bytes(*character);
            length > limit
        });
        if let Some((end, _)) = end {
            text.truncate(end);
            self.0.push(name());
        }
    }

    fn cut_optional(&mut self, text: &mut Option<String>, limit: usize, name: impl FnOnce() -> String) {
        if let Some(text) = text {
            self.cut(text, limit, name);
        }
    }
}

#[derive(Serialize)]
struct Whole<'a, T> {
    result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(flatten)]
    members: Option<&'a T>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    shortened: &'a [String],
}

/// The caller's buffer, of which the first [`OTP_REPLY_SIZE`] bytes are used; or none.
pub struct Buffer(*mut u8);

impl Buffer {
    /// None when the buffer is too small.
    ///
    /// # Safety
    ///
    /// As long as the buffer is used, `reply` is NULL or `size` bytes can be written there.
    pub unsafe fn new(reply: *mut c_char, size: usize) -> Option<Self> {
        (reply.is_null() || size >= OTP_REPLY_SIZE).then_some(Self(reply.cast()))
    }

    /// Writes the reply and gives the outcome that it tells.
    ///
    /// # Errors
    ///
    /// `Internal` when the bounds do not hold; the buffer then holds no reply.
    pub fn write<T: Bounded>(&self, answer: Result<T>) -> Result<Outcome> {
        let (outcome, mut detail, mut members) = match answer {
            Ok(answer) => (answer.outcome(), answer.detail(), Some(answer)),
            Err(error) => (error.outcome(), Some(error.detail().to_owned()), None),
        };
        if self.0.is_null() {
            return Ok(outcome);
        }
        let mut shortened = Shortened::default();
        if let Some(members) = &mut members {
            members.shorten(&mut shortened);
        }
        let limit = if members.is_some() { FOREIGN_BYTES } else { DETAIL_LIMIT };
        shortened.cut_optional(&mut detail, limit, || "message".to_owned());
        let message = (outcome != Outcome::Ok).then(|| detail.as_deref().unwrap_or(outcome.message()));
        let whole = Whole { result: outcome, message, members: members.as_ref(), shortened: &shortened.0 };
        let mut writer = self.writer();
        serde_json::to_writer(&mut writer, &whole).map_err(|_| Error::internal("the reply does not fit"))?;
        writer.end();
        Ok(outcome)
    }

    /// Writes a reply that always fits.
    pub fn write_bare(&self, outcome: Outcome) {
        if !self.0.is_null() {
            let mut writer = self.writer();
            // A name and a sentence of the library's own, with nothing to escape.
            let _ = write!(writer, r#"{{"result":"{}","message":"{}"}}"#, outcome.name(), outcome.message());
            writer.end();
        }
    }

    fn writer(&self) -> Writer {
        // One byte stays for the NUL.
        Writer { next: self.0, left: OTP_REPLY_SIZE - 1 }
    }
}

/// Writes to memory that need not be initialised.
struct Writer {
    next: *mut u8,
    left: usize,
}

impl Writer {
    fn end(self) {
        // SAFETY: `write` keeps one byte of the buffer free.
        unsafe { self.next.write(0) };
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            return Err(io::ErrorKind::WriteZero.into());
        }
        // SAFETY: `left` bytes can be written at `next`, as promised to `Buffer::new`, and `bytes` is memory of the
        // library, which the caller's buffer does not overlap.
        self.next = unsafe {
            self.next.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.next.add(bytes.len())
        };
        self.left -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
