//! Sixteen bytes: a hashed key, a nonce or a truncated MAC. Hexadecimal in JSON.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::{Choice, ConstantTimeEq};

/// Sixteen bytes that say nothing without the key.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block(pub [u8; 16]);

impl Block {
    /// How many bytes.
    pub const SIZE: usize = 16;

    /// The first sixteen bytes of a longer MAC.
    pub fn truncated(bytes: &[u8]) -> Self {
        let mut block = [0; Self::SIZE];
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = *from;
        }
        Block(block)
    }

    /// Whether both are equal, in a time that does not depend on where they differ.
    pub fn equals(&self, other: &Block) -> Choice {
        self.0.ct_eq(&other.0)
    }

    /// Another key, for a second row about the same thing. It lies beside the first.
    pub fn sibling(&self) -> Self {
        Block((u128::from_be_bytes(self.0) ^ 1).to_be_bytes())
    }

    /// The block whose hexadecimal form this is.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 2 * Self::SIZE || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Block(number.to_be_bytes()))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("expected 32 hexadecimal digits"))
    }
}

/// Bytes as hexadecimal text, for `#[serde(with = "hex")]`.
pub mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the bytes as text.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&digits)
    }

    /// Reads the bytes from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pairs = text.as_bytes().chunks(2);
        let bytes = pairs.map(|pair| {
            let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let digits = std::str::from_utf8(pair).ok().filter(|_| pair.len() == 2 && pair.iter().all(is_digit))?;
            u8::from_str_radix(digits, 16).ok()
        });
        bytes.collect::<Option<_>>().ok_or_else(|| serde::de::Error::custom("expected hexadecimal digits"))
    }
}
