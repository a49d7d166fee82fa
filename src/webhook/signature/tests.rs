use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::signer::{authorization, bearer, claims, sha256};
use super::{Signed, Verifier};
use crate::clock::Time;
use crate::config::WebhookConfig;
use crate::outcome::Outcome;

const SECRET: &str = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6";
const KEY: &str = "a1b2c3d";
const APPLICATION: &str = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const BODY: &[u8] = br#"{"message_uuid": "m", "status": "read"}"#;
const JTI: &str = "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5";

/// Half a second into its second, so that a second too many shows.
fn now() -> Time {
    Time::from_ms(1_587_494_967_500)
}

fn at(seconds: i64) -> Time {
    Time::from_ms(now().ms().checked_add_signed(seconds * 1000).unwrap())
}

fn verifier(api_key: Option<&str>, application_id: Option<&str>) -> Verifier {
    let config = WebhookConfig {
        signature_secret: Zeroizing::new(SECRET.to_owned()),
        api_key: api_key.map(str::to_owned),
        application_id: application_id.map(str::to_owned),
        max_age_seconds: 300,
    };
    Verifier::new(&config).unwrap_or_else(|error| panic!("{error}"))
}

fn outcome(authorization: Option<&str>, body: &[u8]) -> Outcome {
    let answer = verifier(Some(KEY), Some(APPLICATION)).verify(authorization, body, now());
    answer.map_or_else(|error| error.outcome(), |_| Outcome::Ok)
}

/// Claims that are right in every way.
fn right() -> Value {
    let mut claims = claims(JTI, at(-5), BODY);
    claims["api_key"] = KEY.into();
    claims["application_id"] = APPLICATION.into();
    claims
}

/// What the right claims come to after one is changed, or removed by null.
fn with(name: &str, value: Value) -> Outcome {
    let mut claims = right();
    claims[name] = value;
    if claims[name].is_null() {
        claims.as_object_mut().unwrap().remove(name);
    }
    outcome(Some(&bearer(SECRET, HEADER, &claims.to_string())), BODY)
}

#[test]
fn vectors() {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/data/vectors.json")).unwrap();
    let text = |name: &str| vectors[name].as_str().unwrap();
    let verifier = Verifier::new(&WebhookConfig {
        signature_secret: Zeroizing::new(text("secret").to_owned()),
        api_key: Some(text("api_key").to_owned()),
        application_id: Some(text("application_id").to_owned()),
        max_age_seconds: 300,
    });
    let verifier = verifier.unwrap_or_else(|error| panic!("{error}"));
    let now = Time::from_ms(vectors["now"].as_u64().unwrap() * 1000);
    let vectors = vectors["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 10);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let body = STANDARD.decode(text("body_base64")).unwrap();
        assert_eq!(body, text("body_utf8").as_bytes());
        assert_eq!(sha256(&body), text("body_sha256"));
        let decided = verifier.verify(Some(text("authorization")), &body, now).map_err(|error| error.outcome());
        match text("expect") {
            "accept" => {
                let issued_at = Time::from_ms(1_587_494_962_000);
                assert_eq!(decided, Ok(Signed { jti: JTI.to_owned(), issued_at }), "{}", text("name"));
                assert!(super::super::parse(&body).is_ok(), "{}", text("name"));
            }
            "reject" => assert_eq!(decided, Err(Outcome::Signature), "{}", text("name")),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn unsigned_is_not_badly_signed() {
    for header in [None, Some(""), Some("  "), Some("Bearer"), Some("bearer "), Some("Basic YTpi"), Some("Bearerx y")] {
        assert_eq!(outcome(header, BODY), Outcome::Unsigned, "{header:?}");
    }
    let token = bearer(SECRET, HEADER, &right().to_string());
    let bare = token.strip_prefix("Bearer ").unwrap();
    assert_eq!(outcome(Some(bare), BODY), Outcome::Unsigned, "no scheme");
    for header in [token.clone(), format!("bearer {bare}"), format!("BEARER \t {bare}"), format!("  {token} \t")] {
        assert_eq!(outcome(Some(&header), BODY), Outcome::Ok, "{header}");
    }
    for header in [
        format!("{token}, {token}"),
        format!("{token},"),
        format!("{token} {bare}"),
        format!("{token} {token}"),
        format!("Basic YTpi, {token}"),
        format!("Bearer {bare}\n"),
        format!("Bearer {bare}\u{a0}"),
        format!("Bearer \"{bare}\""),
        "Bearer x".to_owned(),
        "Bearer ..".to_owned(),
        "Bearer é.é.é".to_owned(),
        format!("{token}{}", " ".repeat(8192)),
        format!("Bearer {}", "a.".repeat(20_000)),
    ] {
        assert_eq!(outcome(Some(&header), BODY), Outcome::Signature, "{header}");
    }
}

#[test]
fn the_algorithm_is_pinned() {
    let claims = right().to_string();
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"["HS256"]"#,
        r#"{"alg":"HS256""#,
        "",
    ] {
        assert_eq!(outcome(Some(&bearer(SECRET, header, &claims)), BODY), Outcome::Signature, "{header}");
    }
    for header in [r#"{"alg":"HS256"}"#, r#"{ "typ": "JWT", "alg": "HS256", "kid": "1", "x": [{}] }"#] {
        assert_eq!(outcome(Some(&bearer(SECRET, header, &claims)), BODY), Outcome::Ok, "{header}");
    }
}

#[test]
fn every_bit_of_the_token_counts() {
    let token = authorization(SECRET, JTI, at(0), BODY);
    let verifier = verifier(None, None);
    assert!(verifier.verify(Some(&token), BODY, now()).is_ok());
    let start = "Bearer ".len();
    for index in start..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let forged = String::from_utf8(bytes).unwrap();
            let error = verifier.verify(Some(&forged), BODY, now()).unwrap_err();
            assert_eq!(error.outcome(), Outcome::Signature, "{index} {bit}");
        }
        let cut = verifier.verify(Some(&token[..index]), BODY, now()).unwrap_err().outcome();
        assert_eq!(cut, if index == start { Outcome::Unsigned } else { Outcome::Signature });
    }
    assert!(verifier.verify(Some(&format!("{token}A")), BODY, now()).is_err());
    let wrong = authorization("a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d7", JTI, at(0), BODY);
    assert!(verifier.verify(Some(&wrong), BODY, now()).is_err());
}

