//! Rows at random, every one as it might be written, for the tests of what reads them.

use super::{Meta, MetaState, Row};
use crate::block::{Block, KeySlot, Recipient, Subject};
use crate::clock::{DAY_MS, MINUTE_MS, SECOND_MS, Time};
use crate::limits::{INDEX_KEY_SEALED_BYTES, LEAST_SEALED_BYTES};
use crate::policy::{Failures, Sends};
use crate::record::DeliveryState;
use crate::record::{Code, CodeState, Delivery, FirstAnswer, Idempotency, Record, Secret, Step, Via};
use crate::workflow::{Reference, Timer};

const STATES: [DeliveryState; 4] =
    [DeliveryState::Sending, DeliveryState::Delivered, DeliveryState::InDoubt, DeliveryState::Stopped];

const VIAS: [Via; 7] = [Via::Dispatch, Via::Messages, Via::Host, Via::Console, Via::None, Via::Http, Via::Smtp];

const CHANNELS: [&str; 7] = ["sms", "messenger", "whatsapp", "viber_service", "rcs", "email", "x"];

/// How many rows are changed and read: some thousands, or a million with `OTP_TEST_SIZE=full`.
pub fn rounds() -> u64 {
    if std::env::var("OTP_TEST_SIZE").as_deref() == Ok("full") { 1_000_000 } else { 5000 }
}

/// A small generator; the seed is the number of the case.
pub struct Draw(pub u64);

impl Draw {
    pub fn number(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % below
    }

    fn chance(&mut self) -> bool {
        self.number(2) == 0
    }

    fn block<Kind>(&mut self) -> Block<Kind> {
        Block::new(std::array::from_fn(|_| self.number(256) as u8))
    }

    fn time(&mut self) -> Time {
        let range = [1000, 2_000_000_000_000, Time::END.ms() + 1][self.number(3) as usize];
        Time::from_ms(self.number(range))
    }

    fn text(&mut self) -> String {
        (0..=self.number(40)).map(|_| ['a', 'é', '9', '"'][self.number(4) as usize]).collect()
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        (0..size).map(|_| self.number(256) as u8).collect()
    }

    pub fn code(&mut self, secret: Secret) -> Code {
        let created = self.time();
        let expires = created.plus(SECOND_MS + self.number(DAY_MS - SECOND_MS + 1));
        let state = match self.number(4) {
            0 => CodeState::Live,
            1 if created < expires => CodeState::Used(created.plus(self.number(expires.since(created)))),
            2 => CodeState::Cancelled,
            _ => CodeState::Expired,
        };
        Code {
            slot: KeySlot(self.number(255) as u8),
            created,
            expires,
            secret,
            max_attempts: 1 + self.number(10) as u8,
            subject: self.block(),
            context: self.chance().then(|| self.block()),
            state,
        }
    }

    fn step(&mut self) -> Step {
        Step {
            channel: CHANNELS[self.number(CHANNELS.len() as u64) as usize].to_owned(),
            sender: self.chance().then(|| "by_name".to_owned()),
            status: STATES[self.number(STATES.len() as u64) as usize],
            at: self.time(),
            message_uuid: self.chance().then(|| self.text()),
            error: self.chance().then(|| self.text()),
        }
    }

    pub fn record(&mut self) -> Record {
        let recipients: Vec<Recipient> = (0..self.number(4)).map(|_| self.block()).collect();
        let secret = match self.chance() {
            true => Secret::Derived { nonce: self.block(), length: 4 + self.number(7) as u8 },
            false => Secret::Mac(self.block()),
        };
        let mut code = self.code(secret);
        code.subject =
            recipients.first().filter(|_| self.chance()).map(|first| Subject::from(*first)).unwrap_or(code.subject);
        let attempts = self.number(u64::from(code.max_attempts) + 1) as u8;
        let is_sealed = code.state == CodeState::Live && attempts < code.max_attempts;
        let sealed = if is_sealed { LEAST_SEALED_BYTES + self.number(60) as usize } else { 0 };
        let seen = code.expires.plus(self.number(DAY_MS));
        let mut remembered = Vec::new();
        for _ in 0..self.number(9) {
            let secret = Secret::Mac(self.block());
            let subject = if self.chance() { code.subject } else { self.block() };
            remembered.push(Code { subject, ..self.code(secret) });
        }
        Record {
            attempts,
            recipients,
            seen,
            retention_minutes: self.number(43_201) as u32,
            kept_from: (code.state != CodeState::Live && self.chance()).then_some(code.created),
            remembered,
            sealed: self.bytes(sealed),
            idempotency: self.chance().then(|| Idempotency {
                key: self.block(),
                request: self.block(),
                answer: [None, Some(FirstAnswer::Sent), Some(FirstAnswer::InDoubt)][self.number(3) as usize],
            }),
            deliveries: self.number(1 << 32) as u32,
            delivery: Delivery {
                via: VIAS[self.number(VIAS.len() as u64) as usize],
                dispatch_uuid: self.chance().then(|| self.text()),
                steps: (0..self.number(6)).map(|_| self.step()).collect(),
                due: self.chance().then(|| self.time()),
                claimed: self.chance(),
            },
            code,
        }
    }

    pub fn meta(&mut self) -> Meta {
        let keys: Vec<_> = (0..=self.number(5)).map(|_| self.block()).collect();
        let sealed_by = KeySlot(self.number(keys.len() as u64) as u8);
        let state = match self.number(3) {
            0 => MetaState::Unfinished { copy: self.block(), run: self.block() },
            1 => MetaState::Moved(self.block()),
            _ => MetaState::Whole,
        };
        Meta { keys, sealed_by, index_key: self.bytes(INDEX_KEY_SEALED_BYTES), state }
    }

    pub fn row(&mut self) -> Row {
        match self.number(8) {
            0 => Row::Meta(self.meta()),
            1 => Row::Failures(Failures {
                count: 1 + self.number(100) as u32,
                last: self.time(),
                lock_ms: self.number(1440 * MINUTE_MS + 1),
                disabled: self.chance(),
            }),
            2 => {
                let mut times: Vec<_> = (0..=self.number(50)).map(|_| self.time()).collect();
                times.sort();
                Row::Sends(Sends { times })
            }
            3 => Row::Timer(Timer {
                due: self.time(),
                record: self.block(),
                delivery: self.number(1 << 32) as u32,
                step: self.number(5) as u8,
            }),
            4 => Row::Reference(Reference {
                record: self.block(),
                delivery: self.number(1 << 32) as u32,
                step: self.chance().then(|| self.number(5) as u8),
                until: self.time(),
            }),
            _ => Row::Record(Box::new(self.record())),
        }
    }
}
