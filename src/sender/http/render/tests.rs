//! Requests as they are written.

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::sender::samples;

const HOSTILE: &str = "\"},{\\\"a\\\": \r\n\u{0}\u{1f} {code} & = %0d + # ? / ; \u{2028} 𝒳 é";

fn message(text: &str, to: &str, params: &[(&str, &str)]) -> Message {
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Message { from: "me & you".to_owned(), params, ..samples::message("sms", to, text) }
}

/// The request that these options make of a message.
fn rendered(options: &Value, message: &Message) -> Result<(String, String)> {
    let mut sender = json!({"type": "http", "url": "https://host:8443/a"});
    sender.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let steps = json!([{"channel": "sms", "from": "me"}]);
    let config = json!({"repository": "memory:", "sender": sender, "workflow": steps}).to_string();
    let config = Config::parse(Some(&config)).map_err(|error| panic!("{options}: {error}")).ok().unwrap();
    let http = config.senders[0].http.clone().unwrap();
    let (minutes, digits) = (message.minutes.to_string(), digits(&message.code));
    let values = Values { message, locale: "it", client_ref: "ref-1", minutes, digits };
    let Rendered { target, body } = render(&http, &values)?;
    Ok((target.to_string(), String::from_utf8(body.to_vec()).unwrap()))
}

#[test]
fn a_tree_as_json() {
    let tree = json!({"a": "{to}|{from}|{code}|{digits}|{channel}|{locale}|{ref}|{minutes}|{{x}}", "text": "{text}", "n": [1, -2.5, null, true],
        "o": {}, "l": [], "in": {"$json": {"t": "{text}", "deeper": {"$json": ["{text}", 7]}}}, "quote\"": "x"});
    let (target, body) = rendered(&json!({"json": tree}), &message(HOSTILE, "39\"3", &[])).unwrap();
    assert_eq!(target, "/a");
    let mut body: Value = serde_json::from_str(&body).unwrap();
    let inner: Value = serde_json::from_str(body["in"].as_str().unwrap()).unwrap();
    let deeper: Value = serde_json::from_str(inner["deeper"].as_str().unwrap()).unwrap();
    assert_eq!((&inner["t"], &deeper), (&json!(HOSTILE), &json!([HOSTILE, 7])));
    body.as_object_mut().unwrap().remove("in");
    assert_eq!(
        body,
        json!({"a": "39\"3|me & you|63731|6, 3, 7, 3, 1|sms|it|ref-1|5|{x}", "text": HOSTILE, "n": [1, -2.5, null, true], "o": {}, "l": [],
            "quote\"": "x"})
    );
}

#[test]
fn a_form_and_a_query() {
    let fields = json!({"To": "{to}", "a b": ["{params.x}", 1, true], "j": {"$json": {"c": "{code}"}}});
    let message = message("t", "+39&To=1", &[("x", "é %+")]);
    let expected = "To=%2B39%26To%3D1&a%20b=%C3%A9%20%25%2B&a%20b=1&a%20b=true&j=%7B%22c%22%3A%2263731%22%7D";
    assert_eq!(rendered(&json!({"form": fields}), &message).unwrap(), ("/a".to_owned(), expected.to_owned()));
    let query = rendered(&json!({"query": fields, "method": "GET"}), &message).unwrap();
    assert_eq!(query, (format!("/a?{expected}"), String::new()));
    let query = rendered(&json!({"query": fields, "url": "https://h?key=%2F"}), &message).unwrap();
    assert_eq!(query.0, format!("/?key=%2F&{expected}"));
}

