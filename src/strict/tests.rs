use super::{Node, Object, is_host_name, is_name, parse};
use crate::error::{Error, Result};
use crate::outcome::Outcome;

/// Calls `each` with texts that are like one of the seeds except for a few bytes, always the same ones.
pub fn with_mutants(seeds: &[&str], count: usize, mut each: impl FnMut(&str)) {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % limit.max(1) as u64).unwrap()
    };
    const FRAGMENTS: [&str; 16] =
        ["{", "}", "[", "]", "\"", ",", ":", "null", "-1", "1e999", "\\u0000", "\\ud800", "{code}", "é", "9", "\""];
    for _ in 0..count {
        let mut bytes = seeds[below(seeds.len())].as_bytes().to_vec();
        for _ in 0..=below(4) {
            let at = below(bytes.len() + 1);
            let end = (at + below(6)).min(bytes.len());
            let fragment = FRAGMENTS[below(FRAGMENTS.len())].as_bytes();
            match below(3) {
                0 => drop(bytes.drain(at..end)),
                1 => drop(bytes.splice(at..end, fragment.iter().copied())),
                _ => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            }
        }
        each(&String::from_utf8_lossy(&bytes));
    }
}

fn read(json: &str) -> Result<Node> {
    parse(json, "doc", Error::argument)
}

fn object(json: &str) -> Object {
    read(json).unwrap().object().ok().unwrap()
}

fn detail<T>(result: Result<T>) -> String {
    let error = result.err().expect("an error");
    assert_eq!(error.outcome(), Outcome::Argument);
    error.detail().to_owned()
}

