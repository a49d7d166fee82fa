//! Any carrier with an HTTP API, on loopback: strict about HTTP, it keeps what it receives and answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Fault, Trouble};

/// Most bytes of a body.
const BODY_BYTES: usize = 64 * 1024;

/// Status and body.
pub type Answer = (u16, String);

/// Answers a request that no script answers.
type Handler = dyn Fn(&Received) -> Answer + Send + Sync;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub target: String,
    /// Their names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    /// The value of a header.
    ///
    /// # Panics
    ///
    /// When it stands there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice");
        value
    }
}

/// The pairs of a form or a query, in their order.
///
/// # Panics
///
/// When something but letters, digits and `-._~` is not escaped.
pub fn fields(text: &str) -> Vec<(String, String)> {
    let pair = |field: &str| {
        let (name, value) = field.split_once('=')?;
        Some((unescaped(name)?, unescaped(value)?))
    };
    let pairs: Option<_> = text.split('&').map(pair).collect();
    pairs.unwrap_or_else(|| panic!("no form: {text}"))
}

/// A part of a URL.
///
/// # Panics
///
/// As for [`fields`].
pub fn decoded(text: &str) -> String {
    unescaped(text).unwrap_or_else(|| panic!("not escaped: {text}"))
}

fn unescaped(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_at_checked(2).filter(|(digits, _)| digits.is_ascii())?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else if first.is_ascii_alphanumeric() || b"-._~".contains(first) {
            bytes.push(*first);
        } else {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    answers: VecDeque<Answer>,
    faults: VecDeque<Fault>,
    trouble: Option<Arc<Trouble>>,
    handler: Option<Arc<Handler>>,
    /// What came and is no request.
    complaints: Vec<String>,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until the process ends.
pub struct Server {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Listens on a free port.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        let port = listener.local_addr().expect("the port").port();
        let state = Arc::<Mutex<State>>::default();
        let served = state.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let state = served.clone();
                thread::spawn(move || serve(&socket, &state));
            }
        });
        Self { port, state }
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    /// Answers the next requests so, and all others as the handler says, or with 200.
    pub fn answers(&self, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned()));
        locked(&self.state).answers.extend(answers);
    }

    /// Answers, from now on, all requests that no answer was given for.
    pub fn on_request(&self, handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        locked(&self.state).handler = Some(Arc::new(handler));
    }

    /// Faults of the next requests, in this order. A request that is not taken meets no answer and no handler.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        locked(&self.state).faults.extend(faults);
    }

    /// Asked, from now on, what the next request meets where no fault was given for it.
    pub fn trouble(&self, trouble: impl Fn() -> Option<Fault> + Send + Sync + 'static) {
        locked(&self.state).trouble = Some(Arc::new(trouble));
    }

    /// What came since the last time.
    ///
    /// # Panics
    ///
    /// When something came that is no request.
    pub fn take(&self) -> Vec<Received> {
        let mut state = locked(&self.state);
        assert_eq!(state.complaints, [""; 0]);
        std::mem::take(&mut state.received)
    }

    /// The same where clients may have died at it: what they began and did not end is forgotten.
    pub fn take_whole(&self) -> Vec<Received> {
        let mut state = locked(&self.state);
        state.complaints.clear();
        std::mem::take(&mut state.received)
    }

    /// The only one.
    ///
    /// # Panics
    ///
    /// When it is not.
    pub fn take_one(&self) -> Received {
        let mut received = self.take();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }
}

fn serve(socket: &TcpStream, state: &Mutex<State>) {
    let _ = socket.set_nodelay(true);
    let mut reader = BufReader::new(socket);
    while let Some(request) = read(&mut reader).unwrap_or_else(|complaint| {
        locked(state).complaints.push(complaint);
        None
    }) {
        if exchange(socket, state, request).is_none() {
            return;
        }
    }
}

/// Answers a request. `None` ends the connection.
fn exchange(mut socket: &TcpStream, state: &Mutex<State>, request: Received) -> Option<()> {
    let (number, fault) = {
        let mut state = locked(state);
        state.received.push(request.clone());
        (state.received.len(), state.faults.pop_front().ok_or_else(|| state.trouble.clone()))
    };
    let fault = fault.map_or_else(|trouble| trouble.and_then(|trouble| trouble()), Some);
    let (status, body) = match fault.as_ref().and_then(Fault::refusal) {
        Some(status) => (status, r#"{"error":"as ordered"}"#.to_owned()),
        None => answer(state, &request, number),
    };
    let length = body.len();
    let pause = if status == 429 { "retry-after: 1\r\n" } else { "" };
    let head = format!("HTTP/1.1 {status} Answer\r\n{pause}content-length: {length}\r\n\r\n");
    let bytes = (head + &body).into_bytes();
    match fault {
        None => socket.write_all(&bytes).ok(),
        Some(fault) => fault.send(socket, &bytes).ok(),
    }
}

fn answer(state: &Mutex<State>, request: &Received, number: usize) -> Answer {
    let (given, handler) = {
        let mut state = locked(state);
        (state.answers.pop_front(), state.handler.clone())
    };
    let accepted = || (200, format!(r#"{{"id":"m-{number}"}}"#));
    given.unwrap_or_else(|| handler.map_or_else(accepted, |handler| handler(request)))
}

/// The next request; an error for what is none.
fn read(reader: &mut BufReader<&TcpStream>) -> Result<Option<Received>, String> {
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return Ok(None);
    }
    let complaint = |what: &str| Err(format!("{what}: {line:?}"));
    let words: Vec<_> = line.strip_suffix("\r\n").unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return complaint("no request line") };
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return complaint("target");
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).map_err(|cause| cause.to_string())?;
        let Some(text) = header.strip_suffix("\r\n") else { return complaint("header") };
        if text.is_empty() {
            break;
        }
        let Some((name, value)) = text.split_once(": ") else { return complaint("header") };
        if text.chars().any(char::is_control) {
            return complaint("control character");
        }
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(Ok(0), |(_, value)| value.parse());
    let Some(length) = length.ok().filter(|length| *length <= BODY_BYTES) else { return complaint("length") };
    let mut body = vec![0; length];
    reader.read_exact(&mut body).map_err(|cause| cause.to_string())?;
    let body = String::from_utf8(body).map_err(|cause| cause.to_string())?;
    Ok(Some(Received { method: method.to_owned(), target: target.to_owned(), headers, body }))
}
