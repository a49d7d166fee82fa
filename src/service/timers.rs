//! Going on with a workflow when it is time: steps are begun, or taken over from an owner that died, by one process
//! of many.

use std::sync::Arc;
use std::time::Instant;

use super::after::Series;
use super::plan::{Job, PlannedStep};
use super::{Core, DURABLE, Service, rows};
use crate::block::Block;
use crate::clock::Time;
use crate::error::Result;
use crate::record::{Record, Via};
use crate::reply::RunDueReply;
use crate::repository::{META, Row, Transaction, transact};
use crate::workflow::{self, Timer};

/// Timers looked at in one transaction.
const TIMERS: usize = 8;

/// What a look at the timers came to.
pub enum Claim {
    /// A step was begun, and is to be sent.
    Begun(Box<Job>),
    /// Nothing is due before this time, if at all.
    Nothing(Option<Time>),
}

/// What a record holds sealed: the steps with their messages, and the locale that was asked for.
struct Material {
    locale: Option<String>,
    steps: Arc<[PlannedStep]>,
}

impl Service {
    /// Sends the steps that are due, as long as `until` has not come. Tells how many, and when the next is due.
    ///
    /// # Errors
    ///
    /// `Store`, `Busy`; what was done is told all the same.
    pub(super) fn run_timers(&self, series: &mut Series, until: Instant, done: &mut RunDueReply) -> Result<()> {
        loop {
            let (core, moment) = (self.core.clone(), self.hooks.moment());
            let claim = series.run(|| {
                transact(&*self.core.repository, DURABLE, move |transaction| core.claim(transaction, moment.now()))
            });
            match claim? {
                Claim::Nothing(due) => {
                    done.next_due_in_milliseconds = due.map(|due| due.since(self.hooks.time()));
                    return Ok(());
                }
                Claim::Begun(job) => {
                    (done.ran, done.next_due_in_milliseconds) = (done.ran + 1, Some(0));
                    self.deliver_alone(*job);
                    if Instant::now() >= until {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sends one step if one is due, for a call that is about something else and does not fail by it.
    pub(super) fn run_one_timer(&self) {
        if self.core.config.sender == Via::Messages {
            let mut done = RunDueReply::default();
            let ran = self.run_timers(&mut Series::default(), Instant::now(), &mut done);
            let _ = self.told("run_due", None, ran.map(|()| done));
        }
    }
}

impl Core {
    /// Begins the first step that is due. Of many that look at the same time one begins it.
    pub(super) fn claim(&self, transaction: &mut dyn Transaction, now: Time) -> Result<Claim> {
        if self.config.sender != Via::Messages {
            return Ok(Claim::Nothing(None));
        }
        let mut after = META;
        loop {
            let rows = transaction.scan(Some(&after), TIMERS)?;
            if rows.is_empty() {
                return Ok(Claim::Nothing(None));
            }
            for (key, row) in rows {
                let Row::Timer(timer) = row else { return Ok(Claim::Nothing(None)) };
                if timer.due > now {
                    return Ok(Claim::Nothing(Some(timer.due)));
                }
                if let Some(job) = self.run(transaction, &key, &timer, now)? {
                    return Ok(Claim::Begun(job));
                }
                after = key;
            }
        }
    }

    fn run(
        &self,
        transaction: &mut dyn Transaction,
        key: &Block,
        timer: &Timer,
        now: Time,
    ) -> Result<Option<Box<Job>>> {
        let before = rows::record(transaction, &timer.record, now)?;
        let Some(before) = before.filter(|it| workflow::timer(&timer.record, it).as_ref() == Some(timer)) else {
            transaction.delete(key);
            return Ok(None);
        };
        let (mut record, step) = (before.clone(), usize::from(timer.step));
        record.settle(now);
        let mut job = None;
        if workflow::may_go_on(&record, record.deliveries, step) {
            // Another tenant's, or under a key that only others have: theirs to run, and in nobody's way.
            let Ok(material) = self.material(&timer.record, &record, now) else { return Ok(None) };
            job = self.begin_step(&timer.record, &mut record, material, now);
        }
        if job.is_none() {
            record.delivery.due = None;
        }
        rows::put_record(transaction, &timer.record, &before, record, now);
        Ok(job)
    }

    /// What the messages of a record need. Other tenants' records cannot be opened.
    fn material(&self, row: &Block, record: &Record, now: Time) -> Result<Material> {
        let (envelope, steps) = self.plan_stored("", row, record, now)?;
        Ok(Material { locale: envelope.locale, steps })
    }

    /// Takes the newest step over if it is claimed and still in the workflow, and else begins the next one, if there
    /// is one.
    fn begin_step(&self, row: &Block, record: &mut Record, material: Material, now: Time) -> Option<Box<Job>> {
        let newest = record.delivery.steps.last().map(|step| step.channel.as_str());
        let planned = material.steps.get(record.delivery.steps.len().saturating_sub(1));
        let is_planned = planned.is_some_and(|step| step.message.is_some() && Some(step.channel.as_str()) == newest);
        if !is_planned || !workflow::is_claimed(record) {
            record.delivery.call_off();
            if !self.begin_next(record, &material.steps, now) {
                return None;
            }
        }
        self.claim_step(record, now);
        let Material { locale, steps } = material;
        Some(Box::new(Job { row: *row, record: record.clone(), locale, steps, now }))
    }

    /// Begins the step after this one, which failed, if it may and there is one. The record must be settled. One that
    /// cannot be opened is another tenant's, who goes on when it is due.
    pub(super) fn go_on(&self, row: &Block, record: &mut Record, step: usize, now: Time) -> Option<Box<Job>> {
        if self.config.sender != Via::Messages || !workflow::may_go_on(record, record.deliveries, step) {
            return None;
        }
        let material = self.material(row, record, now).ok()?;
        self.begin_step(row, record, material, now)
    }
}
