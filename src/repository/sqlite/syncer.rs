//! Bringing the log to the disk outside the lock, for many callers at once.
//!
//! An error in writing the log out is told once to every file that was open when it happened, and to none that was
//! opened after somebody heard of it (Linux, since 4.13). So a sync that succeeds proves something only by a file that
//! was open before what it syncs was written: files are opened when nobody owes a sync. For the same reason no two
//! threads sync by one file at a time: the error would be told to one of them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::ledger::{Ledger, Standing};
use super::sides::Sides;
use crate::error::{Error, Result};
use crate::fork::lock;

/// Syncs that run at once.
const FILES: usize = 2;

/// What a process does about the syncs of one log.
pub struct Syncer {
    ledger: Arc<Ledger>,
    sides: Arc<Sides>,
    path: PathBuf,
    /// The last recovery before the files were opened.
    home: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Files by which nobody syncs now.
    idle: Vec<File>,
    /// The points up to which syncs run.
    running: Vec<u64>,
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
        let idle = (0..FILES).map(|_| sides.reopen_log()).collect::<Result<_>>()?;
        let state =
            State { idle, running: Vec::new(), committed: standing.due, synced: standing.synced, failed: false };
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
            let is_under_way = state.running.iter().any(|running| *running >= point);
            let Some(file) = (if is_under_way { None } else { state.idle.pop() }) else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let target = state.committed;
            state.running.push(target);
            drop(state);
            let done = self.sync(&file, point, target);
            state = lock(&self.state);
            state.idle.push(file);
            let place = state.running.iter().position(|running| *running == target);
            place.map(|place| state.running.swap_remove(place));
            self.changed.notify_all();
            let synced = done?;
            state.synced = state.synced.max(synced);
        }
    }

    /// Up to where everything is on the disk now.
    fn sync(&self, file: &File, point: u64, target: u64) -> Result<u64> {
        // Perhaps another process was faster.
        let known = self.ledger.synced()?;
        if known >= point {
            return Ok(known);
        }
        if let Err(cause) = file.sync_data() {
            lock(&self.state).failed = true;
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
    pub fn break_files(&self) {
        let null = || File::open("/dev/null").expect("there is /dev/null");
        lock(&self.state).idle.iter_mut().for_each(|file| *file = null());
    }
}
