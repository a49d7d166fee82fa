//! A server on loopback that does with each connection what a script says: whatever a carrier, or somebody in its
//! place, may do.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a script waits for a client that says nothing: no thread of a test that failed is to wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that are read at once.
const CHUNK: usize = 8 * 1024;

/// Requests whose text is kept.
const KEPT: usize = 64;

/// What a good answer names.
pub const UUID: &str = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab";

/// What a server does with a connection, and its number.
pub type Script = fn(&mut Peer, usize);

/// A connection, plain or with TLS.
pub trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// What a server saw.
#[derive(Default)]
pub struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    bytes_sent: AtomicUsize,
    texts: Mutex<Vec<String>>,
}

impl Seen {
    /// How many connections came.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many whole requests came.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many bytes of answers were sent.
    pub fn bytes_sent(&self) -> usize {
        self.bytes_sent.load(Ordering::SeqCst)
    }

    /// The texts of the first requests.
    pub fn texts(&self) -> MutexGuard<'_, Vec<String>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server's side of a connection.
pub struct Peer {
    pub wire: Box<dyn Wire>,
    pub seen: Arc<Seen>,
    input: Vec<u8>,
}

/// A request as it came.
#[derive(Clone)]
pub struct Request {
    /// The request line and the headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Peer {
    /// One of a connection that somebody else accepted.
    pub fn new(wire: Box<dyn Wire>) -> Self {
        Self { wire, seen: Arc::default(), input: Vec::new() }
    }

    /// Reads the next request; `None` when the client is gone, or sends something else.
    pub fn request(&mut self) -> Option<Request> {
        let end = loop {
            if let Some(end) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8(self.input.get(..end)?.to_vec()).ok()?;
        let request = Request { head, body: Vec::new() };
        let length = request.header("content-length")?.parse::<usize>().ok()?;
        while self.input.len() < end + length {
            self.more()?;
        }
        let body = self.input.get(end..end + length)?.to_vec();
        self.input.drain(..end + length);
        if self.seen.requests.fetch_add(1, Ordering::SeqCst) < KEPT {
            self.seen.texts().push(request.head.clone() + &String::from_utf8_lossy(&body));
        }
        Some(Request { body, ..request })
    }

    fn more(&mut self) -> Option<()> {
        let mut chunk = [0; CHUNK];
        let count = self.wire.read(&mut chunk).ok().filter(|count| *count > 0)?;
        self.input.extend_from_slice(chunk.get(..count)?);
        Some(())
    }

    /// Sends bytes; `false` when the client is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = self.wire.write_all(bytes.as_ref()).and_then(|()| self.wire.flush()).is_ok();
        if sent {
            self.seen.bytes_sent.fetch_add(bytes.as_ref().len(), Ordering::SeqCst);
        }
        sent
    }

    /// Sends an answer with a body of the right length.
    pub fn answer(&mut self, status: &str, headers: &str, body: impl AsRef<[u8]>) -> bool {
        let length = body.as_ref().len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n");
        self.send([head.as_bytes(), body.as_ref()].concat())
    }

    /// Takes the message.
    pub fn accept(&mut self) -> bool {
        self.answer("202 Accepted", "content-type: application/json\r\n", accepted())
    }

    /// Stays until the client goes.
    pub fn wait(&mut self) {
        while self.more().is_some() {
            self.input.clear();
        }
    }
}

/// The body of an answer that takes a message.
pub fn accepted() -> String {
    format!(r#"{{"message_uuid":"{UUID}"}}"#)
}

/// Serves until it is dropped.
pub struct Server {
    pub port: u16,
    pub seen: Arc<Seen>,
    is_over: Arc<AtomicBool>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Serves plain connections: the script gets each one, and its number from 0.
///
/// # Panics
///
/// When there is no free port.
pub fn serve(script: impl Fn(&mut Peer, usize) + Send + Sync + 'static) -> Server {
    serve_with(|socket| Some(Box::new(socket)), script)
}

/// The same with TLS.
///
/// # Panics
///
/// When there is no free port, or the configuration cannot be used.
pub fn serve_tls(config: ServerConfig, script: impl Fn(&mut Peer, usize) + Send + Sync + 'static) -> Server {
    let config = Arc::new(config);
    let wrap = move |mut socket: TcpStream| -> Option<Box<dyn Wire>> {
        let mut session = ServerConnection::new(config.clone()).expect("a configuration for TLS");
        session.complete_io(&mut socket).ok()?;
        Some(Box::new(StreamOwned::new(session, socket)))
    };
    serve_with(wrap, script)
}

fn serve_with(
    wrap: impl Fn(TcpStream) -> Option<Box<dyn Wire>> + Send + Sync + 'static,
    script: impl Fn(&mut Peer, usize) + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
    let port = listener.local_addr().expect("the port").port();
    let (seen, is_over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let server = Server { port, seen: seen.clone(), is_over: is_over.clone() };
    let script = Arc::new((wrap, script));
    thread::spawn(move || {
        for socket in listener.incoming().take_while(|_| !is_over.load(Ordering::SeqCst)).flatten() {
            let (seen, script) = (seen.clone(), script.clone());
            let number = seen.connections.fetch_add(1, Ordering::SeqCst);
            let is_set = socket.set_read_timeout(Some(PATIENCE)).and_then(|()| socket.set_nodelay(true));
            thread::spawn(move || {
                if let Some(wire) = is_set.ok().and_then(|()| script.0(socket)) {
                    script.1(&mut Peer { wire, seen, input: Vec::new() }, number);
                }
            });
        }
    });
    server
}

/// A script that answers a request with these bytes and closes.
#[macro_export]
macro_rules! answer {
    ($bytes:expr) => {
        |peer, _| {
            peer.request();
            peer.send($bytes);
        }
    };
}

/// A script that answers every request with this status and body.
#[macro_export]
macro_rules! status {
    ($status:expr, $headers:expr, $body:expr) => {
        |peer, _| while peer.request().is_some() && peer.answer($status, $headers, $body) {}
    };
}
