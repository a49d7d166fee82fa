//! What this process has of one database, whichever handles use it: its open connections and what lies around them.
//!
//! SQLite shares more between the connections of a process than it tells: its locks, and the mapping of `-shm` with
//! whatever went wrong with it. So connections are kept here and not by the handles that use them: after an error that
//! may outlive its cause all of them are closed, and what follows begins anew.

use std::sync::{Arc, Mutex, Weak};

use super::super::moved;
use super::connection::{Connection, Kind};
use super::database::Database;
use super::guard::Guard;
use super::ledger::{Ledger, Standing};
use super::rows::Table;
use super::sides::Sides;
use super::syncer::Syncer;
use crate::error::{Error, Result};
use crate::files::Identity;
use crate::fork::{self, lock};
use crate::outcome::Outcome;
use crate::sys;

/// Connections of a kind that are kept open without being used. More are opened when more threads work at once.
const KEPT: usize = 4;

static DATABASES: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// A database in this process.
pub struct Shared {
    pub database: Database,
    state: Mutex<State>,
    syncs: Mutex<Syncs>,
}

/// What is owed to the disk, and how it is paid. Both live as long as a handle of this process uses the database.
#[derive(Default)]
struct Syncs {
    ledger: Option<Arc<Ledger>>,
    syncer: Option<Arc<Syncer>>,
}

#[derive(Default)]
struct State {
    /// Both are opened before the first connection and kept, also while none is open: closing them would end the locks
    /// of another SQLite in this process, and let others cut files that it has mapped.
    guard: Option<Arc<Guard>>,
    sides: Option<Arc<Sides>>,
    idle: Vec<Connection>,
    /// Connections that are open, in use or not.
    open: usize,
    /// Of these, those in use that are to be closed when they come back.
    stale: usize,
    /// Goes up when all connections have to be closed.
    epoch: u64,
}

impl State {
    /// Closes a connection that is not idle.
    fn close(&mut self, connection: Connection, epoch: u64) {
        drop(connection);
        self.open -= 1;
        self.stale -= usize::from(epoch != self.epoch);
    }

    /// Has every connection closed: those in use when they come back.
    fn close_all(&mut self) {
        let idle = std::mem::take(&mut self.idle);
        idle.into_iter().for_each(|connection| self.close(connection, self.epoch));
        self.epoch += 1;
        self.stale = self.open;
    }
}

impl Shared {
    /// The place of this database in this process.
    pub fn of(database: Database) -> Arc<Self> {
        fork::shared(|| {
            let mut databases = lock(&DATABASES);
            databases.retain(|known| known.strong_count() > 0);
            let mut known = databases.iter().filter_map(Weak::upgrade);
            if let Some(known) = known.find(|known| known.database.identity() == database.identity()) {
                return known;
            }
            let made = Self::apart(database);
            databases.push(Arc::downgrade(&made));
            made
        })
    }

    /// A place that no other handle of this process has a part in: what another process has.
    pub fn apart(database: Database) -> Arc<Self> {
        Arc::new(Self { database, state: Mutex::default(), syncs: Mutex::default() })
    }

    /// A connection for one caller, opened if none is idle.
    ///
    /// # Errors
    ///
    /// `Store` when none can be opened; `Busy` when that has to wait.
    pub fn lease(self: &Arc<Self>, kind: Kind) -> Result<Lease> {
        let mut state = lock(&self.state);
        let connection = match self.idle(&mut state, kind) {
            Some(connection) => connection,
            None => self.open(&mut state, kind)?,
        };
        Ok(Lease { shared: self.clone(), connection: Some(connection), epoch: state.epoch })
    }

    /// A connection that is open already, for what is not worth opening one.
    pub fn lease_idle(self: &Arc<Self>, kind: Kind) -> Option<Lease> {
        let mut state = lock(&self.state);
        let connection = self.idle(&mut state, kind)?;
        Some(Lease { shared: self.clone(), connection: Some(connection), epoch: state.epoch })
    }

    fn idle(&self, state: &mut State, kind: Kind) -> Option<Connection> {
        let place = state.idle.iter().position(|connection| connection.kind() == kind)?;
        Some(state.idle.swap_remove(place))
    }

