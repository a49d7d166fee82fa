//! What is sealed beside a live code: where it goes and how it reads. Pure.

use zeroize::Zeroizing;

use crate::channel::AddressKind;
use crate::request::Address;

/// Flag in a text's first byte: decimal digits follow, two in a byte.
const PACKED: u8 = 0x80;
/// First byte of a text whose length is in the four bytes after it.
const LONG: u8 = 0x7f;

/// The sealed part of a request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Where the code goes.
    pub addresses: Vec<Address>,
    /// The only channels it may take, if not all.
    pub channels: Option<Vec<String>>,
    /// The locale asked for.
    pub locale: Option<String>,
    /// Values for the text.
    pub params: Vec<(String, String)>,
    /// The code that the host brought.
    pub code: Option<Zeroizing<String>>,
    /// The token, where a message that nobody asks for is to name it.
    pub token: Option<String>,
}

impl Envelope {
    /// The address a step goes to.
    pub fn address_for(&self, channel: &str) -> Option<&Address> {
        let kind = AddressKind::of(channel);
        self.addresses.iter().find(|address| address.kind == kind)
    }

    /// Whether it may take a channel.
    pub fn goes_to(&self, channel: &str) -> bool {
        self.channels.as_ref().is_none_or(|channels| channels.iter().any(|name| name == channel))
    }

    /// The bytes to seal: a first byte that says what there is, then the texts.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0]);
        let mut flags = 0;
        for address in &self.addresses {
            match &address.kind {
                AddressKind::Phone => flags |= 1,
                AddressKind::Messenger => flags |= 2,
                AddressKind::Email | AddressKind::Channel(_) => flags |= 4,
            }
        }
        for kind in [AddressKind::Phone, AddressKind::Messenger] {
            self.addresses
                .iter()
                .filter(|address| address.kind == kind)
                .for_each(|address| put(&mut bytes, &address.text));
        }
        if flags & 4 != 0 {
            let channels = self.addresses.iter().filter_map(|address| match &address.kind {
                AddressKind::Email | AddressKind::Channel(_) => Some((address.kind.member(), address.text.as_str())),
                AddressKind::Phone | AddressKind::Messenger => None,
            });
            put_pairs(&mut bytes, channels);
        }
        if let Some(locale) = &self.locale {
            flags |= 8;
            put(&mut bytes, locale);
        }
        if !self.params.is_empty() {
            flags |= 16;
            put_pairs(&mut bytes, self.params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        }
        if let Some(code) = &self.code {
            flags |= 32;
            put(&mut bytes, code);
        }
        if let Some(channels) = &self.channels {
            flags |= 64;
            put(&mut bytes, &channels.join(","));
        }
        if let Some(token) = &self.token {
            flags |= 128;
            put(&mut bytes, token);
        }
        if let Some(first) = bytes.first_mut() {
            *first = flags;
        }
        bytes
    }

    /// What was encoded, or `None` if these bytes are nothing of the kind.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (flags, mut rest) = bytes.split_first().map(|(flags, rest)| (*flags, rest))?;
        let mut envelope = Envelope::default();
        for (flag, kind) in [(1, AddressKind::Phone), (2, AddressKind::Messenger)] {
            if flags & flag != 0 {
                envelope.addresses.push(Address { kind, text: take(&mut rest)? });
            }
        }
        if flags & 4 != 0 {
            let channels = take_pairs(&mut rest)?.into_iter();
            let addresses = channels.map(|(channel, text)| Address { kind: AddressKind::of(&channel), text });
            envelope.addresses.extend(addresses);
        }
        if flags & 8 != 0 {
            envelope.locale = Some(take(&mut rest)?);
        }
        if flags & 16 != 0 {
            envelope.params = take_pairs(&mut rest)?;
        }
        if flags & 32 != 0 {
            envelope.code = Some(Zeroizing::new(take(&mut rest)?));
        }
        if flags & 64 != 0 {
            envelope.channels = Some(take(&mut rest)?.split(',').map(str::to_owned).collect());
        }
        if flags & 128 != 0 {
            envelope.token = Some(take(&mut rest)?);
        }
        rest.is_empty().then_some(envelope)
    }
}

fn put(bytes: &mut Vec<u8>, text: &str) {
    let digits = text.as_bytes();
    if (1..=64).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        bytes.push(PACKED | digits.len() as u8);
        for pair in digits.chunks(2) {
            let nibbles = pair.iter().chain(b"0").take(2).map(|digit| digit - b'0');
            bytes.push(nibbles.fold(0, |byte, nibble| byte << 4 | nibble));
        }
        return;
    }
    if digits.len() < usize::from(LONG) {
        bytes.push(digits.len() as u8);
    } else {
        bytes.push(LONG);
        bytes.extend_from_slice(&(digits.len() as u32).to_be_bytes());
    }
    bytes.extend_from_slice(digits);
}

fn put_pairs<'a>(bytes: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    let place = bytes.len();
    bytes.push(0);
    let mut count = 0u8;
    for (name, value) in pairs {
        put(bytes, name);
        put(bytes, value);
        count = count.saturating_add(1);
    }
    if let Some(byte) = bytes.get_mut(place) {
        *byte = count;
    }
}

fn take(rest: &mut &[u8]) -> Option<String> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    if first & PACKED != 0 {
        let length = usize::from(first & !PACKED);
        let (packed, after) = rest.split_at_checked(length.div_ceil(2))?;
        *rest = after;
        let nibbles = packed.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).take(length);
        return nibbles.map(|nibble| char::from_digit(u32::from(nibble), 10)).collect();
    }
    let length = if *first == LONG {
        let (length, after) = rest.split_first_chunk()?;
        *rest = after;
        usize::try_from(u32::from_be_bytes(*length)).ok()?
    } else {
        usize::from(*first)
    };
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

fn take_pairs(rest: &mut &[u8]) -> Option<Vec<(String, String)>> {
    let (count, after) = rest.split_first()?;
    *rest = after;
    (0..*count).map(|_| Some((take(rest)?, take(rest)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_size() {
        let phone = Address { kind: AddressKind::Phone, text: "393331234567".into() };
        let plain = Envelope { addresses: vec![phone.clone()], ..Envelope::default() };
        assert_eq!(plain.encode().len(), 8);
        let long = "x".repeat(5000);
        let full = Envelope {
            channels: Some(vec!["messenger".to_owned(), "sms".to_owned()]),
            addresses: vec![
                phone,
                Address { kind: AddressKind::Messenger, text: "819".into() },
                Address { kind: AddressKind::Email, text: "a@b.example".into() },
                Address { kind: AddressKind::Channel("pager".into()), text: "7".into() },
            ],
            locale: Some("it".into()),
            params: vec![("shop".into(), long), ("n".into(), String::new()), ("digits".into(), "0".repeat(65))],
            code: Some(Zeroizing::new("0123".into())),
            token: Some("t".into()),
        };
        for envelope in [Envelope::default(), plain, full] {
            let bytes = envelope.encode();
            assert!(Envelope::decode(&bytes) == Some(envelope));
            for cut in 0..bytes.len() {
                assert!(Envelope::decode(&bytes[..cut]).is_none());
            }
        }
    }
}
