//! Bounds that more than one part needs.

use crate::block::BLOCK_BYTES;

/// Least bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Bytes of the tag of AES-256-GCM.
const TAG_BYTES: usize = 16;

/// Most keys that a repository may have met: their slots begin at 0.
pub const MOST_KEYS: u8 = u8::MAX;

/// Bytes that the smallest sealed part of a record has: a tag, and the text's first byte.
pub const LEAST_SEALED_BYTES: usize = TAG_BYTES + 1;

/// Bytes of the index key, sealed: with its nonce and a tag.
pub const INDEX_KEY_SEALED_BYTES: usize = BLOCK_BYTES + KEY_BYTES + TAG_BYTES;
