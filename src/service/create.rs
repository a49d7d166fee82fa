//! Creating a code: everything up to the commit after which it is delivered.

use std::sync::Arc;

use super::after::AfterResult;
use super::order::Order;
use super::plan::{Contents, Job, Occasion};
use super::replies::{limited_reply, locked_reply, subject_locked};
use super::sends::Allowance;
use super::ways::Ways;
use super::{Core, Service, rows};
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::hooks::About;
use crate::metrics::Call;
use crate::outcome::Outcome;
use crate::record::{CodeState, FirstAnswer, Record};
use crate::reply::{CreateReply, SendFailure};
use crate::repository::{Commit, Sweeper, Transaction, transact};
use crate::workflow;

/// Rows a create looks at beside its own, so that a repository nobody sweeps does not grow for ever.
const SWEPT_ROWS: usize = 4;

/// What the first transaction decided.
pub enum Decision {
    /// An answer, and nothing to send.
    Answered(Box<CreateReply>),
    /// A code to deliver.
    Deliver(Box<Job>),
}

impl Decision {
    pub fn answered(reply: CreateReply) -> Result<Self> {
        Ok(Decision::Answered(Box::new(reply)))
    }
}

impl Service {
    /// Creates a code for a token, stores it, and then has it delivered. The request is JSON.
    ///
    /// # Errors
    ///
    /// `Argument`, `Config` when a key is not at hand, `Busy`, `Random`, `Unsupported` with sender `host` and no
    /// function: nothing was done. `Store`: it may have been stored; with a message that certainly was not sent among
    /// it. A message that was not, or perhaps not, sent is an outcome of the reply.
    pub fn create(&self, token: &str, request: Option<&str>) -> Result<CreateReply> {
        self.call(Call::Create, || {
            let row = self.core.row(token)?;
            let mut client = None;
            let answer = self.order(token, row, request).and_then(|order| {
                client = order.client;
                let ways = self.ways()?;
                let (core, moment) = (self.core.clone(), self.hooks.moment());
                let commit = Commit { synced: true, sweep: Some((SWEPT_ROWS, Sweeper::new(core.tenant(), moment))) };
                let decision = transact(&*self.core.repository, commit, move |transaction| {
                    let now = transaction.time(&moment);
                    core.begin_create(transaction, &order, now)
                })?;
                Ok(self.finish(decision, &ways)?)
            });
            let about = About { row: Some(&row), client: client.as_ref(), ..About::default() };
            self.logged_about("create", about, answer)
        })
    }

    /// What follows the commit.
    pub(super) fn finish(&self, decision: Decision, ways: &Arc<Ways>) -> AfterResult<CreateReply> {
        match decision {
            Decision::Answered(reply) => Ok(*reply),
            Decision::Deliver(job) if self.hands_over() => self.hand_over(&job),
            Decision::Deliver(job) => self.deliver(*job, ways),
        }
    }
}

impl Core {
    fn begin_create(&self, transaction: &mut dyn Transaction, order: &Order, now: Time) -> Result<Decision> {
        let before = rows::record(transaction, &order.row, now)?;
        let timer = before.as_ref().and_then(|record| workflow::timer(&order.row, record));
        let mut older = before.clone();
        if let (Some(before), Some(record)) = (&before, &mut older) {
            record.settle(now);
            if let Some(reply) = self.replay(order, record, now)? {
                rows::put_record(transaction, &order.row, before, record.clone(), now);
                return Decision::answered(reply);
            }
        }
        if !order.allowed {
            return Decision::answered(CreateReply::new(Outcome::Refused));
        }
        let standing = rows::settled_failures(transaction, &order.subject, now)?.standing(now);
        if let Some(locked) = subject_locked(standing) {
            return Decision::answered(locked_reply(locked, standing));
        }
        let sends = match self.may_send_first(transaction, &order.steps, now)? {
            Allowance::Granted(sends) => sends,
            Allowance::Wait(wait_ms) => return Decision::answered(limited_reply(wait_ms)),
        };
        let (record, code) = self.draw(order, older, now)?;
        let Order { token, envelope, .. } = order;
        let row = order.row;
        let left_ms = self.config.validity_ms;
        let steps = self.plan(&Contents { token, envelope, code: &code, left_ms, first: 0 })?;
        rows::put_new_record(transaction, &row, timer, &record);
        self.count_sends(transaction, sends, now);
        Ok(Decision::Deliver(Box::new(Job {
            row,
            record,
            locale: envelope.locale.clone(),
            steps,
            now,
            occasion: Occasion::First,
        })))
    }

    /// The answer to a request that was seen before, from what is stored: the first that was given, or is given now.
    fn replay(&self, order: &Order, record: &mut Record, now: Time) -> Result<Option<CreateReply>> {
        let (Some(asked), Some(stored)) = (order.idempotency, record.idempotency) else { return Ok(None) };
        if asked.key != stored.key {
            return Ok(None);
        }
        if asked.request != stored.request {
            return Err(Error::argument("idempotencyKey: was used with another request"));
        }
        let outcome = match stored.answer {
            Some(answer) => answer.outcome(),
            // Called off while it was being sent: nobody will ever know more.
            None if record.code.state == CodeState::Cancelled => Outcome::Cancelled,
            None if workflow::was_taken(record) => {
                record.keep_answer(FirstAnswer::Sent);
                Outcome::Ok
            }
            None => Outcome::InDoubt,
        };
        let mut reply = self.sent_reply(outcome, record, now);
        if outcome == Outcome::InDoubt {
            let detail = "the message may have been sent: the first request has not been answered".to_owned();
            reply.failure = Some(SendFailure { detail, ..SendFailure::default() });
        }
        if self.config.hands_over() && record.code.state == CodeState::Live && !record.is_locked() {
            // Of the newest step, which may have followed one that failed, or been asked for.
            let newest = record.delivery.steps.len().saturating_sub(1);
            let (_, steps) = self.plan_stored(Some(&order.token), &order.row, record, newest, now)?;
            reply.message = steps.iter().find_map(|step| step.message.clone());
        }
        Ok(Some(reply))
    }
}
