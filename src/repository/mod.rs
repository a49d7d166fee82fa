//! Storage: a few rows by key, read, changed and written in one atomic, durable step.
//!
//! No rule lives here. What a row means is decided in [`crate::record`] and [`crate::policy`]; what a repository
//! promises is held by one suite of tests that all of them pass (`conformance.rs`).

mod census;
mod codec;
mod commit;
#[cfg(test)]
pub(crate) mod conformance;
mod engine;
mod examine;
#[cfg(test)]
pub(crate) mod fake;
mod json;
mod memory;
mod metered;
#[cfg(any(test, feature = "redis", feature = "postgres"))]
mod optimistic;
#[cfg(feature = "postgres")]
mod postgres;
mod range;
#[cfg(feature = "redis")]
mod redis;
#[cfg(test)]
mod samples;
mod sqlite;
#[cfg(any(test, feature = "redis", feature = "postgres"))]
mod store;
mod sweeper;

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::block::{BLOCK_BYTES, KeyId, KeySlot, Nonce, RowKey};
use crate::clock::{Moment, Time};
use crate::config::{Durability, RepositoryUrl};
use crate::error::{Error, Result};
use crate::fork::lock;
use crate::hex;
use crate::policy::{Failures, Sends};
use crate::record::Record;
use crate::workflow::{Reference, Timer};

pub use examine::{Examined, examine, look};
pub use metered::metered;
pub use sweeper::{Judge, Sweeper};

/// Version of the rows and of the files that hold them. A repository with a higher one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// The key of the one row that describes the repository itself. No other row has one that begins with two zero bits.
pub const META: RowKey = RowKey::new([0; BLOCK_BYTES]);

/// The last key there can be.
const LAST: RowKey = RowKey::new([0xff; BLOCK_BYTES]);

/// What a repository keeps. It is read by the codecs alone, which hold it to what may be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Row {
    /// The repository itself.
    Meta(Meta),
    /// A token.
    Record(Box<Record>),
    /// Failures of a subject.
    Failures(Failures),
    /// Sends to a recipient.
    Sends(Sends),
    /// When a step of a delivery is due.
    Timer(Timer),
    /// What a provider's identifier stands for.
    Reference(Reference),
}

/// What a repository says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Meta {
    /// Identifiers of the keys that were ever used here, by slot.
    pub keys: Vec<KeyId>,
    /// Slot of the key under which the index key is sealed.
    pub sealed_by: KeySlot,
    /// The key that hashes tokens, subjects and recipients, sealed.
    #[serde(with = "hex")]
    pub index_key: Vec<u8>,
    /// Whether it is one to work with.
    #[serde(default, skip_serializing_if = "MetaState::is_whole")]
    pub state: MetaState,
}

/// What became of a repository, or is to become of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum MetaState {
    /// One to work with.
    #[default]
    Whole,
    /// A copy on its way here.
    Unfinished {
        /// Drawn for this copy, whoever works on it.
        copy: Nonce,
        /// Drawn by the run that works on it.
        run: Nonce,
    },
    /// What was in it goes on in this copy: nobody works with it any more.
    Moved(Nonce),
}

impl MetaState {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }

    pub const fn is_moved(&self) -> bool {
        matches!(self, Self::Moved(_))
    }

    /// Whether it is a copy that this run works on.
    pub fn is_of(&self, run: Nonce) -> bool {
        matches!(self, Self::Unfinished { run: at_work, .. } if *at_work == run)
    }
}

impl Row {
    /// The name of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Row::Meta(_) => "meta",
            Row::Record(_) => "record",
            Row::Failures(_) => "failures",
            Row::Sends(_) => "sends",
            Row::Timer(_) => "timer",
            Row::Reference(_) => "reference",
        }
    }

    /// Whether it says that the repository was moved.
    fn is_moved(&self) -> bool {
        matches!(self, Row::Meta(meta) if meta.state.is_moved())
    }
}

/// The refusal of a repository that was moved.
#[cold]
pub fn moved(place: &str) -> Error {
    Error::moved(format!("repository {place:?}: it was moved (otp_copy): open what it was moved to"))
}

