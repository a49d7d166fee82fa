//! How a step's message leaves by the carrier.

use std::time::Instant;

use super::Core;
use super::plan::Job;
use crate::error::{Error, Result};
use crate::record::Via;
use crate::sender::vonage::{Carrier, Leg};
use crate::sender::{Answer, Message};
use crate::step::StepConfig;
use crate::workflow::PlannedStep;

impl Core {
    /// Sends the message by the carrier: with Dispatch together with all that may follow it.
    /// `may_leave` is asked right before the message leaves.
    pub(super) fn send_by_carrier(
        &self,
        carrier: &Carrier,
        job: &Job,
        deadline: Instant,
        may_leave: &mut dyn FnMut() -> bool,
    ) -> Result<Answer> {
        let mut legs = job.steps.iter().zip(&self.config.workflow).map(|(step, configured)| leg(job, step, configured));
        if self.config.sender == Via::Dispatch {
            return Ok(carrier.dispatch(&legs.flatten().collect::<Vec<_>>(), job.now, deadline));
        }
        let leg =
            legs.nth(job.at()).flatten().ok_or_else(|| Error::internal("a step that was begun has no message"))?;
        let client_ref = self.client_ref(&job.row, job.record.deliveries, job.at());
        Ok(carrier.message(&leg, &client_ref, job.now, deadline, may_leave))
    }
}

/// A step as the carrier takes it, if there is an address for it.
fn leg<'a>(job: &'a Job, step: &'a PlannedStep<Message>, configured: &'a StepConfig) -> Option<Leg<'a>> {
    let message = step.message.as_ref()?;
    Some(Leg {
        channel: &message.channel,
        from: &message.from,
        to: &message.to,
        text: &message.text,
        code: &message.code,
        locale: job.locale.as_deref(),
        template: configured.provider_template.as_deref(),
        expiry_seconds: configured.expiry_seconds,
        condition: configured.condition,
    })
}
