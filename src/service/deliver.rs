//! Delivering a code that is stored: one step after the other until one is taken, and what came of each.
//!
//! A step is begun in the transaction before its message is sent, and its outcome is stored in the one after. In
//! between anything may happen to the code, which is looked at again then. A step that nobody waits for is claimed
//! first, and looked at once more right before its message leaves.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Core, DURABLE, RELAXED, Service, rows};
use crate::block::Block;
use crate::clock::Time;
use crate::envelope::Envelope;
use crate::error::{Error, Result};
use crate::hooks::{About, Level};
use crate::outcome::Outcome;
use crate::record::{Meanwhile, Record, Ticket, Via};
use crate::reply::{CreateReply, DeliveryState, SendFailure};
use crate::repository::{Row, Transaction, transact};
use crate::sender::{Answer, Message};
use crate::workflow::{self, Reference};

/// How much longer than a request a claim lasts, in milliseconds, so that hardly any is under way when it ends. Of two
/// owners all the same, one lets go of it.
const CLAIM_MARGIN_MS: u64 = 1_000;

/// Most bytes of an error that a step keeps.
const STEP_ERROR_BYTES: usize = 120;

/// A step of the configured workflow.
#[derive(Clone)]
pub struct PlannedStep {
    /// Its channel.
    pub channel: String,
    /// Where it goes, if there is an address; empty when the host needs none.
    pub to: Option<Zeroizing<String>>,
}

/// A code to deliver, as it was committed.
pub struct Job {
    /// The token; empty where the library itself goes on with a workflow.
    pub token: String,
    /// Its row.
    pub row: Block,
    /// Its record, whose newest step was begun.
    pub record: Record,
    /// What is sealed in it.
    pub envelope: Envelope,
    /// The code.
    pub code: Zeroizing<String>,
    /// All steps of the workflow.
    pub steps: Vec<PlannedStep>,
    /// The time of the commit.
    pub now: Time,
}

impl Job {
    /// The place of the step that was begun.
    pub fn at(&self) -> usize {
        self.record.delivery.steps.len().saturating_sub(1)
    }
}

/// A step that was begun: what must still be so when its message leaves, and when its outcome is stored.
struct Begun {
    row: Block,
    ticket: Ticket,
    at: usize,
    /// Tells the claims of one step apart: one ends before the next begins.
    begun: Option<Time>,
}

impl Begun {
    fn of(job: &Job) -> Self {
        let begun = job.record.delivery.steps.last().map(|step| step.at);
        Self { row: job.row, ticket: job.record.ticket(), at: job.at(), begun }
    }

    /// Whether another process took the step over.
    fn is_taken_over(&self, record: &Record) -> bool {
        let step = record.delivery.steps.get(self.at);
        step.is_some_and(|step| step.status == DeliveryState::Sending && Some(step.at) != self.begun)
    }
}

