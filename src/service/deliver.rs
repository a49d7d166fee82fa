//! Delivering a code that is stored: one step after the other until one is taken, and what came of each.
//!
//! A step is begun in the transaction before its message is sent, and its outcome is stored in the one after. In
//! between anything may happen to the code, which is looked at again then. A step that nobody waits for is claimed
//! first, and looked at once more right before its message leaves.
//!
//! All of this comes after the commit that stored the code: what can be checked was checked before it, who sends and
//! every text among it, and what fails here fails with [`super::after::AfterCommit`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::after::AfterResult;
use super::plan::{Job, Occasion, Steps};
use super::steps::Means;
use super::ways::{Leave, Ways};
use super::{Core, DURABLE, RELAXED, Service, rows};
use crate::block::RowKey;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::hooks::{About, Level};
use crate::limits::STEP_ERROR_BYTES;
use crate::outcome::Outcome;
use crate::record::{FirstAnswer, Meanwhile, Record, Ticket, Via};
use crate::reply::{CreateReply, DeliveryState, SendFailure};
use crate::repository::{Transaction, transact};
use crate::sender::Answer;
use crate::workflow::{self, Reference};

/// A step that was begun: what must still be so when its message leaves, and when its outcome is stored.
struct BegunStep {
    row: RowKey,
    ticket: Ticket,
    at: usize,
    /// Tells the claims of one step apart: one ends before the next begins.
    begun: Option<Time>,
}

impl BegunStep {
    fn of(job: &Job) -> Self {
        let begun = job.record.delivery.steps.last().map(|step| step.at);
        Self { row: job.row, ticket: job.record.ticket(), at: job.at(), begun }
    }

    /// How the record stands to this step. In other hands, it is gone as well.
    fn meanwhile(&self, record: &Record) -> Meanwhile {
        let step = record.delivery.steps.get(self.at);
        let is_taken_over =
            step.is_some_and(|step| step.status == DeliveryState::Sending && Some(step.at) != self.begun);
        match record.meanwhile(&self.ticket) {
            Meanwhile::Current | Meanwhile::Used if is_taken_over => Meanwhile::Gone,
            meanwhile => meanwhile,
        }
    }
}

/// What follows a step that certainly failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The next step begins.
    Begin,
    /// The next step begins, and is claimed first.
    Claim,
}

/// What came of a step, to be stored.
struct StepResult {
    step: BegunStep,
    /// What the sender's answer says.
    outcome: Outcome,
    status: DeliveryState,
    uuid: Option<String>,
    error: Option<String>,
    steps: Arc<Steps>,
    ways: Arc<Ways>,
    /// What may follow.
    next: Option<Next>,
    /// Whether nothing follows because the time of the call is over, in a call that nobody waits for.
    is_out_of_time: bool,
    occasion: Occasion,
}

/// What came of storing it.
enum Stored {
    /// The code, or the step, is nobody's or somebody else's: nothing was stored.
    Gone,
    /// The next step was begun.
    Next(Box<Record>),
    /// The delivery ends here, and this is the answer.
    Ended(Outcome, Box<Record>),
}

impl Service {
    /// Delivers and answers.
    ///
    /// # Errors
    ///
    /// `Store` when a message certainly did not leave and that could not be stored.
    pub(super) fn deliver(&self, mut job: Job, ways: &Arc<Ways>) -> AfterResult<CreateReply> {
        let deadline = Instant::now() + Duration::from_millis(self.core.config.deadline_ms());
        loop {
            let Some(answer) = self.send(&job, ways, deadline)? else {
                return Ok(CreateReply::new(Outcome::Cancelled));
            };
            match self.store(&job, &answer, ways, deadline) {
                Ok(Stored::Gone) => return Ok(CreateReply::new(Outcome::Cancelled)),
                Ok(Stored::Next(record)) => job.record = *record,
                Ok(Stored::Ended(outcome, record)) => return Ok(self.sent(outcome, answer, &record, job.now)),
                Err(error) => return self.not_stored(&job, &answer, &error),
            }
        }
    }

