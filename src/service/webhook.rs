//! Webhooks: what the carrier reports about messages, and what users write.

use std::iter;

use super::plan::Job;
use super::reference::Meant;
use super::timers::FailedStep;
use super::ways::Ways;
use super::{Core, DURABLE, Service, rows};
use crate::block::RowKey;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::hooks::{About, Level};
use crate::metrics::{Call, Report};
use crate::outcome::Outcome;
use crate::record::{MOST_STEPS, Record, Step};
use crate::reply::{DeliveryState, WebhookKind, WebhookReply};
use crate::repository::{Row, Transaction, transact};
use crate::typed::{WITHHELD, shown_without};
use crate::webhook::{self, Event, FinalEvent, InboundEvent, StatusEvent};
use crate::workflow::{self, Reference};

/// What a report did.
pub struct Heard {
    /// The record it is about, if there is one.
    pub row: Option<RowKey>,
    /// How far the message came.
    pub state: Option<DeliveryState>,
    /// Whether it said nothing new.
    duplicate: bool,
    /// The steps that came further, by channel.
    moved: Vec<(String, DeliveryState)>,
    next: Option<Box<Job>>,
}

impl Heard {
    const UNKNOWN: Heard = Heard { row: None, state: None, duplicate: false, moved: Vec::new(), next: None };

    fn new(row: RowKey, before: &Record, record: &Record, state: DeliveryState) -> Self {
        let earlier = before.delivery.steps.iter().map(|step| Some(step.status)).chain(iter::repeat(None));
        let moved = record.delivery.steps.iter().zip(earlier);
        let moved = moved.filter(|(step, earlier)| Some(step.status) != *earlier);
        let moved: Vec<_> = moved.map(|(step, _)| (step.channel.clone(), step.status)).collect();
        Self { row: Some(row), state: Some(state), duplicate: moved.is_empty(), moved, next: None }
    }
}

/// A message from a user, as far as it is noted.
struct Inbound {
    /// The carrier's identifier, or else a hash of all it says.
    name: String,
    /// How long the carrier may send it again.
    kept_ms: u64,
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
        self.call(Call::Webhook, || {
            let answer = self.hear(authorization, body);
            self.logged("webhook", None, answer)
        })
    }

    fn hear(&self, authorization: Option<&str>, body: &[u8]) -> Result<WebhookReply> {
        let Some(verifier) = &self.core.verifier else {
            return Err(Error::unsupported("webhook: the configuration has none"));
        };
        verifier.verify(authorization, body, self.time()?)?;
        let (kind, heard) = match webhook::parse(body)? {
            Event::Inbound(inbound) => return self.hear_inbound(inbound, body, verifier.repeated_within_ms()),
            Event::Other => return Ok(WebhookReply { known: Some(false), ..WebhookReply::new(WebhookKind::Other) }),
            Event::Status(status) => (WebhookKind::Status, self.store_status(status)?),
            Event::Final(last) => (
                WebhookKind::Final,
                self.store_report(move |core, transaction, now| core.last_report(transaction, &last, now))?,
            ),
        };
        let heard = self.go_on_after(heard);
        let (known, duplicate) = (heard.row.is_some(), heard.row.map(|_| heard.duplicate));
        Ok(WebhookReply { known: Some(known), duplicate, state: heard.state, ..WebhookReply::new(kind) })
    }

    /// Counts a report that was stored, tells the log, and goes on with the workflow.
    pub(super) fn go_on_after(&self, mut heard: Heard) -> Heard {
        self.count_report(&heard);
        for (channel, state) in &heard.moved {
            let level = if workflow::has_failed(*state) { Level::Warning } else { Level::Info };
            let step = Some((channel.as_str(), *state));
            self.hooks.log(level, "report", Outcome::Ok, About { row: heard.row.as_ref(), step, ..About::default() });
        }
        match heard.next.take() {
            // The report itself was taken.
            Some(job) => self.deliver_alone(*job, &self.ways_at_hand()),
            None => self.run_one_timer(),
        }
        heard
    }

    /// Stores a report on one message.
    pub(super) fn store_status(&self, status: StatusEvent) -> Result<Heard> {
        let ways = self.ways_at_hand();
        self.store_report(move |core, transaction, now| core.report(transaction, &status, &ways, now))
    }

    fn count_report(&self, heard: &Heard) {
        let metrics = &self.core.metrics;
        match (heard.row, heard.moved.is_empty()) {
            (None, _) => metrics.report(Report::Unknown),
            (_, true) => metrics.report(Report::Duplicate),
            (_, false) => {
                heard.moved.iter().filter_map(|(_, state)| Report::of(*state)).for_each(|it| metrics.report(it));
            }
        }
    }

    fn hear_inbound(&self, event: InboundEvent, body: &[u8], kept_ms: u64) -> Result<WebhookReply> {
        let InboundEvent { message_uuid, from, channel, text } = event;
        let name = message_uuid.unwrap_or_else(|| self.core.keys.fingerprint(body).to_string());
        let inbound = Inbound { name, kept_ms };
        let repeated = self.store_report(move |core, transaction, now| core.is_repeated(transaction, &inbound, now))?;
        let duplicate = Some(repeated);
        Ok(WebhookReply { duplicate, from, channel, text, ..WebhookReply::new(WebhookKind::Inbound) })
    }

    fn store_report<T: Send + 'static>(
        &self,
        mut store: impl FnMut(&Core, &mut dyn Transaction, Time) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (core, moment) = (self.core.clone(), self.hooks.moment());
        transact(&*self.core.repository, DURABLE, move |transaction| {
            let now = transaction.time(&moment);
            store(&core, transaction, now)
        })
    }
}

