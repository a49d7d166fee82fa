//! Sixteen bytes that say nothing without the key, each kind a type of its own; and the number of a key.
//!
//! In JSON they are hexadecimal.

use std::fmt;
use std::marker::PhantomData;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::{Choice, ConstantTimeEq};

use crate::hex;

/// How many bytes a block has.
pub const BLOCK_BYTES: usize = 16;

/// Where a row is kept, see [`crate::tenant`].
pub type RowKey = Block<kind::Row>;

/// Whose failures are counted, hashed.
pub type Subject = Block<kind::Subject>;

/// To whom sends are counted, hashed.
pub type Recipient = Block<kind::Recipient>;

/// Who asked, hashed.
pub type Client = Block<kind::Client>;

/// The first half of a MAC or of a hash.
pub type Mac = Block<kind::Mac>;

/// Random bytes that are used once.
pub type Nonce = Block<kind::Nonce>;

/// What a key of the configuration is known by.
pub type KeyId = Block<kind::KeyId>;

/// What a [`Block`] can be.
pub mod kind {
    macro_rules! kinds {
        ($($kind:ident),*) => {$(
            /// The kind of the type that is named so.
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $kind;
        )*};
    }

    kinds!(Row, Subject, Recipient, Client, Mac, Nonce, KeyId);
}

/// Sixteen bytes of one kind.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block<Kind>([u8; BLOCK_BYTES], PhantomData<Kind>);

impl<Kind> Block<Kind> {
    /// The block of these bytes.
    pub const fn new(bytes: [u8; BLOCK_BYTES]) -> Self {
        Self(bytes, PhantomData)
    }

    /// The first sixteen bytes of a longer MAC.
    pub fn truncated(bytes: &[u8]) -> Self {
        let mut block = [0; BLOCK_BYTES];
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self::new(block)
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8; BLOCK_BYTES] {
        &self.0
    }

    /// Whether both are equal, in a time that does not depend on where they differ.
    pub fn equals(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }

    /// The block whose hexadecimal form this is.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text)?.try_into().ok().map(Self::new)
    }
}

impl Subject {
    /// The row of its failures. It lies beside that of the sends to a recipient with the same hash.
    pub fn row(&self) -> RowKey {
        Block::new((u128::from_be_bytes(self.0) ^ 1).to_be_bytes())
    }
}

impl Recipient {
    /// The row of the sends to it.
    pub fn row(&self) -> RowKey {
        Block::new(self.0)
    }
}

impl From<Recipient> for Subject {
    /// Who has no other subject is known by the address.
    fn from(recipient: Recipient) -> Self {
        Block::new(recipient.0)
    }
}

impl<Kind> fmt::Display for Block<Kind> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl<Kind> fmt::Debug for Block<Kind> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<Kind> Serialize for Block<Kind> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, Kind> Deserialize<'de> for Block<Kind> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("expected 32 hexadecimal digits"))
    }
}

/// The number of a key in its repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeySlot(pub u8);
