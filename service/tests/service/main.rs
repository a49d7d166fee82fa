//! The service as its users meet it: a process, asked by HTTP, stopped by signals.

mod page;
mod phone;
mod probes;
mod server;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use server::{Server, answer, ask, get, request};
use testing::{Folder, Watchdog, size};

const RECIPIENT: &str = r#"{"messengerId":"8192836451","phoneNumber":"393331234567"}"#;

fn wrong(code: &str) -> String {
    let turn = |digit: char| if digit == '9' { '0' } else { (digit as u8 + 1) as char };
    code.chars().map(turn).collect()
}

#[test]
fn tutorial_requests_are_answered_and_no_secret_is_logged() {
    let folder = Folder::new("service-tutorial");
    let mut server = Server::start(folder.path(), None);
    server.get("/").is(200, "This is the OTP service");
    assert_eq!(server.post("/otp/123456789", RECIPIENT).status, 201);
    let code = server.code("[messenger to 8192836451] Insert the following code: ");
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    server.get(&format!("/otp/123456789/{}", wrong(&code))).is(404, "Not found");
    let verified = server.get(&format!("/otp/123456789/{code}"));
    verified.is(200, "OK");
    assert_eq!(verified.header("Cache-Control"), Some("no-store"));
    assert_eq!(verified.header("Content-Type"), Some("text/plain; charset=utf-8"));
    server.get(&format!("/otp/123456789/{code}")).is(409, "The code has already been verified");
    // Nobody could check a webhook without the option `webhook`, so none is believed.
    for path in ["/webhooks/message-status", "/webhooks/inbound-message"] {
        server.post(path, "{}").is(500, otp::Outcome::Unsupported.message());
    }

    let (out, err) = server.stop();
    assert!(out.len() >= 5 && out.iter().all(|line| line.starts_with('{') && line.contains(r#""event":"#)));
    let (console, others): (Vec<_>, Vec<_>) = err.iter().partition(|line| line.starts_with("[messenger to "));
    assert_eq!(console.len(), 1, "{err:?}");
    for secret in [&code, "123456789", "8192836451", "393331234567"] {
        assert!(out.iter().chain(others.iter().copied()).all(|line| !line.contains(secret)), "{out:?} {others:?}");
    }
}

#[test]
fn code_ends_with_its_time_and_sends_are_limited() {
    let folder = Folder::new("service-limits");
    let mut server = Server::start(folder.path(), Some(r#"{"validityTime": 0.02, "repository": "json:otp"}"#));
    let code = server.code_for("expires", "393331234567");
    let again = server.post("/otp/another", r#"{"phoneNumber":"393331234567"}"#);
    again.is(429, "Too many codes requested");
    assert!((1..=30).contains(&again.header("Retry-After").unwrap().parse().unwrap()));
    thread::sleep(Duration::from_millis(1300));
    server.get(&format!("/otp/expires/{code}")).is(410, "The code is expired");
    server.get(&format!("/otp/expires/{}", wrong(&code))).is(404, "Not found");

    let folder = Folder::new("service-locks");
    let mut server = Server::start(folder.path(), Some(r#"{"maxAttempts": 2}"#));
    let code = server.code_for("guessed", "393331234568");
    for _ in 0..2 {
        server.get(&format!("/otp/guessed/{}", wrong(&code))).is(404, "Not found");
    }
    let locked = server.get(&format!("/otp/guessed/{code}"));
    locked.is(429, "Too many wrong codes");
    assert_eq!(locked.header("Retry-After"), None, "waiting does not open a locked code");
}

#[test]
fn refused_bodies_create_nothing() {
    let folder = Folder::new("service-bodies");
    let mut server = Server::start(folder.path(), None);
    let long = format!(r#"{{"phoneNumber":"{}"}}"#, "3".repeat(16 * 1024));
    let refused = [
        (r#"{"phoneNumber":"393331234567","code":"111111"}"#, 400),
        (r#"{"phoneNumber":"393331234567","subject":"mallory"}"#, 400),
        (r#"{"phoneNumber":"393331234567","phoneNumber":"393331234568"}"#, 400),
        (r#"{"phoneNumber":"393331234567","phone\u004eumber":"393331234568"}"#, 400),
        (r#"{"phoneNumber":393331234567}"#, 400),
        (r#"{"phoneNumber":"393331234567","messengerId":null}"#, 400),
        (r#"{"phoneNumber":"not a number"}"#, 400),
        (r#"{"phoneNumber":"393331234567"} {}"#, 400),
        (r#"{"phoneNumber":"393331234567""#, 400),
        (r#"["393331234567"]"#, 400),
        ("{}", 400),
        ("", 400),
        (&long, 413),
    ];
    for (body, status) in refused {
        let answer = server.post("/otp/token", body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(!answer.body.contains("39333"), "{}", answer.body);
    }
    let webhook = "x".repeat(64 * 1024 + 1);
    assert_eq!(server.post("/webhooks/message-status", &webhook).status, 413);
    let invalid =
        [b"POST /otp/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", &b"\xff"[..]];
    let mut stream = server.connect();
    stream.write_all(&invalid.concat()).unwrap();
    assert_eq!(answer(stream).status, 400);

    // The content type decides nothing: curl says a form unless told otherwise.
    let form =
        request("POST", "/otp/token", RECIPIENT).replace("application/json", "application/x-www-form-urlencoded");
    assert_eq!(ask(server.connect(), &form).status, 201);
    server.code("[messenger to 8192836451] ");
    let (_, err) = server.stop();
    assert_eq!(err.iter().filter(|line| line.starts_with('[')).count(), 1, "{err:?}");
}

#[test]
fn tokens_of_any_kind_stay_apart_and_in_the_repository() {
    let folder = Folder::new("service-tokens");
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let mut server = Server::start(&inside, None);
    let long = "x".repeat(256);
    let tokens =
        ["..", "..%2F..%2Fescaped", "a%2Fb", "a-b", "a", "a+b", "a%20b", "%252F", "%2F", "%27%22;", "%C3%A9", &long];
    let number = |index: usize| format!("39333123{index:04}");
    let codes: Vec<_> = (0..).zip(tokens).map(|(index, token)| server.code_for(token, &number(index))).collect();
    for (index, token) in tokens.into_iter().enumerate() {
        server.get(&format!("/otp/{token}/{}", codes[(index + 1) % codes.len()])).is(404, "Not found");
    }
    for (token, code) in tokens.into_iter().zip(&codes) {
        server.get(&format!("/otp/{token}/{code}")).is(200, "OK");
    }
    // One token in two spellings is one token.
    server.get(&format!("/otp/%61%2fb/{}", codes[2])).is(409, "The code has already been verified");
    for (path, status) in [("/otp/a/b/c", 404), ("/otp", 404), ("/otp/token/", 400), ("/nothing", 404)] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    for token in ["", "%FF", "%00", "a%0Ab", "%C2%80", &"x".repeat(257)] {
        assert_eq!(server.post(&format!("/otp/{token}"), RECIPIENT).status, 400, "{token}");
    }
    assert_eq!(server.get(&format!("/otp/token/{}", "1".repeat(65))).status, 400);
    server.stop();
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names(folder.path()), ["inside"]);
    assert!(names(&inside).iter().all(|name| name.starts_with("otp.db")), "{:?}", names(&inside));
}

#[test]
fn wrong_methods_are_refused_and_use_up_nothing() {
    let folder = Folder::new("service-methods");
    let mut server = Server::start(folder.path(), None);
    let code = server.code_for("token", "393331234567");
    let verify = format!("/otp/token/{code}");
    let cases = [
        ("HEAD", verify.as_str(), "GET"),
        ("POST", &verify, "GET"),
        ("PUT", "/otp/token/verify", "GET, POST"),
        ("HEAD", "/otp/token/verify", "GET, POST"),
        ("GET", "/otp/token", "POST"),
        ("PUT", "/", "GET, HEAD"),
        ("POST", "/readyz", "GET, HEAD"),
        ("GET", "/webhooks/inbound-message", "POST"),
    ];
    for (method, path, allowed) in cases {
        let answer = ask(server.connect(), &request(method, path, ""));
        assert_eq!((answer.status, answer.header("Allow")), (405, Some(allowed)), "{method} {path}");
    }
    server.get(&verify).is(200, "OK");
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), server.port)).is_err(), "listens on 127.0.0.1 alone");
}

#[test]
fn signal_finishes_what_runs_and_a_restart_remembers() {
    let folder = Folder::new("service-signals");
    let mut server = Server::start(folder.path(), None);
    let mut idle = server.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let sentence = "This is the OTP service";
    let mut read = [0; 1024];
    let mut seen = String::new();
    while !seen.ends_with(sentence) {
        let count = idle.read(&mut read).unwrap();
        assert_ne!(count, 0, "{seen}");
        seen.push_str(std::str::from_utf8(&read[..count]).unwrap());
    }
    let whole = request("POST", "/otp/123456789", RECIPIENT).replace("Host:", "Expect: 100-continue\r\nHost:");
    let (head, body) = whole.split_at(whole.len() - RECIPIENT.len());
    let mut running = server.connect();
    running.write_all(head.as_bytes()).unwrap();
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut begun = [0; 25];
    running.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, go_on);

    server.signal(libc::SIGTERM);
    // The service has taken notice when it hangs up on who wants nothing.
    assert_eq!(idle.read(&mut read).unwrap(), 0);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).is_err(), "still listens");
    running.write_all(body.as_bytes()).unwrap();
    assert_eq!(answer(running).status, 201);
    let code = server.code("[messenger to ");
    server.ended();

    let server = Server::start(folder.path(), None);
    server.get(&format!("/otp/123456789/{code}")).is(200, "OK");
    server.signal(libc::SIGINT);
    server.ended();
    let server = Server::start(folder.path(), None);
    server.get(&format!("/otp/123456789/{code}")).is(409, "The code has already been verified");
}

#[test]
fn two_processes_verify_a_code_once() {
    let folder = Folder::new("service-twice");
    let mut servers = [Server::start(folder.path(), None), Server::start(folder.path(), None)];
    for round in 0..size(20, 500) {
        let code = servers[round % 2].code_for(&format!("token{round}"), &format!("39333{round:07}"));
        let path = format!("/otp/token{round}/{code}");
        let ports = servers.each_ref().map(|server| server.port);
        let start = Barrier::new(8);
        let ask = |client: usize| {
            start.wait();
            get(ports[client % 2], &path).status
        };
        let mut statuses: Vec<u16> = thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|client| scope.spawn(move || ask(client))).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409], "round {round}");
    }
}

#[test]
fn slow_clients_are_given_up() {
    let folder = Folder::new("service-slow");
    let server = Server::start(folder.path(), None);
    let (mut head, mut body) = (server.connect(), server.connect());
    head.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    let whole = request("POST", "/otp/token", RECIPIENT);
    body.write_all(&whole.as_bytes()[..whole.len() - 1]).unwrap();
    assert_eq!(answer(body).status, 408);
    head.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn configuration_is_text_or_a_file_and_is_refused_by_name() {
    let folder = Folder::new("service-config");
    std::fs::write(folder.path().join("long.json"), r#" {"otpLength": 8, "repository": "memory:"}"#).unwrap();
    let mut server = Server::start(folder.path(), Some("long.json"));
    assert_eq!(server.code_for("token", "393331234567").len(), 8);
    server.stop();
    assert!(std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    let _watchdog = Watchdog::new("a service that is refused its configuration", 60);
    let refused = [
        ("OTP_CONFIG", r#"{"otpLength": 3}"#, "otpLength"),
        ("OTP_CONFIG", r#"{"sender": {"type": "none"}}"#, "sender: none"),
        ("OTP_CONFIG", r#"["planted"]"#, "OTP_CONFIG"),
        ("OTP_CONFIG", "pipe", "not a regular file"),
        ("OTP_CONFIG", "/dev/zero", "not a regular file"),
        ("PORT", "planted", "PORT"),
    ];
    for (variable, value, named) in refused {
        let output = Server::command(folder.path()).env(variable, value).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{value}: {err}");
        assert!(err.contains(named) && !err.contains("planted"), "{value}: {err}");
    }
}

#[test]
fn simulation_tells_the_story_of_a_code() {
    let folder = Folder::new("service-simulate");
    let output = Server::command(folder.path()).arg("--simulate").output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}{err}");
    let mut rest = out.as_str();
    for next in
        [": 201", "Messenger on the phone", "by SMS to", "messenger is Delivered", "sms is ", ": 200 OK", ": 409 "]
    {
        let found = rest.find(next).unwrap_or_else(|| panic!("no {next} in its turn: {out}{err}"));
        rest = &rest[found..];
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn an_unread_message_is_followed_by_sms() {
    testing::story::unread_is_followed_by_sms(Server::command(Path::new("/")), "rust");
}

#[test]
fn the_tutorial_s_file_is_read_and_ready_is_what_works() {
    let folder = Folder::new("service-tutorial-file");
    std::fs::write(folder.path().join("nexmo.json"), "\u{feff}{\"otpLength\": 8}").unwrap();
    let mut server = Server::start(folder.path(), None);
    assert_eq!(server.code_for("token", "393331234567").len(), 8);
    server.get("/healthz").is(200, "OK");
    server.get("/readyz").is(200, "OK");
    // A repository that cannot be used: it is looked at once a second.
    std::fs::rename(folder.path().join("otp.db"), folder.path().join("gone.db")).unwrap();
    std::fs::write(folder.path().join("otp.db"), "no database").unwrap();
    thread::sleep(Duration::from_millis(1100));
    server.get("/readyz").is(503, "Not ready");
    server.get("/healthz").is(200, "OK");
}

/// Whoever asks twice does not want to wait.
#[test]
fn a_second_interrupt_ends_the_service_at_once() {
    let folder = Folder::new("service-interrupts");
    let server = Server::start(folder.path(), None);
    let whole = request("POST", "/otp/token", RECIPIENT).replace("Host:", "Expect: 100-continue\r\nHost:");
    let mut running = server.connect();
    running.write_all(&whole.as_bytes()[..whole.len() - RECIPIENT.len()]).unwrap();
    running.read_exact(&mut [0; 25]).unwrap();
    let begun = std::time::Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).is_ok() {
        server.signal(libc::SIGINT);
        thread::sleep(Duration::from_millis(20));
    }
    server.signal(libc::SIGINT);
    let status = server.status();
    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(9), "it did not wait for the body");
}

#[test]
fn an_address_in_use_is_named() {
    let folder = Folder::new("service-address");
    let server = Server::start(folder.path(), None);
    let output = Server::command(folder.path()).env("PORT", server.port.to_string()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && err.contains(&format!("127.0.0.1:{}: ", server.port)), "{err}");
}
