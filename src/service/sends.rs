//! Counting messages: a step counts in the transaction in which it begins, on its recipient.

use super::plan::{Planned, Steps};
use super::{Core, rows};
use crate::block::Recipient;
use crate::clock::Time;
use crate::error::Result;
use crate::policy::{Sends, Turn};
use crate::repository::Transaction;

/// What a message adds to.
pub type Counted = Vec<(Recipient, Sends)>;

/// Whether a message may be sent.
pub enum Allowance {
    /// It may, and is then to be counted here.
    Granted(Counted),
    /// Not for so many milliseconds.
    Wait(u64),
}

impl Core {
    /// Whether the message of a step may be sent now.
    pub(super) fn may_send(
        &self,
        transaction: &mut dyn Transaction,
        step: &Planned,
        turn: Turn,
        now: Time,
    ) -> Result<Allowance> {
        let (mut counted, mut wait) = (Vec::with_capacity(step.counts.len()), None);
        for (recipient, channel) in &step.counts {
            let sends = rows::settled_sends(transaction, recipient, now)?;
            wait = wait.max(self.config.policy.send_wait_ms(channel.as_deref(), turn, &sends, now));
            counted.push((*recipient, sends));
        }
        Ok(wait.map_or(Allowance::Granted(counted), Allowance::Wait))
    }

    /// The same of the first step that has a message.
    pub(super) fn may_send_first(
        &self,
        transaction: &mut dyn Transaction,
        steps: &Steps,
        now: Time,
    ) -> Result<Allowance> {
        match steps.iter().find(|step| step.message.is_some()) {
            Some(step) => self.may_send(transaction, step, Turn::First, now),
            None => Ok(Allowance::Granted(Vec::new())),
        }
    }

    /// Counts a message.
    pub(super) fn count_sends(&self, transaction: &mut dyn Transaction, counted: Counted, now: Time) {
        rows::count_sends(transaction, counted, now, self.config.policy.sends_kept());
    }
}
