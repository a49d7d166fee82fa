//! The keys as somebody sees them who looks at a repository: nothing is written into it.

use std::path::Path;

use zeroize::Zeroizing;

use super::{Key, KeyFile, KeyRing, load};
use crate::block::{KeyId, KeySlot};
use crate::config::KeySource;
use crate::error::Result;
use crate::repository::Meta;

/// The keys of a configuration, beside what a repository says of itself.
pub struct Looked {
    /// None where the repository names one of the keys, and what is sealed under it is damaged.
    pub ring: Option<KeyRing>,
    /// Where the repository lists each of the configuration's keys, the present one first; none where it does not.
    pub slots: Vec<Option<KeySlot>>,
}

impl KeyRing {
    /// The ring of a repository that says this of itself. No key file is made.
    ///
    /// # Errors
    ///
    /// `Config` when the key is missing, malformed, not private, or not the repository's; `Store` when it cannot be read
    /// at this moment.
    pub fn look(meta: &Meta, source: &KeySource, previous: &[Zeroizing<Vec<u8>>]) -> Result<Looked> {
        let current = Key::derive(&load(source, false, &mut Vec::new())?)?;
        let previous = previous.iter().map(|key| Key::derive(key)).collect::<Result<Vec<_>>>()?;
        let ids: Vec<KeyId> = std::iter::once(&current).chain(&previous).map(|key| key.id).collect();
        let slots = ids.iter().map(|id| slot_of(meta, id)).collect();
        let names_one = meta.keys.get(usize::from(meta.sealed_by.0)).is_some_and(|sealer| ids.contains(sealer));
        match Self::join(meta.clone(), current, previous) {
            Ok((ring, _)) => Ok(Looked { ring: Some(ring), slots }),
            Err(_) if names_one && !is_full(meta, &ids) => Ok(Looked { ring: None, slots }),
            Err(error) => Err(error),
        }
    }

    /// Whether the key in a slot is at hand.
    pub fn has(&self, slot: KeySlot) -> bool {
        self.slots.get(usize::from(slot.0)).is_some_and(Option::is_some)
    }
}

fn slot_of(meta: &Meta, id: &KeyId) -> Option<KeySlot> {
    let place = meta.keys.iter().position(|known| known == id)?;
    u8::try_from(place).ok().map(KeySlot)
}

/// Whether the repository has met as many keys as it can, and these are more.
fn is_full(meta: &Meta, ids: &[KeyId]) -> bool {
    let new = ids.iter().filter(|id| !meta.keys.contains(id)).count();
    meta.keys.len() + new > usize::from(crate::limits::MOST_KEYS)
}

/// Makes a file with a new key. `false`, and nothing done, when something is at the path.
///
/// # Errors
///
/// As for [`crate::files::write_new`].
pub fn make_file(path: &Path) -> Result<bool> {
    KeyFile { path: path.to_owned(), is_named: true }.make()
}
