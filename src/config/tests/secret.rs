//! Secrets: read from where the option says, and never shown, whatever the mistake.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::secret::is_key;
use super::super::{Auth, Config, KeySource, PrivateKey};
use super::{KEY, carrier_of, error, here};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::repository::conformance::ScratchFolder;
use crate::service::Service;

const PEM: &str = include_str!("../../../tests/data/private_key.pem");
const PUBLIC: &str = include_str!("../../../tests/data/public_key.pem");

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The lines of the key without the first and the last.
fn body() -> String {
    PEM.lines().filter(|line| !line.starts_with("-----")).collect::<Vec<_>>().join("\n")
}

fn with_private_key(key: &str) -> String {
    json!({"repository": "memory:", "sender": {"type": "messages", "applicationId": "a", "privateKey": key}})
        .to_string()
}

fn open(json: &str) -> Result<(), Error> {
    Service::open(Some(json)).map(|_| ())
}

/// Six letters in a row of a secret are part of it.
#[track_caller]
fn shows_nothing_of(text: &str, secret: &str) {
    for window in secret.as_bytes().windows(6).filter(|window| window.is_ascii()) {
        let part = std::str::from_utf8(window).unwrap();
        let is_ordinary = part.contains(' ') || part.contains("-----") || part.to_lowercase().contains("private");
        assert!(is_ordinary || !text.contains(part), "{part:?} is shown: {text}");
    }
}

#[test]
fn a_private_key_as_people_give_it() {
    let one_line = PEM.trim().replace('\n', r"\n");
    let accepted = [
        PEM.to_owned(),
        PEM.replace('\n', "\r\n"),
        one_line.clone(),
        one_line.replace(r"\n", r"\r\n"),
        PEM.trim().replace('\n', " "),
        format!("\u{feff}{PEM}"),
        format!("\"{one_line}\""),
        format!("'{}'", PEM.trim()),
        format!("\n  {PEM}"),
        base64(PEM.as_bytes()),
        base64(format!("\u{feff}{PEM}").as_bytes()),
        base64(PEM.as_bytes())
            .as_bytes()
            .chunks(76)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect::<Vec<_>>()
            .join("\n"),
        base64(PEM.as_bytes()).trim_end_matches('=').to_owned(),
        format!("Bag Attributes\n{PEM}"),
    ];
    let folder = ScratchFolder::new("private-keys");
    let path = folder.path().join("private.key");
    for key in &accepted {
        open(&with_private_key(key)).unwrap_or_else(|error| panic!("{error}: {key}"));
        std::fs::write(&path, key).unwrap();
        open(&with_private_key(path.to_str().unwrap())).unwrap_or_else(|error| panic!("a file: {error}: {key}"));
    }
}

#[test]
fn what_is_no_private_key_is_named_and_not_shown() {
    let rule = "sender.privateKey: must be PEM text with its BEGIN and END lines, or the path of a file that holds it";
    let relabelled = |label: &str| PEM.replace("PRIVATE KEY", label);
    let encrypted = PEM.replace("BEGIN PRIVATE KEY-----\n", "BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n");
    let encrypted = encrypted.replace("END PRIVATE", "END RSA PRIVATE");
    let der = base64(&super::super::from_base64(&body()).unwrap());
    let hex: String = body().bytes().take(32).map(|byte| format!("{byte:02x}")).collect();
    for (key, expected) in [
        (body(), rule),
        (body().replace('\n', ""), rule),
        (body().replace('\n', r"\n"), rule),
        (der, rule),
        (hex, rule),
        (KEY.to_owned(), rule),
        (KEY.trim_end_matches('=').to_owned(), rule),
        (PEM.replace("-----BEGIN PRIVATE KEY-----\n", ""), rule),
        (PEM.replace("-----END PRIVATE KEY-----", ""), rule),
        (PEM.replace("-----", "--"), rule),
        (String::new(), rule),
        (relabelled("PUBLIC KEY"), "sender.privateKey: is a public key"),
        (PUBLIC.to_owned(), "sender.privateKey: is a public key"),
        (relabelled("CERTIFICATE"), "sender.privateKey: is a certificate"),
        (relabelled("EC PRIVATE KEY"), "sender.privateKey: is an EC key"),
        (relabelled("OPENSSH PRIVATE KEY"), "sender.privateKey: is in the form of OpenSSH"),
        (relabelled("ENCRYPTED PRIVATE KEY"), "sender.privateKey: is encrypted"),
        (encrypted, "sender.privateKey: is encrypted"),
        (PEM.replacen('M', "N", 1), "sender.privateKey: not a usable RSA key"),
        (PEM.replacen('M', "!", 1), "sender.privateKey: no unencrypted private key in PEM"),
    ] {
        let error = open(&with_private_key(&key)).err().unwrap_or_else(|| panic!("taken: {key}"));
        assert!(error.outcome() == Outcome::Config && error.detail().starts_with(expected), "{error} for {key}");
        shows_nothing_of(error.detail(), &key);
    }
    let folder = ScratchFolder::new("no-private-keys");
    let path = folder.path().join("private.key");
    for (held, expected) in [
        (body().as_str(), "sender.privateKey: the file holds no PEM text"),
        (PUBLIC, "sender.privateKey: is a public key"),
        ("", "sender.privateKey: the file holds no PEM text"),
    ] {
        std::fs::write(&path, held).unwrap();
        let error = open(&with_private_key(path.to_str().unwrap())).unwrap_err();
        assert!(error.detail().starts_with(expected), "{error}");
        shows_nothing_of(error.detail(), held);
    }
}