    fn open(&self, state: &mut State, kind: Kind) -> Result<Connection> {
        if state.stale > 0 {
            // What went wrong is shared with them.
            return Err(Error::busy(format!("repository {:?}: it is being opened anew", self.database.path)));
        }
        let open = || {
            self.database.examine()?;
            let makes = state.open == 0 && kind == Kind::Writer && !self.is_made(&mut state.guard)?;
            let sides = match &state.sides {
                Some(sides) if !makes && sides.are_current(&self.database)? => sides.clone(),
                // SQLite would open what is at the paths, and take it for what the index tells of.
                Some(_) if state.open > 0 => return Err(Error::busy(self.replaced().detail())),
                _ => {
                    state.sides = None;
                    let sides = self.open_sides(&mut state.guard, makes)?;
                    state.sides.insert(sides).clone()
                }
            };
            sides.check_writable()?;
            Connection::open(&self.database, sides, kind)
        };
        let opened = sys::without_write_signals(open);
        match &opened {
            Ok(_) => state.open += 1,
            Err(error) if error.outcome() == Outcome::Busy => {}
            Err(_) => state.close_all(),
        }
        opened
    }

    /// Opens guard and sides. With `makes` the database is made or switched to WAL mode before, without them in the way.
    fn open_sides(&self, guard: &mut Option<Arc<Guard>>, makes: bool) -> Result<Arc<Sides>> {
        if makes {
            // The blocks of the index are there before SQLite writes to it.
            let sides = Sides::open(&self.database, None)?;
            Connection::make(&self.database)?;
            drop(sides);
        }
        let held = self.guard(guard)?.take(&self.database)?;
        Ok(Arc::new(Sides::open(&self.database, Some(held))?))
    }

    /// Whether the database is in WAL mode. A journal is left where the switch to it was cut off, and SQLite needs the
    /// database alone to undo it.
    fn is_made(&self, guard: &mut Option<Arc<Guard>>) -> Result<bool> {
        Ok(self.guard(guard)?.is_in_wal_mode(&self.database)? && !self.database.has_journal()?)
    }

    fn guard<'a>(&self, guard: &'a mut Option<Arc<Guard>>) -> Result<&'a Arc<Guard>> {
        match guard {
            Some(guard) => Ok(guard),
            None => Ok(guard.insert(Arc::new(Guard::open(&self.database)?))),
        }
    }

    /// Closes guard and sides before the last handle goes: from then on another thread may open the database anew.
    pub fn release(self: &Arc<Self>) {
        let _databases = lock(&DATABASES);
        let mut state = lock(&self.state);
        // Those of the repository that ends: its engine and its reader.
        if Arc::strong_count(self) <= 2 && state.open == 0 {
            (state.sides, state.guard) = (None, None);
            *lock(&self.syncs) = Syncs::default();
        }
    }

    /// Forgets, in a child of `fork`, what it has in common with its parent.
    pub fn in_child(&self) {
        let mut state = lock(&self.state);
        (state.sides, state.guard) = (None, None);
        *lock(&self.syncs) = Syncs::default();
    }

    /// The ledger in the lock file, which is this one. The lock must be held.
    ///
    /// # Errors
    ///
    /// `Store` when it cannot be opened; `Busy` when another file is at its path.
    pub fn ledger(&self, lock_file: Identity) -> Result<Arc<Ledger>> {
        let mut syncs = lock(&self.syncs);
        if let Some(ledger) = syncs.ledger.as_ref().filter(|ledger| ledger.identity() == lock_file) {
            return Ok(ledger.clone());
        }
        let ledger = Arc::new(Ledger::open(self.database.beside("-lock"))?);
        if ledger.identity() != lock_file {
            return Err(Error::busy(format!("the lock of {:?} was replaced", self.database.path)));
        }
        *syncs = Syncs { ledger: Some(ledger.clone()), syncer: None };
        Ok(ledger)
    }

    /// Who syncs this log. Opened only when nobody owes a sync. The lock must be held.
    ///
    /// # Errors
    ///
    /// `Store` when the log cannot be opened; `Busy` when another one is at its path.
    pub fn syncer(&self, sides: &Arc<Sides>, standing: &Standing) -> Result<Arc<Syncer>> {
        let mut syncs = lock(&self.syncs);
        if let Some(syncer) = syncs.syncer.as_ref().filter(|syncer| syncer.serves(sides)) {
            return Ok(syncer.clone());
        }
        let ledger = syncs.ledger.clone().ok_or_else(|| Error::internal("the log is synced without a ledger"))?;
        let syncer = Arc::new(Syncer::open(ledger, sides.clone(), standing)?);
        syncs.syncer = Some(syncer.clone());
        Ok(syncer)
    }

    /// Whether a transaction can begin without opening anything. What was opened before a recovery is closed: it may tell
    /// once more of the failure before it.
    pub fn is_ready(&self, standing: &Standing) -> bool {
        let mut state = lock(&self.state);
        let mut syncs = lock(&self.syncs);
        if syncs.syncer.as_ref().is_some_and(|syncer| !syncer.is_of(standing)) {
            syncs.syncer = None;
            state.close_all();
        }
        let is_synced =
            state.sides.as_ref().zip(syncs.syncer.as_ref()).is_some_and(|(sides, syncer)| syncer.serves(sides));
        is_synced && state.idle.iter().any(|connection| connection.kind() == Kind::Writer)
    }

    /// Whether the side files that are open are no longer those at the paths.
    ///
    /// # Errors
    ///
    /// `Store` when the database itself is another one, and when the system does not tell.
    pub fn is_parted(&self) -> Result<bool> {
        match &lock(&self.state).sides {
            Some(sides) => Ok(!sides.are_current(&self.database)?),
            None => Ok(false),
        }
    }

    /// The error about that.
    pub fn replaced(&self) -> Error {
        Error::store(format!("the files beside {:?} were replaced while they were in use", self.database.path))
    }

    /// The error about a repository that was moved.
    pub fn moved(&self) -> Error {
        moved(&self.database.path.display().to_string())
    }

    /// Has every connection closed: idle ones now, others when they come back.
    pub fn close_all(&self) {
        lock(&self.state).close_all();
    }
}