#[test]
fn base64_is_that_of_the_url_without_padding() {
    let claims = right().to_string();
    let token = bearer(SECRET, HEADER, &claims);
    let (message, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(outcome(Some(&format!("{message}.{signature}=")), BODY), Outcome::Signature);
    // The last character holds bits that no byte needs: another spelling of the same tag.
    let (rest, last) = signature.split_at(signature.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), 32);
    assert_eq!(outcome(Some(&format!("{message}.{rest}{next}")), BODY), Outcome::Signature);

    // Signed as it stands, yet padded or of the other alphabet.
    let mac = crate::mac::MacKey::new(SECRET.as_bytes());
    let padded_claims = format!("{claims}{}", " ".repeat(2 - (claims.len() + 1) % 3));
    assert!(URL_SAFE.encode(&padded_claims).ends_with('='));
    for message in [
        format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE.encode(&padded_claims)),
        format!("{}.{}", URL_SAFE.encode(format!("{HEADER} ")), URL_SAFE_NO_PAD.encode(&claims)),
    ] {
        let tag = URL_SAFE_NO_PAD.encode(mac.sign(message.as_bytes()).as_ref());
        assert!(message.contains('='));
        assert_eq!(outcome(Some(&format!("Bearer {message}.{tag}")), BODY), Outcome::Signature, "{message}");
        let unpadded = message.replace('=', "");
        let tag = URL_SAFE_NO_PAD.encode(mac.sign(unpadded.as_bytes()).as_ref());
        assert_eq!(outcome(Some(&format!("Bearer {unpadded}.{tag}")), BODY), Outcome::Ok);
    }
}

#[test]
fn the_body_is_signed() {
    let token = bearer(SECRET, HEADER, &right().to_string());
    assert_eq!(outcome(Some(&token), BODY), Outcome::Ok);
    for body in [&b""[..], b"{}", &[BODY, b" "].concat(), &BODY[1..]] {
        assert_eq!(outcome(Some(&token), body), Outcome::Signature);
    }
    let hash = sha256(BODY);
    assert_eq!(with("payload_hash", hash.to_uppercase().into()), Outcome::Ok);
    for wrong in [
        Value::Null,
        json!(""),
        json!(0),
        json!([hash]),
        json!(&hash[1..]),
        json!(&hash[2..]),
        json!(format!("{hash}00")),
        json!(format!("{hash}0")),
        json!(format!("0x{}", &hash[2..])),
        json!(format!(" {}", &hash[1..])),
        json!(sha256(b"")),
        json!(STANDARD.encode(&hash)),
    ] {
        assert_eq!(with("payload_hash", wrong.clone()), Outcome::Signature, "{wrong}");
    }
}

