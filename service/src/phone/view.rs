//! What the page shows.

use serde_json::{Value, json};

use super::carriers::{ATTEMPTS, COOLDOWN_SECONDS, EMAIL, LOCK_AFTER, MESSENGER_ID, Name, SENDS, SENDS_MINUTES};
use super::inbox::{Asked, Channel, Content, Message, Seen};
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

/// What counts as one recipient.
fn recipient(asked: &Asked, channel: Channel) -> &str {
    match channel {
        Channel::Messenger => MESSENGER_ID,
        Channel::Email => EMAIL,
        Channel::Whatsapp | Channel::Sms | Channel::Voice => &asked.phone_number,
    }
}

/// For each recipient of the last code: what it is, how many messages count in the window, and how long it cools down.
fn sends(asked: &Asked, content: &Content, now_ms: i64) -> Value {
    let mut lines: Vec<Value> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for &channel in &asked.channels {
        let to = recipient(asked, channel);
        if seen.contains(&to) {
            continue;
        }
        seen.push(to);
        let is_same = |other: Channel, number: &str| match other {
            Channel::Messenger | Channel::Email => other == channel,
            Channel::Whatsapp | Channel::Sms | Channel::Voice => to == number && to == recipient(asked, other),
        };
        let mut times = content.sends.iter().filter(|send| is_same(send.channel, &send.phone_number));
        let window_ms = i64::from(SENDS_MINUTES) * 60_000;
        let newest = times.clone().next().map_or(0, |send| send.at_ms);
        let count = times.by_ref().filter(|send| now_ms - send.at_ms < window_ms).count();
        let cooldown_ms = (newest + i64::from(COOLDOWN_SECONDS) * 1000 - now_ms).max(0);
        let kind = match channel {
            Channel::Messenger => "messenger",
            Channel::Email => "email",
            Channel::Whatsapp | Channel::Sms | Channel::Voice => "phone",
        };
        lines.push(json!({"kind": kind, "count": count, "cooldownMs": cooldown_ms}));
    }
    json!(lines)
}
