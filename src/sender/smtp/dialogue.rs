//! Commands and replies on one connection (RFC 5321): one at a time, and nothing that a server says before it is asked.

use super::failure::Failure;
use super::reply::Reply;
use super::stream::Stream;

/// Bytes that are read at once.
const CHUNK: usize = 1024;

/// A connection on which a server has been spoken to.
pub struct Dialogue {
    /// The bytes.
    pub stream: Stream,
    /// What was read and is not understood yet.
    input: Vec<u8>,
}

impl Dialogue {
    /// One at its beginning.
    pub fn new(stream: Stream) -> Self {
        Self { stream, input: Vec::new() }
    }

    /// Says a command and reads the reply, whatever it is.
    ///
    /// # Errors
    ///
    /// No reply.
    pub fn command(&mut self, step: &'static str, command: &str) -> Result<Reply, Failure> {
        self.say(step, command.as_bytes())?;
        self.reply(step)
    }

    /// The same where nothing but this class of reply lets the dialogue go on.
    ///
    /// # Errors
    ///
    /// No reply, or another one.
    pub fn need(&mut self, step: &'static str, command: &str, class: u16) -> Result<Reply, Failure> {
        let reply = self.command(step, command)?;
        if reply.class() == class { Ok(reply) } else { Err(refused(step, reply)) }
    }

    /// Sends bytes, with the server silent before them.
    ///
    /// # Errors
    ///
    /// Some of it may have left.
    pub fn say(&mut self, step: &'static str, bytes: &[u8]) -> Result<(), Failure> {
        self.check_silent(step)?;
        self.stream.write(bytes).map_err(|cause| Failure::of(step, &cause))
    }

    /// Refuses a server that has said more than it was asked.
    ///
    /// # Errors
    ///
    /// It has.
    pub fn check_silent(&self, step: &'static str) -> Result<(), Failure> {
        if self.input.is_empty() { Ok(()) } else { Err(Failure::unfit(step, "the server spoke before it was asked")) }
    }

    /// Reads the next reply.
    ///
    /// # Errors
    ///
    /// There is none, or something else.
    pub fn reply(&mut self, step: &'static str) -> Result<Reply, Failure> {
        loop {
            let taken = Reply::take(&mut self.input);
            let taken = taken.map_err(|malformed| Failure::unfit(step, &format!("the server sent {}", malformed.0)))?;
            if let Some(reply) = taken {
                return Ok(reply);
            }
            let mut chunk = [0; CHUNK];
            let count = self.stream.read(&mut chunk).map_err(|cause| Failure::of(step, &cause))?;
            self.input.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
    }
}

/// A reply that says no, or one that says what nobody asked.
pub fn refused(step: &'static str, reply: Reply) -> Failure {
    match reply.class() {
        4 | 5 => Failure::said(step, reply),
        _ => Failure::unfit(step, "the server sent a reply that does not belong there"),
    }
}
