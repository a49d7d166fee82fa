//! The simulated carriers, and the configuration of libotp that sends by them.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use simulator::generic::{Answer, Received, Server, fields};
use simulator::smtp::{Act, Inbox as MailInbox, MailFault, Setup, Stage};
use simulator::{Carrier, Fault};

use super::clock::FastClock;
use super::inbox::{Channel, Inbox};
use crate::account::{APPLICATION, PRIVATE_KEY, SECRET, account};

const TOKEN: &str = "the-token-of-a-simulated-account";
/// `simulated:simulated`, as basic authentication writes it.
const BASIC: &str = "Basic c2ltdWxhdGVkOnNpbXVsYXRlZA==";

/// The addresses beside the number, which the page does not ask for.
pub const MESSENGER_ID: &str = "8192836451";
pub const EMAIL: &str = "visitor@example.com";

/// The limits, which are the library's own.
pub const COOLDOWN_SECONDS: u32 = 30;
pub const SENDS: u32 = 5;
pub const SENDS_MINUTES: u32 = 10;
pub const LOCK_AFTER: u32 = 10;
pub const ATTEMPTS: u32 = 5;

/// How long a step waits for its condition.
const STEP_SECONDS: u32 = 120;

/// What a carrier does with messages.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Works,
    /// The next message is refused.
    Refuses,
    /// The next message is taken, and nobody hears of it.
    Loses,
    /// Every message is turned away.
    Down,
}

impl Mode {
    /// What the next message meets, after which most faults are over.
    fn meet(&mut self) -> Self {
        let met = *self;
        if met != Self::Down {
            *self = Self::Works;
        }
        met
    }

    fn of_request(self) -> Option<Fault> {
        match self {
            Self::Works => None,
            Self::Down => Some(Fault::Status(429)),
            Self::Refuses => Some(Fault::Status(422)),
            Self::Loses => Some(Fault::AnswerLost),
        }
    }

    fn of_mail(self) -> Option<MailFault> {
        match self {
            Self::Works => None,
            Self::Down => Some(MailFault::reply(Stage::Mail, "451 4.3.2 not now")),
            Self::Refuses => Some(MailFault::reply(Stage::Recipient, "550 5.1.1 no such mailbox")),
            Self::Loses => Some(MailFault::new(Stage::Dot, Act::Close)),
        }
    }
}

/// Which carrier.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    Vonage,
    Texts,
    Chats,
    Mail,
}

impl Name {
    pub const ALL: [Self; 4] = [Self::Vonage, Self::Texts, Self::Chats, Self::Mail];
}

type Modes = Arc<Mutex<[Mode; Name::ALL.len()]>>;

/// All carriers, each at a port of its own.
pub struct Carriers {
    pub vonage: Carrier,
    texts: Server,
    chats: Server,
    mail: MailInbox,
    modes: Modes,
}

impl Carriers {
    /// Starts them. Vonage reports to this port.
    pub fn start(port: u16, clock: &Arc<FastClock>, inbox: &Arc<Inbox>) -> Result<Self, Box<dyn Error>> {
        let time = clock.clone();
        let vonage = Carrier::start(account(port)?, Arc::new(move || time.now_ms()))?;
        let modes: Modes = Arc::new(Mutex::new([Mode::Works; Name::ALL.len()]));
        vonage.trouble(trouble(&modes, Name::Vonage, Mode::of_request));
        let start = |name: Name, take: Take| {
            let server = Server::start();
            server.trouble(trouble(&modes, name, Mode::of_request));
            let (inbox, clock) = (inbox.clone(), clock.clone());
            server.on_request(move |request| handle(request, take, &inbox, &clock));
            server
        };
        let (texts, chats) = (start(Name::Texts, text), start(Name::Chats, chat));
        let mail = MailInbox::start(Setup::default())?;
        mail.trouble(trouble(&modes, Name::Mail, Mode::of_mail));
        let (inbox, clock) = (inbox.clone(), clock.clone());
        mail.on_mail(move |mail| inbox.arrive(Channel::Email, mail.text.clone(), None, clock.now_ms()));
        Ok(Self { vonage, texts, chats, mail, modes })
    }

