//! Delivering a code that is stored: one step after the other until one is taken, and then the outcome.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Core, RELAXED, Service, rows};
use crate::block::Block;
use crate::clock::Time;
use crate::envelope::Envelope;
use crate::error::{Error, Result};
use crate::hooks::Level;
use crate::outcome::Outcome;
use crate::record::{Meanwhile, Record, Step, Ticket};
use crate::reply::{CreateReply, DeliveryState, SendFailure};
use crate::repository::transact;
use crate::sender::{Message, Sender, Sent};

/// A step of the workflow for which there is an address.
pub struct PlannedStep {
    /// Its place in the configured workflow.
    pub index: usize,
    /// Its channel.
    pub channel: String,
    /// Where it goes; empty when the host needs no address.
    pub to: Zeroizing<String>,
}

/// A code to deliver, as it was committed.
pub struct Job {
    /// The token.
    pub token: String,
    /// Its row.
    pub row: Block,
    /// Its record.
    pub record: Record,
    /// What is sealed in it.
    pub envelope: Envelope,
    /// The code.
    pub code: Zeroizing<String>,
    /// The steps that can be taken.
    pub steps: Vec<PlannedStep>,
    /// The time of the commit.
    pub now: Time,
}

impl Service {
    /// Delivers and answers. `again` says that the code was delivered before, so that it stays good whatever happens.
    pub(super) fn deliver(&self, job: Job, again: bool) -> Result<CreateReply> {
        let Some(sender) = self.sender()? else { return self.hand_over(&job) };
        let ticket = job.record.ticket();
        let begun = Instant::now();
        let patience = Duration::from_millis(self.core.config.timeout_ms);
        let mut taken = Vec::new();
        for step in &job.steps {
            if !taken.is_empty() {
                // Between two steps somebody may have called it off.
                let (meanwhile, record) = self.store(&job, &ticket, &taken, Some(step), false)?;
                if let Some(reply) = self.called_off(meanwhile, &record.unwrap_or_else(|| job.record.clone()), job.now)
                {
                    return Ok(reply);
                }
            }
            let sent = self.send(&*sender, &job, step)?;
            taken.push(Step {
                channel: step.channel.clone(),
                status: status_of(sent),
                at: self.hooks.time(),
                message_uuid: None,
                error: None,
            });
            if sent != Sent::NotSent || begun.elapsed() >= patience {
                break;
            }
        }
        self.conclude(&job, &ticket, &taken, again)
    }

    /// The answer with the message in it, for the host to deliver.
    fn hand_over(&self, job: &Job) -> Result<CreateReply> {
        let mut reply = self.core.sent_reply(Outcome::Ok, &job.record, job.now);
        let message = self.core.message(&job.token, &job.envelope, &job.steps, &job.code, &job.record, job.now)?;
        reply.message = Some(message);
        Ok(reply)
    }

    fn send(&self, sender: &dyn Sender, job: &Job, step: &PlannedStep) -> Result<Sent> {
        let steps = std::slice::from_ref(step);
        let mut message = self.core.message(&job.token, &job.envelope, steps, &job.code, &job.record, job.now)?;
        message.expires_in_seconds = Some(job.record.code.expires.since(job.now) / 1000);
        let sent = sender.send(&message);
        let (level, outcome) = match sent {
            Sent::Sent => (Level::Info, Outcome::Ok),
            Sent::NotSent => (Level::Error, Outcome::Send),
            Sent::InDoubt => (Level::Error, Outcome::InDoubt),
        };
        self.hooks.log(level, "send", outcome, Some(&step.channel), Some(&job.row));
        Ok(sent)
    }

