//! What an answer, or none, says about the message. One table decides; what it does not name is in doubt.

use std::time::Duration;

use super::super::wire::{Again, HttpReply, line};
use super::Answer;
use crate::sender::SendFailure;
use crate::strict::{self, Node, is_visible_ascii};
use crate::typed::shown_without;

/// Longest identifier of a message, and longest code, in bytes. UUIDs have 36.
const MAX_UUID_BYTES: usize = 64;

/// What an HTTP status says about the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    NotTaken,
    NotTakenNow,
    Refused,
    Unknown,
}

/// The table's first half: HTTP statuses. Documented are 202, 400, 401, 402, 404, 422, 429 and 500.
fn verdict_of_status(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Taken,
        429 => Verdict::NotTakenNow,
        400..=499 => Verdict::NotTaken,
        // 1xx are no answer, redirects are not followed, and a server or gateway that failed may have passed it on.
        _ => Verdict::Unknown,
    }
}

/// The table's second half: the carrier's codes (Messages and Dispatch error list) that say more than a 4xx or 429
/// does. Every other code, known today or not, leaves it at what the status says.
fn verdict_of_code(code: &str) -> Option<Verdict> {
    match code {
        // Throttled: the account's capacity for the moment.
        "1000" => Some(Verdict::NotTakenNow),
        // Number barred; not on a trial account's list; opted out; Fraud Defender: rule, burst, artificial traffic,
        // country, network.
        "1050" | "1160" | "1240" | "1470" | "1472" | "1473" | "1474" | "1475" => Some(Verdict::Refused),
        // Quota; too many to the number; daily limit; limit of the user: not over in seconds, also where a 429 says so.
        "1070" | "1241" | "1460" | "1461" => Some(Verdict::NotTaken),
        // Message already sent: then an earlier one did arrive.
        "1320" => Some(Verdict::Unknown),
        _ => None,
    }
}

/// Judges an answer. `uuid_member` names the member of a good one; a text of the carrier in which one of `secrets`
/// stands, however it is spelled, is withheld, and a code dropped.
pub fn judge(host: &str, reply: &HttpReply, uuid_member: &str, secrets: &[&str]) -> (Answer, Again) {
    let problem = reply.body.as_deref().and_then(|body| Problem::read(body, uuid_member)).unwrap_or_default();
    let mut verdict = verdict_of_status(reply.status);
    if verdict == Verdict::Taken
        && let Some(uuid) = problem.uuid
    {
        return (Answer::Accepted { uuid: Some(uuid) }, Again::Never);
    }
    let is_open = |text: &String| !secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret));
    let vendor_code = problem.code.filter(is_open);
    if matches!(verdict, Verdict::NotTaken | Verdict::NotTakenNow) {
        verdict = vendor_code.as_deref().and_then(verdict_of_code).unwrap_or(verdict);
    }
    let detail = match (&vendor_code, verdict) {
        (_, Verdict::Taken) => format!("{host}: status {}: the answer names no message", reply.status),
        (Some(code), _) => format!("{host}: status {}: code {code}", reply.status),
        (None, _) => format!("{host}: status {}", reply.status),
    };
    let failure = SendFailure {
        detail,
        http_status: Some(reply.status),
        vendor_code,
        vendor_title: problem.title.map(|title| shown_without(secrets, title)),
        message_id: None,
        retry_after_seconds: reply.retry_after.map(|seconds| seconds.max(1)),
    };
    match verdict {
        Verdict::NotTaken => (Answer::NotTaken(failure), Again::Never),
        Verdict::NotTakenNow => (Answer::NotTaken(failure), Again::Later(reply.retry_after.map(Duration::from_secs))),
        Verdict::Refused => (Answer::Refused(failure), Again::Never),
        Verdict::Taken | Verdict::Unknown => (Answer::InDoubt(failure), Again::Never),
    }
}

/// What is read of an answer, good or bad (RFC 7807). Members may have any type, and others may be there; where one is
/// repeated, nothing is read.
#[derive(Default)]
struct Problem {
    uuid: Option<String>,
    code: Option<String>,
    title: Option<String>,
}

impl Problem {
    fn read(body: &[u8], uuid_member: &str) -> Option<Self> {
        let mut answer = strict::parse_foreign(std::str::from_utf8(body).ok()?)?;
        let text = |node: Option<Node>| Some(node?.text().ok()?.to_owned());
        let (uuid, kind) = (text(answer.take(uuid_member)), text(answer.take("type")));
        let title = answer.take_text("title");
        Some(Self {
            uuid: uuid.filter(|uuid| is_uuid(uuid)),
            code: code(kind.as_deref(), title.as_deref().map(String::as_str)),
            title: title.map(|title| line(&title)).filter(|title| !title.is_empty()),
        })
    }
}

fn is_uuid(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MAX_UUID_BYTES).contains(&text.len()) && text.bytes().all(valid)
}

/// The part of `type` after `#`, whatever its host; else a title that is a number, as statuses have it.
fn code(kind: Option<&str>, title: Option<&str>) -> Option<String> {
    let is_code = |code: &&str| (1..=MAX_UUID_BYTES).contains(&code.len()) && is_visible_ascii(code);
    let of_type = kind.and_then(|kind| kind.rsplit_once('#')).map(|(_, code)| code).filter(is_code);
    let of_title = title.filter(|title| title.bytes().all(|byte| byte.is_ascii_digit())).filter(is_code);
    of_type.or(of_title).map(str::to_owned)
}

#[cfg(test)]
mod tests;
