//! `sender` and `workflow`.

use super::carrier::CarrierConfig;
use super::{Condition, StepConfig};
use crate::channel::{self, OWN_MEMBERS};
use crate::clock::SECOND_MS;
use crate::error::Result;
use crate::message::Texts;
use crate::record::{MOST_STEPS, Via};
use crate::strict::{Node, Object};
use crate::workflow::LONGEST_WAIT_MS;

const SENDERS: [Via; 5] = [Via::Console, Via::None, Via::Host, Via::Dispatch, Via::Messages];

const DEFAULT_TIMEOUT_MS: u64 = 10 * SECOND_MS;

/// Sender of an SMS that names none.
const DEFAULT_SMS_FROM: &str = "NEXMO";

/// Who delivers, and how.
pub struct SenderConfig {
    /// The sender.
    pub via: Via,
    /// Time for all of a delivery's requests, in milliseconds.
    pub timeout_ms: u64,
    /// With a carrier: how it is reached.
    pub carrier: Option<CarrierConfig>,
}

/// Takes `sender`, or the credentials that the tutorial's `nexmo.json` holds at the top level.
pub fn read_sender(root: &mut Object) -> Result<SenderConfig> {
    let legacy = ["apiKey", "apiSecret", "applicationId"].into_iter().find(|name| root.has(name));
    let mut options = match (legacy, root.take("sender")) {
        (Some(name), Some(_)) => return Err(root.error(name, "stands in sender, if there is one")),
        (Some(_), None) => {
            let carrier = Some(CarrierConfig::read_tutorial(root)?);
            return Ok(SenderConfig { via: Via::Dispatch, timeout_ms: DEFAULT_TIMEOUT_MS, carrier });
        }
        (None, Some(node)) => node.object()?,
        (None, None) => return Ok(SenderConfig { via: Via::Console, timeout_ms: DEFAULT_TIMEOUT_MS, carrier: None }),
    };
    let via = options.need("type")?.choice(&SENDERS.map(|sender| (sender.name(), sender)))?;
    let timeout_ms = match options.take("timeoutSeconds") {
        Some(node) => node.integer::<u64>(1..=120)? * SECOND_MS,
        None => DEFAULT_TIMEOUT_MS,
    };
    let carrier = if via.is_carrier() { Some(CarrierConfig::read(&mut options)?) } else { None };
    options.finish()?;
    Ok(SenderConfig { via, timeout_ms, carrier })
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
            let steps = node.list(1..=MOST_STEPS)?;
            let idle = &mut *warnings;
            steps.into_iter().map(|step| read_step(step, sender, texts, idle)).collect::<Result<_>>()?
        }
        None => vec![StepConfig::new("messenger"), StepConfig::new("sms")],
    };
    if sender.is_carrier() {
        for step in steps.iter_mut().filter(|step| step.channel == "sms") {
            step.from.get_or_insert_with(|| DEFAULT_SMS_FROM.to_owned());
        }
        steps.iter_mut().for_each(|step| step.max_characters = channel::most_characters(&step.channel));
        for step in steps.extract_if(.., |step| step.from.is_none()) {
            warnings.push(format!("workflow: step {} is left out: it has no from", step.channel));
        }
    }
    if steps.is_empty() { Err(root.error("workflow", "no step has a from")) } else { Ok(steps) }
}

fn read_step(node: Node, sender: Via, texts: &Texts, warnings: &mut Vec<String>) -> Result<StepConfig> {
    let mut options = node.object()?;
    let name = options.need("channel")?;
    let mut step = StepConfig::new(name.text_if("1 to 32 lower-case letters, digits or _", channel::is_name)?);
    if OWN_MEMBERS.contains(&step.channel.as_str()) {
        return Err(name.error("a request has another member of that name"));
    }
    if sender.is_carrier() && !channel::is_carried(&step.channel, sender) {
        return Err(name.error(&format!("not a channel of sender {}", sender.name())));
    }
    if let Some(node) = options.take("from") {
        step.from = Some(node.name(64)?);
    }
    for name in ["expiryTime", "conditionStatus"] {
        if !sender.is_carrier() && options.has(name) {
            let warning = options.error(name, &format!("does nothing with sender {}", sender.name()));
            warnings.push(warning.detail().to_owned());
        }
    }
    if let Some(node) = options.take("expiryTime") {
        step.expiry_seconds = node.integer(15..=LONGEST_WAIT_MS / SECOND_MS)?;
    }
    if let Some(node) = options.take("conditionStatus") {
        step.condition = node.choice(&[("delivered", Condition::Delivered), ("read", Condition::Read)])?;
        if sender.is_carrier() && !channel::is_read(&step.channel) && step.condition == Condition::Read {
            return Err(node.error("must be delivered: no carrier reports that an SMS was read"));
        }
    }
    if let Some(node) = options.take("template") {
        if sender.is_carrier() && step.channel == "whatsapp" && is_template_name(node.text()?) {
            step.provider_template = Some(node.text()?.to_owned());
        } else {
            step.template = Some(texts.read_template(&node)?);
        }
    }
    options.finish()?;
    Ok(step)
}

/// Whether this is the name of an approved WhatsApp template (Meta: lower-case letters, digits and `_`), and not a
/// text.
fn is_template_name(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=512).contains(&text.len()) && text.bytes().all(valid)
}
