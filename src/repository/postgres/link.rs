//! A connection and what is said on it: every call is one transaction, sent in one piece and answered in one, without
//! anything that the server would remember for the connection. So a pooler may change servers between any two calls.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Message};
use postgres_protocol::message::frontend;

use super::address::Address;
use super::trouble::{Said, Trouble, odd};
use super::value::{Line, Value};
use super::wire::Wire;
use crate::names::Names;

/// A standby refuses it. A server whose transactions are otherwise by default does not.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";

const COMMIT: &str = "COMMIT";

/// How much is read at a time.
const PIECE: usize = 16 << 10;

/// A connection to a server.
pub struct Link {
    pub wire: Wire,
    /// What has come and was not read.
    input: BytesMut,
    /// Until when its call may wait.
    by: Instant,
}

/// What a call is about: one statement in a transaction of its own.
pub struct Call<'a> {
    pub text: &'static str,
    pub values: Vec<Value<'a>>,
}

/// What the server gave.
pub struct Answer {
    pub lines: Vec<Line>,
    /// Whether it warned when it committed: that standbys have not said that they have the change.
    pub is_warned: bool,
}

impl Link {
    /// Connects. The server does not know yet who we are.
    pub fn connect(address: &Address, names: &Names, by: Instant) -> Result<Self, Trouble> {
        Ok(Self { wire: Wire::open(address, names, by)?, input: BytesMut::new(), by })
    }

    /// Runs a statement in a transaction of its own. On the server it ends by the deadline as well.
    pub fn run(&mut self, call: &Call<'_>, by: Instant) -> Result<Answer, Trouble> {
        self.by = by;
        // Before we stop to listen.
        let left = by.saturating_duration_since(Instant::now()).as_millis() * 9 / 10;
        let bounds = format!(
            "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), \
             pg_catalog.set_config('client_min_messages', 'warning', true), \
             pg_catalog.set_config('statement_timeout', '{}', true)",
            left.max(1)
        );
        let mut output = BytesMut::new();
        for (text, values) in [(BEGIN, &[][..]), (&bounds, &[]), (call.text, &call.values), (COMMIT, &[])] {
            add(text, values, &mut output)?;
        }
        frontend::sync(&mut output);
        self.send(&output)?;
        self.read_answer()
    }

    /// Says farewell, if that is possible at once.
    pub fn say_farewell(&mut self) {
        let mut output = BytesMut::new();
        frontend::terminate(&mut output);
        self.by = Instant::now() + Duration::from_millis(100);
        let _ = self.send(&output);
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        Ok(self.wire.send(bytes, self.by)?)
    }

    /// The next message. An error is trouble.
    pub fn next(&mut self) -> Result<Message, Trouble> {
        loop {
            match Message::parse(&mut self.input)? {
                Some(Message::ErrorResponse(error)) => return Err(Said::read(error.fields()).into_trouble()),
                Some(message) => return Ok(message),
                None => {}
            }
            let mut piece = [0; PIECE];
            let size = self.wire.receive(&mut piece, self.by)?;
            self.input.extend_from_slice(piece.get(..size).unwrap_or_default());
        }
    }

    fn read_answer(&mut self) -> Result<Answer, Trouble> {
        let (mut lines, mut statements, mut is_warned) = (Vec::new(), 0, false);
        loop {
            match self.next()? {
                // Of the second statement nobody wants to know anything.
                Message::DataRow(row) if statements > 1 => lines.push(line(&row)?),
                Message::CommandComplete(_) => statements += 1,
                Message::NoticeResponse(notice) if statements == 3 => {
                    is_warned |= Said::read(notice.fields()).severity == b"WARNING";
                }
                Message::ReadyForQuery(state) if state.status() == b'I' && statements == 4 => {
                    return Ok(Answer { lines, is_warned });
                }
                Message::ReadyForQuery(_) => return Err(odd()),
                _ => {}
            }
        }
    }
}

/// Adds a statement without a name, and has it run.
fn add(text: &str, values: &[Value<'_>], output: &mut BytesMut) -> Result<(), Trouble> {
    let refused = |_| Trouble::Broken("a statement cannot be sent".to_owned());
    frontend::parse("", text, [], output)?;
    frontend::bind("", "", [1], values, |value, output| value.write(output), [1], output).map_err(refused)?;
    Ok(frontend::execute("", 0, output)?)
}

fn line(row: &DataRowBody) -> Result<Line, Trouble> {
    let bytes: &Bytes = row.buffer_bytes();
    let values = row.ranges().map(|range| Ok(range.map(|range| bytes.slice(range))));
    Ok(Line(values.collect()?))
}
