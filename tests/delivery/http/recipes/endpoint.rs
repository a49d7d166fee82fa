//! A carrier's endpoint, as strict as its published description.

use regex::Regex;
use serde_json::{Map, Value};
use testing::schema;

use crate::http::server::{Received, fields};

/// Headers that the client itself sets.
const OWN: [&str; 5] = ["accept", "accept-encoding", "content-length", "host", "user-agent"];

/// What the carrier takes. Texts are regular expressions for the whole.
pub struct Endpoint {
    pub method: &'static str,
    pub target: &'static str,
    /// All that are sent: names in lower case.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The schema of the body; a form is an object of texts.
    pub body: Value,
}

impl Endpoint {
    /// What the carrier would have against a request.
    pub fn objections(&self, received: &Received) -> Vec<String> {
        let mut found = Vec::new();
        if received.method != self.method {
            found.push(format!("method {}", received.method));
        }
        if !is_whole(self.target, &received.target) {
            found.push(format!("target {}", received.target));
        }
        for (name, pattern) in &self.headers {
            match received.header(name) {
                Some(value) if is_whole(pattern, value) => {}
                other => found.push(format!("{name}: {other:?}")),
            }
        }
        found.extend(further(received, |name| self.headers.iter().any(|(known, _)| *known == name)));
        match body(received) {
            Some(body) => found.extend(schema::objections(&self.body, &body)),
            None => found.push("a body that is neither JSON nor a form".to_owned()),
        }
        found
    }
}

/// Headers that are neither known nor the client's own.
pub fn further(received: &Received, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let names = received.headers.iter().map(|(name, _)| name.as_str());
    names.filter(|name| !OWN.contains(name) && !is_known(name)).map(|name| format!("header {name}")).collect()
}

pub fn is_whole(pattern: &str, text: &str) -> bool {
    Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(text)
}

/// The body: JSON, or a form.
pub fn body(received: &Received) -> Option<Value> {
    match received.header("content-type") {
        Some("application/x-www-form-urlencoded") => Some(form(&received.body)),
        _ => serde_json::from_str(&received.body).ok(),
    }
}

/// A form as an object: of a name that stands twice, all values.
pub fn form(text: &str) -> Value {
    let mut form = Map::new();
    for (name, value) in fields(text) {
        let value = match form.remove(&name) {
            None => Value::String(value),
            Some(Value::Array(mut values)) => {
                values.push(Value::String(value));
                Value::Array(values)
            }
            Some(first) => Value::Array(vec![first, Value::String(value)]),
        };
        form.insert(name, value);
    }
    Value::Object(form)
}
