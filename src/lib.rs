//! One-time passwords inside your own process: create a short code, have it delivered, verify it exactly once.
#![deny(unsafe_code, missing_docs, rust_2018_idioms)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod block;
mod clock;
mod code;
mod config;
mod envelope;
mod error;
pub mod ffi;
mod fork;
mod hooks;
mod keys;
mod message;
mod outcome;
mod phone;
mod policy;
mod record;
mod reply;
mod repository;
mod request;
pub mod sender;
mod service;
mod strict;

pub use error::{Error, Result};
pub use hooks::{ClockFn, LogFn};
pub use outcome::Outcome;
pub use reply::{
    CreateReply, DeliveryReply, DeliveryState, DoneReply, Locked, RequestState, RunDueReply, SendFailure, Status,
    StatusReply, StepReply, VerifyReply,
};
pub use sender::host::SendFn;
pub use service::Service;
