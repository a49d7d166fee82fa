//! What a mail looks like.

use super::*;
use crate::outcome::Outcome;
use crate::sender::samples;

fn message(from: &str, to: &str, subject: &str, text: &str) -> Message {
    let subject = Some(Zeroizing::new(subject.to_owned()));
    Message { from: from.to_owned(), subject, ..samples::message("email", to, text) }
}

fn written(message: &Message) -> (Letter, String) {
    let letter = Letter::write(message).ok().unwrap();
    let text = String::from_utf8(letter.data.to_vec()).unwrap();
    (letter, text)
}

#[test]
fn a_plain_mail() {
    let (letter, text) = written(&message("codes@acme.test", "a@b.test", "Your code", "Code: 63731\n.\nbye"));
    let date = text.strip_prefix("Date: ").and_then(|rest| rest.split("\r\n").next()).unwrap();
    assert!(date.ends_with(" +0000"), "{date}");
    let expected = format!(
        "Date: {date}\r\nFrom: codes@acme.test\r\nTo: a@b.test\r\nMessage-ID: <{}>\r\nAuto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nSubject: Your code\r\n\
         Content-Transfer-Encoding: 7bit\r\n\r\nCode: 63731\r\n..\r\nbye\r\n",
        letter.id
    );
    assert_eq!(text, expected);
    assert_eq!((&*letter.from, &*letter.to, letter.needs_utf8), ("codes@acme.test", "a@b.test", false));
    let (random, domain) = letter.id.split_once('@').unwrap();
    assert_eq!((random.len(), domain), (32, "acme.test"));
    assert_ne!(written(&message("codes@acme.test", "a@b.test", "s", "t")).0.id, letter.id);
    assert_eq!(letter.reported_id().as_deref(), Some(&*letter.id));
}

#[test]
fn names_and_letters_outside_ascii() {
    for (from, shown) in [
        ("ACME <codes@acme.test>", "ACME <codes@acme.test>"),
        ("ACME, Inc. <codes@acme.test>", "=?utf-8?b?QUNNRSwgSW5jLg==?= <codes@acme.test>"),
        ("\u{c4}CME <codes@\u{e4}cme.test>", "=?utf-8?b?w4RDTUU=?= <codes@xn--cme-pla.test>"),
    ] {
        let (_, text) = written(&message(from, "a@b.test", "s", "t"));
        assert!(text.contains(&format!("\r\nFrom: {shown}\r\n")), "{text}");
    }
    let (letter, text) = written(&message("codes@acme.test", "jos\u{e9}@b\u{fc}cher.test", "S\u{e9}", "\u{e9}"));
    assert!(letter.needs_utf8);
    assert_eq!(letter.to, "jos\u{e9}@xn--bcher-kva.test");
    assert!(text.contains("\r\nTo: jos\u{e9}@xn--bcher-kva.test\r\n"), "{text}");
    assert!(
        text.ends_with("Subject: =?utf-8?B?U8Op?=\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n")
    );
    let (letter, text) = written(&message("codes@acme.test", "jose@b\u{fc}cher.test", "s", "t"));
    assert!(!letter.needs_utf8 && text.is_ascii());
}

#[test]
fn what_cannot_be_written() {
    for (from, to) in [("", "a@b.test"), ("codes", "a@b.test"), ("a@b.test", "a"), ("a@b.test", "a@b.test\r\nBcc: c@d")]
    {
        let error = Letter::write(&message(from, to, "s", "t")).err().unwrap();
        assert_eq!(error.outcome(), Outcome::Argument);
        assert!(error.detail().starts_with("request: message for email: "));
        assert!(!error.detail().contains("b.test"), "{error}");
    }
}
