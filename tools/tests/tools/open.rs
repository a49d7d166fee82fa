//! `otp open`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::command::Site;

#[test]
fn the_defaults_are_those_of_the_manual() {
    let options = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/options.json");
    let options: Value = serde_json::from_str(&std::fs::read_to_string(options).unwrap()).unwrap();
    let default = |name: &str| {
        let option = options.as_array().unwrap().iter().find(|option| option["name"] == name);
        option.unwrap_or_else(|| panic!("no {name}"))["default"].as_str().unwrap()
    };
    let site = Site::new("sqlite");
    let said = site.run(&["open", "--config", r#"{"repository": "sqlite:otp.db"}"#]);
    for (name, words) in [
        ("otpLength", "a code: # digits,"),
        ("validityTime", "good for # minutes,"),
        ("maxAttempts", ", # wrong guesses\n"),
        ("policy.cooldownSeconds", "a recipient: # seconds between two messages"),
        ("policy.sendLimits", "and at most #\n"),
        ("policy.subjectFailures.lockAfter", "after # failures in a row"),
        ("policy.subjectFailures.lockMinutes", "locked for # minutes"),
        ("policy.subjectFailures.disableAfter", "until otp unlock after #\n"),
        ("policy.retentionMinutes", "is kept for # minutes\n"),
    ] {
        said.is_done(&words.replace('#', default(name)));
    }
    said.is_done("sender: console")
        .is_done("steps: the first of messenger, sms that")
        .is_done("to: numbers of every country");
    said.is_done("otp.db.key, beside the repository\n")
        .is_done("wait for otp_run_due")
        .is_done("webhooks: none is taken\n");
    said.is_done("warning: policy.countries: none given").is_done("warning: sender: console prints codes");
}

#[test]
fn all_that_is_configured_is_said_and_no_secret() {
    let site = Site::new("sqlite");
    let config = json!({
        "repository": "sqlite:otp.db", "key": "env:OTP_KEY", "otpLength": 8, "validityTime": 0.5, "maxAttempts": 1,
        "policy": {"countries": ["39", "44"], "cooldownSeconds": 0, "sendLimits": [{"count": 3, "minutes": 60}],
                   "subjectFailures": {"lockAfter": 7, "lockMinutes": 40, "disableAfter": 50}, "retentionMinutes": 60},
        "sender": {"type": "messages", "apiKey": "the-account", "apiSecret": "the-password"},
        "workflow": [{"channel": "messenger", "from": "1923256201470000", "expiryTime": 60}, {"channel": "whatsapp"},
                     {"channel": "sms"}],
        "webhook": {"signatureSecret": "the-signature"}, "background": true, "accept": ["phoneNumber", "locale"]
    });
    let key = std::fs::read_to_string(site.folder.path().join("otp.db.key")).unwrap();
    let mut command = site.command(&["open", "--config", &config.to_string()]);
    let said = super::command::said(command.env("OTP_KEY", key.trim()), "");
    for words in [
        "key: in the configuration\n",
        "sender: messages, of Vonage",
        "step 1: messenger to the request's messengerId, at once\n",
        "step 2: sms to the request's phoneNumber, when the step before has failed, or is not read after 60 seconds\n",
        "to: numbers that begin with 39, 44\n",
        "a code: 8 digits, good for 30 seconds, 1 wrong guess\n",
        "a recipient: no pause between two messages, and at most 3 in 60 minutes\n",
        "locked for 40 minutes after 7 failures in a row, until otp unlock after 50\n",
        "is kept for 60 minutes\n",
        "due steps: run by the service itself",
        "webhooks: taken, if signed\n",
        "a request may have: phoneNumber, locale\n",
        "warning: workflow: step whatsapp is left out",
    ] {
        said.is_done(words);
    }
    assert!(!said.out.contains("step 3") && !said.out.contains("background: off"), "{said:?}");
    for secret in ["the-account", "the-password", "the-signature", key.trim()] {
        assert!(!said.out.contains(secret), "{secret}: {said:?}");
    }
}

#[test]
fn named_senders_and_conditions_are_said() {
    let site = Site::new("sqlite");
    let config = |background: bool| {
        json!({
            "repository": "sqlite:otp.db", "background": background,
            "senders": {"vonage": {"type": "messages", "apiKey": "the-account", "apiSecret": "the-password"},
                        "ours": {"type": "host"}, "screen": {"type": "console"}},
            "workflow": [{"channel": "messenger", "sender": "vonage", "from": "1923256201470000"},
                         {"channel": "sms", "sender": "vonage", "conditionStatus": "verified", "expiryTime": 60},
                         {"channel": "email", "sender": "ours"}, {"channel": "sms", "sender": "screen"}],
            "policy": {"sendLimits": [{"count": 1, "minutes": 10, "channel": "sms"}, {"count": 3, "minutes": 60}]}
        })
        .to_string()
    };
    let said = site.run(&["open", "--config", &config(false)]);
    for words in [
        "sender vonage: messages, of Vonage\n",
        "sender ours: host, a function of your program\n",
        "sender screen: console, which prints messages to standard error\n",
        "step 1: messenger by vonage to the request's messengerId, at once\n",
        "step 2: sms by vonage to the request's phoneNumber, when the step before has failed, or is not read after 120 \
         seconds\n",
        "step 3: email by ours to the request's email, when the step before has failed, or the code is not verified after \
         60 seconds\n",
        "step 4: sms by screen to the request's phoneNumber, when the step before has failed\n",
        "a step that the request has no address for is passed over\n",
        "so is a later one that a limit refuses; none begins in a code's last 30 seconds\n",
        "at most 1 in 10 (sms alone), 3 in 60 minutes\n",
        "due steps: wait for otp_run_due in your program, which has the function that sends\n",
    ] {
        said.is_done(words);
    }
    assert!(!said.out.contains("the-account") && !said.out.contains("the-password"), "{said:?}");
    site.run(&["open", "--config", &config(true)]).is_done("due steps: run by the service itself");
}

#[test]
fn a_function_that_waits_is_said() {
    let site = Site::new("sqlite");
    let config = json!({
        "repository": "sqlite:otp.db", "sender": {"type": "host"},
        "workflow": [{"channel": "push", "conditionStatus": "delivered", "expiryTime": 30}, {"channel": "sms"}]
    });
    site.run(&["open", "--config", &config.to_string()])
        .is_done("sender: host, a function of your program\n")
        .is_done("step 1: push to the request's push, at once\n")
        .is_done(
            "step 2: sms to the request's phoneNumber, when the step before has failed, or is not delivered after 30 \
             seconds\n",
        );
}

#[test]
fn nothing_is_made() {
    let site = Site::new("json");
    let before = names(site.folder.path());
    let config = r#"{"repository": "sqlite:new.db", "keyFile": "new.key", "policy": {"profile": "psd2"}}"#;
    let said = site.run(&["open", "--config", config]);
    said.is_done("new.db, and there is none yet: a service ").is_done("key: in the file new.key\n");
    said.is_done("after 5 failures in a row");
    assert_eq!(names(site.folder.path()), before);
    site.run(&["open", "--config", r#"{"repository": "memory:"}"#]).is_done("repository: in memory");
    site.run(&["open", "--config", "{}"]).is_done("otp.db, and there is none yet");
    std::fs::write(site.folder.path().join("empty.db"), "").unwrap();
    let empty = r#"{"repository": "sqlite:empty.db"}"#;
    site.run(&["open", "--config", empty]).is_done("empty.db, and there is none yet");
    site.run(&["open", "--config", r#"{"repository": "sqlite:none/new.db"}"#]).failed(3, "no service can make it");
    site.run(&["open", "--config", r#"{"repository": "json:empty.db/otp"}"#]).failed(3, "not a directory");
    std::fs::create_dir(site.folder.path().join("empty")).unwrap();
    for (kind, name) in [("sqlite", "empty.db"), ("json", "empty")] {
        let config = format!(r#"{{"repository": "{kind}:{name}"}}"#);
        site.run(&["status", "any", "--config", &config]).failed(3, "is empty, and otp begins none");
    }
    assert_eq!(std::fs::metadata(site.folder.path().join("empty.db")).unwrap().len(), 0);
    assert_eq!(names(&site.folder.path().join("empty")).len(), 0);
    assert_eq!(names(site.folder.path()).len(), before.len() + 2);
}

/// A secret that everybody may read is one no more.
#[test]
fn a_file_that_everybody_may_read_is_told() {
    let site = Site::new("sqlite");
    let file = site.folder.path().join("otp.json");
    let named = |config: &str, mode: u32| {
        std::fs::write(&file, config).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let said = site.run(&["open", "--config", file.to_str().unwrap()]);
        said.is_done("repository: ");
        said.out.contains("everybody may read the configuration")
    };
    let webhook =
        |secret: &str| format!(r#"{{"repository": "sqlite:otp.db", "webhook": {{"signatureSecret": "{secret}"}}}}"#);
    std::fs::write(site.folder.path().join("signature"), "a secret of the carrier's").unwrap();
    assert!(named(&webhook("a secret of the carrier's"), 0o644));
    assert!(!named(&webhook("a secret of the carrier's"), 0o600));
    assert!(!named(&webhook("file:signature"), 0o644));
    assert!(!named(r#"{"repository": "sqlite:otp.db"}"#, 0o644));
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn a_typo_is_named() {
    let site = Site::new("sqlite");
    let typo = site.config.replace("cooldownSeconds", "coolDownSeconds");
    site.run(&["open", "--config", &typo]).failed(3, "coolDownSeconds");
    // Also where there is no repository yet.
    site.run(&["open", "--config", &typo.replace("otp.db", "new.db")]).failed(3, "coolDownSeconds");
    let reply = site.json(&["open", "--config", &typo]);
    assert_eq!(reply["result"], "OTP_E_CONFIG", "{reply}");
    let reply = site.json(&["open"]);
    assert!(reply["result"] == "OTP_OK" && reply["warnings"].as_array().unwrap().len() > 2, "{reply}");
    site.run(&["open", "--config", r#"{"repository": "mysql://user:secret@host"}"#]).failed(3, "repository");
}