/// A secret in the place of any other option, and in the place of an option's name.
#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    let secrets = [KEY.to_owned(), base64(PEM.as_bytes()), body(), "aB3dE5gH7jK9mN2p".to_owned()];
    let folder = ScratchFolder::new("wrong-places");
    let paths: [&[&str]; 34] = [
        &["repository"],
        &["key"],
        &["namespace"],
        &["otpLength"],
        &["validityTime"],
        &["maxAttempts"],
        &["policy"],
        &["policy", "profile"],
        &["policy", "countries"],
        &["message"],
        &["message", "en"],
        &["brand"],
        &["webOtpDomain"],
        &["androidHash"],
        &["ownCodes"],
        &["background"],
        &["accept"],
        &["sender"],
        &["sender", "type"],
        &["sender", "auth"],
        &["sender", "baseUrl"],
        &["sender", "timeoutSeconds"],
        &["sender", "apiKey"],
        &["sender", "privateKey"],
        &["workflow"],
        &["webhook"],
        &["webhook", "signatureSecret"],
        &["webhook", "apiKey"],
        &["webhook", "maxAgeSeconds"],
        &["durability"],
        &["previousKeys"],
        &["keyFile"],
        &["apiKey"],
        &["applicationId"],
    ];
    for secret in &secrets {
        // What is no longer than a name is one.
        for path in paths.iter().filter(|path| is_key(secret) || **path != ["keyFile"]) {
            for sender in ["messages", "console"] {
                let mut config = json!({"repository": "memory:", "sender": {"type": sender}});
                set(&mut config, path, json!(secret));
                check(&config, secret);
                set(&mut config, path, json!([secret]));
                check(&config, secret);
                set(&mut config, path, json!({ secret.as_str(): secret }));
                check(&config, secret);
            }
        }
        let config = json!({"repository": format!("sqlite:{}/otp.db", folder.path().display()), "keyFile": secret});
        if is_key(secret) {
            check(&config, secret);
        }
        let url = json!({"repository": format!("redis//:{secret}@host/0")});
        check(&url, secret);
    }
    let left: Vec<PathBuf> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(secrets.iter().all(|secret| !here(secret).exists()));
}

fn set(config: &mut Value, path: &[&str], value: Value) {
    match path {
        [name] => config[name] = value,
        [first, name] => {
            if !config[first].is_object() {
                config[first] = json!({});
            }
            config[first][name] = value;
        }
        _ => unreachable!(),
    }
}

fn check(config: &Value, secret: &str) {
    match Config::parse(Some(&config.to_string())) {
        Ok(config) => config.warnings.iter().for_each(|warning| shows_nothing_of(warning, secret)),
        Err(error) => shows_nothing_of(error.detail(), secret),
    }
    if let Err(error) = open(&config.to_string()) {
        shows_nothing_of(error.detail(), secret);
    }
}

/// Options that may say where they stand.
#[test]
fn secrets_stand_in_files_and_in_the_environment() {
    let folder = ScratchFolder::new("secrets");
    let in_file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("file:{}", path.display())
    };
    let basic = json!({"type": "messages", "apiKey": in_file("key", "k\n"), "apiSecret": in_file("secret", "s\r\n")});
    let config = json!({
        "repository": in_file("url", "memory:\n"), "key": in_file("own", KEY),
        "previousKeys": [in_file("previous", &format!("{KEY}\n"))], "sender": basic,
        "webhook": {"signatureSecret": in_file("signature", "a secret of thirty-two bytes and more\n")},
    });
    let read = Config::parse(Some(&config.to_string())).ok().unwrap();
    assert!(matches!(&read.key, KeySource::Given(key) if key.len() == 32));
    assert_eq!(read.previous_keys.len(), 1);
    assert_eq!(read.webhook.as_ref().unwrap().signature_secret.as_str(), "a secret of thirty-two bytes and more");
    let Auth::Basic { api_key, api_secret } = carrier_of(read).auth else { panic!() };
    assert_eq!((api_key.as_str(), api_secret.as_str()), ("k", "s"));
    open(&with_private_key(&in_file("pem", PEM))).unwrap();

    // What cargo sets for every test.
    let config = json!({"sender": {"type": "messages", "apiKey": "env:CARGO_PKG_NAME", "apiSecret": "s"}});
    let read = Config::parse(Some(&config.to_string())).ok().unwrap();
    let Auth::Basic { api_key, .. } = carrier_of(read).auth else { panic!() };
    assert_eq!(api_key, "libotp");
}