/// A connection in use. Dropped without being given back, it is closed: who used it did not come to an end.
pub struct Lease {
    shared: Arc<Shared>,
    /// There until it is given back.
    connection: Option<Connection>,
    epoch: u64,
}

impl Lease {
    /// The connection.
    ///
    /// # Errors
    ///
    /// None as long as the lease is held.
    pub fn connection(&mut self) -> Result<&mut Connection> {
        self.connection.as_mut().ok_or_else(given_back)
    }

    /// The table that the connection works with.
    ///
    /// # Errors
    ///
    /// None as long as the lease is held.
    pub fn table(&self) -> Result<Table> {
        self.connection.as_ref().map(Connection::table).ok_or_else(given_back)
    }

    /// Works with the database.
    ///
    /// # Errors
    ///
    /// `Busy` when somebody else has it; `Store` for all other failures.
    pub fn run<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> Result<T> {
        match &self.connection {
            Some(connection) => work(connection.sqlite()).map_err(|cause| self.shared.database.failed(&cause)),
            None => Err(given_back()),
        }
    }

    /// Says after a checkpoint that the log is as new as the database.
    pub fn touch_log(&self) {
        if let Some(connection) = &self.connection {
            connection.sides().touch_log();
        }
    }

    /// Keeps the connection for the next caller.
    pub fn give_back(mut self) {
        let mut state = lock(&self.shared.state);
        let Some(connection) = self.connection.take() else { return };
        let kept = state.idle.iter().filter(|idle| idle.kind() == connection.kind()).count();
        if self.epoch == state.epoch && kept < KEPT {
            state.idle.push(connection);
        } else {
            state.close(connection, self.epoch);
        }
    }

    /// Closes the connection, and all others of this process: what went wrong may outlive its cause in any of them.
    pub fn discard(self) {
        let shared = self.shared.clone();
        drop(self);
        shared.close_all();
    }

    /// Whether the files at the paths are those that the connection has open.
    ///
    /// # Errors
    ///
    /// `Store` when the database itself is another one, and when the system does not tell.
    pub fn is_current(&self) -> Result<bool> {
        match &self.connection {
            Some(connection) => connection.sides().are_current(&self.shared.database),
            None => Ok(false),
        }
    }
}

#[cold]
fn given_back() -> Error {
    Error::internal("a connection was given back before")
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            lock(&self.shared.state).close(connection, self.epoch);
        }
    }
}
