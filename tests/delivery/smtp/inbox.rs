//! The inbox itself: what it refuses, so that a test against it can fail, and that nothing makes it panic.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use simulator::smtp::Inbox;

use super::open_inbox;
use crate::http::injection::Random;

/// A dialogue as far as DATA.
const ENVELOPE: [&str; 4] =
    ["EHLO [127.0.0.1]\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<c@d.example>\r\n", "DATA\r\n"];

/// Says this, each part after a reply to the one before, and gives the last reply.
fn dialogue(inbox: &Inbox, parts: &[&str]) -> String {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, inbox.port)).unwrap();
    let mut reply = read(&mut socket);
    for part in parts {
        if socket.write_all(part.as_bytes()).is_err() {
            break;
        }
        reply = read(&mut socket);
    }
    reply
}

fn read(socket: &mut TcpStream) -> String {
    let mut reply = String::new();
    loop {
        let mut byte = [0];
        if socket.read(&mut byte).unwrap_or(0) == 0 {
            return reply;
        }
        reply.push(char::from(byte[0]));
        let last = reply.lines().last().unwrap();
        if reply.ends_with('\n') && last.as_bytes().get(3) == Some(&b' ') {
            return last.to_owned();
        }
    }
}

/// A mail with these in place of a good header, text and encoding.
fn mail(header: &str, encoding: &str, text: &str) -> String {
    format!(
        "Date: Sat, 28 Nov 2026 06:00:00 +0000\r\nFrom: a@b.example\r\nTo: c@d.example\r\nMessage-ID: <1@b.example>\r\n\
         {header}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n{text}\r\n.\r\n"
    )
}

#[test]
fn good_mail_is_kept() {
    let inbox = open_inbox();
    for (header, encoding, text, subject, read) in [
        ("Subject: a  b", "7bit", "..\r\nx", "a  b", ".\nx"),
        (
            "Subject: =?utf-8?B?w6k=?=\r\n =?utf-8?Q?=C3=A9_x?= y",
            "quoted-printable",
            "a=\r\nb=3D",
            "\u{e9}\u{e9} x y",
            "ab=",
        ),
        ("Subject: a\r\n b", "base64", "w6kK", "a b", "\u{e9}\n"),
    ] {
        let mail = mail(header, encoding, text);
        let parts = [&ENVELOPE[..], &[mail.as_str()]].concat();
        assert!(dialogue(&inbox, &parts).starts_with("250 "), "{:?}", inbox.complaints());
        let kept = inbox.take().remove(0);
        assert_eq!((kept.subject.as_str(), kept.text.as_str(), kept.is_accepted), (subject, read, true));
    }
    assert_eq!(inbox.complaints(), [""; 0]);
}

#[test]
fn commands_out_of_order_are_refused() {
    let [ehlo, from, to, data] = ENVELOPE;
    let long = format!("NOOP {}\r\n", "x".repeat(600));
    let longer = format!("NOOP {}\r\n", "x".repeat(1200));
    for (parts, complaint) in [
        (&[from][..], "a command before EHLO"),
        (&["EHLO\r\n"], "EHLO without a name or an address"),
        (&["EHLO laptop\r\n"], "EHLO without a name or an address"),
        (&[ehlo, to], "RCPT without MAIL"),
        (&[ehlo, data], "DATA without RCPT"),
        (&[ehlo, from, data], "DATA without RCPT"),
        (&[ehlo, from, from], "MAIL within a mail"),
        (&[ehlo, "MAIL FROM:<a@b.example> BODY=8BITMIME\r\n"], "a parameter of MAIL that was not offered"),
        (&[ehlo, "MAIL FROM: <a@b.example>\r\n"], "MAIL without an address"),
        (&[ehlo, "MAIL FROM:a@b.example\r\n"], "MAIL without an address"),
        (&[ehlo, "MAIL FROM:<a@b.example\r\n"], "MAIL without an address"),
        (&[ehlo, "MAIL FROM:<\u{e9}@b.example>\r\n"], "an address outside ASCII without SMTPUTF8"),
        (&[ehlo, from, "RCPT TO:<\u{e9}@b.example>\r\n"], "an address outside ASCII without SMTPUTF8"),
        (&[ehlo, from, "RCPT TO:<a@b.example> NOTIFY=NEVER\r\n"], "RCPT without an address, or with a parameter"),
        (&[ehlo, "STARTTLS\r\n"], "STARTTLS, which was not offered"),
        (&[ehlo, "AUTH PLAIN AGEAYg==\r\n"], "AUTH, which was not offered"),
        (&[ehlo, "HELP\r\n"], "an unknown command"),
        (&[ehlo, "NOOP\n"], "an LF alone"),
        (&[ehlo, "NOOP\rx\r\n"], "a CR alone"),
        (&[ehlo, "NOOP\0\r\n"], "a NUL"),
        (&[ehlo, &long], "a command that is too long or no text"),
        (&[ehlo, &longer], "a line of more than 1000 bytes"),
        (&[ehlo, "NOOP\r\nNOOP\r\n"], "a command that did not wait for a reply"),
    ] {
        let inbox = open_inbox();
        let reply = dialogue(&inbox, parts);
        assert!(reply.starts_with('5'), "{parts:?}: {reply}");
        assert_eq!(inbox.complaints(), [complaint], "{parts:?}");
    }
}

