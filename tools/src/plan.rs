//! A configuration in words: who is sent what, when, and at most how often. The library has found it right, so what is
//! not there is left out, and has its default.

use serde_json::Value;

use crate::answer::counted;
use crate::configuration::Configuration;
use crate::place::Place;
use crate::steps::Delivery;

/// Whether there is a repository.
pub enum Repository {
    IsThere,
    /// And who makes it, in words.
    ToBeMade(String),
}

/// Says it, a line each.
pub fn in_words(configuration: &Configuration, place: &Place, there: &Repository) -> Vec<String> {
    let policy = configuration.get("policy").unwrap_or_default();
    let mut lines =
        vec![format!("repository: {}", repository(place, there)), format!("key: {}", key(configuration, place))];
    let delivery = Delivery::of(configuration);
    lines.extend(delivery.words());
    lines.push(format!("to: {}", countries(&policy)));
    lines.push(format!("a code: {}", code(configuration)));
    lines.push(format!("a recipient: {}", sends(&policy)));
    lines.push(format!("a subject: {}", locks(&policy)));
    lines.push(format!("a code that has ended is kept for {}", minutes(number(&policy, "retentionMinutes", 1440.0))));
    lines.push(format!("due steps: {}", due(configuration, &delivery)));
    let webhooks = if configuration.get("webhook").is_some() { "taken, if signed" } else { "none is taken" };
    lines.push(format!("webhooks: {webhooks}"));
    lines.extend(configuration.get("accept").map(|accept| format!("a request may have: {}", list(&accept))));
    lines
}

fn repository(place: &Place, there: &Repository) -> String {
    let name = match place {
        Place::File(path) | Place::Folder(path) => path.display().to_string(),
        Place::Memory => "in memory: it ends with the process".to_owned(),
        // Of a URL nothing else is shown: it may hold a password.
        Place::Elsewhere(kind) => format!("on a server ({kind})"),
    };
    match there {
        Repository::IsThere => name,
        Repository::ToBeMade(maker) => format!("{name}, and there is none yet: {maker}"),
    }
}

fn key(configuration: &Configuration, place: &Place) -> String {
    match (configuration.get("keyFile"), place) {
        (Some(file), _) => format!("in the file {}", text(&file)),
        (None, _) if configuration.get("key").is_some() => "in the configuration".to_owned(),
        (None, Place::File(path) | Place::Folder(path)) => {
            format!("in the file {}.key, beside the repository", path.display())
        }
        (None, _) => "none that is kept".to_owned(),
    }
}

fn countries(policy: &Value) -> String {
    match policy.get("countries") {
        Some(countries) => format!("numbers that begin with {}", list(countries)),
        None => "numbers of every country".to_owned(),
    }
}

fn code(configuration: &Configuration) -> String {
    let value =
        |name: &str, otherwise: f64| configuration.get(name).and_then(|value| value.as_f64()).unwrap_or(otherwise);
    let (length, attempts) = (value("otpLength", 6.0), value("maxAttempts", 5.0));
    let guesses = counted(attempts as u64, "wrong guess", "wrong guesses");
    format!("{length} digits, good for {}, {guesses}", minutes(value("validityTime", 5.0)))
}

fn sends(policy: &Value) -> String {
    let pause = match number(policy, "cooldownSeconds", 30.0) as u64 {
        0 => "no pause between two messages".to_owned(),
        seconds => format!("{} between two messages", counted(seconds, "second", "seconds")),
    };
    let default = || [(5, 10), (15, 60), (50, 1440)].map(|(count, minutes)| format!("{count} in {minutes}")).to_vec();
    let given = policy.get("sendLimits").and_then(Value::as_array);
    let limits = given.map_or_else(default, |limits| limits.iter().map(limit).collect());
    if limits.is_empty() {
        return format!("{pause}, as many as are asked for");
    }
    format!("{pause}, and at most {} minutes", limits.join(", "))
}

fn limit(limit: &Value) -> String {
    let channel = limit.get("channel").map(|channel| format!(" ({} alone)", text(channel))).unwrap_or_default();
    format!("{} in {}{channel}", number(limit, "count", 0.0), number(limit, "minutes", 0.0))
}

fn locks(policy: &Value) -> String {
    let failures = policy.get("subjectFailures").cloned().unwrap_or_default();
    // The only default that a profile changes.
    let lock_after = if policy.get("profile").is_some_and(|profile| profile == "psd2") { 5.0 } else { 10.0 };
    let lock_after = number(&failures, "lockAfter", lock_after);
    let disable_after = number(&failures, "disableAfter", 100.0);
    let time = minutes(number(&failures, "lockMinutes", 30.0));
    format!("locked for {time} after {lock_after} failures in a row, until otp unlock after {disable_after}")
}

fn due(configuration: &Configuration, delivery: &Delivery) -> &'static str {
    match configuration.get("background") {
        Some(Value::Bool(true)) => "run by the service itself, in the background",
        _ if delivery.waits_for_program() => "wait for otp_run_due in your program, which has the function that sends",
        _ => "wait for otp_run_due, or otp due --every 1s",
    }
}

fn minutes(minutes: f64) -> String {
    if minutes.fract() == 0.0 {
        return counted(minutes as u64, "minute", "minutes");
    }
    counted((minutes * 60.0).round() as u64, "second", "seconds")
}

fn number(options: &Value, name: &str, otherwise: f64) -> f64 {
    options.get(name).and_then(Value::as_f64).unwrap_or(otherwise)
}

fn list(texts: &Value) -> String {
    let texts = texts.as_array().map(Vec::as_slice).unwrap_or_default();
    texts.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
