//! Telling how a code and its delivery stand.

use super::replies::delivery_reply;
use super::{Core, DURABLE, Service, rows};
use crate::clock::Time;
use crate::error::Result;
use crate::metrics::Call;
use crate::outcome::Outcome;
use crate::policy::Standing;
use crate::record::{CodeState, Record};
use crate::reply::{DeliveryState, Status, StatusReply, StepReply};
use crate::repository::transact;
use crate::{webhook, workflow};

impl Service {
    /// Tells the state of a token's code and of its delivery.
    ///
    /// # Errors
    ///
    /// `Argument`, `Store`, `Busy`.
    pub fn status(&self, token: &str) -> Result<StatusReply> {
        self.call(Call::Status, || {
            let row = self.core.row(token)?;
            let moment = self.hooks.moment();
            let answer = transact(&*self.core.repository, DURABLE, move |transaction| {
                let now = transaction.time(&moment);
                let Some(before) = rows::record(transaction, &row, now)? else { return Ok(None) };
                let standing = rows::settled_failures(transaction, &before.code.subject, now)?.standing(now);
                let mut record = before.clone();
                record.settle(now);
                // A code that was once expired must stay so.
                rows::put_record(transaction, &row, &before, record.clone(), now);
                Ok(Some((record, standing)))
            });
            let reply = answer.map(|found| match found {
                Some((record, standing)) => {
                    StatusReply { outcome: Outcome::Ok, status: Some(self.core.status(token, &record, standing)) }
                }
                None => StatusReply { outcome: Outcome::Unknown, status: None },
            });
            self.logged("status", Some(&row), reply)
        })
    }
}

impl Core {
    fn status(&self, token: &str, record: &Record, standing: Standing) -> Status {
        let check_date = match record.code.state {
            CodeState::Used(at) => Some(at.to_string()),
            _ => None,
        };
        let mut delivery = delivery_reply(record);
        delivery.steps = Some(self.steps(record));
        Status {
            token: token.to_owned(),
            state: record.state(standing),
            creation_date: record.code.created.to_string(),
            expiry_date: record.code.expires.to_string(),
            is_checked: check_date.is_some(),
            check_date,
            attempts_left: record.attempts_left(),
            delivery,
        }
    }

    /// The steps begun or passed over, and after them those that were called off.
    fn steps(&self, record: &Record) -> Vec<StepReply> {
        let begun = record.delivery.steps.iter().map(|step| StepReply {
            channel: step.channel.clone(),
            sender: step.sender.clone(),
            message_uuid: step.message_uuid.clone(),
            status: step.status,
            at: step.at.to_string(),
            error: step.error.clone(),
        });
        let called_off = self.called_off(record).into_iter().flat_map(|at| {
            let steps = self.config.workflow.iter().skip(record.delivery.steps.len());
            steps.map(move |step| StepReply {
                channel: step.channel.clone(),
                sender: self.sender_name(step),
                message_uuid: None,
                status: DeliveryState::Stopped,
                at: at.to_string(),
                error: None,
            })
        });
        begun.chain(called_off).collect()
    }

    /// Since when the steps that the library did not begin never will be, if so.
    fn called_off(&self, record: &Record) -> Option<Time> {
        let newest = record.delivery.steps.len().checked_sub(1).and_then(|at| self.config.workflow.get(at));
        let condition = newest.filter(|_| !record.delivery.via.delivers_alone())?.condition?;
        workflow::called_off(record, |state| webhook::reached(state, condition))
    }
}