impl Core {
    /// Stores a report on one message.
    fn report(&self, transaction: &mut dyn Transaction, status: &StatusEvent, ways: &Ways, now: Time) -> Result<Heard> {
        let Some(Meant { row, delivery, step }) = self.meant(transaction, status)? else { return Ok(Heard::UNKNOWN) };
        let Some(before) = rows::record(transaction, &row, now)? else { return Ok(Heard::UNKNOWN) };
        let mut record = before.clone();
        record.settle(now);
        if record.deliveries != delivery {
            // Of a delivery that a newer one replaced: nothing waits for it any more.
            let heard = Heard::new(row, &record, &record, record.delivery.state());
            return Ok(Heard { duplicate: false, ..heard });
        }
        let uuid = status.message_uuid.as_deref();
        let place = match step {
            Some(step) => Some(step).filter(|step| may_be(&record, *step, uuid)),
            None => place(&mut record, status.channel.as_deref(), uuid, now),
        };
        let Some(place) = place else { return Ok(Heard::UNKNOWN) };
        let changed = hear(&mut record, place, status.state, uuid, status.at.unwrap_or(now));
        let mut state = record.delivery.state();
        let error = status.error.as_ref().filter(|_| changed).map(|error| self.shown(&row, &record, error));
        if let Some(step) = record.delivery.steps.get_mut(place) {
            step.error = error.or(step.error.take());
            state = step.status;
        }
        let mut heard = Heard::new(row, &before, &record, state);
        if workflow::has_failed(state) {
            heard.next = self.go_on(transaction, &FailedStep { row: &row, step: place, ways }, &mut record, now)?;
        } else {
            self.end_if_met(&mut record, place, state);
        }
        rows::put_record(transaction, &row, &before, record, now);
        Ok(heard)
    }

    /// An error of the carrier's as it may be kept: without what a live code has sealed.
    fn shown(&self, row: &RowKey, record: &Record, error: &str) -> String {
        if record.sealed.is_empty() {
            return error.to_owned();
        }
        match self.open(row, record) {
            Ok((envelope, code)) => {
                let addresses = envelope.addresses.iter().map(|address| address.text.as_str());
                shown_without(&addresses.chain([code.as_str()]).collect::<Vec<_>>(), error.to_owned())
            }
            // Nobody here can tell.
            Err(_) => WITHHELD.to_owned(),
        }
    }

