//! Reading what was committed, without the lock.

use std::sync::Arc;

use super::super::engine::{Reader, Rest};
use super::super::{META, Page, Row};
use super::connection::Kind;
use super::rows::Table;
use super::shared::{Lease, Shared};
use super::{TRIES, parted};
use crate::block::RowKey;
use crate::error::{Error, Result};
use crate::files::FileLock;
use crate::outcome::Outcome;
use crate::sys;

/// Connections that only read.
pub struct Readers(pub Arc<Shared>);

impl Readers {
    /// One try. `Busy` also when the files were replaced.
    fn look<T>(&self, work: impl Fn(&Lease) -> Result<T>) -> Result<T> {
        let reader = self.0.lease(Kind::Reader)?;
        let answer = work(&reader);
        if !reader.is_current()? {
            reader.give_back();
            return Err(Error::busy(self.0.replaced().detail()));
        }
        match &answer {
            Err(error) if error.outcome() != Outcome::Busy => reader.discard(),
            _ => reader.give_back(),
        }
        answer
    }

    fn rejoin(&self) -> Result<()> {
        let mut lock = FileLock::new(self.0.database.beside("-lock"));
        if lock.try_lock()? && sys::without_write_signals(|| parted::rejoin(&self.0))? {
            return Ok(());
        }
        Err(Error::busy(self.0.replaced().detail()))
    }

    /// Reads from files that were the ones at the path all the time.
    fn run<T>(&self, work: impl Fn(&Lease) -> Result<T>) -> Result<T> {
        for _ in 0..TRIES {
            match self.look(&work) {
                Err(error) if error.outcome() == Outcome::Busy && self.0.is_parted()? => self.rejoin()?,
                answer => return answer,
            }
        }
        Err(self.0.replaced())
    }
}

impl Reader for Readers {
    type Position = Rest;

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        self.run(|reader| {
            let table = reader.table()?;
            if table == Table::Moved && *key != META {
                return Err(self.0.moved());
            }
            reader.run(|connection| table.fetch(connection, key))
        })?
        .transpose()
    }

    fn scan(&self, place: &mut Rest) -> Result<Option<Page>> {
        place.next(|range| {
            self.run(|reader| {
                let table = reader.table()?;
                reader.run(|connection| table.fetch_page(connection, &range))
            })
        })
    }

    fn refuse_moved(&self) -> Result<()> {
        self.run(|reader| if reader.table()? == Table::Moved { Err(self.0.moved()) } else { Ok(()) })
    }

    fn close(&self) {
        self.0.close_all();
    }

    fn in_child(&self) {
        self.0.in_child();
    }
}
