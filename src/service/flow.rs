//! The carrier's side of a delivery: sending through it, and hearing from it.

use std::iter;
use std::time::Instant;

use super::plan::{Job, PlannedStep};
use super::{Core, DURABLE, Service, rows};
use crate::block::Block;
use crate::clock::Time;
use crate::config::StepConfig;
use crate::error::{Error, Result};
use crate::hooks::{About, Level};
use crate::outcome::Outcome;
use crate::record::{Record, Step, Via};
use crate::reply::{DeliveryState, WebhookKind, WebhookReply};
use crate::repository::{Row, Transaction, transact};
use crate::sender::Answer;
use crate::sender::vonage::{Carrier, Leg};
use crate::webhook::{self, Event, FinalEvent, InboundEvent, StatusEvent};
use crate::workflow;

/// What a report did.
struct Heard {
    /// The record it is about, if there is one.
    row: Option<Block>,
    /// How far the message came.
    state: Option<DeliveryState>,
    /// Whether it said nothing new.
    duplicate: bool,
    /// The steps that came further, by channel.
    moved: Vec<(String, DeliveryState)>,
    next: Option<Box<Job>>,
}

impl Heard {
    const UNKNOWN: Heard = Heard { row: None, state: None, duplicate: false, moved: Vec::new(), next: None };

    fn new(row: Block, before: &Record, record: &Record, state: DeliveryState) -> Self {
        let earlier = before.delivery.steps.iter().map(|step| Some(step.status)).chain(iter::repeat(None));
        let moved = record.delivery.steps.iter().zip(earlier);
        let moved = moved.filter(|(step, earlier)| Some(step.status) != *earlier);
        let moved: Vec<_> = moved.map(|(step, _)| (step.channel.clone(), step.status)).collect();
        Self { row: Some(row), state: Some(state), duplicate: moved.is_empty(), moved, next: None }
    }
}

impl Service {
    /// Takes a webhook of the carrier: checks its signature, stores what it reports, and then goes on with the
    /// workflow where a message failed, or else with one step of any that is due. No webhook changes whether a code is right.
    ///
    /// # Errors
    ///
    /// `Unsupported` when the configuration has no `webhook`; `Unsigned`, `Signature`; `Argument` for a body that is
    /// no webhook; `Store`, `Busy`. What follows a report that is stored changes nothing about the answer.
    pub fn webhook(&self, authorization: Option<&str>, body: &[u8]) -> Result<WebhookReply> {
        self.start_driver()?;
        let answer = self.hear(authorization, body);
        self.told("webhook", None, answer)
    }

    fn hear(&self, authorization: Option<&str>, body: &[u8]) -> Result<WebhookReply> {
        let Some(verifier) = &self.core.verifier else {
            return Err(Error::unsupported("webhook: the configuration has none"));
        };
        verifier.verify(authorization, body, self.hooks.time())?;
        let (kind, heard) = match webhook::parse(body)? {
            Event::Inbound(inbound) => {
                let InboundEvent { from, channel, text, .. } = inbound;
                return Ok(WebhookReply { from, channel, text, ..WebhookReply::new(WebhookKind::Inbound) });
            }
            Event::Status(status) => (
                WebhookKind::Status,
                self.store_report(move |core, transaction, now| core.report(transaction, &status, now))?,
            ),
            Event::Final(last) => (
                WebhookKind::Final,
                self.store_report(move |core, transaction, now| core.last_report(transaction, &last, now))?,
            ),
        };
        for (channel, state) in &heard.moved {
            let level = if workflow::has_failed(*state) { Level::Warning } else { Level::Info };
            let step = Some((channel.as_str(), *state));
            self.hooks.log(level, "report", Outcome::Ok, About { row: heard.row.as_ref(), step, ..About::default() });
        }
        match heard.next {
            // The report itself was taken.
            Some(job) => self.deliver_alone(*job),
            None => self.run_one_timer(),
        }
        let (known, duplicate) = (heard.row.is_some(), heard.row.map(|_| heard.duplicate));
        Ok(WebhookReply { known: Some(known), duplicate, state: heard.state, ..WebhookReply::new(kind) })
    }

