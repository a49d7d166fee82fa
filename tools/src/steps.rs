//! Who sends a code in which step, in words.

use serde_json::{Map, Value};

use crate::answer::counted;
use crate::configuration::Configuration;

/// A sender, as it is configured.
struct Sender {
    /// Its name, where senders have names.
    name: Option<String>,
    /// What it is: its `type`.
    kind: String,
}

/// A step of the workflow.
struct Step {
    members: Map<String, Value>,
    sender: Option<usize>,
}

/// Senders and steps of a configuration that the library has found right.
pub struct Delivery {
    senders: Vec<Sender>,
    steps: Vec<Step>,
}

impl Sender {
    fn is_carrier(&self) -> bool {
        matches!(&*self.kind, "messages" | "dispatch")
    }

    fn words(&self) -> String {
        let who = match &*self.kind {
            "console" => "console, which prints messages to standard error",
            "host" => "host, a function of your program",
            "none" => "none; your program is handed the message",
            "messages" => "messages, of Vonage",
            "dispatch" => "dispatch, of Vonage, which goes from step to step",
            "smtp" => "smtp, a server for mail",
            other => other,
        };
        match &self.name {
            Some(name) => format!("sender {name}: {who}"),
            None if self.kind == "messages" => format!("sender: {who}; libotp goes from step to step"),
            None => format!("sender: {who}"),
        }
    }
}

impl Step {
    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    fn channel(&self) -> &str {
        self.text("channel").unwrap_or_default()
    }

    /// The member of a request that has the address.
    fn member(&self) -> &str {
        match self.channel() {
            "messenger" => "messengerId",
            "sms" | "whatsapp" | "viber_service" | "rcs" | "voice" => "phoneNumber",
            other => other,
        }
    }
}

impl Delivery {
    /// Reads what is configured, with the defaults of what is not.
    pub fn of(configuration: &Configuration) -> Self {
        let senders = senders(configuration);
        let step = |channel: &str| Map::from_iter([("channel".to_owned(), Value::from(channel))]);
        let given: Vec<Map<String, Value>> = match configuration.get("workflow") {
            Some(Value::Array(steps)) => steps.iter().filter_map(Value::as_object).cloned().collect(),
            _ => vec![step("messenger"), step("sms")],
        };
        let placed = given.into_iter().map(|members| {
            let named = members.get("sender").and_then(Value::as_str);
            let place = named.map_or(Some(0), |name| senders.iter().position(|it| it.name.as_deref() == Some(name)));
            Step { members, sender: place }
        });
        let mut delivery = Self { steps: placed.collect(), senders };
        let is_taken: Vec<_> = delivery.steps.iter().map(|step| delivery.is_taken(step)).collect();
        let mut is_taken = is_taken.into_iter();
        delivery.steps.retain(|_| is_taken.next().unwrap_or_default());
        delivery
    }

    /// A carrier's step needs a sender's address, and for SMS there is one.
    fn is_taken(&self, step: &Step) -> bool {
        let is_carrier = self.sender(step).is_some_and(Sender::is_carrier);
        !is_carrier || step.channel() == "sms" || step.members.contains_key("from")
    }

    fn sender(&self, step: &Step) -> Option<&Sender> {
        self.senders.get(step.sender?)
    }

    /// The kind of a sender that only your program has, if a step is for one.
    pub fn program(&self) -> Option<&str> {
        let kinds = self.steps.iter().filter_map(|step| self.sender(step)).map(|sender| &*sender.kind);
        kinds.into_iter().find(|kind| matches!(*kind, "none" | "host"))
    }

    /// Whether a step is for a function of your program and may have to wait for the one before it.
    pub fn waits_for_program(&self) -> bool {
        let follows =
            self.steps.iter().skip(1).filter_map(|step| self.sender(step)).any(|sender| sender.kind == "host");
        follows && self.steps.iter().any(|step| self.condition(step).is_some())
    }

    /// What ends the workflow with a step, if anything does.
    fn condition<'a>(&self, step: &'a Step) -> Option<&'a str> {
        let sender = self.sender(step).filter(|sender| sender.kind != "none")?;
        let otherwise = if step.channel() == "sms" { "delivered" } else { "read" };
        step.text("conditionStatus").or(Some(otherwise).filter(|_| sender.is_carrier()))
    }

    /// Says it, a line each.
    pub fn words(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.senders.iter().map(Sender::words).collect();
        let is_plain = self.senders.iter().all(|sender| sender.name.is_none() && !sender.is_carrier())
            && self.steps.iter().all(|step| self.condition(step).is_none());
        if is_plain {
            let channels: Vec<_> = self.steps.iter().map(Step::channel).collect();
            lines.push(format!("steps: the first of {} that the request has an address for", channels.join(", ")));
            return lines;
        }
        for (place, step) in self.steps.iter().enumerate() {
            let before = place.checked_sub(1).and_then(|before| self.steps.get(before));
            let when = before.map_or_else(|| "at once".to_owned(), |before| self.waits(before));
            let by = self.sender(step).and_then(|sender| sender.name.as_ref());
            let by = by.map(|name| format!(" by {name}")).unwrap_or_default();
            let (channel, member) = (step.channel(), step.member());
            lines.push(format!("step {}: {channel}{by} to the request's {member}, {when}", place + 1));
        }
        lines.push("a step that the request has no address for is passed over".to_owned());
        if self.steps.len() > 1 && !self.senders.iter().any(|sender| sender.kind == "dispatch") {
            lines.push("so is a later one that a limit refuses; none begins in a code's last 30 seconds".to_owned());
        }
        lines
    }

    /// What the step after this one waits for.
    fn waits(&self, before: &Step) -> String {
        let seconds = before.members.get("expiryTime").and_then(Value::as_u64).unwrap_or(120);
        let seconds = counted(seconds, "second", "seconds");
        match self.condition(before) {
            None => "when the step before has failed".to_owned(),
            Some("verified") => format!("when the step before has failed, or the code is not verified after {seconds}"),
            Some(condition) => format!("when the step before has failed, or is not {condition} after {seconds}"),
        }
    }
}

/// Those that are configured, in their order.
fn senders(configuration: &Configuration) -> Vec<Sender> {
    let kind = |sender: &Value| sender.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(Value::Object(senders)) = configuration.get("senders") {
        return senders.iter().map(|(name, sender)| Sender { name: Some(name.clone()), kind: kind(sender) }).collect();
    }
    let is_tutorial = ["apiKey", "apiSecret", "applicationId"].iter().any(|name| configuration.get(name).is_some());
    let otherwise = if is_tutorial { "dispatch" } else { "console" };
    let kind = configuration.get("sender").map_or_else(|| otherwise.to_owned(), |sender| kind(&sender));
    vec![Sender { name: None, kind }]
}
