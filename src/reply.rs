//! What the functions of [`crate::Service`] answer. Serialised, these are the replies of the C interface.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::metrics::MetricsReply;
use crate::outcome::Outcome;
pub use crate::record::{DeliveryState, Locked, RequestState};
pub use crate::sender::SendFailure;

/// One step of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReply {
    /// The channel, such as `sms`.
    pub channel: String,
    /// The name of its sender, where senders have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The provider's identifier of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_uuid: Option<String>,
    /// How far it came.
    pub status: DeliveryState,
    /// When: RFC 3339, UTC.
    pub at: String,
    /// Why it went no further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How a code is being delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryReply {
    /// What the newest step's sender is: `dispatch`, `messages`, `host`, `console` or `none`.
    pub via: &'static str,
    /// The name of that sender, where senders have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The provider's identifier of the whole delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatch_uuid: Option<String>,
    /// The provider's identifier of the newest message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_uuid: Option<String>,
    /// The channel of the newest step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// How far it came.
    pub state: DeliveryState,
    /// The steps begun, passed over and called off, in the order of the workflow; only in a status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<StepReply>>,
}

/// Answer of [`crate::Service::create`] and [`crate::Service::resend`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct CreateReply {
    /// What it came to; [`Outcome::Send`] and [`Outcome::InDoubt`] among it.
    #[serde(skip)]
    pub outcome: Outcome,
    /// How long the code is still good, in whole seconds, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// Wrong codes that are still allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// After how many seconds it may succeed, rounded up; absent where waiting does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// What is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<Locked>,
    /// How the code is being delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryReply>,
    /// With sender `none`, as long as the code is live: the message for the host to deliver. Its members stand in the
    /// reply itself.
    #[serde(flatten)]
    pub message: Option<crate::sender::Message>,
    /// With [`Outcome::Send`] and [`Outcome::InDoubt`]: why. Its members stand in the reply itself.
    #[serde(flatten)]
    pub failure: Option<SendFailure>,
}

impl CreateReply {
    pub(crate) fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            expires_in_seconds: None,
            attempts_left: None,
            retry_after_seconds: None,
            locked: None,
            delivery: None,
            message: None,
            failure: None,
        }
    }
}

/// Answer of [`crate::Service::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct VerifyReply {
    /// What it came to: only [`Outcome::Ok`] lets anyone in.
    #[serde(skip)]
    pub outcome: Outcome,
    /// Wrong codes that are still allowed; absent for an unknown token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// After how many seconds the lock ends, rounded up; absent where waiting does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// What is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<Locked>,
}

/// Answer of [`crate::Service::cancel`], [`crate::Service::unlock`] and [`crate::Service::erase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct DoneReply {
    /// What it came to.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// Answer of [`crate::Service::status`]. With [`Outcome::Unknown`] all else is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct StatusReply {
    /// [`Outcome::Ok`] or [`Outcome::Unknown`].
    #[serde(skip)]
    pub outcome: Outcome,
    /// What is known of the request.
    #[serde(flatten)]
    pub status: Option<Status>,
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The token, as given.
    pub token: String,
    /// Its state.
    pub state: RequestState,
    /// When the newest code was created: RFC 3339, UTC.
    pub creation_date: String,
    /// When it ends: RFC 3339, UTC.
    pub expiry_date: String,
    /// Whether it was verified.
    pub is_checked: bool,
    /// When: RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_date: Option<String>,
    /// Wrong codes that are still allowed.
    pub attempts_left: u32,
    /// How it is being delivered.
    pub delivery: DeliveryReply,
}

/// Answer of [`crate::Service::run_due`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDueReply {
    /// Steps of deliveries that were due and were run.
    pub ran: u64,
    /// Rows past retention that were removed.
    pub purged: u64,
    /// When the next step is due; absent when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_due_in_milliseconds: Option<u64>,
}

/// What a webhook was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookKind {
    /// A report on one message.
    Status,
    /// The last report on a whole workflow.
    Final,
    /// A message from a user.
    Inbound,
    /// Anything else that is correctly signed.
    Other,
}

/// Answer of [`crate::Service::webhook`]. It may hold an address and private text: it has no `Debug`.
#[derive(Serialize)]
#[must_use]
pub struct WebhookReply {
    /// What it was about.
    pub kind: WebhookKind,
    /// Of a report: whether it means a delivery that is known. Of anything else but a message: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<bool>,
    /// Of a known report: whether it says nothing new. Of a message from a user: whether it came before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
    /// Of a known report: how far the message, or the delivery, has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryState>,
    /// Of a message from a user: the user's address, such as the Messenger id that a request takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Zeroizing<String>>,
    /// Of a message from a user: the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Of a message from a user: what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Zeroizing<String>>,
}

impl WebhookReply {
    pub(crate) fn new(kind: WebhookKind) -> Self {
        Self { kind, known: None, duplicate: None, state: None, from: None, channel: None, text: None }
    }
}

/// Answer of [`crate::Service::report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct ReportReply {
    /// Whether it means a delivery that is known.
    pub known: bool,
    /// Of a known report: how far the message has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryState>,
}

/// Answer of [`crate::Service::unlock`] and [`crate::Service::erase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct FoundReply {
    /// Whether there was anything of that name.
    pub found: bool,
}

/// Answer of [`crate::Service::subject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct SubjectReply {
    /// Failures in a row.
    pub failures: u32,
    /// [`Locked::Subject`] or [`Locked::Disabled`], if no guess is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<Locked>,
    /// After how many seconds guesses are looked at again, rounded up; absent where waiting does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

/// Answer of [`crate::Service::copy`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[must_use]
pub struct CopyReply {
    /// Rows that were copied, beside the repository's own.
    pub rows: u64,
    /// Rows that are damaged, and were not copied.
    pub skipped: u64,
    /// Whether live codes went along: in a move, unless it went elsewhere before. For Rust alone.
    #[serde(skip)]
    pub keeps_live: bool,
}

/// What all answers have in common.
pub trait Reply: Serialize {
    /// What it came to.
    fn outcome(&self) -> Outcome;
}

impl Reply for CreateReply {
    fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl Reply for VerifyReply {
    fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl Reply for DoneReply {
    fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl Reply for StatusReply {
    fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl Reply for WebhookReply {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl Reply for ReportReply {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl Reply for RunDueReply {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl Reply for FoundReply {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl Reply for CopyReply {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl Reply for SubjectReply {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl Reply for MetricsReply {
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}
