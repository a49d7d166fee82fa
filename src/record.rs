//! The record of a token and its state machine. Pure: no I/O, no clock, no keys.
//!
//! A record holds the token's newest code and what is left of the eight before it. Every rule about guesses, expiry,
//! cancelling and resending is a function here; the service loads, asks, stores and answers.

mod delivery;
mod idempotency;
mod state;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::block::{KeySlot, Mac, Nonce, Recipient, Subject};
use crate::clock::{DAY_MS, MINUTE_MS, SECOND_MS, SWEPT_AHEAD_MS, Time};
use crate::hex;
use crate::outcome::Outcome;
use crate::policy::{Failures, Standing, SubjectFailures};

pub use delivery::{Delivery, DeliveryState, MOST_STEPS, Step, Via};
pub use idempotency::{FirstAnswer, Idempotency};
pub use state::{Locked, RequestState};

/// How many earlier codes a token remembers.
pub const REMEMBERED: usize = 8;

/// Digits that a derived code may have.
pub const LENGTHS: RangeInclusive<u64> = 4..=10;

/// How many wrong guesses a code may allow.
pub const ATTEMPTS: RangeInclusive<u64> = 1..=10;

/// How long a code may be good, in milliseconds.
pub const VALIDITY_MS: RangeInclusive<u64> = SECOND_MS..=LONGEST_VALIDITY_MS;
const LONGEST_VALIDITY_MS: u64 = DAY_MS;

/// The longest time that a record may be kept after its codes ended, in minutes.
pub const MOST_RETENTION_MINUTES: u64 = 43_200;

/// How far a record may have seen the future before it is expired for good.
const FUTURE_IGNORED_MS: u64 = 2000;

/// What a code is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Secret {
    /// The code follows from the key and this nonce.
    Derived {
        /// Random.
        nonce: Nonce,
        /// Digits of the code.
        length: u8,
    },
    /// A MAC of the code: of one that the host brought, or, of another kind, of one that was replaced.
    Mac(Mac),
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CodeState {
    /// Nothing yet. Among the remembered codes: replaced.
    Live,
    /// It was verified.
    Used(Time),
    /// It was cancelled.
    Cancelled,
    /// It ended, and no clock brings it back.
    Expired,
}

/// One code of a token. What it is compared with follows from all other fields but `state`, see [`crate::code`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Code {
    /// Which key it was made with, see [`crate::keys`].
    #[serde(rename = "key")]
    pub slot: KeySlot,
    /// When it was created.
    pub created: Time,
    /// When it ends.
    pub expires: Time,
    /// What it is compared with.
    pub secret: Secret,
    /// How many wrong guesses it allows.
    pub max_attempts: u8,
    /// The subject on which failures count, hashed.
    pub subject: Subject,
    /// MAC of the context that must be given with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Mac>,
    /// What became of it.
    pub state: CodeState,
}

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The newest code.
    pub code: Code,
    /// Wrong guesses since it was created.
    pub attempts: u8,
    /// All recipients, hashed: by these an erase finds it.
    pub recipients: Vec<Recipient>,
    /// The latest time this record has seen.
    pub seen: Time,
    /// How long it is kept after its codes ended.
    pub retention_minutes: u32,
    /// From when on it is kept so long, since a sweep found that its own times come from a future that was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_from: Option<Time>,
    /// Earlier codes, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remembered: Vec<Code>,
    /// Addresses, locale, params and own code, sealed; only while the code is live.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "hex")]
    pub sealed: Vec<u8>,
    /// The request's idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    /// Which delivery of this token this is, counting creates and resends from a random number on.
    pub deliveries: u32,
    /// The delivery.
    pub delivery: Delivery,
}

/// Which code of a record a guess was equal to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The newest.
    Newest,
    /// An earlier one.
    Remembered(usize),
}

/// A delivery under way: what it must find unchanged to be allowed to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    secret: Secret,
    created: Time,
    delivery: u32,
}

/// What became of the code while a delivery of it was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// Nothing: the delivery goes on and its outcome is stored.
    Current,
    /// It was verified.
    Used,
    /// It was cancelled, erased or replaced.
    Gone,
    /// A newer delivery of the same code began.
    Superseded,
}

