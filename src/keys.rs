//! The key ring: loading, deriving, sealing and rotating keys.
//!
//! Each key of the configuration yields, by HKDF-SHA256 (RFC 5869), an identifier, a key for MACs and one for
//! sealing. A repository numbers the keys it has met in slots, so a record names its key in one byte. The index key,
//! by which tokens, subjects and recipients are hashed, is random, lives in the repository sealed under the newest
//! key, and never changes: rotation moves no row.

mod look;

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use zeroize::Zeroizing;

use crate::block::{BLOCK_BYTES, Block, KeyId, KeySlot, Mac};
use crate::config::{KeySource, from_base64};
use crate::error::{Error, Result};
use crate::file::Failure;
use crate::files;
use crate::limits::{KEY_BYTES, MOST_KEYS};
use crate::mac::{Bytes32, MacKey};
use crate::random::random;
use crate::record::{Code, Secret};
use crate::repository::{Commit, META, Meta, MetaState, Repository, Row, transact};
use crate::tenant::Tenant;
use look::own_row;
pub use look::{Looked, make_file};

/// What is wrong where the repository's own row says nothing.
const OWN_DAMAGED: &str = "its own row is damaged: restore a backup";

/// Ours is made with its repository: one that is there alone may have outlived it.
const BEGUN_ANEW: &str =
    "repository: begun anew, with a key file that was there before: if there was a repository, it is gone";

/// Most bytes of a key file: a long key in Base64.
const KEY_FILE_LIMIT: usize = 4096;

/// What is derived from one key of the configuration.
pub struct Key {
    id: KeyId,
    macs: MacKey,
    seals: MacKey,
}

impl Key {
    fn derive(material: &[u8]) -> Result<Self> {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"libotp").extract(material);
        let expand = |info: &str| -> Result<Bytes32> {
            let mut bytes = Zeroizing::new([0; 32]);
            extracted
                .expand(&[info.as_bytes()], hkdf::HKDF_SHA256)
                .and_then(|output| output.fill(bytes.as_mut_slice()))
                .map_err(|_| Error::internal("key derivation failed"))?;
            Ok(bytes)
        };
        Ok(Self {
            id: KeyId::truncated(&*expand("id")?),
            macs: MacKey::new(&*expand("mac")?),
            seals: MacKey::new(&*expand("seal")?),
        })
    }

    /// The key's identifier, which says nothing about it.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// A MAC for one purpose.
    pub fn mac(&self, purpose: &str, fields: &[&[u8]]) -> Bytes32 {
        self.macs.mac(purpose, fields)
    }

    /// AES-256-GCM under a key of its own for each place and nonce.
    fn aead(&self, place: &[u8], nonce: &[u8]) -> Result<LessSafeKey> {
        let bytes = self.seals.mac("row", &[place, nonce]);
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map_err(|_| Error::internal("sealing failed"))?;
        Ok(LessSafeKey::new(key))
    }

    fn seal(&self, place: &[u8], nonce: &[u8], text: &[u8]) -> Result<Vec<u8>> {
        let mut bytes = text.to_vec();
        self.aead(place, nonce)?
            .seal_in_place_append_tag(only_message(), Aad::from(place), &mut bytes)
            .map_err(|_| Error::internal("sealing failed"))?;
        Ok(bytes)
    }

    /// Seals under a nonce drawn for this once, which goes before it.
    fn seal_fresh(&self, place: &[u8], text: &[u8]) -> Result<Vec<u8>> {
        let nonce = random::<{ BLOCK_BYTES }>()?;
        Ok([&nonce[..], &self.seal(place, &nonce, text)?].concat())
    }

    fn unseal_fresh(&self, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(BLOCK_BYTES)?;
        self.unseal(place, nonce, sealed)
    }

    fn unseal(&self, place: &[u8], nonce: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let size =
            self.aead(place, nonce).ok()?.open_in_place(only_message(), Aad::from(place), &mut bytes).ok()?.len();
        bytes.truncate(size);
        Some(bytes)
    }
}

/// The nonce of the only message under its key.
fn only_message() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// The keys of a service, by slot, and the repository's index key.
pub struct KeyRing {
    slots: Vec<Option<Key>>,
    current: KeySlot,
    index: MacKey,
    /// Whether the repository was moved.
    is_moved: bool,
    /// Whether the key is anybody's beyond this process.
    is_kept: bool,
    /// Whether the repository lists every key of the configuration.
    all_listed: bool,
}

impl KeyRing {
    /// A slot that any key fills.
    pub const ANY: KeySlot = KeySlot(MOST_KEYS);

    /// Slot of the key for new records.
    pub fn current(&self) -> KeySlot {
        self.current
    }

    /// Whether the repository was moved before it was opened.
    pub fn is_moved(&self) -> bool {
        self.is_moved
    }

    /// Whether the key is known to anybody beyond this process.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether a repository that says this of itself has the same index key.
    pub fn is_of(&self, meta: &Meta) -> bool {
        let sealer = meta.keys.get(usize::from(meta.sealed_by.0));
        let key = self.slots.iter().flatten().find(|key| Some(&key.id) == sealer);
        let index_key = key.and_then(|key| key.unseal_fresh(META.bytes(), &meta.index_key));
        let prove = |key: &MacKey| key.mac("copy", &[]);
        index_key.is_some_and(|index_key| prove(&MacKey::new(&index_key)) == prove(&self.index))
    }