    /// Sends a step that nobody waits for. What came of it is in the record, or else in the log.
    pub(super) fn deliver_alone(&self, job: Job, ways: &Arc<Ways>) {
        let row = job.row;
        if let Err(error) = self.deliver(job, ways).map_err(Error::from) {
            self.hooks.log(Level::Error, "send", error.outcome(), About { row: Some(&row), ..About::default() });
        }
    }

    /// The answer with the message in it, for the host to deliver.
    pub(super) fn hand_over(&self, job: &Job) -> AfterResult<CreateReply> {
        let mut reply = self.core.sent_reply(Outcome::Ok, &job.record, job.now);
        reply.message = Some(job.message()?.clone());
        Ok(reply)
    }

    /// Sends the step that was begun, unless it was called off meanwhile. Nothing is locked.
    fn send(&self, job: &Job, ways: &Ways, deadline: Instant) -> AfterResult<Option<Answer>> {
        let message = job.message()?;
        let mut let_go = Ok(true);
        let mut may_leave = || {
            let_go = self.let_go(job);
            matches!(let_go, Ok(true))
        };
        let answer = self.core.send_step(job, ways, Leave { deadline, may_leave: &mut may_leave })?;
        if !let_go? {
            return Ok(None);
        }
        let level = match &answer {
            Answer::Accepted { .. } => Level::Info,
            Answer::Refused(_) => Level::Warning,
            Answer::NotTaken(_) | Answer::InDoubt(_) => Level::Error,
        };
        let step = Some((message.channel.as_str(), state(&answer)));
        let about = About { row: Some(&job.row), step, failure: answer.failure(), ..About::default() };
        self.core.metrics.sent(self.core.sender_at(job.at()), outcome(&answer));
        self.hooks.log(level, "send", outcome(&answer), about);
        Ok(Some(answer))
    }

    /// Whether the message of this step may leave now: a claim ends here. What is written down must last, or the
    /// message would leave once more after a power cut. Where it cannot be written, the message stays: it is taken
    /// over when the claim ends, unless the claim has ended after all. Then it stays in doubt.
    fn let_go(&self, job: &Job) -> Result<bool> {
        if !job.record.delivery.claimed {
            return Ok(true);
        }
        let (core, moment) = (self.core.clone(), self.hooks.moment());
        let (step, steps) = (BegunStep::of(job), job.steps.clone());
        transact(&*self.core.repository, DURABLE, move |transaction| {
            let now = transaction.time(&moment);
            core.let_go(transaction, &step, &steps, now)
        })
    }

    /// Stores what came of a step, and begins the next one where this one certainly failed.
    fn store(&self, job: &Job, answer: &Answer, ways: &Arc<Ways>, deadline: Instant) -> Result<Stored> {
        let status = state(answer);
        let may_follow = status == DeliveryState::Failed && Instant::now() < deadline;
        let next = if job.record.delivery.claimed { Next::Claim } else { Next::Begin };
        let uuid = match answer {
            Answer::Accepted { uuid } => uuid.clone(),
            other => other.failure().and_then(|failure| failure.message_id.clone()),
        };
        let result = StepResult {
            step: BegunStep::of(job),
            outcome: outcome(answer),
            status,
            uuid,
            error: answer.failure().map(short_error),
            steps: job.steps.clone(),
            ways: ways.clone(),
            next: may_follow.then_some(next),
            is_out_of_time: status == DeliveryState::Failed && !may_follow && next == Next::Claim,
            occasion: job.occasion,
        };
        let begins = result.next.is_some() && job.steps.len() > job.at() + 1;
        let (core, moment) = (self.core.clone(), self.hooks.moment());
        // A step that begins must not be forgotten: it would begin a second time.
        transact(&*self.core.repository, if begins { DURABLE } else { RELAXED }, move |transaction| {
            let now = transaction.time(&moment);
            core.store(transaction, &result, now)
        })
    }

