use std::collections::BTreeMap;

use super::{AddressKind, Request, check_name};
use crate::config::Config;
use crate::outcome::Outcome;
use crate::strict::tests::with_mutants;

const HOST: &str = r#"{"sender": {"type": "host"}, "ownCodes": true, "workflow": [{"channel": "messenger"},
    {"channel": "pager"}, {"channel": "sms"}, {"channel": "fax"}, {"channel": "pager"}]}"#;
const NONE: &str = r#"{"sender": {"type": "none"}}"#;

fn config(json: &str) -> Config {
    Config::parse(Some(json)).ok().unwrap()
}

fn request(config: &str, json: &str) -> Request {
    let config = self::config(config);
    Request::parse(Some(json), &config).map_err(|error| format!("{json}: {error}")).ok().unwrap()
}

fn detail(config: &str, json: Option<&str>) -> String {
    let error = Request::parse(json, &self::config(config)).err().unwrap_or_else(|| panic!("{json:?} is accepted"));
    assert_eq!(error.outcome(), Outcome::Argument);
    error.detail().to_owned()
}

#[test]
fn all_members() {
    let request = request(
        HOST,
        r#"{"pager": "7", "fax": "8", "messengerId": "8192836451", "phoneNumber": "+39 333 123 4567", "subject": "s",
            "context": "10 EUR\nto me", "locale": "it_IT", "params": {"b": "", "a": "1"}, "idempotencyKey": "i",
            "client": "::1", "code": "my code"}"#,
    );
    let addresses: Vec<_> = request.addresses.iter().map(|address| (address.kind.member(), &*address.text)).collect();
    let expected = [("phoneNumber", "393331234567"), ("messengerId", "8192836451"), ("fax", "8"), ("pager", "7")];
    assert_eq!(addresses, expected);
    assert_eq!(request.subject.as_deref(), Some("s"));
    assert_eq!(request.context.as_deref(), Some("10 EUR\nto me"));
    assert_eq!(request.locale.as_deref(), Some("it_IT"));
    assert_eq!(request.params, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
    assert_eq!(request.idempotency_key.as_deref(), Some("i"));
    assert_eq!(request.client.as_deref(), Some("::1"));
    assert_eq!(request.code.as_ref().map(|code| code.as_str()), Some("my code"));
}

#[test]
fn kinds_of_addresses() {
    for channel in ["sms", "whatsapp", "viber_service", "rcs"] {
        assert_eq!(AddressKind::of(channel), AddressKind::Phone);
    }
    assert_eq!(AddressKind::of("messenger"), AddressKind::Messenger);
    assert_eq!(AddressKind::of("pager"), AddressKind::Channel("pager".to_owned()));
}

