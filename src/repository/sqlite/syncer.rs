//! Bringing the log to the disk outside the lock, for many callers at once.
//!
//! An error in writing the log out is told once to every file that was open when it happened, and to none that was
//! opened after somebody heard of it (Linux, since 4.13). So a sync that succeeds proves something only by a file that
//! was open before what it syncs was written: ours is opened when nobody owes a sync. For the same reason no two threads
//! sync by it at a time: the error would be told to one of them. A second file was tried: syncs overlapped, and each had
//! less to do; nothing was gained.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::ledger::{Ledger, Standing};
use super::sides::Sides;
use crate::error::{Error, Result};
use crate::fork::lock;

/// What a process does about the syncs of one log.
pub struct Syncer {
    ledger: Arc<Ledger>,
    sides: Arc<Sides>,
    path: PathBuf,
    /// The last recovery before the file was opened.
    home: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The log, unless somebody is syncing it.
    file: Option<File>,
    /// Everything up to this point is in the log.
    committed: u64,
    /// Everything up to this point is on the disk.
    synced: u64,
    failed: bool,
}

impl Syncer {
    /// Opens the log. The lock must be held, and nobody owe a sync.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be opened.
    pub fn open(ledger: Arc<Ledger>, sides: Arc<Sides>, standing: &Standing) -> Result<Self> {
        let file = Some(sides.reopen_log()?);
        let state = State { file, committed: standing.due, synced: standing.synced, failed: false };
        let path = sides.log().1.to_owned();
        Ok(Self { ledger, sides, path, home: standing.home, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Whether nobody has had to recover the log since it was opened.
    pub fn is_of(&self, standing: &Standing) -> bool {
        self.home == standing.home
    }

    /// Whether it serves this log.
    pub fn serves(&self, sides: &Arc<Sides>) -> bool {
        Arc::ptr_eq(&self.sides, sides)
    }

    /// Notes that everything up to a point is in the log.
    pub fn note(&self, point: u64) {
        let mut state = lock(&self.state);
        state.committed = state.committed.max(point);
    }

    /// Returns when everything up to this point is on the disk.
    ///
    /// # Errors
    ///
    /// `Store` when it may not be.
    pub fn settle(&self, point: u64) -> Result<()> {
        let mut state = lock(&self.state);
        loop {
            if state.synced >= point {
                return Ok(());
            }
            if state.failed {
                drop(state);
                return self.settle_after_failure(point);
            }
            let Some(file) = state.file.take() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let target = state.committed;
            drop(state);
            let done = self.sync(&file, point, target);
            state = lock(&self.state);
            state.file = Some(file);
            state.failed |= done.is_err();
            self.changed.notify_all();
            state.synced = state.synced.max(done?);
        }
    }

    /// Up to where everything is on the disk now. An error says that a sync failed.
    fn sync(&self, file: &File, point: u64, target: u64) -> Result<u64> {
        // Perhaps another process was faster.
        if let Some(known) = self.ledger.synced().ok().filter(|known| *known >= point) {
            return Ok(known);
        }
        if let Err(cause) = file.sync_data() {
            self.ledger.fail();
            return Err(Error::store(format!("cannot sync {:?}: {cause}", self.path)));
        }
        self.ledger.settle(target);
        Ok(target)
    }

    /// After a failure nothing is proof but a recovery.
    fn settle_after_failure(&self, point: u64) -> Result<()> {
        if self.ledger.synced()? >= point {
            return Ok(());
        }
        Err(Error::store(format!("a sync of {:?} failed", self.path)))
    }
}

#[cfg(test)]
impl Syncer {
    /// Has every sync fail from now on.
    pub fn break_file(&self) {
        lock(&self.state).file = Some(File::open("/dev/null").expect("there is /dev/null"));
    }
}
