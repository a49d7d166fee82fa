//! Delivering a code that is stored: one step after the other until one is taken, and what came of each.
//!
//! A step is begun in the transaction before its message is sent, and its outcome is stored in the one after. In
//! between anything may happen to the code, which is looked at again then.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Core, DURABLE, RELAXED, Service, rows};
use crate::block::Block;
use crate::clock::Time;
use crate::envelope::Envelope;
use crate::error::{Error, Result};
use crate::hooks::Level;
use crate::outcome::Outcome;
use crate::record::{Meanwhile, Record, Ticket, Via};
use crate::reply::{CreateReply, DeliveryState, SendFailure};
use crate::repository::{Row, Transaction, transact};
use crate::sender::{Answer, Message};
use crate::workflow::{self, Reference};

/// Most bytes of an error that a step keeps.
const STEP_ERROR_BYTES: usize = 120;

/// A step of the workflow for which there is an address.
#[derive(Clone)]
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
    /// The token; empty where the library itself goes on with a workflow.
    pub token: String,
    /// Its row.
    pub row: Block,
    /// Its record.
    pub record: Record,
    /// What is sealed in it.
    pub envelope: Envelope,
    /// The code.
    pub code: Zeroizing<String>,
    /// All steps that can be taken.
    pub steps: Vec<PlannedStep>,
    /// The one that was begun.
    pub at: usize,
    /// The time of the commit.
    pub now: Time,
}

/// What is to be stored about a step, and may be run on another thread.
struct Outcomes {
    row: Block,
    ticket: Ticket,
    at: usize,
    status: DeliveryState,
    uuid: Option<String>,
    error: Option<String>,
    /// Whether a further step may begin, and the steps.
    further: Option<Vec<PlannedStep>>,
    /// Whether the code is given up when there is none.
    give_up: bool,
}

impl Service {
    /// Delivers and answers. `again` says that the code was delivered before, so that it stays good whatever happens.
    pub(super) fn deliver(&self, mut job: Job, again: bool) -> Result<CreateReply> {
        if self.core.config.sender == Via::None {
            return self.hand_over(&job);
        }
        let deadline = Instant::now() + Duration::from_millis(self.core.config.timeout_ms);
        loop {
            let answer = self.send(&job, deadline)?;
            let in_time = Instant::now() < deadline;
            let stored = self.store(&job, &answer, again, in_time);
            let (meanwhile, record) = match (stored, &answer) {
                (Ok(stored), _) => stored,
                (Err(error), Answer::NotTaken(_) | Answer::Refused(_)) => return Err(error),
                (Err(error), _) => return Ok(self.not_stored(&job, &error)),
            };
            let Some(record) = record.filter(|_| meanwhile != Meanwhile::Gone) else {
                return Ok(CreateReply::new(Outcome::Cancelled));
            };
            let begun = record.delivery.steps.len();
            if meanwhile == Meanwhile::Current && begun > job.at + 1 && !matches!(answer, Answer::Accepted { .. }) {
                job = Job { at: begun - 1, record, ..job };
                continue;
            }
            return Ok(self.sent(meanwhile, answer, &record, job.now));
        }
    }

    /// The answer with the message in it, for the host to deliver.
    fn hand_over(&self, job: &Job) -> Result<CreateReply> {
        let mut reply = self.core.sent_reply(Outcome::Ok, &job.record, job.now);
        reply.message = Some(self.core.message(job, job.at)?);
        Ok(reply)
    }

    /// Sends the step that was begun. Nothing is locked meanwhile.
    fn send(&self, job: &Job, deadline: Instant) -> Result<Answer> {
        let mut message = self.core.message(job, job.at)?;
        message.expires_in_seconds = Some(job.record.code.expires.since(job.now) / 1000);
        let answer = match (self.core.config.sender, self.sender()?) {
            (_, Some(sender)) => sender.send(&message).into(),
            (_, None) => self.core.send_by_carrier(job, &message, deadline)?,
        };
        let (level, outcome) = match &answer {
            Answer::Accepted { .. } => (Level::Info, Outcome::Ok),
            Answer::NotTaken(_) => (Level::Error, Outcome::Send),
            Answer::Refused(_) => (Level::Warning, Outcome::Refused),
            Answer::InDoubt(_) => (Level::Error, Outcome::InDoubt),
        };
        self.hooks.log(level, "send", outcome, Some(&message.channel), Some(&job.row));
        Ok(answer)
    }

