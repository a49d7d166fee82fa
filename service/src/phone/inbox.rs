//! What is on the phone, and what the library tells of its work.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most messages on the phone, and most events that are kept.
const MOST_MESSAGES: usize = 30;
const MOST_EVENTS: usize = 60;

/// Most sends that are remembered: more than the limit allows in its window.
const MOST_SENDS: usize = 100;

/// What a message comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Messenger,
    Whatsapp,
    Sms,
    Email,
    Voice,
}

impl Channel {
    /// In the order of the workflow.
    pub const ALL: [Self; 5] = [Self::Messenger, Self::Whatsapp, Self::Sms, Self::Email, Self::Voice];

    pub fn name(self) -> &'static str {
        match self {
            Self::Messenger => "messenger",
            Self::Whatsapp => "whatsapp",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Voice => "voice",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    New,
    Read,
    Ignored,
}

/// A message, or a call.
#[derive(Clone)]
pub struct Message {
    pub id: u64,
    pub channel: Channel,
    pub text: String,
    pub at_ms: i64,
    pub seen: Seen,
    /// By what a report names it, where its carrier reports by that.
    pub reference: Option<String>,
    /// The code that it is about, counted from 1.
    pub code: u64,
}

/// What the visitor asked for last.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    pub phone_number: String,
    pub channels: Vec<Channel>,
}

impl Asked {
    /// The number without what people write between and before its digits.
    pub fn digits(&self) -> String {
        let digits: String = self.phone_number.chars().filter(char::is_ascii_digit).collect();
        digits.trim_start_matches("00").to_owned()
    }
}

/// A message that was sent, or was tried to be.
pub struct Send {
    /// The digits of the visitor's number, also where it went to another address.
    pub digits: String,
    pub channel: Channel,
    pub at_ms: i64,
}

#[derive(Default)]
pub struct Content {
    pub messages: VecDeque<Message>,
    pub events: VecDeque<Value>,
    pub sends: VecDeque<Send>,
    /// References of messages whose carrier has yet to report that they arrived.
    pub arrived: Vec<String>,
    /// What the last code that was created is for.
    pub asked: Option<Asked>,
    /// The same of one that is being created.
    pub asking: Option<Asked>,
    /// How many codes were created.
    pub codes: u64,
    /// When the workflow goes on, by the simulated clock.
    pub due_ms: Option<i64>,
    /// How many messages came so far.
    came: u64,
    /// How many events.
    told: u64,
}

#[derive(Default)]
pub struct Inbox(Mutex<Content>);

impl Inbox {
    /// All of it. Nobody may call the library meanwhile, which calls back.
    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn arrive(&self, channel: Channel, text: String, reference: Option<String>, at_ms: i64) {
        let mut content = self.content();
        content.came += 1;
        let (id, code) = (content.came, content.codes);
        // What a call or an e-mail became of, nobody reports before somebody answers.
        if matches!(channel, Channel::Sms | Channel::Whatsapp) {
            content.arrived.extend(reference.clone());
        }
        content.messages.push_front(Message { id, channel, text, at_ms, seen: Seen::New, reference, code });
        content.messages.truncate(MOST_MESSAGES);
    }

    /// Marks a message, and gives it; `None` where there is none of this number, or it was marked so.
    pub fn mark(&self, id: u64, seen: Seen) -> Option<Message> {
        let mut content = self.content();
        let message = content.messages.iter_mut().find(|message| message.id == id && message.seen != seen)?;
        message.seen = seen;
        Some(message.clone())
    }

    /// Keeps an event of the library's log.
    pub fn tell(&self, event: &str, at_ms: i64) {
        let Ok(mut event) = serde_json::from_str::<Value>(event) else { return };
        let channel = event["channel"].as_str().and_then(Channel::named);
        let mut content = self.content();
        content.told += 1;
        event["number"] = content.told.into();
        if let (Some(channel), "send", Some(asked)) =
            (channel, event["event"].as_str().unwrap_or_default(), content.asking.as_ref().or(content.asked.as_ref()))
        {
            let digits = asked.digits();
            content.sends.push_front(Send { digits, channel, at_ms });
            content.sends.truncate(MOST_SENDS);
        }
        content.events.push_front(event);
        content.events.truncate(MOST_EVENTS);
    }

    /// Forgets everything but the numbers, which stay the page's.
    pub fn clear(&self) {
        let mut content = self.content();
        let (came, told, codes) = (content.came, content.told, content.codes);
        *content = Content { came, told, codes, ..Content::default() };
    }
}
