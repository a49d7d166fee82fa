//! What went wrong, as it may be told: never what the server says of it, which may hold what it was about.

use std::fmt;
use std::io::{self, ErrorKind};

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorFields;

/// Why a call has no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The server refuses it, and did nothing.
    Refused(SqlState),
    /// The server ends the connection. What it had done by then, nobody knows.
    Ended(SqlState),
    /// The connection failed.
    Broken(String),
}

/// Five signs that say what an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Whether the same may go well the next moment: others were in the way.
    pub fn is_passing(self) -> bool {
        // Serialization, deadlock, a lock, a time-out or a cancel, too many locks.
        matches!(&self.0, b"40001" | b"40P01" | b"55P03" | b"57014" | b"53200")
    }

    fn meaning(self) -> &'static str {
        match &self.0 {
            b"0A000" | b"25006" => "the server is a standby, or may only be read",
            b"28000" | b"28P01" => "user or password are refused",
            b"3D000" => "there is no such database",
            b"3F000" | b"42P01" | b"42883" => "was emptied or replaced: open it again",
            b"42501" => "the user lacks a right that docs/engines.md names",
            b"53100" => "the disk of the server is full",
            b"53300" => "the server has too many connections",
            b"57014" => "the server ended the call, since its time was over",
            b"57P01" | b"57P02" | b"57P03" => "the server stops or starts",
            _ => "the server refuses",
        }
    }

    /// Whether a right is missing.
    pub fn is_forbidden(self) -> bool {
        &self.0 == b"42501"
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused(state) | Trouble::Ended(state) => {
                write!(formatter, "{} (SQLSTATE {state})", state.meaning())
            }
            Trouble::Broken(cause) => formatter.write_str(cause),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Self {
        Trouble::Broken(match cause.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
            ErrorKind::UnexpectedEof => "the connection ended".to_owned(),
            _ => cause.to_string(),
        })
    }
}

/// The server's answer makes no sense.
pub fn odd() -> Trouble {
    Trouble::Broken("the server gives an odd answer".to_owned())
}

/// What an error or notice says, as far as it may be told.
pub struct Said {
    pub severity: Vec<u8>,
    pub state: SqlState,
}

impl Said {
    pub fn read(fields: ErrorFields<'_>) -> Self {
        let mut said = Self { severity: Vec::new(), state: SqlState(*b"XX000") };
        for field in fields.iterator().map_while(Result::ok) {
            let value = field.value_bytes();
            match field.type_() {
                // Not translated, and sent by servers alone.
                b'V' => said.severity = value.to_vec(),
                b'C' => said.state = state(value).unwrap_or(said.state),
                _ => {}
            }
        }
        said
    }

    /// An error ends a transaction; anything worse ends the connection. A pooler calls an error what became of a
    /// server in the midst of a commit: it is known by its SQLSTATE, of the class 08.
    pub fn into_trouble(self) -> Trouble {
        let is_server_s = self.severity == b"ERROR" && !self.state.0.starts_with(b"08");
        if is_server_s { Trouble::Refused(self.state) } else { Trouble::Ended(self.state) }
    }
}

/// Letters and digits alone: it is shown.
fn state(value: &[u8]) -> Option<SqlState> {
    let state = SqlState(value.try_into().ok()?);
    value.iter().all(u8::is_ascii_alphanumeric).then_some(state)
}
