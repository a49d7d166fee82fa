//! How a code stands, in answers.

use serde::Serialize;

/// Where a lock sits. When several hold, the answer names the first of `disabled`, `subject`, `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Locked {
    /// The subject failed so often that only [`crate::Service::unlock`] opens it again.
    Disabled,
    /// The subject is locked for a while.
    Subject,
    /// This code takes no more guesses.
    Code,
}

/// State of a request, as a status tells it: the first that holds, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    /// The code was verified.
    Checked,
    /// The code was cancelled.
    Cancelled,
    /// The code or its subject takes no guesses.
    Locked,
    /// The code is too old.
    Expired,
    /// The code is good.
    Pending,
}
