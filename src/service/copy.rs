//! Copying a repository into another one: as a backup, or to go on there.
//!
//! The copy's own row is written first, as that of an unfinished copy, and once more at the end: so nobody opens what is
//! not whole, and whoever begins again finds where the last one was interrupted. What that left is removed first, since
//! the source may have forgotten some of it.

use std::sync::atomic::Ordering;

use super::pace::Pace;
use super::{Core, DURABLE, Service};
use crate::block::{Nonce, RowKey};
use crate::config::{CopyConfig, RepositoryUrl};
use crate::error::{Error, Result};
use crate::hooks::Hooks;
use crate::random::random;
use crate::reply::CopyReply;
use crate::repository::{self, META, Meta, MetaState, Page, Repository, Row, emptied, moved, transact};
use crate::tenant::Tenant;

/// Most rows of a transaction: those of a kind of storage that takes the fewest.
const MOST: usize = 60;

impl Service {
    /// Copies the whole repository, all namespaces, into an empty one or over an unfinished copy of it. `options` is
    /// JSON; `None` means `{}`: a backup, in which live codes arrive expired. With `{"move": true}` this repository is
    /// frozen first: every later call on it, by whatever process, is `Store`, and live codes go along.
    ///
    /// # Errors
    ///
    /// `Argument` for options that make no sense, and for a target that is not empty, cannot keep a copy, or is the
    /// repository itself; `Unsupported` for a kind that this build lacks; `Store`, `Busy`: call it again.
    pub fn copy(&self, repository: &str, options: Option<&str>) -> Result<CopyReply> {
        let answer = CopyConfig::read(repository, options).and_then(|config| self.copy_to(&config));
        self.logged("copy", None, answer)
    }

    fn copy_to(&self, config: &CopyConfig) -> Result<CopyReply> {
        let core = &self.core;
        let refused = |cause: &str| Err(Error::argument(format!("repository: {cause}")));
        match &config.repository {
            RepositoryUrl::Memory => return refused("memory: would end with this call"),
            target if *target == core.config.repository => return refused("is the one that is to be copied"),
            _ if !core.keys.is_kept() => return refused("memory: without a key makes copies that nobody can open"),
            _ if !config.moves && core.own()?.state.is_moved() => return Err(moved(core.repository.place())),
            _ => {}
        }
        let target = repository::open(&config.repository, config.durability, &mut Vec::new())?;
        self.copy_into(&*target, config.moves)
    }

    fn copy_into(&self, target: &dyn Repository, moves: bool) -> Result<CopyReply> {
        let core = &self.core;
        let run = Nonce::new(random()?);
        let (pace, done) = (Pace::new(), CopyReply::default());
        let mut copy = Copy { core, hooks: &self.hooks, target, run, keeps_live: false, pace, done };
        let drawn = copy.begin()?;
        // Codes are good in one repository alone: the first one that a move went to.
        copy.keeps_live = moves && core.freeze(drawn)?;
        for page in core.repository.scan_for_copy() {
            copy.add(page?)?;
        }
        copy.end()?;
        Ok(CopyReply { keeps_live: copy.keeps_live, ..copy.done })
    }
}

impl Core {
    /// Refuses to work with a repository that was moved by this handle, or before it was opened. One that was moved by
    /// somebody else since then the repository itself refuses.
    pub(super) fn refuse_moved(&self) -> Result<()> {
        if self.moved.load(Ordering::Relaxed) {
            return Err(moved(self.repository.place()));
        }
        Ok(())
    }

    /// What the repository says of itself.
    fn own(&self) -> Result<Meta> {
        match self.repository.read(&META)? {
            Some(Row::Meta(meta)) => Ok(meta),
            _ => Err(emptied(self.repository.place())),
        }
    }

    /// Has every call on this repository refused from now on, for this copy or for one that came before. Whether it is
    /// for this one.
    fn freeze(&self, copy: Nonce) -> Result<bool> {
        if !self.moved.load(Ordering::Relaxed) {
            let place = self.repository.place().to_owned();
            let frozen = transact(&*self.repository, DURABLE, move |transaction| match transaction.get(&META)? {
                Some(Row::Meta(Meta { state: MetaState::Moved(_), .. })) => Ok(()),
                Some(Row::Meta(meta)) => {
                    transaction.put(&META, Row::Meta(Meta { state: MetaState::Moved(copy), ..meta }));
                    Ok(())
                }
                _ => Err(emptied(&place)),
            });
            // Its answer may have been lost.
            if let Err(error) = frozen
                && !self.own().is_ok_and(|own| own.state.is_moved())
            {
                return Err(error);
            }
            self.moved.store(true, Ordering::Relaxed);
        }
        self.repository.settle_move()?;
        Ok(self.own()?.state == MetaState::Moved(copy))
    }
}

