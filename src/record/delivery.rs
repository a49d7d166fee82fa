//! How a code is being delivered, as its record keeps it.

use serde::{Deserialize, Serialize};

use crate::clock::Time;

/// Most steps of a workflow.
pub const MOST_STEPS: usize = 5;

/// State of a delivery, and of one of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Begun; the answer is not known yet.
    Sending,
    /// The provider took the message.
    Accepted,
    /// The provider handed it on.
    Submitted,
    /// It reached the device.
    Delivered,
    /// It was read.
    Read,
    /// The provider or the network refused it.
    Rejected,
    /// It could not be delivered.
    Undeliverable,
    /// It was certainly not sent.
    Failed,
    /// Whether it was sent is not known.
    InDoubt,
    /// There was no address for the step, or a limit was reached.
    Skipped,
    /// The step was called off before its message left: one before it did what was asked of it, or the code ended.
    Stopped,
}

/// Who delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Vonage Dispatch API.
    Dispatch,
    /// Vonage Messages API.
    Messages,
    /// The host's callback.
    Host,
    /// Standard error.
    Console,
    /// The host, from the reply.
    None,
    /// Any carrier, by HTTP.
    Http,
    /// A server for e-mail.
    Smtp,
}

impl Via {
    /// The name, as in the configuration and in replies.
    pub fn name(self) -> &'static str {
        match self {
            Via::Dispatch => "dispatch",
            Via::Messages => "messages",
            Via::Host => "host",
            Via::Console => "console",
            Via::None => "none",
            Via::Http => "http",
            Via::Smtp => "smtp",
        }
    }

    /// Whether Vonage delivers, which knows its own channels and needs sender addresses.
    pub fn is_vonage(self) -> bool {
        matches!(self, Via::Dispatch | Via::Messages)
    }

    /// Whether it has all steps of a delivery, since somebody else goes from one to the next.
    pub fn delivers_alone(self) -> bool {
        matches!(self, Via::Dispatch | Via::None)
    }
}

/// One step of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The channel.
    pub channel: String,
    /// The name of its sender, where senders have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// How far it came.
    pub status: DeliveryState,
    /// When.
    pub at: Time,
    /// The provider's identifier of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_uuid: Option<String>,
    /// Why it went no further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The newest delivery of a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// Who delivers.
    pub via: Via,
    /// The provider's identifier of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch_uuid: Option<String>,
    /// Steps begun or passed over, in the order of the workflow.
    pub steps: Vec<Step>,
    /// When the workflow goes on from the newest step, if its condition has not come by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// Whether the newest step is only claimed: its message has certainly not left. When it is due without having
    /// left, its owner died, and the step is anybody's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claimed: bool,
}

impl Delivery {
    /// One without steps.
    pub fn new(via: Via) -> Self {
        Self { via, dispatch_uuid: None, steps: Vec::new(), due: None, claimed: false }
    }

    /// Begins no further step, and stops the newest if its message has not left.
    pub fn call_off(&mut self) {
        self.due = None;
        if let (true, Some(step)) = (std::mem::take(&mut self.claimed), self.steps.last_mut()) {
            step.status = DeliveryState::Stopped;
        }
    }

    /// The newest step that was begun.
    pub fn newest(&self) -> Option<&Step> {
        self.steps.iter().rev().find(|step| step.status != DeliveryState::Skipped)
    }

    /// How far it came: as far as its newest step.
    pub fn state(&self) -> DeliveryState {
        self.newest().map_or(DeliveryState::Sending, |step| step.status)
    }
}