    /// Begins no further step where a step's new state is what was waited for.
    fn end_if_met(&self, record: &mut Record, place: usize, state: DeliveryState) {
        // By its place: two steps of one channel may have conditions of their own.
        let channel = record.delivery.steps.get(place).map(|step| step.channel.as_str());
        let configured = self.config.workflow.get(place).filter(|step| Some(step.channel.as_str()) == channel);
        let newest = workflow::is_newest(record, place);
        let condition = configured.and_then(|step| step.condition);
        let is_met = condition.is_some_and(|condition| webhook::reached(state, condition));
        if is_met && (newest || workflow::is_claimed(record)) {
            record.delivery.call_off();
        }
    }

    /// Stores the last report on a Dispatch workflow.
    fn last_report(&self, transaction: &mut dyn Transaction, last: &FinalEvent, now: Time) -> Result<Heard> {
        let Some(Meant { row, delivery, .. }) = self.known(transaction, None, &last.dispatch_uuid)? else {
            return Ok(Heard::UNKNOWN);
        };
        let Some(before) = rows::record(transaction, &row, now)? else { return Ok(Heard::UNKNOWN) };
        let mut record = before.clone();
        record.settle(now);
        let current = record.deliveries == delivery;
        for message in last.messages.iter().filter(|_| current) {
            let uuid = message.message_uuid.as_deref();
            if let Some(place) = place(&mut record, message.channel.as_deref(), uuid, now) {
                hear(&mut record, place, message.state, uuid, last.at.unwrap_or(now));
            }
        }
        let heard = Heard::new(row, &before, &record, record.delivery.state());
        rows::put_record(transaction, &row, &before, record, now);
        Ok(heard)
    }

    /// Notes a message from a user. True if it was noted before: the carrier sends again what it does not know to have
    /// arrived.
    fn is_repeated(&self, transaction: &mut dyn Transaction, inbound: &Inbound, now: Time) -> Result<bool> {
        let row = self.keys.index("inbound", &self.config.namespace, &inbound.name);
        let until = now.plus(inbound.kept_ms);
        let is_noted = match transaction.get(&row)? {
            Some(Row::Reference(noted)) => now < noted.until && noted.until <= until,
            _ => false,
        };
        if !is_noted {
            transaction.put(&row, Row::Reference(Reference::to_itself(row, until)));
        }
        Ok(is_noted)
    }
}

/// Whether a report on a message with this identifier can be about this step: not where the step's is another.
fn may_be(record: &Record, place: usize, uuid: Option<&str>) -> bool {
    let step = record.delivery.steps.get(place);
    step.is_some_and(|step| step.message_uuid.is_none() || uuid.is_none() || step.message_uuid.as_deref() == uuid)
}

/// The step that a report of a workflow means which the carrier runs: the one of this message, else the newest of the
/// channel that can be it, else one that the carrier began by itself.
fn place(record: &mut Record, channel: Option<&str>, uuid: Option<&str>, now: Time) -> Option<usize> {
    let steps = &record.delivery.steps;
    let by_uuid = steps.iter().position(|step| uuid.is_some() && step.message_uuid.as_deref() == uuid);
    let is_of_channel = |place: &usize| {
        steps.get(*place).is_some_and(|step| Some(step.channel.as_str()) == channel) && may_be(record, *place, uuid)
    };
    let place = by_uuid.or_else(|| (0..steps.len()).rev().find(is_of_channel));
    place.or_else(|| add_step(record, channel?, now))
}

fn add_step(record: &mut Record, channel: &str, now: Time) -> Option<usize> {
    let steps = &mut record.delivery.steps;
    if steps.len() >= MOST_STEPS {
        return None;
    }
    let channel = channel.to_owned();
    let status = DeliveryState::Accepted;
    steps.push(Step { channel, sender: None, status, at: now, message_uuid: None, error: None });
    steps.len().checked_sub(1)
}

/// Moves a step forward. True if that changed its state.
fn hear(record: &mut Record, place: usize, reported: Option<DeliveryState>, uuid: Option<&str>, at: Time) -> bool {
    let Some(step) = record.delivery.steps.get_mut(place) else { return false };
    if step.message_uuid.is_none() {
        step.message_uuid = uuid.map(str::to_owned);
    }
    let Some(state) = reported.and_then(|state| webhook::advance(step.status, state)) else { return false };
    step.status = state;
    step.at = at;
    true
}
