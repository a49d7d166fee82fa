//! Sending a code again: from the first step, from one that is asked for, or, where the host delivers, from the one
//! after a message that did not leave.

use std::sync::Arc;

use super::create::Decision;
use super::plan::{Job, Occasion, Steps};
use super::replies::{limited_reply, locked_reply};
use super::sends::Allowance;
use super::steps::Means;
use super::ways::Ways;
use super::{Core, DURABLE, Service, rows};
use crate::block::RowKey;
use crate::clock::Time;
use crate::envelope::Envelope;
use crate::error::{Error, Result};
use crate::metrics::Call;
use crate::outcome::Outcome;
use crate::record::{Record, Via};
use crate::reply::{CreateReply, DeliveryState, SendFailure};
use crate::repository::{Transaction, transact};

/// What is sent again.
struct Resend<'a> {
    token: &'a str,
    row: RowKey,
    /// From which step on, if the caller asked for one.
    first: Option<usize>,
}

/// What becomes of a record that a call may not send again.
enum Asked {
    /// It may: the record before, and settled.
    Open(Box<(Record, Record)>),
    /// The answer.
    Answered(Box<CreateReply>),
}

impl Service {
    /// Sends the token's code again: the same code, within its lifetime, counted against the limits.
    ///
    /// # Errors
    ///
    /// As for [`Service::create`].
    pub fn resend(&self, token: &str) -> Result<CreateReply> {
        self.resend_from(token, None)
    }

    /// As [`Service::resend`], but from the first step with this channel on: "send it by SMS instead".
    ///
    /// # Errors
    ///
    /// As for [`Service::create`]; `Argument`, with nothing counted, where no step has this channel, the create brought
    /// no address for it, or its `channels` leave it out.
    pub fn resend_channel(&self, token: &str, channel: &str) -> Result<CreateReply> {
        self.resend_from(token, Some(channel))
    }

    fn resend_from(&self, token: &str, channel: Option<&str>) -> Result<CreateReply> {
        self.call(Call::Resend, || {
            let row = self.core.row(token)?;
            let answer = self.core.first_step(channel).and_then(|first| {
                let ways = self.ways()?;
                let (core, moment) = (self.core.clone(), self.hooks.moment());
                let name = token.to_owned();
                let decision = transact(&*self.core.repository, DURABLE, move |transaction| {
                    let now = transaction.time(&moment);
                    core.begin_resend(transaction, Resend { token: &name, row, first }, now)
                })?;
                Ok(self.finish(decision, &ways)?)
            });
            self.logged("resend", Some(&row), answer)
        })
    }

    /// Where the host delivers (sender `none`): says that the message which was handed over last certainly did not
    /// leave, and hands over that of the next step for which there is an address, if there is one. That counts as every
    /// message does, and the limits hold, without the cool-down: a step that they do not allow is skipped.
    ///
    /// # Errors
    ///
    /// `Unsupported` with another sender; `Argument` where no message was handed over; as for [`Service::create`].
    /// [`Outcome::Send`] says that no step is left: the code stays good until it is cancelled.
    pub fn not_sent(&self, token: &str) -> Result<CreateReply> {
        self.call(Call::NotSent, || {
            let row = self.core.row(token)?;
            let answer = self.go_on_handing_over(token, row);
            self.logged("not_sent", Some(&row), answer)
        })
    }

    fn go_on_handing_over(&self, token: &str, row: RowKey) -> Result<CreateReply> {
        if !self.hands_over() {
            return Err(Error::unsupported("not_sent: only with sender none"));
        }
        let (core, moment) = (self.core.clone(), self.hooks.moment());
        let name = token.to_owned();
        let decision = transact(&*self.core.repository, DURABLE, move |transaction| {
            let now = transaction.time(&moment);
            core.begin_after_failure(transaction, &name, row, now)
        })?;
        Ok(self.finish(decision, &self.ways_at_hand())?)
    }
}

impl Core {
    /// The first step with this channel, if one is asked for.
    fn first_step(&self, channel: Option<&str>) -> Result<Option<usize>> {
        let Some(channel) = channel else { return Ok(None) };
        let place = self.config.workflow.iter().position(|step| step.channel == channel);
        place.map(Some).ok_or_else(|| Error::argument("channel: no step of the workflow has it"))
    }

