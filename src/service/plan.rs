//! What is going to be sent: the steps of the workflow, each with its message, ready before anything is stored.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::Core;
use crate::block::{Recipient, RowKey};
use crate::channel::EMAIL;
use crate::clock::{MINUTE_MS, SECOND_MS, Time};
use crate::code;
use crate::config::StepConfig;
use crate::envelope::Envelope;
use crate::error::{Error, Result};
use crate::record::{Record, Via};
use crate::sender::{Message, http};
use crate::workflow::PlannedStep;

/// What the messages of a code are made of.
pub struct Contents<'a> {
    /// The token; empty where the library itself goes on with a workflow and none was sealed.
    pub token: &'a str,
    /// Addresses, locale and values.
    pub envelope: &'a Envelope,
    /// The code.
    pub code: &'a str,
    /// How long it is still good, in milliseconds.
    pub left_ms: u64,
    /// The first step that may be used.
    pub first: usize,
}

/// A step of the workflow, with its message if there is an address for it.
pub type Planned = PlannedStep<Message>;

/// All steps of the workflow.
pub type Steps = [Planned];

/// Whether a code is being delivered for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It is. A code that certainly reached nobody is given up.
    First,
    /// It was delivered before, and stays good whatever happens.
    Again,
}

/// A code to deliver, as it was committed.
pub struct Job {
    /// Its row.
    pub row: RowKey,
    /// Its record, whose newest step was begun.
    pub record: Record,
    /// The locale that was asked for.
    pub locale: Option<String>,
    /// All steps of the workflow.
    pub steps: Arc<Steps>,
    /// The time of the commit.
    pub now: Time,
    /// Whether it is the first time.
    pub occasion: Occasion,
}

impl Job {
    /// The place of the step that was begun.
    pub fn at(&self) -> usize {
        self.record.delivery.steps.len().saturating_sub(1)
    }

    /// The message of that step.
    ///
    /// # Errors
    ///
    /// `Internal` when there is none: no step begins without one.
    pub fn message(&self) -> Result<&Message> {
        let message = self.steps.get(self.at()).and_then(|step| step.message.as_ref());
        message.ok_or_else(|| Error::internal("a step that was begun has no message"))
    }
}

impl Core {
    /// The steps as they are configured, with the messages for the addresses that there are. The host that delivers
    /// itself gets the first that has one, and may know the address.
    ///
    /// # Errors
    ///
    /// `Argument` when there is no address for any step, or a text cannot be made.
    pub(super) fn plan(&self, contents: &Contents<'_>) -> Result<Arc<Steps>> {
        let hands_over = self.config.hands_over();
        let knows_none = hands_over && contents.envelope.addresses.is_empty();
        let mut steps = Vec::with_capacity(self.config.workflow.len());
        for (place, step) in self.config.workflow.iter().enumerate() {
            let is_used = place >= contents.first && contents.envelope.goes_to(&step.channel);
            let address = contents.envelope.address_for(&step.channel);
            let to = address.map(|address| address.text.clone()).or(knows_none.then(String::new)).filter(|_| is_used);
            let message = to.map(|to| self.message(step, Zeroizing::new(to), contents)).transpose()?;
            let is_last = hands_over && message.is_some();
            let counts = if message.is_some() { self.counts(step, contents.envelope) } else { Vec::new() };
            let wait_ms = step.condition.map(|_| u64::from(step.expiry_seconds) * SECOND_MS);
            let (channel, sender, via) = (step.channel.clone(), self.sender_name(step), self.config.via(step));
            steps.push(PlannedStep { channel, sender, via, wait_ms, counts, message });
            if is_last {
                break;
            }
        }
        // Of a step that follows another, there may be none.
        if contents.first == 0 && steps.iter().all(|step| step.message.is_none()) {
            return Err(Error::argument("request: has no address for any step of the workflow that it may use"));
        }
        Ok(steps.into())
    }

