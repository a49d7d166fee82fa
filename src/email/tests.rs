use super::*;

fn parsed(text: &str) -> Option<String> {
    Email::parse(text).ok().map(|email| email.text())
}

#[test]
fn what_is_an_address() {
    let longest = format!("{}@{}.example", "a".repeat(64), ["b".repeat(59).as_str(); 3].join("."));
    for text in ["a@b", "a.b+c@b.example", "o'neil/x=y@b.example", "{a}%0d`$@b-c.example", "a@1.example", &longest] {
        assert_eq!(parsed(text).as_deref(), Some(text));
    }
    assert_eq!(parsed("Mario@B.Example").as_deref(), Some("Mario@B.Example"), "it is sent as given");
    let too_long = format!("{}@{}", "a".repeat(64), ["b".repeat(63).as_str(); 3].join(".") + ".b");
    assert!(too_long.len() > EMAIL_BYTES);
    let long_local_part = "a".repeat(65) + "@b.example";
    for text in [
        "",
        "a",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        " a@b",
        "a@b ",
        "a,b@c",
        "a;b@c",
        "<a@b>",
        "(x)a@b",
        "a@b(x)",
        "\"a\"@b",
        "a\"@b",
        "a\\b@c",
        "a:b@c",
        "[a]@b",
        "a@[127.0.0.1]",
        ".a@b",
        "a.@b",
        "a..b@c",
        "a@.b",
        "a@b.",
        "a@b..c",
        "a@b_c",
        "a@-b",
        "a\r\n@b",
        "a@b\r\n",
        "a\0@b",
        "a\u{2028}@b",
        "a\u{a0}@b",
        "a\u{85}@b",
        "a@b,c@d",
        "a@b;c@d",
        "a@b>",
        "a@b/c",
        &too_long,
        &long_local_part,
    ] {
        assert_eq!(Email::parse(text), Err(NoEmail::Malformed), "{text:?}");
    }
}

#[test]
fn ascii_counts_in_lower_case() {
    for text in ["Mario@Example.com", "mario@EXAMPLE.COM", "MARIO@example.com"] {
        assert_eq!(counted(text), "mario@example.com");
    }
    assert_eq!(counted("Mario.Rossi+x@example.com"), "mario.rossi+x@example.com");
    assert_eq!(counted("no address"), "no address");
}

#[cfg(feature = "smtp")]
#[test]
fn other_letters_have_one_spelling() {
    let forms = [
        "mario@b\u{fc}cher.example",
        "mario@bu\u{308}cher.example",
        "Mario@B\u{dc}CHER.example",
        "mario@xn--bcher-kva.example",
        "mario@XN--BCHER-KVA.EXAMPLE",
        "mario@b\u{fc}cher\u{3002}example",
    ];
    for form in forms {
        assert_eq!(counted(form), "mario@xn--bcher-kva.example", "{form}");
        let domain = Email::parse(form).ok().map(|email| email.domain.to_ascii_lowercase());
        assert_eq!(domain.as_deref(), Some("xn--bcher-kva.example"));
    }
    for form in ["jos\u{e9}@b.example", "jose\u{301}@b.example", "JOS\u{c9}@B.EXAMPLE"] {
        assert_eq!(counted(form), "jos\u{e9}@b.example", "{form}");
    }
    assert_eq!(parsed("Jos\u{c9}@b.example").as_deref(), Some("Jos\u{c9}@b.example"));
    // What would be mapped to a mark of structure is none.
    for text in ["a\u{ff20}b@c", "a@b\u{ff20}c", "a\u{ff0c}b@c", "\u{ad}@b", "a@\u{ad}", "a@b\u{2028}c", "a@b\u{ff1c}"]
    {
        assert_eq!(Email::parse(text), Err(NoEmail::Malformed), "{text:?}");
    }
}

#[cfg(not(feature = "smtp"))]
#[test]
fn other_letters_need_tables() {
    for text in ["mario@b\u{fc}cher.example", "jos\u{e9}@b.example"] {
        assert_eq!(Email::parse(text), Err(NoEmail::NeedsTables));
    }
}

#[test]
fn mailboxes() {
    let read = |text: &str| Mailbox::parse(text).map(|mailbox| (mailbox.name, mailbox.email.text()));
    let told = |name: Option<&str>| Some((name.map(str::to_owned), "a@b.example".to_owned()));
    assert_eq!(read("a@b.example"), told(None));
    assert_eq!(read("<a@b.example>"), told(None));
    assert_eq!(read("ACME, Inc. <a@b.example>"), told(Some("ACME, Inc.")));
    assert_eq!(read("\"ACME\" <a@b.example>"), told(Some("ACME")));
    assert_eq!(read("\u{c4}CME \u{1f600} <a@b.example>"), told(Some("\u{c4}CME \u{1f600}")));
    for text in ["", "ACME", "ACME a@b.example", "ACME <a>", "A\"B <a@b.example>", "A\nB <a@b.example>", "<x> <a@b.c>"]
    {
        assert_eq!(read(text), None, "{text:?}");
    }
}

#[test]
fn what_comes_along_with_an_address() {
    for text in ["a@b", " a@b\n", "\u{200f}a@b\u{feff} ", "mailto:a@b", "\u{a0}MAILTO: a@b"] {
        assert_eq!(pasted(text), "a@b", "{text:?}");
    }
    assert_eq!(pasted("mailto"), "mailto");
    for text in ["\u{200b}a@b", "a\u{200d}b@c"] {
        assert!(Email::parse(text).is_err(), "what nobody sees is no part of an address: {text:?}");
    }
}
