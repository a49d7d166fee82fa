//! On whom messages are counted.

use super::Core;
use crate::block::Recipient;
use crate::channel::AddressKind;
use crate::email;

impl Core {
    /// The hash under which sends to an address are counted. The name of a channel is no part of it: an erase must
    /// find addresses of channels that the workflow does not have any more.
    pub(super) fn recipient(&self, kind: &AddressKind, text: &str) -> Recipient {
        let kind = match kind {
            AddressKind::Phone => "phone",
            AddressKind::Messenger => "messenger",
            // One mailbox has many spellings.
            AddressKind::Email => return self.keys.index("email", &self.config.namespace, &email::counted(text)),
            AddressKind::Channel(_) => "address",
        };
        self.keys.index(kind, &self.config.namespace, text)
    }

    /// The same for the messages by one channel alone.
    pub(super) fn recipient_by(&self, channel: &str, recipient: &Recipient) -> Recipient {
        self.keys.index("recipient by channel", &self.config.namespace, &format!("{channel} {recipient}"))
    }
}
