//! Messages API v1: one request for one message.

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Leg, language, to_json};
use crate::error::Result;

#[derive(Serialize)]
struct SingleMessage<'a> {
    channel: &'a str,
    to: &'a str,
    from: &'a str,
    client_ref: &'a str,
    #[serde(flatten)]
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rcs: Option<Rcs>,
}

#[derive(Serialize)]
#[serde(tag = "message_type", rename_all = "lowercase")]
enum Content<'a> {
    Text { text: &'a str },
    Custom { custom: Custom<'a> },
}

/// Some countries want the purpose of an RCS message.
#[derive(Serialize)]
struct Rcs {
    category: &'static str,
}

#[derive(Serialize)]
struct Custom<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    template: Template<'a>,
}

#[derive(Serialize)]
struct Template<'a> {
    name: &'a str,
    language: Language,
    components: [Component<'a>; 2],
}

#[derive(Serialize)]
struct Language {
    policy: &'static str,
    code: String,
}

/// Meta's authentication template takes the code twice: in its fixed text, and in the button that copies it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Component<'a> {
    Body { parameters: [Parameter<'a>; 1] },
    Button { sub_type: &'static str, index: &'static str, parameters: [Parameter<'a>; 1] },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Parameter<'a> {
    Text { text: &'a str },
}

/// The body of a request for this message.
///
/// # Errors
///
/// None is expected.
pub fn body(leg: &Leg<'_>, client_ref: &str) -> Result<Zeroizing<Vec<u8>>> {
    let rcs = (leg.channel == "rcs").then_some(Rcs { category: "authentication" });
    let (channel, to, from) = (leg.channel, leg.to, leg.from);
    to_json(&SingleMessage { channel, to, from, client_ref, content: content(leg), rcs }, std::slice::from_ref(leg))
}

fn content<'a>(leg: &'a Leg<'a>) -> Content<'a> {
    let Some(name) = leg.template.filter(|_| leg.channel == "whatsapp") else {
        return Content::Text { text: leg.text };
    };
    let parameters = || [Parameter::Text { text: leg.code }];
    let body = Component::Body { parameters: parameters() };
    let button = Component::Button { sub_type: "url", index: "0", parameters: parameters() };
    let language = Language { policy: "deterministic", code: language(leg, "_") };
    Content::Custom {
        custom: Custom { kind: "template", template: Template { name, language, components: [body, button] } },
    }
}

#[cfg(test)]
mod tests;
