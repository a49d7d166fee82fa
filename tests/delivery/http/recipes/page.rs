//! What a recipe's page shows: the configuration, and the request that it makes.

use std::path::Path;

use serde_json::{Value, json};

use super::endpoint::{body, form, further, is_whole};
use crate::http::server::{Received, Server};

/// Stands in a page for anything: a secret, or what is new for each message.
const ANYTHING: char = '…';

const SECRET: &str = "a-secret";

pub struct Page {
    /// The configuration, as it stands there.
    pub config: String,
    /// The request; empty where the page shows none.
    request: String,
}

impl Page {
    /// The recipe at a place of a page: each is a configuration, and a request after it.
    pub fn read(name: &str, place: usize) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/carriers/{name}.md"));
        let text = std::fs::read_to_string(path).unwrap();
        let from = text.split("```json\n").nth(place + 1).unwrap();
        let (config, rest) = from.split_once("```").unwrap();
        let request = rest.split_once("```text\n").and_then(|(_, rest)| rest.split_once("\n```"));
        Self { config: config.to_owned(), request: request.map_or("", |(request, _)| request).to_owned() }
    }

    /// The configuration over this server in place of the carrier; secrets are given, and codes may be.
    pub fn configuration(&self, server: &Server, origin: &str) -> Value {
        assert!(self.config.contains(origin), "{}", self.config);
        let mut text = self.config.replace(origin, &server.url(""));
        while let Some((before, variable)) = text.split_once("\"env:") {
            let (variable, after) = variable.split_once('"').unwrap();
            // A whole header has the scheme before the key.
            let scheme = if variable.ends_with("_AUTHORIZATION") { "App " } else { "" };
            text = format!("{before}\"{scheme}{SECRET}\"{after}");
        }
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["repository"] = json!("memory:");
        config["ownCodes"] = json!(true);
        config["policy"] = json!({"cooldownSeconds": 0, "sendLimits": [], "countries": ["39"]});
        config
    }

    /// Where a request is not the one that the page shows.
    pub fn differences(&self, received: &Received) -> Vec<String> {
        let (head, shown) = self.request.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let mut found = Vec::new();
        let line = format!("{} {}", received.method, received.target);
        found.extend((!is_like(lines.next().unwrap(), &line)).then(|| line.clone()));
        let headers: Vec<_> = lines.map(|line| line.split_once(": ").unwrap()).collect();
        for (name, value) in &headers {
            let is_same = received.header(&name.to_ascii_lowercase()).is_some_and(|found| is_like(value, found));
            found.extend((!is_same).then(|| format!("header {name}")));
        }
        found.extend(further(received, |name| headers.iter().any(|(shown, _)| shown.eq_ignore_ascii_case(name))));
        let shown = serde_json::from_str(shown).unwrap_or_else(|_| form(shown));
        let is_same = body(received).is_some_and(|body| is_shown(&shown, &body));
        found.extend((!is_same).then(|| format!("body {}", received.body)));
        found
    }
}

fn is_shown(shown: &Value, found: &Value) -> bool {
    match (shown, found) {
        (Value::String(shown), Value::String(found)) => is_like(shown, found),
        (Value::Array(shown), Value::Array(found)) => {
            shown.len() == found.len() && shown.iter().zip(found).all(|(shown, found)| is_shown(shown, found))
        }
        (Value::Object(shown), Value::Object(found)) => {
            let is_same = |(name, shown)| found.get(name).is_some_and(|found| is_shown(shown, found));
            shown.len() == found.len() && shown.iter().all(is_same)
        }
        _ => shown == found,
    }
}

fn is_like(shown: &str, found: &str) -> bool {
    let parts: Vec<_> = shown.split(ANYTHING).map(regex::escape).collect();
    is_whole(&parts.join(".+"), found)
}
