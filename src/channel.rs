//! What is known about channels: where their messages go, who carries them, how long they may be, and what the vendor
//! calls them. A channel that is not known here is a host's own.

use crate::limits::{CHANNEL_BYTES, SENDER_NAME_BYTES};
use crate::record::Via;

/// What an address is an address of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// A phone number.
    Phone,
    /// An identifier of Messenger.
    Messenger,
    /// An address of mail.
    Email,
    /// Any other channel, by its name.
    Channel(String),
}

impl AddressKind {
    /// The kind of address that a channel goes to.
    pub fn of(channel: &str) -> Self {
        match Known::named(channel).map(|known| known.address) {
            Some(Goes::Phone) => AddressKind::Phone,
            Some(Goes::Messenger) => AddressKind::Messenger,
            Some(Goes::Mail) => AddressKind::Email,
            None => AddressKind::Channel(channel.to_owned()),
        }
    }

    /// The member of a request that holds such an address.
    pub fn member(&self) -> &str {
        match self {
            AddressKind::Phone => "phoneNumber",
            AddressKind::Messenger => "messengerId",
            AddressKind::Email => EMAIL,
            AddressKind::Channel(name) => name,
        }
    }
}

/// The channel of mail, and the member of a request that holds its address.
pub const EMAIL: &str = "email";

/// Members that every request may have, so that no channel can have their names.
pub const OWN_MEMBERS: [&str; 10] = [
    "messengerId",
    "phoneNumber",
    "subject",
    "context",
    "locale",
    "params",
    "idempotencyKey",
    "client",
    "code",
    "channels",
];

/// How far a message must have come before the next step is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It reached the device.
    Delivered,
    /// It was read.
    Read,
    /// Its code was verified: no report tells that.
    Verified,
}

/// Where the messages of a known channel go.
#[derive(Clone, Copy)]
enum Goes {
    Phone,
    Messenger,
    Mail,
}

/// What is known about a channel.
struct Known {
    name: &'static str,
    address: Goes,
    /// Whether anybody reports that a message was read.
    is_read: bool,
    /// Most characters of a text that the carrier takes, where that is less than any text has.
    most_characters: Option<usize>,
    /// Which carriers have it.
    carriers: &'static [Via],
    /// Its name in the Dispatch API and in the webhooks of that.
    dispatch_name: &'static str,
}

const BOTH: &[Via] = &[Via::Dispatch, Via::Messages];

impl Known {
    /// Vonage, Messages API: Messenger takes 640 characters, SMS and Viber 1000 (RCS 3072, WhatsApp 4096, more than any
    /// text has here). Dispatch is older than RCS. Vonage makes no calls
    /// here.
    const ALL: [Known; 7] = [
        Known::new("messenger", Goes::Messenger, Some(640)),
        Known { is_read: false, ..Known::new("sms", Goes::Phone, Some(1000)) },
        Known::new("whatsapp", Goes::Phone, None),
        Known { dispatch_name: "viber_service_msg", ..Known::new("viber_service", Goes::Phone, Some(1000)) },
        Known { carriers: &[Via::Messages], ..Known::new("rcs", Goes::Phone, None) },
        Known { is_read: false, carriers: &[], ..Known::new("voice", Goes::Phone, None) },
        Known { carriers: &[], ..Known::new(EMAIL, Goes::Mail, None) },
    ];

    const fn new(name: &'static str, address: Goes, most_characters: Option<usize>) -> Self {
        Self { name, address, is_read: true, most_characters, carriers: BOTH, dispatch_name: name }
    }

    fn named(name: &str) -> Option<&'static Self> {
        const { &Known::ALL }.iter().find(|known| known.name == name)
    }
}

/// Whether this can be the name of a channel.
pub fn is_name(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=CHANNEL_BYTES).contains(&text.len()) && text.bytes().all(valid)
}

/// Whether a sender may have this name.
pub fn is_sender_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= SENDER_NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(valid)
}

/// What ends a step of a carrier that reports, unless its configuration says: that the message was read, where anybody reports that.
pub fn default_condition(channel: &str) -> Condition {
    if is_read(channel) { Condition::Read } else { Condition::Delivered }
}

/// Whether anybody reports that a message was read. Of channels that are not known the host may.
pub fn is_read(channel: &str) -> bool {
    Known::named(channel).is_none_or(|known| known.is_read)
}

/// Most characters of a text that the carrier takes, where that is less than any text has.
pub fn most_characters(channel: &str) -> Option<usize> {
    Known::named(channel)?.most_characters
}

/// Whether this carrier has the channel.
pub fn is_carried(channel: &str, carrier: Via) -> bool {
    Known::named(channel).is_some_and(|known| known.carriers.contains(&carrier))
}

/// The channel's name in the Dispatch API.
pub fn dispatch_name(channel: &str) -> &str {
    Known::named(channel).map_or(channel, |known| known.dispatch_name)
}

/// The channel that a vendor's webhook names, if that can be one.
pub fn of_vendor(name: &str) -> Option<String> {
    let known = const { &Known::ALL }.iter().find(|known| known.dispatch_name == name);
    let name = known.map_or(name, |known| known.name);
    is_name(name).then(|| name.to_owned())
}
