//! The tutorial's story by any of its services: a message on Messenger that nobody reads is followed by an SMS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::carrier::{Carrier, code_in};
use super::{Folder, Watchdog};

/// Ended with the test, whatever becomes of it.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a service in a folder with the tutorial's `nexmo.json`, in which the wait is as short as it may be: 15 seconds.
pub fn unread_is_followed_by_sms(mut command: Command, name: &str) {
    let _watchdog = Watchdog::new("unread_is_followed_by_sms", 120);
    let (carrier, folder) = (Carrier::start(), Folder::new(&format!("story-{name}")));
    let config = carrier.config("memory:", "").replace(r#""expiryTime":120"#, r#""expiryTime":15"#);
    std::fs::write(folder.path().join("nexmo.json"), config).unwrap();
    command.current_dir(folder.path()).env("PORT", "0").env_remove("HOST").env_remove("OTP_CONFIG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut served = Served(command.spawn().unwrap());
    let mut lines = BufReader::new(served.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let port = lines.find_map(|line| line.strip_prefix("Server running on port ").map(str::to_owned));
    let port: u16 = port.expect("the service says that it listens").parse().unwrap();
    std::thread::spawn(move || lines.for_each(drop));

    let body = r#"{"messengerId":"8192836451","phoneNumber":"393331234567"}"#;
    let begun = std::time::Instant::now();
    assert!(ask(port, "POST", "/otp/123456789", body).starts_with("HTTP/1.1 201 "));
    let messages = carrier.wait(2);
    assert!(begun.elapsed() >= Duration::from_secs(15), "not before its time");
    assert_eq!(carrier.channels(), ["messenger", "sms"]);
    assert_eq!(code_in(&messages[0]), code_in(&messages[1]));
    let typed = format!(r#"{{"code":"{}"}}"#, code_in(&messages[1]));
    assert!(ask(port, "HEAD", &format!("/otp/123456789/{}", code_in(&messages[1])), "").starts_with("HTTP/1.1 405 "));
    assert!(ask(port, "POST", "/otp/123456789/verify", &typed).starts_with("HTTP/1.1 200 "));
    assert!(ask(port, "POST", "/otp/123456789/verify", &typed).starts_with("HTTP/1.1 409 "));
    for path in ["/", "/healthz", "/readyz"] {
        assert!(ask(port, "HEAD", path, "").starts_with("HTTP/1.1 200 "), "{path}");
    }
    for body in ["{}", r#"{"code":123456}"#, r#"{"code":"1","token":"x"}"#, "[]", "x"] {
        assert!(ask(port, "POST", "/otp/123456789/verify", body).starts_with("HTTP/1.1 400 "), "{body}");
    }
}

fn ask(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let head = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "{method} {path} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
