//! Whether a request is one that the carrier's specification accepts.

use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};

/// The form that a request must have.
struct Form {
    schemas: Schemas,
    request: SchemaIndex,
}

static MESSAGES: LazyLock<Form> =
    LazyLock::new(|| read(include_str!("../../tests/data/specifications/messages.v1.11.0.json")));
static DISPATCH: LazyLock<Form> =
    LazyLock::new(|| read(include_str!("../../tests/data/specifications/dispatch.v0.1.json")));

fn read(text: &str) -> Form {
    let document: Value = serde_json::from_str(text).unwrap();
    let schema = json!({"allOf": [document["request"]], "components": document["components"]});
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V4);
    compiler.add_resource("specification.json", schema).unwrap();
    let request = compiler.compile("specification.json", &mut schemas).unwrap();
    Form { schemas, request }
}

/// What the specification of Dispatch or of Messages has against the body of a request.
pub fn objections(request: &Value) -> Vec<String> {
    let form = if request.get("workflow").is_some() { &DISPATCH } else { &MESSAGES };
    form.schemas.validate(request, form.request).err().iter().map(|objection| format!("{objection:#}")).collect()
}
