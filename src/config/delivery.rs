//! `workflow`: the steps of a delivery, and who sends each.

use super::senders::SenderConfig;
use super::smtp;
use super::{Condition, StepConfig};
use crate::channel::{self, EMAIL, OWN_MEMBERS};
use crate::clock::SECOND_MS;
use crate::error::Result;
use crate::message::Texts;
use crate::record::{MOST_STEPS, Via};
use crate::strict::{Node, Object};
use crate::workflow::LONGEST_WAIT_MS;

/// Sender address of an SMS that names none.
const DEFAULT_SMS_FROM: &str = "NEXMO";

/// What steps are read with.
struct Reader<'a> {
    senders: &'a [SenderConfig],
    texts: &'a Texts,
    warnings: &'a mut Vec<String>,
}

/// Takes `workflow`. A carrier's steps without sender address are left out, with a warning.
pub fn read_workflow(
    root: &mut Object,
    senders: &[SenderConfig],
    texts: &Texts,
    warnings: &mut Vec<String>,
) -> Result<Vec<StepConfig>> {
    let mut reader = Reader { senders, texts, warnings };
    let mut steps: Vec<StepConfig> = match root.take("workflow") {
        Some(node) => node.list(1..=MOST_STEPS)?.into_iter().map(|step| reader.step(step)).collect::<Result<_>>()?,
        None if senders.len() > 1 => return Err(root.error("workflow", "missing: says which sender has which step")),
        None if senders.iter().any(|sender| sender.via == Via::Smtp) => {
            return Err(root.error("workflow", "missing: sender smtp needs a step of channel email with a from"));
        }
        None => ["messenger", "sms"].map(|channel| reader.default_step(channel)).into(),
    };
    let left_out: Vec<_> = steps.extract_if(.., |step| step.from.is_none() && reader.needs_from(step)).collect();
    let left_out = left_out.iter().map(|step| format!("workflow: step {} is left out: it has no from", step.channel));
    reader.warnings.extend(left_out);
    for (place, step) in steps.iter().enumerate().filter(|(_, step)| step.from.is_none()) {
        if senders.get(step.sender).and_then(|sender| sender.http.as_ref()).is_some_and(|http| http.needs_from()) {
            return Err(root
                .error("workflow", &format!("step {} has no from, and its sender's request has {{from}}", place + 1)));
        }
    }
    if steps.is_empty() { Err(root.error("workflow", "no step has a from")) } else { Ok(steps) }
}

