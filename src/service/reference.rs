//! By what reports find the step that they are about: a reference that the message carried, or else the identifiers
//! that the carrier gave.
//!
//! No reference means two steps: the number of a token's first delivery is random, and the end is a MAC over all of it
//! and the namespace. So a late report about a code that was erased, or about another tenant's, means nothing.

use super::Core;
use crate::block::{BLOCK_BYTES, Mac, RowKey};
use crate::error::Result;
use crate::repository::{Row, Transaction};
use crate::webhook::StatusEvent;
use crate::workflow::Reference;

/// Digits of the row's key, of the delivery, of the step, and of the MAC: 66 in all. Messages v1 takes 100.
const DIGITS: [usize; 4] = [2 * BLOCK_BYTES, 8, 2, 24];

/// What a report is about.
pub struct Meant {
    /// The row of the record.
    pub row: RowKey,
    /// Which delivery of it.
    pub delivery: u32,
    /// Which step of that; absent where the carrier runs the workflow.
    pub step: Option<usize>,
}

impl Core {
    /// Where it is kept what an identifier of a carrier stands for: one of this sender's, or, of every Vonage, which
    /// tells no two senders of ours apart, one that is its own in the whole world.
    pub(super) fn reference(&self, sender: Option<&str>, id: &str) -> RowKey {
        let of_sender = |name: &&str| self.config.sender_names().iter().position(|known| known == name);
        let place = sender.as_ref().and_then(of_sender);
        let is_vonage = place.and_then(|place| self.config.senders.get(place)).is_none_or(|it| it.via.is_vonage());
        match sender {
            Some(sender) if !is_vonage => {
                self.keys.index("reference of a sender", &self.config.namespace, &format!("{sender} {id}"))
            }
            _ => self.keys.index("reference", &self.config.namespace, id),
        }
    }

    /// Notes what an identifier of a carrier stands for. One that two messages have stands for neither.
    pub(super) fn refer(
        &self,
        transaction: &mut dyn Transaction,
        (sender, id): (usize, &str),
        reference: Reference,
    ) -> Result<()> {
        let key = self.reference(self.config.sender_names().get(sender).copied(), id);
        let is_own = self.config.senders.get(sender).is_some_and(|sender| sender.via.is_vonage());
        let before = if is_own { None } else { transaction.get(&key)? };
        let reference = match before {
            Some(Row::Reference(before)) if !before.is_same(&reference) => {
                Reference::to_itself(key, before.until.max(reference.until))
            }
            _ => reference,
        };
        transaction.put(&key, Row::Reference(reference));
        Ok(())
    }

    /// What the message of this step carries, and the carrier gives back with every report: an opaque text, so that a
    /// report finds its record even if it overtakes the answer to the request.
    pub(super) fn client_ref(&self, row: &RowKey, delivery: u32, step: usize) -> String {
        let text = format!("{row}{delivery:08x}{step:02x}");
        let mac: Mac = self.keys.index("client reference", &self.config.namespace, &text);
        let [row_digits, _, _, mac_digits] = DIGITS;
        // A key begins as all of its tenant do.
        let mac = mac.to_string();
        let mac = mac.get(row_digits - mac_digits..).unwrap_or_default();
        text + mac
    }

    /// Which step a text means that a report gave back, if this service made it, in this namespace.
    fn parse_ref(&self, text: &str) -> Option<Meant> {
        let [row_digits, delivery_digits, step_digits, _] = DIGITS;
        let (row, rest) = text.split_at_checked(row_digits)?;
        let (delivery, rest) = rest.split_at_checked(delivery_digits)?;
        let (step, _) = rest.split_at_checked(step_digits)?;
        let number = |digits: &str| u32::from_str_radix(digits, 16).ok();
        let (row, delivery, step) = (RowKey::from_hex(row)?, number(delivery)?, number(step)? as usize);
        let ours = self.client_ref(&row, delivery, step);
        (ours == text).then_some(Meant { row, delivery, step: Some(step) })
    }

    /// What a report is about: by the reference that the message carried, else by the carrier's identifiers.
    pub(super) fn meant(&self, transaction: &mut dyn Transaction, status: &StatusEvent) -> Result<Option<Meant>> {
        if let Some(meant) = status.client_ref.as_deref().and_then(|text| self.parse_ref(text)) {
            return Ok(Some(meant));
        }
        for id in status.message_uuid.iter().chain(&status.dispatch_uuid) {
            if let Some(meant) = self.known(transaction, status.sender.as_deref(), id)? {
                return Ok(Some(meant));
            }
        }
        Ok(None)
    }

    /// What an identifier of a carrier stands for.
    pub(super) fn known(
        &self,
        transaction: &mut dyn Transaction,
        sender: Option<&str>,
        id: &str,
    ) -> Result<Option<Meant>> {
        let key = self.reference(sender, id);
        Ok(match transaction.get(&key)? {
            Some(Row::Reference(reference)) if reference.record != key => Some(Meant {
                row: reference.record,
                delivery: reference.delivery,
                step: reference.step.map(usize::from),
            }),
            _ => None,
        })
    }
}
