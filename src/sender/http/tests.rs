//! The sender against carriers that do everything wrong: one table of faults, what comes of each, and how many whole
//! requests the carrier saw.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use simulator::script::{Peer, Script, Server, serve, serve_tls};
use simulator::{answer, status};

use super::*;
use crate::config::Config;
use crate::names::LookUp;
use crate::sender::{SendFailure, samples};

/// Time enough for everything that ends by itself.
const AMPLE: Duration = Duration::from_secs(20);

/// Time for what ends by its deadline.
const SHORT: Duration = Duration::from_millis(1500);

const GOOD: &str = r#"{"id":"m-1"}"#;

/// Answers the first connection's requests so, and the others well.
macro_rules! first {
    ($status:expr, $headers:expr, $body:expr) => {
        |peer, _| {
            while peer.request().is_some() {
                let is_first = peer.seen.requests() == 1;
                match is_first {
                    true => peer.answer($status, $headers, $body),
                    false => peer.answer("200 OK", "", GOOD),
                };
            }
        }
    };
}

const FAULTS: [(&str, Script, &str, usize); 50] = [
    ("good", status!("200 OK", "", GOOD), "accepted", 1),
    ("closed at once", |_, _| {}, "in doubt", 0),
    ("reset within the head", |peer, _| assert_eq!(peer.wire.read(&mut [0]).unwrap(), 1), "in doubt", 0),
    ("reset after the head", |peer, _| assert!(peer.wire.read(&mut [0; 64]).unwrap() > 0), "in doubt", 0),
    ("closed after the request", answer!(""), "in doubt", 1),
    ("head cut", answer!("HTTP/1.1 20"), "in doubt", 1),
    ("head cut after a line", answer!("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n"), "in doubt", 1),
    ("garbage", answer!([0xff; 300]), "in doubt", 1),
    ("http 0.9", answer!(GOOD), "in doubt", 1),
    ("another protocol", answer!("220 mail ESMTP\r\n"), "in doubt", 1),
    ("http 2", answer!("HTTP/2 200\r\ncontent-length: 0\r\n\r\n"), "in doubt", 1),
    ("status of four digits", answer!("HTTP/1.1 2000 X\r\ncontent-length: 0\r\n\r\n"), "in doubt", 1),
    ("length no number", answer!("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"), "in doubt", 1),
    ("two lengths", answer!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"), "in doubt", 1),
    ("head too large", answer!(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(20_000))), "in doubt", 1),
    ("too many headers", answer!(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(500))), "in doubt", 1),
    // The status is there, and no path holds in what came after it.
    ("body cut", answer!("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"id\":"), "accepted without", 1),
    ("body missing", answer!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"), "accepted without", 1),
    ("body of a refusal cut", answer!("HTTP/1.1 400 No\r\ncontent-length: 99\r\n\r\n{"), "refused", 1),
    ("chunk without size", answer!(chunked("zz\r\nabc\r\n0\r\n\r\n")), "accepted without", 1),
    ("chunk of huge size", answer!(chunked("ffffffffffffffffff\r\nabc")), "accepted without", 1),
    ("last chunk missing", answer!(chunked(&format!("c\r\n{GOOD}\r\n"))), "accepted without", 1),
    ("in chunks", answer!(chunked(&format!("c\r\n{GOOD}\r\n0\r\n\r\n"))), "accepted", 1),
    ("a gigabyte", endless, "accepted without", 1),
    ("above 64 KiB", status!("200 OK", "", format!("{}{GOOD}", " ".repeat(65_536))), "accepted without", 1),
    ("a refusal above 64 KiB", status!("500 X", "", format!("{}{{\"code\":5}}", " ".repeat(65_536))), "in doubt", 1),
    ("empty", status!("200 OK", "", ""), "accepted without", 1),
    ("no content", answer!("HTTP/1.1 204 No Content\r\n\r\n"), "accepted without", 1),
    ("no json", status!("200 OK", "", "OK"), "accepted without", 1),
    ("no utf-8", status!("200 OK", "", [0xff, 0xfe]), "accepted without", 1),
    ("repeated member", status!("200 OK", "", r#"{"id":"a","id":"b"}"#), "accepted without", 1),
    ("too deep", status!("200 OK", "", "[".repeat(60_000)), "accepted without", 1),
    ("compressed", status!("200 OK", "content-encoding: gzip\r\n", [0x1f, 0x8b, 8, 0]), "accepted without", 1),
    ("continue first", continue_first, "accepted", 1),
    ("early hints without end", |peer, _| flood(peer, "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"), "in doubt", 1),
    ("switching protocols", answer!("HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n"), "in doubt", 1),
    ("moved", status!("301 Moved", "location: /elsewhere\r\n", ""), "in doubt", 1),
    ("found", status!("302 Found", "location: /elsewhere\r\n", GOOD), "in doubt", 1),
    ("temporary redirect", status!("307 Temporary", "location: /elsewhere\r\n", ""), "in doubt", 1),
    ("permanent redirect", status!("308 Permanent", "location: /elsewhere\r\n", ""), "in doubt", 1),
    ("not listed", status!("404 No", "", "{}"), "in doubt", 1),
    ("internal error", status!("500 X", "", GOOD), "in doubt", 1),
    ("bad gateway", status!("502 X", "", ""), "in doubt", 1),
    ("refused by status", status!("400 No", "", "{}"), "refused", 1),
    ("refused by value", status!("200 OK", "", r#"{"id":"m-1","code":5}"#), "refused", 1),
    ("two classes", status!("400 No", "", r#"{"code":5,"busy":true}"#), "in doubt", 1),
    ("busy once", first!("429 Slow down", "retry-after: 0\r\n", ""), "accepted", 2),
    ("busy by value once", first!("500 X", "", r#"{"busy":true}"#), "accepted", 2),
    ("busy for ever", status!("429 Slow down", "retry-after: 0\r\n", ""), "not taken", 3),
    ("busy for longer than there is time", status!("429 No", "retry-after: 3600\r\n", ""), "not taken", 1),
];

/// What goes on until the deadline.
const LASTING: [(&str, Script, &str); 5] = [
    ("never reads", |_, _| thread::sleep(SHORT * 3), "in doubt"),
    ("never answers", |peer, _| peer.wait(), "in doubt"),
    ("head byte by byte", |peer, _| trickle(peer, "HTTP/1.1 200 OK\r\nx: ", " "), "in doubt"),
    (
        "good body byte by byte",
        |peer, _| trickle(peer, "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n", " "),
        "accepted without",
    ),
    (
        "bad body byte by byte",
        |peer, _| trickle(peer, "HTTP/1.1 400 No\r\ncontent-length: 999\r\n\r\n", " "),
        "refused",
    ),
];

fn chunked(chunks: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")
}

fn endless(peer: &mut Peer, _: usize) {
    peer.request();
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n");
    while peer.send([b' '; 0x1000]) {}
}

fn continue_first(peer: &mut Peer, _: usize) {
    peer.request();
    peer.send("HTTP/1.1 100 Continue\r\n\r\n");
    peer.answer("200 OK", "", GOOD);
}

fn flood(peer: &mut Peer, answer: &str) {
    peer.request();
    while peer.send(answer) {}
}

fn trickle(peer: &mut Peer, first: &str, more: &str) {
    peer.request();
    peer.send(first);
    while peer.send(more) {
        thread::sleep(Duration::from_millis(20));
    }
}

fn here(host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
    let (_, port) = host_and_port.rsplit_once(':').unwrap();
    Ok(vec![(Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap()).into()])
}

fn carrier_with(options: &Value, look_up: LookUp, roots: RootCertStore) -> HttpCarrier {
    let mut sender = json!({"type": "http", "json": {"to": "{to}", "text": "{text}"}, "messageId": "id",
        "bearer": "secret", "notTaken": [429, {"busy": [true]}], "refused": [400, {"code": [5]}]});
    sender.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    if options.get("query").is_some() {
        sender.as_object_mut().unwrap().remove("json");
    }
    let config = Config::parse(Some(&json!({"repository": "memory:", "sender": sender}).to_string()));
    let http = config.map_err(|error| panic!("{error}")).ok().unwrap().senders[0].http.clone().unwrap();
    let way = Http::with(&http.url.origin, roots, look_up);
    HttpCarrier::with(http, way, 120_000).ok().unwrap()
}

fn carrier(port: u16) -> HttpCarrier {
    carrier_with(&json!({"url": format!("http://127.0.0.1:{port}/send")}), here, RootCertStore::empty())
}

fn message() -> Message {
    samples::message("sms", "393331234567", "Insert the following code: 63731")
}

/// What came of a message, how often it was asked whether it may leave, and how long all took.
fn send_if(carrier: &HttpCarrier, time: Duration, may_leave: bool) -> (&'static str, SendFailure, usize, Duration) {
    let (begun, mut asked) = (Instant::now(), 0);
    let answer = carrier.send(&message(), (None, "ref-1"), begun + time, &mut || {
        asked += 1;
        may_leave
    });
    let taken = begun.elapsed();
    assert!(taken < time + Duration::from_secs(2), "took {taken:?} of {time:?}");
    let (kind, failure) = samples::told(answer);
    let told = format!("{failure:?}");
    for secret in ["63731", "393331234567", "secret", "/send", "\\n"] {
        assert!(!told.contains(secret), "{told}");
    }
    (kind, failure, asked, taken)
}

fn send(carrier: &HttpCarrier) -> (&'static str, SendFailure, usize) {
    let (kind, failure, asked, _) = send_if(carrier, AMPLE, true);
    (kind, failure, asked)
}

#[test]
fn faults_that_end() {
    thread::scope(|scope| {
        for batch in FAULTS.chunks(13) {
            scope.spawn(move || {
                for (name, script, expected, requests) in batch {
                    let server = serve(script);
                    let (kind, failure, asked) = send(&carrier(server.port));
                    assert_eq!((kind, server.seen.requests()), (*expected, *requests), "{name}: {failure:?}");
                    assert_eq!((server.seen.connections(), asked), (1, 1), "{name}");
                    let host = format!("127.0.0.1:{}: ", server.port);
                    assert!(kind.starts_with("accepted") || failure.detail.starts_with(&host), "{name}: {failure:?}");
                }
            });
        }
    });
}

#[test]
fn faults_that_last() {
    thread::scope(|scope| {
        for (name, script, expected) in &LASTING {
            scope.spawn(move || {
                let server = serve(script);
                let (kind, failure, _, taken) = send_if(&carrier(server.port), SHORT, true);
                assert_eq!(kind, *expected, "{name}: {failure:?}");
                assert!(taken >= SHORT, "{name}: {taken:?}");
                assert_eq!(server.seen.connections(), 1, "{name}");
            });
        }
    });
}

#[test]
fn hosts_that_cannot_be_reached() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let (kind, failure, asked) = send(&carrier(closed));
    assert_eq!((kind, asked), ("not taken", 0), "{failure:?}");
    let server = serve(|peer, _| peer.wait());
    let url = json!({"url": format!("http://localhost:{}/send", server.port)});
    for (look_up, cause) in [
        ((|_| Err(io::Error::other("no such name"))) as LookUp, "host not found: no such name"),
        (|_| Ok(Vec::new()), "host not found"),
        (|_| Ok(vec![([192, 0, 2, 1], 80).into()]), "not this machine, and http:// is for it alone"),
    ] {
        let (kind, failure, asked) = send(&carrier_with(&url, look_up, RootCertStore::empty()));
        assert_eq!((kind, asked), ("not taken", 0));
        assert_eq!(failure.detail, format!("localhost:{}: {cause}", server.port));
    }
    assert_eq!(server.seen.connections(), 0);
}

#[test]
fn what_may_not_leave_does_not() {
    let server = serve(status!("200 OK", "", GOOD));
    let (kind, failure, asked, _) = send_if(&carrier(server.port), AMPLE, false);
    assert_eq!((kind, asked, server.seen.requests()), ("not taken", 1, 0), "{failure:?}");
    let options =
        json!({"url": format!("http://127.0.0.1:{}/", server.port), "query": {"t": "{text}"}, "method": "GET"});
    let (kind, _, asked, _) = send_if(&carrier_with(&options, here, RootCertStore::empty()), AMPLE, false);
    assert_eq!((kind, asked, server.seen.requests()), ("not taken", 1, 0));
}

fn certified(name: &str) -> (ServerConfig, RootCertStore) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let builder = ServerConfig::builder_with_provider(default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (builder.with_single_cert(vec![certificate.der().clone()], key).unwrap(), roots)
}

#[test]
fn over_tls_only_who_proves_who_it_is_is_told_anything() {
    let client = |server: &Server, roots: RootCertStore| {
        carrier_with(&json!({"url": format!("https://sms.carrier.test:{}/send", server.port)}), here, roots)
    };
    let (config, roots) = certified("sms.carrier.test");
    let server = serve_tls(config, status!("200 OK", "", GOOD));
    assert_eq!(send(&client(&server, roots)).0, "accepted");
    assert_eq!(server.seen.requests(), 1);
    let (config, _) = certified("sms.carrier.test");
    let (other, other_roots) = certified("another.carrier.test");
    for (server, roots) in [
        (serve_tls(config, status!("200 OK", "", GOOD)), RootCertStore::empty()),
        (serve_tls(other, status!("200 OK", "", GOOD)), other_roots),
    ] {
        let (kind, failure, asked) = send(&client(&server, roots));
        assert_eq!((kind, asked, server.seen.requests()), ("not taken", 0, 0), "{failure:?}");
    }
    for script in [(|_, _| {}) as Script, |peer, _| assert!(peer.send("220 mail ESMTP\r\n"))] {
        let server = serve(script);
        let (kind, failure, asked) = send(&client(&server, RootCertStore::empty()));
        assert_eq!((kind, asked), ("not taken", 0), "{failure:?}");
    }
}

/// A message in the head alone: from its first byte on it may have been taken.
#[test]
fn requests_without_a_body() {
    for method in ["GET", "POST", "PUT"] {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"id\":\"m-1\"}", "accepted"),
            ("HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n", "refused"),
            ("HTTP/1.1 5", "in doubt"),
            ("", "in doubt"),
        ] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let served = thread::spawn(move || {
                let mut socket = listener.accept().unwrap().0;
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    assert_eq!(socket.read(&mut byte).unwrap(), 1);
                    head.push(byte[0]);
                }
                socket.write_all(answer.as_bytes()).unwrap();
                String::from_utf8(head).unwrap()
            });
            let options =
                json!({"url": format!("http://127.0.0.1:{port}/send"), "query": {"t": "{text}"}, "method": method});
            let (kind, failure, asked) = send(&carrier_with(&options, here, RootCertStore::empty()));
            assert_eq!((kind, asked), (expected, 1), "{method} {answer:?}: {failure:?}");
            let head = served.join().unwrap();
            let line = format!("{method} /send?t=Insert%20the%20following%20code%3A%2063731 HTTP/1.1\r\n");
            assert!(head.starts_with(&line), "{head}");
            assert_eq!(head.contains("content-length: 0"), method != "GET", "{head}");
        }
    }
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let options = json!({"url": format!("http://127.0.0.1:{closed}/send"), "query": {"t": "{text}"}, "method": "GET"});
    let (kind, failure, _) = send(&carrier_with(&options, here, RootCertStore::empty()));
    assert_eq!(kind, "not taken", "{failure:?}");
}

#[test]
fn heads() {
    let server = serve(status!("200 OK", "", GOOD));
    let url = format!("http://127.0.0.1:{}/send", server.port);
    let options = json!({"url": url, "headers": {"X-Key": "a b", "Content-Type": "application/vnd.x+json"}});
    assert_eq!(send(&carrier_with(&options, here, RootCertStore::empty())).0, "accepted");
    let text = server.seen.texts()[0].to_ascii_lowercase();
    for header in ["authorization: bearer secret", "x-key: a b", "content-type: application/vnd.x+json"] {
        assert!(text.contains(&format!("\r\n{header}\r\n")), "{text}");
    }
    assert_eq!(text.matches("content-type").count(), 1, "{text}");
    for absent in ["transfer-encoding", "cookie", "proxy", "referer"] {
        assert!(!text.contains(absent), "{text}");
    }
    assert!(text.contains("accept-encoding: identity"), "{text}");
}
