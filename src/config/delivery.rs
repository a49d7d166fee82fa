//! `sender`, `workflow`, and the carrier's credentials.

use std::net::{IpAddr, Ipv6Addr};

use super::{Condition, StepConfig};
use crate::clock::SECOND_MS;
use crate::error::Result;
use crate::message::Texts;
use crate::record::Via;
use crate::request::OWN_MEMBERS;
use crate::strict::{Node, Object, is_host_name, is_visible_ascii};

const SENDERS: [Via; 5] = [Via::Console, Via::None, Via::Host, Via::Dispatch, Via::Messages];

const DEFAULT_TIMEOUT_MS: u64 = 10 * SECOND_MS;

const MAX_STEPS: usize = 5;

/// Sender of an SMS that names none.
const DEFAULT_SMS_FROM: &str = "NEXMO";

/// Takes `sender`, or the credentials that the tutorial's `nexmo.json` holds at the top level: who delivers, and the
/// time for it in milliseconds.
pub fn read_sender(root: &mut Object) -> Result<(Via, u64)> {
    let legacy = ["apiKey", "apiSecret", "applicationId"].into_iter().find(|name| root.has(name));
    let mut options = match (legacy, root.take("sender")) {
        (Some(name), Some(_)) => return Err(root.error(name, "stands in sender, if there is one")),
        (Some(_), None) => {
            // The tutorial keeps the key in `private.key`.
            check_credentials(root, None, true)?;
            return Ok((Via::Dispatch, DEFAULT_TIMEOUT_MS));
        }
        (None, Some(node)) => node.object()?,
        (None, None) => return Ok((Via::Console, DEFAULT_TIMEOUT_MS)),
    };
    let sender = options.need("type")?.choice(&SENDERS.map(|sender| (sender.name(), sender)))?;
    let timeout_ms = match options.take("timeoutSeconds") {
        Some(node) => node.integer::<u64>(1..=120)? * SECOND_MS,
        None => DEFAULT_TIMEOUT_MS,
    };
    if sender.is_carrier() {
        check_carrier(&mut options)?;
    }
    options.finish()?;
    Ok((sender, timeout_ms))
}

fn check_carrier(options: &mut Object) -> Result<()> {
    let has_private_key = match options.take("privateKey") {
        Some(node) => node.text_if("PEM text or a path", is_private_key).map(|_| true)?,
        None => false,
    };
    if let Some(node) = options.take("baseUrl") {
        node.text_if("an https:// URL of a host; http:// is for loopback alone", is_base_url)?;
    }
    let is_basic = match options.take("auth") {
        Some(node) => Some(node.choice(&[("jwt", false), ("basic", true)])?),
        None => None,
    };
    check_credentials(options, is_basic, has_private_key)
}

fn check_credentials(options: &mut Object, is_basic: Option<bool>, has_private_key: bool) -> Result<()> {
    let mut given = |name: &str| match options.take(name) {
        // In basic authentication a colon ends the user's name.
        Some(node) => {
            let valid =
                |text: &str| is_visible_ascii(text) && text.len() <= 256 && (name != "apiKey" || !text.contains(':'));
            node.text_if("1 to 256 visible ASCII characters", valid).map(|_| true)
        }
        None => Ok(false),
    };
    let (api_key, api_secret, application_id) = (given("apiKey")?, given("apiSecret")?, given("applicationId")?);
    let needed = if is_basic.unwrap_or(!has_private_key) {
        [("apiKey", api_key), ("apiSecret", api_secret)]
    } else {
        [("applicationId", application_id), ("privateKey", has_private_key)]
    };
    match needed.iter().find(|(_, given)| !given) {
        Some((name, _)) => Err(options.error(name, "missing")),
        None => Ok(()),
    }
}

/// The text of a key, or a path, which is looked at when the key is needed.
fn is_private_key(text: &str) -> bool {
    !text.is_empty() && (!text.contains("-----BEGIN ") || text.contains("-----END "))
}

/// Whether this is a URL that credentials and codes may be sent to: https with any host, or http that does not leave
/// the machine; without user, query and fragment.
fn is_base_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    if !is_visible_ascii(rest) || rest.contains(['?', '#', '\\']) {
        return false;
    }
    let Some((host, is_loopback)) = split_host(authority) else { return false };
    let port_is_valid = match authority.strip_prefix(host) {
        Some("") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)),
        None => false,
    };
    port_is_valid && (scheme == "https" || (scheme == "http" && is_loopback))
}

/// The host before an optional port, brackets included, and whether it is this machine.
fn split_host(authority: &str) -> Option<(&str, bool)> {
    if authority.starts_with('[') {
        let (bracketed, _) = authority.split_at_checked(authority.find(']')? + 1)?;
        let address: Ipv6Addr = bracketed.trim_matches(['[', ']']).parse().ok()?;
        return Some((bracketed, address.is_loopback()));
    }
    let host = authority.split(':').next().filter(|host| is_host_name(host))?;
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    Some((host, is_loopback))
}

/// Takes `workflow`. A carrier's steps without sender address are left out, with a warning.
pub fn read_workflow(
    root: &mut Object,
    sender: Via,
    texts: &Texts,
    warnings: &mut Vec<String>,
) -> Result<Vec<StepConfig>> {
    let mut steps = match root.take("workflow") {
        Some(node) => {
            let steps = node.list(1..=MAX_STEPS)?;
            steps.into_iter().map(|step| read_step(step, sender, texts)).collect::<Result<_>>()?
        }
        None => vec![StepConfig::new("messenger"), StepConfig::new("sms")],
    };
    if sender.is_carrier() {
        for step in steps.iter_mut().filter(|step| step.channel == "sms") {
            step.from.get_or_insert_with(|| DEFAULT_SMS_FROM.to_owned());
        }
        for step in steps.extract_if(.., |step| step.from.is_none()) {
            warnings.push(format!("workflow: step {} is left out: it has no from", step.channel));
        }
    }
    if steps.is_empty() { Err(root.error("workflow", "no step has a from")) } else { Ok(steps) }
}

fn read_step(node: Node, sender: Via, texts: &Texts) -> Result<StepConfig> {
    let mut options = node.object()?;
    let channel = options.need("channel")?;
    let mut step = StepConfig::new(channel.text_if("1 to 32 lower-case letters, digits or _", is_channel)?);
    if OWN_MEMBERS.contains(&step.channel.as_str()) {
        return Err(channel.error("a request has another member of that name"));
    }
    if sender.is_carrier() && !carries(sender, &step.channel) {
        return Err(channel.error(&format!("not a channel of sender {}", sender.name())));
    }
    if let Some(node) = options.take("from") {
        step.from = Some(node.name(64)?);
    }
    if let Some(node) = options.take("expiryTime") {
        step.expiry_seconds = node.integer(15..=86_400)?;
    }
    if let Some(node) = options.take("conditionStatus") {
        step.condition = node.choice(&[("delivered", Condition::Delivered), ("read", Condition::Read)])?;
        if sender.is_carrier() && step.channel == "sms" && step.condition == Condition::Read {
            return Err(node.error("must be delivered: no carrier reports that an SMS was read"));
        }
    }
    if let Some(node) = options.take("template") {
        step.template = Some(texts.read_template(&node)?);
    }
    options.finish()?;
    Ok(step)
}

fn is_channel(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(valid)
}

/// Whether a carrier's interface has the channel; Dispatch is older than RCS.
fn carries(sender: Via, channel: &str) -> bool {
    match channel {
        "messenger" | "sms" | "whatsapp" | "viber_service" => true,
        "rcs" => sender == Via::Messages,
        _ => false,
    }
}
