//! A carrier to test against: a thread for each connection, and a script that says what it does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use zeroize::Zeroizing;

use super::super::http::{Http, LookUp};
use super::super::{Carrier, Leg};
use crate::config::{Auth, Condition};

/// What a good answer names.
pub const UUID: &str = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab";

/// What a server does with a connection, and its number.
pub type Script = fn(&mut Peer, usize);

pub trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// What a server saw.
#[derive(Default)]
pub struct Seen {
    pub connections: AtomicUsize,
    pub requests: Mutex<Vec<String>>,
    pub bytes_sent: AtomicUsize,
}

impl Seen {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// The server's side of a connection.
pub struct Peer {
    pub wire: Box<dyn Wire>,
    pub seen: Arc<Seen>,
}

impl Peer {
    /// Reads a whole request.
    pub fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let length = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                break end + 4 + length.parse::<usize>().unwrap();
            }
            self.read_into(&mut bytes)?;
        };
        while bytes.len() < length {
            self.read_into(&mut bytes)?;
        }
        let request = String::from_utf8(bytes).unwrap();
        self.seen.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    fn read_into(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let mut buffer = [0; 4096];
        let count = self.wire.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
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
        while self.read_into(&mut Vec::new()).is_some() {}
    }
}

pub fn accepted() -> String {
    format!(r#"{{"message_uuid":"{UUID}"}}"#)
}

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
pub fn serve(script: impl Fn(&mut Peer, usize) + Send + Sync + 'static) -> Server {
    serve_with(|socket| Some(Box::new(socket)), script)
}

/// The same with TLS.
pub fn serve_tls(config: ServerConfig, script: impl Fn(&mut Peer, usize) + Send + Sync + 'static) -> Server {
    let config = Arc::new(config);
    let wrap = move |mut socket: TcpStream| -> Option<Box<dyn Wire>> {
        let mut session = ServerConnection::new(config.clone()).unwrap();
        session.complete_io(&mut socket).ok()?;
        Some(Box::new(StreamOwned::new(session, socket)))
    };
    serve_with(wrap, script)
}

fn serve_with(
    wrap: impl Fn(TcpStream) -> Option<Box<dyn Wire>> + Send + Sync + 'static,
    script: impl Fn(&mut Peer, usize) + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (seen, is_over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let server = Server { port, seen: seen.clone(), is_over: is_over.clone() };
    let script = Arc::new((wrap, script));
    thread::spawn(move || {
        for socket in listener.incoming().take_while(|_| !is_over.load(Ordering::SeqCst)) {
            let (socket, seen, script) = (socket.unwrap(), seen.clone(), script.clone());
            let number = seen.connections.fetch_add(1, Ordering::SeqCst);
            // No thread of a test that failed is to wait for ever.
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            socket.set_nodelay(true).unwrap();
            thread::spawn(move || {
                if let Some(wire) = script.0(socket) {
                    script.1(&mut Peer { wire, seen }, number);
                }
            });
        }
    });
    server
}

/// Every name is this machine.
pub fn here(host_and_port: &str) -> std::io::Result<Vec<SocketAddr>> {
    let (_, port) = host_and_port.rsplit_once(':').unwrap();
    Ok(vec![(Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap()).into()])
}

/// A client with this look-up and these roots.
pub fn carrier_with(url: &str, look_up: LookUp, roots: RootCertStore) -> Carrier {
    let auth = Auth::Basic { api_key: "key".to_owned(), api_secret: Zeroizing::new("secret".to_owned()) };
    Carrier::with(&auth, Http::with(url, roots, look_up), 120_000).ok().unwrap()
}

/// A client without TLS.
pub fn carrier(port: u16) -> Carrier {
    carrier_with(&format!("http://127.0.0.1:{port}"), here, RootCertStore::empty())
}

pub const SMS: Leg<'static> = Leg {
    channel: "sms",
    from: "NEXMO",
    to: "393331234567",
    text: "Insert the following code: 63731",
    code: "63731",
    locale: None,
    template: None,
    expiry_seconds: 120,
    condition: Condition::Delivered,
};