#[test]
fn absent_request() {
    let config = config(NONE);
    let request = Request::parse(None, &config).ok().unwrap();
    assert!(request.addresses.is_empty() && request.subject.is_none() && request.code.is_none());
    assert_eq!(detail("{}", None), "request: missing");
    let psd2 = r#"{"sender": {"type": "none"}, "policy": {"profile": "psd2"}}"#;
    assert_eq!(detail(psd2, None), "context: the profile requires one");
    assert!(self::request(psd2, r#"{"context": ""}"#).context.is_some());
}

#[test]
fn what_is_refused() {
    for (json, expected) in [
        ("", "request: not valid JSON: line 1, column 0"),
        ("[]", "request: must be an object"),
        (r#"{"phonenumber": "393331234567"}"#, "phonenumber: unknown"),
        (r#"{"phoneNumber": "393331234567", "phoneNumber": "393331234567"}"#, "phoneNumber: repeated"),
        (r#"{"phoneNumber": 393331234567}"#, "phoneNumber: must be a text"),
        (r#"{"phoneNumber": "0393331234567"}"#, "phoneNumber: must be a phone number with its calling code"),
        (r#"{"phoneNumber": "393331234567\u0000"}"#, "phoneNumber: must not contain a NUL"),
        (r#"{"phoneNumber": null}"#, "phoneNumber: must be a text"),
        (r#"{"messengerId": ""}"#, "messengerId: must be a text of 1 to 64 bytes without control characters"),
        (r#"{"messengerId": 8192836451}"#, "messengerId: must be a text"),
        (r#"{"sms": "393331234567"}"#, "sms: unknown"),
        (r#"{"messenger": "1"}"#, "messenger: unknown"),
        (r#"{"telex": "1"}"#, "telex: unknown"),
        (r#"{"params": []}"#, "params: must be an object"),
        (r#"{"params": {"a": 1}}"#, "params.a: must be a text"),
        (r#"{"params": {"a": "x", "a": "x"}}"#, "params.a: repeated"),
        (r#"{"params": {"code": "1"}}"#, "params.code: must be named"),
        (r#"{"params": {"a b": "1"}}"#, "params.(a name that is not shown): must be named"),
        (r#"{"params": {"a": "x\ny"}}"#, "params.a: must be a text of at most 256 bytes without control characters"),
        (r#"{"context": 1}"#, "context: must be a text"),
        (r#"{"context": "\u0000"}"#, "context: must not contain a NUL"),
        (r#"{"subject": "a\nb"}"#, "subject: must be a text of 1 to 256 bytes without control characters"),
        (r#"{"code": "123"}"#, "code: must be 4 to 16 printable ASCII characters"),
        (r#"{"code": 123456}"#, "code: must be a text"),
    ] {
        let found = detail(HOST, Some(json));
        assert!(found.starts_with(expected), "{json}: {found}");
    }
    assert_eq!(
        detail("{}", Some(r#"{"phoneNumber": "393331234567", "code": "111111"}"#)),
        "code: not allowed without the option ownCodes"
    );
    let nist = r#"{"ownCodes": true, "policy": {"profile": "nist"}}"#;
    assert!(detail(nist, Some(r#"{"code": "12345"}"#)).starts_with("code: must be"));
    assert_eq!(request(nist, r#"{"code": "123456"}"#).code.unwrap().as_str(), "123456");
}

#[test]
fn lengths() {
    for (member, longest) in
        [("subject", 256), ("client", 256), ("idempotencyKey", 256), ("locale", 35), ("messengerId", 64), ("pager", 64)]
    {
        let json = |bytes: usize| format!(r#"{{"{member}": "{}"}}"#, "x".repeat(bytes));
        request(HOST, &json(1));
        request(HOST, &json(longest));
        let expected = format!("{member}: must be a text of 1 to {longest} bytes without control characters");
        assert_eq!(detail(HOST, Some(&json(longest + 1))), expected);
        assert_eq!(detail(HOST, Some(&json(0))), expected);
    }
    let context = |bytes: usize| format!(r#"{{"context": "{}"}}"#, "x".repeat(bytes));
    request(HOST, &context(4096));
    assert_eq!(detail(HOST, Some(&context(4097))), "context: must be a text of at most 4096 bytes");
    let params = |count: usize, bytes: usize| {
        let params: BTreeMap<_, _> = (0..count).map(|index| (format!("p{index}"), "x".repeat(bytes))).collect();
        serde_json::json!({ "params": params }).to_string()
    };
    assert_eq!(request(HOST, &params(16, 256)).params.len(), 16);
    assert_eq!(detail(HOST, Some(&params(17, 1))), "params: must have at most 16 members");
    assert!(detail(HOST, Some(&params(1, 257))).starts_with("params.p0: must be a text of at most 256 bytes"));
    let padded = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
    request(HOST, &padded(16_384));
    assert_eq!(detail(HOST, Some(&padded(16_385))), "request: longer than 16384 bytes");
}

#[test]
fn canonical_bytes() {
    let canonical = |json: &str| request(HOST, json).canonical().to_vec();
    let same = [
        r#"{"phoneNumber": "393331234567", "messengerId": "1", "params": {"a": "1", "b": "2"}, "idempotencyKey": "k"}"#,
        r#"{"params": {"b": "2", "a": "1"}, "messengerId": "\u0031", "phoneNumber": "+39 333-1234567"}"#,
    ];
    assert_eq!(canonical(same[0]), canonical(same[1]));
    let different = [
        "{}",
        r#"{"phoneNumber": "393331234567"}"#,
        r#"{"messengerId": "393331234567"}"#,
        r#"{"fax": "393331234567"}"#,
        r#"{"pager": "393331234567"}"#,
        r#"{"subject": "a"}"#,
        r#"{"context": "a"}"#,
        r#"{"context": ""}"#,
        r#"{"locale": "a"}"#,
        r#"{"client": "a"}"#,
        r#"{"code": "aaaa"}"#,
        r#"{"client": "aaaa"}"#,
        r#"{"params": {"a": ""}}"#,
        r#"{"params": {"a": "", "b": ""}}"#,
        r#"{"params": {"a": "1"}}"#,
        r#"{"params": {"a": "1b"}}"#,
        r#"{"params": {"0": "1"}}"#,
        r#"{"subject": "0"}"#,
        r#"{"params": {"a": "0", "b": "1"}}"#,
        r#"{"params": {"a": "b", "c": "1"}}"#,
        r#"{"params": {"a": "bc", "d": "1"}}"#,
        r#"{"subject": "1", "context": "0"}"#,
        r#"{"subject": "10"}"#,
    ];
    let all: std::collections::BTreeSet<_> = different.iter().map(|json| canonical(json)).collect();
    assert_eq!(all.len(), different.len());
}

#[test]
fn names() {
    assert!(check_name("../a/b%2F'\"é", "token", 256).is_ok());
    assert!(check_name(&"é".repeat(128), "token", 256).is_ok());
    for name in ["", "a\n", "\u{7f}", "\u{9f}", "a\0", &"é".repeat(129)] {
        let error = check_name(name, "token", 256).unwrap_err();
        assert_eq!(error.outcome(), Outcome::Argument);
        assert_eq!(error.detail(), "token: must have 1 to 256 bytes and no control characters");
    }
}

#[test]
fn mutants_do_not_panic() {
    let config = config(HOST);
    let seeds = [
        r#"{"phoneNumber": "+39 (333) 1234567", "messengerId": "8192836451", "context": "a", "locale": "it"}"#,
        r#"{"pager": "1", "params": {"a": "x", "b": "y"}, "idempotencyKey": "k", "code": "1234", "client": "c"}"#,
    ];
    let (mut accepted, mut refused) = (0, 0);
    with_mutants(&seeds, 20_000, |json| match Request::parse(Some(json), &config) {
        Ok(request) => {
            assert!(!request.canonical().is_empty());
            if let Some(address) = request.addresses.iter().find(|address| address.kind == AddressKind::Phone) {
                assert!(address.text.bytes().all(|byte| byte.is_ascii_digit()));
            }
            accepted += 1;
        }
        Err(error) => {
            assert_eq!(error.outcome(), Outcome::Argument);
            assert!(error.detail().lines().count() == 1 && error.detail().is_ascii(), "{error}");
            refused += 1;
        }
    });
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}

#[test]
fn members_that_are_not_accepted_are_refused() {
    let config = config(r#"{"sender": {"type": "none"}, "accept": ["messengerId", "phoneNumber"]}"#);
    assert!(Request::parse(Some(r#"{"messengerId": "1", "phoneNumber": "393331234567"}"#), &config).is_ok());
    for member in ["subject", "context", "locale", "client", "idempotencyKey", "code", "params", "unknown"] {
        let json = format!(r#"{{"phoneNumber": "393331234567", "{member}": "x"}}"#);
        let error = Request::parse(Some(&json), &config).err().unwrap();
        assert_eq!(error.detail(), format!("{member}: not accepted from a request (accept)"));
    }
}
