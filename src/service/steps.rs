//! The steps of a delivery: beginning one, waiting for what it is to do, claiming it.

use super::Core;
use super::plan::Steps;
use super::sends::Allowance;
use super::ways::Ways;
use crate::clock::Time;
use crate::error::Result;
use crate::policy::Turn;
use crate::record::{Delivery, DeliveryState, FirstAnswer, Record, Via};
use crate::repository::Transaction;
use crate::workflow;

/// How much longer than a request a claim lasts, in milliseconds, so that hardly any is under way when it ends. Of two
/// owners all the same, one lets go of it.
const CLAIM_MARGIN_MS: u64 = 1_000;

/// By what steps are sent.
pub struct Means<'a> {
    /// All of them.
    pub steps: &'a Steps,
    /// Who sends.
    pub ways: &'a Ways,
}

impl Core {
    /// Begins a delivery with its first step, which is counted already; what the host delivers itself counts as
    /// accepted.
    pub(super) fn begin_delivery(&self, record: &mut Record, steps: &Steps, now: Time) -> Result<()> {
        record.begin_delivery(Delivery::new(Via::None));
        if workflow::begin_next(record, steps, now, |_| Ok(true))? {
            self.wait(record, steps, now);
        }
        if let (Via::None, Some(step)) = (record.delivery.via, record.delivery.steps.last_mut()) {
            step.status = DeliveryState::Accepted;
            record.keep_answer(FirstAnswer::Sent);
        }
        Ok(())
    }

    /// Begins the next step for which there is an address and that the limits allow, if there is one, and counts it.
    ///
    /// # Errors
    ///
    /// Of the row alone where the step is for a function of the host's that is not set: others may have it. Then nothing was
    /// counted, and the record is as it was.
    pub(super) fn begin_next(
        &self,
        transaction: &mut dyn Transaction,
        record: &mut Record,
        means: &Means<'_>,
        now: Time,
    ) -> Result<bool> {
        let Means { steps, ways } = *means;
        let mut counted = Vec::new();
        let begun = workflow::begin_next(record, steps, now, |step| {
            ways.check(step)?;
            let allowance = self.may_send(transaction, step, Turn::Later, now)?;
            let Allowance::Granted(sends) = allowance else { return Ok(false) };
            counted = sends;
            Ok(true)
        })?;
        if begun {
            self.count_sends(transaction, counted, now);
            self.wait(record, steps, now);
        }
        Ok(begun)
    }

    /// Sets the time at which the workflow goes on if the newest step's condition has not come, where the library runs it.
    pub(super) fn wait(&self, record: &mut Record, steps: &Steps, now: Time) {
        if self.config.is_timed() {
            workflow::wait(record, steps, now);
        }
    }

    /// Claims the newest step for as long as its request may take.
    pub(super) fn claim_step(&self, record: &mut Record, now: Time) {
        let newest = record.delivery.steps.len().checked_sub(1).and_then(|at| self.config.workflow.get(at));
        let timeout_ms = newest.map_or(0, |step| self.config.timeout_ms(step));
        workflow::claim(record, now, now.plus(timeout_ms + CLAIM_MARGIN_MS));
    }

    /// Goes on with a record. What cannot be begun here, since it is another tenant's or for a function that is not set,
    /// is left to others, and due at once.
    pub(super) fn leave_due<T: Default>(
        &self,
        record: &mut Record,
        now: Time,
        go_on: impl FnOnce(&mut Record) -> Result<T>,
    ) -> Result<T> {
        let before = record.delivery.clone();
        let gone_on = go_on(record);
        match gone_on {
            Err(error) if error.is_of_one_row() => {
                record.delivery = Delivery { due: Some(now), ..before };
                Ok(T::default())
            }
            gone_on => gone_on,
        }
    }
}
