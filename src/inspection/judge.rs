//! Whether a row is one that the library would work with, as far as it alone tells.

use serde::{Serialize, Serializer};

use crate::block::{Block, KeySlot, RowKey};
use crate::code;
use crate::keys::KeyRing;
use crate::record::Record;
use crate::repository::{META, Row};
use crate::tenant::{self, Tenant};

/// A row that is not as it should be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its key: a hash.
    #[serde(rename = "key", serialize_with = "as_text")]
    pub(super) row: RowKey,
    /// What it is, where that is known: `meta`, `record`, `failures`, `sends`, `timer` or `reference`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// What is wrong.
    pub cause: String,
    /// What [`super::Inspection::mend`] does about it.
    pub remedy: Remedy,
}

/// What can be done about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Remedy {
    /// Nothing, by this library.
    None,
    /// It is removed.
    Remove,
    /// The timer that it lacks is written anew.
    Timer,
}

impl Finding {
    /// The key, 32 hexadecimal digits.
    #[must_use]
    pub fn key(&self) -> String {
        self.row.to_string()
    }
}

fn as_text<S: Serializer>(row: &RowKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(row)
}

/// What rows are judged by.
pub struct Lens {
    /// The keys, where they are at hand.
    pub ring: Option<KeyRing>,
    /// How many keys the repository lists, where it says so.
    pub listed: Option<usize>,
    /// The tenant whose sealed parts can be opened.
    pub namespace: String,
}

/// What a sealed part came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// There is none.
    None,
    /// It was opened.
    Opened,
    /// It is another tenant's, or there is no key.
    Closed,
    /// Its key is not among those of the configuration.
    KeyMissing,
}

impl Lens {
    /// What is wrong with a row that was read and lies here.
    pub fn fault(&self, key: &RowKey, row: &Row) -> Option<&'static str> {
        let tenant = Tenant::of(key);
        match row {
            Row::Meta(_) if *key == META => None,
            Row::Timer(timer) if timer.key() == *key => None,
            Row::Timer(_) if tenant.timers().contains(key) => Some("it is not the timer that belongs here"),
            Row::Meta(_) | Row::Timer(_) => Some("a row of its kind does not belong here"),
            _ if !tenant.rows().contains(key) => Some("a row of its kind does not belong here"),
            Row::Record(record) => self.record_fault(key, record),
            Row::Reference(reference) if !lies_in(tenant, &reference.record) => {
                Some("it names a row of another tenant")
            }
            _ => None,
        }
    }

    fn record_fault(&self, key: &RowKey, record: &Record) -> Option<&'static str> {
        let tenant = Tenant::of(key);
        let mut codes = std::iter::once(&record.code).chain(&record.remembered);
        if !record.recipients.iter().all(|recipient| lies_in(tenant, recipient)) {
            return Some("it names a recipient of another tenant");
        }
        if !codes.all(|code| lies_in(tenant, &code.subject)) {
            return Some("it names a subject of another tenant");
        }
        let listed = self.listed.unwrap_or(usize::MAX);
        if slots(record).any(|slot| usize::from(slot.0) >= listed) {
            return Some("it names a key that the repository does not list");
        }
        match self.seal(key, record) {
            Ok(_) => None,
            Err(()) => Some("what is sealed in it does not open, or not to what was sealed"),
        }
    }

    /// Opens what is sealed in a record. An error is damage.
    pub fn seal(&self, key: &RowKey, record: &Record) -> Result<Seal, ()> {
        if record.sealed.is_empty() {
            return Ok(Seal::None);
        }
        let Some(ring) = self.ring.as_ref().filter(|ring| ring.tenant(&self.namespace) == Tenant::of(key)) else {
            return Ok(Seal::Closed);
        };
        if !ring.has(record.code.slot) {
            return Ok(Seal::KeyMissing);
        }
        match code::open(ring, &self.namespace, key, record) {
            Ok(_) => Ok(Seal::Opened),
            Err(_) => Err(()),
        }
    }
}

/// The keys that a record was made with.
pub fn slots(record: &Record) -> impl Iterator<Item = KeySlot> + '_ {
    std::iter::once(&record.code).chain(&record.remembered).map(|code| code.slot)
}

/// Whether this is a key of a tenant's row.
fn lies_in<Kind>(tenant: Tenant, block: &Block<Kind>) -> bool {
    let key = RowKey::new(*block.bytes());
    tenant.rows().contains(&key)
}

/// Whether a key is that of a timer, whatever lies there.
pub fn is_timer(key: &RowKey) -> bool {
    Tenant::of(key).timers().contains(key) && tenant::due(key) <= crate::clock::Time::END
}
