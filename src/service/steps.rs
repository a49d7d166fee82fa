//! The steps of a delivery: beginning one, waiting for what it is to do, claiming it.

use super::Core;
use super::plan::Steps;
use crate::clock::Time;
use crate::record::{Delivery, DeliveryState, FirstAnswer, Record, Via};
use crate::workflow;

/// How much longer than a request a claim lasts, in milliseconds, so that hardly any is under way when it ends. Of two
/// owners all the same, one lets go of it.
const CLAIM_MARGIN_MS: u64 = 1_000;

impl Core {
    /// Begins a delivery with its first step; what the host delivers itself counts as accepted.
    pub(super) fn begin_delivery(&self, record: &mut Record, steps: &Steps, now: Time) {
        let via = self.config.sender;
        record.begin_delivery(Delivery::new(via));
        self.begin_next(record, steps, now);
        if let (Via::None, Some(step)) = (via, record.delivery.steps.last_mut()) {
            step.status = DeliveryState::Accepted;
            record.keep_answer(FirstAnswer::Sent);
        }
    }

    /// Begins the next step for which there is an address, if there is one.
    pub(super) fn begin_next(&self, record: &mut Record, steps: &Steps, now: Time) -> bool {
        let begun = workflow::begin_next(record, steps, now);
        if begun {
            self.wait(record, steps, now);
        }
        begun
    }

    /// Sets the time at which the workflow goes on if the newest step's condition has not come, where the library runs it.
    pub(super) fn wait(&self, record: &mut Record, steps: &Steps, now: Time) {
        if self.config.sender == Via::Messages {
            workflow::wait(record, steps, now);
        }
    }

    /// Claims the newest step for as long as a request may take.
    pub(super) fn claim_step(&self, record: &mut Record, now: Time) {
        workflow::claim(record, now, now.plus(self.config.timeout_ms + CLAIM_MARGIN_MS));
    }
}