    /// The answer about a message of which nothing could be written down. One that may be on its way leaves its code
    /// good. After one that certainly is not, the code should have been given up, and nobody knows whether it is.
    fn not_stored(&self, job: &Job, answer: &Answer, error: &Error) -> AfterResult<CreateReply> {
        if let Answer::NotTaken(_) | Answer::Refused(_) = answer {
            return Err(Error::store(format!("the message was not sent, which could not be stored: {error}")).into());
        }
        let mut reply = self.core.sent_reply(Outcome::InDoubt, &job.record, job.now);
        let detail = format!("the outcome could not be stored: {error}");
        reply.failure = Some(SendFailure { detail, ..SendFailure::default() });
        Ok(reply)
    }

    fn sent(&self, outcome: Outcome, answer: Answer, record: &Record, now: Time) -> CreateReply {
        let mut reply = self.core.sent_reply(outcome, record, now);
        reply.failure = match answer {
            _ if outcome == Outcome::Ok => None,
            Answer::Accepted { .. } => None,
            Answer::NotTaken(failure) | Answer::Refused(failure) if outcome == Outcome::InDoubt => {
                let detail = format!("another message may have been sent; of this one: {}", failure.detail);
                Some(SendFailure { detail, ..failure })
            }
            Answer::NotTaken(failure) | Answer::Refused(failure) | Answer::InDoubt(failure) => Some(failure),
        };
        reply
    }
}

impl Core {
    fn store(&self, transaction: &mut dyn Transaction, result: &StepResult, now: Time) -> Result<Stored> {
        let row = result.step.row;
        let Some(before) = rows::record(transaction, &row, now)? else { return Ok(Stored::Gone) };
        let meanwhile = result.step.meanwhile(&before);
        let mut record = before.clone();
        record.settle(now);
        match meanwhile {
            Meanwhile::Gone => return Ok(Stored::Gone),
            Meanwhile::Superseded => {}
            Meanwhile::Current | Meanwhile::Used => self.note(transaction, &mut record, result, now)?,
        }
        let begun = meanwhile == Meanwhile::Current && self.follow(transaction, &mut record, result, now)?;
        if !begun && meanwhile == Meanwhile::Current && result.is_out_of_time {
            self.leave_next(&mut record, result, now);
        }
        let answer = if begun { None } else { Some(conclude(&mut record, result, meanwhile)) };
        let stored = Box::new(record.clone());
        rows::put_record(transaction, &row, &before, record, now);
        Ok(match answer {
            Some(answer) => Stored::Ended(answer, stored),
            None => Stored::Next(stored),
        })
    }

    /// Writes into the record how far its step came.
    fn note(
        &self,
        transaction: &mut dyn Transaction,
        record: &mut Record,
        result: &StepResult,
        now: Time,
    ) -> Result<()> {
        let BegunStep { row, at, .. } = result.step;
        let dispatched = record.delivery.via == Via::Dispatch;
        if let Some(uuid) = &result.uuid {
            let step = (!dispatched).then_some(at as u8);
            let (delivery, until) = (record.deliveries, record.kept_until());
            let reference = Reference { record: row, delivery, step, until };
            self.refer(transaction, (self.sender_at(at), uuid), reference)?;
            if dispatched {
                record.delivery.dispatch_uuid = Some(uuid.clone());
            }
        }
        if let Some(step) = record.delivery.steps.get_mut(at) {
            // A report may have overtaken the answer, and knows more.
            if step.status == DeliveryState::Sending {
                (step.status, step.at, step.error) = (result.status, now, result.error.clone());
            }
            step.message_uuid = result.uuid.clone().filter(|_| !dispatched).or(step.message_uuid.take());
        }
        if workflow::is_newest(record, at) && record.delivery.claimed {
            // It failed before it could leave.
            self.wait(record, &result.steps, now);
        }
        Ok(())
    }