    fn store_report(
        &self,
        store: impl FnOnce(&Core, &mut dyn Transaction, Time) -> Result<Heard> + Send + 'static,
    ) -> Result<Heard> {
        let (core, moment) = (self.core.clone(), self.hooks.moment());
        transact(&*self.core.repository, DURABLE, move |transaction| store(&core, transaction, moment.now()))
    }
}

impl Core {
    /// Sends the message by the carrier: with Dispatch together with all that may follow it.
    /// `may_leave` is asked right before the message leaves.
    pub(super) fn send_by_carrier(
        &self,
        carrier: &Carrier,
        job: &Job,
        deadline: Instant,
        may_leave: &mut dyn FnMut() -> bool,
    ) -> Result<Answer> {
        let mut legs = job.steps.iter().zip(&self.config.workflow).map(|(step, configured)| leg(job, step, configured));
        if self.config.sender == Via::Dispatch {
            return Ok(carrier.dispatch(&legs.flatten().collect::<Vec<_>>(), job.now, deadline));
        }
        let leg =
            legs.nth(job.at()).flatten().ok_or_else(|| Error::internal("a step that was begun has no message"))?;
        let client_ref = client_ref(&job.row, &job.record, job.at());
        Ok(carrier.message(&leg, &client_ref, job.now, deadline, may_leave))
    }

    /// Stores a report on one message.
    fn report(&self, transaction: &mut dyn Transaction, status: &StatusEvent, now: Time) -> Result<Heard> {
        let Some((row, delivery, step)) = self.meant(transaction, status)? else { return Ok(Heard::UNKNOWN) };
        let Some(before) = rows::record(transaction, &row, now)? else { return Ok(Heard::UNKNOWN) };
        let mut record = before.clone();
        record.settle(now);
        let place = step.or_else(|| place(&record, status.channel.as_deref(), status.message_uuid.as_deref()));
        if record.deliveries != delivery {
            // Of a delivery that a newer one replaced: nothing waits for it any more.
            let heard = Heard::new(row, &record, &record, record.delivery.state());
            return Ok(Heard { duplicate: false, ..heard });
        }
        let place = place.unwrap_or_else(|| add_step(&mut record, status.channel.as_deref(), now));
        let changed = hear(&mut record, place, status.state, status.message_uuid.as_deref(), status.at.unwrap_or(now));
        let mut state = record.delivery.state();
        if let Some(step) = record.delivery.steps.get_mut(place) {
            step.error = status.error.clone().filter(|_| changed).or(step.error.take());
            state = step.status;
        }
        let mut heard = Heard::new(row, &before, &record, state);
        heard.next = self.after_report(&row, &mut record, place, state, now);
        rows::put_record(transaction, &row, &before, record, now);
        Ok(heard)
    }

    /// What follows from a step's new state: its condition is met, or the next one begins at once.
    fn after_report(
        &self,
        row: &Block,
        record: &mut Record,
        place: usize,
        state: DeliveryState,
        now: Time,
    ) -> Option<Box<Job>> {
        if workflow::has_failed(state) {
            return self.go_on(row, record, place, now);
        }
        let channel = record.delivery.steps.get(place).map(|step| step.channel.as_str());
        let configured = self.config.workflow.iter().find(|step| Some(step.channel.as_str()) == channel);
        let newest = workflow::is_newest(record, place);
        let is_met = configured.is_some_and(|step| webhook::reached(state, step.condition));
        if is_met && (newest || workflow::is_claimed(record)) {
            record.delivery.call_off();
        }
        None
    }