#[test]
fn errors_name_the_path_and_no_value() {
    let mut doc = object(r#"{"policy": {"sendLimits": [{"count": "secret"}]}, "x": null}"#);
    let mut policy = doc.take("policy").unwrap().object().ok().unwrap();
    let limits = policy.take("sendLimits").unwrap().list(1..=1).ok().unwrap();
    let mut limit = limits.into_iter().next().unwrap().object().ok().unwrap();
    let count = limit.take("count").unwrap();
    assert_eq!(detail(count.integer::<u32>(1..=9)), "policy.sendLimits[0].count: must be an integer from 1 to 9");
    assert_eq!(detail(count.number()), "policy.sendLimits[0].count: must be a number");
    assert_eq!(detail(count.choice(&[("a", 1), ("b", 2)])), "policy.sendLimits[0].count: must be one of a, b");
    assert_eq!(detail(limit.need("minutes")), "policy.sendLimits[0].minutes: missing");
    let null = doc.take("x").unwrap();
    assert_eq!(detail(null.text()), "x: must be a text");
    assert_eq!(detail(null.flag()), "x: must be true or false");
    assert_eq!(detail(null.list(0..=1)), "x: must be a list");
    assert_eq!(detail(read("[]").unwrap().object()), "doc: must be an object");
    assert_eq!(detail(read("[1]").unwrap().list(2..=3)), "doc: must have 2 to 3 items");
    let mut absent = doc.take_object("y").ok().unwrap();
    assert_eq!(detail(absent.need("z")), "y.z: missing");
}

#[test]
fn unknown_and_repeated_members() {
    for (json, expected) in [
        (r#"{"a": 1, "b": 2, "a": 1}"#, "a: repeated"),
        (r#"{"a": 1, "\u0061": 1}"#, "a: repeated"),
        (r#"{"a": 1}"#, "a: unknown"),
        (r#"{"": 1}"#, "doc: unknown"),
        (r#"{"phoneNumber2": 1}"#, "phoneNumber2: unknown"),
        (r#"{"é\n\u001b\" ": 1}"#, "(a name that is not shown): unknown"),
        (r#"{"+393331234567": 1}"#, "(a name that is not shown): unknown"),
        (r#"{"393331234567": 1, "393331234567": 2}"#, "(a name that is not shown): repeated"),
        (r#"{"a1b2c3d4": 1}"#, "(a name that is not shown): unknown"),
    ] {
        assert_eq!(detail(read(json).unwrap().object().and_then(Object::finish)), expected, "{json}");
    }
    let named = |length: usize| detail(object(&format!(r#"{{"{}": 1}}"#, "n".repeat(length))).finish());
    assert_eq!(named(32), format!("{}: unknown", "n".repeat(32)));
    assert_eq!(named(33), "(a name that is not shown): unknown");
}

#[test]
fn what_is_not_json() {
    for (json, expected) in [
        ("", "doc: not valid JSON: line 1, column 0"),
        ("{\n \"secret\" x}", "doc: not valid JSON: line 2, column 11"),
        ("{} {}", "doc: not valid JSON: line 1, column 4"),
        (r#"{"a": "\ud800"}"#, "doc: not valid JSON: line 1, column 14"),
        (r#"{"a": 1e999}"#, "doc: not valid JSON: line 1, column 11"),
        (r#"{"a": NaN}"#, "doc: not valid JSON: line 1, column 7"),
        (r#"{"a": 01}"#, "doc: not valid JSON: line 1, column 8"),
        (r#"{"a": 1,}"#, "doc: not valid JSON: line 1, column 9"),
    ] {
        assert_eq!(detail(read(json)), expected, "{json}");
    }
}

#[test]
fn nesting() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(read(&nested(16)).is_ok());
    assert_eq!(detail(read(&nested(17))), "doc: nested too deeply");
    assert_eq!(detail(read(&"[".repeat(100_000))), "doc: nested too deeply");
    assert_eq!(detail(read(&r#"{"a":"#.repeat(100_000))), "doc: nested too deeply");
}

#[test]
fn integers() {
    let integer = |json: &str| read(json).unwrap().integer::<u8>(4..=10);
    assert_eq!(integer("4").ok(), Some(4));
    assert_eq!(integer("10").ok(), Some(10));
    for json in ["3", "11", "-4", "4.0", "4.5", "4e0", "\"4\"", "true", "null", "[4]", "18446744073709551616"] {
        assert_eq!(detail(integer(json)), "doc: must be an integer from 4 to 10", "{json}");
    }
    assert_eq!(read("300").unwrap().integer::<u8>(0..=300).ok(), None);
    assert_eq!(read("18446744073709551615").unwrap().integer::<u64>(0..=u64::MAX).ok(), Some(u64::MAX));
}

#[test]
fn texts() {
    assert_eq!(read(r#""a\u0001é""#).unwrap().text().ok(), Some("a\u{1}é"));
    assert_eq!(detail(read(r#""a\u0000b""#).unwrap().text()), "doc: must not contain a NUL");
    let name = |json: &str| read(json).unwrap().name(4).ok();
    assert_eq!(name(r#""abcd""#).as_deref(), Some("abcd"));
    assert_eq!(name(r#""éé""#).as_deref(), Some("éé"));
    for json in [r#""""#, r#""abcde""#, r#""ééa""#, r#""a\nb""#, r#""\u007f""#, r#""\u0085""#] {
        assert_eq!(name(json), None, "{json}");
    }
    assert!(is_name("a b", 3));
}

#[test]
fn members_keep_their_order() {
    let names: Vec<_> =
        object(r#"{"z": 1, "a": 2, "m": 3}"#).into_members().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn host_names() {
    for host in ["example.com", "a", "A-b.c1", "xn--bcher-kva.example", "127.0.0.1"] {
        assert!(is_host_name(host), "{host}");
    }
    let long = ["a"; 128].join(".");
    for host in ["", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "a:1", "https://a", "a/b", "é.example", &long]
    {
        assert!(!is_host_name(host), "{host}");
    }
}

#[test]
fn mutants_do_not_panic() {
    let mut parsed = 0;
    with_mutants(&[r#"{"a": [1, -2.5, {"b": "text\n"}], "c": null, "d": true}"#], 20_000, |json| match read(json) {
        Ok(_) => parsed += 1,
        Err(error) => {
            assert_eq!(error.outcome(), Outcome::Argument);
            assert!(error.detail().is_ascii() && !error.detail().contains('\n'));
        }
    });
    assert!(parsed > 100, "{parsed} mutants were JSON");
}
