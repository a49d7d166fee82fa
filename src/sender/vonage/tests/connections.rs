//! Reaching the carrier: names, refusals, retries, connections that are kept, and forks.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustls::RootCertStore;
use simulator::script::{Peer, accepted, serve};

use super::super::{Answer, Carrier};
use super::client::{SMS, carrier, carrier_with, here};
use super::{AMPLE, SHORT, check_told, parts, send};
use crate::clock::Time;
use crate::fork::ForkAware as _;
use crate::names::LookUp;

fn named(port: u16, look_up: LookUp) -> Carrier {
    carrier_with(&format!("http://localhost:{port}"), look_up, RootCertStore::empty())
}

fn closed_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn look_ups_that_fail() {
    let server = serve(|peer, _| peer.wait());
    let cases: [(&str, LookUp, &str); 5] = [
        ("error", |_| Err(io::Error::other("no such name")), "host not found: no such name"),
        ("nothing", |_| Ok(Vec::new()), "host not found"),
        ("elsewhere", |_| Ok(vec![([192, 0, 2, 1], 80).into()]), "not this machine, and http:// is for it alone"),
        ("panic", |_| panic!("on purpose"), "the look-up failed"),
        (
            "slow",
            |name| {
                thread::sleep(SHORT * 3);
                here(name)
            },
            "timed out looking the host up",
        ),
    ];
    for (name, look_up, expected) in cases {
        let (kind, failure) = parts(send(&named(server.port, look_up), SHORT).0);
        assert_eq!(
            (kind, &*failure.detail),
            ("not taken", &*format!("localhost:{}: {expected}", server.port)),
            "{name}"
        );
    }
    assert_eq!(server.seen.connections(), 0);
}

#[test]
fn look_ups_that_never_end_are_limited() {
    let carrier = named(closed_port(), |_| {
        loop {
            thread::sleep(AMPLE)
        }
    });
    let time = Duration::from_millis(500);
    let answers = thread::scope(|scope| {
        let threads: Vec<_> = (0..70).map(|_| scope.spawn(|| parts(send(&carrier, time).0).1.detail)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let refused = answers.iter().filter(|detail| detail.ends_with("too many look-ups are waiting")).count();
    assert_eq!(refused, 6);
}

#[test]
fn the_next_address_is_tried() {
    let server = serve(|peer, _| while peer.request().is_some() && peer.accept() {});
    let look_up: LookUp = |name| {
        let good = here(name)?[0];
        Ok(vec![SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), good.port())), good])
    };
    assert_eq!(parts(send(&named(server.port, look_up), AMPLE).0).0, "accepted");
}

#[test]
fn a_refusal_is_tried_again_while_there_is_time() {
    let port = closed_port();
    let (answer, taken) = send(&carrier(port), AMPLE);
    let (kind, failure) = parts(answer);
    assert_eq!(kind, "not taken");
    assert!(failure.detail.contains("refused"), "{failure:?}");
    check_told(&failure, &format!("127.0.0.1:{port}: "));
    // Two pauses, of 50 to 150 and of 100 to 300 ms.
    assert!(taken >= Duration::from_millis(150), "{taken:?}");
    let (_, taken) = send(&carrier(port), Duration::from_millis(280));
    assert!(taken < Duration::from_millis(150), "{taken:?}");

    let starting = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let mut peer = Peer::new(Box::new(socket));
        peer.request();
        peer.accept();
    });
    assert_eq!(parts(send(&carrier(port), AMPLE).0).0, "accepted");
    starting.join().unwrap();
}

#[test]
fn a_host_that_does_not_answer_is_not_waited_for_beyond_the_deadline() {
    // Nobody accepts, and the queue is full: further calls are not answered at all.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
    let _waiting: Vec<_> = (0..10_000).map_while(connect).collect();
    let (answer, taken) = send(&carrier(address.port()), SHORT);
    let (kind, failure) = parts(answer);
    assert_eq!((kind, &*failure.detail), ("not taken", &*format!("{address}: timed out")));
    // The share of an address is rounded down.
    assert!(taken >= SHORT - Duration::from_millis(20), "{taken:?}");
    // A deadline that has passed asks nobody.
    let answer = carrier(address.port()).message(&SMS, "ref-1", Time::START, Instant::now(), &mut || true);
    assert!(parts(answer).1.detail.ends_with("no time is left"));
}

#[test]
fn throttled_requests_are_repeated_as_the_carrier_asks() {
    let first = |headers: &'static str| {
        move |peer: &mut Peer, _: usize| {
            while peer.request().is_some() {
                let answered = if peer.seen.requests() == 1 {
                    peer.answer("429 Too Many Requests", headers, r#"{"title":"Rate Limit Hit"}"#)
                } else {
                    peer.accept()
                };
                if !answered {
                    break;
                }
            }
        }
    };
    // Header, least wait, whether it comes to a second request.
    for (headers, least, is_repeated) in [
        ("", 250, true),
        ("retry-after: 1\r\n", 1000, true),
        ("retry-after: 0\r\n", 0, true),
        ("retry-after: soon\r\n", 250, true),
        ("retry-after: 60\r\n", 0, false),
        ("retry-after: 99999999999999999999\r\n", 250, true),
        ("retry-after: 9999999999999999999\r\n", 0, false),
    ] {
        let server = serve(first(headers));
        let (answer, taken) = send(&carrier(server.port), AMPLE);
        let (kind, failure) = parts(answer);
        assert_eq!(kind, if is_repeated { "accepted" } else { "not taken" }, "{headers}");
        assert_eq!(server.seen.requests(), 1 + usize::from(is_repeated), "{headers}");
        assert_eq!(server.seen.connections(), 1, "{headers}");
        assert!(taken >= Duration::from_millis(least), "{headers}: {taken:?}");
        if !is_repeated {
            assert_eq!((failure.http_status, failure.vendor_title.as_deref()), (Some(429), Some("Rate Limit Hit")));
            assert_eq!(failure.retry_after_seconds, Some(if headers.contains("60") { 60 } else { 3600 }));
        }
    }
    let server = serve(|peer, _| while peer.request().is_some() && peer.answer("429 No", "", "") {});
    assert_eq!(parts(send(&carrier(server.port), AMPLE).0).0, "not taken");
    assert_eq!(server.seen.requests(), 3);
}