    /// Stores the last report on a Dispatch workflow.
    fn last_report(&self, transaction: &mut dyn Transaction, last: &FinalEvent, now: Time) -> Result<Heard> {
        let Some(Row::Reference(reference)) = transaction.get(&self.reference(&last.dispatch_uuid))? else {
            return Ok(Heard::UNKNOWN);
        };
        let Some(before) = rows::record(transaction, &reference.record, now)? else { return Ok(Heard::UNKNOWN) };
        let mut record = before.clone();
        record.settle(now);
        let current = record.deliveries == reference.delivery;
        for message in last.messages.iter().filter(|_| current) {
            let place = place(&record, message.channel.as_deref(), message.message_uuid.as_deref());
            let place = place.unwrap_or_else(|| add_step(&mut record, message.channel.as_deref(), now));
            hear(&mut record, place, message.state, message.message_uuid.as_deref(), last.at.unwrap_or(now));
        }
        let heard = Heard::new(reference.record, &before, &record, record.delivery.state());
        rows::put_record(transaction, &reference.record, &before, record, now);
        Ok(heard)
    }

    /// Which record, delivery and step a report means: by the reference that the message carried, else by the
    /// provider's identifiers.
    fn meant(
        &self,
        transaction: &mut dyn Transaction,
        status: &StatusEvent,
    ) -> Result<Option<(Block, u32, Option<usize>)>> {
        if let Some((row, delivery, step)) = status.client_ref.as_deref().and_then(parse_client_ref) {
            return Ok(Some((row, delivery, Some(step))));
        }
        for uuid in status.message_uuid.iter().chain(&status.dispatch_uuid) {
            if let Some(Row::Reference(reference)) = transaction.get(&self.reference(uuid))? {
                return Ok(Some((reference.record, reference.delivery, reference.step.map(usize::from))));
            }
        }
        Ok(None)
    }
}

/// A step as the carrier takes it, if there is an address for it.
fn leg<'a>(job: &'a Job, step: &'a PlannedStep, configured: &'a StepConfig) -> Option<Leg<'a>> {
    let message = step.message.as_ref()?;
    Some(Leg {
        channel: &message.channel,
        from: &message.from,
        to: &message.to,
        text: &message.text,
        code: &message.code,
        locale: job.locale.as_deref(),
        template: configured.provider_template.as_deref(),
        expiry_seconds: configured.expiry_seconds,
        condition: configured.condition,
    })
}

/// What a message carries, so that a report finds its record even if it overtakes the answer: the hashed key of the
/// row, which delivery, and which step. At most 40 characters (Messages v0.1).
fn client_ref(row: &Block, record: &Record, at: usize) -> String {
    format!("{row}{:06x}{at:02x}", record.deliveries & 0xff_ffff)
}

fn parse_client_ref(text: &str) -> Option<(Block, u32, usize)> {
    let (row, rest) = text.split_at_checked(2 * Block::SIZE)?;
    let (delivery, step) = rest.split_at_checked(6)?;
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok();
    Some((Block::from_hex(row)?, number(delivery)?, number(step).filter(|_| step.len() == 2)? as usize))
}

/// The step that a report on a channel means: of this message, else the newest of this channel.
fn place(record: &Record, channel: Option<&str>, uuid: Option<&str>) -> Option<usize> {
    let steps = &record.delivery.steps;
    let by_uuid = steps.iter().position(|step| uuid.is_some() && step.message_uuid.as_deref() == uuid);
    by_uuid.or_else(|| steps.iter().rposition(|step| Some(step.channel.as_str()) == channel))
}

/// A step that the carrier began by itself.
fn add_step(record: &mut Record, channel: Option<&str>, now: Time) -> usize {
    let steps = &mut record.delivery.steps;
    if let (Some(channel), true) = (channel, steps.len() < MAX_STEPS) {
        let channel = channel.to_owned();
        steps.push(Step { channel, status: DeliveryState::Accepted, at: now, message_uuid: None, error: None });
    }
    steps.len().saturating_sub(1)
}

const MAX_STEPS: usize = 5;

/// Moves a step forward. True if that changed its state.
fn hear(record: &mut Record, place: usize, told: Option<DeliveryState>, uuid: Option<&str>, at: Time) -> bool {
    let Some(step) = record.delivery.steps.get_mut(place) else { return false };
    if step.message_uuid.is_none() {
        step.message_uuid = uuid.map(str::to_owned);
    }
    let Some(state) = told.and_then(|told| webhook::advance(step.status, told)) else { return false };
    step.status = state;
    step.at = at;
    true
}