    pub fn modes(&self) -> [Mode; Name::ALL.len()] {
        *self.modes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, name: Name, mode: Mode) {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner)[name as usize] = mode;
    }

    /// The configuration of libotp.
    pub fn configuration(&self) -> String {
        let vonage = format!("http://127.0.0.1:{}", self.vonage.port);
        let step = |channel: Channel, sender: Name, condition: &str| json!({"channel": channel, "sender": sender, "expiryTime": STEP_SECONDS, "conditionStatus": condition});
        let mut messenger = step(Channel::Messenger, Name::Vonage, "read");
        messenger["from"] = json!("1923256201470000");
        let mut mail = step(Channel::Email, Name::Mail, "verified");
        mail["from"] = json!("Example <codes@example.com>");
        json!({"repository": "memory:", "validityTime": 10, "maxAttempts": ATTEMPTS, "brand": "Example",
            "message": "{code} is your code for {brand}. It is good for {minutes} minutes.",
            "senders": {
                "vonage": {"type": "messages", "applicationId": APPLICATION, "privateKey": PRIVATE_KEY,
                           "baseUrl": vonage, "timeoutSeconds": 2},
                "texts": {"type": "http", "url": self.texts.url("/accounts/simulated/messages"), "timeoutSeconds": 2,
                          "basic": {"user": "simulated", "password": "simulated"},
                          "form": {"To": "{to}", "Body": "{text}", "Reference": "{ref}"},
                          "refused": [422], "notTaken": [429]},
                "chats": {"type": "http", "url": self.chats.url("/v1/{channel}"), "timeoutSeconds": 2, "bearer": TOKEN,
                          "json": {"to": "{to}", "text": "{text}", "code": "{code}", "reference": "{ref}"},
                          "refused": [422], "notTaken": [429]},
                "mail": {"type": "smtp", "host": "127.0.0.1", "port": self.mail.port, "tls": "none", "timeoutSeconds": 2}},
            "workflow": [messenger,
                         step(Channel::Whatsapp, Name::Chats, "read"),
                         step(Channel::Sms, Name::Texts, "verified"),
                         mail,
                         step(Channel::Voice, Name::Chats, "verified")],
            "webhook": {"signatureSecret": SECRET},
            "policy": {"cooldownSeconds": COOLDOWN_SECONDS,
                       "sendLimits": [{"count": SENDS, "minutes": SENDS_MINUTES}],
                       "subjectFailures": {"lockAfter": LOCK_AFTER}}})
        .to_string()
    }
}

/// What the next message to a carrier meets, in its own words.
fn trouble<T: 'static>(
    modes: &Modes,
    name: Name,
    told: fn(Mode) -> Option<T>,
) -> impl Fn() -> Option<T> + Send + Sync + 'static {
    let modes = modes.clone();
    move || told(modes.lock().unwrap_or_else(PoisonError::into_inner)[name as usize].meet())
}

/// What a request asks to be shown.
struct Shown {
    channel: Channel,
    text: String,
    reference: Option<String>,
}

/// Reads a request of one carrier's API; `None` for what is none.
type Take = fn(&Received) -> Option<Shown>;

fn handle(request: &Received, take: Take, inbox: &Inbox, clock: &FastClock) -> Answer {
    match take(request) {
        Some(shown) => {
            inbox.arrive(shown.channel, shown.text, shown.reference, clock.now_ms());
            (202, r#"{"status":"queued"}"#.to_owned())
        }
        None => (400, r#"{"status":"not understood"}"#.to_owned()),
    }
}

/// SMS, by a form.
fn text(request: &Received) -> Option<Shown> {
    let is_known = request.target == "/accounts/simulated/messages" && request.header("authorization") == Some(BASIC);
    let form = is_known.then(|| fields(&request.body))?;
    let field = |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    Some(Shown { channel: Channel::Sms, text: field("Body")?, reference: field("Reference") })
}

fn member(body: &Value, name: &str) -> Option<String> {
    body[name].as_str().map(str::to_owned)
}

fn json_of(request: &Received) -> Option<Value> {
    let is_known = request.header("authorization") == Some(format!("Bearer {TOKEN}").as_str());
    is_known.then(|| serde_json::from_str(&request.body).ok())?
}

/// WhatsApp, and calls, which say the code digit by digit, and once more.
fn chat(request: &Received) -> Option<Shown> {
    let body = json_of(request)?;
    let reference = member(&body, "reference");
    match request.target.as_str() {
        "/v1/whatsapp" => Some(Shown { channel: Channel::Whatsapp, text: member(&body, "text")?, reference }),
        "/v1/voice" => {
            let digits: Vec<_> = member(&body, "code")?.chars().map(String::from).collect();
            let digits = digits.join(" ");
            let text = format!("Hello. Your code is: {digits}. Once more: {digits}. Goodbye.");
            Some(Shown { channel: Channel::Voice, text, reference })
        }
        _ => None,
    }
}