/// The refusal of one that is not what was opened.
#[cold]
pub fn emptied(place: &str) -> Error {
    Error::store(format!("repository {place:?}: was emptied or replaced: open it again"))
}

/// What a sweep does with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Keep,
    /// It is over.
    Remove,
    /// It was written while a clock was ahead: this takes its place, which is kept no longer than others are.
    Replace(Row),
}

impl Row {
    /// When nobody needs it any more, going by its own times; `None` for one that stays.
    #[cfg(any(test, feature = "redis", feature = "postgres"))]
    fn kept_until(&self) -> Option<Time> {
        match self {
            Row::Meta(_) => None,
            Row::Record(record) => Some(record.kept_until()),
            Row::Failures(failures) => Some(failures.kept_until()).filter(|_| !failures.disabled),
            Row::Sends(sends) => Some(sends.kept_until()),
            Row::Timer(timer) => Some(timer.kept_until()),
            Row::Reference(reference) => Some(reference.until),
        }
    }

    /// What becomes of the row when it is swept at this time.
    pub fn swept(&self, now: Time) -> Fate {
        let left = match self.clone() {
            Row::Meta(_) => return Fate::Keep,
            Row::Record(record) => record.swept(now).map(|record| Row::Record(Box::new(record))),
            Row::Failures(failures) => failures.swept(now).map(Row::Failures),
            Row::Sends(sends) => sends.swept(now).map(Row::Sends),
            Row::Timer(timer) => timer.swept(now).map(Row::Timer),
            Row::Reference(reference) => reference.swept(now).map(Row::Reference),
        };
        match left {
            None => Fate::Remove,
            Some(row) if row == *self => Fate::Keep,
            Some(row) => Fate::Replace(row),
        }
    }
}

/// What an operation can do inside its transaction. It sees its own writes and those of operations before it.
pub trait Transaction {
    /// The row with this key.
    fn get(&mut self, key: &RowKey) -> Result<Option<Row>>;

    /// Writes the row, in place of one with the same key.
    fn put(&mut self, key: &RowKey, row: Row);

    /// Removes the row, if there is one.
    fn delete(&mut self, key: &RowKey);

    /// The time for this operation. Where many hosts share the rows it is the storage's, unless the host tells its own.
    fn time(&mut self, moment: &Moment) -> Time {
        moment.now()
    }
}

/// Some rows, each with its key, or why it cannot be read: an error that [`Error::is_of_one_row`].
pub type Page = Vec<(RowKey, Result<Row>)>;

/// A look at many rows, page by page; a page may be empty. It is over after an error.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<Page>> + 'a>;

/// How an operation is committed.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    /// Whether it must survive a power cut once it is answered (if the configured durability asks for it at all).
    pub synced: bool,
    /// Look at this many further rows, and remove those that are over.
    pub sweep: Option<(usize, Sweeper)>,
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Moment").field(&self.now()).finish()
    }
}

/// One read-modify-write. It may run on another thread, and must leave no trace when it fails. It may run several times,
/// each time on what is there then: the last run counts.
pub type Operation = Box<dyn FnMut(&mut dyn Transaction) -> Result<()> + Send>;

/// Result of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows removed.
    pub purged: u64,
    /// Whether the end was reached; the next sweep begins anew.
    pub wrapped: bool,
}

/// A place that keeps rows.
pub trait Repository: Send + Sync {
    /// Where it lies, to tell by: never with a password.
    fn place(&self) -> &str;

    /// Runs the operation in a transaction of its own, or together with others of this process, and returns when all
    /// it wrote is committed. An operation that fails or panics leaves nothing behind and harms no other.
    ///
    /// # Errors
    ///
    /// The operation's own; `Busy` when the repository was held by others for too long (nothing was done); `Store`
    /// for any failure of the storage (it may have been done).
    fn update(&self, commit: Commit, operation: Operation) -> Result<()>;

    /// The row with this key as last committed, without waiting for a transaction.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be read.
    fn read(&self, key: &RowKey) -> Result<Option<Row>>;

    /// Whether it is known that there is no row with this key, where that takes less than a transaction.
    ///
    /// # Errors
    ///
    /// As for `read`.
    fn knows_absent(&self, key: &RowKey) -> Result<bool> {
        Ok(self.read(key)?.is_none())
    }

