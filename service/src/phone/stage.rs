//! What a visitor can do, and what happens by itself.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use otp::{Outcome, Service};
use serde_json::{Value, json};

use super::carriers::{Carriers, EMAIL, MESSENGER_ID, Mode, Name};
use super::clock::FastClock;
use super::inbox::{Asked, Channel, Inbox, Seen};
use crate::log;

/// The host's own name of what the code is for: a session, an account, a transaction.
pub const SESSION: &str = "the visitor's session";

/// The library, the carriers, the phone and the time.
pub struct Stage {
    pub clock: Arc<FastClock>,
    pub carriers: Carriers,
    pub inbox: Arc<Inbox>,
    otp: Mutex<Arc<Service>>,
    /// How many messages of Vonage's are on the phone.
    shown: Mutex<usize>,
}

impl Stage {
    /// Starts everything. Reports come to this port.
    pub fn build(port: u16) -> Result<Self, Box<dyn Error>> {
        let (clock, inbox) = (Arc::new(FastClock::start()), Arc::<Inbox>::default());
        let carriers = Carriers::start(port, &clock, &inbox)?;
        let otp = Mutex::new(open(&carriers, &clock, &inbox)?);
        Ok(Self { clock, carriers, inbox, otp, shown: Mutex::default() })
    }

    pub fn otp(&self) -> Arc<Service> {
        self.otp.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Creates a code, to be sent by these channels in the order of the workflow.
    pub fn create(&self, phone_number: &str, channels: Vec<Channel>) -> otp::Result<Value> {
        let request = json!({"messengerId": MESSENGER_ID, "phoneNumber": phone_number, "email": EMAIL,
            "channels": channels})
        .to_string();
        {
            let mut content = self.inbox.content();
            content.codes += 1;
            content.asking = Some(Asked { phone_number: phone_number.to_owned(), channels });
        }
        let reply = self.otp().create(SESSION, Some(&request));
        // A code that no carrier takes is stored all the same.
        let is_created = reply.as_ref().is_ok_and(|reply| reply.delivery.is_some());
        {
            let mut content = self.inbox.content();
            let asking = content.asking.take();
            match is_created {
                true => content.asked = asking,
                false => content.codes -= 1,
            }
        }
        let reply = reply?;
        Ok(told(reply.outcome, serde_json::to_value(&reply)))
    }

    /// Sends the same code again, or by this channel instead.
    pub fn resend(&self, channel: Option<Channel>) -> otp::Result<Value> {
        let otp = self.otp();
        let reply = match channel {
            Some(channel) => otp.resend_channel(SESSION, channel.name())?,
            None => otp.resend(SESSION)?,
        };
        Ok(told(reply.outcome, serde_json::to_value(&reply)))
    }

    pub fn verify(&self, code: &str) -> otp::Result<Value> {
        let reply = self.otp().verify(SESSION, code, None)?;
        Ok(told(reply.outcome, serde_json::to_value(reply)))
    }

    /// The visitor reads a message, or takes a call.
    pub fn read(&self, id: u64) -> otp::Result<Value> {
        if let Some(message) = self.inbox.mark(id, Seen::Read) {
            match (message.channel, message.reference) {
                (Channel::Messenger, _) => drop(self.carriers.vonage.read_now(MESSENGER_ID)),
                (Channel::Whatsapp, Some(reference)) => self.report(&reference, "read")?,
                (Channel::Voice, Some(reference)) => self.report(&reference, "delivered")?,
                // Nobody reports that an SMS or an e-mail was read.
                _ => {}
            }
        }
        Ok(told(Outcome::Ok, Ok(json!({}))))
    }

    /// The visitor puts a message away unread, or declines a call.
    pub fn ignore(&self, id: u64) -> otp::Result<Value> {
        let message = self.inbox.mark(id, Seen::Ignored).filter(|message| message.channel == Channel::Voice);
        if let Some(reference) = message.and_then(|message| message.reference) {
            self.report(&reference, "undeliverable")?;
        }
        Ok(told(Outcome::Ok, Ok(json!({}))))
    }

    fn report(&self, reference: &str, status: &str) -> otp::Result<()> {
        let report = json!({"clientRef": reference, "status": status}).to_string();
        self.otp().report(&report).map(drop)
    }

    /// Takes a report of Vonage's.
    pub fn webhook(&self, authorization: Option<&str>, body: &[u8]) -> otp::Result<()> {
        self.otp().webhook(authorization, body).map(drop)
    }

    /// Does what an operator does for somebody who is locked.
    pub fn unlock(&self) -> otp::Result<Value> {
        let asked = self.inbox.content().asked.clone();
        if let Some(asked) = asked {
            let _found = self.otp().unlock(&asked.phone_number)?;
        }
        Ok(told(Outcome::Ok, Ok(json!({}))))
    }

    /// Begins anew, with an empty repository and an empty phone.
    pub fn reset(&self) -> otp::Result<Value> {
        let fresh = open(&self.carriers, &self.clock, &self.inbox)?;
        let last = std::mem::replace(&mut *self.otp.lock().unwrap_or_else(PoisonError::into_inner), fresh);
        Name::ALL.into_iter().for_each(|name| self.carriers.set(name, Mode::Works));
        self.inbox.clear();
        drop(last);
        Ok(told(Outcome::Ok, Ok(json!({}))))
    }

    /// Does what is due, and brings to the phone what Vonage delivered.
    pub fn keep_up(&self) -> otp::Result<()> {
        self.fetch();
        let arrived = std::mem::take(&mut self.inbox.content().arrived);
        for reference in arrived {
            self.report(&reference, "delivered")?;
        }
        let due = self.otp().run_due()?.next_due_in_milliseconds.and_then(|ms| i64::try_from(ms).ok());
        let due_ms = due.map(|ms| self.clock.now_ms() + ms);
        self.inbox.content().due_ms = due_ms;
        Ok(())
    }

    fn fetch(&self) {
        let mut seen = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = self.carriers.vonage.shown();
        for message in shown.iter().skip(*seen) {
            self.inbox.arrive(Channel::Messenger, message.text.clone(), None, message.at_ms);
        }
        *seen = shown.len();
    }
}

fn open(carriers: &Carriers, clock: &Arc<FastClock>, inbox: &Arc<Inbox>) -> otp::Result<Arc<Service>> {
    let (service, _warnings) = Service::open(Some(&carriers.configuration()))?;
    let time = clock.clone();
    service.on_clock(Some(Arc::new(move || time.now_ms())))?;
    let (inbox, time) = (inbox.clone(), clock.clone());
    service.on_log(log::INFO, Some(Arc::new(move |_level, event: &str| inbox.tell(event, time.now_ms()))))?;
    Ok(Arc::new(service))
}

/// An answer of the library's, with its result beside its members.
fn told(outcome: Outcome, reply: serde_json::Result<Value>) -> Value {
    let mut reply = reply.unwrap_or_default();
    reply["result"] = json!(outcome);
    reply["message"] = json!(outcome.message());
    reply
}
