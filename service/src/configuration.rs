//! Where the service's configuration comes from, and what the service itself says in it.

use std::env::{self, VarError};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

/// Longest file that is taken for a configuration.
const CONFIG_BYTES: u64 = 64 * 1024;

/// The file that the tutorial keeps its configuration in.
const TUTORIAL_FILE: &str = "nexmo.json";

/// All that a client may say. The rest of a request (its subject, a code of one's own) is for the host to decide.
const ACCEPTED: &str = r#""accept": ["messengerId", "phoneNumber"]"#;

/// What says where codes are kept, and under which key.
const STORAGE: [&str; 5] = ["repository", "key", "keyFile", "previousKeys", "durability"];

/// A variable of the environment.
pub fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name}: not valid UTF-8")),
    }
}

/// The number of a port in a variable of the environment.
pub fn port(name: &str) -> Result<Option<u16>, String> {
    let number = |text: String| text.parse().map_err(|_| format!("{name}: must be a number to 65535"));
    variable(name)?.map(number).transpose()
}

/// The configuration of libotp, in JSON.
pub fn configuration() -> Result<String, String> {
    let value = match variable("OTP_CONFIG")? {
        Some(value) => value,
        None if Path::new(TUTORIAL_FILE).exists() => TUTORIAL_FILE.to_owned(),
        None => "{}".to_owned(),
    };
    if value.trim_start().starts_with('{') {
        return Ok(value);
    }
    // The value is not repeated: it might be mistyped JSON with a secret in it.
    let unreadable = |cause| format!("OTP_CONFIG: neither a JSON object nor a file that can be read: {cause}");
    read_regular(&value).map_err(unreadable)
}

/// Reads a file that is one: a pipe is not waited for, and what does not end is not read.
fn read_regular(path: &str) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > CONFIG_BYTES {
        return Err(io::Error::other("not a regular file of at most 64 KiB"));
    }
    let mut text = String::new();
    file.take(CONFIG_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Adds what the service accepts, unless the configuration says it. It is added to the text, in which libotp sees a
/// member that is there twice.
pub fn accepting(config: String) -> String {
    let config = config.trim_start_matches('\u{feff}').to_owned();
    match serde_json::from_str::<Value>(&config) {
        Ok(Value::Object(members)) if !members.contains_key("accept") => {
            let comma = if members.is_empty() { "" } else { ", " };
            config.replacen('{', &format!("{{{ACCEPTED}{comma}"), 1)
        }
        // libotp says what is wrong with it.
        _ => config,
    }
}

/// A configuration with the same repository for a tenant of its own, which hands its codes over.
pub fn of_probe(config: &str) -> String {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let mut probe = json!({"namespace": "otp-service readiness", "sender": {"type": "none"},
        "policy": {"retentionMinutes": 0}});
    for name in STORAGE {
        if let Some(value) = config.get(name) {
            probe[name] = value.clone();
        }
    }
    probe.to_string()
}