    /// The time outside of operations, as [`Transaction::time`] tells it in one.
    ///
    /// # Errors
    ///
    /// `Store` when the storage has to be asked, and does not answer.
    fn time(&self, moment: &Moment) -> Result<Time> {
        Ok(moment.now())
    }

    /// The rows of a range in the order of their keys, each as it was last committed when its page is read. Nobody
    /// waits for who looks: what is there from the beginning to the end is found, and what comes or goes meanwhile
    /// may be. (With `json:`, a few file systems may hide a row that is written at this very moment.)
    ///
    /// # Errors
    ///
    /// An item is `Store` when the storage fails.
    fn scan(&self, range: RangeInclusive<RowKey>) -> Scan<'_>;

    /// All rows there are, as [`Repository::scan`] finds them, also in a repository that was moved.
    fn scan_for_copy(&self) -> Scan<'_> {
        self.scan(META..=LAST)
    }

    /// The same, where one row that the storage refuses to read does not end it.
    fn scan_for_check(&self) -> Scan<'_> {
        self.scan_for_copy()
    }

    /// What is wrong beside the rows, a line each. It may look at all there is.
    ///
    /// # Errors
    ///
    /// `Store` when the storage fails.
    fn faults(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Sees to it that a move that was committed binds every handle, where its commit alone does not.
    ///
    /// # Errors
    ///
    /// As for `update`: to be called again.
    fn settle_move(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the storage removes rows past their end by itself, so that no commit need sweep besides.
    #[cfg(test)]
    fn removes_what_is_over(&self) -> bool {
        false
    }

    /// Bytes of what is written down and not yet where it belongs, after the last change by this handle. They grow
    /// while a foreign reader keeps the storage from tidying up.
    fn log_bytes(&self) -> u64 {
        0
    }

    /// How many codes of the tenant were good, as the last full round of this handle's sweeps saw them, if there was one.
    fn live(&self) -> Option<u64> {
        None
    }

    /// Looks at the next `limit` rows, where the last sweep of this handle ended, and removes those that are over.
    ///
    /// # Errors
    ///
    /// As for `update`.
    fn sweep(&self, limit: usize, sweeper: Sweeper) -> Result<Swept>;
}

/// Opens the repository that the configuration names. Made if there is none; it is then without a [`META`] row. Adds
/// what its owner should know to the warnings.
///
/// # Errors
///
/// `Store` when it cannot be opened, is not a repository of this library, or was written by a newer one;
/// `Unsupported` for the kinds that this build does not have.
pub fn open(url: &RepositoryUrl, durability: Durability, warnings: &mut Vec<String>) -> Result<Arc<dyn Repository>> {
    Ok(match url {
        RepositoryUrl::Sqlite(path) => sqlite::open(path, durability, warnings)?,
        RepositoryUrl::Json(folder) => json::open(folder, durability, warnings)?,
        RepositoryUrl::Memory => memory::open()?,
        #[cfg(feature = "redis")]
        RepositoryUrl::Redis(config) => redis::open(config, warnings)?,
        #[cfg(not(feature = "redis"))]
        RepositoryUrl::Redis(_) => return Err(Error::unsupported("repository: redis is not supported")),
        #[cfg(feature = "postgres")]
        RepositoryUrl::Postgres(config) => postgres::open(config, durability, warnings)?,
        #[cfg(not(feature = "postgres"))]
        RepositoryUrl::Postgres(_) => return Err(Error::unsupported("repository: postgres is not supported")),
    })
}

/// Runs an operation that has a result: that of its last run.
pub fn transact<T: Send + 'static>(
    repository: &dyn Repository,
    commit: Commit,
    mut operation: impl FnMut(&mut dyn Transaction) -> Result<T> + Send + 'static,
) -> Result<T> {
    let result = Arc::new(Mutex::new(None));
    let kept = result.clone();
    repository.update(
        commit,
        Box::new(move |transaction| {
            let value = operation(transaction)?;
            *lock(&kept) = Some(value);
            Ok(())
        }),
    )?;
    let value = lock(&result).take();
    value.ok_or_else(|| Error::internal("an operation did not run"))
}

#[cfg(test)]
mod tests;
