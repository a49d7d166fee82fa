//! The service as a process, and a client that says over TCP exactly what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything here takes, on any machine.
const HANGS: Duration = Duration::from_secs(60);

/// The lines of a stream, as they come.
struct Lines {
    coming: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (line, coming) = channel();
        thread::spawn(move || BufReader::new(stream).lines().try_for_each(|text| line.send(text.unwrap())));
        Self { coming, seen: Vec::new() }
    }

    /// The next line that has this in it.
    fn next_with(&mut self, text: &str) -> String {
        loop {
            let line = self.coming.recv_timeout(HANGS).unwrap_or_else(|_| panic!("no {text} after {:?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All lines, once the stream has ended.
    fn all(mut self) -> Vec<String> {
        self.seen.extend(self.coming);
        self.seen
    }
}

/// The service, running in a folder.
pub struct Server {
    child: Child,
    pub port: u16,
    out: Lines,
    err: Lines,
}

impl Server {
    pub fn command(folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otp_service"));
        command.current_dir(folder).env("PORT", "0");
        for name in ["HOST", "OTP_CONFIG", "METRICS_HOST", "METRICS_PORT"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(folder: &Path, config: Option<&str>) -> Self {
        Self::of(Self::command(folder).envs(config.map(|config| ("OTP_CONFIG", config))))
    }

    /// With an address of its own for probes, whose port is given as well.
    pub fn with_probes(folder: &Path, config: Option<&str>, host: &str) -> (Self, u16) {
        let mut command = Self::command(folder);
        command.envs(config.map(|config| ("OTP_CONFIG", config))).env("METRICS_PORT", "0").env("METRICS_HOST", host);
        let mut server = Self::of(&mut command);
        let line = server.out.next_with("Metrics on port ");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let port = event["message"].as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        (server, port)
    }

    fn of(command: &mut Command) -> Self {
        Self::that_says(command, |err| {
            err.next_with("Server running on port ").rsplit(' ').next().unwrap().parse().unwrap()
        })
    }

    /// The virtual phone in place of the service.
    pub fn with_phone(folder: &Path) -> Self {
        let port = |line: &str| line.split(['/', ':']).find_map(|part| part.parse().ok()).unwrap();
        Self::that_says(Self::command(folder).args(["--simulate", "--phone"]), |err| {
            port(&err.next_with("Open http://"))
        })
    }

    fn that_says(command: &mut Command, port: impl FnOnce(&mut Lines) -> u16) -> Self {
        let mut child = command.spawn().unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let mut err = Lines::of(child.stderr.take().unwrap());
        let port = port(&mut err);
        Self { child, port, out, err }
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.port)
    }

    pub fn get(&self, path: &str) -> Answer {
        get(self.port, path)
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        ask(self.connect(), &request("POST", path, body))
    }

    /// Creates a code for a phone number of its own, and reads it where the console prints it.
    pub fn code_for(&mut self, token: &str, number: &str) -> String {
        let answer = self.post(&format!("/otp/{token}"), &format!(r#"{{"phoneNumber":"{number}"}}"#));
        assert_eq!(answer.status, 201, "{token}: {}", answer.body);
        self.code(&format!(" to {number}] "))
    }

    pub fn code(&mut self, recipient: &str) -> String {
        self.err.next_with(recipient).rsplit(' ').next().unwrap().to_owned()
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the child is not waited for yet, so its id is nobody else's.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Stops it cleanly; gives the lines of both streams.
    pub fn stop(self) -> (Vec<String>, Vec<String>) {
        self.signal(libc::SIGTERM);
        self.ended()
    }

    pub fn status(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn ended(mut self) -> (Vec<String>, Vec<String>) {
        let empty = || Lines { coming: channel().1, seen: Vec::new() };
        let lines = [&mut self.out, &mut self.err].map(|lines| std::mem::replace(lines, empty()).all());
        assert!(self.child.wait().unwrap().success(), "{lines:?}");
        lines.into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.into_iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body));
    }
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    stream
}

pub fn get(port: u16, path: &str) -> Answer {
    ask(connect(port), &request("GET", path, ""))
}

pub fn request(method: &str, path: &str, body: &str) -> String {
    let head = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json";
    format!("{method} {path} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub fn ask(mut stream: TcpStream, request: &str) -> Answer {
    // A refused body may be cut off: what counts is the answer.
    let _ = stream.write_all(request.as_bytes());
    answer(stream)
}

/// The last answer of a connection.
pub fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {end:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
