//! Requests: the JSON of a create, checked against the configuration.

use zeroize::Zeroizing;

use crate::channel::AddressKind;
use crate::config::Config;
use crate::email::{self, Email};
use crate::error::{Error, Result};
use crate::limits::{ADDRESS_BYTES, CONTEXT_BYTES, LOCALE_BYTES, NAME_BYTES};
use crate::message::is_param_name;
use crate::phone;
use crate::record::MOST_STEPS;
use crate::strict::{self, Node, Object, is_name};

/// Longest request, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

const MAX_PARAMS: usize = 16;
const MAX_PARAM_BYTES: usize = 256;

/// Where a message can go.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// What it is an address of.
    pub kind: AddressKind,
    /// The address; of a phone the canonical form.
    pub text: String,
}

/// What is asked of a create. It holds addresses and perhaps a code, so it cannot be printed.
pub struct Request {
    /// One of each kind at most: phone, Messenger, then mail and the others by name.
    pub addresses: Vec<Address>,
    /// The only channels that it may take, by name; without, all of the workflow.
    pub channels: Option<Vec<String>>,
    /// The account on which failures count.
    pub subject: Option<String>,
    /// What the code approves.
    pub context: Option<String>,
    /// Language of the text.
    pub locale: Option<String>,
    /// Values for the text, by name.
    pub params: Vec<(String, String)>,
    /// Which repetitions are the same request.
    pub idempotency_key: Option<String>,
    /// Who asks.
    pub client: Option<String>,
    /// A code of the host's own.
    pub code: Option<Zeroizing<String>>,
}

impl Request {
    /// Reads a request. None is an empty one, and allowed only with the sender that leaves delivery to the host.
    ///
    /// # Errors
    ///
    /// `Argument` for anything unknown, repeated, of the wrong type or out of range, naming the member.
    pub fn parse(json: Option<&str>, config: &Config) -> Result<Self> {
        let mut members = match json {
            None if config.hands_over() => Object::absent("request", Error::argument),
            None => return Err(Error::argument("request: missing")),
            Some(json) if json.len() > MAX_REQUEST_BYTES => {
                return Err(Error::argument(format!("request: longer than {MAX_REQUEST_BYTES} bytes")));
            }
            Some(json) => strict::parse(json, "request", Error::argument)?.object()?,
        };
        if let Some(accepted) = &config.accept {
            members.refuse_others(accepted, "not accepted from a request (accept)")?;
        }
        let mut name = |member: &str, max| members.take(member).map(|node| node.name(max)).transpose();
        let subject = name("subject", NAME_BYTES)?;
        let locale = name("locale", LOCALE_BYTES)?;
        let idempotency_key = name("idempotencyKey", NAME_BYTES)?;
        let client = name("client", NAME_BYTES)?;
        let request = Self {
            addresses: read_addresses(&mut members, config)?,
            channels: members.take("channels").map(|node| read_channels(node, config)).transpose()?,
            subject,
            context: read_context(&mut members, config)?,
            locale,
            params: members.take("params").map_or(Ok(Vec::new()), read_params)?,
            idempotency_key,
            client,
            code: members.take("code").map(|node| read_code(&node, config)).transpose()?,
        };
        members.finish()?;
        Ok(request)
    }

