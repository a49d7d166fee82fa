//! Going on with a workflow when it is time: steps are begun, or taken over from an owner that died, by one process
//! of many.
//!
//! Timers are found without a transaction, and looked at again in one. A timer that cannot be run, since its record
//! is damaged, or has a key or a text that only others can use, is passed over and left to them.

use std::time::Instant;

use super::pace::Pace;
use super::passed::{Passed, Place};
use super::plan::{Job, Occasion, Planned, Steps};
use super::steps::Means;
use super::ways::Ways;
use super::{Core, Service, rows};
use crate::block::RowKey;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::hooks;
use crate::record::Record;
use crate::reply::RunDueReply;
use crate::repository::Transaction;
use crate::tenant;
use crate::workflow::{self, Timer};

/// What a look at some timers came to.
#[derive(Default)]
pub struct Look {
    /// How many it saw.
    pub seen: usize,
    /// A step of the last one, which was begun and is to be sent.
    pub job: Option<Box<Job>>,
    /// Those that were passed over.
    pub passed: Vec<Passed>,
}

/// A step that a report says has failed.
pub struct FailedStep<'a> {
    /// The row of its record.
    pub row: &'a RowKey,
    /// Its place.
    pub step: usize,
    /// Who sends the next one.
    pub ways: &'a Ways,
}

/// How long timers are run.
struct TimerBudget {
    until: Instant,
    /// Most steps that are sent.
    steps: u64,
}

impl Service {
    /// Sends the steps that are due, as long as `until` has not come. Tells how many, and when the next is due, in
    /// milliseconds from now; also where it fails.
    pub(super) fn run_timers(&self, pace: &mut Pace, until: Instant, done: &mut RunDueReply) -> Result<()> {
        self.run_some_timers(&TimerBudget { until, steps: u64::MAX }, pace, done)
    }

    /// Sends one step if one is due, for a call that is about something else and does not fail by it.
    pub(super) fn run_one_timer(&self) {
        if self.core.config.is_timed() {
            let (budget, mut done) = (TimerBudget { until: Instant::now(), steps: 1 }, RunDueReply::default());
            let ran = self.run_some_timers(&budget, &mut Pace::new(), &mut done);
            let _ = self.logged("run_due", None, ran.map(|()| done));
        }
    }

    fn run_some_timers(&self, budget: &TimerBudget, pace: &mut Pace, done: &mut RunDueReply) -> Result<()> {
        // A step that begins calls the host, which is on this thread already.
        if !self.core.config.is_timed() || hooks::is_called_back() {
            return Ok(());
        }
        let next = self.run_timers_of(budget, pace, &mut done.ran);
        // After a failure it is worth another try at once.
        let due = next.as_ref().copied().unwrap_or(Some(Time::START));
        done.next_due_in_milliseconds = due.map(|due| self.time().map_or(0, |now| due.since(now)));
        next.map(|_| ())
    }

    /// Goes on where the last look ended. Gives when the next timer is due: at once if time ended first.
    fn run_timers_of(&self, budget: &TimerBudget, pace: &mut Pace, ran: &mut u64) -> Result<Option<Time>> {
        let core = &self.core;
        let (timers, mut found) = core.memory.rest_of(core.tenant().timers(), self.time()?);
        for page in core.repository.scan(timers) {
            let keys: Vec<RowKey> = page?.into_iter().map(|(key, _)| key).collect();
            let now = self.time()?;
            let (mut due, later) = keys.split_at(keys.partition_point(|key| tenant::due(key) <= now));
            while !due.is_empty() {
                let seen = self.look(due.iter().take(pace.rows()).copied().collect(), pace, ran)?;
                let (looked_at, left) = due.split_at(seen.min(due.len()));
                found += looked_at.len() as u64;
                if !pace.fits(budget.until) || *ran >= budget.steps {
                    core.memory.ended_at(looked_at.last().map(|timer| Place { timer: *timer, due: found }));
                    return Ok(Some(Time::START));
                }
                due = left;
            }
            if let Some(next) = later.first() {
                self.end_round(found);
                return Ok(Some(tenant::due(next)));
            }
        }
        self.end_round(found);
        Ok(None)
    }

    /// Notes that a full round has found so many due.
    fn end_round(&self, due: u64) {
        self.core.memory.ended_at(None);
        self.core.metrics.due.set(due);
    }

