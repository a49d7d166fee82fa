//! Errors after the fact. Once a call has committed something, no result of it may say that nothing was done: its
//! caller would do it again.
//!
//! What runs after a first commit has [`AfterCommit`] as its error, so that no `?` lets another one out.

use crate::error::{Error, Result};
use crate::outcome::Outcome;

/// Why a call failed that had committed something.
#[derive(Debug)]
pub struct AfterCommit(Error);

/// The result of what runs after a first commit.
pub type AfterResult<T> = std::result::Result<T, AfterCommit>;

impl From<Error> for AfterCommit {
    /// A defect stays one. Of everything else all that can be said is that it may have been done.
    fn from(error: Error) -> Self {
        match error.outcome() {
            Outcome::Store | Outcome::Internal => Self(error),
            _ => Self(Error::store(error.detail())),
        }
    }
}

impl From<AfterCommit> for Error {
    fn from(AfterCommit(error): AfterCommit) -> Self {
        error
    }
}

/// The transactions of a call that has several: the first may fail in any way, a later one only after the fact.
#[derive(Default)]
pub struct Series {
    has_committed: bool,
}

impl Series {
    /// Runs the next transaction.
    ///
    /// # Errors
    ///
    /// Its own; of a later one never that nothing was done.
    pub fn run<T>(&mut self, transaction: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = transaction();
        if self.has_committed {
            return done.map_err(|error| AfterCommit::from(error).into());
        }
        self.has_committed = done.is_ok();
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [fn(&'static str) -> Error; 9] = [
        Error::argument,
        Error::config,
        Error::store,
        Error::busy,
        Error::signature,
        Error::unsigned,
        Error::random,
        Error::unsupported,
        Error::internal,
    ];

    #[test]
    fn a_later_transaction_never_says_that_nothing_was_done() {
        for make in ALL {
            let mut series = Series::default();
            let first = series.run(|| Err::<(), _>(make("cause"))).unwrap_err();
            assert_eq!(first, make("cause"), "nothing was committed");
            series.run(|| Ok(())).unwrap();
            let later = series.run(|| Err::<(), _>(make("cause"))).unwrap_err();
            assert!(matches!(later.outcome(), Outcome::Store | Outcome::Internal), "{later:?}");
            assert_eq!(later.detail(), "cause");
        }
    }
}
