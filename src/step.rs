//! A step of the workflow, as it is configured.

use crate::channel::{Condition, default_condition};

/// One step of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepConfig {
    /// Name of the channel.
    pub channel: String,
    /// Sender address.
    pub from: Option<String>,
    /// How long `condition` is waited for, in seconds.
    pub expiry_seconds: u32,
    /// What ends the workflow with this step.
    pub condition: Condition,
    /// A text of this step's own.
    pub template: Option<String>,
    /// With WhatsApp through a carrier: the approved template that carries the code in place of a text.
    pub provider_template: Option<String>,
    /// Most characters that the carrier takes, where it sets a limit below that of every text.
    pub max_characters: Option<usize>,
}

impl StepConfig {
    /// A step with the defaults of its channel.
    pub fn new(channel: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            from: None,
            expiry_seconds: 120,
            condition: default_condition(channel),
            template: None,
            provider_template: None,
            max_characters: None,
        }
    }
}
