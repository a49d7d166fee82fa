//! One table of faults: what the carrier does, how much time there is, what comes of it, and how many requests it saw.

use std::thread;
use std::time::Duration;

use simulator::script::{Peer, Script, accepted, serve};
use simulator::{answer, status};

use super::client::carrier;
use super::{AMPLE, SHORT, check_told, parts, send};

/// A good answer, badly packed.
const GOOD: &str = r#"{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"}"#;

const EARLY_HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

const ENDS_BY_ITSELF: [(&str, Script, &str, usize); 64] = [
    ("closed at once", |_, _| {}, "in doubt", 0),
    ("reset within the head", |peer, _| assert_eq!(peer.wire.read(&mut [0]).unwrap(), 1), "in doubt", 0),
    ("reset after the head", |peer, _| assert!(peer.wire.read(&mut [0; 100]).unwrap() > 0), "in doubt", 0),
    ("closed after the request", answer!(""), "in doubt", 1),
    ("head cut", answer!("HTTP/1.1 202 Acc"), "in doubt", 1),
    ("head cut after a line", answer!("HTTP/1.1 202 Accepted\r\ncontent-length: 55\r\n"), "in doubt", 1),
    ("body cut", answer!(format!("HTTP/1.1 202 Accepted\r\ncontent-length: 56\r\n\r\n{GOOD}")), "in doubt", 1),
    ("body missing", answer!("HTTP/1.1 202 Accepted\r\ncontent-length: 55\r\n\r\n"), "in doubt", 1),
    ("length too short", answer!(format!("HTTP/1.1 202 Accepted\r\ncontent-length: 20\r\n\r\n{GOOD}")), "in doubt", 1),
    ("length no number", answer!(format!("HTTP/1.1 202 Accepted\r\ncontent-length: x\r\n\r\n{GOOD}")), "in doubt", 1),
    ("length negative", answer!(format!("HTTP/1.1 202 Accepted\r\ncontent-length: -1\r\n\r\n{GOOD}")), "in doubt", 1),
    (
        "two lengths",
        answer!(format!("HTTP/1.1 202 Accepted\r\ncontent-length: 55\r\ncontent-length: 5\r\n\r\n{GOOD}")),
        "in doubt",
        1,
    ),
    ("garbage", answer!([0xff; 300]), "in doubt", 1),
    ("http 0.9", answer!(GOOD), "in doubt", 1),
    ("another protocol", answer!("220 mail ESMTP\r\n"), "in doubt", 1),
    ("http 2", answer!(format!("HTTP/2 202\r\ncontent-length: 55\r\n\r\n{GOOD}")), "in doubt", 1),
    ("status of four digits", answer!("HTTP/1.1 2020 X\r\ncontent-length: 0\r\n\r\n"), "in doubt", 1),
    ("head too large", answer!(format!("HTTP/1.1 202 OK\r\nx: {}\r\n\r\n", "x".repeat(20_000))), "in doubt", 1),
    ("too many headers", answer!(format!("HTTP/1.1 202 OK\r\n{}\r\n", "x: y\r\n".repeat(500))), "in doubt", 1),
    ("chunk without size", answer!(chunked("zz\r\nabc\r\n0\r\n\r\n")), "in doubt", 1),
    ("chunk of huge size", answer!(chunked("ffffffffffffffffff\r\nabc")), "in doubt", 1),
    ("chunk cut", answer!(chunked(&format!("ff\r\n{GOOD}"))), "in doubt", 1),
    ("chunk without end", answer!(chunked(&format!("37\r\n{GOOD}XX0\r\n\r\n"))), "in doubt", 1),
    ("last chunk missing", answer!(chunked(&format!("37\r\n{GOOD}\r\n"))), "in doubt", 1),
    ("in chunks", answer!(chunked(&format!("37\r\n{GOOD}\r\n0\r\n\r\n"))), "accepted", 1),
    ("http 1.0", answer!(format!("HTTP/1.0 202 Accepted\r\n\r\n{GOOD}")), "accepted", 1),
    ("endless body", endless_chunks, "in doubt", 1),
    ("a gigabyte", endless_length, "in doubt", 1),
    ("empty", status!("202 Accepted", "", ""), "in doubt", 1),
    ("no content", answer!("HTTP/1.1 204 No Content\r\n\r\n"), "in doubt", 1),
    ("no json", status!("202 Accepted", "", "accepted"), "in doubt", 1),
    ("json cut", status!("202 Accepted", "", &GOOD[..54]), "in doubt", 1),
    ("json and more", status!("202 Accepted", "", format!("{GOOD}{GOOD}")), "in doubt", 1),
    ("no utf-8", status!("202 Accepted", "", [GOOD.as_bytes(), &[0xff]].concat()), "in doubt", 1),
    ("utf-16", status!("202 Accepted", "", GOOD.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<_>>()), "in doubt", 1),
    ("a list", status!("202 Accepted", "", format!("[{GOOD}]")), "in doubt", 1),
    ("no uuid", status!("202 Accepted", "", r#"{"workflow_id":"x"}"#), "in doubt", 1),
    ("the other uuid", status!("202 Accepted", "", r#"{"dispatch_uuid":"x"}"#), "in doubt", 1),
    ("uuid a number", status!("202 Accepted", "", r#"{"message_uuid":1234}"#), "in doubt", 1),
    ("uuid null", status!("202 Accepted", "", r#"{"message_uuid":null}"#), "in doubt", 1),
    ("uuid an object", status!("202 Accepted", "", r#"{"message_uuid":{"id":"x"}}"#), "in doubt", 1),
    ("uuid empty", status!("202 Accepted", "", r#"{"message_uuid":""}"#), "in doubt", 1),
    ("uuid no uuid", status!("202 Accepted", "", r#"{"message_uuid":"a b"}"#), "in doubt", 1),
    ("uuid long", status!("202 Accepted", "", format!(r#"{{"message_uuid":"{}"}}"#, "a".repeat(65))), "in doubt", 1),
    ("uuid twice", status!("202 Accepted", "", r#"{"message_uuid":"a","message_uuid":"b"}"#), "in doubt", 1),
    ("deep", status!("202 Accepted", "", deep(&GOOD[..54], ",\"x\":")), "accepted", 1),
    ("deep uuid", status!("202 Accepted", "", deep("{", "\"message_uuid\":")), "in doubt", 1),
    ("deep and nothing else", status!("202 Accepted", "", "[".repeat(60_000)), "in doubt", 1),
    ("a flood of early hints", |peer, _| flood(peer, EARLY_HINTS), "in doubt", 1),
    ("a flood of continue", |peer, _| flood(peer, CONTINUE), "in doubt", 1),
    ("error with a good status", status!("200 OK", "", r#"{"type":"x#1420","title":"t"}"#), "in doubt", 1),
    ("compressed", status!("202 Accepted", "content-encoding: gzip\r\n", gzip()), "in doubt", 1),
    ("of another type", status!("202 Accepted", "content-type: text/html\r\n", GOOD), "accepted", 1),
    ("continue first", continue_first, "accepted", 1),
    ("switching protocols", answer!("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), "in doubt", 1),
    ("moved", status!("301 Moved Permanently", "location: /v1/messages\r\n", ""), "in doubt", 1),
    ("found", status!("302 Found", "location: /v1/messages\r\n", GOOD), "in doubt", 1),
    ("temporary redirect", status!("307 Temporary Redirect", "location: /v1/messages\r\n", ""), "in doubt", 1),
    ("permanent redirect", status!("308 Permanent Redirect", "location: /v1/messages\r\n", GOOD), "in doubt", 1),
    ("internal error", status!("500 Internal Server Error", "", GOOD), "in doubt", 1),
    ("bad gateway", status!("502 Bad Gateway", "", ""), "in doubt", 1),
    ("unavailable", status!("503 Service Unavailable", "retry-after: 1\r\n", ""), "in doubt", 1),
    ("gateway time-out", status!("504 Gateway Timeout", "", ""), "in doubt", 1),
    (
        "answer before the request",
        |peer, _| {
            peer.answer("401 Unauthorized", "", "");
            peer.wait();
        },
        "not taken",
        0,
    ),
];

/// What goes on until the deadline.
const ENDS_BY_DEADLINE: [(&str, Script, &str); 7] = [
    ("never reads", |_, _| thread::sleep(SHORT * 3), "in doubt"),
    ("never answers", |peer, _| peer.wait(), "in doubt"),
    ("head byte by byte", |peer, _| trickle(peer, "HTTP/1.1 202 Accepted\r\nx: ", " "), "in doubt"),
    (
        "good body byte by byte",
        |peer, _| trickle(peer, "HTTP/1.1 202 OK\r\ncontent-length: 999\r\n\r\n", " "),
        "in doubt",
    ),
    (
        "bad body byte by byte",
        |peer, _| trickle(peer, "HTTP/1.1 422 No\r\ncontent-length: 999\r\n\r\n", " "),
        "not taken",
    ),
    ("early hints without end", |peer, _| trickle(peer, EARLY_HINTS, EARLY_HINTS), "in doubt"),
    ("continue without end", |peer, _| trickle(peer, CONTINUE, CONTINUE), "in doubt"),
];

fn chunked(chunks: &str) -> String {
    format!("HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")
}

/// An object that begins like this, with a member whose value is deeper than any parser may recurse.
fn deep(start: &str, member: &str) -> String {
    format!("{start}{member}{}{}}}", "[".repeat(30_000), "]".repeat(30_000))
}

fn endless_chunks(peer: &mut Peer, _: usize) {
    peer.request();
    peer.send(chunked(""));
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    while peer.send(&chunk) {}
}

fn endless_length(peer: &mut Peer, _: usize) {
    peer.request();
    peer.send("HTTP/1.1 202 Accepted\r\ncontent-length: 1073741824\r\n\r\n");
    while peer.send([b' '; 0x1000]) {}
}

fn continue_first(peer: &mut Peer, _: usize) {
    peer.request();
    peer.send("HTTP/1.1 100 Continue\r\n\r\n");
    peer.accept();
}

fn trickle(peer: &mut Peer, first: &str, more: &str) {
    peer.request();
    peer.send(first);
    while peer.send(more) {
        thread::sleep(Duration::from_millis(20));
    }
}

fn flood(peer: &mut Peer, answer: &str) {
    peer.request();
    while peer.send(answer) {}
}

/// The good answer in a gzip frame with a stored block (RFC 1952, RFC 1951): what a decoder would understand.
fn gzip() -> Vec<u8> {
    let body = accepted();
    let length = u16::try_from(body.len()).unwrap();
    let crc = !body.bytes().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    let lengths = [length.to_le_bytes(), (!length).to_le_bytes()].concat();
    [&head, &lengths[..], body.as_bytes(), &crc.to_le_bytes(), &u32::from(length).to_le_bytes()].concat()
}

#[test]
fn faults_that_end() {
    thread::scope(|scope| {
        for batch in ENDS_BY_ITSELF.chunks(15) {
            scope.spawn(move || {
                for (name, script, expected, requests) in batch {
                    let server = serve(script);
                    let (kind, failure) = parts(send(&carrier(server.port), AMPLE).0);
                    assert_eq!(kind, *expected, "{name}: {failure:?}");
                    assert_eq!(server.seen.requests(), *requests, "{name}");
                    let connections = server.seen.connections();
                    assert_eq!(connections, 1, "{name}: nothing in doubt is sent again");
                    if kind != "accepted" {
                        check_told(&failure, &format!("127.0.0.1:{}: ", server.port));
                    }
                    let sent = server.seen.bytes_sent();
                    assert!(sent < 16 << 20, "{name}: {sent} bytes");
                }
            });
        }
    });
}

#[test]
fn faults_that_last() {
    thread::scope(|scope| {
        for (name, script, expected) in &ENDS_BY_DEADLINE {
            scope.spawn(move || {
                let server = serve(script);
                let (answer, taken) = send(&carrier(server.port), SHORT);
                let (kind, failure) = parts(answer);
                assert_eq!(kind, *expected, "{name}: {failure:?}");
                assert!(taken >= SHORT, "{name}: {taken:?}");
                assert_eq!(server.seen.connections(), 1, "{name}");
            });
        }
    });
}
