//! The configuration: where it comes from, and what must be known of it before the library opens it.

use std::env::{self, VarError};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fault::{Fault, Result};
use crate::owner::{self, Stranger, Unread};
use crate::place::Place;
use crate::secret;

/// Options that mean nothing without files or a server.
const OF_REPOSITORY: [&str; 6] = ["repository", "keyFile", "durability", "caFile", "poolSize", "waitReplicas"];

const VARIABLE: &str = "OTP_CONFIG";

/// A configuration, as members in the order in which they stand: the library sees those that are there twice.
pub struct Configuration {
    members: Vec<(String, Box<RawValue>)>,
    /// The file that it is from, if everybody may read that.
    exposed: Option<String>,
}

impl Configuration {
    /// Reads what `--config` says, or else the environment.
    pub fn read(given: Option<&str>) -> Result<Self> {
        let (origin, value) = match (given, env::var(VARIABLE)) {
            (Some(given), _) => ("--config", given.to_owned()),
            (None, Ok(value)) => (VARIABLE, value),
            (None, Err(VarError::NotPresent)) => {
                return Err(Fault::usage("no configuration: say --config FILE, or set OTP_CONFIG"));
            }
            (None, Err(VarError::NotUnicode(_))) => return Err(Fault::config("OTP_CONFIG: not valid UTF-8")),
        };
        if value.trim_start().starts_with('{') {
            return Self::parse(&value);
        }
        let exposed = exposed(&value);
        let text = owner::read_believed(&value, "configuration", Stranger::Become).map_err(|unread| match unread {
            Unread::NotBelieved(fault) => fault,
            // The value is not repeated: it might be mistyped JSON with a secret in it.
            Unread::Failed(cause) => {
                let cause = cause.to_string().to_lowercase();
                Fault::config(format!("{origin}: neither a JSON object nor a file that can be read: {cause}"))
            }
        })?;
        Ok(Self { exposed, ..Self::parse(&text)? })
    }

    fn parse(text: &str) -> Result<Self> {
        let mut json = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
        let members = json.deserialize_map(Members).and_then(|members| json.end().map(|()| members));
        // Its own words would repeat what stands there.
        let wrong = |error: serde_json::Error| {
            Fault::config(format!("config: not one JSON object: line {}, column {}", error.line(), error.column()))
        };
        Ok(Self { members: members.map_err(wrong)?, exposed: None })
    }

    /// The whole as JSON.
    pub fn json(&self) -> String {
        let member = |(name, value): &(String, Box<RawValue>)| format!("{}:{value}", Value::from(name.as_str()));
        format!("{{{}}}", self.members.iter().map(member).collect::<Vec<_>>().join(","))
    }

    /// The whole as JSON, without a thread that delivers in the background: whoever asks sends nothing.
    pub fn quiet_json(&self) -> String {
        self.filtered(|name, value| name != "background" || value != "true").json()
    }

    /// The whole as JSON, in memory: what belongs to the repository is not looked at, and nothing is made.
    pub fn memory_json(&self) -> String {
        let rest = self.filtered(|name, _| !OF_REPOSITORY.contains(&name)).json();
        let comma = if rest == "{}" { "" } else { "," };
        rest.replacen('{', &format!(r#"{{"repository":"memory:"{comma}"#), 1)
    }

    fn filtered(&self, stays: impl Fn(&str, &str) -> bool) -> Self {
        let members = self.members.iter().filter(|(name, value)| stays(name, value.get()));
        Self { members: members.cloned().collect(), exposed: None }
    }

    /// A warning of a file that everybody may read, with what nobody else should know in it.
    pub fn warning(&self) -> Option<String> {
        let path = self.exposed.as_ref()?;
        let names: Vec<_> = self.members.iter().filter(|(name, value)| secret::is_in(name, value.get())).collect();
        let (name, _) = names.first()?;
        Some(format!(
            "{name}: everybody may read the configuration {path:?} that holds it: mode 0600 or 0640 closes it"
        ))
    }

    /// A member, if there is one.
    pub fn get(&self, name: &str) -> Option<Value> {
        let (_, value) = self.members.iter().find(|(member, _)| member == name)?;
        serde_json::from_str(value.get()).ok()
    }

    /// Where the repository is.
    pub fn place(&self) -> Result<Place> {
        let given = self.get("repository");
        let text = given.as_ref().map_or(Some("sqlite:otp.db"), Value::as_str).unwrap_or_default();
        Place::of(text, Stranger::Become)
    }
}

/// The path of a file, if everybody may read it.
fn exposed(path: &str) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    (metadata.mode() & 0o004 != 0).then(|| path.to_owned())
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Box<RawValue>)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
