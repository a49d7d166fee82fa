//! Dispatch API v0.1: one request for the whole workflow.

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Leg, language, to_json};
use crate::channel::{self, Condition};
use crate::error::{Error, Result};

#[derive(Serialize)]
struct Workflow<'a> {
    template: &'static str,
    workflow: Vec<WorkflowMessage<'a>>,
}

#[derive(Serialize)]
struct WorkflowMessage<'a> {
    from: Contact<'a>,
    to: Contact<'a>,
    message: Body<'a>,
    /// On every message but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    failover: Option<Failover>,
}

#[derive(Serialize)]
struct Contact<'a> {
    #[serde(rename = "type")]
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<&'a str>,
}

#[derive(Serialize)]
struct Body<'a> {
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whatsapp: Option<Whatsapp>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Content<'a> {
    Text { text: &'a str },
    Template { template: Template<'a> },
}

#[derive(Serialize)]
struct Template<'a> {
    name: &'a str,
    parameters: [Parameter<'a>; 1],
}

#[derive(Serialize)]
struct Parameter<'a> {
    default: &'a str,
}

#[derive(Serialize)]
struct Whatsapp {
    policy: &'static str,
    locale: String,
}

#[derive(Serialize)]
struct Failover {
    expiry_time: u32,
    condition_status: &'static str,
}

/// The body of a request for these messages.
///
/// # Errors
///
/// `Internal` without any.
pub fn body(legs: &[Leg<'_>]) -> Result<Zeroizing<Vec<u8>>> {
    if legs.is_empty() {
        return Err(Error::internal("a workflow has no message"));
    }
    let last = legs.len() - 1;
    let workflow = legs.iter().enumerate().map(|(index, leg)| message(leg, index == last)).collect();
    to_json(&Workflow { template: "failover", workflow }, legs)
}

fn message<'a>(leg: &'a Leg<'a>, is_last: bool) -> WorkflowMessage<'a> {
    let channel = channel::dispatch_name(leg.channel);
    let of = |address, by_id| match by_id {
        true => Contact { channel, id: Some(address), number: None },
        false => Contact { channel, id: None, number: Some(address) },
    };
    // A page or a Viber service sends by its identifier; Messenger alone receives by one.
    let from = of(leg.from, matches!(leg.channel, "messenger" | "viber_service"));
    let to = of(leg.to, leg.channel == "messenger");
    let condition_status = match leg.condition {
        Condition::Delivered => "delivered",
        // Refused in a configuration.
        Condition::Read | Condition::Verified => "read",
    };
    let failover = (!is_last).then_some(Failover { expiry_time: leg.expiry_seconds, condition_status });
    WorkflowMessage { from, to, message: content(leg), failover }
}

fn content<'a>(leg: &'a Leg<'a>) -> Body<'a> {
    match leg.template.filter(|_| leg.channel == "whatsapp") {
        None => Body { content: Content::Text { text: leg.text }, whatsapp: None },
        Some(name) => Body {
            content: Content::Template { template: Template { name, parameters: [Parameter { default: leg.code }] } },
            // Here the carrier wants the country after a hyphen.
            whatsapp: Some(Whatsapp { policy: "deterministic", locale: language(leg, "-") }),
        },
    }
}

#[cfg(test)]
mod tests;
