mod delivery;
mod http;
mod options;
mod secret;
mod smtp;
mod typed;

use std::path::PathBuf;

use super::{Access, CarrierConfig, Condition, Config, Durability, KeySource, RepositoryUrl, StepConfig, Via};
use crate::message::Texts;
use crate::outcome::Outcome;
use crate::policy::{Policy, Profile, SendLimit};
use crate::strict::tests::with_mutants;

/// 32 bytes in Base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn config(json: &str) -> Config {
    Config::parse(Some(json)).map_err(|error| format!("{json}: {error}")).ok().unwrap()
}

fn policy(json: &str) -> Policy {
    config(&format!(r#"{{"policy": {json}}}"#)).policy
}

fn error(json: &str) -> (Outcome, String) {
    let error = Config::parse(Some(json)).err().unwrap_or_else(|| panic!("{json} is accepted"));
    (error.outcome(), error.detail().to_owned())
}

/// Each is refused as `Config`, with a text that begins like this.
fn refused(cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        let (outcome, detail) = error(json);
        assert!(outcome == Outcome::Config && detail.starts_with(expected), "{json}: {outcome:?} {detail}");
    }
}

fn unsupported(cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        let expected = (Outcome::Unsupported, format!("{expected}: not supported by this build"));
        assert_eq!(error(json), expected, "{json}");
    }
}

/// What the only sender is, and its time-out.
fn lone(config: &Config) -> (Via, u64) {
    let [sender] = &config.senders[..] else { panic!() };
    (sender.via, sender.timeout_ms)
}

/// How the only carrier is reached.
fn carrier_of(mut config: Config) -> CarrierConfig {
    let Some(Access::Vonage(carrier)) = config.senders[0].access.take() else { panic!() };
    carrier
}

fn here(path: &str) -> PathBuf {
    std::env::current_dir().unwrap().join(path)
}

