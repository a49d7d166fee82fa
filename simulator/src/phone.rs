//! The virtual phones, and the failover that Dispatch runs for them.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use super::{Shared, Shown, strict, webhook};

/// What a phone does with messages.
#[derive(Clone, Copy)]
pub enum Habit {
    /// Shows them; nobody looks until told to.
    Receives,
    /// Shows them, and they are read after this many seconds of the carrier's clock.
    Reads { after_seconds: u32 },
    /// The carrier cannot deliver to it, for this reason.
    Rejects { code: u32 },
    /// The carrier does not reach whoever delivers to it.
    Unreachable,
}

/// A message of either product.
#[derive(Clone)]
pub struct Message {
    channel: String,
    to: Value,
    from: Value,
    text: String,
    uuid: String,
    /// Of Dispatch: its workflow.
    dispatch_uuid: Option<String>,
    client_ref: Option<Value>,
}

impl Message {
    fn address(&self) -> &str {
        let address = ["id", "number"].iter().find_map(|name| self.to[name].as_str());
        address.unwrap_or_else(|| text(&self.to))
    }
}

/// Delivers what was taken. What has to wait, for its time or for a host, does so on a thread of its own.
pub fn take(shared: &Arc<Shared>, path: &str, body: Value, answer: Value) -> Option<JoinHandle<()>> {
    let is_dispatch = path == strict::DISPATCH;
    if !is_dispatch && shared.account.webhook_port.is_none() {
        deliver(shared, &single(&body, &answer), u32::MAX, "delivered");
        return None;
    }
    let shared = shared.clone();
    Some(thread::spawn(move || match is_dispatch {
        true => dispatch(&shared, &body, text(&answer["dispatch_uuid"])),
        false => drop(deliver(&shared, &single(&body, &answer), u32::MAX, "read")),
    }))
}

/// Reads all messages on a phone that were not read.
pub fn read_now(shared: &Arc<Shared>, address: &str) -> usize {
    let unread = |message: &mut Message| message.address() == address && message.channel != "sms";
    let messages: Vec<_> = shared.state().unread.extract_if(.., unread).collect();
    messages.iter().for_each(|message| report(shared, message, "read", None));
    messages.len()
}

/// Reads a message, unless it was read.
fn read(shared: &Arc<Shared>, message: &Message) {
    let first = shared.state().unread.extract_if(.., |unread| unread.uuid == message.uuid).next();
    if first.is_some() {
        report(shared, message, "read", None);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn single(body: &Value, answer: &Value) -> Message {
    Message {
        channel: text(&body["channel"]).to_owned(),
        to: body["to"].clone(),
        from: body["from"].clone(),
        text: text(&body["text"]).to_owned(),
        uuid: text(&answer["message_uuid"]).to_owned(),
        dispatch_uuid: None,
        client_ref: body.get("client_ref").cloned(),
    }
}

/// Message after message, until one meets its condition in time.
fn dispatch(shared: &Arc<Shared>, body: &Value, uuid: &str) {
    let mut sent = Vec::new();
    let mut met = false;
    for (index, step) in body["workflow"].as_array().into_iter().flatten().enumerate() {
        let message = Message {
            channel: text(&step["to"]["type"]).to_owned(),
            to: step["to"].clone(),
            from: step["from"].clone(),
            text: text(&step["message"]["content"]["text"]).to_owned(),
            uuid: uuid.replacen("aaaaaaaa", &format!("{:08x}", index + 1), 1),
            dispatch_uuid: Some(uuid.to_owned()),
            client_ref: None,
        };
        let expiry = step["failover"]["expiry_time"].as_u64().and_then(|time| u32::try_from(time).ok());
        let condition = step["failover"]["condition_status"].as_str().unwrap_or("delivered");
        let (status, is_met) = deliver(shared, &message, expiry.unwrap_or(u32::MAX), condition);
        sent.push(json!({"message_uuid": message.uuid, "href": format!("v0.1/messages/{}", message.uuid),
            "channel": message.channel, "status": status}));
        met = is_met;
        if met {
            break;
        }
    }
    let status = if met { "completed" } else { "error" };
    webhook::post(
        shared,
        &json!({"template": "failover", "status": status, "dispatch_uuid": uuid,
        "timestamp": webhook::timestamp(shared), "_links": {"messages": sent}}),
    );
}

/// The last status of a message, and whether it met the condition within this many seconds.
fn deliver(shared: &Arc<Shared>, message: &Message, expiry_seconds: u32, condition: &str) -> (&'static str, bool) {
    let habit = shared.state().habits.get(message.address()).copied().unwrap_or(Habit::Receives);
    report(shared, message, "submitted", None);
    match habit {
        Habit::Rejects { code } => {
            report(shared, message, "rejected", Some(code));
            return ("rejected", false);
        }
        Habit::Unreachable => {
            report(shared, message, "undeliverable", None);
            return ("undeliverable", false);
        }
        Habit::Receives | Habit::Reads { .. } => {}
    }
    let shown_ms = (shared.clock)();
    show(shared, message, shown_ms);
    report(shared, message, "delivered", None);
    if condition == "delivered" {
        return ("delivered", true);
    }
    let after = |seconds: u32| shown_ms.saturating_add(i64::from(seconds) * 1000);
    let is_read = || !shared.state().unread.iter().any(|unread| unread.uuid == message.uuid);
    match habit {
        Habit::Reads { after_seconds } if message.channel != "sms" && after_seconds < expiry_seconds => {
            shared.wait_until(after(after_seconds), is_read);
            read(shared, message);
            ("read", true)
        }
        // Only Dispatch has a time of its own to wait for.
        _ if message.dispatch_uuid.is_some() => {
            shared.wait_until(after(expiry_seconds), is_read);
            if is_read() { ("read", true) } else { ("delivered", false) }
        }
        _ => ("delivered", false),
    }
}

fn show(shared: &Shared, message: &Message, at_ms: i64) {
    let (channel, text) = (message.channel.clone(), message.text.clone());
    let mut state = shared.state();
    state.shown.push(Shown { channel, to: message.address().to_owned(), text, at_ms });
    state.unread.push(message.clone());
    drop(state);
    shared.changed.notify_all();
}

fn report(shared: &Arc<Shared>, message: &Message, status: &str, code: Option<u32>) {
    let mut body = json!({"message_uuid": message.uuid, "to": message.to, "from": message.from, "status": status,
        "timestamp": webhook::timestamp(shared)});
    match &message.dispatch_uuid {
        Some(uuid) => {
            body["_links"] = json!({"dispatch": {"href": format!("v0.1/dispatch/{uuid}"), "dispatch_uuid": uuid}});
            if let Some(code) = code {
                body["error"] = json!({"code": code, "reason": "refused"});
            }
        }
        None => {
            body["channel"] = json!(message.channel);
            if let Some(client_ref) = &message.client_ref {
                body["client_ref"] = client_ref.clone();
            }
            if let Some(code) = code {
                let kind = format!("https://developer.vonage.com/api-errors/messages#{code}");
                body["error"] = json!({"type": kind, "title": code.to_string(), "detail": "refused", "instance": "i"});
            }
        }
    }
    webhook::post(shared, &body);
}
