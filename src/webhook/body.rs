//! What a webhook says: bodies of Dispatch and Messages v0.1 and of Messages v1.
//!
//! Strict about what could hurt: size, depth, repeated members. Tolerant about the rest: the carrier adds members,
//! and its documents disagree about some, so what is missing or of another type is left out, and what is foreign is
//! bounded. In v0.1 `to` and `from` are objects, in v1 texts.

use zeroize::Zeroizing;

use super::{Event, FinalEvent, FinalMessage, InboundEvent, StatusEvent, timestamp};
use crate::channel;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::limits::{BODY_BYTES, ID_BYTES, STEP_ERROR_BYTES};
use crate::record::DeliveryState;
use crate::strict::{self, Node, Object, is_name};

/// How errors call the document.
const TITLE: &str = "webhook body";

/// Longest address of a user, in bytes.
const ADDRESS_LIMIT: usize = 256;

/// More messages than any workflow of ours has steps.
const MESSAGES_LIMIT: usize = 16;

/// Digits of the longest number in an error that is shown: the carrier's codes have four.
const SHOWN_DIGITS: usize = 4;

/// Reads a body.
///
/// # Errors
///
/// `Argument`: longer than [`BODY_BYTES`], not UTF-8, not a JSON object, nested deeper than 16, or a repeated member.
pub fn parse(body: &[u8]) -> Result<Event> {
    if body.len() > BODY_BYTES {
        return Err(Error::argument(format!("{TITLE}: longer than 64 KiB")));
    }
    let text = std::str::from_utf8(body).map_err(|_| Error::argument(format!("{TITLE}: not UTF-8")))?;
    let mut root = strict::parse(text, TITLE, Error::argument)?.object()?;
    let (has_status, has_uuid) = (root.has("status"), root.has("message_uuid"));
    let is_inbound = root.take_text("direction").is_some_and(|direction| *direction == "inbound");
    if !has_uuid && root.has("template") {
        if let Some(dispatch_uuid) = id_of(&mut root, "dispatch_uuid") {
            return Ok(Event::Final(read_final(root, dispatch_uuid)));
        }
    } else if has_uuid && has_status && !is_inbound {
        return Ok(Event::Status(read_status(root)));
    } else if has_uuid && root.has("from") {
        return Ok(Event::Inbound(read_inbound(root)));
    }
    Ok(Event::Other)
}

fn read_status(mut root: Object) -> StatusEvent {
    let channel = root.take_text("channel");
    let (to, from) = (Party::read(&mut root, "to"), Party::read(&mut root, "from"));
    StatusEvent {
        message_uuid: id_of(&mut root, "message_uuid"),
        sender: None,
        // The published form says `workflow`, webhooks that were seen say `dispatch`.
        dispatch_uuid: root.take_inner("_links").and_then(|mut links| {
            let names = ["dispatch", "workflow"];
            names.iter().find_map(|name| id_of(&mut links.take_inner(name)?, "dispatch_uuid"))
        }),
        client_ref: id_of(&mut root, "client_ref"),
        channel: [channel, to.channel, from.channel].iter().flatten().find_map(|name| channel::of_vendor(name)),
        state: state_of(&mut root),
        at: time_of(&mut root),
        error: root.take("error").and_then(read_error),
    }
}

fn read_final(mut root: Object, dispatch_uuid: String) -> FinalEvent {
    let completed = root.take_text("status").and_then(|status| match status.as_str() {
        "completed" => Some(true),
        "error" => Some(false),
        _ => None,
    });
    let links = root.take_inner("_links").and_then(|mut links| links.take("messages"));
    let messages = links.and_then(|messages| messages.list(0..=BODY_BYTES).ok()).unwrap_or_default();
    let read = |mut message: Object| FinalMessage {
        message_uuid: id_of(&mut message, "message_uuid"),
        channel: message.take_text("channel").and_then(|name| channel::of_vendor(&name)),
        state: state_of(&mut message),
    };
    let messages = messages.into_iter().take(MESSAGES_LIMIT).filter_map(|node| node.object().ok()).map(read);
    FinalEvent { dispatch_uuid, completed, messages: messages.collect(), at: time_of(&mut root) }
}