impl Reader<'_> {
    fn via(&self, step: &StepConfig) -> Via {
        self.senders.get(step.sender).map_or(Via::None, |sender| sender.via)
    }

    fn needs_from(&self, step: &StepConfig) -> bool {
        self.via(step).is_vonage()
    }

    /// A step with the defaults of its channel and the first sender.
    fn default_step(&self, channel: &str) -> StepConfig {
        self.with_defaults(StepConfig::new(channel))
    }

    fn with_defaults(&self, step: StepConfig) -> StepConfig {
        if !self.via(&step).is_vonage() {
            return step;
        }
        let default_from = (step.channel == "sms").then(|| DEFAULT_SMS_FROM.to_owned());
        StepConfig {
            condition: Some(channel::default_condition(&step.channel)),
            max_characters: channel::most_characters(&step.channel),
            from: step.from.or(default_from),
            ..step
        }
    }

    fn step(&mut self, node: Node) -> Result<StepConfig> {
        let mut options = node.object()?;
        let name = options.need("channel")?;
        let channel = name.text_if("1 to 32 lower-case letters, digits or _", channel::is_name)?;
        if OWN_MEMBERS.contains(&channel) {
            return Err(name.error("a request has another member of that name"));
        }
        let sender = self.sender(&mut options)?;
        let mut step = self.with_defaults(StepConfig { sender, ..StepConfig::new(channel) });
        let via = self.via(&step);
        if via.is_vonage() && !channel::is_carried(channel, via) {
            return Err(name.error(&format!("not a channel of sender {}", via.name())));
        }
        if let Some(node) = options.take("from") {
            step.from = Some(if via == Via::Smtp { smtp::read_from(&node)? } else { node.name(64)? });
        }
        if let Some((name, cause)) = smtp::step_fault(&step).filter(|_| via == Via::Smtp) {
            return Err(options.error(name, cause));
        }
        if let Some(node) = options.take("subject") {
            step.subject = Some(self.subject(&node, via, channel)?);
        }
        self.wait(&mut options, &mut step)?;
        if let Some(node) = options.take("template") {
            if via.is_vonage() && channel == "whatsapp" && is_template_name(node.text()?) {
                step.provider_template = Some(node.text()?.to_owned());
            } else {
                step.template = Some(self.texts.read_template(&node)?);
            }
        }
        options.finish()?;
        Ok(step)
    }

    /// A subject, where there can be one.
    fn subject(&self, node: &Node, via: Via, channel: &str) -> Result<String> {
        let is_free = matches!(via, Via::Host | Via::Console | Via::None);
        if channel == EMAIL || is_free {
            return self.texts.read_subject(node);
        }
        Err(node.error("for the channel email alone"))
    }

    /// The place of the sender that a step names, or of the only one.
    fn sender(&self, options: &mut Object) -> Result<usize> {
        match options.take("sender") {
            None if self.senders.len() == 1 => Ok(0),
            None => Err(options.error("sender", "missing: there are several senders")),
            Some(node) => {
                let name = node.text()?;
                let place = self.senders.iter().position(|sender| sender.name.as_deref() == Some(name));
                place.ok_or_else(|| node.error("names none of senders"))
            }
        }
    }

    /// What ends a step, and how long that is waited for.
    fn wait(&mut self, options: &mut Object, step: &mut StepConfig) -> Result<()> {
        let via = self.via(step);
        let waits = options.has("conditionStatus") || via.is_vonage();
        for (name, does_nothing) in [("expiryTime", !waits || via == Via::None), ("conditionStatus", via == Via::None)]
        {
            if does_nothing && options.has(name) {
                let without = if via == Via::None { "" } else { " without conditionStatus" };
                let warning = options.error(name, &format!("does nothing{without} with sender {}", via.name()));
                self.warnings.push(warning.detail().to_owned());
            }
        }
        if let Some(node) = options.take("expiryTime") {
            step.expiry_seconds = node.integer(15..=LONGEST_WAIT_MS / SECOND_MS)?;
        }
        let Some(node) = options.take("conditionStatus") else { return Ok(()) };
        let condition = node.choice(&[
            ("delivered", Condition::Delivered),
            ("read", Condition::Read),
            ("verified", Condition::Verified),
        ])?;
        if via.is_vonage() && !channel::is_read(&step.channel) && condition == Condition::Read {
            return Err(node.error("must be delivered: no carrier reports that an SMS was read"));
        }
        if via == Via::Dispatch && condition == Condition::Verified {
            return Err(node.error("must be delivered or read: the carrier that runs the workflow knows no other"));
        }
        if matches!(via, Via::Console | Via::Smtp) && condition != Condition::Verified {
            let warning = format!("sender {} brings no receipts", via.name());
            self.warnings.push(node.error(&warning).detail().to_owned());
        }
        let http = self.senders.get(step.sender).and_then(|sender| sender.http.as_ref());
        if condition != Condition::Verified && http.is_some_and(|http| !http.can_be_reported()) {
            let warning = "no report finds a message: the sender has neither messageId nor {ref}";
            self.warnings.push(node.error(warning).detail().to_owned());
        }
        step.condition = Some(condition).filter(|_| via != Via::None);
        Ok(())
    }
}

/// Whether this is the name of an approved WhatsApp template (Meta: lower-case letters, digits and `_`), and not a
/// text.
fn is_template_name(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=512).contains(&text.len()) && text.bytes().all(valid)
}
