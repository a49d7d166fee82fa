//! The connections of a store, each used for one call at a time and thrown away after any failure.

use std::fmt::Display;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::address::Address;
use super::link::{Answer, Call, Link};
use super::login;
use super::pool::{Kept, Place, Pool};
use super::trouble::Trouble;
use super::value::Value;
use crate::error::Error;
use crate::names::{self, Names};
use crate::repository::store::Failure;
use crate::sys::socket;

/// The longest that one answer is waited for.
const ANSWER: Duration = Duration::from_secs(3);

impl Kept for Link {
    fn descriptor(&self) -> RawFd {
        self.wire.descriptor()
    }

    fn end(&mut self) {
        self.say_farewell();
    }
}

/// The connections to a server.
pub struct Links {
    address: Address,
    names: Names,
    pool: Pool<Link>,
}

impl Links {
    pub fn new(address: Address, size: usize) -> Self {
        Self { address, names: Names::new(names::look_up), pool: Pool::new(size) }
    }

    pub fn place(&self) -> &str {
        &self.address.place
    }

    /// Runs a statement that changes something. It is sent once: when its answer is lost, that is a failure.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says. Trouble that others were in the way, and nothing was done, is given apart.
    pub fn change(&self, call: &Call<'_>, by: Instant) -> Result<Answer, Trial> {
        let not_done = |trouble: &Trouble| Trial::Failed(Failure::Final(self.error(trouble)));
        let mut place = self.take(by).map_err(|trouble| not_done(&trouble))?;
        let by = by.min(Instant::now() + ANSWER);
        let (link, _) = self.connected(&mut place, by).map_err(|trouble| not_done(&trouble))?;
        match link.run(call, by) {
            Ok(answer) => {
                place.keep();
                Ok(answer)
            }
            Err(Trouble::Refused(state)) if state.is_passing() => Err(Trial::Again),
            Err(trouble @ Trouble::Refused(_)) => Err(not_done(&trouble)),
            Err(trouble) => Err(Trial::Failed(Failure::Lost(self.error(&trouble)))),
        }
    }

    /// Runs a statement that may run twice.
    pub fn ask(&self, text: &'static str, values: Vec<Value<'_>>, by: Instant) -> Result<Answer, Trouble> {
        let call = Call { text, values };
        let mut place = self.take(by)?;
        loop {
            let by = by.min(Instant::now() + ANSWER);
            let (link, is_fresh) = self.connected(&mut place, by)?;
            match link.run(&call, by) {
                Ok(answer) => {
                    place.keep();
                    return Ok(answer);
                }
                // One that was idle may have ended just now.
                Err(Trouble::Broken(_) | Trouble::Ended(_)) if !is_fresh => place.close(),
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// An error of the storage.
    pub fn error(&self, cause: impl Display) -> Error {
        self.error_as(Error::store, cause)
    }

    /// An error of this kind.
    pub fn error_as(&self, kind: fn(String) -> Error, cause: impl Display) -> Error {
        kind(format!("repository {:?}: {cause}", self.place()))
    }

    /// Forgets what a child of `fork` has in common with its parent. Its copies are closed, which says nothing to the
    /// server.
    pub fn abandon(&self) {
        socket::close_copies(self.pool.abandon());
    }

    fn take(&self, by: Instant) -> Result<Place<'_, Link>, Trouble> {
        self.pool.take(by).ok_or_else(|| Trouble::Broken("no connection was free in time".to_owned()))
    }

    /// The connection of this place, which is made if there is none, and whether it is new.
    fn connected<'a>(&self, place: &'a mut Place<'_, Link>, by: Instant) -> Result<(&'a mut Link, bool), Trouble> {
        let is_good = place.get().is_some_and(|link| link.wire.is_quiet());
        if !is_good {
            place.put(login::open(&self.address, &self.names, by)?);
        }
        let link = place.get().ok_or_else(|| Trouble::Broken("no connection".to_owned()))?;
        Ok((link, !is_good))
    }
}

/// Why a change has no answer.
pub enum Trial {
    /// Others were in the way, and nothing was done.
    Again,
    /// Anything else.
    Failed(Failure),
}
