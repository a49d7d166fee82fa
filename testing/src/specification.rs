//! Whether a request is one that the carrier's specification accepts.

use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

static MESSAGES: LazyLock<Validator> =
    LazyLock::new(|| read(include_str!("../../tests/data/specifications/messages.v1.11.0.json")));
static DISPATCH: LazyLock<Validator> =
    LazyLock::new(|| read(include_str!("../../tests/data/specifications/dispatch.v0.1.json")));

fn read(text: &str) -> Validator {
    let document: Value = serde_json::from_str(text).unwrap();
    let schema = json!({"allOf": [document["request"]], "components": document["components"]});
    jsonschema::options().with_draft(Draft::Draft4).build(&schema).unwrap()
}

/// What the specification of Dispatch or of Messages has against the body of a request.
pub fn objections(request: &Value) -> Vec<String> {
    let validator = if request.get("workflow").is_some() { &DISPATCH } else { &MESSAGES };
    validator.iter_errors(request).map(|error| error.to_string()).collect()
}
