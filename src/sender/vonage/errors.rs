//! What an answer, or none, says about the message. One table decides; what it does not name is in doubt.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Answer;
use super::http::{Failure, Reply};
use crate::sender::SendFailure;
use crate::strict::is_visible_ascii;
use crate::typed::shown_without;

/// Longest text of the carrier that is kept, in bytes; replies shorten it further.
const MAX_TEXT_BYTES: usize = 200;

/// Longest identifier of a message, in bytes. UUIDs have 36.
const MAX_UUID_BYTES: usize = 64;

/// Whether a request may be repeated: only where the message was certainly not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// No.
    Never,
    /// The host could not be reached.
    Soon,
    /// The carrier takes no more at the moment: after so long, if it said how long.
    Later(Option<Duration>),
}

/// What an HTTP status says about the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    NotTaken,
    NotTakenNow,
    Refused,
    Unknown,
}

/// The table's first half: HTTP statuses. Documented are 202, 400, 401, 402, 404, 422, 429 and 500.
fn fate_of_status(status: u16) -> Fate {
    match status {
        200..=299 => Fate::Taken,
        429 => Fate::NotTakenNow,
        400..=499 => Fate::NotTaken,
        // 1xx are no answer, redirects are not followed, and a server or gateway that failed may have passed it on.
        _ => Fate::Unknown,
    }
}

/// The table's second half: the carrier's codes (Messages and Dispatch error list) that say more than a 4xx or 429
/// does. Every other code, known today or not, leaves it at what the status says.
fn fate_of_code(code: &str) -> Option<Fate> {
    match code {
        // Throttled: the account's capacity for the moment.
        "1000" => Some(Fate::NotTakenNow),
        // Number barred; not on a trial account's list; opted out; Fraud Defender: rule, burst, artificial traffic,
        // country, network.
        "1050" | "1160" | "1240" | "1470" | "1472" | "1473" | "1474" | "1475" => Some(Fate::Refused),
        // Quota; too many to the number; daily limit; limit of the user: not over in seconds, also where a 429 says so.
        "1070" | "1241" | "1460" | "1461" => Some(Fate::NotTaken),
        // Message already sent: then an earlier one did arrive.
        "1320" => Some(Fate::Unknown),
        _ => None,
    }
}

/// Judges an answer. `uuid_member` names the member of a good one; a text of the carrier in which one of `secrets`
/// stands, however it is spelled, is withheld, and a code dropped.
pub fn judge(host: &str, reply: &Reply, uuid_member: &str, secrets: &[&str]) -> (Answer, Again) {
    let problem = reply.body.as_deref().and_then(|body| serde_json::from_slice::<Told>(body).ok()).unwrap_or_default();
    let mut fate = fate_of_status(reply.status);
    if fate == Fate::Taken
        && let Some(uuid) = problem.uuid(uuid_member)
    {
        return (Answer::Accepted { uuid: Some(uuid) }, Again::Never);
    }
    let told = |text: &String| !secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret));
    let vendor_code = problem.code().filter(told);
    if matches!(fate, Fate::NotTaken | Fate::NotTakenNow) {
        fate = vendor_code.as_deref().and_then(fate_of_code).unwrap_or(fate);
    }
    let detail = match (&vendor_code, fate) {
        (_, Fate::Taken) => format!("{host}: status {}: the answer names no message", reply.status),
        (Some(code), _) => format!("{host}: status {}: code {code}", reply.status),
        (None, _) => format!("{host}: status {}", reply.status),
    };
    let failure = SendFailure {
        detail,
        http_status: Some(reply.status),
        vendor_code,
        vendor_title: problem.title().map(|title| shown_without(secrets, title)),
        retry_after_seconds: reply.retry_after.map(|seconds| seconds.max(1)),
    };
    match fate {
        Fate::NotTaken => (Answer::NotTaken(failure), Again::Never),
        Fate::NotTakenNow => (Answer::NotTaken(failure), Again::Later(reply.retry_after.map(Duration::from_secs))),
        Fate::Refused => (Answer::Refused(failure), Again::Never),
        Fate::Taken | Fate::Unknown => (Answer::InDoubt(failure), Again::Never),
    }
}

/// Judges that there was no answer.
pub fn judge_failure(host: &str, failure: Failure) -> (Answer, Again) {
    let told = |cause: &str| SendFailure { detail: format!("{host}: {}", line(cause)), ..SendFailure::default() };
    match failure {
        Failure::Unsent { cause, is_passing } => {
            (Answer::NotTaken(told(&cause)), if is_passing { Again::Soon } else { Again::Never })
        }
        Failure::Lost { cause } => (Answer::InDoubt(told(&cause)), Again::Never),
    }
}

/// What is read of an answer, good or bad (RFC 7807): members of any type, all else passed over. A repeated member
/// makes it unreadable.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    dispatch_uuid: Loose,
    message_uuid: Loose,
    #[serde(rename = "type")]
    kind: Loose,
    title: Loose,
}

impl Told {
    fn uuid(&self, member: &str) -> Option<String> {
        let uuid = if member == "dispatch_uuid" { &self.dispatch_uuid } else { &self.message_uuid };
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        match uuid {
            Loose::Text(uuid) if (1..=MAX_UUID_BYTES).contains(&uuid.len()) && uuid.bytes().all(valid) => {
                Some(uuid.clone())
            }
            _ => None,
        }
    }

    /// The part of `type` after `#`, whatever its host; else a title that is a number, as statuses have it.
    fn code(&self) -> Option<String> {
        let of_type = match &self.kind {
            Loose::Text(kind) => kind.rsplit_once('#').map(|(_, code)| code),
            _ => None,
        };
        let is_code = |code: &str| (1..=MAX_UUID_BYTES).contains(&code.len()) && is_visible_ascii(code);
        let of_title = self.title.text().filter(|title| title.bytes().all(|byte| byte.is_ascii_digit()));
        of_type.filter(|code| is_code(code)).or_else(|| of_title.filter(|code| is_code(code))).map(str::to_owned)
    }

    fn title(&self) -> Option<String> {
        self.title.text().map(line).filter(|title| !title.is_empty())
    }
}

/// Foreign text as one short line.
fn line(text: &str) -> String {
    let mut line = String::new();
    for letter in text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
        if line.len() + letter.len_utf8() > MAX_TEXT_BYTES {
            break;
        }
        line.push(letter);
    }
    line
}

/// A member of any type.
#[derive(Default)]
enum Loose {
    #[default]
    Other,
    Text(String),
    /// An integer, as text.
    Number(String),
}

impl Loose {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Other => None,
            Self::Text(text) | Self::Number(text) => Some(text),
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
        Ok(Loose::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose::Number(number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Loose, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }
}

#[cfg(test)]
mod tests;
