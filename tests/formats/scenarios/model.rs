//! The vectors as Rust knows them; `README.md` beside them says what they mean.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use testing::place::SERVERS;

/// When every scenario begins: 2023-11-14T22:13:20.000Z.
pub const BEGINNING_MS: i64 = 1_700_000_000_000;

pub const REPOSITORIES: [&str; 3] = ["memory", "sqlite", "json"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    pub config: Option<Value>,
    pub repositories: Option<Vec<String>>,
    pub sender: Option<String>,
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub clock: Option<i64>,
    pub call: String,
    #[serde(default)]
    pub arguments: Map<String, Value>,
    #[serde(default)]
    pub raw: bool,
    #[serde(default)]
    pub answers: Vec<i32>,
    pub expect: Expect,
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub result: Option<String>,
    #[serde(default)]
    pub reply: Map<String, Value>,
    #[serde(default)]
    pub present: Vec<String>,
    #[serde(default)]
    pub absent: Vec<String>,
    #[serde(default)]
    pub contains: BTreeMap<String, String>,
    #[serde(default)]
    pub length: BTreeMap<String, usize>,
    pub messages: Option<usize>,
    #[serde(default)]
    pub message: Map<String, Value>,
    pub value: Option<Value>,
    pub text: Option<String>,
}

impl Scenario {
    /// What runs on a file runs on a server.
    pub fn runs_on(&self, repository: &str) -> bool {
        let kind = if SERVERS.contains(&repository) { "sqlite" } else { repository };
        self.repositories.as_ref().is_none_or(|kinds| kinds.iter().any(|name| name == kind))
    }

    /// Whether it is about the keys of its repository, and so needs none of its runner's.
    pub fn has_keys(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.get("key").is_some())
    }
}

/// All scenarios, by the names of their files.
pub fn read_all() -> Vec<(String, Vec<Scenario>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &Path| {
        let scenarios = serde_json::from_slice(&std::fs::read(path).unwrap());
        (
            path.file_stem().unwrap().to_str().unwrap().to_owned(),
            scenarios.unwrap_or_else(|bad| panic!("{path:?}: {bad}")),
        )
    };
    paths.iter().map(|path| read(path)).collect()
}

/// The names that `${NAME}` may stand for in a text, and their texts.
pub type Names = BTreeMap<String, String>;

/// The text with `${NAME}` and `${NAME+1}` filled in. A name that is not known stays.
pub fn fill(text: &str, names: &Names) -> String {
    let mut filled = text.to_owned();
    for (name, value) in names {
        let increased = value.chars().map(|sign| sign.to_digit(10).map_or(sign, next_digit)).collect::<String>();
        filled = filled.replace(&format!("${{{name}}}"), value).replace(&format!("${{{name}+1}}"), &increased);
    }
    filled
}

fn next_digit(digit: u32) -> char {
    char::from_digit((digit + 1) % 10, 10).unwrap()
}

/// The value with every text in it filled, at any depth.
pub fn fill_value(value: &Value, names: &Names) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text, names)),
        Value::Array(items) => items.iter().map(|item| fill_value(item, names)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), fill_value(value, names))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// The text that is handed in for an argument: a text as it is, anything else as JSON.
pub fn argument_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