    /// Begins the step after one that failed, if it may and there is one.
    fn follow(
        &self,
        transaction: &mut dyn Transaction,
        record: &mut Record,
        result: &StepResult,
        now: Time,
    ) -> Result<bool> {
        let claims = result.next == Some(Next::Claim);
        let goes_on = result.next.is_some()
            && workflow::has_failed(record.delivery.state())
            && workflow::may_go_on(record, record.deliveries, result.step.at)
            && (!claims || workflow::has_time(record, now));
        if !goes_on {
            return Ok(false);
        }
        let means = Means { steps: &result.steps, ways: &result.ways };
        let begun = self.leave_due(record, now, |record| self.begin_next(transaction, record, &means, now))?;
        if begun && claims {
            self.claim_step(record, now);
        }
        Ok(begun)
    }

    /// Leaves the step after one that failed to the next call.
    fn leave_next(&self, record: &mut Record, result: &StepResult, now: Time) {
        let StepResult { step, steps, .. } = result;
        let is_left = steps.iter().skip(step.at + 1).any(|step| step.message.is_some());
        if is_left && workflow::may_go_on(record, record.deliveries, step.at) {
            (record.delivery.due, record.delivery.claimed) = (Some(now), false);
        }
    }

    fn let_go(&self, transaction: &mut dyn Transaction, step: &BegunStep, steps: &Steps, now: Time) -> Result<bool> {
        let Some(before) = rows::record(transaction, &step.row, now)? else { return Ok(false) };
        let mut record = before.clone();
        record.settle(now);
        let may_leave = step.meanwhile(&before) == Meanwhile::Current
            && workflow::may_go_on(&record, record.deliveries, step.at)
            && workflow::is_claimed(&record);
        if may_leave {
            self.wait(&mut record, steps, now);
        }
        rows::put_record(transaction, &step.row, &before, record, now);
        Ok(may_leave)
    }
}

/// The answer about a delivery whose last step came to this, kept with the record. A code that certainly reached
/// nobody is given up; while another message may bring it, whoever sends that, it stays good.
fn conclude(record: &mut Record, result: &StepResult, meanwhile: Meanwhile) -> Outcome {
    let is_vain = meanwhile == Meanwhile::Current && workflow::is_vain(record);
    let outcome = match result.outcome {
        _ if meanwhile == Meanwhile::Used => Outcome::Ok,
        Outcome::Send | Outcome::Refused if !is_vain => Outcome::InDoubt,
        outcome => outcome,
    };
    match outcome {
        _ if result.occasion == Occasion::Again => {}
        Outcome::Ok => record.keep_answer(FirstAnswer::Sent),
        Outcome::InDoubt => record.keep_answer(FirstAnswer::InDoubt),
        _ => record.give_up(),
    }
    outcome
}

/// What an answer means for the code.
fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Answer::Accepted { .. } => Outcome::Ok,
        Answer::NotTaken(_) => Outcome::Send,
        Answer::Refused(_) => Outcome::Refused,
        Answer::InDoubt(_) => Outcome::InDoubt,
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

/// What a step keeps of a failure.
fn short_error(failure: &SendFailure) -> String {
    // The carrier's words for its code: who asks why nothing arrived should not have to look it up.
    let title = failure.vendor_title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
    let mut error = format!("{}{title}", failure.detail);
    error.truncate(error.floor_char_boundary(STEP_ERROR_BYTES));
    error
}

#[cfg(test)]
mod tests {
    use super::{STEP_ERROR_BYTES, SendFailure, short_error};

    #[test]
    fn a_step_tells_the_carriers_title_within_its_bound() {
        let failure = |title: Option<String>| SendFailure {
            detail: "host: status 402: code 402".to_owned(),
            vendor_title: title,
            ..SendFailure::default()
        };
        assert_eq!(short_error(&failure(None)), "host: status 402: code 402");
        assert_eq!(short_error(&failure(Some("Low balance".to_owned()))), "host: status 402: code 402: Low balance");
        let long = short_error(&failure(Some("\u{e4}".repeat(STEP_ERROR_BYTES))));
        assert!(long.len() <= STEP_ERROR_BYTES && long.len() + 1 >= STEP_ERROR_BYTES, "{long}");
    }
}