#[test]
fn defaults() {
    for json in [None, Some("{}"), Some(r#"{"policy": {"subjectFailures": {}}, "sender": {"type": "console"}}"#)] {
        let config = Config::parse(json).ok().unwrap();
        assert!(config.repository == RepositoryUrl::Sqlite(here("otp.db")));
        assert!(matches!(&config.key, KeySource::Beside(path) if *path == here("otp.db.key")));
        assert!(config.previous_keys.is_empty());
        assert_eq!(config.namespace, "default");
        assert_eq!((config.otp_length, config.validity_ms, config.max_attempts), (6, 300_000, 5));
        assert_eq!(config.policy, Policy::default());
        assert_eq!(config.texts, Texts::default());
        assert!(!config.own_codes);
        assert_eq!(lone(&config), (Via::Console, 10_000));
        assert_eq!(config.workflow, [StepConfig::new("messenger"), StepConfig::new("sms")]);
        assert_eq!(config.durability, Durability::Full);
    }
    let step = StepConfig::new("messenger");
    assert_eq!((step.expiry_seconds, step.condition, step.from), (120, None, None));
}

#[test]
fn whole_configuration() {
    let config = config(&format!(
        r#"{{"repository": "memory:", "key": "{KEY}", "previousKeys": ["{KEY}"], "namespace": "ü b", "otpLength": 10,
            "validityTime": 0.5, "maxAttempts": 3, "ownCodes": true, "background": false, "brand": "B",
            "message": {{"en": "{{brand}} {{code}}"}}, "webOtpDomain": "example.com", "durability": "process",
            "sender": {{"type": "host", "timeoutSeconds": 3}},
            "workflow": [{{"channel": "pager_2", "from": "me", "expiryTime": 15, "conditionStatus": "delivered",
                           "template": "{{code}}!"}}],
            "policy": {{"profile": "pci", "cooldownSeconds": 1, "sendLimits": [{{"count": 2, "minutes": 3}}],
                        "subjectFailures": {{"lockAfter": 4, "lockMinutes": 31, "disableAfter": 50}},
                        "countries": ["39", "1"], "retentionMinutes": 0}}}}"#
    ));
    assert!(config.repository == RepositoryUrl::Memory);
    assert!(matches!(&config.key, KeySource::Given(key) if key.as_slice() == (0..32).collect::<Vec<u8>>()));
    assert_eq!((config.previous_keys.len(), config.namespace.as_str()), (1, "ü b"));
    assert_eq!((config.otp_length, config.validity_ms, config.max_attempts), (10, 30_000, 3));
    assert!(config.own_codes);
    assert_eq!(lone(&config), (Via::Host, 3000));
    assert_eq!(config.durability, Durability::Process);
    let step = StepConfig {
        channel: "pager_2".into(),
        sender: 0,
        from: Some("me".into()),
        subject: None,
        expiry_seconds: 15,
        condition: Some(Condition::Delivered),
        template: Some("{code}!".into()),
        provider_template: None,
        max_characters: None,
    };
    assert_eq!(config.workflow, [step]);
    let policy = &config.policy;
    assert_eq!((policy.profile, policy.cooldown_ms, policy.retention_minutes), (Profile::Pci, 1000, 0));
    assert_eq!(policy.send_limits, [SendLimit { channel: None, count: 2, window_ms: 180_000 }]);
    let failures = policy.subject_failures;
    assert_eq!((failures.lock_after, failures.lock_ms, failures.disable_after), (4, 1_860_000, 50));
    assert!(policy.allows("39") && policy.allows("1202") && !policy.allows("44"));
    assert!(!policy.context_required);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn repositories() {
    for (text, expected) in [
        ("sqlite:/a/b.db", PathBuf::from("/a/b.db")),
        ("sqlite:file:x?nolock=1", here("file:x?nolock=1")),
        ("sqlite::memory:", here(":memory:")),
        ("sqlite: x%20", here(" x%20")),
    ] {
        let config = config(&format!(r#"{{"repository": "{text}"}}"#));
        assert!(config.repository == RepositoryUrl::Sqlite(expected), "{text}");
    }
    for text in ["json:otp", "json:otp/", "json:./otp//"] {
        let config = config(&format!(r#"{{"repository": "{text}"}}"#));
        assert!(config.repository == RepositoryUrl::Json(here("otp")), "{text}");
        assert!(matches!(&config.key, KeySource::Beside(path) if *path == here("otp.key")), "{text}");
    }
    for text in ["", "otp.db", "sqlite", "SQLITE:x", "mysql://h", "postgresqls://h/d", "memory:x", "otp:file"] {
        refused(&[(&format!(r#"{{"repository": "{text}"}}"#), "repository: must be sqlite:PATH, ")]);
    }
    refused(&[
        (r#"{"repository": "sqlite:"}"#, "repository: must not be empty"),
        (r#"{"repository": "sqlite:a\u0000b"}"#, "repository: must not contain a NUL"),
        (r#"{"repository": "sqlite:otp/"}"#, "repository: must name a file"),
        (r#"{"repository": "sqlite:.."}"#, "repository: must end with a name"),
        (r#"{"repository": "json:"}"#, "repository: must not be empty"),
        (r#"{"repository": "json:/"}"#, "repository: must end with a name"),
        (r#"{"repository": "json:a/.."}"#, "repository: must end with a name"),
        (r#"{"repository": "redis:h", "keyFile": "k"}"#, "repository: must name a host"),
        (r#"{"repository": "redis://", "keyFile": "k"}"#, "repository: must name a host"),
        (r#"{"repository": "redis://user:pw@/0", "keyFile": "k"}"#, "repository: must name a host"),
        (r#"{"repository": "redis://:6379", "keyFile": "k"}"#, "repository: must name a host"),
        (r#"{"repository": "postgres://h h/d", "keyFile": "k"}"#, "repository: must name a host"),
        (r#"{"repository": "redis://h"}"#, "key: needed"),
        (r#"{"repository": "postgres://h/d"}"#, "key: needed"),
        (r#"{"repository": null}"#, "repository: must be a text"),
    ]);
}

#[test]
fn keys() {
    assert!(matches!(config(r#"{"repository": "memory:"}"#).key, KeySource::None));
    let file = config(r#"{"keyFile": "keys/otp"}"#).key;
    assert!(matches!(&file, KeySource::File(path) if *path == here("keys/otp")));
    let many = |count| format!(r#"{{"previousKeys": [{}]}}"#, vec![format!("\"{KEY}\""); count].join(","));
    assert_eq!(config(&many(16)).previous_keys.len(), 16);
    refused(&[
        (&many(17), "previousKeys: must have 0 to 16 items"),
        (&format!(r#"{{"key": "{KEY}", "keyFile": "k"}}"#), "keyFile: not possible together with key"),
        (r#"{"key": ""}"#, "key: must hold 32 bytes or more"),
        (r#"{"key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="}"#, "key: must hold 32 bytes or more"),
        (&format!(r#"{{"key": "{}"}}"#, KEY.replace('A', "*")), "key: must be Base64"),
        (&format!(r#"{{"key": "{}"}}"#, KEY.replace('=', "==")), "key: must be Base64"),
        (&format!(r#"{{"keyFile": "{KEY}"}}"#), "keyFile: must be the path of a file; a key itself is given as key"),
        (r#"{"previousKeys": ["AAAA"]}"#, "previousKeys[0]: must hold 32 bytes or more"),
        (r#"{"previousKeys": "AAAA"}"#, "previousKeys: must be a list"),
        (r#"{"keyFile": ""}"#, "keyFile: must not be empty"),
        (r#"{"keyFile": "k/"}"#, "keyFile: must name a file"),
        (r#"{"keyFile": "./otp.db"}"#, "keyFile: is the repository itself"),
    ]);
}

#[test]
fn ranges() {
    // Option, values that are accepted, values that are not.
    let table: &[(&str, &[&str], &[&str])] = &[
        ("otpLength", &["4", "10"], &["3", "11", "6.0", "\"6\"", "null"]),
        (
            "validityTime",
            &["0.01666666", "0.5", "5", "1440", "1e1"],
            &["0.0166", "0", "-1", "1440.01", "1e300", "\"5\""],
        ),
        ("maxAttempts", &["1", "10"], &["0", "11", "-1", "2.5"]),
        ("namespace", &["\"a\"", "\"a b/..\""], &["\"\"", "\"a\\n\"", "\"\\u0000\"", "1"]),
        ("durability", &["\"full\"", "\"process\""], &["\"none\"", "\"FULL\"", "true"]),
        ("ownCodes", &["true", "false"], &["1", "\"true\"", "null"]),
        ("policy.profile", &["\"standard\"", "\"nist\"", "\"pci\"", "\"psd2\""], &["\"NIST\"", "\"\"", "1"]),
        ("policy.cooldownSeconds", &["0", "3600"], &["3601", "-1", "0.5"]),
        ("policy.retentionMinutes", &["0", "43200"], &["43201", "-1"]),
        (
            "policy.countries",
            &["[\"39\"]", "[\"1\", \"1234567\"]"],
            &["[]", "[39]", "[\"+39\"]", "[\"\"]", "[\"039\"]", "[\"12345678\"]", "\"39\"", "{}"],
        ),
        ("policy.subjectFailures.lockAfter", &["1", "100"], &["0", "101"]),
        ("policy.subjectFailures.lockMinutes", &["1", "1440"], &["0", "1441"]),
        ("policy.subjectFailures.disableAfter", &["1", "100"], &["0", "101"]),
        (
            "policy.sendLimits",
            &["[]", "[{\"count\": 1, \"minutes\": 1}]", "[{\"count\": 1000, \"minutes\": 1440}]"],
            &[
                "{}",
                "[{}]",
                "[{\"count\": 1}]",
                "[{\"count\": 0, \"minutes\": 1}]",
                "[{\"count\": 1001, \"minutes\": 1}]",
                "[{\"count\": 1, \"minutes\": 0}]",
                "[{\"count\": 1, \"minutes\": 1441}]",
                "[{\"count\": 1, \"minutes\": 1, \"x\": 1}]",
            ],
        ),
        ("sender.timeoutSeconds", &["1", "120"], &["0", "121", "1.5"]),
    ];
    for (option, accepted, rejected) in table {
        let json = |value: &str| {
            let extra = if option.starts_with("sender.") { r#""type": "host", "# } else { "" };
            let mut names: Vec<_> = option.split('.').collect();
            let inner = format!(r#"{{{extra}"{}": {value}}}"#, names.pop().unwrap());
            names.iter().rev().fold(inner, |inner, name| format!(r#"{{"{name}": {inner}}}"#))
        };
        for value in *accepted {
            config(&json(value));
        }
        for value in *rejected {
            refused(&[(&json(value), option)]);
        }
    }
    assert_eq!(config(r#"{"validityTime": 0.01666666}"#).validity_ms, 1000);
    assert_eq!(config(r#"{"validityTime": 1440}"#).validity_ms, 86_400_000);
    let namespace = |bytes| format!(r#"{{"namespace": "{}"}}"#, "n".repeat(bytes));
    config(&namespace(64));
    refused(&[(&namespace(65), "namespace: ")]);
    let limits = |count| {
        format!(r#"{{"policy": {{"sendLimits": [{}]}}}}"#, vec![r#"{"count": 1, "minutes": 1}"#; count].join(","))
    };
    config(&limits(10));
    refused(&[(&limits(11), "policy.sendLimits: must have 0 to 10 items")]);
}

#[test]
fn unknown_and_repeated_options() {
    refused(&[
        ("", "config: not valid JSON"),
        ("[]", "config: must be an object"),
        ("null", "config: must be an object"),
        (r#"{"otplength": 6}"#, "otplength: unknown"),
        (r#"{"otpLength": 6, "otpLength": 6}"#, "otpLength: repeated"),
        (r#"{"policy": {"x": 1}}"#, "policy.x: unknown"),
        (r#"{"policy": {"profile": "nist", "profile": "nist"}}"#, "policy.profile: repeated"),
        (r#"{"policy": {"subjectFailures": {"x": 1}}}"#, "policy.subjectFailures.x: unknown"),
        (r#"{"policy": null}"#, "policy: must be an object"),
        (r#"{"sender": {"type": "console", "apiKey": "k"}}"#, "sender.apiKey: unknown"),
        (r#"{"workflow": [{"channel": "sms", "to": "1"}]}"#, "workflow[0].to: unknown"),
        (r#"{"webhook": {"signatureSecret": "abcd", "x": 1}}"#, "webhook.x: unknown"),
        (r#"{"auth": "jwt"}"#, "auth: unknown"),
    ]);
}

#[test]
fn profiles_refuse_weaker_options() {
    let under =
        |profile: &str, policy: &str, rest: &str| format!(r#"{{"policy": {{"profile": "{profile}"{policy}}}{rest}}}"#);
    let failures = |member: &str| format!(r#", "subjectFailures": {{{member}}}"#);
    let cases = [
        ("nist", String::new(), r#", "otpLength": 5"#, "otpLength"),
        ("nist", String::new(), r#", "validityTime": 10.001"#, "validityTime"),
        ("psd2", String::new(), r#", "maxAttempts": 6"#, "maxAttempts"),
        ("psd2", failures(r#""lockAfter": 6"#), "", "policy.subjectFailures.lockAfter"),
        ("pci", failures(r#""lockAfter": 11"#), "", "policy.subjectFailures.lockAfter"),
        ("pci", failures(r#""lockMinutes": 29"#), "", "policy.subjectFailures.lockMinutes"),
    ];
    for (profile, policy, rest, option) in &cases {
        refused(&[(&under(profile, policy, rest), &format!("{option}: weaker than profile {profile} allows"))]);
        assert!(!config(&under("standard", policy, rest)).warnings.is_empty());
    }
    for json in [
        under("nist", "", r#", "otpLength": 6, "validityTime": 10"#),
        under("psd2", &failures(r#""lockAfter": 5"#), r#", "maxAttempts": 5, "otpLength": 4"#),
        under("pci", &failures(r#""lockAfter": 10, "lockMinutes": 30"#), r#", "validityTime": 1440"#),
    ] {
        config(&json);
    }
}

#[test]
fn profiles_tighten_defaults() {
    for (profile, lock_after, context_required) in
        [("standard", 10, false), ("nist", 10, false), ("psd2", 5, true), ("pci", 10, false)]
    {
        let policy = policy(&format!(r#"{{"profile": "{profile}"}}"#));
        assert_eq!((policy.subject_failures.lock_after, policy.context_required), (lock_after, context_required));
        assert_eq!(policy.subject_failures.lock_ms, 1_800_000);
    }
    assert_eq!(policy(r#"{"profile": "psd2", "subjectFailures": {"lockAfter": 3}}"#).subject_failures.lock_after, 3);
}

#[test]
fn warnings() {
    let quiet = r#""repository": "memory:", "sender": {"type": "none"}"#;
    let countries = r#""countries": ["39"]"#;
    let with = |options: &str, policy: &str| {
        config(&format!(r#"{{{quiet}{options}, "policy": {{{countries}{policy}}}}}"#)).warnings
    };
    assert_eq!(with("", ""), Vec::<String>::new());
    let told = |options: &str| config(&format!("{{{quiet}{options}}}")).warnings;
    assert_eq!(told("").len(), 2);
    let undecided = told(r#", "defaultCountry": "39""#);
    assert!(undecided.len() == 1 && undecided[0].starts_with("policy.countries: "), "{undecided:?}");
    for (options, policy, expected) in [
        (r#", "otpLength": 5"#, "", "otpLength: "),
        (r#", "validityTime": 11"#, "", "validityTime: "),
        (r#", "maxAttempts": 6"#, "", "maxAttempts: "),
        ("", r#", "subjectFailures": {"lockAfter": 11}"#, "policy.subjectFailures.lockAfter: "),
        ("", r#", "subjectFailures": {"lockMinutes": 29}"#, "policy.subjectFailures.lockMinutes: "),
        ("", r#", "sendLimits": []"#, "policy.sendLimits: "),
        ("", r#", "cooldownSeconds": 0"#, "policy.cooldownSeconds: "),
        (
            "",
            r#", "subjectFailures": {"lockAfter": 10, "disableAfter": 9}"#,
            "policy.subjectFailures.lockAfter: no lock comes before disableAfter disables the subject",
        ),
    ] {
        let warnings = with(options, policy);
        assert!(warnings.len() == 1 && warnings[0].starts_with(expected), "{warnings:?}");
    }
    for (sender, accept, is_warned) in [
        ("host", r#"["params"]"#, true),
        ("host", "[]", true),
        ("host", r#"["params", "phoneNumber"]"#, false),
        ("host", r#"["messengerId"]"#, false),
        ("none", "[]", false),
    ] {
        let json = format!(r#"{{"repository": "memory:", "sender": {{"type": "{sender}"}}, "accept": {accept}}}"#);
        let warnings = config(&json).warnings;
        assert_eq!(warnings.iter().any(|warning| warning.starts_with("accept: ")), is_warned, "{json}: {warnings:?}");
    }
    let defaults = config("{}").warnings;
    assert_eq!(defaults.len(), 4, "{defaults:?}");
    for (warning, option) in defaults.iter().zip(["policy.countries: ", "defaultCountry: ", "sender: ", "keyFile: "]) {
        assert!(warning.starts_with(option), "{warning}");
    }
    for (json, is_beside) in [
        (r#"{"repository": "sqlite:a/otp.db", "keyFile": "a/k"}"#, true),
        (r#"{"repository": "sqlite:a/otp.db", "keyFile": "a/../k"}"#, false),
        (r#"{"repository": "sqlite:a/otp.db", "keyFile": "k"}"#, false),
        (r#"{"repository": "json:a/otp", "keyFile": "a/k"}"#, true),
        (r#"{"repository": "json:a/otp", "keyFile": "a/otp/b/k"}"#, true),
        (r#"{"repository": "json:a/otp", "keyFile": "b/k"}"#, false),
        (r#"{"repository": "memory:", "keyFile": "k"}"#, false),
    ] {
        let warnings = config(json).warnings;
        assert_eq!(warnings.iter().any(|warning| warning.starts_with("keyFile: ")), is_beside, "{json}");
    }
}

#[test]
fn mutants_do_not_panic() {
    let seeds = [
        r#"{"repository": "sqlite:/tmp/x.db", "otpLength": 6, "validityTime": 2.5, "ownCodes": true, "brand": "b"}"#,
        r#"{"policy": {"profile": "nist", "sendLimits": [{"count": 1, "minutes": 9}], "countries": ["39", "44"]}}"#,
        r#"{"sender": {"type": "host", "timeoutSeconds": 3}, "workflow": [{"channel": "sms", "template": "{code}"}]}"#,
        r#"{"message": {"en": "{code} {minutes}", "it-IT": "{code}"}, "webOtpDomain": "example.com"}"#,
    ];
    let (mut accepted, mut refused) = (0, 0);
    with_mutants(&seeds, 20_000, |json| match Config::parse(Some(json)) {
        Ok(config) => {
            assert!((4..=10).contains(&config.otp_length) && (1000..=86_400_000).contains(&config.validity_ms));
            assert!((1..=5).contains(&config.workflow.len()));
            accepted += 1;
        }
        Err(error) => {
            assert!(matches!(error.outcome(), Outcome::Config | Outcome::Unsupported));
            assert!(error.detail().lines().count() == 1 && error.detail().is_ascii(), "{error}");
            refused += 1;
        }
    });
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}