    /// Looks at these timers until one begins a step, and sends that. Gives how many it saw.
    fn look(&self, timers: Vec<RowKey>, pace: &mut Pace, ran: &mut u64) -> Result<usize> {
        let (core, moment) = (self.core.clone(), self.hooks.moment());
        let ways = self.ways_at_hand();
        let at_hand = ways.clone();
        let Look { seen, job, passed } = pace.transact(&*self.core.repository, move |transaction| {
            let now = transaction.time(&moment);
            core.look(transaction, &timers, &at_hand, now)
        })?;
        self.tell_passed("run_due", &passed);
        if let Some(job) = job {
            *ran += 1;
            self.deliver_alone(*job, &ways);
        }
        Ok(seen)
    }
}

impl Core {
    /// Begins the first step that is due of these timers. Of many that look at the same time one begins it.
    pub(super) fn look(
        &self,
        transaction: &mut dyn Transaction,
        timers: &[RowKey],
        ways: &Ways,
        now: Time,
    ) -> Result<Look> {
        let mut look = Look::default();
        for key in timers {
            look.seen += 1;
            let (about, ran) = match rows::timer(transaction, key) {
                Ok(Some(timer)) if timer.due <= now => (timer.record, self.run(transaction, &timer, ways, now)),
                Ok(_) => continue,
                Err(error) => (*key, Err(error)),
            };
            match ran {
                Ok(None) => {}
                Ok(job) => {
                    look.job = job;
                    break;
                }
                Err(error) if error.is_of_one_row() => {
                    look.passed.push(Passed { key: *key, about, outcome: error.outcome() });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(look)
    }

    fn run(
        &self,
        transaction: &mut dyn Transaction,
        timer: &Timer,
        ways: &Ways,
        now: Time,
    ) -> Result<Option<Box<Job>>> {
        let before = rows::record(transaction, &timer.record, now)?;
        let Some(before) = before.filter(|it| workflow::timer(&timer.record, it).as_ref() == Some(timer)) else {
            transaction.delete(&timer.key());
            return Ok(None);
        };
        let (mut record, step) = (before.clone(), usize::from(timer.step));
        record.settle(now);
        let mut job = None;
        if workflow::may_go_on(&record, record.deliveries, step) {
            job = self.begin_step(transaction, &timer.record, &mut record, ways, now)?;
        }
        if job.is_none() {
            record.delivery.due = None;
        }
        rows::put_record(transaction, &timer.record, &before, record, now);
        Ok(job)
    }

    /// Takes the newest step over if it is claimed and still in the workflow, and else begins the next one, if there
    /// is one and the code is good long enough.
    ///
    /// # Errors
    ///
    /// Of the row alone where this process cannot send: others may.
    fn begin_step(
        &self,
        transaction: &mut dyn Transaction,
        row: &RowKey,
        record: &mut Record,
        ways: &Ways,
        now: Time,
    ) -> Result<Option<Box<Job>>> {
        if !workflow::has_time(record, now) {
            record.delivery.call_off();
            return Ok(None);
        }
        let (envelope, steps) = self.plan_stored(None, row, record, 0, now).map_err(Error::of_one_row)?;
        if !self.takes_over(record, &steps, ways)? {
            record.delivery.call_off();
            if !self.begin_next(transaction, record, &Means { steps: &steps, ways }, now)? {
                return Ok(None);
            }
        }
        self.claim_step(record, now);
        let locale = envelope.locale;
        Ok(Some(Box::new(Job { row: *row, record: record.clone(), locale, steps, now, occasion: Occasion::Again })))
    }

    /// Whether the newest step is claimed by somebody who died, and one of this workflow.
    ///
    /// # Errors
    ///
    /// Of the row alone where its sender is none of this service's, or has no function.
    fn takes_over(&self, record: &Record, steps: &Steps, ways: &Ways) -> Result<bool> {
        let Some(newest) = record.delivery.steps.last().filter(|_| workflow::is_claimed(record)) else {
            return Ok(false);
        };
        if !self.config.senders.iter().any(|sender| sender.name == newest.sender) {
            return Err(Error::config("senders: have none of the name that a step is claimed for").of_one_row());
        }
        let planned = steps.get(record.delivery.steps.len().saturating_sub(1));
        let is_newest =
            |step: &&Planned| step.message.is_some() && step.channel == newest.channel && step.sender == newest.sender;
        planned.filter(is_newest).map_or(Ok(false), |step| ways.check(step).map(|()| true))
    }

    /// Begins the step after this one, which failed, if it may and there is one. The record must be settled.
    pub(super) fn go_on(
        &self,
        transaction: &mut dyn Transaction,
        failed: &FailedStep<'_>,
        record: &mut Record,
        now: Time,
    ) -> Result<Option<Box<Job>>> {
        let FailedStep { row, step, ways } = *failed;
        if !self.config.is_timed() || !workflow::may_go_on(record, record.deliveries, step) {
            return Ok(None);
        }
        self.leave_due(record, now, |record| self.begin_step(transaction, row, record, ways, now))
    }
}
