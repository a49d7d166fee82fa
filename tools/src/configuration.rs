//! The configuration: where it comes from, and what must be known of it before the library opens it.

use std::env::{self, VarError};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fault::{Fault, Result};

/// Longest file that is taken for a configuration, or for a secret in one.
const FILE_BYTES: u64 = 64 * 1024;

const VARIABLE: &str = "OTP_CONFIG";

/// A configuration, as members in the order in which they stand: the library sees those that are there twice.
pub struct Configuration {
    members: Vec<(String, Box<RawValue>)>,
}

/// Where a repository is.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, or in a folder.
    Path(PathBuf),
    /// In a process.
    Memory,
    /// On a server of this kind, or nowhere that is known: the library says.
    Elsewhere(String),
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
        // The value is not repeated: it might be mistyped JSON with a secret in it.
        let unreadable = |cause: io::Error| {
            let cause = cause.to_string().to_lowercase();
            Fault::config(format!("{origin}: neither a JSON object nor a file that can be read: {cause}"))
        };
        Self::parse(&read_regular(&value).map_err(unreadable)?)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut json = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
        let members = json.deserialize_map(Members).and_then(|members| json.end().map(|()| members));
        // Its own words would repeat what stands there.
        let wrong = |error: serde_json::Error| {
            Fault::config(format!("config: not one JSON object: line {}, column {}", error.line(), error.column()))
        };
        Ok(Self { members: members.map_err(wrong)? })
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

    /// The whole as JSON, in memory: of the files that belong to the repository none is opened or made.
    pub fn memory_json(&self) -> String {
        let rest = self.filtered(|name, _| !matches!(name, "repository" | "keyFile")).json();
        let comma = if rest == "{}" { "" } else { "," };
        rest.replacen('{', &format!(r#"{{"repository":"memory:"{comma}"#), 1)
    }

    fn filtered(&self, stays: impl Fn(&str, &str) -> bool) -> Self {
        let members = self.members.iter().filter(|(name, value)| stays(name, value.get()));
        Self { members: members.cloned().collect() }
    }

    /// A member, if there is one.
    pub fn get(&self, name: &str) -> Option<Value> {
        let (_, value) = self.members.iter().find(|(member, _)| member == name)?;
        serde_json::from_str(value.get()).ok()
    }

    /// Where the repository is. A text that stands for another, as `env:NAME` does, is looked up as the library does.
    pub fn place(&self) -> Place {
        let given = self.get("repository");
        let text = given.as_ref().map_or(Some("sqlite:otp.db"), Value::as_str).unwrap_or_default();
        let resolved = match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => env::var(name).ok(),
            Some(("file", path)) => read_regular(path).ok(),
            _ => Some(text.to_owned()),
        };
        let resolved = resolved.unwrap_or_default();
        let line = resolved.strip_suffix('\n').map_or(&*resolved, |line| line.strip_suffix('\r').unwrap_or(line));
        match line.split_once(':') {
            Some((scheme @ ("sqlite" | "json"), path)) => {
                std::path::absolute(path).map_or_else(|_| Place::Elsewhere(scheme.to_owned()), Place::Path)
            }
            Some(("memory", "")) => Place::Memory,
            Some((scheme, _)) => Place::Elsewhere(scheme.to_owned()),
            None => Place::Elsewhere(String::new()),
        }
    }
}

/// Reads a file that is one: a pipe is not waited for, and what does not end is not read.
fn read_regular(path: &str) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(io::Error::other("not a regular file of at most 64 KiB"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
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