    /// On whom a step counts: on its own recipient; with Dispatch, which goes on by itself, on those of all steps.
    fn counts(&self, step: &StepConfig, envelope: &Envelope) -> Vec<(Recipient, Option<String>)> {
        let counted = |other: &&StepConfig| self.config.dispatches() || *other == step;
        let mut counts = Vec::new();
        for StepConfig { channel, .. } in self.config.workflow.iter().filter(counted) {
            let Some(address) = envelope.address_for(channel) else { continue };
            let recipient = self.recipient(&address.kind, &address.text);
            let by_channel = self.config.policy.counts_channel(channel);
            let by_channel = by_channel.then(|| (self.recipient_by(channel, &recipient), Some(channel.clone())));
            for count in [Some((recipient, None)), by_channel].into_iter().flatten() {
                if !counts.contains(&count) {
                    counts.push(count);
                }
            }
        }
        counts
    }

    /// The name of a step's sender, where senders have names.
    pub(super) fn sender_name(&self, step: &StepConfig) -> Option<String> {
        self.config.senders.get(step.sender)?.name.clone()
    }

    /// The steps of a code that is stored and live, and what is sealed beside it.
    ///
    /// # Errors
    ///
    /// `Config` when its key is not at hand, `Store` when it was tampered with; those of [`Core::plan`].
    pub(super) fn plan_stored(
        &self,
        token: Option<&str>,
        row: &RowKey,
        record: &Record,
        first: usize,
        now: Time,
    ) -> Result<(Envelope, Arc<Steps>)> {
        let (envelope, code) = self.open(row, record)?;
        let left_ms = record.code.expires.since(record.time(now));
        let token = token.or(envelope.token.as_deref()).unwrap_or_default();
        let steps = self.plan(&Contents { token, envelope: &envelope, code: &code, left_ms, first })?;
        Ok((envelope, steps))
    }

    /// What is sealed in a live record, and its code.
    pub(super) fn open(&self, row: &RowKey, record: &Record) -> Result<(Envelope, Zeroizing<String>)> {
        code::open(&self.keys, &self.config.namespace, row, record)
    }

    fn message(&self, step: &StepConfig, to: Zeroizing<String>, contents: &Contents<'_>) -> Result<Message> {
        let Contents { token, envelope, code, left_ms, .. } = *contents;
        let minutes_left = left_ms.div_ceil(MINUTE_MS);
        let rendered =
            self.config.texts.render(step, envelope.locale.as_deref(), code, minutes_left, &envelope.params)?;
        let in_reply = self.config.hands_over();
        let http = self.config.senders.get(step.sender).and_then(|sender| sender.http.as_ref());
        let message = Message {
            token: token.to_owned(),
            channel: step.channel.clone(),
            to,
            from: step.from.clone().unwrap_or_default(),
            subject: self.mail_subject(step, contents, minutes_left)?,
            text: rendered.text,
            code: Zeroizing::new(code.to_owned()),
            expires_in_seconds: (!in_reply).then_some(left_ms / SECOND_MS),
            locale: rendered.locale,
            sender: self.sender_name(step).filter(|_| !in_reply),
            client_ref: None,
            minutes: minutes_left,
            params: if http.is_some() { envelope.params.clone() } else { Vec::new() },
        };
        if let Some(http) = http {
            http::check(http, &message, envelope.locale.as_deref())?;
        }
        #[cfg(feature = "smtp")]
        if self.config.via(step) == Via::Smtp {
            crate::sender::smtp::check(&message)?;
        }
        Ok(message)
    }

    /// The subject of a mail: a host that delivers it gets one only where the step has it.
    fn mail_subject(
        &self,
        step: &StepConfig,
        contents: &Contents<'_>,
        minutes_left: u64,
    ) -> Result<Option<Zeroizing<String>>> {
        let is_needed = step.channel == EMAIL && matches!(self.config.via(step), Via::Smtp | Via::Http);
        if !is_needed && step.subject.is_none() {
            return Ok(None);
        }
        let params = &contents.envelope.params;
        self.config.texts.render_subject(step, contents.code, minutes_left, params).map(Zeroizing::new).map(Some)
    }
}
