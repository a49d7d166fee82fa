//! The one error type: an [`Outcome`] below zero and a line that says what exactly was wrong.

use std::fmt;

use crate::outcome::Outcome;

/// Why the library could not answer.
///
/// The text is one line in lower case and names the option, parameter, file or host; the cause follows a colon.
/// It never holds a code, token, recipient or key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    outcome: Outcome,
    scope: Scope,
    /// Which kind of row is damaged, where that is known.
    kind: Option<&'static str>,
    detail: String,
}

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// The call: it cannot go on.
    Call,
    /// One row, which others do not need.
    Row,
    /// One row that is damaged.
    Damage,
    /// The repository, which was moved.
    Move,
}

/// The library's `Result`.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    #[cold]
    fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { outcome, scope: Scope::Call, kind: None, detail: detail.into() }
    }

    pub(crate) fn argument(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Argument, detail)
    }

    pub(crate) fn config(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Config, detail)
    }

    pub(crate) fn store(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Store, detail)
    }

    /// What was read of one row makes no sense, though reading it went well.
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self { scope: Scope::Damage, ..Self::store(detail) }
    }

    /// The same, of a row of this kind.
    pub(crate) fn damaged_row(kind: Option<&'static str>, detail: impl Into<String>) -> Self {
        Self { kind, ..Self::damaged(detail) }
    }

    /// The kind of the row that is damaged, where that is known.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        self.kind
    }

    /// The same, about one row alone: who goes over many passes over this one.
    pub(crate) fn of_one_row(self) -> Self {
        match self.scope {
            Scope::Call => Self { scope: Scope::Row, ..self },
            Scope::Row | Scope::Damage | Scope::Move => self,
        }
    }

    pub(crate) fn is_of_one_row(&self) -> bool {
        matches!(self.scope, Scope::Row | Scope::Damage)
    }

    /// The whole repository has gone elsewhere.
    pub(crate) fn moved(detail: impl Into<String>) -> Self {
        Self { scope: Scope::Move, ..Self::store(detail) }
    }

    /// Whether it says that the repository was moved.
    #[must_use]
    pub fn is_move(&self) -> bool {
        self.scope == Scope::Move
    }

    /// Whether it is about one row that was read, and makes no sense.
    pub(crate) fn is_damage(&self) -> bool {
        self.scope == Scope::Damage
    }

    /// Says in which repository the damage is.
    pub(crate) fn in_repository(self, place: &str) -> Self {
        match self.scope {
            Scope::Damage => Self { detail: format!("repository {place:?}: {}", self.detail), ..self },
            Scope::Call | Scope::Row | Scope::Move => self,
        }
    }

    /// Names the sender's own option where it names that of the only one.
    pub(crate) fn of_sender(self, option: &str) -> Self {
        match self.detail.strip_prefix("sender.") {
            Some(rest) => Self { detail: format!("{option}.{rest}"), ..self },
            None => self,
        }
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Busy, detail)
    }

    pub(crate) fn signature(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Signature, detail)
    }

    pub(crate) fn unsigned(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Unsigned, detail)
    }

    pub(crate) fn random(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Random, detail)
    }

    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Unsupported, detail)
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Internal, detail)
    }

    /// Which kind of failure: always one with a negative number.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What exactly: one line.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl std::error::Error for Error {}
