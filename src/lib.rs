//! One-time passwords inside your own process: create a short code, have it delivered, verify it exactly once.
//!
//! There is no server: a [`Service`] keeps its records in a file that any number of threads and processes share, and
//! every answer is given only after it is committed. Codes are not stored; they follow from a key beside the
//! database. The same library is used from C, through `include/otp.h`: the functions of [`ffi`].
//!
//! ```
//! use otp::{Outcome, Service};
//!
//! # fn main() -> otp::Result<()> {
//! let config = r#"{"repository": "memory:", "sender": {"type": "none"}}"#;
//! let (service, warnings) = Service::open(Some(config))?;
//! assert_eq!(warnings.len(), 2); // that no list of countries is set, and no default one
//!
//! let reply = service.create("session 1", Some(r#"{"phoneNumber": "+39 333 123 4567"}"#))?;
//! assert_eq!(reply.outcome, Outcome::Ok);
//! let message = reply.message.expect("with sender none the host delivers");
//! assert_eq!(*message.to, "393331234567");
//!
//! assert_eq!(service.verify("session 1", &message.code, None)?.outcome, Outcome::Ok);
//! assert_eq!(service.verify("session 1", &message.code, None)?.outcome, Outcome::Checked);
//! # Ok(())
//! # }
//! ```
//!
//! # The way through the code
//!
//! `service` reads like the rules: it loads rows, asks `record` and `policy` (which know no I/O, clock or key), stores
//! what changed in one transaction, and then answers or hands the message to `sender`. `repository` keeps rows and
//! knows no rule; `commit` in it runs the operations of many threads in one transaction. `fork` keeps a process that
//! forks whole. `ffi` is the border to C and holds no decision; it and `sys` hold all unsafe code.
//! `docs/ARCHITECTURE.md` draws the house.
#![deny(unsafe_code, missing_docs, rust_2018_idioms)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod block;
mod channel;
mod clock;
mod code;
mod config;
mod email;
mod envelope;
mod error;
pub mod ffi;
mod file;
mod files;
mod fork;
mod hex;
mod hooks;
mod inspection;
mod json;
mod jwt;
mod keys;
mod limits;
mod mac;
mod message;
mod metrics;
mod names;
mod outcome;
mod phone;
mod policy;
mod random;
mod record;
mod reply;
mod repository;
mod request;
pub mod sender;
mod service;
mod step;
mod strict;
mod sys;
mod tenant;
mod typed;
mod webhook;
mod workflow;

pub use error::{Error, Result};
pub use hooks::{ClockFn, LogFn};
pub use inspection::{CheckReply, Finding, Inspection, KeyStanding, Phase, Remedy, RotationReply};
pub use metrics::MetricsReply;
pub use outcome::Outcome;
pub use reply::{
    CopyReply, CreateReply, DeliveryReply, DeliveryState, DoneReply, FoundReply, Locked, RequestState, RunDueReply,
    SendFailure, Status, StatusReply, StepReply, SubjectReply, VerifyReply, WebhookKind, WebhookReply,
};
pub use sender::host::SendFn;
pub use service::Service;

/// The programs in Rust on the pages of the documentation are compiled, and run where that can be.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../docs/logs.md")]
    struct Logs;

    #[doc = include_str!("../docs/start.md")]
    struct Start;
}
