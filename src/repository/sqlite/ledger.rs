//! The ledger in the lock file: who owes the disk a sync, and up to where.
//!
//! Commits that must survive a power cut are numbered, by whoever holds the lock: the number is their *point*. A process
//! notes the point of its commit before the commit, gives the lock back, syncs the log, and notes up to where it did. So
//! syncs of several processes overlap, and whoever comes later can tell what is on the disk and what may not be.
//!
//! | record | holds | is written by |
//! |---|---|---|
//! | 0 | [`MAGIC`]; the point up to which a recovery brought all home; whether a section runs that syncs for itself | who holds the lock |
//! | others | of one process: the point that it owes, the one up to which it synced, the one at which that failed | the process, which locks a byte of the file as long as it lives |
//!
//! Each record is 32 bytes: three numbers and a sum. What is damaged is taken for a sync that failed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::guard::lock as lock_bytes;
use crate::error::{Error, Result};
use crate::files::{self, Identity};
use crate::fork::lock;
use crate::sys::RangeLock;

/// "otpsync1".
const MAGIC: u64 = u64::from_be_bytes(*b"otpsync1");

/// Most processes that sync outside the lock. More sync inside it.
const PLACES: usize = 1023;

/// Where the bytes begin that processes lock: beyond every record.
const LOCKS: i64 = 1 << 40;

/// Numbers from here on are none that were ever given.
const BEYOND: u64 = 1 << 62;

const RECORD: usize = 32;

/// Records that are read at once.
const AT_ONCE: usize = 4096 / RECORD;

/// How often a record is read again that is being written.
const TRIES: u32 = 5;

type Numbers = [u64; 3];

/// What the ledger tells the holder of the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest point that is owed or was.
    pub due: u64,
    /// Everything up to this point is on the disk.
    pub synced: u64,
    /// The point of the last recovery.
    pub home: u64,
    /// Whether a sync failed, or its owner died before it was known to succeed.
    pub failed: bool,
}

impl Standing {
    /// The point of the next commit.
    pub fn next(&self) -> u64 {
        self.due.max(self.synced) + 1
    }
}

/// The ledger of one lock file, in one process.
pub struct Ledger {
    path: PathBuf,
    /// Open as long as it owes something: the lock on its place belongs to the open file.
    file: File,
    identity: Identity,
    own: Mutex<Own>,
}

/// What this process writes down.
#[derive(Default)]
struct Own {
    /// The number of its record; 0 without one.
    place: usize,
    due: u64,
    synced: u64,
    failed: u64,
    /// What record 0 says of recoveries.
    home: u64,
}

impl Ledger {
    /// Opens the ledger in this lock file.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be opened or is not ours.
    pub fn open(path: PathBuf) -> Result<Self> {
        let (file, identity) = files::open_or_make(&path)?;
        Ok(Self { path, file, identity, own: Mutex::default() })
    }

    /// Which file it is in.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// How things stand. The lock must be held.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be read.
    pub fn standing(&self) -> Result<Standing> {
        let records = self.read()?;
        let mut own = lock(&self.own);
        let (mut standing, magic) = summed(&records);
        standing.failed = magic.is_none_or(|section| section != 0) || records.iter().any(Option::is_none);
        // What could not be written is known here alone.
        (standing.due, standing.synced) = (standing.due.max(own.due), standing.synced.max(own.synced));
        own.home = standing.home;
        standing.failed |= own.failed > standing.synced;
        for (place, record) in records.iter().enumerate().skip(1) {
            let Some([due, _, failed]) = *record else { continue };
            if due > standing.synced && place != own.place && !standing.failed {
                standing.failed = failed > standing.synced || !self.is_taken(place)?;
            }
        }
        Ok(standing)
    }

    /// Up to which point everything is on the disk, as far as it is written down. Needs no lock.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be read.
    pub fn synced(&self) -> Result<u64> {
        Ok(summed(&self.read()?).0.synced)
    }

    /// Whether this process has a record of its own, which it takes if there is one. The lock must be held, and no sync
    /// have failed.
    ///
    /// # Errors
    ///
    /// `Store` when the system fails.
    pub fn take_place(&self) -> Result<bool> {
        let mut own = lock(&self.own);
        for place in 1..=PLACES {
            if own.place != 0 {
                return Ok(true);
            }
            match self.lock_place(place, RangeLock::Exclusive)? {
                None => return Ok(false),
                Some(false) => continue,
                Some(true) => {}
            }
            let records = self.read()?;
            let synced = summed(&records).0.synced;
            let [due, ..] = records.get(place).copied().flatten().unwrap_or_default();
            if due > synced {
                // Its owner died this very moment.
                self.lock_place(place, RangeLock::None)?;
                continue;
            }
            (own.place, own.due, own.synced, own.failed) = (place, due, synced, 0);
        }
        Ok(own.place != 0)
    }

    /// Notes before a commit that a sync is due up to its point. Gives what was due before. The lock must be held.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be written.
    pub fn owe(&self, point: u64) -> Result<u64> {
        let mut own = lock(&self.own);
        let before = std::mem::replace(&mut own.due, point);
        self.write_own(&own).inspect_err(|_| own.due = before)?;
        Ok(before)
    }

