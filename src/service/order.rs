//! A request to create a code: understood, and checked as far as that does not depend on what is stored.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::plan::{Contents, Steps};
use super::{Core, Service};
use crate::block::{Client, Recipient, RowKey, Subject};
use crate::channel::AddressKind;
use crate::envelope::Envelope;
use crate::error::Result;
use crate::record::{Idempotency, Via};
use crate::request::{Address, Request};

/// A request to create a code, understood and checked.
pub struct Order {
    /// The token.
    pub token: String,
    /// Its row.
    pub row: RowKey,
    /// The subject on which failures count, hashed.
    pub subject: Subject,
    /// All recipients, hashed.
    pub recipients: Vec<Recipient>,
    /// Who asks.
    pub client: Option<Client>,
    /// Whether every phone number is on the list of countries.
    pub allowed: bool,
    /// What is sealed beside the code.
    pub envelope: Envelope,
    /// What is approved with the code.
    pub context: Option<Zeroizing<String>>,
    /// By which the same request is known again.
    pub idempotency: Option<Idempotency>,
    /// The steps, tried with a code of the same length.
    pub steps: Arc<Steps>,
}

impl Service {
    /// Checks everything about a request that does not depend on what is stored.
    pub(super) fn order(&self, token: &str, row: RowKey, request: Option<&str>) -> Result<Order> {
        let core = &self.core;
        let request = Request::parse(request, &core.config)?;
        let idempotency = request.idempotency_key.as_ref().map(|key| Idempotency {
            key: core.keys.fingerprint(key.as_bytes()),
            request: core.keys.fingerprint(&request.canonical()),
            answer: None,
        });
        let recipients = core.recipients_of(&request.addresses);
        let subject = core.subject(token, &request);
        let allowed = core.allows(&request.addresses);
        let client = request.client.as_ref().map(|client| core.keys.index("client", &core.config.namespace, client));
        let Request { addresses, channels, locale, params, code, context, .. } = request;
        let mut envelope = Envelope { addresses, channels, locale, params, code, token: None };
        let placeholder = "0".repeat(usize::from(core.config.otp_length));
        let code = envelope.code.as_ref().map_or(placeholder.as_str(), |code| code.as_str());
        let left_ms = core.config.validity_ms;
        let steps = core.plan(&Contents { token, envelope: &envelope, code, left_ms, first: 0 })?;
        envelope.token = names_token(&steps).then(|| token.to_owned());
        let context = context.map(Zeroizing::new);
        let token = token.to_owned();
        Ok(Order { token, row, subject, recipients, client, allowed, envelope, context, idempotency, steps })
    }
}

/// Whether the host's function may be given a message by a timer or a report, which know no token.
fn names_token(steps: &Steps) -> bool {
    steps.iter().skip(1).any(|step| step.via == Via::Host && step.message.is_some())
}

impl Core {
    /// The hashes under which sends to these addresses are counted, each once.
    fn recipients_of(&self, addresses: &[Address]) -> Vec<Recipient> {
        let mut recipients = Vec::with_capacity(addresses.len());
        for address in addresses {
            let recipient = self.recipient(&address.kind, &address.text);
            if !recipients.contains(&recipient) {
                recipients.push(recipient);
            }
        }
        recipients
    }

    /// The subject of a request: as given, or the phone number, the Messenger id or the address of mail, or the token.
    fn subject(&self, token: &str, request: &Request) -> Subject {
        if let Some(subject) = &request.subject {
            return self.keys.index("subject", &self.config.namespace, subject);
        }
        let of_kind = |kind: AddressKind| request.addresses.iter().find(|address| address.kind == kind);
        match [AddressKind::Phone, AddressKind::Messenger, AddressKind::Email].into_iter().find_map(of_kind) {
            Some(address) => self.recipient(&address.kind, &address.text).into(),
            None => self.keys.index("token as subject", &self.config.namespace, token),
        }
    }

    pub(super) fn allows(&self, addresses: &[Address]) -> bool {
        let mut phones = addresses.iter().filter(|address| address.kind == AddressKind::Phone);
        phones.all(|address| self.config.policy.allows(&address.text))
    }
}
