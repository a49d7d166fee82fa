//! `otp serve`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout};

use serde_json::{Value, json};
use testing::{Folder, Watchdog};

use super::command::Site;

/// The command as it serves.
struct Served {
    child: Child,
    port: u16,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
}

impl Served {
    fn start(site: &Site) -> Self {
        let mut child = site.command(&["serve", "--port", "0"]).spawn().unwrap();
        let (out, err) = (BufReader::new(child.stdout.take().unwrap()), BufReader::new(child.stderr.take().unwrap()));
        let mut served = Self { child, port: 0, out, err };
        served.port = served.after("Server running on port ").parse().unwrap();
        served
    }

    /// What follows this in the next line of standard error that has it.
    fn after(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.err.read_line(&mut line).unwrap(), 0, "no {text:?}");
            if let Some((_, rest)) = line.trim_end().split_once(text) {
                return rest.to_owned();
            }
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}", body.len());
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    /// Ends it; the lines of standard output.
    fn stop(mut self, signal: i32) -> Vec<Value> {
        // SAFETY: the child was not waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(self.child.id().try_into().unwrap(), signal) }, 0);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn codes_are_created_and_verified_by_http() {
    let _watchdog = Watchdog::new("otp serve", 60);
    for (kind, signal) in [("sqlite", libc::SIGTERM), ("json", libc::SIGINT), ("memory", libc::SIGTERM)] {
        let folder = Folder::another("tools");
        let repository = if kind == "memory" { "memory:".to_owned() } else { folder.repository(kind) };
        // The repository is not there yet.
        let site = Site { config: testing::config(&repository, "console", json!({})), folder };
        let mut served = Served::start(&site);
        assert_eq!(served.ask("POST", "/otp/session", r#"{"phoneNumber":"393331234567"}"#), "201");
        let code = served.after("Insert the following code: ");
        let path = format!("/otp/session/{code}");
        assert_eq!([served.ask("GET", &path, ""), served.ask("GET", &path, "")], ["200", "409"]);
        assert_eq!([served.ask("GET", "/readyz", ""), served.ask("GET", "/metrics", "")], ["200", "404"]);
        let events = served.stop(signal);
        assert!(events.iter().any(|event| event["event"] == "verify" && event["result"] == "OTP_OK"), "{events:?}");
    }
}

#[test]
fn what_cannot_be_served_is_refused() {
    let _watchdog = Watchdog::new("otp serve", 60);
    let site = Site::new("sqlite");
    for port in ["", "x", "-1", "65536"] {
        site.run(&["serve", &format!("--port={port}")]).failed(2, "--port: must be a number to 65535");
    }
    site.run(&["serve", "--port", "0"]).failed(3, "sender: none leaves delivery to the host");
    let site = Site { config: r#"{"repository": "memory:"}"#.to_owned(), ..site };
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = site.run(&["serve", "--port", &port]);
    assert!(said.code == 3 && said.err.contains(&format!("otp: 127.0.0.1:{port}: address already in use")), "{said:?}");
    site.run(&["serve", "--port=0", "--config", r#"{"otpLenght": 6}"#]).failed(3, "otpLenght");
    let missing = r#"{"repository": "sqlite:/nowhere/otp.db"}"#;
    let said = site.run(&["serve", "--port", "0", "--config", missing]);
    assert!(said.code == 3 && said.err.contains("/nowhere"), "{said:?}");
}
