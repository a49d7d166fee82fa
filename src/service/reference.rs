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
    /// Where it is kept what an identifier of the carrier stands for.
    pub(super) fn reference(&self, uuid: &str) -> RowKey {
        self.keys.index("reference", &self.config.namespace, uuid)
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
        for uuid in status.message_uuid.iter().chain(&status.dispatch_uuid) {
            if let Some(meant) = self.known(transaction, uuid)? {
                return Ok(Some(meant));
            }
        }
        Ok(None)
    }

    /// What an identifier of the carrier stands for.
    pub(super) fn known(&self, transaction: &mut dyn Transaction, uuid: &str) -> Result<Option<Meant>> {
        Ok(match transaction.get(&self.reference(uuid))? {
            Some(Row::Reference(reference)) => Some(Meant {
                row: reference.record,
                delivery: reference.delivery,
                step: reference.step.map(usize::from),
            }),
            _ => None,
        })
    }
}
