//! What the page shows.

use serde_json::{Value, json};

use super::carriers::{ATTEMPTS, COOLDOWN_SECONDS, LOCK_AFTER, Name, SENDS, SENDS_MINUTES};
use super::inbox::{Asked, Channel, Content, Message, Seen, Send};
use super::stage::{SESSION, Stage};

impl Stage {
    /// All of it.
    pub fn view(&self) -> otp::Result<Value> {
        let asked = self.inbox.content().asked.clone();
        let otp = self.otp();
        let status = otp.status(SESSION)?.status.map(|status| json!(status));
        let subject = asked.as_ref().map(|asked| otp.subject(&asked.phone_number)).transpose()?;
        let now_ms = self.clock.now_ms();
        let content = self.inbox.content();
        let modes: Vec<_> = Name::ALL
            .iter()
            .zip(self.carriers.modes())
            .map(|(name, mode)| json!({"name": name, "mode": mode}))
            .collect();
        let messages: Vec<_> = content.messages.iter().map(|message| shown(message, &content)).collect();
        Ok(json!({
            "nowMs": now_ms,
            "speed": self.clock.speed(),
            "asked": asked,
            "status": status,
            "subject": subject,
            "dueMs": content.due_ms,
            "messages": messages,
            "carriers": modes,
            "sends": asked.as_ref().map(|asked| sends(asked, &content, now_ms)),
            "limits": {"attempts": ATTEMPTS, "lockAfter": LOCK_AFTER, "sends": SENDS, "sendsMinutes": SENDS_MINUTES},
            "events": content.events,
        }))
    }
}

/// A message; what it says is seen by who opens it.
fn shown(message: &Message, content: &Content) -> Value {
    json!({
        "id": message.id,
        "channel": message.channel,
        "atMs": message.at_ms,
        "seen": message.seen,
        "isOld": message.code < content.codes,
        "text": (message.seen == Seen::Read).then_some(&message.text),
    })
}

/// What counts as one recipient: all that goes to the number is one.
fn kind(channel: Channel) -> &'static str {
    match channel {
        Channel::Messenger => "messenger",
        Channel::Email => "email",
        Channel::Whatsapp | Channel::Sms | Channel::Voice => "phone",
    }
}

/// For each recipient of the last code: how many messages count in the window, and how long it cools down.
fn sends(asked: &Asked, content: &Content, now_ms: i64) -> Value {
    let has = |wanted: &&str| asked.channels.iter().any(|channel| kind(*channel) == *wanted);
    let kinds = ["messenger", "phone", "email"].into_iter().filter(has);
    let (digits, window_ms) = (asked.digits(), i64::from(SENDS_MINUTES) * 60_000);
    let line = |wanted: &str| {
        let is_same = |send: &&Send| kind(send.channel) == wanted && (wanted != "phone" || send.digits == digits);
        let times: Vec<_> = content.sends.iter().filter(is_same).map(|send| send.at_ms).collect();
        let count = times.iter().filter(|at_ms| now_ms - **at_ms < window_ms).count();
        let cools_until = times.first().map_or(0, |newest| newest + i64::from(COOLDOWN_SECONDS) * 1000);
        json!({"kind": wanted, "count": count, "cooldownMs": (cools_until - now_ms).max(0)})
    };
    kinds.map(line).collect()
}
