//! What goes wrong in a dialogue, on demand.

use std::thread;
use std::time::Duration;

use super::wire::Line;

/// Between two bytes of a reply that drips.
const DRIP: Duration = Duration::from_millis(20);

/// Where in a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Greeting,
    Ehlo,
    StartTls,
    /// Where TLS would begin.
    Tls,
    /// EHLO once more, under TLS.
    SecureEhlo,
    Auth,
    Reset,
    Mail,
    Recipient,
    Data,
    /// Within the message, before its final dot.
    Body,
    /// After it.
    Dot,
}

/// What happens there in place of the reply.
#[derive(Clone, Debug)]
pub enum Act {
    /// The connection is closed.
    Close,
    /// Nothing is said as long as the client stays.
    Silence,
    /// These bytes come, and the dialogue goes on as if they had refused.
    Say(Vec<u8>),
    /// These bytes come, and the connection is closed.
    SayAndClose(Vec<u8>),
    /// The reply comes, and these bytes with it.
    SayMore(Vec<u8>),
    /// A reply that begins well, and comes byte by byte without an end.
    Drip,
    /// A reply without an end.
    Flood,
}

/// A fault of one connection.
#[derive(Clone, Debug)]
pub struct MailFault {
    pub stage: Stage,
    pub act: Act,
}

impl MailFault {
    pub fn new(stage: Stage, act: Act) -> Self {
        Self { stage, act }
    }

    /// A reply in place of the usual one.
    pub fn reply(stage: Stage, reply: &str) -> Self {
        Self::new(stage, Act::Say(format!("{reply}\r\n").into_bytes()))
    }
}

impl Act {
    /// Does it. `None`: the connection ends; else whether the usual reply was given.
    pub(super) fn play(self, line: &mut Line, reply: &str) -> Option<bool> {
        match self {
            Act::Close => None,
            Act::Silence => {
                line.drain();
                None
            }
            Act::Say(bytes) => line.send(&bytes).map(|()| false),
            Act::SayAndClose(bytes) => {
                line.send(&bytes);
                None
            }
            Act::SayMore(bytes) => line.send(&[reply.as_bytes(), b"\r\n", &bytes].concat()).map(|()| true),
            Act::Drip => {
                let begin = reply.get(..3).unwrap_or("250").bytes().chain([b'-']);
                for byte in begin.chain(std::iter::repeat(b'x')) {
                    line.send(&[byte])?;
                    thread::sleep(DRIP);
                }
                None
            }
            Act::Flood => {
                let more = format!("{}-more\r\n", reply.get(..3).unwrap_or("250"));
                loop {
                    line.send(more.as_bytes())?;
                }
            }
        }
    }
}