    /// The key in a slot.
    ///
    /// # Errors
    ///
    /// `Config` when it is not at hand.
    pub fn slot(&self, slot: KeySlot) -> Result<&Key> {
        let slot = if slot == Self::ANY { self.current } else { slot };
        let key = self.slots.get(usize::from(slot.0)).and_then(Option::as_ref);
        key.ok_or_else(|| {
            Error::config("key: a record was made with one that is not among key, keyFile and previousKeys")
        })
    }

    /// The key under which something is kept: a hash, among those of its tenant. `kind` says what it is, so that a
    /// token is never taken for a subject.
    pub fn index<Kind>(&self, kind: &str, namespace: &str, text: &str) -> Block<Kind> {
        let hash = self.index.mac(kind, &[namespace.as_bytes(), text.as_bytes()]);
        self.tenant(namespace).key(&Mac::truncated(&*hash))
    }

    /// Where everything of a namespace is kept.
    pub fn tenant(&self, namespace: &str) -> Tenant {
        Tenant::of(&Mac::truncated(&*self.index.mac("tenant", &[namespace.as_bytes()])))
    }

    /// A hash of bytes for which equality is all that matters.
    pub fn fingerprint(&self, bytes: &[u8]) -> Mac {
        Mac::truncated(&*self.index.mac("fingerprint", &[bytes]))
    }

    /// Seals what belongs to a code, bound to this place.
    ///
    /// # Errors
    ///
    /// `Config` when its key is not at hand; `Random`.
    pub fn seal(&self, place: &Mac, code: &Code, text: &[u8]) -> Result<Vec<u8>> {
        let key = self.slot(code.slot)?;
        match &code.secret {
            // The nonce of the code was drawn for it alone, and so serves here as well.
            Secret::Derived { nonce, .. } => key.seal(place.bytes(), nonce.bytes(), text),
            Secret::Mac(_) => key.seal_fresh(place.bytes(), text),
        }
    }

    /// Opens what [`KeyRing::seal`] made.
    ///
    /// # Errors
    ///
    /// `Config` when its key is not at hand; `Store` when it was changed or moved.
    pub fn unseal(&self, place: &Mac, code: &Code, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let key = self.slot(code.slot)?;
        let opened = match &code.secret {
            Secret::Derived { nonce, .. } => key.unseal(place.bytes(), nonce.bytes(), sealed),
            Secret::Mac(_) => key.unseal_fresh(place.bytes(), sealed),
        };
        opened.ok_or_else(|| Error::damaged("a sealed row is damaged"))
    }

    /// Opens the key ring of a repository; of a new one, makes its index key and, if so configured, its key file. Adds
    /// what its owner should know to the warnings.
    ///
    /// # Errors
    ///
    /// `Config` when the key is missing, malformed, not private, or not the repository's; `Store` when it cannot be
    /// read or made at this moment; those of a transaction.
    pub fn open(
        repository: &dyn Repository,
        source: KeySource,
        previous: Vec<Zeroizing<Vec<u8>>>,
        warnings: &mut Vec<String>,
    ) -> Result<Arc<KeyRing>> {
        if let Some(meta) = own_row(repository)?.filter(|meta| meta.state.is_moved()) {
            return Self::keep(meta, &source, &previous, warnings).map(Arc::new);
        }
        let is_kept = !matches!(source, KeySource::None);
        let commit = Commit { synced: true, sweep: None };
        let place = repository.place().to_owned();
        let (ring, noted) = transact(repository, commit, move |transaction| {
            let known = match transaction.get(&META)? {
                Some(Row::Meta(meta)) if meta.state == MetaState::Whole => Some(meta),
                Some(Row::Meta(_)) => return Err(unfinished(&place)),
                Some(_) => return Err(Error::damaged(OWN_DAMAGED)),
                None => None,
            };
            let mut warnings = Vec::new();
            let current = Key::derive(&load(&source, known.is_none(), &mut warnings)?)?;
            let previous = previous.iter().map(|key| Key::derive(key)).collect::<Result<Vec<_>>>()?;
            let before = known.clone();
            let (ring, meta) = match known {
                None => Self::found(current, previous)?,
                Some(meta) => Self::join(meta, current, previous)?,
            };
            if before.as_ref() != Some(&meta) {
                transaction.put(&META, Row::Meta(meta));
            }
            Ok((Arc::new(Self { is_kept, ..ring }), warnings))
        })?;
        warnings.extend(noted);
        Ok(ring)
    }

    /// The ring of a new repository.
    fn found(current: Key, previous: Vec<Key>) -> Result<(Self, Meta)> {
        let index_key = Zeroizing::new(random::<KEY_BYTES>()?);
        Self::assemble(Meta::default(), current, previous, &*index_key)
    }

