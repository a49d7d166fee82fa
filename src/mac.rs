//! HMAC-SHA256, the one MAC of the library (RFC 2104).

use std::hint::black_box;

use ring::hmac;
use zeroize::Zeroizing;

/// A MAC, or what is derived like one.
pub type Bytes32 = Zeroizing<[u8; 32]>;

/// A key of HMAC-SHA256 that is wiped on drop.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// A copy of these bytes as a key.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// HMAC-SHA256 of a message as it is.
    pub fn sign(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, message)
    }

    /// Whether the tag is the message's, in a time that does not depend on where it differs.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }

    /// HMAC-SHA256 over the label and the fields, each preceded by its length, so that no two inputs meet.
    pub fn mac(&self, label: &str, fields: &[&[u8]]) -> Bytes32 {
        let mut context = hmac::Context::with_key(&self.0);
        for field in std::iter::once(label.as_bytes()).chain(fields.iter().copied()) {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field);
        }
        let tag = context.sign();
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        bytes
    }
}

impl Drop for MacKey {
    fn drop(&mut self) {
        self.0 = hmac::Key::new(hmac::HMAC_SHA256, &[]);
        black_box(&self.0); // or the store would be left out as dead
    }
}