    /// Notes that everything up to a point is on the disk. If it cannot be written, others hear of it later.
    pub fn settle(&self, point: u64) {
        let mut own = lock(&self.own);
        own.synced = own.synced.max(point);
        let _ = self.write_own(&own);
    }

    /// Notes that a sync failed, or may have. If it cannot be written, others learn it from the end of this process.
    pub fn fail(&self) {
        let mut own = lock(&self.own);
        own.failed = own.due;
        let _ = self.write_own(&own);
    }

    /// Says of a section under the lock, whose syncs are its own affair, that it runs, or that all of it succeeded.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be written.
    pub fn mark_section(&self, runs: bool) -> Result<()> {
        let home = lock(&self.own).home;
        self.write(0, [MAGIC, home, u64::from(runs)])
    }

    /// Notes after a recovery that everything up to a point is on the disk. The lock must be held.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be written.
    pub fn bring_home(&self, point: u64) -> Result<()> {
        for (place, record) in self.read()?.iter().enumerate().skip(1) {
            if record.is_none() {
                self.write(place, Numbers::default())?;
            }
        }
        self.write(0, [MAGIC, point, 0])?;
        lock(&self.own).home = point;
        Ok(())
    }

    /// Whether the process lives that has this place.
    fn is_taken(&self, place: usize) -> Result<bool> {
        match self.lock_place(place, RangeLock::Shared)? {
            Some(true) => {
                self.lock_place(place, RangeLock::None)?;
                Ok(false)
            }
            Some(false) => Ok(true),
            None => Ok(false),
        }
    }

    fn lock_place(&self, place: usize, kind: RangeLock) -> Result<Option<bool>> {
        lock_bytes(&self.file, kind, (LOCKS + place as i64, 1)).map_err(|cause| self.failed("lock", &cause))
    }

    fn write_own(&self, own: &Own) -> Result<()> {
        if own.place == 0 {
            return Err(Error::internal("a sync is noted without a place for it"));
        }
        self.write(own.place, [own.due, own.synced, own.failed])
    }

    fn write(&self, place: usize, numbers: Numbers) -> Result<()> {
        let written = self.file.write_all_at(&encode(numbers), (place * RECORD) as u64);
        written.map_err(|cause| self.failed("write", &cause))
    }

    /// All records; `None` for one that is damaged.
    fn read(&self) -> Result<Vec<Option<Numbers>>> {
        let mut records = self.read_once()?;
        for _ in 0..TRIES {
            if records.iter().all(Option::is_some) {
                break;
            }
            records = self.read_once()?;
        }
        Ok(records)
    }

    fn read_once(&self) -> Result<Vec<Option<Numbers>>> {
        let mut records = Vec::with_capacity(AT_ONCE);
        let mut buffer = [0; AT_ONCE * RECORD];
        while records.len() <= PLACES {
            let at = (records.len() * RECORD) as u64;
            let bytes = match self.file.read_at(&mut buffer, at) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|cause| self.failed("read", &cause))?,
            };
            let (whole, part) = buffer.get(..bytes).unwrap_or_default().as_chunks();
            let first = records.len();
            records.extend(whole.iter().enumerate().map(|(place, bytes)| decode(first + place, bytes)));
            if !part.is_empty() {
                records.push(None);
            }
            if bytes < buffer.len() {
                break;
            }
        }
        Ok(records)
    }

    fn failed(&self, what: &str, cause: &io::Error) -> Error {
        Error::store(format!("cannot {what} {:?}: {cause}", self.path))
    }
}

/// Whether a ledger that is there has a record that is damaged. Looks, and needs no lock.
///
/// # Errors
///
/// `Store` when it cannot be read.
pub fn is_damaged(path: &Path) -> Result<bool> {
    Ok(Ledger::open(path.to_owned())?.read()?.iter().any(Option::is_none))
}

/// What the records come to, and what record 0 says of sections, if it is there.
fn summed(records: &[Option<Numbers>]) -> (Standing, Option<u64>) {
    let head = records.first().copied().flatten().filter(|[magic, ..]| *magic == MAGIC);
    let home = head.map_or(0, |[_, home, _]| home);
    let places = records.iter().skip(1).flatten();
    let (due, synced) = places.fold((home, home), |(due, synced), record| (due.max(record[0]), synced.max(record[1])));
    (Standing { due, synced, home, failed: false }, head.map(|[_, _, section]| section))
}

fn sum([first, second, third]: Numbers) -> u64 {
    first.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ second.wrapping_mul(0xc2b2_ae3d_27d4_eb4f).rotate_left(21)
        ^ third.wrapping_mul(0x1656_67b1_9e37_79f9).rotate_left(42)
}

fn encode(numbers: Numbers) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    let words = numbers.into_iter().chain([sum(numbers)]);
    bytes.as_chunks_mut().0.iter_mut().zip(words).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
    bytes
}

/// What a record holds; zeros where nobody has written yet.
fn decode(place: usize, bytes: &[u8; RECORD]) -> Option<Numbers> {
    let mut words = bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let mut next = || words.next().unwrap_or_default();
    let (numbers, written) = ([next(), next(), next()], next());
    let points = numbers.iter().skip(usize::from(place == 0));
    (written == sum(numbers) && points.into_iter().all(|point| *point < BEYOND)).then_some(numbers)
}
