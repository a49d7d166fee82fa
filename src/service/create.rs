//! Creating a code: everything up to the commit after which it is delivered.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::after::AfterResult;
use super::deliver::Way;
use super::plan::{Contents, Job, PlannedStep};
use super::{Core, Service, delivery_reply, locked_reply, rows, subject_locked, whole_seconds_up};
use crate::block::Block;
use crate::channel::AddressKind;
use crate::clock::Time;
use crate::envelope::Envelope;
use crate::error::{Error, Result};
use crate::hooks::About;
use crate::outcome::Outcome;
use crate::policy::Sends;
use crate::record::{CodeState, Delivery, FirstAnswer, Idempotency, Record, Via};
use crate::reply::{CreateReply, DeliveryState, SendFailure};
use crate::repository::{Commit, Sweeper, Transaction, transact};
use crate::request::{Address, Request};
use crate::workflow;

/// Rows a create looks at beside its own, so that a repository nobody sweeps does not grow for ever.
const SWEPT_ROWS: usize = 4;

/// A request to create a code, understood and checked.
pub struct Order {
    token: String,
    pub row: Block,
    pub subject: Block,
    pub recipients: Vec<Block>,
    /// Who asks.
    client: Option<Block>,
    /// Whether every phone number is on the list of countries.
    allowed: bool,
    pub envelope: Envelope,
    pub context: Option<Zeroizing<String>>,
    pub idempotency: Option<Idempotency>,
    /// The steps, tried with a code of the same length.
    pub steps: Arc<[PlannedStep]>,
}

/// What the first transaction came to.
pub enum Begun {
    /// An answer, and nothing to send.
    Answered(Box<CreateReply>),
    /// A code to deliver.
    Deliver(Box<Job>),
}

impl Begun {
    pub fn answered(reply: CreateReply) -> Result<Self> {
        Ok(Begun::Answered(Box::new(reply)))
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
        self.start_driver()?;
        let row = self.core.row(token)?;
        let mut client = None;
        let answer = self.order(token, row, request).and_then(|order| {
            client = order.client;
            let way = self.way()?;
            let (core, moment) = (self.core.clone(), self.hooks.moment());
            let commit = Commit { synced: true, sweep: Some((SWEPT_ROWS, Sweeper::new(core.tenant(), moment))) };
            let begun = transact(&*self.core.repository, commit, move |transaction| {
                core.begin_create(transaction, order, moment.now())
            })?;
            Ok(self.finish(begun, way.as_ref(), false)?)
        });
        let about = About { row: Some(&row), client: client.as_ref(), ..About::default() };
        self.told_about("create", about, answer)
    }

    /// What follows the commit.
    pub(super) fn finish(&self, begun: Begun, way: Option<&Way<'_>>, again: bool) -> AfterResult<CreateReply> {
        match (begun, way) {
            (Begun::Answered(reply), _) => Ok(*reply),
            (Begun::Deliver(job), Some(way)) => self.deliver(*job, way, again),
            (Begun::Deliver(job), None) => self.hand_over(&job),
        }
    }

    /// Checks everything about a request that does not depend on what is stored.
    fn order(&self, token: &str, row: Block, request: Option<&str>) -> Result<Order> {
        let core = &self.core;
        let request = Request::parse(request, &core.config)?;
        let idempotency = request.idempotency_key.as_ref().map(|key| Idempotency {
            key: core.keys.fingerprint(key.as_bytes()),
            request: core.keys.fingerprint(&request.canonical()),
            answer: None,
        });
        let recipients = core.recipients_of(&request.addresses);
        let subject = core.subject(token, &request);
        let allowed = core.allows(&request.addresses);
        let client = request.client.as_ref().map(|client| core.keys.index("client", &core.config.namespace, client));
        let Request { addresses, channels, locale, params, code, context, .. } = request;
        let envelope = Envelope { addresses, channels, locale, params, code };
        let placeholder = "0".repeat(usize::from(core.config.otp_length));
        let code = envelope.code.as_ref().map_or(placeholder.as_str(), |code| code.as_str());
        let left_ms = core.config.validity_ms;
        let steps = core.plan(&Contents { token, envelope: &envelope, code, left_ms, first: 0 })?;
        let context = context.map(Zeroizing::new);
        let token = token.to_owned();
        Ok(Order { token, row, subject, recipients, client, allowed, envelope, context, idempotency, steps })
    }
}

impl Core {
    /// The hashes under which sends to these addresses are counted, each once.
    fn recipients_of(&self, addresses: &[Address]) -> Vec<Block> {
        let mut recipients = Vec::with_capacity(addresses.len());
        for address in addresses {
            let recipient = self.recipient(&address.kind, &address.text);
            if !recipients.contains(&recipient) {
                recipients.push(recipient);
            }
        }
        recipients
    }

    /// The hash under which sends to an address are counted. The name of a channel is no part of it: an erase must
    /// find addresses of channels that the workflow does not have any more.
    pub(super) fn recipient(&self, kind: &AddressKind, text: &str) -> Block {
        let kind = match kind {
            AddressKind::Phone => "phone",
            AddressKind::Messenger => "messenger",
            AddressKind::Channel(_) => "address",
        };
        self.keys.index(kind, &self.config.namespace, text)
    }

