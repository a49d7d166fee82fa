//! What is asked about the service, and what it logs.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use testing::{Folder, size};

use super::RECIPIENT;
use super::server::{Server, answer, ask, connect, get, request};

const LOOPBACK: &str = "127.0.0.1";

/// A sample of a page.
fn sample(page: &str, name: &str) -> Option<u64> {
    let mut lines = page.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(|value| value.parse().unwrap())
}

#[test]
fn the_address_of_its_own_tells_what_was_counted() {
    let folder = Folder::new("service-metrics");
    let (mut server, probes) = Server::with_probes(folder.path(), None, LOOPBACK);
    server.code_for("session", "393331234567");
    let page = get(probes, "/metrics");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((page.status, page.header("Content-Type")), (200, Some(kind)));
    assert!(page.body.ends_with("\n# EOF\n"), "{}", page.body);
    assert_eq!(sample(&page.body, r#"otp_calls_total{call="create",result="OTP_OK"}"#), Some(1));
    assert_eq!(sample(&page.body, r#"otp_send_total{sender="console",outcome="accepted"}"#), Some(1));
    for path in ["/healthz", "/readyz"] {
        get(probes, path).is(200, "OK");
        server.get(path).is(200, "OK");
    }
    ask(connect(probes), &request("HEAD", "/metrics", "")).is(200, "");
    for path in ["/metrics", "/healthz", "/readyz"] {
        let refused = ask(connect(probes), &request("POST", path, ""));
        assert_eq!((refused.status, refused.header("Allow")), (405, Some("GET, HEAD")), "{path}");
    }
    // Clients are not answered there, and are told nothing here.
    assert_eq!(ask(connect(probes), &request("POST", "/otp/session", RECIPIENT)).status, 404);
    assert_eq!(server.get("/metrics").status, 404);
    server.stop();
}

#[test]
fn probes_neither_pile_up_nor_hold_up_clients() {
    let folder = Folder::new("service-scrapes");
    let (mut server, probes) = Server::with_probes(folder.path(), None, LOOPBACK);
    let before = sample(&get(probes, "/metrics").body, "otp_store_operations_total").unwrap();
    let scrapes = size(2000, 10_000);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for path in ["/metrics", "/readyz", "/healthz"].into_iter().cycle().take(scrapes / 4) {
                    assert_eq!(get(probes, path).status, 200, "{path}");
                }
            });
        }
    });
    // More than have a place say nothing, and clients are answered all the same.
    let silent: Vec<_> = (0..100).map(|_| connect(probes)).collect();
    server.code_for("session", "393331234567");
    drop(silent);
    let page = get(probes, "/metrics").body;
    assert_eq!(sample(&page, r#"otp_calls_total{call="create",result="OTP_OK"}"#), Some(1), "{page}");
    let operations = sample(&page, "otp_store_operations_total").unwrap() - before;
    assert!(operations < scrapes as u64, "{operations}: asking is no work in the clients' part of the repository");
    server.stop();
}

#[test]
fn clients_that_say_nothing_or_much_lose_their_place() {
    let folder = Folder::new("service-slow-probes");
    let (_server, probes) = Server::with_probes(folder.path(), None, LOOPBACK);
    let mut slow: Vec<_> = (0..20).map(|_| connect(probes)).collect();
    for stream in &mut slow {
        // Some are not taken yet, and this waits with them.
        stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
    }
    get(probes, "/healthz").is(200, "OK");
    for mut stream in slow {
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

#[test]
fn a_service_that_stops_is_asked_until_its_last_answer() {
    let folder = Folder::new("service-stops");
    let (server, probes) = Server::with_probes(folder.path(), None, LOOPBACK);
    let whole = request("POST", "/otp/token", RECIPIENT).replace("Host:", "Expect: 100-continue\r\nHost:");
    let (head, body) = whole.split_at(whole.len() - RECIPIENT.len());
    let mut running = server.connect();
    running.write_all(head.as_bytes()).unwrap();
    running.read_exact(&mut [0; 25]).unwrap();
    get(probes, "/readyz").is(200, "OK");
    server.signal(libc::SIGTERM);
    while TcpStream::connect((LOOPBACK, server.port)).is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
    get(probes, "/readyz").is(503, "Not ready");
    assert_eq!(["/healthz", "/metrics"].map(|path| get(probes, path).status), [200, 200]);
    running.write_all(body.as_bytes()).unwrap();
    assert_eq!(answer(running).status, 201);
    server.ended();
    assert!(TcpStream::connect((LOOPBACK, probes)).is_err(), "still listens");
}

#[test]
fn the_address_is_off_unless_it_is_asked_for_and_one_in_use_is_named() {
    let folder = Folder::new("service-no-probes");
    let (out, _) = Server::start(folder.path(), None).stop();
    assert!(out.iter().all(|line| !line.contains("Metrics on port")), "{out:?}");
    let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (value, cause) in [(port.as_str(), format!("127.0.0.1:{port}: ")), ("x", "METRICS_PORT: must be".to_owned())] {
        let output = Server::command(folder.path()).env("METRICS_PORT", value).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && err.starts_with(&format!("otp_service: {cause}")), "{err}");
    }
}

#[test]
fn it_listens_over_ipv6_as_well() {
    let folder = Folder::new("service-ipv6");
    let (_server, probes) = Server::with_probes(folder.path(), None, "::1");
    ask(TcpStream::connect((Ipv6Addr::LOCALHOST, probes)).unwrap(), &request("GET", "/healthz", "")).is(200, "OK");
    assert!(TcpStream::connect((LOOPBACK, probes)).is_err(), "on ::1 alone");
}

#[test]
fn standard_output_is_the_log_alone_through_a_story_with_failures() {
    let folder = Folder::new("service-log");
    let config = r#"{"repository": "json:otp", "maxAttempts": 2}"#;
    let (mut server, probes) = Server::with_probes(folder.path(), Some(config), LOOPBACK);
    assert_eq!(server.post("/otp/planted-token", RECIPIENT).status, 201);
    let code = server.code("[messenger to ");
    let wrong = super::wrong(&code);
    let posts = [
        ("/otp/planted-token", RECIPIENT, 429),
        ("/otp/planted-token", r#"{"phoneNumber":"planted"}"#, 400),
        ("/otp/planted-token", "planted", 400),
        ("/webhooks/message-status", "{}", 500),
    ];
    for (path, body, status) in posts {
        assert_eq!(server.post(path, body).status, status, "{body}");
    }
    let verify = |code: &str| format!("/otp/planted-token/{code}");
    let gets =
        [(verify(&wrong), 404), (verify(&code), 200), ("/otp/%FF/planted".into(), 400), ("/planted".into(), 404)];
    for (path, status) in gets {
        assert_eq!(server.get(&path).status, status, "{path}");
    }
    // A repository that fails.
    std::fs::rename(folder.path().join("otp"), folder.path().join("gone")).unwrap();
    std::fs::write(folder.path().join("otp"), "no folder").unwrap();
    assert_eq!(server.post("/otp/planted-token", RECIPIENT).status, 503);
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(["/readyz", "/healthz"].map(|path| get(probes, path).status), [503, 200]);
    let port = server.port;
    let (out, err) = server.stop();

    let events: Vec<Value> = out.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        let time = event["time"].as_str().unwrap();
        assert!(time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'), "{event}");
        assert!((1..=3).contains(&event["level"].as_i64().unwrap()), "{event}");
    }
    let seen: BTreeSet<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    for name in ["warning", "listening", "create", "verify", "webhook", "failure", "stopping"] {
        assert!(seen.contains(name), "no {name}: {seen:?}");
    }
    let others: Vec<_> = err.iter().filter(|line| !line.starts_with("[messenger to ")).collect();
    assert_eq!(others, [&format!("Server running on port {port}")]);
    for secret in [&code, &wrong, "planted", "8192836451", "393331234567"] {
        assert!(out.iter().all(|line| !line.contains(secret)), "{secret}: {out:?}");
    }
}