#[test]
fn claims_are_checked() {
    for (name, wrong) in [
        ("iss", json!("vonage")),
        ("iss", json!("Vonage ")),
        ("iss", json!(["Vonage"])),
        ("iss", Value::Null),
        ("api_key", json!("a1b2c3e")),
        ("api_key", json!("")),
        ("api_key", json!(1)),
        ("api_key", Value::Null),
        ("application_id", json!("bbbbbbbb-bbbb-cccc-dddd-0123456789ab")),
        ("application_id", json!("")),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("jti", json!("a\nb")),
        ("jti", json!("j".repeat(257))),
        ("iat", Value::Null),
        ("iat", json!("1587494962")),
        ("iat", json!([1_587_494_962])),
        ("exp", json!(1_587_494_967)),
        ("exp", json!("never")),
        ("nbf", json!(1_587_494_968)),
    ] {
        assert_eq!(with(name, wrong.clone()), Outcome::Signature, "{name} {wrong}");
    }
    for (name, right) in [
        ("application_id", Value::Null),
        ("jti", json!("j".repeat(256))),
        ("exp", json!(1_587_494_968)),
        ("nbf", json!(1_587_494_967)),
        ("aud", json!("somebody")),
        ("anything", json!({"a": [1, {}]})),
    ] {
        assert_eq!(with(name, right.clone()), Outcome::Ok, "{name} {right}");
    }
    let plain = verifier(None, None);
    let other = r#""api_key":"other","application_id":"other""#;
    let claims = claims(JTI, at(0), BODY).to_string().replacen('{', &format!("{{{other},"), 1);
    assert!(plain.verify(Some(&bearer(SECRET, HEADER, &claims)), BODY, now()).is_ok());
}

#[test]
fn a_claim_stands_once() {
    for name in ["iat", "jti", "iss", "payload_hash", "api_key", "application_id"] {
        let claims = right();
        let again = format!(r#"{{"{name}":{},"#, claims[name]);
        let claims = claims.to_string().replacen('{', &again, 1);
        assert_eq!(outcome(Some(&bearer(SECRET, HEADER, &claims)), BODY), Outcome::Signature, "{name}");
    }
    for claims in ["null", "[]", r#""x""#, "", "{", &"[".repeat(4000)] {
        assert_eq!(outcome(Some(&bearer(SECRET, HEADER, claims)), BODY), Outcome::Signature, "{claims}");
    }
}

#[test]
fn the_age_counts_both_ways() {
    for (seconds, expected) in [
        (0, Outcome::Ok),
        (-300, Outcome::Ok),
        (-301, Outcome::Signature),
        (300, Outcome::Ok),
        (301, Outcome::Signature),
        (86_400, Outcome::Signature),
        (-86_400, Outcome::Signature),
    ] {
        assert_eq!(with("iat", (at(seconds).ms() / 1000).into()), expected, "{seconds}");
    }
    assert_eq!(with("iat", json!(1_587_494_962.5)), Outcome::Ok);
    for wild in [json!(0), json!(-1), json!(1e300), json!(-1e300), json!(u64::MAX), json!(1_587_494_962_000_u64)] {
        assert_eq!(with("iat", wild.clone()), Outcome::Signature, "{wild}");
    }
}

#[test]
fn errors_repeat_nothing() {
    let token = bearer(SECRET, HEADER, &right().to_string());
    for header in [format!("{token}x"), format!("{token} {token}"), "Basic c2VjcmV0".to_owned()] {
        let error = verifier(None, None).verify(Some(&header), BODY, now()).unwrap_err();
        assert!(error.detail().starts_with("webhook: "), "{error}");
        assert!(!error.detail().contains('.') || error.detail().contains("webhook.signatureSecret"), "{error}");
        assert!(!error.detail().contains("c2Vj") && !error.detail().contains("eyJ"), "{error}");
    }
}