impl Record {
    /// The time by which this record is judged: never before one it has seen.
    pub fn time(&self, now: Time) -> Time {
        now.max(self.seen)
    }

    /// Whether it counts as not there any more.
    pub fn is_absent(&self, now: Time) -> bool {
        let was_kept = self.kept_from.is_some_and(|from| now >= from.plus(self.retention_ms()));
        was_kept && self.is_from_future(now) || self.time(now) >= self.kept_until()
    }

    /// Until when it has to be kept, by its own times.
    pub fn kept_until(&self) -> Time {
        let ends = self.remembered.iter().map(|code| self.end_of(code));
        ends.fold(self.code.expires, Time::max).plus(self.retention_ms())
    }

    /// Whether an answer may still depend on an earlier code.
    pub fn remembers(&self, code: &Code, now: Time) -> bool {
        self.time(now) < self.end_of(code).plus(self.retention_ms())
    }

    /// When an earlier code is over: a day after its creation at the latest, even if a clock was ahead.
    fn end_of(&self, code: &Code) -> Time {
        code.expires.min(self.code.created.plus(LONGEST_VALIDITY_MS))
    }

    fn retention_ms(&self) -> u64 {
        u64::from(self.retention_minutes) * MINUTE_MS
    }

    /// Writes down what time has done: a code that ended, or that comes from a future that was none, never lives
    /// again.
    pub fn settle(&mut self, now: Time) {
        let ended = self.time(now) >= self.code.expires || self.is_from_future(now);
        if ended && self.code.state == CodeState::Live {
            self.end(CodeState::Expired);
        }
    }

    /// Whether its code is good, as far as it alone tells.
    pub fn is_live(&self, now: Time) -> bool {
        let has_ended = self.time(now) >= self.code.expires || self.is_from_future(now);
        self.code.state == CodeState::Live && !has_ended && !self.is_locked()
    }

    /// What a backup keeps of it: a live code arrives expired, or it could be used there and here.
    pub fn backed_up(mut self) -> Self {
        if self.code.state == CodeState::Live {
            self.end(CodeState::Expired);
        }
        self
    }

    /// Whether it has seen a future that was none.
    fn is_from_future(&self, now: Time) -> bool {
        self.seen.since(now) > FUTURE_IGNORED_MS
    }

    /// What a sweep leaves of it: nothing when it is over; of one from a far future that was none an ended code, kept no
    /// longer than others from now on, since its own times may lie years ahead.
    pub fn swept(mut self, now: Time) -> Option<Self> {
        if self.is_absent(now) {
            return None;
        }
        if self.seen.since(now) > SWEPT_AHEAD_MS {
            self.settle(now);
            self.kept_from = Some(self.kept_from.map_or(now, |from| from.min(now)));
        }
        Some(self)
    }

    /// Notes the time of a write.
    pub fn see(&mut self, now: Time) {
        self.seen = self.time(now);
    }

    fn end(&mut self, state: CodeState) {
        self.code.state = state;
        self.wipe();
    }

    /// Forgets what only a live code needs: where it goes, and when it would go on.
    fn wipe(&mut self) {
        self.sealed = Vec::new();
        self.delivery.call_off();
    }

    /// Whether the code takes no more guesses.
    pub fn is_locked(&self) -> bool {
        self.attempts >= self.code.max_attempts
    }

    /// Wrong guesses that are still allowed.
    pub fn attempts_left(&self) -> u32 {
        u32::from(self.code.max_attempts.saturating_sub(self.attempts))
    }

    /// What is locked for this record, when its subject stands so.
    pub fn locked(&self, standing: Standing) -> Option<Locked> {
        match standing {
            Standing::Disabled => Some(Locked::Disabled),
            Standing::LockedFor(_) => Some(Locked::Subject),
            Standing::Open => self.is_locked().then_some(Locked::Code),
        }
    }

