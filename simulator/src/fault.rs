//! What goes wrong with an answer, on demand.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// Between two bytes of an answer that trickles.
const TRICKLE: Duration = Duration::from_millis(50);

/// What a next request meets.
pub enum Fault {
    /// This status in place of the answer, with problem JSON; 429 asks for a pause of one second.
    Status(u16),
    /// The message is not taken, and the connection closed.
    Reset,
    /// The message is not taken, and nothing is said as long as the client stays.
    Silence,
    /// The message is not taken; these bytes come, and the connection is closed: no HTTP, a redirect, half an answer.
    Bytes(Vec<u8>),
    /// The message is not taken, and the answer never ends.
    Flood,
    /// The answer comes late.
    Delay(Duration),
    /// The answer comes byte by byte.
    Trickle,
    /// The message is taken; the connection is closed in place of an answer.
    AnswerLost,
    /// Webhooks come before the answer.
    AnswerLast,
    /// The connection is closed after the answer, without a word.
    Close,
}

impl Fault {
    /// The status of the answer, where the message is not taken; 0 for no answer.
    pub fn refusal(&self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(*status),
            Self::Reset | Self::Silence | Self::Bytes(_) | Self::Flood => Some(0),
            Self::Delay(_) | Self::Trickle | Self::AnswerLost | Self::AnswerLast | Self::Close => None,
        }
    }

    /// Sends the answer, or what comes in its place. An error ends the connection.
    pub fn send(&self, mut stream: &TcpStream, answer: &[u8]) -> io::Result<()> {
        let closed = || Err(ErrorKind::ConnectionAborted.into());
        match self {
            Self::Status(_) | Self::AnswerLast => stream.write_all(answer),
            Self::Reset | Self::AnswerLost => closed(),
            Self::Silence => {
                while stream.read(&mut [0; 1024])? > 0 {}
                closed()
            }
            Self::Bytes(bytes) => stream.write_all(bytes).and_then(|()| closed()),
            Self::Flood => {
                stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000000000000\r\n\r\n")?;
                loop {
                    stream.write_all(&[b' '; 4096])?;
                }
            }
            Self::Delay(pause) => {
                thread::sleep(*pause);
                stream.write_all(answer)
            }
            Self::Trickle => answer.iter().try_for_each(|byte| {
                thread::sleep(TRICKLE);
                stream.write_all(&[*byte])
            }),
            Self::Close => stream.write_all(answer).and_then(|()| closed()),
        }
    }
}
