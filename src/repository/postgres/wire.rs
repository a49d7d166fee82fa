//! Bytes to and from a server, by a deadline, in TLS where the server must prove who it is.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::{ClientConnection, StreamOwned};

use super::address::{Address, Host, Tls};
use crate::names::Names;
use crate::sys::{self, socket};

/// A connection. Dropping it closes its socket, and says nothing to the other side.
pub enum Wire {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Wire {
    /// Connects, and starts TLS where the address asks for it.
    pub fn open(address: &Address, names: &Names, by: Instant) -> io::Result<Self> {
        let kind = match &address.host {
            Host::Folder(folder) => {
                let path = folder.join(format!(".s.PGSQL.{}", address.port));
                Kind::Unix(socket::connect_unix(&path, left(by)?)?)
            }
            Host::Named(name) => {
                let found = names.find(name, address.port, left(by)?).map_err(io::Error::other)?;
                // Without TLS nothing may leave the machine, whatever the system says that localhost is.
                let may_go = |found: &SocketAddr| address.tls.is_some() || found.ip().is_loopback();
                Kind::Tcp(connect(&found.into_iter().filter(may_go).collect::<Vec<_>>(), by)?)
            }
        };
        let socket = Socket { kind, by };
        match &address.tls {
            Some(tls) => start_tls(socket, tls),
            None => Ok(Self::Plain(socket)),
        }
    }

    /// Sends all, and reads none.
    pub fn send(&mut self, bytes: &[u8], by: Instant) -> io::Result<()> {
        self.socket_mut().by = by;
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => {
                stream.write_all(bytes)?;
                // Writing hides errors of the socket; this does not.
                stream.flush()
            }
        }
    }

    /// Reads some of what comes.
    pub fn receive(&mut self, bytes: &mut [u8], by: Instant) -> io::Result<usize> {
        self.socket_mut().by = by;
        let size = match self {
            Self::Plain(socket) => socket.read(bytes)?,
            Self::Tls(stream) => stream.read(bytes)?,
        };
        if size == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(size) }
    }

    /// Whether nothing has come that nobody asked for: the end, or a farewell.
    pub fn is_quiet(&self) -> bool {
        !socket::is_readable(self.descriptor())
    }

    pub fn descriptor(&self) -> RawFd {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        };
        match &socket.kind {
            Kind::Tcp(stream) => stream.as_raw_fd(),
            Kind::Unix(stream) => stream.as_raw_fd(),
        }
    }

    fn socket_mut(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }
}

/// What the server sends before the handshake beyond its one byte would be anybody's: it is not read.
fn start_tls(mut socket: Socket, tls: &Tls) -> io::Result<Wire> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request)?;
    let mut answer = [0];
    socket.read_exact(&mut answer)?;
    if answer != *b"S" {
        return Err(io::Error::other("the server does not speak TLS"));
    }
    let mut session = ClientConnection::new(tls.config.clone(), tls.name.clone()).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(Wire::Tls(Box::new(StreamOwned::new(session, socket))))
}

/// Tries one address after the other, each with its part of the time.
fn connect(addresses: &[SocketAddr], by: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("host not found");
    for (number, address) in addresses.iter().enumerate() {
        let parts = u32::try_from(addresses.len() - number).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, left(by)? / parts) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

/// What is left until a deadline.
fn left(by: Instant) -> io::Result<Duration> {
    let left = by.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.max(Duration::from_millis(1))) }
}

/// A socket whose every read and write ends by a deadline.
pub struct Socket {
    kind: Kind,
    by: Instant,
}

enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| {
            let left = Some(left(self.by)?);
            match &mut self.kind {
                Kind::Tcp(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(bytes)),
                Kind::Unix(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(bytes)),
            }
        })
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| {
            let left = Some(left(self.by)?);
            match &mut self.kind {
                Kind::Tcp(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(bytes)),
                Kind::Unix(stream) => {
                    stream.set_write_timeout(left)?;
                    sys::without_write_signals(|| stream.write(bytes))
                }
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins again after signals of the host.
fn uninterrupted(mut step: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match step() {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