    /// Decides a guess. The record must be settled and must not be locked.
    pub fn check(
        &mut self,
        matched: Option<Match>,
        failures: &mut Failures,
        limits: SubjectFailures,
        now: Time,
    ) -> Outcome {
        match matched {
            None => {
                self.attempts = self.attempts.saturating_add(1);
                failures.count(limits, now);
                if self.is_locked() {
                    self.wipe();
                }
                Outcome::NotValid
            }
            Some(Match::Remembered(index)) => match self.remembered.get(index).map(|code| code.state) {
                Some(CodeState::Used(_)) => Outcome::Checked,
                Some(CodeState::Cancelled) => Outcome::Cancelled,
                Some(CodeState::Live | CodeState::Expired) | None => Outcome::Expired,
            },
            Some(Match::Newest) => match self.code.state {
                CodeState::Used(_) => Outcome::Checked,
                CodeState::Cancelled => Outcome::Cancelled,
                CodeState::Expired => Outcome::Expired,
                CodeState::Live => {
                    self.end(CodeState::Used(self.time(now)));
                    *failures = Failures::default();
                    Outcome::Ok
                }
            },
        }
    }

    /// Cancels the code, which may be done again. The record must be settled.
    pub fn cancel(&mut self) -> Outcome {
        match self.code.state {
            CodeState::Used(_) => Outcome::Checked,
            CodeState::Expired => Outcome::Expired,
            CodeState::Live | CodeState::Cancelled => {
                self.end(CodeState::Cancelled);
                Outcome::Ok
            }
        }
    }

    /// Whether the code may be sent again. The record must be settled.
    pub fn resendable(&self, standing: Standing) -> Outcome {
        match self.code.state {
            CodeState::Used(_) => Outcome::Checked,
            CodeState::Cancelled => Outcome::Cancelled,
            _ if self.locked(standing).is_some() => Outcome::Locked,
            CodeState::Expired => Outcome::Expired,
            CodeState::Live => Outcome::Ok,
        }
    }

    /// The state to tell. The record must be settled.
    pub fn state(&self, standing: Standing) -> RequestState {
        match self.code.state {
            CodeState::Used(_) => RequestState::Checked,
            CodeState::Cancelled => RequestState::Cancelled,
            _ if self.locked(standing).is_some() => RequestState::Locked,
            CodeState::Expired => RequestState::Expired,
            CodeState::Live => RequestState::Pending,
        }
    }

    /// What a record that replaces this one remembers of it. `newest` is the MAC of this record's newest code.
    pub fn into_remembered(mut self, newest: Mac, now: Time) -> Vec<Code> {
        self.settle(now);
        let mut codes = vec![Code { secret: Secret::Mac(newest), ..self.code.clone() }];
        let earlier = std::mem::take(&mut self.remembered);
        codes.extend(earlier);
        codes.retain(|code| self.remembers(code, now));
        codes.truncate(REMEMBERED);
        codes
    }

    /// Begins a delivery of the same code.
    pub fn begin_delivery(&mut self, delivery: Delivery) {
        self.deliveries = self.deliveries.wrapping_add(1);
        self.delivery = delivery;
    }

    /// What the delivery that was just begun must find again.
    pub fn ticket(&self) -> Ticket {
        Ticket { secret: self.code.secret, created: self.code.created, delivery: self.deliveries }
    }

    /// Whether the delivery with this ticket may go on.
    pub fn meanwhile(&self, ticket: &Ticket) -> Meanwhile {
        if (self.code.secret, self.code.created) != (ticket.secret, ticket.created) {
            return Meanwhile::Gone;
        }
        match self.code.state {
            CodeState::Cancelled => Meanwhile::Gone,
            _ if self.deliveries != ticket.delivery => Meanwhile::Superseded,
            CodeState::Used(_) => Meanwhile::Used,
            CodeState::Live | CodeState::Expired => Meanwhile::Current,
        }
    }

    /// Keeps the answer to the create of this code, for the same request when it comes again. The first answer counts.
    pub fn keep_answer(&mut self, answer: FirstAnswer) {
        if let Some(idempotency) = &mut self.idempotency {
            idempotency.answer.get_or_insert(answer);
        }
    }

    /// Gives up a code that certainly reached nobody; its idempotency key is free again.
    pub fn give_up(&mut self) {
        self.end(CodeState::Cancelled);
        self.idempotency = None;
    }
}

#[cfg(test)]
mod tests;
