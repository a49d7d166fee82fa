//! Bounds that more than one part needs. Those of a code and its record are in [`crate::record`], those of counters in
//! [`crate::policy`].

use crate::block::BLOCK_BYTES;

/// Longest token, subject, client and idempotency key, in bytes.
pub const NAME_BYTES: usize = 256;

/// Longest address of a request, in bytes.
pub const ADDRESS_BYTES: usize = 64;

/// Longest address of mail, in bytes (RFC 5321, 4.5.3.1.3, less the brackets).
pub const EMAIL_BYTES: usize = 254;

/// Longest locale, in bytes: RFC 5646, 4.4.1.
pub const LOCALE_BYTES: usize = 35;

/// Longest context, in bytes.
pub const CONTEXT_BYTES: usize = 4096;

/// Longest body of a webhook, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;

/// Longest name of a channel, in bytes.
pub const CHANNEL_BYTES: usize = 32;

/// Most senders of a service.
pub const MOST_SENDERS: usize = 8;

/// Longest name of a sender, in bytes.
pub const SENDER_NAME_BYTES: usize = 16;

/// Longest identifier of the carrier that is kept, in bytes. UUIDs have 36.
pub const ID_BYTES: usize = 128;

/// Longest error of a step that is kept, in bytes. A reply shows less of it.
pub const STEP_ERROR_BYTES: usize = 200;

/// Longest text of the carrier in a reply, in bytes.
pub const FOREIGN_BYTES: usize = 200;

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
