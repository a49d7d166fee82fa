//! The keys as somebody sees them who looks at a repository: nothing is written into it.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Key, KeyFile, KeyRing, OWN_DAMAGED, load, unfinished, unsealed};
use crate::block::{KeyId, KeySlot};
use crate::config::KeySource;
use crate::error::{Error, Result};
use crate::mac::MacKey;
use crate::repository::{META, Meta, MetaState, Repository, Row};

/// The keys of a configuration, beside what a repository says of itself.
pub struct Looked {
    /// None where the repository names one of the keys, and what is sealed under it is damaged.
    pub ring: Option<KeyRing>,
    /// Where the repository lists each of the configuration's keys, the present one first; none where it does not.
    pub slots: Vec<Option<KeySlot>>,
}

impl KeyRing {
    /// Opens the key ring of a repository that is there, and writes nothing into it; none where it is not there. What is
    /// made with the ring has the key that seals the repository, which every process has.
    ///
    /// # Errors
    ///
    /// As for [`KeyRing::open`].
    pub fn open_existing(
        repository: &dyn Repository,
        source: &KeySource,
        previous: &[Zeroizing<Vec<u8>>],
        warnings: &mut Vec<String>,
    ) -> Result<Option<Arc<Self>>> {
        let Some(meta) = own_row(repository)? else { return Ok(None) };
        if matches!(meta.state, MetaState::Unfinished { .. }) {
            return Err(unfinished(repository.place()));
        }
        let ring = Self::keep(meta, source, previous, warnings);
        ring.map(|ring| Some(Arc::new(ring))).map_err(|error| error.in_repository(repository.place()))
    }

    /// The ring of a repository that stays as it is. Keys that it does not list are left out: their slots are not known
    /// yet, and another key may get the next one.
    pub(super) fn keep(
        meta: Meta,
        source: &KeySource,
        previous: &[Zeroizing<Vec<u8>>],
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let mut keys = vec![Key::derive(&load(source, false, warnings)?)?];
        for key in previous {
            keys.push(Key::derive(key)?);
        }
        let is_moved = meta.state.is_moved();
        if is_moved {
            warnings.push("repository: was moved (otp_copy): every call is refused but otp_copy with move".to_owned());
        }
        let index = MacKey::new(&unsealed(&meta, keys.iter())?);
        let all_listed = keys.iter().all(|key| meta.keys.contains(&key.id));
        let slots = meta.keys.iter().map(|id| keys.iter().position(|key| key.id == *id).map(|at| keys.swap_remove(at)));
        let slots = slots.collect();
        Ok(Self { slots, current: meta.sealed_by, index, is_moved, is_kept: true, all_listed })
    }

    /// Whether the repository lists every key of the configuration.
    pub fn all_listed(&self) -> bool {
        self.all_listed
    }

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

/// What a repository says of itself; none of a new one. One that has rows and says nothing of itself is refused: it is
/// no new one.
pub(super) fn own_row(repository: &dyn Repository) -> Result<Option<Meta>> {
    match repository.read(&META)? {
        Some(Row::Meta(meta)) => Ok(Some(meta)),
        Some(_) => Err(Error::damaged(OWN_DAMAGED).in_repository(repository.place())),
        None => {
            let mut has_rows = false;
            for page in repository.scan_for_copy() {
                has_rows = !page?.is_empty();
                if has_rows {
                    break;
                }
            }
            // Another opener may have made it meanwhile.
            if has_rows && repository.read(&META)?.is_none() {
                return Err(own_row_missing(repository.place()));
            }
            Ok(None)
        }
    }
}

#[cold]
fn own_row_missing(place: &str) -> Error {
    let cause = "its own row is missing, and other rows are there: leave them as they are, and restore a backup";
    Error::store(format!("repository {place:?}: {cause}"))
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
