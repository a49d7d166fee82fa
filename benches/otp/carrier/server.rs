//! The carrier of the measurements: a server on loopback that takes every message at once.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request as it came.
#[derive(Clone, Default)]
pub struct Seen {
    pub authorization: String,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    messages: AtomicU64,
    /// Different values of `Authorization` that connections began with or changed to, since last asked.
    credentials: Mutex<HashSet<String>>,
    /// The first request.
    first: Mutex<Option<Seen>>,
}

/// Serves each connection, which is kept alive, by a thread of its own, until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("the port");
        let shared = Arc::new(Shared::default());
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || {
                for stream in listener.incoming().flatten() {
                    if shared.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let shared = shared.clone();
                    // It ends when the client closes the connection.
                    std::thread::spawn(move || serve(&stream, &shared));
                }
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many different credentials came since this was last asked.
    pub fn take_credentials(&self) -> usize {
        std::mem::take(&mut *self.shared.credentials.lock().expect("no server thread panicked")).len()
    }

    /// The first request of all.
    pub fn first(&self) -> Seen {
        self.shared.first.lock().expect("no server thread panicked").clone().expect("a request came")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// Answers one request after the other. What is no request ends the connection, and with it the measurement.
fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut input: Vec<u8> = Vec::with_capacity(16 * 1024);
    let mut credentials = String::new();
    loop {
        let head = loop {
            if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            more(stream, &mut input)?;
        };
        let text = std::str::from_utf8(input.get(..head)?).ok()?;
        let length: usize = header(text, "content-length")?.parse().ok()?;
        let told = header(text, "authorization")?;
        if told != credentials {
            credentials = told.to_owned();
            shared.credentials.lock().expect("no server thread panicked").insert(credentials.clone());
        }
        while input.len() < head + length {
            more(stream, &mut input)?;
        }
        let number = shared.messages.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            let seen = Seen { authorization: credentials.clone(), body: input.get(head..head + length)?.to_vec() };
            *shared.first.lock().expect("no server thread panicked") = Some(seen);
        }
        input.drain(..head + length);
        (&*stream).write_all(answer(number).as_bytes()).ok()?;
    }
}

fn more(mut stream: &TcpStream, input: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 8 * 1024];
    let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
    input.extend_from_slice(bytes.get(..count)?);
    Some(())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// 202, and an identifier of the message that no other has.
fn answer(number: u64) -> String {
    let body = format!(r#"{{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-{number:012x}"}}"#);
    let length = body.len();
    format!("HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}