/// What is to be stored about a step, and may be run on another thread.
struct Outcomes {
    step: Begun,
    status: DeliveryState,
    uuid: Option<String>,
    error: Option<String>,
    steps: Vec<PlannedStep>,
    /// Whether a further step may begin.
    further: bool,
    /// Whether it is claimed first.
    claims: bool,
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
            let Some(answer) = self.send(&job, deadline)? else { return Ok(CreateReply::new(Outcome::Cancelled)) };
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
            if meanwhile == Meanwhile::Current && begun > job.at() + 1 && !matches!(answer, Answer::Accepted { .. }) {
                job = Job { record, ..job };
                continue;
            }
            return Ok(self.sent(meanwhile, answer, &record, job.now));
        }
    }

    /// The answer with the message in it, for the host to deliver.
    fn hand_over(&self, job: &Job) -> Result<CreateReply> {
        let mut reply = self.core.sent_reply(Outcome::Ok, &job.record, job.now);
        reply.message = Some(self.core.message(job, job.at())?);
        Ok(reply)
    }

    /// Sends the step that was begun, unless it was called off meanwhile. Nothing is locked.
    fn send(&self, job: &Job, deadline: Instant) -> Result<Option<Answer>> {
        let mut message = self.core.message(job, job.at())?;
        message.expires_in_seconds = Some(job.record.code.expires.since(job.now) / 1000);
        let answer = match (self.core.config.sender, self.sender()?) {
            (_, Some(sender)) => sender.send(&message).into(),
            (_, None) => {
                let mut may_leave = Ok(true);
                let answer = self.core.send_by_carrier(job, &message, deadline, &mut || {
                    may_leave = self.let_go(job);
                    matches!(may_leave, Ok(true))
                })?;
                match may_leave? {
                    true => answer,
                    false => return Ok(None),
                }
            }
        };
        let (level, outcome) = match &answer {
            Answer::Accepted { .. } => (Level::Info, Outcome::Ok),
            Answer::NotTaken(_) => (Level::Error, Outcome::Send),
            Answer::Refused(_) => (Level::Warning, Outcome::Refused),
            Answer::InDoubt(_) => (Level::Error, Outcome::InDoubt),
        };
        let step = Some((message.channel.as_str(), state(&answer)));
        self.hooks.log(level, "send", outcome, About { row: Some(&job.row), step, ..About::default() });
        Ok(Some(answer))
    }

    /// Whether the message of this step may leave now: a claim ends here. What is written down must last, or the
    /// message would leave once more after a power cut.
    fn let_go(&self, job: &Job) -> Result<bool> {
        if !job.record.delivery.claimed {
            return Ok(true);
        }
        let (core, moment) = (self.core.clone(), self.hooks.moment());
        let (step, steps) = (Begun::of(job), job.steps.clone());
        transact(&*self.core.repository, DURABLE, move |transaction| {
            core.let_go(transaction, &step, &steps, moment.now())
        })
    }

    /// Stores what came of a step, and begins the next one where this one certainly failed.
    fn store(&self, job: &Job, answer: &Answer, again: bool, in_time: bool) -> Result<(Meanwhile, Option<Record>)> {
        let status = state(answer);
        let (uuid, failure) = match answer {
            Answer::Accepted { uuid } => (uuid.clone(), None),
            Answer::NotTaken(failure) | Answer::Refused(failure) | Answer::InDoubt(failure) => (None, Some(failure)),
        };
        let failed = status == DeliveryState::Failed;
        let outcomes = Outcomes {
            step: Begun::of(job),
            status,
            uuid,
            error: failure.map(short_error),
            steps: job.steps.clone(),
            further: failed && in_time,
            claims: job.record.delivery.claimed,
            give_up: failed && !again,
        };
        let begins = outcomes.further && job.steps.len() > job.at() + 1;
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
        let Outcomes { step: Begun { row, ticket, at, .. }, .. } = outcomes;
        let Some(before) = rows::record(transaction, &row, now)? else { return Ok((Meanwhile::Gone, None)) };
        let meanwhile = before.meanwhile(&ticket);
        if outcomes.step.is_taken_over(&before) {
            return Ok((Meanwhile::Gone, None));
        }
        if !matches!(meanwhile, Meanwhile::Current | Meanwhile::Used) {
            return Ok((meanwhile, Some(before)));
        }
        let mut record = before.clone();
        record.settle(now);
        let dispatched = record.delivery.via == Via::Dispatch;
        if let Some(uuid) = &outcomes.uuid {
            let step = (!dispatched).then_some(at as u8);
            let (delivery, until) = (record.deliveries, record.kept_until());
            let reference = Reference { record: row, delivery, step, until };
            transaction.put(&self.reference(uuid), Row::Reference(reference));
            if dispatched {
                record.delivery.dispatch_uuid = Some(uuid.clone());
            }
        }
        if let Some(step) = record.delivery.steps.get_mut(at) {
            // A report may have overtaken the answer, and knows more.
            if step.status == DeliveryState::Sending {
                (step.status, step.at, step.error) = (outcomes.status, now, outcomes.error);
            }
            step.message_uuid = outcomes.uuid.filter(|_| !dispatched).or(step.message_uuid.take());
        }
        if workflow::is_newest(&record, at) && record.delivery.claimed {
            // It failed before it could leave.
            self.wait(&mut record, &outcomes.steps, now);
        }
        let goes_on = outcomes.further && workflow::has_failed(record.delivery.state());
        let goes_on = goes_on && workflow::may_go_on(&record, record.deliveries, at);
        let begun = goes_on && self.begin_next(&mut record, &outcomes.steps, now);
        if begun && outcomes.claims {
            self.claim_step(&mut record, now);
        }
        if outcomes.give_up && !begun && meanwhile == Meanwhile::Current {
            record.give_up();
        }
        rows::put_record(transaction, &row, &before, record.clone(), now);
        Ok((meanwhile, Some(record)))
    }

    fn let_go(
        &self,
        transaction: &mut dyn Transaction,
        step: &Begun,
        steps: &[PlannedStep],
        now: Time,
    ) -> Result<bool> {
        let Some(before) = rows::record(transaction, &step.row, now)? else { return Ok(false) };
        let mut record = before.clone();
        record.settle(now);
        let may_leave = before.meanwhile(&step.ticket) == Meanwhile::Current
            && workflow::may_go_on(&record, record.deliveries, step.at)
            && workflow::is_claimed(&record)
            && !step.is_taken_over(&record);
        if may_leave {
            self.wait(&mut record, steps, now);
        }
        rows::put_record(transaction, &step.row, &before, record, now);
        Ok(may_leave)
    }

    /// Claims the newest step for as long as a request may take.
    pub(super) fn claim_step(&self, record: &mut Record, now: Time) {
        workflow::claim(record, now, now.plus(self.config.timeout_ms + CLAIM_MARGIN_MS));
    }

    /// Where it is kept what an identifier of the provider stands for.
    pub(super) fn reference(&self, uuid: &str) -> Block {
        self.keys.index("reference", &self.config.namespace, uuid)
    }

    /// The message of one of the steps.
    pub(super) fn message(&self, job: &Job, at: usize) -> Result<Message> {
        let step = job.steps.get(at).ok_or_else(|| Error::internal("a delivery has no step"))?;
        let left_ms = job.record.code.expires.since(job.record.time(job.now));
        let to = step.to.clone().ok_or_else(|| Error::internal("a step has no address"))?;
        let rendered = self.render(&job.envelope, at, &job.code, left_ms)?;
        let from = self.config.workflow.get(at).and_then(|configured| configured.from.clone());
        Ok(Message {
            token: job.token.clone(),
            channel: step.channel.clone(),
            to,
            from: from.unwrap_or_default(),
            text: rendered.text,
            code: job.code.clone(),
            expires_in_seconds: None,
            locale: rendered.locale,
        })
    }
}

/// How far a step came with this answer.
fn state(answer: &Answer) -> DeliveryState {
    match answer {
        Answer::Accepted { .. } => DeliveryState::Accepted,
        Answer::NotTaken(_) | Answer::Refused(_) => DeliveryState::Failed,
        Answer::InDoubt(_) => DeliveryState::InDoubt,
    }
}

fn short_error(failure: &SendFailure) -> String {
    let mut error = failure.detail.clone();
    error.truncate(error.floor_char_boundary(STEP_ERROR_BYTES));
    error
}
