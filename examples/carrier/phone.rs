//! The virtual phones, and the failover that Dispatch runs for them.

use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

use super::{Shared, Shown, strict, webhook};

/// What a phone does with messages.
#[derive(Clone, Copy)]
pub enum Habit {
    /// Shows them; nobody looks.
    Receives,
    /// Shows them, and they are read after this many seconds of the carrier's clock.
    Reads { after_seconds: u32 },
    /// The carrier cannot deliver to it, for this reason.
    Rejects { code: u32 },
}

/// A message of either product.
struct Message {
    channel: String,
    to: Value,
    from: Value,
    text: String,
    uuid: String,
    /// Of Dispatch: its workflow.
    dispatch_uuid: Option<String>,
    client_ref: Option<Value>,
}

/// Delivers what was taken, on a thread of its own.
pub fn take(shared: &Arc<Shared>, path: &str, body: &Value, answer: &Value) {
    let (shared, body, answer) = (shared.clone(), body.clone(), answer.clone());
    let is_dispatch = path == strict::DISPATCH;
    thread::spawn(move || match is_dispatch {
        true => dispatch(&shared, &body, text(&answer["dispatch_uuid"])),
        false => drop(deliver(&shared, &single(&body, &answer), u32::MAX, "read")),
    });
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
fn dispatch(shared: &Shared, body: &Value, uuid: &str) {
    let mut sent = Vec::new();
    let mut met = false;
    for (index, step) in body["workflow"].as_array().into_iter().flatten().enumerate() {
        let message = Message {
            channel: text(&step["to"]["type"]).to_owned(),
            to: step["to"].clone(),
            from: step["from"].clone(),
            text: text(&step["message"]["content"]["text"]).to_owned(),
            uuid: format!("{}{index}", &uuid[..uuid.len().saturating_sub(1)]),
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
fn deliver(shared: &Shared, message: &Message, expiry_seconds: u32, condition: &str) -> (&'static str, bool) {
    let address = ["id", "number"].iter().find_map(|name| message.to[name].as_str());
    let address = address.unwrap_or_else(|| text(&message.to)).to_owned();
    let habit = shared.state().habits.get(&address).copied().unwrap_or(Habit::Receives);
    report(shared, message, "submitted", None);
    if let Habit::Rejects { code } = habit {
        report(shared, message, "rejected", Some(code));
        return ("rejected", false);
    }
    let shown =
        Shown { channel: message.channel.clone(), to: address, text: message.text.clone(), at_ms: (shared.clock)() };
    shared.state().shown.push(shown);
    report(shared, message, "delivered", None);
    if condition == "delivered" {
        return ("delivered", true);
    }
    match habit {
        Habit::Reads { after_seconds } if message.channel != "sms" && after_seconds < expiry_seconds => {
            shared.wait(after_seconds);
            report(shared, message, "read", None);
            ("read", true)
        }
        // Only Dispatch has a time of its own to wait for.
        _ if message.dispatch_uuid.is_some() => {
            shared.wait(expiry_seconds);
            ("delivered", false)
        }
        _ => ("delivered", false),
    }
}

fn report(shared: &Shared, message: &Message, status: &str, code: Option<u32>) {
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