    /// Writes down how the steps went, unless the delivery was called off; with `next`, a further one that begins.
    fn store(
        &self,
        job: &Job,
        ticket: &Ticket,
        taken: &[Step],
        next: Option<&PlannedStep>,
        give_up: bool,
    ) -> Result<(Meanwhile, Option<Record>)> {
        let (row, ticket, moment) = (job.row, *ticket, self.hooks.moment());
        let (mut steps, next) = (taken.to_vec(), next.map(|step| step.channel.clone()));
        transact(&*self.core.repository, RELAXED, move |transaction| {
            let now = moment.now();
            let Some(before) = rows::record(transaction, &row, now)? else { return Ok((Meanwhile::Gone, None)) };
            let meanwhile = before.meanwhile(&ticket);
            let mut record = before.clone();
            if matches!(meanwhile, Meanwhile::Current | Meanwhile::Used) {
                if let Some(channel) = next.filter(|_| meanwhile == Meanwhile::Current) {
                    steps.push(Step {
                        channel,
                        status: DeliveryState::Sending,
                        at: now,
                        message_uuid: None,
                        error: None,
                    });
                }
                record.delivery.steps = steps;
                if give_up && meanwhile == Meanwhile::Current {
                    record.give_up();
                }
                rows::put_record(transaction, &row, &before, record.clone(), now);
            }
            Ok((meanwhile, Some(record)))
        })
    }

    /// The answer when a delivery does not go on.
    fn called_off(&self, meanwhile: Meanwhile, record: &Record, now: Time) -> Option<CreateReply> {
        match meanwhile {
            Meanwhile::Current | Meanwhile::Superseded => None,
            Meanwhile::Used => Some(self.core.sent_reply(Outcome::Ok, record, now)),
            Meanwhile::Gone => Some(CreateReply::new(Outcome::Cancelled)),
        }
    }

    /// Stores the outcome and answers. What may have been sent is never called a failure.
    fn conclude(&self, job: &Job, ticket: &Ticket, taken: &[Step], again: bool) -> Result<CreateReply> {
        let failed = taken.last().is_none_or(|step| step.status == DeliveryState::Failed);
        let stored = self.store(job, ticket, taken, None, failed && !again);
        let (record, detail) = match stored {
            Ok((meanwhile, record)) => {
                let record = record.unwrap_or_else(|| job.record.clone());
                if let Some(reply) = self.called_off(meanwhile, &record, job.now) {
                    return Ok(reply);
                }
                (record, None)
            }
            Err(error) if failed => return Err(error),
            Err(error) => (job.record.clone(), Some(format!("the outcome could not be stored: {error}"))),
        };
        let in_doubt = taken.last().is_some_and(|step| step.status == DeliveryState::InDoubt);
        let (outcome, detail) = match (failed, detail) {
            (true, _) => (Outcome::Send, Some("the message was not sent by any step".to_owned())),
            (false, Some(detail)) => (Outcome::InDoubt, Some(detail)),
            (false, None) if in_doubt => {
                (Outcome::InDoubt, Some("the message may have been sent: the sender does not know".to_owned()))
            }
            (false, None) => (Outcome::Ok, None),
        };
        let mut reply = self.core.sent_reply(outcome, &record, job.now);
        reply.failure = detail.map(|detail| SendFailure { detail, ..SendFailure::default() });
        Ok(reply)
    }
}

impl Core {
    /// The message of the first of these steps.
    pub(super) fn message(
        &self,
        token: &str,
        envelope: &Envelope,
        steps: &[PlannedStep],
        code: &Zeroizing<String>,
        record: &Record,
        now: Time,
    ) -> Result<Message> {
        let step = steps.first().ok_or_else(|| Error::internal("a delivery has no step"))?;
        let rendered = self.render(envelope, step, code, record.code.expires.since(record.time(now)))?;
        let from = self.config.workflow.get(step.index).and_then(|configured| configured.from.clone());
        Ok(Message {
            token: token.to_owned(),
            channel: step.channel.clone(),
            to: step.to.clone(),
            from: from.unwrap_or_default(),
            text: rendered.text,
            code: code.clone(),
            expires_in_seconds: None,
            locale: rendered.locale,
        })
    }
}

fn status_of(sent: Sent) -> DeliveryState {
    match sent {
        Sent::Sent => DeliveryState::Accepted,
        Sent::NotSent => DeliveryState::Failed,
        Sent::InDoubt => DeliveryState::InDoubt,
    }
}