#[test]
fn a_reference_is_read_once_and_as_a_whole() {
    let folder = ScratchFolder::new("references-once");
    let path = |name: &str| format!("file:{}", folder.path().join(name).display());
    std::fs::write(folder.path().join("second"), "inner").unwrap();
    std::fs::write(folder.path().join("first"), path("second")).unwrap();
    std::fs::write(folder.path().join("lines"), "k\n\n").unwrap();
    std::fs::write(folder.path().join("long"), "k".repeat(65_537)).unwrap();
    std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
    let secret = |text: &str| {
        let config = json!({"sender": {"type": "messages", "apiKey": "k", "apiSecret": text}}).to_string();
        Config::parse(Some(&config)).map(|config| match carrier_of(config).auth {
            Auth::Basic { api_secret, .. } => api_secret.to_string(),
            Auth::Jwt { .. } => panic!(),
        })
    };
    assert_eq!(secret(&path("first")).ok().unwrap(), path("second"), "what was read is not read again");
    assert_eq!(secret("my-file:x").ok().unwrap(), "my-file:x", "the whole value, or none of it");
    for (text, expected) in [
        (path("lines"), "sender.apiSecret: must be 1 to 256 visible ASCII characters"),
        (path("long"), "sender.apiSecret: the file that it names cannot be read"),
        (path("binary"), "sender.apiSecret: the file that it names is not UTF-8"),
        (path("missing"), "sender.apiSecret: there is no file of the name after file:"),
        (format!("file:{}", folder.path().display()), "sender.apiSecret: the file that it names cannot be read"),
        ("file:/dev/zero".to_owned(), "sender.apiSecret: the file that it names cannot be read"),
        ("file:".to_owned(), "sender.apiSecret: there is no file"),
        ("env:".to_owned(), "sender.apiSecret: the environment has no variable"),
        ("env:OTP_NO_SUCH_VARIABLE".to_owned(), "sender.apiSecret: the environment has no variable"),
        ("env:A=B".to_owned(), "sender.apiSecret: the environment has no variable"),
    ] {
        let error = secret(&text).unwrap_err();
        assert!(error.outcome() == Outcome::Config && error.detail().starts_with(expected), "{text}: {error}");
        assert!(!error.detail().contains("missing") && !error.detail().contains("NO_SUCH"), "{error}");
    }
}

#[test]
fn keys_and_paths_are_told_apart() {
    for path in [
        "private.key",
        "keys/own.key",
        "./0123456789abcdef0123456789abcdef",
        "/var/lib/docker/volumes/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/_data/otp.key",
        "/home/alice/Projects/service2/secrets/private.key",
        "/run/secrets/otp",
        "a-name-of-several-words-in-a-row.pem",
        "ключ.pem",
    ] {
        assert!(!is_key(path), "{path}");
    }
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    for round in 0..10_000 {
        let bytes: Vec<u8> = (0..32 + round % 64).map(|_| random()).collect();
        let standard = base64(&bytes);
        let url_safe = standard.replace('+', "-").replace('/', "_");
        for key in [&standard, &url_safe] {
            let begins_like_a_path = key.starts_with('/') && !key.contains(['+', '=']);
            assert!(is_key(key) || begins_like_a_path, "{key}");
        }
    }
}

#[test]
fn keys_in_either_alphabet_with_padding_or_without() {
    let bytes: Vec<u8> = (0..33u8).map(|byte| byte.wrapping_mul(7).wrapping_add(200)).collect();
    let key = base64(&bytes[..32]);
    for spelling in [key.clone(), key.replace('+', "-").replace('/', "_"), key.replace('=', ""), format!(" {key}\n")] {
        let config = Config::parse(Some(&json!({"repository": "memory:", "key": spelling}).to_string())).ok().unwrap();
        assert!(matches!(config.key, KeySource::Given(given) if given.as_slice() == &bytes[..32]), "{spelling}");
    }
}

#[test]
fn a_key_file_that_is_there_is_read_whatever_its_name() {
    let private_key = PrivateKey::File(Path::new("/nowhere/private.key").to_owned());
    let error = private_key.read().unwrap_err();
    assert_eq!(error.detail(), "sender.privateKey: there is no file \"/nowhere/private.key\"");
}

#[test]
fn no_error_repeats_a_secret() {
    for json in [
        r#"{"key": "sEcReT", "x": 1}"#,
        r#"{"sender": {"type": "sEcReT"}}"#,
        r#"{"sender": {"type": "dispatch", "apiKey": "sEcReT", "apiSecret": "sEcReT é"}}"#,
        r#"{"repository": "redis://user:sEcReT@"}"#,
        r#"{"repository": "redis://user:sEcReT@h", "key": "AAAA"}"#,
        r#"{"repository": "postgres://user:sEcReT@h?x=sEcReT", "key": "AAAA"}"#,
        r#"{"repository": "postgres://user:sEcReT@h#", "keyFile": "k"}"#,
        r#"{"webhook": {"signatureSecret": "sEcReT", "x": 1}}"#,
        r#"{"key": "sEcReT" "#,
        r#"{"key": sEcReT}"#,
        r#"{"message": "sEcReT"}"#,
    ] {
        let (_, detail) = error(json);
        assert!(!detail.contains("sEcReT") && detail.lines().count() == 1, "{detail}");
    }
}
