//! `sender` and `senders`: who delivers.

use std::sync::Arc;

use super::carrier::CarrierConfig;
use super::http::HttpConfig;
use super::smtp::SmtpConfig;
use crate::channel::is_sender_name;
use crate::clock::SECOND_MS;
use crate::error::Result;
use crate::limits::{MOST_SENDERS, SENDER_NAME_BYTES};
use crate::record::Via;
use crate::strict::{Node, Object};

const KINDS: [Via; 7] = [Via::Console, Via::None, Via::Host, Via::Dispatch, Via::Messages, Via::Http, Via::Smtp];

const DEFAULT_TIMEOUT_MS: u64 = 10 * SECOND_MS;

/// Somebody who delivers.
pub struct SenderConfig {
    /// Its name, where it stands under `senders`.
    pub name: Option<String>,
    /// What it is.
    pub via: Via,
    /// Time for a message by it, in milliseconds.
    pub timeout_ms: u64,
    /// With a carrier, until it is opened: how it is reached.
    pub access: Option<Access>,
    /// With `http`: what its requests hold, by which messages are checked before anything is stored.
    pub http: Option<Arc<HttpConfig>>,
}

/// How a carrier is reached.
pub enum Access {
    /// Vonage.
    Vonage(CarrierConfig),
    /// A server for mail.
    #[cfg_attr(not(feature = "smtp"), expect(dead_code, reason = "such a build checks it, and refuses it"))]
    Smtp(SmtpConfig),
}

impl SenderConfig {
    const fn of(via: Via) -> Self {
        Self { name: None, via, timeout_ms: DEFAULT_TIMEOUT_MS, access: None, http: None }
    }

    /// What is allowed and yet not advisable about it.
    pub fn warning(&self) -> Option<String> {
        let warning = match (&self.http, &self.access) {
            (Some(http), _) => http.warning(),
            (None, Some(Access::Vonage(carrier))) => carrier.warning(),
            (None, Some(Access::Smtp(_)) | None) => None,
        };
        warning.map(|warning| format!("{}.{warning}", self.option()))
    }

    /// The option that has it.
    pub fn option(&self) -> String {
        self.name.as_ref().map_or_else(|| "sender".to_owned(), |name| format!("senders.{name}"))
    }
}

/// Takes `sender`, `senders`, or the credentials that the tutorial's `nexmo.json` holds at the top level: one sender
/// at least.
pub fn read_senders(root: &mut Object) -> Result<Vec<SenderConfig>> {
    let legacy = ["apiKey", "apiSecret", "applicationId"].into_iter().find(|name| root.has(name));
    let (sender, senders) = (root.take("sender"), root.take("senders"));
    match (legacy, sender, senders) {
        (Some(_), None, None) => {
            let access = Some(Access::Vonage(CarrierConfig::read_tutorial(root)?));
            Ok(vec![SenderConfig { access, ..SenderConfig::of(Via::Dispatch) }])
        }
        (Some(name), _, _) => Err(root.error(name, "stands in sender, if there is one")),
        (None, Some(_), Some(senders)) => Err(senders.error("not possible together with sender")),
        (None, Some(sender), None) => Ok(vec![read_sender(sender, None)?]),
        (None, None, Some(senders)) => read_named(senders),
        (None, None, None) => Ok(vec![SenderConfig::of(Via::Console)]),
    }
}

fn read_named(senders: Node) -> Result<Vec<SenderConfig>> {
    let count = senders.error(&format!("must have 1 to {MOST_SENDERS} members"));
    let members = senders.object()?.into_members();
    if !(1..=MOST_SENDERS).contains(&members.len()) {
        return Err(count);
    }
    let is_one_of_many = members.len() > 1;
    let mut senders = Vec::with_capacity(members.len());
    for (name, node) in members {
        if !is_sender_name(&name) {
            return Err(node.error(&format!(
                "must be named by a lower-case letter, then letters, digits or _: {SENDER_NAME_BYTES} in all"
            )));
        }
        let mixed = node.error("of a kind that delivers alone: no other sender may stand beside it");
        let sender = read_sender(node, Some(name))?;
        if is_one_of_many && sender.via.delivers_alone() {
            return Err(mixed);
        }
        senders.push(sender);
    }
    Ok(senders)
}

fn read_sender(node: Node, name: Option<String>) -> Result<SenderConfig> {
    let mut options = node.object()?;
    let via = options.need("type")?.choice(&KINDS.map(|kind| (kind.name(), kind)))?;
    let timeout_ms = match options.take("timeoutSeconds") {
        Some(node) => node.integer::<u64>(1..=120)? * SECOND_MS,
        None => DEFAULT_TIMEOUT_MS,
    };
    let access = match via {
        Via::Dispatch | Via::Messages => Some(Access::Vonage(CarrierConfig::read(&mut options)?)),
        Via::Smtp => Some(Access::Smtp(SmtpConfig::read(&mut options)?)),
        _ => None,
    };
    let http = if via == Via::Http { Some(Arc::new(HttpConfig::read(&mut options)?)) } else { None };
    options.finish()?;
    Ok(SenderConfig { name, via, timeout_ms, access, http })
}
