//! The options of sender `smtp`, and the channel of mail.

use serde_json::{Value, json};

use super::super::smtp::{SmtpConfig, SmtpTls};
use super::{Access, Config, config, error, refused};
use crate::outcome::Outcome;

const FROM: &str = "ACME <codes@acme.example>";

/// A configuration with these options of the sender, and members of its step.
fn with(options: &Value, step: &Value) -> String {
    let join = |base: Value, more: &Value| {
        let mut base = base;
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        base
    };
    let sender = join(json!({"type": "smtp", "host": "mail.example"}), options);
    let step = join(json!({"channel": "email", "from": FROM}), step);
    json!({"repository": "memory:", "policy": {"countries": ["39"]}, "sender": sender, "workflow": [step]}).to_string()
}

fn refuses(cases: &[(Value, Value, &str)]) {
    cases.iter().for_each(|(options, step, expected)| refused(&[(&with(options, step), expected)]));
}

/// What is right, and refused by no more than a build without mail.
fn is_right(json: &str) -> bool {
    Config::parse(Some(json)).err().is_none_or(|error| error.outcome() == Outcome::Unsupported)
}

fn read(options: &Value) -> SmtpConfig {
    let json = with(options, &json!({}));
    let mut config = config(&json);
    let Some(Access::Smtp(smtp)) = config.senders[0].access.take() else { panic!() };
    smtp
}

#[cfg(feature = "smtp")]
#[test]
fn servers() {
    let told = |options: Value| {
        let smtp = read(&options);
        let account = smtp.account.map(|(user, password)| format!("{user} {}", *password)).unwrap_or_default();
        (smtp.host, smtp.port, smtp.tls, account)
    };
    let plain = |host: &str, port, tls| (host.to_owned(), port, tls, String::new());
    assert_eq!(told(json!({})), plain("mail.example", 587, SmtpTls::StartTls));
    assert_eq!(told(json!({"tls": "starttls", "port": 25})), plain("mail.example", 25, SmtpTls::StartTls));
    assert_eq!(told(json!({"tls": "implicit"})), plain("mail.example", 465, SmtpTls::Implicit));
    assert_eq!(told(json!({"tls": "none", "port": 2525, "host": "::1"})), plain("::1", 2525, SmtpTls::None));
    assert_eq!(told(json!({"tls": "none", "port": 25, "host": "[::1]"})), plain("::1", 25, SmtpTls::None));
    assert_eq!(told(json!({"tls": "none", "port": 25, "host": "localhost"})), plain("localhost", 25, SmtpTls::None));
    assert_eq!(told(json!({"host": "192.0.2.1"})), plain("192.0.2.1", 587, SmtpTls::StartTls));
    assert_eq!(told(json!({"user": "u", "password": "p\u{f6} s"})).3, "u p\u{f6} s");
    assert!(config(&with(&json!({}), &json!({}))).warnings.is_empty());
}