#[test]
fn bad_mail_is_refused() {
    let subject = "Subject: s";
    let good = mail(subject, "7bit", "t");
    for (mail, complaint) in [
        (mail(subject, "7bit", "\u{e9}"), "8-bit bytes where 7 are allowed"),
        (mail("Subject: \u{e9}", "7bit", "t"), "8-bit bytes where 7 are allowed"),
        (mail(subject, "7bit", &"x".repeat(1000)), "a line of more than 1000 bytes"),
        (mail(subject, "7bit", "a\nb"), "an LF alone"),
        (mail(subject, "7bit", "a\rb"), "a CR alone"),
        (mail(subject, "7bit", ".x"), "a dot that is not doubled"),
        (mail(subject, "7bit", "x\r\n.\r\nRSET"), "more after the final dot"),
        (mail(subject, "quoted-printable", "\u{e9}"), "8-bit bytes where 7 are allowed"),
        (mail(subject, "quoted-printable", "=c3"), "an escape that is none"),
        (mail(subject, "quoted-printable", "a "), "a line of quoted-printable that is too long, or ends with a blank"),
        (mail(subject, "base64", "?"), "a body that is no Base64"),
        (mail(subject, "base64", "/w=="), "a body that is no UTF-8"),
        (mail(subject, "rot13", "t"), "an unknown encoding"),
        (mail("Subject: =?latin1?Q?x?=", "7bit", "t"), "an encoded word that is none"),
        (mail("Subject: s\r\nsubject: t", "7bit", "t"), "subject stands twice"),
        (mail("X: s", "7bit", "t"), "no subject"),
        (mail("Subject: s\r\nbad line", "7bit", "t"), "a line that is no header"),
        (mail("Subject: s\r\n \r\n x", "7bit", "t"), "a fold of blanks alone"),
        (mail("Subject: s\u{1b}", "7bit", "t"), "a control character in a header"),
        (good.replace("MIME-Version: 1.0", "MIME-Version: 2"), "a content that is no text in UTF-8"),
        ("Subject: s\r\n.\r\n".to_owned(), "no body"),
    ] {
        let inbox = open_inbox();
        let parts = [&ENVELOPE[..], &[mail.as_str()]].concat();
        let reply = dialogue(&inbox, &parts);
        assert!(reply.starts_with('5'), "{mail:?}: {reply}");
        assert_eq!(inbox.complaints(), [complaint], "{mail:?}");
        assert_eq!(inbox.messages().len(), 0, "{mail:?}");
    }
}

#[test]
fn garbage_ends_its_connection_and_nothing_else() {
    let (inbox, mut random) = (open_inbox(), Random(0x2545_f491_4f6c_dd1d));
    let words = ["EHLO ", "[1]", "MAIL FROM:<", "a@b", ">", "RCPT TO:<", "DATA", "RSET", "QUIT", "AUTH ", "=?utf-8?B?"];
    for _ in 0..testing::size(300, 5_000) {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, inbox.port)).unwrap();
        for _ in 0..random.below(12) {
            let mut bytes = words[random.below(words.len())].as_bytes().to_vec();
            bytes.extend((0..random.below(4)).map(|_| u8::try_from(random.below(256)).unwrap()));
            bytes.extend_from_slice(["\r\n", "\n", "", "\r\n.\r\n"][random.below(4)].as_bytes());
            if socket.write_all(&bytes).is_err() {
                break;
            }
        }
    }
    let mail = mail("Subject: s", "7bit", "t");
    let parts = [&ENVELOPE[..], &[mail.as_str()]].concat();
    assert!(dialogue(&inbox, &parts).starts_with("250 "));
    assert_eq!(inbox.messages().len(), 1);
}
