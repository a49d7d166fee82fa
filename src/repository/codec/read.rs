//! Reading bytes, whatever they are: every step may find that they are no row.

use super::{
    CHANNELS, HAS_CONTEXT, HAS_DISPATCH_UUID, HAS_DUE, HAS_ERROR, HAS_IDEMPOTENCY, HAS_KEPT_FROM, HAS_MESSAGE_UUID,
    HAS_REMEMBERED, HAS_SENDER, HAS_SUBJECT, IS_CLAIMED, LENGTH_SHIFT, MOVED, STATES, UNFINISHED, VIAS,
};
use crate::block::{Block, KeySlot, Recipient, Subject};
use crate::clock::Time;
use crate::record::{Code, CodeState, Delivery, FirstAnswer, Idempotency, Record, Secret, Step};
use crate::repository::MetaState;

/// What is left of the bytes.
pub struct RowReader<'a>(pub &'a [u8]);

impl RowReader<'_> {
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub fn block<Kind>(&mut self) -> Option<Block<Kind>> {
        let (block, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(Block::new(*block))
    }

    pub fn slot(&mut self) -> Option<KeySlot> {
        self.byte().map(KeySlot)
    }

    pub fn integer(&mut self) -> Option<u64> {
        let mut integer = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return None;
            }
            integer |= part << shift;
            if byte < 0x80 {
                return Some(integer);
            }
        }
        None
    }

    /// A number of things that follow: at least a byte each, so that no lie makes room for more.
    pub fn size(&mut self) -> Option<usize> {
        usize::try_from(self.integer()?).ok().filter(|size| *size <= self.0.len())
    }

    fn text(&mut self) -> Option<String> {
        let size = self.size()?;
        String::from_utf8(self.bytes(size)?).ok()
    }

    pub fn bytes(&mut self, size: usize) -> Option<Vec<u8>> {
        let (bytes, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }

    pub fn meta_state(&mut self) -> Option<MetaState> {
        if self.0.is_empty() {
            return Some(MetaState::Whole);
        }
        match self.byte()? {
            UNFINISHED => Some(MetaState::Unfinished { copy: self.block()?, run: self.block()? }),
            MOVED => self.block().map(MetaState::Moved),
            _ => None,
        }
    }

    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).to_vec()
    }

    pub fn time(&mut self) -> Option<Time> {
        self.later(Time::START)
    }

    pub fn later(&mut self, base: Time) -> Option<Time> {
        let ms = base.ms().checked_add(self.integer()?)?;
        (ms <= Time::END.ms()).then(|| Time::from_ms(ms))
    }

    pub fn near(&mut self, base: Time) -> Option<Time> {
        let distance = self.integer()?;
        let ms = match distance & 1 {
            0 => base.ms().checked_add(distance >> 1)?,
            _ => base.ms().checked_sub(distance >> 1)?,
        };
        (ms <= Time::END.ms()).then(|| Time::from_ms(ms))
    }

    pub fn record(&mut self) -> Option<Record> {
        let flags = self.byte()?;
        let has = |flag| flags & flag != 0;
        let count = self.size()?;
        let recipients: Vec<Recipient> = (0..count).map(|_| self.block()).collect::<Option<_>>()?;
        let code = self.code(recipients.first().map(|first| Subject::from(*first)))?;
        let base = code.created;
        let (attempts, seen) = (self.byte()?, self.near(base)?);
        let retention_minutes = u32::try_from(self.integer()?).ok()?;
        let kept_from = if has(HAS_KEPT_FROM) { Some(self.near(base)?) } else { None };
        let idempotency = match has(HAS_IDEMPOTENCY) {
            true => Some(Idempotency { key: self.block()?, request: self.block()?, answer: self.answer()? }),
            false => None,
        };
        let count = if has(HAS_REMEMBERED) { self.size()? } else { 0 };
        let remembered = (0..count).map(|_| self.code(Some(code.subject))).collect::<Option<_>>()?;
        let deliveries = u32::try_from(self.integer()?).ok()?;
        let delivery = self.delivery(flags, base)?;
        let sealed = self.rest();
        Some(Record {
            code,
            attempts,
            recipients,
            seen,
            retention_minutes,
            kept_from,
            remembered,
            sealed,
            idempotency,
            deliveries,
            delivery,
        })
    }

    fn answer(&mut self) -> Option<Option<FirstAnswer>> {
        Some(match self.byte()? {
            0 => None,
            1 => Some(FirstAnswer::Sent),
            2 => Some(FirstAnswer::InDoubt),
            _ => return None,
        })
    }

    fn code(&mut self, usual: Option<Subject>) -> Option<Code> {
        let (flags, slot) = (self.byte()?, self.slot()?);
        let secret = match flags >> LENGTH_SHIFT {
            0 => Secret::Mac(self.block()?),
            length => Secret::Derived { nonce: self.block()?, length },
        };
        let created = self.time()?;
        let expires = self.near(created)?;
        let state = match flags & 3 {
            0 => CodeState::Live,
            1 => CodeState::Used(self.near(created)?),
            2 => CodeState::Cancelled,
            _ => CodeState::Expired,
        };
        let max_attempts = self.byte()?;
        let subject = if flags & HAS_SUBJECT != 0 { self.block()? } else { usual? };
        let context = if flags & HAS_CONTEXT != 0 { Some(self.block()?) } else { None };
        Some(Code { slot, created, expires, secret, max_attempts, subject, context, state })
    }

    fn delivery(&mut self, flags: u8, base: Time) -> Option<Delivery> {
        let has = |flag| flags & flag != 0;
        let head = usize::try_from(self.integer()?).ok()?;
        let (count, via) = (head / VIAS.len(), *VIAS.get(head % VIAS.len())?);
        let dispatch_uuid = if has(HAS_DISPATCH_UUID) { Some(self.text()?) } else { None };
        let due = if has(HAS_DUE) { Some(self.near(base)?) } else { None };
        let count = Some(count).filter(|count| *count <= self.0.len())?;
        let steps = (0..count).map(|_| self.step(base)).collect::<Option<_>>()?;
        Some(Delivery { via, dispatch_uuid, steps, due, claimed: has(IS_CLAIMED) })
    }

    fn step(&mut self, base: Time) -> Option<Step> {
        let channel = match self.byte()? {
            0 => self.text()?,
            number => (*CHANNELS.get(usize::from(number))?).to_owned(),
        };
        let flags = self.byte()?;
        let status = *STATES.get(usize::from(flags & 0xf))?;
        let at = self.near(base)?;
        let sender = if flags & HAS_SENDER != 0 { Some(self.text()?) } else { None };
        let message_uuid = if flags & HAS_MESSAGE_UUID != 0 { Some(self.text()?) } else { None };
        let error = if flags & HAS_ERROR != 0 { Some(self.text()?) } else { None };
        Some(Step { channel, sender, status, at, message_uuid, error })
    }
}