    /// The ring of a repository that exists.
    fn join(meta: Meta, current: Key, previous: Vec<Key>) -> Result<(Self, Meta)> {
        let index_key = unsealed(&meta, std::iter::once(&current).chain(&previous))?;
        Self::assemble(meta, current, previous, &index_key)
    }

    /// Gives every key its slot, and seals the index key under the current one.
    fn assemble(mut meta: Meta, current: Key, previous: Vec<Key>, index_key: &[u8]) -> Result<(Self, Meta)> {
        let current_id = current.id;
        let sealed_by_current = meta.keys.get(usize::from(meta.sealed_by.0)) == Some(&current_id);
        if !sealed_by_current {
            meta.index_key = current.seal_fresh(META.bytes(), index_key)?;
        }
        let mut slots: Vec<Option<Key>> = meta.keys.iter().map(|_| None).collect();
        for key in std::iter::once(current).chain(previous) {
            let slot = meta.keys.iter().position(|id| *id == key.id).unwrap_or(meta.keys.len());
            if slot == meta.keys.len() {
                meta.keys.push(key.id);
                slots.push(None);
            }
            if let Some(place) = slots.get_mut(slot) {
                *place = Some(key);
            }
        }
        let current = meta.keys.iter().position(|id| *id == current_id).and_then(|slot| u8::try_from(slot).ok());
        let current = current.filter(|_| meta.keys.len() <= usize::from(MOST_KEYS));
        let current = current.ok_or_else(|| Error::config("key: the repository has met more than 255"))?;
        meta.sealed_by = KeySlot(current);
        let (current, index) = (meta.sealed_by, MacKey::new(index_key));
        Ok((Self { slots, current, index, is_moved: false, is_kept: true, all_listed: true }, meta))
    }
}

/// The repository's index key, by whichever of these keys seals it.
fn unsealed<'a>(meta: &Meta, mut keys: impl Iterator<Item = &'a Key>) -> Result<Zeroizing<Vec<u8>>> {
    let sealer = meta.keys.get(usize::from(meta.sealed_by.0));
    let Some(key) = keys.find(|key| Some(&key.id) == sealer) else {
        return Err(Error::config("key: is not the one of this repository (key, keyFile, previousKeys)"));
    };
    // Nobody needs to look for another key: this is the one, and what it sealed was changed.
    key.unseal_fresh(META.bytes(), &meta.index_key).ok_or_else(|| Error::damaged(OWN_DAMAGED))
}

#[cold]
fn unfinished(place: &str) -> Error {
    Error::store(format!("repository {place:?}: is an unfinished copy: call otp_copy again, or empty it"))
}

/// The bytes of the current key. A file is made only together with a new repository.
fn load(source: &KeySource, new_repository: bool, warnings: &mut Vec<String>) -> Result<Zeroizing<Vec<u8>>> {
    let file = match source {
        KeySource::Given(key) => return Ok(key.clone()),
        KeySource::None => return Ok(Zeroizing::new(random::<KEY_BYTES>()?.to_vec())),
        KeySource::File(path) => KeyFile { path: path.clone(), is_named: true },
        KeySource::Beside(path) => KeyFile { path: path.clone(), is_named: false },
    };
    if let Some(key) = file.read(warnings)? {
        if new_repository {
            // Who made it may have failed to bring its name to the disk.
            files::sync_folder(files::parent(&file.path)).map_err(of_key_file)?;
            if !file.is_named {
                warnings.push(BEGUN_ANEW.to_owned());
            }
        }
        return Ok(key);
    }
    if !new_repository {
        return Err(file.error("is missing, and without it the repository is of no use"));
    }
    file.make()?;
    // Another opener may have been faster: the file decides.
    file.read(warnings)?.ok_or_else(|| file.error("vanished"))
}

/// A file with a key.
struct KeyFile {
    path: PathBuf,
    /// Whether the configuration names it: then it may be what orchestrators mount. Ours must be as we made it.
    is_named: bool,
}

impl KeyFile {
    fn read(&self, warnings: &mut Vec<String>) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let read = if self.is_named {
            files::read_mounted(&self.path, KEY_FILE_LIMIT, "keyFile", warnings)
        } else {
            files::read_private(&self.path, KEY_FILE_LIMIT)
        };
        let Some(text) = read.map_err(of_key_file)? else { return Ok(None) };
        parse_key(&text).map(Some).ok_or_else(|| self.error("is not a key in Base64"))
    }

    /// Writes a new key into it, unless it is there by now.
    fn make(&self) -> Result<bool> {
        let key = Zeroizing::new(random::<KEY_BYTES>()?);
        let mut text = Zeroizing::new(STANDARD.encode(*key));
        text.push('\n');
        files::write_new(&self.path, text.as_bytes()).map_err(of_key_file)
    }

    fn error(&self, cause: &str) -> Error {
        Error::config(format!("keyFile: {:?} {cause}", self.path))
    }
}

fn of_key_file(failure: Failure) -> Error {
    failure.of_option("keyFile")
}

/// A key in Base64: at least 32 bytes.
pub fn parse_key(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = from_base64(std::str::from_utf8(text).ok()?)?;
    (key.len() >= KEY_BYTES).then_some(key)
}

#[cfg(test)]
mod tests;