#[test]
fn connections_are_kept_but_not_for_long() {
    let server = serve(|peer, _| while peer.request().is_some() && peer.accept() {});
    let carrier = carrier(server.port);
    for _ in 0..5 {
        assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
    }
    assert_eq!((server.seen.connections(), server.seen.requests()), (1, 5));
    // Longer than an idle connection is trusted.
    thread::sleep(Duration::from_millis(4100));
    assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
    assert_eq!(server.seen.connections(), 2);
}

#[test]
fn a_connection_that_the_carrier_closed_is_not_used_again() {
    let server = serve(|peer, _| {
        peer.request();
        peer.accept();
    });
    let carrier = carrier(server.port);
    for _ in 0..3 {
        assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.seen.connections(), 3);
}

#[test]
fn a_kept_connection_that_dies_under_a_request_leaves_it_in_doubt() {
    let server = serve(|peer, _| {
        peer.request();
        peer.accept();
        peer.request();
    });
    let carrier = carrier(server.port);
    assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
    assert_eq!(parts(send(&carrier, AMPLE).0).0, "in doubt");
    assert_eq!((server.seen.connections(), server.seen.requests()), (1, 2), "nothing is sent twice");
}

#[test]
fn more_than_was_asked_for_ends_a_connection() {
    let server = serve(|peer, _| {
        let answer = format!("HTTP/1.1 202 Accepted\r\ncontent-length: 55\r\n\r\n{}", accepted());
        while peer.request().is_some() && peer.send(answer.repeat(2)) {}
    });
    let carrier = carrier(server.port);
    for _ in 0..3 {
        assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
    }
    assert_eq!((server.seen.connections(), server.seen.requests()), (3, 3));
}

#[test]
fn a_child_leaves_inherited_connections_alone() {
    let (ended, end) = std::sync::mpsc::channel();
    let ended = std::sync::Mutex::new(ended);
    let server = serve(move |peer, number| {
        while peer.request().is_some() && peer.accept() {}
        ended.lock().unwrap().send(number).unwrap();
    });
    let carrier = carrier(server.port);
    assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
    carrier.access.in_child();
    assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
    assert_eq!(server.seen.connections(), 2);
    drop(carrier);
    assert_eq!(end.recv_timeout(AMPLE), Ok(1), "the child's own connection is closed");
    assert!(end.recv_timeout(Duration::from_millis(300)).is_err(), "the inherited one is not");
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = serve(|_, _| {});
    let port = elsewhere.port;
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"] {
        let location = format!("location: http://127.0.0.1:{port}/v1/messages\r\n");
        let server = serve(move |peer, _| while peer.request().is_some() && peer.answer(status, &location, "") {});
        let (kind, failure) = parts(send(&carrier(server.port), AMPLE).0);
        assert_eq!((kind, failure.http_status), ("in doubt", status[..3].parse().ok()), "{failure:?}");
    }
    assert_eq!(elsewhere.seen.connections(), 0);
}

#[test]
fn many_threads_share_connections() {
    let server = serve(|peer, _| while peer.request().is_some() && peer.accept() {});
    let carrier = carrier(server.port);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
                }
            });
        }
    });
    assert_eq!(server.seen.requests(), 200);
    assert!(server.seen.connections() <= 8);
}

/// Runs a test of this file once more, with proxies in the environment that lead nowhere.
#[test]
fn the_environment_has_no_say_in_proxies() {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "sender::vonage::tests::connections::many_threads_share_connections"]);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"] {
        test.env(name, "http://127.0.0.1:9");
    }
    for name in ["NO_PROXY", "no_proxy"] {
        test.env_remove(name);
    }
    let output = test.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
fn what_is_sent() {
    let server = serve(|peer, _| while peer.request().is_some() && peer.accept() {});
    let url = format!("http://127.0.0.1:{}/base", server.port);
    let carrier = carrier_with(&url, here, RootCertStore::empty());
    let deadline = Instant::now() + AMPLE;
    assert_eq!(parts(carrier.message(&SMS, "ref-1", Time::START, deadline, &mut || true)).0, "accepted");
    // The server answers with the other member here.
    assert!(matches!(carrier.dispatch(&[SMS], Time::START, deadline), Answer::InDoubt(_)));
    let requests = server.seen.texts();
    assert!(requests[1].starts_with("POST /base/v0.1/dispatch HTTP/1.1\r\n"), "{}", requests[1]);
    let (head, _) = requests[0].split_once("\r\n\r\n").unwrap();
    let mut head: Vec<_> = head.lines().map(str::to_lowercase).collect();
    head.sort();
    let mut expected = [
        "post /base/v1/messages http/1.1",
        "accept: application/json",
        "accept-encoding: identity",
        "authorization: basic a2v5onnly3jlda==",
        "content-length: 137",
        "content-type: application/json",
        &format!("host: 127.0.0.1:{}", server.port),
        concat!("user-agent: libotp/", env!("CARGO_PKG_VERSION")),
    ];
    expected.sort_unstable();
    assert_eq!(head, expected);
}
