//! The options of sender `http`.

use serde_json::{Value, json};

use super::{config, error, refused};
use crate::outcome::Outcome;

/// A configuration with one such sender.
fn with(options: &Value) -> String {
    let mut sender = json!({"type": "http", "url": "https://sms.example.com/v1"});
    sender.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    if !["json", "form", "query"].iter().any(|name| sender.get(name).is_some()) {
        sender["json"] = json!({"text": "{text}"});
    }
    let steps = json!([{"channel": "sms", "from": "me"}]);
    json!({"repository": "memory:", "policy": {"countries": ["39"]}, "sender": sender, "workflow": steps}).to_string()
}

fn refuses(cases: &[(Value, &str)]) {
    cases.iter().for_each(|(options, expected)| refused(&[(&with(options), expected)]));
}

#[test]
fn urls() {
    for url in [
        "https://h",
        "https://h/",
        "https://h?x=y",
        "https://h:8443/a/{to}/b?c={ref}",
        "https://[2001:db8::1]/a",
        "http://127.0.0.1:80/a",
        "http://127.9.9.9",
        "http://[::1]:4010",
        "http://localhost/%7b",
        "http://signer/a",
    ] {
        assert!(config(&with(&json!({"url": url}))).warnings.is_empty(), "{url}");
    }
    for url in [
        "h",
        "ftp://h",
        "HTTPS://h",
        "https://",
        "https:///a",
        "https://{to}/a",
        "https://h{to}/a",
        "https://h:{to}/a",
        "https://h:+80",
        "https://h:0",
        "{to}://h",
        "https://user@h/",
        "https://user:pw@h/",
        "http://192.0.2.1/",
        "http://[::2]/",
        "https://h/a b",
        "https://h/a#b",
        "https://h/é",
        "https://h/\"",
        "https://h/{{a}}",
        "https://h/{to",
        "https://h/}",
        "https://h/{x}",
        "https://h/%",
        "https://h/%{to}",
        "https://h/%zz",
        "https://h/\\a",
        "https://h\\@evil/",
        "https://h/a\r\nb",
    ] {
        refuses(&[(json!({"url": url}), "sender.url: ")]);
    }
}

#[test]
fn trees() {
    for (options, expected) in [
        (json!({"json": {"a": 1}}), "sender.json: must hold {text}, {code} or {digits}"),
        (json!({"json": {"t": "{text}"}, "form": {"t": "{text}"}}), "sender.form: not possible together with json"),
        (json!({"form": {"t": "{text}"}, "query": {"t": "{text}"}}), "sender.query: not possible together with form"),
        (json!({"json": {"t": "{text}", "x": "{nobody}"}}), "sender.json.x: an unknown placeholder"),
        (json!({"json": {"t": "{text}", "x": "{params.code}"}}), "sender.json.x: an unknown placeholder"),
        (json!({"json": {"t": "{text}", "x": "{params.}"}}), "sender.json.x: an unknown placeholder"),
        (json!({"json": {"t": "{text}", "x": "{ to }"}}), "sender.json.x: an unknown placeholder"),
        (json!({"json": {"t": "{text}", "x": "a}"}}), "sender.json.x: a brace alone"),
        (json!({"json": {"t": "{text}", "x": "{a"}}), "sender.json.x: a brace alone"),
        (json!({"json": {"t": "{text}", "x": ["{{\"a\": \"{to}\"}}"]}}), "sender.json.x[0]: a placeholder in JSON"),
        (json!({"json": {"t": "{text}", "x": "[{to}]"}}), "sender.json.x: a placeholder in JSON"),
        (json!({"json": {"t": "{text}", "x": " [\"{to}\", 1] "}}), "sender.json.x: a placeholder in JSON"),
        (json!({"json": {"t": "{text}", "x": "\"{to}\""}}), "sender.json.x: a placeholder in JSON"),
        (json!({"json": {"t": "{text}", "x": "{{{to}: 1}}"}}), "sender.json.x: a placeholder in JSON"),
        (json!({"json": {"t": {"$locale": {"en": "{text}", "it": "x"}}}}), "sender.json: must hold {text}, {code} or"),
        (
            json!({"json": {"t": "{text}", "x": {"$locale": {}}}}),
            "sender.json.x.(a name that is not shown): must hold a value for a locale",
        ),
        (json!({"json": {"t": "{text}", "x": {"$locale": 1}}}), "sender.json.x.(a name that is not shown): "),
        (
            json!({"json": {"t": "{text}", "x": {"$locale": {"e n": 1}}}}),
            "sender.json.x.(a name that is not shown).(a name that is not shown): not a locale",
        ),
        (
            json!({"json": {"t": "{text}", "x": {"$locale": {"pt-BR": 1, "pt_br": 2}}}}),
            "sender.json.x.(a name that is not shown).pt_br: repeated in another spelling",
        ),
        (
            json!({"json": {"t": "{text}", "x": {"$locale": {"en": {"$locale": {"en": 1}}}}}}),
            "sender.json.x.(a name that is not shown).en: already within $locale",
        ),
        (
            json!({"json": {"t": "{text}", "x": {"$locale": {"en": "{nobody}"}}}}),
            "sender.json.x.(a name that is not shown).en: an unknown",
        ),
        (
            json!({"json": {"t": "{text}", "x": {"$locale": {"en": 1}, "y": 1}}}),
            "sender.json.x.(a name that is not shown): must be the only member of its object",
        ),
        (json!({"form": {"t": "{text}", "x": {"$locale": {"en": [1]}}}}), "sender.form.x: must be a text"),
        (json!({"json": {"t": "<b>{text}</b>"}}), "sender.json.t: in markup only {digits}, {ref} and {minutes}"),
        (json!({"form": {"t": " <Say language=\"{locale}\">{digits}</Say>\n"}}), "sender.form.t: in markup only"),
        (json!({"json": {"t": "{text}", "x": "<a>{params.x}</a>"}}), "sender.json.x: in markup only"),
        (json!({"json": {"t": "{text}", "{to}": 1}}), "sender.json.(a name that is not shown): no brace"),
        (
            json!({"json": {"t": "{text}", "x": {"$json": {}, "y": 1}}}),
            "sender.json.x.(a name that is not shown): must be",
        ),
        (json!({"form": {"t": "{text}", "x": {"a": 1}}}), "sender.form.x: must be a text, a number"),
        (json!({"form": {"t": "{text}", "x": null}}), "sender.form.x: must be a text, a number"),
        (json!({"form": {"t": "{text}", "x": [["a"]]}}), "sender.form.x: must be a text, a number"),
        (json!({"query": ["{text}"]}), "sender.query: must be an object"),
    ] {
        refuses(&[(options, expected)]);
    }
    for text in ["{to}", "{{{to}}}", "code {code}!", "[{to}", "{{\"a\": 1}}", "{to}{to}", "-{to}"] {
        assert!(config(&with(&json!({"json": {"t": "{text}", "x": text}}))).warnings.is_empty(), "{text}");
    }
}

