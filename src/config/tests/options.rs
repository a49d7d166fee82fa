//! `docs/options.json`, the list from which all manuals are written, against what is read.

use serde_json::{Value, json};

use super::*;

fn listed() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../docs/options.json")).unwrap()
}

/// The options that sender `http` alone has.
const HTTP: [&str; 12] = [
    "url",
    "method",
    "headers",
    "basic",
    "bearer",
    "json",
    "form",
    "query",
    "accepted",
    "notTaken",
    "refused",
    "messageId",
];

/// The options that sender `smtp` alone has.
const SMTP: [&str; 5] = ["host", "port", "tls", "user", "password"];

/// A configuration with this value of an option, and what it needs beside it.
fn with(name: &str, value: Value) -> String {
    let mut config = match name {
        "caFile" | "poolSize" | "waitReplicas" => json!({"repository": "rediss://host", "key": "A".repeat(44)}),
        _ => json!({"repository": "memory:"}),
    };
    let mut wrapped = value;
    for member in name.split('.').skip(1).collect::<Vec<_>>().into_iter().rev() {
        wrapped = json!({ member: wrapped });
    }
    let beside = match name.split('.').next().unwrap() {
        "sender" if HTTP.contains(&name.trim_start_matches("sender.")) => {
            let mut beside = json!({"type": "http", "url": "https://host"});
            if !["sender.form", "sender.query"].contains(&name) {
                beside["json"] = json!({"t": "{text}"});
            }
            beside
        }
        "sender" if SMTP.contains(&name.trim_start_matches("sender.")) => {
            config["workflow"] = json!([{"channel": "email", "from": "codes@acme.example"}]);
            json!({"type": "smtp", "host": "mail.example", "user": "u", "password": "p"})
        }
        "sender" if name != "sender.type" => json!({"type": "messages", "apiKey": "k", "apiSecret": "s"}),
        "webhook" if name != "webhook.signatureSecret" => {
            json!({"signatureSecret": "a secret of 32 bytes and more ..."})
        }
        "workflow[]" if name != "workflow[].channel" => json!({"channel": "sms", "from": "1"}),
        _ => Value::Null,
    };
    if let (Some(members), Some(more)) = (wrapped.as_object_mut(), beside.as_object()) {
        for (name, value) in more {
            members.entry(name).or_insert(value.clone());
        }
    }
    let top = name.split(['.', '[']).next().unwrap();
    config[top] = if name.contains("[]") { json!([wrapped]) } else { wrapped };
    config.to_string()
}

/// Why it is refused; a kind of repository that the build lacks is none of the options' fault.
fn detail(config: &str) -> Option<String> {
    let refused = Config::parse(Some(config)).err().filter(|error| error.outcome() != Outcome::Unsupported);
    refused.map(|error| error.detail().to_owned())
}

#[test]
fn every_option_is_read() {
    for option in listed() {
        let name = option["name"].as_str().unwrap();
        let refused = detail(&with(name, json!([[[]]]))).unwrap_or_else(|| panic!("{name} takes anything"));
        let shown = name.replace("[]", "[0]");
        assert!(refused.starts_with(&shown) && !refused.ends_with("unknown"), "{name}: {refused}");
    }
}

#[test]
fn every_range_is_kept() {
    let mut count = 0;
    for option in listed() {
        let name = option["name"].as_str().unwrap();
        let (Some(least), Some(most)) = (option["least"].as_i64(), option["most"].as_i64()) else { continue };
        for value in [least, most] {
            assert_eq!(detail(&with(name, json!(value))), None, "{name}: {value}");
        }
        for value in [least - 1, most + 1] {
            assert!(detail(&with(name, json!(value))).is_some(), "{name}: {value}");
        }
        assert_eq!(option["range"], format!("{least} to {most}"), "{name}");
        count += 1;
    }
    assert_eq!(count, 13);
}

