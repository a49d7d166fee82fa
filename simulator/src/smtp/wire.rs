//! Lines from a client, and bytes to it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::PATIENCE;
use crate::script::Wire;

/// Bytes that are read at once.
const CHUNK: usize = 8 * 1024;

/// Most bytes of a line, its end included (RFC 5321, 4.5.3.1.6).
const LINE_BYTES: usize = 1000;

/// The server's side of a connection.
pub struct Line {
    socket: TcpStream,
    wire: Box<dyn Wire>,
    input: Vec<u8>,
}

/// Why there is no line.
pub enum NoLine {
    /// The client is gone.
    Gone,
    /// It sent something else.
    Bad(&'static str),
}

impl Line {
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(Self { wire: Box::new(socket.try_clone()?), socket, input: Vec::new() })
    }

    /// Goes on by TLS.
    pub fn secure(&mut self, tls: &Arc<ServerConfig>) -> Option<()> {
        let mut session = ServerConnection::new(tls.clone()).ok()?;
        let mut socket = self.socket.try_clone().ok()?;
        while session.is_handshaking() {
            session.complete_io(&mut socket).ok()?;
        }
        self.wire = Box::new(StreamOwned::new(session, socket));
        Some(())
    }

    /// The next line without its end.
    pub fn read(&mut self) -> Result<Vec<u8>, NoLine> {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<_> = self.input.drain(..=end).collect();
                line.pop();
                return match line.pop() {
                    _ if end >= LINE_BYTES => Err(NoLine::Bad("a line of more than 1000 bytes")),
                    Some(b'\r') if line.contains(&b'\r') => Err(NoLine::Bad("a CR alone")),
                    Some(b'\r') if line.contains(&0) => Err(NoLine::Bad("a NUL")),
                    Some(b'\r') => Ok(line),
                    _ => Err(NoLine::Bad("an LF alone")),
                };
            }
            if self.input.len() > LINE_BYTES {
                return Err(NoLine::Bad("a line of more than 1000 bytes"));
            }
            self.more().ok_or(NoLine::Gone)?;
        }
    }

    /// Whether the client has said more than was read.
    pub fn has_more(&self) -> bool {
        !self.input.is_empty()
    }

    fn more(&mut self) -> Option<()> {
        let mut chunk = [0; CHUNK];
        let count = self.wire.read(&mut chunk).ok().filter(|count| *count > 0)?;
        self.input.extend_from_slice(chunk.get(..count)?);
        Some(())
    }

    /// Reads until the client goes.
    pub fn drain(&mut self) {
        while self.more().is_some() {
            self.input.clear();
        }
    }

    /// Sends bytes; `None` when the client is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.wire.write_all(bytes).and_then(|()| self.wire.flush()).ok()
    }
}