    /// The subject of a request: as given, or the phone number, or the Messenger id, or the token.
    fn subject(&self, token: &str, request: &Request) -> Block {
        if let Some(subject) = &request.subject {
            return self.keys.index("subject", &self.config.namespace, subject);
        }
        let of_kind = |kind: AddressKind| request.addresses.iter().find(|address| address.kind == kind);
        match of_kind(AddressKind::Phone).or_else(|| of_kind(AddressKind::Messenger)) {
            Some(address) => self.recipient(&address.kind, &address.text),
            None => self.keys.index("token as subject", &self.config.namespace, token),
        }
    }

    pub(super) fn allows(&self, addresses: &[Address]) -> bool {
        let mut phones = addresses.iter().filter(|address| address.kind == AddressKind::Phone);
        phones.all(|address| self.config.policy.allows(&address.text))
    }

    fn begin_create(&self, transaction: &mut dyn Transaction, order: Order, now: Time) -> Result<Begun> {
        let before = rows::record(transaction, &order.row, now)?;
        let timer = before.as_ref().and_then(|record| workflow::timer(&order.row, record));
        let mut older = before.clone();
        if let (Some(before), Some(record)) = (&before, &mut older) {
            record.settle(now);
            if let Some(reply) = self.replay(&order, record, now)? {
                rows::put_record(transaction, &order.row, before, record.clone(), now);
                return Begun::answered(reply);
            }
        }
        if !order.allowed {
            return Begun::answered(CreateReply::new(Outcome::Refused));
        }
        let standing = rows::settled_failures(transaction, &order.subject, now)?.standing(now);
        if let Some(locked) = subject_locked(standing) {
            return Begun::answered(locked_reply(locked, standing));
        }
        let sends = match self.may_send(transaction, &order.recipients, now)? {
            Ok(sends) => sends,
            Err(reply) => return Begun::answered(reply),
        };
        let (record, code) = self.draw(&order, older, now)?;
        let Order { token, row, envelope, .. } = order;
        let left_ms = self.config.validity_ms;
        let steps = self.plan(&Contents { token: &token, envelope: &envelope, code: &code, left_ms, first: 0 })?;
        rows::put_new_record(transaction, &row, timer, &record);
        rows::count_sends(transaction, sends, now, self.config.policy.sends_kept());
        Ok(Begun::Deliver(Box::new(Job { row, record, locale: envelope.locale, steps, now })))
    }

    /// The sends so far, or the refusal when one more is too much for any recipient.
    pub(super) fn may_send(
        &self,
        transaction: &mut dyn Transaction,
        recipients: &[Block],
        now: Time,
    ) -> Result<std::result::Result<Vec<(Block, Sends)>, CreateReply>> {
        let mut counted = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            counted.push((*recipient, rows::settled_sends(transaction, recipient, now)?));
        }
        let waits = counted.iter().filter_map(|(_, sends)| self.config.policy.send_wait_ms(sends, now));
        Ok(match waits.max() {
            None => Ok(counted),
            Some(wait_ms) => {
                let mut reply = CreateReply::new(Outcome::RateLimited);
                reply.retry_after_seconds = Some(whole_seconds_up(wait_ms));
                Err(reply)
            }
        })
    }

    /// Begins a delivery with its first step; what the host delivers itself counts as accepted.
    pub(super) fn begin_delivery(&self, record: &mut Record, steps: &[PlannedStep], now: Time) {
        let via = self.config.sender;
        record.begin_delivery(Delivery::new(via));
        self.begin_next(record, steps, now);
        if let (Via::None, Some(step)) = (via, record.delivery.steps.last_mut()) {
            step.status = DeliveryState::Accepted;
            record.keep_answer(FirstAnswer::Sent);
        }
    }

    /// Begins the next step for which there is an address, if there is one.
    pub(super) fn begin_next(&self, record: &mut Record, steps: &[PlannedStep], now: Time) -> bool {
        let begun = workflow::begin_next(record, &self.planned(steps), now);
        if begun {
            self.wait(record, steps, now);
        }
        begun
    }

    /// Has the workflow go on when the newest step's condition has not come in time, where the library runs it.
    pub(super) fn wait(&self, record: &mut Record, steps: &[PlannedStep], now: Time) {
        if self.config.sender == Via::Messages {
            workflow::wait(record, &self.planned(steps), now);
        }
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
        if self.config.sender == Via::None && record.code.state == CodeState::Live && !record.is_locked() {
            // Of the newest step, which may have followed one that failed, or been asked for.
            let newest = record.delivery.steps.len().saturating_sub(1);
            let (_, steps) = self.plan_stored(&order.token, &order.row, record, newest, now)?;
            reply.message = steps.iter().find_map(|step| step.message.clone());
        }
        Ok(Some(reply))
    }

    /// What all answers about a code say.
    pub(super) fn sent_reply(&self, outcome: Outcome, record: &Record, now: Time) -> CreateReply {
        let live = record.code.state == CodeState::Live;
        let mut reply = CreateReply::new(outcome);
        reply.expires_in_seconds = Some(if live { record.code.expires.since(record.time(now)) / 1000 } else { 0 });
        reply.attempts_left = Some(record.attempts_left());
        reply.delivery = Some(delivery_reply(record));
        reply
    }
}