/// A copy on its way.
struct Copy<'a> {
    core: &'a Core,
    hooks: &'a Hooks,
    target: &'a dyn Repository,
    /// Stands in the target as long as this run has it.
    run: Nonce,
    /// Whether live codes go along.
    keeps_live: bool,
    pace: Pace,
    done: CopyReply,
}

impl Copy<'_> {
    /// Takes the target, and empties it of what an interrupted run left. What was drawn for this copy.
    fn begin(&mut self) -> Result<Nonce> {
        let (keys, run) = (self.core.keys.clone(), self.run);
        let own = self.core.own()?;
        let is_empty = self.is_empty()?;
        let taken = transact(self.target, DURABLE, move |transaction| {
            let copy = match transaction.get(&META)? {
                None if is_empty => run,
                Some(Row::Meta(meta)) => match meta.state {
                    MetaState::Unfinished { copy, .. } if keys.is_of(&meta) => copy,
                    MetaState::Unfinished { .. } => {
                        return Err(Error::argument("repository: holds an unfinished copy of another one"));
                    }
                    MetaState::Whole if keys.is_of(&meta) => {
                        return Err(Error::argument("repository: is not empty: it holds a whole copy of this one"));
                    }
                    _ => return Err(Error::argument("repository: is not empty")),
                },
                _ => return Err(Error::argument("repository: is not empty")),
            };
            transaction.put(&META, Row::Meta(Meta { state: MetaState::Unfinished { copy, run }, ..own.clone() }));
            Ok(copy)
        });
        let copy = taken?;
        if !is_empty {
            for page in self.target.scan_for_copy() {
                let rows = page?.into_iter().filter(|(key, _)| *key != META).map(|(key, _)| (key, None));
                self.write(rows.collect())?;
            }
        }
        Ok(copy)
    }

    fn is_empty(&self) -> Result<bool> {
        for page in self.target.scan_for_copy() {
            if !page?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies some rows.
    fn add(&mut self, page: Page) -> Result<()> {
        let mut rows = Vec::new();
        for (key, row) in page {
            match row {
                _ if key == META => {}
                Ok(row) => rows.extend(self.kept(row).map(|row| (key, Some(row)))),
                Err(error) if error.is_damage() => self.done.skipped += 1,
                Err(error) => return Err(error),
            }
        }
        self.check_run()?;
        self.done.rows += rows.len() as u64;
        self.write(rows)
    }

    /// What goes along of a row. Nothing is sent from a backup.
    fn kept(&self, row: Row) -> Option<Row> {
        match row {
            row if self.keeps_live => Some(row),
            Row::Timer(_) => None,
            Row::Record(record) => Some(Row::Record(Box::new(record.backed_up()))),
            row => Some(row),
        }
    }

    /// Writes or removes rows of the target: those of one tenant at a time, which is all that a transaction may be about.
    fn write(&mut self, rows: Vec<(RowKey, Option<Row>)>) -> Result<()> {
        for rows in rows.chunk_by(|(one, _), (other, _)| Tenant::of(one) == Tenant::of(other)) {
            let mut rows = rows;
            while !rows.is_empty() {
                let (first, left) = rows.split_at(self.pace.rows().min(MOST).min(rows.len()));
                let (first, moment) = (first.to_vec(), self.hooks.moment());
                self.pace.transact(self.target, move |transaction| {
                    // By it the storage knows how long it keeps them.
                    transaction.time(&moment);
                    for (key, row) in &first {
                        match row {
                            Some(row) => transaction.put(key, row.clone()),
                            None => transaction.delete(key),
                        }
                    }
                    Ok(())
                })?;
                rows = left;
            }
        }
        Ok(())
    }

    /// Refuses to go on where another run has taken the target.
    fn check_run(&self) -> Result<()> {
        match self.target.read(&META)? {
            Some(Row::Meta(meta)) if meta.state.is_of(self.run) => Ok(()),
            _ => Err(taken(self.target.place())),
        }
    }

    /// Makes it one to work with.
    fn end(&self) -> Result<()> {
        let (own, run) = (self.core.own()?, self.run);
        let place = self.target.place().to_owned();
        transact(self.target, DURABLE, move |transaction| match transaction.get(&META)? {
            Some(Row::Meta(meta)) if meta.state.is_of(run) => {
                transaction.put(&META, Row::Meta(Meta { state: MetaState::Whole, ..own.clone() }));
                Ok(())
            }
            _ => Err(taken(&place)),
        })
    }
}

#[cold]
fn taken(place: &str) -> Error {
    Error::store(format!("repository {place:?}: another copy into it has begun meanwhile"))
}

#[cfg(test)]
mod tests;
