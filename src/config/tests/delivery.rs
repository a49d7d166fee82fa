use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::super::{Auth, CarrierConfig, Condition, Config, PrivateKey, SenderConfig, Via, delivery};
use serde_json::{Value, json};

use super::{carrier_of, config, here, lone, refused};
use crate::error::Error;
use crate::message::Texts;
use crate::strict;

#[test]
fn workflows() {
    let steps = |json: &str| config(&format!(r#"{{"sender": {{"type": "host"}}, "workflow": {json}}}"#)).workflow;
    let sms = &steps(r#"[{"channel": "sms"}]"#)[0];
    assert_eq!((sms.condition, sms.expiry_seconds, sms.from.as_deref()), (None, 120, None));
    assert_eq!(steps(r#"[{"channel": "whatsapp", "expiryTime": 86400}]"#)[0].condition, None);
    assert_eq!(steps(r#"[{"channel": "sms", "conditionStatus": "read"}]"#)[0].condition, Some(Condition::Read));
    assert_eq!(steps(&format!("[{}]", [r#"{"channel": "sms"}"#; 5].join(","))).len(), 5);
    for (steps, expected) in [
        ("[]", "workflow: must have 1 to 5 items"),
        (&*format!("[{}]", [r#"{"channel": "sms"}"#; 6].join(",")), "workflow: must have 1 to 5 items"),
        ("{}", "workflow: must be a list"),
        (r#"["sms"]"#, "workflow[0]: must be an object"),
        (r#"[{"from": "1"}]"#, "workflow[0].channel: missing"),
        (r#"[{"channel": "SMS"}]"#, "workflow[0].channel: must be 1 to 32 lower-case letters"),
        (r#"[{"channel": ""}]"#, "workflow[0].channel: must be"),
        (r#"[{"channel": "a-b"}]"#, "workflow[0].channel: must be"),
        (r#"[{"channel": "sms"}, {"channel": "code"}]"#, "workflow[1].channel: a request has another member"),
        (r#"[{"channel": "subject"}]"#, "workflow[0].channel: a request has another member"),
        (r#"[{"channel": "sms", "from": ""}]"#, "workflow[0].from: must be"),
        (r#"[{"channel": "sms", "expiryTime": 14}]"#, "workflow[0].expiryTime: must be an integer from 15 to 86400"),
        (r#"[{"channel": "sms", "expiryTime": 86401}]"#, "workflow[0].expiryTime: "),
        (r#"[{"channel": "sms", "conditionStatus": "accepted"}]"#, "workflow[0].conditionStatus: must be one of"),
        (r#"[{"channel": "sms", "template": "x"}]"#, "workflow[0].template: must contain {code}"),
        (r#"[{"channel": "sms", "template": "{code} {brand}"}]"#, "workflow[0].template: {brand} needs"),
    ] {
        refused(&[(&format!(r#"{{"workflow": {steps}}}"#), expected)]);
    }
    let long = format!(r#"{{"workflow": [{{"channel": "sms", "template": "{{code}}{}"}}]}}"#, "x".repeat(2000));
    refused(&[(&long, "workflow: text for sms: longer than 2000 bytes")]);
}

#[test]
fn a_name_that_no_sms_can_carry_is_told() {
    let told = |sender: &str, channel: &str, from: &str| {
        let workflow = json!([{"channel": "sms"}, {"channel": channel, "from": from}]);
        let warnings = config(&format!(r#"{{"sender": {sender}, "workflow": {workflow}}}"#)).warnings;
        warnings.iter().filter(|warning| warning.contains("a name that sends SMS")).cloned().collect::<Vec<_>>()
    };
    let messages = r#"{"type": "messages", "apiKey": "k", "apiSecret": "s"}"#;
    let expected = ["workflow[1].from: a name that sends SMS has 11 characters at most"];
    assert_eq!(told(messages, "sms", "Example Inc."), expected);
    assert_eq!(told(messages, "sms", "12345678901x"), expected);
    for (sender, channel, from) in [
        (messages, "sms", "Example Inc"),
        (messages, "sms", "393331234567"),
        (messages, "sms", "+393331234567"),
        (messages, "whatsapp", "Example Inc."),
        (r#"{"type": "host"}"#, "sms", "Example Inc."),
        (r#"{"type": "console"}"#, "sms", "Example Inc."),
    ] {
        assert_eq!(told(sender, channel, from), [""; 0], "{from} {channel} {sender}");
    }
}

#[test]
fn carriers() {
    const DISPATCH: &str = r#""type": "dispatch", "applicationId": "a", "privateKey": "private.key""#;
    const BASIC: &str = r#""type": "messages", "apiKey": "k", "apiSecret": "s""#;
    assert!(config(r#"{"background": true}"#).background && !config("{}").background);
    let basic = config(&format!(r#"{{"sender": {{{BASIC}, "auth": "basic", "timeoutSeconds": 5}}}}"#));
    assert_eq!(lone(&basic), (Via::Messages, 5000));
    let webhook = r#"{"webhook": {"signatureSecret": "secret", "apiKey": "k", "maxAgeSeconds": 60}}"#;
    assert_eq!(config(webhook).webhook.map(|webhook| webhook.max_age_seconds), Some(60));
    assert!(config("{}").webhook.is_none());
    for (sender, expected) in [
        ("{}", "sender.type: missing"),
        (r#"{"type": "twilio"}"#, "sender.type: must be one of console, none, host, dispatch, messages, http"),
        (r#"{"type": "dispatch"}"#, "sender.type: needs applicationId and privateKey, or apiKey and apiSecret"),
        (r#"{"type": "dispatch", "auth": "basic"}"#, "sender.apiKey: missing"),
        (r#"{"type": "dispatch", "apiKey": "k"}"#, "sender.apiSecret: missing"),
        (r#"{"type": "dispatch", "apiKey": "k:", "apiSecret": "s"}"#, "sender.apiKey: must be 1 to 256"),
        (r#"{"type": "dispatch", "privateKey": "k"}"#, "sender.applicationId: missing"),
        (r#"{"type": "dispatch", "applicationId": "a", "auth": "jwt"}"#, "sender.privateKey: missing"),
        (r#"{"type": "dispatch", "applicationId": "a", "privateKey": ""}"#, "sender.privateKey: must be PEM"),
        (r#"{"type": "dispatch", "applicationId": "a b", "privateKey": "k"}"#, "sender.applicationId: must be 1"),
        (r#"{"type": "messages", "privateKey": "-----BEGIN PRIVATE KEY-----"}"#, "sender.privateKey: must be PEM"),
        (r#"{"type": "messages", "apiKey": "k", "apiSecret": "s", "auth": "both"}"#, "sender.auth: must be one of"),
    ] {
        refused(&[(&format!(r#"{{"sender": {sender}}}"#), expected)]);
    }
    refused(&[
        (r#"{"apiKey": "k"}"#, "applicationId: missing"),
        (r#"{"apiKey": "k", "sender": {"type": "console"}}"#, "apiKey: stands in sender"),
        (r#"{"apiKey": 1, "apiSecret": "s", "applicationId": "a"}"#, "apiKey: must be a text"),
        (r#"{"webhook": {}}"#, "webhook.signatureSecret: missing"),
        (r#"{"webhook": {"signatureSecret": "abc"}}"#, "webhook.signatureSecret: must be"),
        (r#"{"webhook": {"signatureSecret": "abcd", "maxAgeSeconds": 0}}"#, "webhook.maxAgeSeconds: must be"),
        // What is wrong comes before what is not there.
        (r#"{"background": true, "webhook": true}"#, "webhook: must be an object"),
        (r#"{"background": true, "otpLength": 1}"#, "otpLength: must be"),
        (r#"{"repository": "redis://h", "keyFile": "k", "x": 1}"#, "x: unknown"),
    ]);
    for (step, expected) in [
        (r#"{"channel": "pager", "from": "1"}"#, "workflow[0].channel: not a channel of sender dispatch"),
        (r#"{"channel": "rcs", "from": "1"}"#, "workflow[0].channel: not a channel of sender dispatch"),
        (r#"{"channel": "sms", "conditionStatus": "read"}"#, "workflow[0].conditionStatus: must be delivered"),
        (r#"{"channel": "whatsapp"}"#, "workflow: no step has a from"),
    ] {
        refused(&[(&format!(r#"{{"sender": {{{DISPATCH}}}, "workflow": [{step}]}}"#), expected)]);
    }
}

#[test]
fn carriers_leave_out_steps_without_sender_address() {
    let read = |json: &str| {
        let mut root = strict::parse(json, "config", Error::config).ok().unwrap().object().ok().unwrap();
        let mut warnings = Vec::new();
        let steps = delivery::read_workflow(&mut root, &senders(Via::Messages), &Texts::default(), &mut warnings);
        let steps: Vec<_> = steps.ok().unwrap().into_iter().map(|step| (step.channel, step.from.unwrap())).collect();
        (steps, warnings)
    };
    let (steps, warnings) = read("{}");
    assert_eq!(steps, [("sms".to_owned(), "NEXMO".to_owned())]);
    assert_eq!(warnings, ["workflow: step messenger is left out: it has no from"]);
    let (steps, warnings) = read(r#"{"workflow": [{"channel": "rcs", "from": "r"}, {"channel": "sms", "from": "s"}]}"#);
    assert_eq!(steps, [("rcs".to_owned(), "r".to_owned()), ("sms".to_owned(), "s".to_owned())]);
    assert!(warnings.is_empty());
}

#[test]
fn carriers_limit_texts() {
    let json = |kind: &str, message: &str| {
        format!(
            r#"{{"sender": {{"type": "{kind}", "apiKey": "k", "apiSecret": "s"}}, "message": "{message}",
                "workflow": [{{"channel": "messenger", "from": "1"}}, {{"channel": "sms"}}]}}"#
        )
    };
    for kind in ["dispatch", "messages"] {
        let long = "x".repeat(634);
        assert!(config(&json(kind, &format!("{{code}}{long}"))).workflow.len() == 2);
        let told = "message: text for messenger: longer than the 640 characters that the channel allows";
        refused(&[(&json(kind, &format!("{{code}}{long}x")), told)]);
        let warnings = config(&json(kind, "{code} — {who}")).warnings;
        let told = "message: an SMS takes 1 segment of UCS-2: not in GSM-7: —";
        assert!(warnings.iter().any(|warning| warning == told), "{warnings:?}");
    }
    let host = config(&format!(r#"{{"sender": {{"type": "host"}}, "message": "{{code}}{}"}}"#, "x".repeat(700)));
    assert!(host.warnings.iter().any(|warning| warning == "message: an SMS takes 5 segments"), "{:?}", host.warnings);
}

fn carrier(json: &str) -> CarrierConfig {
    carrier_of(config(json))
}

/// Somebody of this kind, as the only sender.
fn senders(via: Via) -> [SenderConfig; 1] {
    [SenderConfig { name: None, via, timeout_ms: 10_000, access: None, http: None }]
}

#[test]
fn credentials() {
    const BOTH: &str = r#""type": "messages", "apiKey": "k", "apiSecret": "s", "applicationId": "a""#;
    let tutorial = carrier(r#"{"apiKey": "k", "apiSecret": "s", "applicationId": "a"}"#);
    assert_eq!(tutorial.base_url, "https://api.nexmo.com");
    let with_file = carrier(&format!(r#"{{"sender": {{{BOTH}, "privateKey": "keys/own.key"}}}}"#));
    for (config, path) in [(tutorial, "private.key"), (with_file, "keys/own.key")] {
        let Auth::Jwt { application_id, private_key: PrivateKey::File(file) } = config.auth else { panic!() };
        assert_eq!((&*application_id, file), ("a", here(path)));
    }
    let pem = r"-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----";
    let with_text = carrier(&format!(r#"{{"sender": {{{BOTH}, "privateKey": "{pem}"}}}}"#));
    let Auth::Jwt { private_key: PrivateKey::Pem(text), .. } = with_text.auth else { panic!() };
    assert_eq!(*text, pem.replace(r"\n", "\n") + "\n");
    for rest in ["", r#", "auth": "basic""#, r#", "auth": "basic", "privateKey": "p""#] {
        let config = carrier(&format!(r#"{{"sender": {{{BOTH}{rest}, "baseUrl": "http://[::1]:8080/base//"}}}}"#));
        let Auth::Basic { api_key, api_secret } = config.auth else { panic!("{rest}") };
        assert_eq!((&*api_key, &**api_secret), ("k", "s"));
        assert_eq!(config.base_url, "http://[::1]:8080/base");
    }
}

#[test]
fn a_private_key_that_others_may_read_is_warned_of() {
    let path = std::env::temp_dir().join(format!("otp-private-key-{}", std::process::id()));
    let sender = serde_json::json!({"type": "messages", "applicationId": "a", "privateKey": path});
    let config = carrier(&serde_json::json!({"sender": sender}).to_string());
    assert_eq!(config.warning(), None, "a file that is not there is an error when it is read");
    let pem = "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n";
    fs::write(&path, pem).unwrap();
    let warned = [0o600, 0o400, 0o640, 0o604, 0o602].map(|mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        config.warning().is_some()
    });
    let Auth::Jwt { private_key, .. } = &config.auth else { panic!() };
    assert_eq!(private_key.read().ok().unwrap().as_str(), pem);
    fs::write(&path, "k".repeat(65_537)).unwrap();
    let error = private_key.read().err().unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(warned, [false, false, true, true, true]);
    assert!(error.detail().ends_with("it is longer than 65536 bytes"), "{error}");
}

#[test]
fn whatsapp_templates() {
    let read = |channel: &str, via, template: &str| {
        let step = format!(r#"{{"channel": "{channel}", "from": "1", "template": "{template}"}}"#);
        let json = format!(r#"{{"workflow": [{step}]}}"#);
        let mut root = strict::parse(&json, "config", Error::config).ok().unwrap().object().ok().unwrap();
        let steps = delivery::read_workflow(&mut root, &senders(via), &Texts::default(), &mut Vec::new());
        steps.map(|mut steps| steps.pop().map(|step| (step.template, step.provider_template)).unwrap())
    };
    let (name, text) = (|name: &str| Some(name.to_owned()), Some("Code: {code}".to_owned()));
    assert_eq!(read("whatsapp", Via::Messages, "otp_2").ok().unwrap(), (None, name("otp_2")));
    assert_eq!(read("whatsapp", Via::Dispatch, "Code: {code}").ok().unwrap(), (text, None));
    for (channel, via, template) in [
        ("whatsapp", Via::Messages, "Otp"),
        ("whatsapp", Via::Messages, ""),
        ("whatsapp", Via::Host, "otp_2"),
        ("sms", Via::Messages, "otp_2"),
    ] {
        assert!(read(channel, via, template).is_err(), "{channel} {template}");
    }
}

#[test]
fn base_urls() {
    let is_base_url = |url: &str| {
        let json = serde_json::json!({"sender": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": url}});
        Config::parse(Some(&json.to_string())).is_ok()
    };
    for url in [
        "https://api.nexmo.com",
        "https://api-eu.vonage.com:8443/base/",
        "https://10.0.0.1",
        "https://[2001:db8::1]:8443",
        "http://127.0.0.1:4010",
        "http://127.9.9.9",
        "http://localhost:4010/",
        "http://[::1]:4010",
    ] {
        assert!(is_base_url(url), "{url}");
    }
    for url in [
        "",
        "https://",
        "https:///v1",
        "api.nexmo.com",
        "ftp://api.nexmo.com",
        "http://api.nexmo.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "http://example.com@127.0.0.1",
        "http://127.0.0.1\\@example.com",
        "http://[::2]",
        "http://[::1].example.com",
        "http://[::1]@example.com",
        "https://[[::1]]",
        "https://[::1",
        "https://h:0",
        "https://h:65536",
        "https://h:",
        "https://h:1:2",
        "https://h?x",
        "https://h#x",
        "https://h /",
        "https://h/\\x",
    ] {
        assert!(!is_base_url(url), "{url}");
    }
}

#[test]
fn what_a_workflow_does_not_get_is_told() {
    let warnings = |rest: Value| {
        let mut config = json!({"sender": {"type": "messages", "apiKey": "k", "apiSecret": "s"},
            "policy": {"countries": ["39"]}, "repository": "memory:",
            "workflow": [{"channel": "messenger", "from": "1", "expiryTime": 120}, {"channel": "sms"}]});
        for (name, value) in rest.as_object().unwrap() {
            config[name] = value.clone();
        }
        super::config(&config.to_string()).warnings
    };
    let undriven = "background: off: the timed steps of workflow wait for calls of otp_run_due";
    assert_eq!(warnings(json!({})), [undriven]);
    assert!(warnings(json!({"background": true})).is_empty());
    assert!(warnings(json!({"workflow": [{"channel": "sms"}]})).is_empty());
    let late = |place: usize| {
        let when = "never begins in time, 30 seconds before the code ends (expiryTime, validityTime)";
        format!("workflow[{place}]: {when}")
    };
    assert_eq!(warnings(json!({"background": true, "validityTime": 2.49})), [late(1)]);
    assert!(warnings(json!({"background": true, "validityTime": 2.5})).is_empty());
    let step = json!({"channel": "sms", "expiryTime": 100});
    let three = json!({"background": true, "validityTime": 3, "workflow": [step, step, step]});
    assert_eq!(warnings(three), [late(2)]);
    let idle = json!([{"channel": "messenger", "expiryTime": 60}, {"channel": "sms"}]);
    let told = ["workflow[0].expiryTime: does nothing without conditionStatus with sender host"];
    assert_eq!(warnings(json!({"sender": {"type": "host"}, "workflow": idle})), told);
    let idle = json!([{"channel": "sms", "expiryTime": 60, "conditionStatus": "read"}]);
    let told = [
        "workflow[0].expiryTime: does nothing with sender none",
        "workflow[0].conditionStatus: does nothing with sender none",
    ];
    assert_eq!(warnings(json!({"sender": {"type": "none"}, "workflow": idle})), told);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(config("\u{feff}{\"otpLength\": 7}").otp_length, 7);
    refused(&[("{\u{feff}}", "config: not valid JSON"), ("\u{feff}\u{feff}{}", "config: not valid JSON")]);
}

#[test]
fn only_members_that_a_request_could_have_are_accepted() {
    let config = config(r#"{"accept": ["phoneNumber", "pigeon"], "workflow": [{"channel": "pigeon"}]}"#);
    assert_eq!(config.accept.unwrap(), ["phoneNumber", "pigeon"]);
    refused(&[
        (r#"{"accept": ["phone"]}"#, "accept[0]: must be the name of a member of a request"),
        (r#"{"accept": "phoneNumber"}"#, "accept: must be a list"),
    ]);
}