fn read_inbound(mut root: Object) -> InboundEvent {
    let channel = root.take_text("channel");
    let (to, from) = (Party::read(&mut root, "to"), Party::read(&mut root, "from"));
    let content = root.take_inner("message").and_then(|mut message| message.take_inner("content"));
    let text = content.and_then(|mut content| content.take_text("text"));
    InboundEvent {
        message_uuid: id_of(&mut root, "message_uuid"),
        channel: [channel, from.channel, to.channel].iter().flatten().find_map(|name| channel::of_vendor(name)),
        // Addresses were seen with blanks around them.
        from: from.address.map(|address| bounded(address.trim(), ADDRESS_LIMIT)).filter(|from| !from.is_empty()),
        text: text.or_else(|| root.take_text("text")),
    }
}

/// Sender or recipient: an address, or an object with the channel as its type.
#[derive(Default)]
struct Party {
    address: Option<Zeroizing<String>>,
    channel: Option<Zeroizing<String>>,
}

impl Party {
    fn read(root: &mut Object, name: &str) -> Self {
        match root.take(name) {
            Some(node) if node.is_object() => node.object().map_or_else(
                |_| Self::default(),
                |mut object| Self {
                    address: object.take_text("id").or_else(|| object.take_text("number")),
                    channel: object.take_text("type"),
                },
            ),
            Some(node) => Self { address: node.loose_text(), channel: None },
            None => Self::default(),
        }
    }
}

/// Code and sentence of an error. v0.1 has `code` and `reason`; v1 the code as `title`, text or number, and again in
/// `type`, and the sentence as `detail`; all of it may stand in an `error` once more.
fn read_error(node: Node) -> Option<String> {
    if !node.is_object() {
        return node.loose_text().map(|text| error_line(&text));
    }
    let mut error = node.object().ok()?;
    let inner = error.take_inner("error").and_then(|mut inner| describe(&mut inner));
    inner.or_else(|| describe(&mut error))
}

fn describe(error: &mut Object) -> Option<String> {
    let title = error.take_text("title");
    let url = error.take_text("type");
    let fragment = url.as_deref().and_then(|url| url.rsplit_once('#')).map(|(_, fragment)| fragment);
    let number = error.take_text("code");
    let codes = [number.as_deref().map(String::as_str), title.as_deref().map(String::as_str), fragment];
    let code = codes.into_iter().flatten().find(|code| is_code(code));
    let sentence = error.take_text("reason").or_else(|| error.take_text("detail"));
    let sentence = sentence.as_deref().map(String::as_str).or(title.as_deref().map(String::as_str));
    match (code, sentence.filter(|sentence| Some(*sentence) != code)) {
        (Some(code), Some(sentence)) => Some(error_line(&format!("{code}: {sentence}"))),
        (None, Some(text)) | (Some(text), None) => Some(error_line(text)),
        (None, None) => None,
    }
}

fn is_code(text: &str) -> bool {
    (1..=SHOWN_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A foreign sentence as it may be kept and logged: one line, bounded, and `*` for every number that could be an
/// address, also where it is written in groups.
pub(super) fn error_line(text: &str) -> String {
    let is_part = |letter: char| letter.is_numeric() || " -./()".contains(letter);
    let mut line = String::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let run = rest.split(|letter| !is_part(letter)).next().unwrap_or_default();
        let number = run.trim_end_matches(|letter: char| !letter.is_numeric());
        let taken = if first.is_numeric() { number.len() } else { first.len_utf8() };
        match number.chars().filter(|letter| letter.is_numeric()).count() {
            0..=SHOWN_DIGITS if first.is_numeric() => line.push_str(number),
            _ if first.is_numeric() => line.push('*'),
            _ => line.push(if first.is_control() { ' ' } else { first }),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    bounded(&line, STEP_ERROR_BYTES).to_string()
}

fn state_of(object: &mut Object) -> Option<DeliveryState> {
    match object.take_text("status")?.as_str() {
        "submitted" => Some(DeliveryState::Submitted),
        "delivered" => Some(DeliveryState::Delivered),
        "read" => Some(DeliveryState::Read),
        "rejected" => Some(DeliveryState::Rejected),
        "undeliverable" => Some(DeliveryState::Undeliverable),
        _ => None,
    }
}

fn time_of(object: &mut Object) -> Option<Time> {
    timestamp::parse(&object.take_text("timestamp")?)
}

fn id_of(object: &mut Object, name: &str) -> Option<String> {
    let id = object.take_text(name)?;
    let id = id.trim();
    is_name(id, ID_BYTES).then(|| id.to_owned())
}

/// The text, cut at a character.
fn bounded(text: &str, limit: usize) -> Zeroizing<String> {
    Zeroizing::new(text.get(..text.floor_char_boundary(limit)).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