#[test]
fn values_in_a_path() {
    let options = json!({"url": "https://h/v1/{to}/x-{params.a}?q={params.a}&r=1", "json": {"t": "{text}"}});
    let target = |to: &str, a: &str| rendered(&options, &message("t", to, &[("a", a)])).map(|it| it.0);
    assert_eq!(target("a/../b?c#d", "é").unwrap(), "/v1/a%2F..%2Fb%3Fc%23d/x-%C3%A9?q=%C3%A9&r=1");
    for to in [".", "..", ""] {
        let error = target(to, "a").err().unwrap();
        assert!(error.detail().starts_with("request: message for sms: "), "{error}");
    }
    assert!(target("a", "").is_err());
    assert_eq!(target("...", "..").unwrap(), "/v1/.../x-..?q=..&r=1");
}

#[test]
fn digits_one_by_one() {
    for (code, expected) in [
        ("7", Some("7")),
        ("0042", Some("0, 0, 4, 2")),
        ("aB٣", Some("a, B, ٣")),
        ("12 34", None),
        ("1<2", None),
        ("1,2", None),
    ] {
        assert_eq!(digits(code).as_deref().map(String::as_str), expected, "{code}");
    }
    let mut message = message("t", "1", &[]);
    let twice = json!({"form": {"Twiml": "<Say>{digits}. {digits}</Say>"}});
    let expected = "Twiml=%3CSay%3E6%2C%203%2C%207%2C%203%2C%201.%206%2C%203%2C%207%2C%203%2C%201%3C%2FSay%3E";
    assert_eq!(rendered(&twice, &message).unwrap().1, expected);
    message.code = Zeroizing::new("12-34".to_owned());
    let error = rendered(&twice, &message).err().unwrap();
    assert_eq!(error.detail(), "request: message for sms: {digits} needs a code of letters and digits");
    assert!(rendered(&json!({"form": {"a": "{code}"}}), &message).is_ok());
}

#[test]
fn trees_by_locale() {
    let by = |it: Value, en: Value| json!({"$locale": {"it-IT": it, "en": en}});
    let tree = json!({"l": by(json!({"say": "{text}"}), json!(1)), "t": [by(json!("{code}"), json!("{code}!")), 2]});
    let body = rendered(&json!({"json": tree}), &message("\"", "1", &[])).unwrap().1;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({"l": {"say": "\""}, "t": ["63731", 2]}));
    let fields = json!({"a": by(json!("{code}&"), json!("{code}")), "b": [by(json!(7), json!("x")), true]});
    let body = rendered(&json!({"form": fields}), &message("t", "1", &[])).unwrap().1;
    assert_eq!(body, "a=63731%26&b=7&b=true");
    let whole = json!({"$locale": {"de": {"t": "{text} de"}, "en": {"t": "{text} en"}}});
    assert_eq!(rendered(&json!({"json": whole}), &message("t", "1", &[])).unwrap().1, r#"{"t":"t en"}"#);
    let text = json!({"in": {"$json": by(json!(["{text}"]), json!({}))}, "t": "{text}"});
    assert_eq!(rendered(&json!({"json": text}), &message("t", "1", &[])).unwrap().1, r#"{"in":"[\"t\"]","t":"t"}"#);
}

#[test]
fn what_cannot_be_written() {
    let told = |options: &Value, text: &str| rendered(options, &message(text, "1", &[])).err().unwrap();
    let missing = told(&json!({"json": {"t": "{text}{params.city}"}}), "t");
    assert_eq!(missing.detail(), "request: message for sms: params has no value for {params.city}");
    let long = told(&json!({"json": {"t": "{text}", "x": "y".repeat(65_536)}}), "t");
    assert_eq!(long.detail(), "request: message for sms: longer than 65536 bytes");
    let long = told(&json!({"query": {"t": "{text}"}}), &"é".repeat(3000));
    assert_eq!(long.detail(), "request: message for sms: longer than 16384 bytes");
    // What doubles with every level ends all the same.
    let mut tree = json!({"t": "{text}"});
    for _ in 0..9 {
        tree = json!({"$json": tree});
    }
    assert!(told(&json!({"json": {"t": tree}}), &"\\".repeat(2000)).detail().ends_with("longer than 65536 bytes"));
}