    /// The request as bytes, without its idempotency key. Two requests have the same bytes if, and only if, they ask
    /// for the same: neither the order of members nor the spelling of a phone number matters.
    pub fn canonical(&self) -> Zeroizing<Vec<u8>> {
        // Lists and optional values are sequences: a 1 before each item, a 0 at the end.
        let mut parts: Vec<&[u8]> = Vec::new();
        for address in &self.addresses {
            parts.extend([b"1", address.kind.member().as_bytes(), address.text.as_bytes()]);
        }
        parts.push(b"0");
        for (name, value) in &self.params {
            parts.extend([b"1", name.as_bytes(), value.as_bytes()]);
        }
        parts.push(b"0");
        let code = self.code.as_ref().map(|code| code.as_str());
        let texts = [&self.subject, &self.context, &self.locale, &self.client].map(Option::as_deref);
        for text in texts.into_iter().chain([code]) {
            if let Some(text) = text {
                parts.extend([b"1", text.as_bytes()]);
            }
            parts.push(b"0");
        }
        for channel in self.channels.iter().flatten() {
            parts.extend([b"1", channel.as_bytes()]);
        }
        parts.push(b"0");
        // Reserved at once, so that no copy of a code stays behind in a smaller buffer.
        let size = parts.iter().map(|part| size_of::<u64>() + part.len()).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// Checks a text of 1 to `max_bytes` bytes without control characters, such as a token.
///
/// # Errors
///
/// `Argument`, naming the parameter.
pub fn check_name(value: &str, parameter: &str, max_bytes: usize) -> Result<()> {
    if is_name(value, max_bytes) {
        return Ok(());
    }
    Err(Error::argument(format!("{parameter}: must have 1 to {max_bytes} bytes and no control characters")))
}

fn read_addresses(members: &mut Object, config: &Config) -> Result<Vec<Address>> {
    let mut kinds: Vec<_> = config.workflow.iter().map(|step| AddressKind::of(&step.channel)).collect();
    kinds.retain(|kind| matches!(kind, AddressKind::Channel(_)));
    kinds.push(AddressKind::Email);
    kinds.sort_by(|one, other| one.member().cmp(other.member()));
    let mut addresses = Vec::new();
    for kind in [AddressKind::Phone, AddressKind::Messenger].into_iter().chain(kinds) {
        let Some(node) = members.take(kind.member()) else { continue };
        let text = match kind {
            AddressKind::Phone => read_phone(&node, config)?,
            AddressKind::Email => read_email(&node)?,
            AddressKind::Messenger | AddressKind::Channel(_) => node.name(ADDRESS_BYTES)?,
        };
        addresses.push(Address { kind, text });
    }
    Ok(addresses)
}

fn read_channels(node: Node, config: &Config) -> Result<Vec<String>> {
    let is_channel = |name: &str| config.workflow.iter().any(|step| step.channel == name);
    let read = |node: &Node| node.text_if("the channel of a step of the workflow", is_channel).map(str::to_owned);
    let mut channels: Vec<_> = node.list(1..=MOST_STEPS)?.iter().map(read).collect::<Result<_>>()?;
    channels.sort();
    channels.dedup();
    Ok(channels)
}

fn read_phone(node: &Node, config: &Config) -> Result<String> {
    let is_short = |text: &str| (1..=ADDRESS_BYTES).contains(&text.len());
    let text = node.text_if(&format!("a text of 1 to {ADDRESS_BYTES} bytes"), is_short)?;
    phone::canonical(text, config.default_country).map_err(|unread| node.error(unread.cause()))
}

fn read_email(node: &Node) -> Result<String> {
    let text = email::pasted(node.text()?);
    Email::parse(text).map(|_| text.to_owned()).map_err(|none| node.error(none.cause()))
}

fn read_context(members: &mut Object, config: &Config) -> Result<Option<String>> {
    let Some(node) = members.take("context") else {
        return if config.policy.context_required {
            Err(members.error("context", "the profile requires one"))
        } else {
            Ok(None)
        };
    };
    let is_short = |text: &str| text.len() <= CONTEXT_BYTES;
    let context = node.text_if(&format!("a text of at most {CONTEXT_BYTES} bytes"), is_short)?;
    Ok(Some(context.to_owned()))
}

fn read_params(node: Node) -> Result<Vec<(String, String)>> {
    let too_many = node.error(&format!("must have at most {MAX_PARAMS} members"));
    let members = node.object()?.into_members();
    if members.len() > MAX_PARAMS {
        return Err(too_many);
    }
    // A line break in a value could pass for a line of the message.
    let valid = |text: &str| text.is_empty() || is_name(text, MAX_PARAM_BYTES);
    let rule = format!("a text of at most {MAX_PARAM_BYTES} bytes without control characters");
    let mut params = Vec::with_capacity(members.len());
    for (name, node) in members {
        if !is_param_name(&name) {
            return Err(node.error("must be named by 1 to 32 letters, digits or _, and not code, minutes or brand"));
        }
        let value = node.text_if(&rule, valid)?.to_owned();
        params.push((name, value));
    }
    params.sort();
    Ok(params)
}

fn read_code(node: &Node, config: &Config) -> Result<Zeroizing<String>> {
    if !config.own_codes {
        return Err(node.error("not allowed without the option ownCodes"));
    }
    let rule = "4 to 16 printable ASCII characters, not blanks and - alone, 6 or more under nist, without space and # under \
                webOtpDomain";
    node.text_if(rule, |code| config.takes_own_code(code)).map(|code| Zeroizing::new(code.to_owned()))
}

#[cfg(test)]
mod tests;
