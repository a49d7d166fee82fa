//! What an answer says about the message, by the lists of the configuration. What they do not name is in doubt.

use std::time::Duration;

use super::super::wire::{Again, HttpReply};
use super::super::{Answer, SendFailure};
use crate::config::{HttpConfig, Listed};
use crate::json::{self, Value};
use crate::limits::ID_BYTES;
use crate::strict::is_visible_ascii;

/// What a list stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Accepted,
    NotTaken,
    Refused,
}

/// Judges an answer. An identifier in which one of `secrets` stands is none.
pub fn judge(host: &str, reply: &HttpReply, config: &HttpConfig, secrets: &[&str]) -> (Answer, Again) {
    let text = reply.body.as_deref().and_then(|body| std::str::from_utf8(body).ok());
    let answer = text.and_then(json::parse_foreign).filter(|answer| !answer.repeats());
    let (meanings, value) = meanings(reply.status, answer.as_ref(), config);
    if let [Meaning::Accepted] = meanings[..]
        && (200..=299).contains(&reply.status)
    {
        let uuid = config.message_id.as_deref().and_then(|path| identifier(answer.as_ref()?.at(path)?, secrets));
        return (Answer::Accepted { uuid }, Again::Never);
    }
    let cause = match (&meanings[..], &value) {
        ([], _) => ": which nothing in accepted, notTaken, refused names".to_owned(),
        ([Meaning::Accepted], _) => ": what accepted names needs 200 to 299".to_owned(),
        ([_], Some(value)) => format!(": code {value}"),
        ([_], None) => String::new(),
        _ => ": several of accepted, notTaken, refused name it".to_owned(),
    };
    let failure = SendFailure {
        detail: format!("{host}: status {}{cause}", reply.status),
        http_status: Some(reply.status),
        vendor_code: value,
        vendor_title: None,
        message_id: None,
        retry_after_seconds: reply.retry_after.map(|seconds| seconds.max(1)),
    };
    match meanings[..] {
        [Meaning::NotTaken] => (Answer::NotTaken(failure), Again::Later(reply.retry_after.map(Duration::from_secs))),
        // Of us and not of the recipient: no key, no money.
        [Meaning::Refused] if matches!(reply.status, 401 | 402) => (Answer::NotTaken(failure), Again::Never),
        [Meaning::Refused] => (Answer::Refused(failure), Again::Never),
        _ => (Answer::InDoubt(failure), Again::Never),
    }
}

/// What the lists say, paths before statuses, and the value that decided.
fn meanings(status: u16, answer: Option<&Value>, config: &HttpConfig) -> (Vec<Meaning>, Option<String>) {
    let lists = &config.answers;
    let all = [
        (Meaning::Accepted, &lists.accepted),
        (Meaning::NotTaken, &lists.not_taken),
        (Meaning::Refused, &lists.refused),
    ];
    let by_path: Vec<_> =
        all.iter().filter_map(|(meaning, listed)| Some((*meaning, found(listed, answer?)?))).collect();
    if let Some((_, value)) = by_path.first() {
        let value = value.trim_matches('"');
        let value = Some(value.to_owned()).filter(|value| value.len() <= 64 && is_visible_ascii(value));
        return (by_path.into_iter().map(|(meaning, _)| meaning).collect(), value);
    }
    (all.iter().filter(|(_, listed)| listed.has(status)).map(|(meaning, _)| *meaning).collect(), None)
}

/// The first value of a list that an answer has at its path.
fn found<'a>(listed: &'a Listed, answer: &Value) -> Option<&'a String> {
    listed.values.iter().find_map(|(path, values)| {
        let value = answer.at(path)?.scalar_or_text()?;
        values.iter().find(|listed| **listed == value)
    })
}

/// The identifier of a message: a text or an integer.
fn identifier(value: &Value, secrets: &[&str]) -> Option<String> {
    let text = match value {
        Value::Text(text) => text.to_string(),
        Value::Integer(integer) => integer.to_string(),
        _ => return None,
    };
    // A code may stand in a row of random digits; as a word it is no chance.
    let tells = |word: &str| secrets.contains(&word);
    let is_open = !text.split(|letter: char| !letter.is_ascii_alphanumeric()).any(tells);
    (text.len() <= ID_BYTES && is_visible_ascii(&text) && is_open).then_some(text)
}

#[cfg(test)]
mod tests;