    fn begin_resend(&self, transaction: &mut dyn Transaction, resend: Resend<'_>, now: Time) -> Result<Decision> {
        let Resend { token, row, first } = resend;
        let (before, mut record) = match self.ask(transaction, &row, now)? {
            Asked::Open(records) => *records,
            Asked::Answered(reply) => return Ok(Decision::Answered(reply)),
        };
        let (envelope, steps) = self.plan_stored(Some(token), &row, &record, first.unwrap_or(0), now)?;
        let asked = first.map(|first| steps.get(first).and_then(|step| step.message.as_ref()));
        if asked.is_some_and(|message| message.is_none()) {
            return Err(Error::argument("channel: the create has no address for it, or leaves it out"));
        }
        if !self.allows(&envelope.addresses) {
            return Decision::answered(CreateReply::new(Outcome::Refused));
        }
        let sends = match self.may_send_first(transaction, &steps, now)? {
            Allowance::Granted(sends) => sends,
            Allowance::Wait(wait_ms) => return Decision::answered(limited_reply(wait_ms)),
        };
        self.begin_delivery(&mut record, &steps, now)?;
        record.see(now);
        rows::put_record(transaction, &row, &before, record.clone(), now);
        self.count_sends(transaction, sends, now);
        Ok(again(row, record, (envelope, steps), now))
    }

    /// Whether the token's code may be sent again.
    fn ask(&self, transaction: &mut dyn Transaction, row: &RowKey, now: Time) -> Result<Asked> {
        let Some(before) = rows::record(transaction, row, now)? else {
            return Ok(Asked::Answered(Box::new(CreateReply::new(Outcome::Unknown))));
        };
        let mut record = before.clone();
        record.settle(now);
        let standing = rows::settled_failures(transaction, &record.code.subject, now)?.standing(now);
        let locked = record.locked(standing);
        Ok(match record.resendable(standing) {
            Outcome::Ok => Asked::Open(Box::new((before, record))),
            outcome => {
                rows::put_record(transaction, row, &before, record, now);
                Asked::Answered(Box::new(match locked.filter(|_| outcome == Outcome::Locked) {
                    Some(locked) => locked_reply(locked, standing),
                    None => CreateReply::new(outcome),
                }))
            }
        })
    }

    /// Marks the message that was handed over as failed, and begins the step after it, if there is one.
    fn begin_after_failure(
        &self,
        transaction: &mut dyn Transaction,
        token: &str,
        row: RowKey,
        now: Time,
    ) -> Result<Decision> {
        let (before, mut record) = match self.ask(transaction, &row, now)? {
            Asked::Open(records) => *records,
            Asked::Answered(reply) => return Ok(Decision::Answered(reply)),
        };
        let next = record.delivery.steps.len();
        let handed_over = record.delivery.steps.last_mut().filter(|step| step.status == DeliveryState::Accepted);
        let Some(step) = handed_over.filter(|_| record.delivery.via == Via::None) else {
            return Err(Error::argument("token: no message of it was handed over that could have failed"));
        };
        (step.status, step.at) = (DeliveryState::Failed, now);
        let planned = match next < self.config.workflow.len() {
            true => Some(self.plan_stored(Some(token), &row, &record, next, now)?),
            false => None,
        };
        let begins = match &planned {
            Some((_, steps)) => {
                self.begin_next(transaction, &mut record, &Means { steps, ways: &Ways::default() }, now)?
            }
            None => false,
        };
        let planned = planned.filter(|_| begins);
        if let (Some(_), Some(step)) = (&planned, record.delivery.steps.last_mut()) {
            step.status = DeliveryState::Accepted;
        }
        rows::put_record(transaction, &row, &before, record.clone(), now);
        match planned {
            Some(planned) => Ok(again(row, record, planned, now)),
            None => {
                let mut reply = self.sent_reply(Outcome::Send, &record, now);
                let detail = "the message was not sent, and no step is left".to_owned();
                reply.failure = Some(SendFailure { detail, ..SendFailure::default() });
                Decision::answered(reply)
            }
        }
    }
}

/// To deliver a code once more, by what was planned for it.
fn again(row: RowKey, record: Record, (envelope, steps): (Envelope, Arc<Steps>), now: Time) -> Decision {
    let job = Job { row, record, locale: envelope.locale, steps, now, occasion: Occasion::Again };
    Decision::Deliver(Box::new(job))
}