#[test]
fn options_of_servers_need_one() {
    for option in ["caFile", "poolSize", "waitReplicas"] {
        let told = detail(&format!(r#"{{"repository": "memory:", "{option}": 1}}"#)).unwrap();
        assert_eq!(told, format!("{option}: needs a repository on the network"));
    }
    for (config, expected) in [
        (r#"{"repository": "redis://h?x=1", "keyFile": "k"}"#, "repository: must have no ?"),
        (r#"{"repository": "redis://h", "keyFile": "k", "durability": "full"}"#, "durability: must be engine"),
        (r#"{"repository": "redis://h", "keyFile": "k", "durability": "process"}"#, "durability: must be engine"),
        (r#"{"durability": "engine"}"#, "durability: engine needs redis"),
        (r#"{"repository": "postgres://h#x", "keyFile": "k"}"#, "repository: must have no #"),
        (r#"{"repository": "postgres:///d", "keyFile": "k"}"#, "repository: must name a host"),
        (r#"{"repository": "postgres://h", "keyFile": "k", "durability": "engine"}"#, "durability: engine needs redis"),
        (r#"{"repository": "postgres://h", "keyFile": "k", "waitReplicas": 1}"#, "waitReplicas: needs redis"),
        (r#"{"repository": "postgres://h", "keyFile": "k", "caFile": "c"}"#, "caFile: needs sslmode=verify-full"),
        (r#"{"repository": "redis://h", "keyFile": "k", "caFile": "c"}"#, "caFile: needs rediss"),
    ] {
        let told = detail(config).unwrap();
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn servers_need_a_build_that_has_them() {
    let redis = ["redis://h", "rediss://:pw@[::1]:6380/0", "redis+sentinel://a,b/m", "rediss+cluster://a:1,b:2"];
    let postgres = ["postgres://user:secret@h/db", "postgresql://u@%2Frun/db?sslmode=disable"];
    let with = |text: &str| format!(r#"{{"repository": "{text}", "key": "{KEY}"}}"#);
    for text in redis.iter().filter(|_| !cfg!(feature = "redis")) {
        unsupported(&[(&with(text), "repository redis")]);
    }
    for text in postgres.iter().filter(|_| !cfg!(feature = "postgres")) {
        unsupported(&[(&with(text), "repository postgres")]);
    }
}

#[test]
fn mail_needs_a_build_that_has_it() {
    let with = |sender: Value, step: Value| {
        json!({"repository": "memory:", "senders": {"mail": sender}, "workflow": [step]}).to_string()
    };
    let (sender, step) =
        (json!({"type": "smtp", "host": "h"}), json!({"channel": "email", "from": "codes@acme.example"}));
    if !cfg!(feature = "smtp") {
        unsupported(&[(&with(sender.clone(), step.clone()), "senders.mail: smtp")]);
    }
    // What is wrong besides is said first.
    refused(&[
        (&with(json!({"type": "smtp", "host": "h", "port": 0}), step), "senders.mail.port: must be"),
        (&with(sender, json!({"channel": "email"})), "workflow[0].from: missing"),
    ]);
}

#[test]
fn postgres_takes_the_options_of_servers() {
    let url = "postgresql://u:p@h/d?sslmode=verify-full";
    let more = r#""keyFile": "k", "caFile": "/c", "poolSize": 3, "durability": "process""#;
    assert_eq!(detail(&format!(r#"{{"repository": "{url}", {more}}}"#)), None);
}

#[test]
fn every_default_is_the_one_that_is_listed() {
    let config = Config::parse(Some(r#"{"repository": "memory:"}"#)).ok().unwrap();
    let (policy, minute) = (&config.policy, crate::clock::MINUTE_MS);
    let failures = policy.subject_failures;
    for (name, value) in [
        ("otpLength", u64::from(config.otp_length)),
        ("validityTime", config.validity_ms / minute),
        ("maxAttempts", config.max_attempts.into()),
        ("policy.cooldownSeconds", policy.cooldown_ms / 1000),
        ("policy.subjectFailures.lockAfter", failures.lock_after.into()),
        ("policy.subjectFailures.lockMinutes", failures.lock_ms / minute),
        ("policy.subjectFailures.disableAfter", failures.disable_after.into()),
        ("policy.retentionMinutes", policy.retention_minutes.into()),
        ("sender.timeoutSeconds", config.deadline_ms() / 1000),
        ("workflow[].expiryTime", config.workflow[0].expiry_seconds.into()),
    ] {
        let option = listed().into_iter().find(|option| option["name"] == name).unwrap();
        assert_eq!(option["default"], value.to_string(), "{name}");
    }
    let limits: Vec<_> =
        policy.send_limits.iter().map(|it| format!("{} in {}", it.count, it.window_ms / minute)).collect();
    let option = listed().into_iter().find(|option| option["name"] == "policy.sendLimits").unwrap();
    assert_eq!(option["default"], format!("{} minutes", limits.join(", ")));
}
