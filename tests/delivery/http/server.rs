//! A server on loopback that is strict about HTTP, keeps what it receives, and answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice");
        value
    }
}

/// The pairs of a form or a query, in their order: everything but letters, digits and `-._~` is escaped.
pub fn fields(text: &str) -> Vec<(String, String)> {
    let pair = |field: &str| {
        let (name, value) = field.split_once('=').unwrap();
        (decoded(name), decoded(value))
    };
    text.split('&').map(pair).collect()
}

/// A part of a URL.
pub fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_at(2);
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            rest = tail;
        } else {
            assert!(first.is_ascii_alphanumeric() || b"-._~".contains(first), "not escaped: {text}");
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    answers: VecDeque<(u16, String)>,
    faults: Vec<String>,
}

/// Serves until the process ends.
pub struct Server {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (port, state) = (listener.local_addr().unwrap().port(), Arc::<Mutex<State>>::default());
        let served = state.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let state = served.clone();
                std::thread::spawn(move || serve(&socket, &state));
            }
        });
        Self { port, state }
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    /// Answers the next requests so, and all others with 200.
    pub fn answers(&self, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned()));
        self.state.lock().unwrap().answers.extend(answers);
    }

    /// What came since the last time.
    pub fn take(&self) -> Vec<Received> {
        let mut state = self.state.lock().unwrap();
        assert_eq!(state.faults, [""; 0]);
        std::mem::take(&mut state.received)
    }

    /// The only one.
    pub fn take_one(&self) -> Received {
        let mut received = self.take();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }
}

fn serve(socket: &TcpStream, state: &Mutex<State>) {
    let _ = socket.set_nodelay(true);
    let mut reader = BufReader::new(socket);
    while let Some(request) = read(&mut reader).unwrap_or_else(|fault| {
        state.lock().unwrap().faults.push(fault);
        None
    }) {
        let (status, body) = {
            let mut state = state.lock().unwrap();
            state.received.push(request);
            let number = state.received.len();
            state.answers.pop_front().unwrap_or_else(|| (200, format!(r#"{{"id":"m-{number}"}}"#)))
        };
        let head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: {}\r\n\r\n", body.len());
        if (&*socket).write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request; an error for what is none.
fn read(reader: &mut BufReader<&TcpStream>) -> Result<Option<Received>, String> {
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return Ok(None);
    }
    let fault = |what: &str| Err(format!("{what}: {line:?}"));
    let words: Vec<_> = line.strip_suffix("\r\n").unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return fault("no request line") };
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return fault("target");
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).map_err(|cause| cause.to_string())?;
        let Some(text) = header.strip_suffix("\r\n") else { return fault("header") };
        if text.is_empty() {
            break;
        }
        let Some((name, value)) = text.split_once(": ") else { return fault("header") };
        if text.chars().any(char::is_control) {
            return fault("control character");
        }
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(Ok(0), |(_, value)| value.parse());
    let Ok(length) = length else { return fault("length") };
    let mut body = vec![0; length];
    reader.read_exact(&mut body).map_err(|cause| cause.to_string())?;
    let body = String::from_utf8(body).map_err(|cause| cause.to_string())?;
    Ok(Some(Received { method: method.to_owned(), target: target.to_owned(), headers, body }))
}