#[test]
fn heads() {
    for (options, expected) in [
        (json!({"method": "PATCH"}), "sender.method: must be one of POST, PUT, GET"),
        (json!({"method": "GET"}), "sender.method: GET has no body"),
        (json!({"basic": {"user": "a"}}), "sender.basic.password: missing"),
        (json!({"basic": {"user": "a:b", "password": "c"}}), "sender.basic.user: must be"),
        (json!({"basic": {"user": "a", "password": "c", "x": 1}}), "sender.basic.x: unknown"),
        (json!({"basic": {"user": "a", "password": "c"}, "bearer": "b"}), "sender.bearer: not possible together"),
        (json!({"bearer": "a b"}), "sender.bearer: must be 1 to 4096 visible ASCII characters"),
        (json!({"bearer": "a\r\nx: y"}), "sender.bearer: must be"),
        (json!({"bearer": "b", "headers": {"Authorization": "x"}}), "sender.headers.Authorization: not possible"),
        (json!({"headers": {"X": "a", "x": "b"}}), "sender.headers.x: repeated in another spelling"),
        (json!({"headers": {"": "a"}}), "sender.headers.: not the name of a header"),
        (json!({"headers": {"a b": "a"}}), "sender.headers.(a name that is not shown): not the name"),
        (json!({"headers": {"a:": "a"}}), "sender.headers.(a name that is not shown): not the name"),
        (json!({"headers": {"a\r\nb": "a"}}), "sender.headers.(a name that is not shown): not the name"),
        (json!({"headers": {"Host": "a"}}), "sender.headers.Host: set by the client itself"),
        (json!({"headers": {"Content-Length": "1"}}), "sender.headers.(a name that is not shown): set by the client"),
        (json!({"headers": {"x": "a\r\nb: c"}}), "sender.headers.x: must be printable ASCII"),
        (json!({"headers": {"x": "a\u{0}"}}), "sender.headers.x: must not contain a NUL"),
        (json!({"headers": {"x": "a\u{7f}"}}), "sender.headers.x: must be printable ASCII"),
        (json!({"headers": {"x": "é"}}), "sender.headers.x: must be printable ASCII"),
        (json!({"headers": {"x": " a"}}), "sender.headers.x: must not begin or end with a space"),
        (json!({"headers": {"x": "{ref}"}}), "sender.headers.x: a placeholder may not stand in a header"),
        (json!({"headers": {"x": 1}}), "sender.headers.x: must be a text"),
    ] {
        refuses(&[(options, expected)]);
    }
    let http = config(&with(&json!({"headers": {"X-Key": "{{a}}", "Authorization": "App x"}}))).senders[0].http.clone();
    let mut headers: Vec<_> =
        http.unwrap().headers.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
    headers.sort();
    let expected = [("authorization", "App x"), ("x-key", "{a}")];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn answers() {
    refuses(&[
        (json!({"accepted": [302]}), "sender.accepted[0]: must be an integer from 200 to 299"),
        (json!({"accepted": ["200"]}), "sender.accepted[0]: must be an integer"),
        (json!({"refused": [600]}), "sender.refused[0]: must be an integer from 200 to 599"),
        (json!({"refused": [{"a": []}]}), "sender.refused[0].a: must have 1 to 64 items"),
        (json!({"refused": [{"a": [{}]}]}), "sender.refused[0].a[0]: must be a text"),
        (json!({"refused": [{"a..b": [1]}]}), "sender.refused[0].(a name that is not shown): must be named by a path"),
        (json!({"refused": [202]}), "sender.refused: has a status that another list has"),
        (json!({"notTaken": [202]}), "sender.notTaken: has a status that another list has"),
        (json!({"notTaken": [429], "refused": [429]}), "sender.refused: has a status that another list has"),
        (json!({"messageId": ""}), "sender.messageId: must be a path"),
        (json!({"messageId": "a..b"}), "sender.messageId: must be a path"),
    ]);
    let _ = config(&with(&json!({"accepted": [200], "refused": [202, 400], "notTaken": []})));
}

#[test]
fn steps() {
    let warned = |options: Value, step: Value| {
        let mut config: Value = serde_json::from_str(&with(&options)).unwrap();
        config["workflow"] = json!([step]);
        config["background"] = json!(true);
        super::config(&config.to_string()).warnings
    };
    let told = "workflow[0].conditionStatus: no report finds a message: the sender has neither messageId nor {ref}";
    assert_eq!(warned(json!({}), json!({"channel": "sms", "conditionStatus": "delivered"})), [told]);
    let none = [""; 0];
    assert_eq!(warned(json!({}), json!({"channel": "sms", "conditionStatus": "verified"})), none);
    assert_eq!(warned(json!({"messageId": "id"}), json!({"channel": "sms", "conditionStatus": "delivered"})), none);
    let by_ref = json!({"json": {"t": "{text}", "r": "{ref}"}});
    assert_eq!(warned(by_ref, json!({"channel": "sms", "conditionStatus": "read"})), none);
    let logged = "sender.query: has the code: servers and proxies write URLs into logs";
    assert_eq!(warned(json!({"query": {"c": "{code}"}}), json!({"channel": "voice"})), [logged]);
    let logged = "sender.url: has the code: servers and proxies write URLs into logs";
    assert_eq!(warned(json!({"url": "https://h?t={text}"}), json!({"channel": "voice"})), [logged]);
    let mut config: Value = serde_json::from_str(&with(&json!({"json": {"t": "{text}", "f": "{from}"}}))).unwrap();
    config["workflow"] = json!([{"channel": "sms", "from": "me"}, {"channel": "voice"}]);
    refused(&[(&config.to_string(), "workflow: step 2 has no from, and its sender's request has {from}")]);
    // Without a condition nothing is waited for.
    assert!(super::config(&with(&json!({}))).workflow[0].condition.is_none());
}

#[test]
fn carriers_make_no_calls() {
    for kind in ["messages", "dispatch"] {
        let sender = json!({"type": kind, "apiKey": "k", "apiSecret": "s"});
        let config = json!({"sender": sender, "workflow": [{"channel": "voice", "from": "1"}]}).to_string();
        refused(&[(&config, &format!("workflow[0].channel: not a channel of sender {kind}"))]);
    }
}

#[test]
fn secrets_stand_elsewhere_and_are_not_shown() {
    let secret = "PATH";
    let path = std::env::var(secret).unwrap();
    let http = config(&with(&json!({"headers": {"x-path": "env:PATH"}, "json": {"t": "{text}", "p": "env:PATH"}})));
    assert!(http.senders[0].http.as_ref().unwrap().headers[0].1.as_str() == path);
    let (outcome, detail) = error(&with(&json!({"bearer": "env:OTP_NOBODY_HAS_THIS"})));
    assert!(outcome == Outcome::Config && detail.starts_with("sender.bearer: the environment has no"), "{detail}");
    let (_, detail) = error(&with(&json!({"url": "https://user:hunter2@h/"})));
    assert!(!detail.contains("hunter2"), "{detail}");
}
