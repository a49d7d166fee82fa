//! Bytes to a server and back, plain or by TLS, every read and every write under one deadline: a server that sends a
//! byte a second gains nothing by it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A socket with a deadline.
pub struct Timed {
    socket: TcpStream,
    deadline: Instant,
    /// How many bytes the system has taken.
    sent: u64,
}

/// The bytes of a dialogue.
pub enum Stream {
    /// In the clear.
    Plain(Timed),
    /// By TLS.
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Timed {
    /// Connects to the first of these addresses that answers, each for its share of the time.
    ///
    /// # Errors
    ///
    /// That of the last one.
    pub fn connect(addresses: &[SocketAddr], deadline: Instant) -> io::Result<Self> {
        let mut failed = io::Error::from(ErrorKind::NotFound);
        for (place, address) in addresses.iter().enumerate() {
            let share = left(deadline)? / u32::try_from(addresses.len() - place).unwrap_or(1);
            match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    return Ok(Self { socket, deadline, sent: 0 });
                }
                Err(cause) => failed = cause,
            }
        }
        Err(failed)
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Again, when a signal came in between; and one word for a time-out.
fn settled(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            done => return done,
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        settled(|| {
            self.socket.set_read_timeout(Some(left(self.deadline)?))?;
            self.socket.read(buffer)
        })
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = settled(|| {
            self.socket.set_write_timeout(Some(left(self.deadline)?))?;
            self.socket.write(bytes)
        })?;
        self.sent += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    /// The same socket by TLS, with whoever proves to be `name`.
    ///
    /// # Errors
    ///
    /// No proof, or no TLS.
    pub fn secured(self, tls: Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let Self::Plain(mut socket) = self else { return Err(io::Error::other("TLS within TLS")) };
        let name =
            ServerName::try_from(name.to_owned()).map_err(|_| io::Error::other("not a name for a certificate"))?;
        let mut session = ClientConnection::new(tls, name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    fn timed(&mut self) -> &mut Timed {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_mut(),
        }
    }

    /// Until when everything from now on must be done.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.timed().deadline = deadline;
    }

    /// How many bytes the system has taken.
    pub fn sent(&mut self) -> u64 {
        self.timed().sent
    }

    /// Whether nothing came that was not read: neither words nor an end.
    pub fn is_quiet(&mut self) -> bool {
        let socket = &self.timed().socket;
        let peeked = socket.set_nonblocking(true).and_then(|()| socket.peek(&mut [0]));
        let is_blocking = socket.set_nonblocking(false).is_ok();
        is_blocking && peeked.is_err_and(|cause| cause.kind() == ErrorKind::WouldBlock)
    }

    /// Reads what there is. None is an end, and an error.
    ///
    /// # Errors
    ///
    /// The system's, or TLS's.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self {
            Self::Plain(socket) => socket.read(buffer)?,
            Self::Tls(stream) => stream.read(buffer)?,
        };
        if count == 0 { Err(io::Error::new(ErrorKind::UnexpectedEof, "closed by the server")) } else { Ok(count) }
    }

    /// Writes all of it, so that the system has it.
    ///
    /// # Errors
    ///
    /// The system's, or TLS's: some of it may have left.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => {
                stream.write_all(bytes)?;
                // Writing hides errors of the socket; this does not.
                stream.flush()
            }
        }
    }

    /// Says a last word, if that takes no time.
    pub fn part(mut self, word: &[u8]) {
        self.set_deadline(Instant::now() + Duration::from_secs(1));
        if self.timed().socket.set_nonblocking(true).is_ok() {
            // Nobody waits for it.
            let _ = self.write(word);
        }
    }
}