    /// Stores what came of a step, and begins the next one where this one certainly failed.
    fn store(&self, job: &Job, answer: &Answer, again: bool, in_time: bool) -> Result<(Meanwhile, Option<Record>)> {
        let (status, uuid, failure) = match answer {
            Answer::Accepted { uuid } => (DeliveryState::Accepted, uuid.clone(), None),
            Answer::NotTaken(failure) | Answer::Refused(failure) => (DeliveryState::Failed, None, Some(failure)),
            Answer::InDoubt(failure) => (DeliveryState::InDoubt, None, Some(failure)),
        };
        let failed = status == DeliveryState::Failed;
        let outcomes = Outcomes {
            row: job.row,
            ticket: job.record.ticket(),
            at: job.at,
            status,
            uuid,
            error: failure.map(short_error),
            further: (failed && in_time).then(|| job.steps.clone()),
            give_up: failed && !again,
        };
        let begins = outcomes.further.is_some() && job.steps.len() > job.at + 1;
        let (core, moment) = (self.core.clone(), self.hooks.moment());
        // A step that begins must not be forgotten: it would begin a second time.
        transact(&*self.core.repository, if begins { DURABLE } else { RELAXED }, move |transaction| {
            core.store(transaction, outcomes, moment.now())
        })
    }

    /// The answer about a message that may be on its way, and of which nothing could be written down.
    fn not_stored(&self, job: &Job, error: &Error) -> CreateReply {
        let mut reply = self.core.sent_reply(Outcome::InDoubt, &job.record, job.now);
        let detail = format!("the outcome could not be stored: {error}");
        reply.failure = Some(SendFailure { detail, ..SendFailure::default() });
        reply
    }

    fn sent(&self, meanwhile: Meanwhile, answer: Answer, record: &Record, now: Time) -> CreateReply {
        let (outcome, failure) = match answer {
            _ if meanwhile == Meanwhile::Used => (Outcome::Ok, None),
            Answer::Accepted { .. } => (Outcome::Ok, None),
            Answer::NotTaken(failure) => (Outcome::Send, Some(failure)),
            Answer::Refused(failure) => (Outcome::Refused, Some(failure)),
            Answer::InDoubt(failure) => (Outcome::InDoubt, Some(failure)),
        };
        let mut reply = self.core.sent_reply(outcome, record, now);
        reply.failure = failure;
        reply
    }
}

impl Core {
    fn store(
        &self,
        transaction: &mut dyn Transaction,
        outcomes: Outcomes,
        now: Time,
    ) -> Result<(Meanwhile, Option<Record>)> {
        let Some(before) = rows::record(transaction, &outcomes.row, now)? else { return Ok((Meanwhile::Gone, None)) };
        let meanwhile = before.meanwhile(&outcomes.ticket);
        if !matches!(meanwhile, Meanwhile::Current | Meanwhile::Used) {
            return Ok((meanwhile, Some(before)));
        }
        let mut record = before.clone();
        record.settle(now);
        let dispatched = record.delivery.via == Via::Dispatch;
        if let Some(uuid) = &outcomes.uuid {
            let step = (!dispatched).then_some(outcomes.at as u8);
            let (delivery, until) = (record.deliveries, record.kept_until());
            let reference = Reference { record: outcomes.row, delivery, step, until };
            transaction.put(&self.reference(uuid), Row::Reference(reference));
            if dispatched {
                record.delivery.dispatch_uuid = Some(uuid.clone());
            }
        }
        if let Some(step) = record.delivery.steps.get_mut(outcomes.at) {
            // A report may have overtaken the answer, and knows more.
            if step.status == DeliveryState::Sending {
                step.status = outcomes.status;
                step.at = now;
            }
            step.error = outcomes.error.or(step.error.take());
            step.message_uuid = outcomes.uuid.filter(|_| !dispatched).or(step.message_uuid.take());
        }
        let goes_on = workflow::may_go_on(&record, record.deliveries, outcomes.at);
        let begun = goes_on && outcomes.further.is_some_and(|steps| self.begin_next(&mut record, &steps, now));
        if outcomes.give_up && !begun && meanwhile == Meanwhile::Current {
            record.give_up();
        }
        rows::put_record(transaction, &outcomes.row, &before, record.clone(), now);
        Ok((meanwhile, Some(record)))
    }

    /// Where it is kept what an identifier of the provider stands for.
    pub(super) fn reference(&self, uuid: &str) -> Block {
        self.keys.index("reference", &self.config.namespace, uuid)
    }

    /// The message of one of the steps.
    pub(super) fn message(&self, job: &Job, at: usize) -> Result<Message> {
        let step = job.steps.get(at).ok_or_else(|| Error::internal("a delivery has no step"))?;
        let left_ms = job.record.code.expires.since(job.record.time(job.now));
        let rendered = self.render(&job.envelope, step, &job.code, left_ms)?;
        let from = self.config.workflow.get(step.index).and_then(|configured| configured.from.clone());
        Ok(Message {
            token: job.token.clone(),
            channel: step.channel.clone(),
            to: step.to.clone(),
            from: from.unwrap_or_default(),
            text: rendered.text,
            code: job.code.clone(),
            expires_in_seconds: None,
            locale: rendered.locale,
        })
    }
}

fn short_error(failure: &SendFailure) -> String {
    let mut error = failure.detail.clone();
    error.truncate(error.floor_char_boundary(STEP_ERROR_BYTES));
    error
}
