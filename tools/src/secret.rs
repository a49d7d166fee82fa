//! What nobody else should know of a configuration.

use serde_json::Value;

/// Members that hold nothing else.
const SECRETS: [&str; 4] = ["key", "previousKeys", "apiSecret", "signatureSecret"];

/// Whether a member of the configuration, of this name and as this JSON, holds a secret itself, and not where one lies.
pub fn is_in(name: &str, json: &str) -> bool {
    serde_json::from_str(json).is_ok_and(|value: Value| holds(name, &value))
}

fn holds(name: &str, value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| holds(name, value)),
        Value::Array(values) => values.iter().any(|value| holds(name, value)),
        Value::String(text) if text.starts_with("file:") || text.starts_with("env:") => false,
        Value::String(text) => match name {
            "privateKey" => text.contains("-----BEGIN") || text.contains('\n'),
            "repository" => has_password(text),
            _ => SECRETS.contains(&name),
        },
        _ => false,
    }
}

/// Whether a URL has a password before its host.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}
