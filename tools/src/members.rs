//! `otp help config`: the members of a configuration that are used most, from the documentation's list of all.

use serde_json::Value;

/// The list of all options.
const OPTIONS: &str = include_str!("../../docs/options.json");

/// In the order in which they are shown.
const SHOWN: [&str; 14] = [
    "repository",
    "keyFile",
    "previousKeys",
    "namespace",
    "sender.type",
    "sender.applicationId",
    "sender.privateKey",
    "message",
    "otpLength",
    "validityTime",
    "maxAttempts",
    "policy.sendLimits",
    "policy.countries",
    "background",
];

/// A line for each: its name, what it is, and what holds without it.
pub fn text() -> String {
    let all: Vec<Value> = serde_json::from_str(OPTIONS).unwrap_or_default();
    let mut text =
        "usage: otp COMMAND --config FILE, or --config JSON\n\nmembers of a configuration, a JSON object:\n".to_owned();
    for name in SHOWN {
        let of = |member: &str| {
            let option = all.iter().find(|option| option["name"] == name);
            option.and_then(|option| option[member].as_str()).unwrap_or_default()
        };
        let about = of("text");
        let about = [". ", ": "]
            .iter()
            .filter_map(|end| about.find(end))
            .min()
            .map_or(about.trim_end_matches('.'), |end| &about[..end]);
        text += &format!("  {name:21} {about}\n  {:21} default: {}\n", "", of("default"));
    }
    text + "\nA value file:PATH or env:NAME stands for what is there. Every member: man libotp, or docs/options.md\n"
}
