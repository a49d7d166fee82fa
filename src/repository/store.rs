//! Storage for many hosts: rows that are read with their versions, and written if these still hold.
//!
//! A version is drawn at random for each write, and absence is one as well, so that equal versions mean that nothing
//! was written in between. The rules, the waiting and the running again are [`super::optimistic::Optimistic`]'s.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::block::{BLOCK_BYTES, Nonce, RowKey};
use crate::clock::Time;
use crate::error::{Error, Result};

/// Which write of a row it was.
pub type Version = Nonce;

/// The version of what is not there.
pub const ABSENT: Version = Version::new([0; BLOCK_BYTES]);

/// Rows on another host. A call is one round trip and ends by its deadline.
pub trait Store: Send + Sync {
    /// Where it lies, to tell by: without user and password.
    fn place(&self) -> String;

    /// Most keys that the changes of one commit should be about. One change alone may be about more.
    fn most_keys(&self) -> usize {
        usize::MAX
    }

    /// Reads these rows, all at one moment. `mark` is the one that the caller knows, see [`Look::mark`].
    fn look(&self, keys: &[RowKey], mark: &Version, by: Instant) -> Result<Look>;

    /// Does each of these changes, in order, whose conditions hold when its turn comes, all at one moment; none where
    /// the repository's mark is another. A change belongs to one tenant, or is about the repository's own row alone.
    /// `synced` asks for what copies are configured.
    fn commit(&self, changes: &[&Change], mark: &Version, synced: bool, by: Instant) -> Verdicts;

    /// The first rows of a range, at most about `limit`, and what is left of the range. There may be none in a page
    /// that is not the last.
    fn page(&self, range: RangeInclusive<RowKey>, limit: usize, mark: &Version, by: Instant) -> Result<StorePage>;

    /// What is wrong beside the rows, a line each.
    fn faults(&self, _mark: &Version) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Brings the mark, after a move, wherever commits look for it.
    fn spread_mark(&self, _mark: &Version, _by: Instant) -> Result<()> {
        Ok(())
    }

    /// Takes a lease on this key, unless somebody has one: a courtesy among those that got in each other's way. No
    /// condition depends on it.
    fn take_lease(&self, key: &RowKey, owner: &Version, lasts: Duration, by: Instant) -> Result<bool>;

    /// Gives the owner's lease back.
    fn end_lease(&self, key: &RowKey, owner: &Version, by: Instant);

    /// Forgets, without a word to the other side, what a child of `fork` has in common with its parent.
    fn in_child(&self) {}
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which write it comes from; [`ABSENT`] when it is not there.
    pub version: Version,
    /// Its bytes, as the codec writes them.
    pub bytes: Vec<u8>,
}

/// What a look saw.
pub struct Look {
    /// The storage's time.
    pub time: Time,
    /// What tells this repository from any other, drawn with its own row when that is first written, and when it says
    /// that the repository was moved. Other writes of that row leave it. [`ABSENT`] before.
    pub mark: Version,
    /// The rows, in the order of their keys in the question.
    pub rows: Vec<Stored>,
}

/// A part of a scan.
pub struct StorePage {
    /// The storage's time.
    pub time: Time,
    /// See [`Look::mark`].
    pub mark: Version,
    /// The rows that are there, in the order of their keys.
    pub rows: Vec<(RowKey, Stored)>,
    /// What is left of the range, if anything.
    pub rest: Option<RangeInclusive<RowKey>>,
}

/// What is written if nobody came in between.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Rows, and the versions that they must have.
    pub conditions: Vec<(RowKey, Version)>,
    /// What then takes their place.
    pub writes: Vec<Write>,
    /// The repository's mark from then on, where this makes it or moves it. Whoever knows another one is refused.
    pub mark: Option<Version>,
}

/// A row to be written.
#[derive(Clone, Debug)]
pub struct Write {
    /// Its key.
    pub key: RowKey,
    /// The version of this write.
    pub version: Version,
    /// What is written; `None` removes the row.
    pub content: Option<Content>,
}

/// What a row gets.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its bytes, as the codec writes them.
    pub bytes: Vec<u8>,
    /// For how long the storage keeps it, in milliseconds; `None` for good.
    pub kept_ms: Option<u64>,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was done.
    Done,
    /// A condition did not hold: nothing was done.
    Changed,
    /// The repository has another mark: nothing was done.
    Reopen,
}

/// Why there is no verdict.
#[derive(Debug)]
pub enum Failure {
    /// There is nothing to find out: it was not done, or not as safely as asked.
    Final(Error),
    /// It may have been done, or may still be.
    Lost(Error),
}

/// The verdicts on some changes, in their order.
pub type Verdicts = std::result::Result<Vec<Verdict>, Failure>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Final(error) | Failure::Lost(error) => error,
        }
    }
}
