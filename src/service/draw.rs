//! Making a record: with a code drawn unlike those that the token remembers.

use zeroize::Zeroizing;

use super::Core;
use super::order::Order;
use crate::block::Nonce;
use crate::clock::Time;
use crate::code;
use crate::error::{Error, Result};
use crate::random::random;
use crate::record::{Code, CodeState, Delivery, Record, Secret, Via};

/// How often a code is drawn anew because the token remembers it: one draw in a hundred thousand would be unlucky.
const DRAWS: usize = 100;

impl Core {
    /// A new record with a new code, unlike those that the token remembers.
    pub(super) fn draw(&self, order: &Order, older: Option<Record>, now: Time) -> Result<(Record, Zeroizing<String>)> {
        let deliveries = match &older {
            Some(record) => record.deliveries,
            // Not from 0: a token that was erased begins anew, and what it sent before may still be reported.
            None => u32::from_le_bytes(random()?),
        };
        let remembered = match older {
            Some(record) => {
                let newest = code::remembered(&self.keys, &order.row, &record.code)?;
                record.into_remembered(newest, now)
            }
            None => Vec::new(),
        };
        let (code, text) = self.draw_unlike(order, &remembered, now)?;
        let sealed = self.keys.seal(
            &code::sealed_to(&self.keys, &self.config.namespace, &order.row, &code),
            &code,
            &order.envelope.encode(),
        )?;
        let mut record = Record {
            code,
            attempts: 0,
            recipients: order.recipients.clone(),
            seen: now,
            retention_minutes: self.config.policy.retention_minutes,
            kept_from: None,
            remembered,
            sealed,
            idempotency: order.idempotency,
            deliveries,
            delivery: Delivery::new(Via::None),
        };
        self.begin_delivery(&mut record, &order.steps, now)?;
        Ok((record, text))
    }

    fn draw_unlike(&self, order: &Order, remembered: &[Code], now: Time) -> Result<(Code, Zeroizing<String>)> {
        let key = self.keys.slot(self.keys.current())?;
        for _ in 0..DRAWS {
            let mut code = Code {
                slot: self.keys.current(),
                created: now,
                expires: now.plus(self.config.validity_ms),
                secret: Secret::Derived { nonce: Nonce::new(random()?), length: self.config.otp_length },
                max_attempts: self.config.max_attempts,
                subject: order.subject,
                context: None,
                state: CodeState::Live,
            };
            // First the context: what the code is compared with follows from it.
            code.context = order.context.as_ref().map(|context| code::context_mac(key, &order.row, &code, context));
            let own = order.envelope.code.clone();
            let text = match &own {
                Some(text) => {
                    code.secret = Secret::Mac(code::mac(key, &order.row, &code, text));
                    text.clone()
                }
                None => code::digits(key, &order.row, &code).ok_or_else(|| Error::internal("a code has no length"))?,
            };
            if !code::is_remembered(&self.keys, &order.row, remembered, &text)? {
                return Ok((code, text));
            }
            if own.is_some() {
                return Err(Error::argument("code: the token had the same code before"));
            }
        }
        Err(Error::random("the random numbers repeat themselves"))
    }
}
