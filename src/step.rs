//! A step of the workflow, as it is configured.

use crate::channel::Condition;

/// One step of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepConfig {
    /// Name of the channel.
    pub channel: String,
    /// Its sender's place among those that are configured.
    pub sender: usize,
    /// Sender address.
    pub from: Option<String>,
    /// With mail: its subject.
    pub subject: Option<String>,
    /// How long `condition` is waited for, in seconds.
    pub expiry_seconds: u32,
    /// What ends the workflow with this step; nothing is waited for without one.
    pub condition: Option<Condition>,
    /// A text of this step's own.
    pub template: Option<String>,
    /// With WhatsApp through a carrier: the approved template that carries the code in place of a text.
    pub provider_template: Option<String>,
    /// Most characters that the carrier takes, where it sets a limit below that of every text.
    pub max_characters: Option<usize>,
}

impl StepConfig {
    /// A step of the first sender, with what is usual.
    pub fn new(channel: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            sender: 0,
            from: None,
            subject: None,
            expiry_seconds: 120,
            condition: None,
            template: None,
            provider_template: None,
            max_characters: None,
        }
    }
}