#[test]
fn servers_that_are_refused() {
    let none = json!({});
    for host in ["", "a b", "a:25", "smtp://a", "a/b", "user@a", "a\r\nb", "-a", "a..b", "[::1"] {
        refuses(&[(json!({"host": host}), none.clone(), "sender.host: must be the name or the address of a host")]);
    }
    refuses(&[
        (json!({"host": 1}), none.clone(), "sender.host: must be a text"),
        (json!({"port": 0}), none.clone(), "sender.port: must be"),
        (json!({"port": 65536}), none.clone(), "sender.port: must be"),
        (json!({"port": "25"}), none.clone(), "sender.port: must be"),
        (json!({"tls": "ssl"}), none.clone(), "sender.tls: must be"),
        (json!({"tls": "none"}), none.clone(), "sender.port: missing"),
        (json!({"tls": "none", "port": 25, "host": "192.0.2.1"}), none.clone(), "sender.host: not this machine"),
        (json!({"user": "u"}), none.clone(), "sender.password: missing"),
        (json!({"password": "p"}), none.clone(), "sender.user: missing"),
        (json!({"user": "", "password": "p"}), none.clone(), "sender.user: must be"),
        (json!({"user": "u", "password": "p\r\nx"}), none.clone(), "sender.password: must be"),
        (json!({"user": "u", "password": "env:NO_SUCH_VARIABLE"}), none.clone(), "sender.password: the environment"),
        (
            json!({"tls": "none", "port": 25, "host": "::1", "user": "u", "password": "p"}),
            none.clone(),
            "sender.user: goes over TLS alone, and tls is none",
        ),
        (json!({"url": "https://h"}), none.clone(), "sender.url: unknown"),
        (json!({"timeoutSeconds": 0}), none, "sender.timeoutSeconds: must be"),
    ]);
    refused(&[
        (r#"{"repository": "memory:", "sender": {"type": "smtp"}}"#, "sender.host: missing"),
        (
            r#"{"repository": "memory:", "sender": {"type": "smtp", "host": "h"}}"#,
            "workflow: missing: sender smtp needs a step of channel email with a from",
        ),
    ]);
}

#[test]
fn steps() {
    let none = json!({});
    for from in ["codes@acme.example", FROM, "\"ACME, Inc.\" <codes@acme.example>"] {
        assert!(is_right(&with(&none, &json!({"from": from}))), "{from}");
    }
    for from in
        ["ACME", "", "a@b, c@d", "<a@b> x", "A\r\nBcc: x <a@b.example>", &format!("{} <a@b.c>", "x".repeat(320))]
    {
        refuses(&[(none.clone(), json!({"from": from}), "workflow[0].from: must be an address such as")]);
    }
    refuses(&[
        (none.clone(), json!({"channel": "sms"}), "workflow[0].channel: sender smtp has the channel email alone"),
        (none.clone(), json!({"channel": "mail"}), "workflow[0].channel: sender smtp has the channel email alone"),
        (
            none.clone(),
            json!({"subject": ""}),
            "workflow[0].subject: must be a text that is not empty, without control characters",
        ),
        (none.clone(), json!({"subject": "a\r\nBcc: b"}), "workflow[0].subject: must be a text that is not empty"),
        (none.clone(), json!({"subject": "{brand}"}), "workflow[0].subject: {brand} needs the option brand"),
        (none.clone(), json!({"subject": "x".repeat(257)}), "workflow.subject: longer than 256 bytes"),
    ]);
    assert!(is_right(&with(&none, &json!({"subject": "{code} {minutes} {name}"}))));
    let step = json!({"channel": "email", "subject": "x"});
    for sender in ["host", "console", "none"] {
        assert!(is_right(&json!({"sender": {"type": sender}, "workflow": [step.clone()]}).to_string()));
    }
    let http = json!({"type": "http", "url": "https://h", "json": {"s": "{subject}", "t": "{text}"}});
    assert!(is_right(&json!({"sender": http.clone(), "workflow": [step.clone()]}).to_string()));
    let vonage = json!({"type": "messages", "apiKey": "k", "apiSecret": "s"});
    let sms = json!({"channel": "sms", "subject": "x"});
    for (sender, step, expected) in [
        (http, sms.clone(), "workflow[0].subject: for the channel email alone"),
        (vonage.clone(), sms, "workflow[0].subject: for the channel email alone"),
        (vonage, step.clone(), "workflow[0].channel: not a channel of sender messages"),
        (
            json!({"type": "dispatch", "apiKey": "k", "apiSecret": "s"}),
            step,
            "workflow[0].channel: not a channel of sender dispatch",
        ),
    ] {
        refused(&[(&json!({"sender": sender, "workflow": [step]}).to_string(), expected)]);
    }
}

#[test]
fn profile_nist_has_no_codes_by_mail() {
    let email = json!({"channel": "email", "from": FROM});
    for sender in [json!({"type": "smtp", "host": "mail.example"}), json!({"type": "host"}), json!({"type": "none"})] {
        let config = |profile: &str| {
            json!({"sender": sender, "policy": {"profile": profile}, "workflow": [{"channel": "email", "from": FROM}]})
                .to_string()
        };
        assert!(is_right(&config("standard")));
        let expected = "workflow[0].channel: profile nist has no codes by e-mail (SP 800-63B-4, 3.1.3.1)";
        assert_eq!(error(&config("nist")), (Outcome::Config, expected.to_owned()));
    }
    let both = json!({"sender": {"type": "none"}, "policy": {"profile": "nist"},
        "workflow": [{"channel": "sms"}, email]});
    assert!(error(&both.to_string()).1.starts_with("workflow[1].channel: profile nist"));
}

#[cfg(feature = "smtp")]
#[test]
fn conditions_that_never_come() {
    for (condition, warns) in [("read", true), ("delivered", true), ("verified", false)] {
        let config = config(&with(&json!({}), &json!({"conditionStatus": condition})));
        let expected = "workflow[0].conditionStatus: sender smtp brings no receipts";
        assert_eq!(config.warnings.iter().any(|warning| warning == expected), warns, "{condition}");
    }
}

/// Like a number it may be brought, whether or not a step goes there.
#[test]
fn requests_may_be_held_to_an_address_of_mail() {
    let with = |accept: &str| json!({"sender": {"type": "none"}, "accept": [accept]}).to_string();
    assert!(is_right(&with("email")));
    refused(&[(&with("mail"), "accept[0]: must be the name of a member of a request")]);
    let request = |json: &str| {
        crate::request::Request::parse(Some(json), &config(&with("email"))).map(|request| request.addresses.len())
    };
    assert_eq!(request(r#"{"email": "a@b.example"}"#).ok(), Some(1));
    for json in [r#"{"phoneNumber": "393331234567"}"#, r#"{"email": ""}"#, r#"{"email": 1}"#, r#"{"email": "a b@c"}"#] {
        assert_eq!(request(json).err().map(|error| error.outcome()), Some(Outcome::Argument), "{json}");
    }
}
