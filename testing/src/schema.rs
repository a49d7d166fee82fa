//! Whether a value has the form that a schema describes (JSON Schema, draft 2020-12).

use boon::{Compiler, Draft, Schemas};
use serde_json::Value;

/// What the schema has against the value.
pub fn objections(schema: &Value, value: &Value) -> Vec<String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.add_resource("schema.json", schema.clone()).unwrap();
    let root = compiler.compile("schema.json", &mut schemas).unwrap();
    schemas.validate(value, root).err().iter().map(|objection| format!("{objection:#}")).collect()
}
