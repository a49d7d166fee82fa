//! A look at a whole repository, for who operates it: what is damaged, and which keys its rows need.
//!
//! It is no service: it makes nothing, and writes only where damaged rows are removed. It reads page by page as a copy
//! does, beside services at work, and holds no lock meanwhile. What it suspects of two rows together it looks at once
//! more, since one of them may have changed in between.

mod check;
mod judge;
mod mend;
mod rotation;

use std::path::PathBuf;
use std::sync::Arc;

use crate::block::KeySlot;
use crate::clock::{Moment, Time, wall};
use crate::config::{LookConfig, RepositoryUrl};
use crate::error::{Error, Result};
use crate::keys::{self, KeyRing, Looked};
use crate::repository::{self, Examined, META, Meta, Repository, Row};

pub use check::CheckReply;
pub use judge::{Finding, Remedy};
pub use rotation::{KeyStanding, Phase, RotationReply};

use judge::Lens;

/// A repository that is looked at. For operators' tools; it serves no calls.
pub struct Inspection {
    /// None where its rows are not to be looked at.
    repository: Option<Arc<dyn Repository>>,
    is_file: bool,
    examined: Examined,
    own: Own,
    lens: Arc<Lens>,
    /// Where the repository lists the keys of the configuration, the present one first; none without them.
    slots: Option<Vec<Option<KeySlot>>>,
}

/// The repository's own row.
enum Own {
    There(Meta),
    Missing,
    /// Why it says nothing.
    Damaged(String),
}

impl Inspection {
    /// Opens the repository of a configuration, which must be there. Options that are not about the repository and its
    /// keys are not read. Without its keys less is seen.
    ///
    /// # Errors
    ///
    /// `Config`, also for a key that is not the repository's; `Unsupported`; `Busy`; `Store` for a server that does not
    /// answer. What is wrong with files [`Inspection::check`] tells.
    pub fn open(config: &str, with_key: bool) -> Result<Self> {
        let config = LookConfig::read(config, with_key)?;
        let is_file = matches!(config.repository, RepositoryUrl::Sqlite(_) | RepositoryUrl::Json(_));
        let mut examined = repository::examine(&config.repository)?;
        let mut opened = None;
        if !examined.is_closed {
            opened = match open(&config) {
                // What is said of files that are there is said of them, and no failure to look.
                Err(error) if is_file && error.outcome() == crate::Outcome::Store => {
                    examined.close(error.detail());
                    None
                }
                opened => Some(opened?),
            };
        }
        let (repository, own) = opened.map_or((None, Own::Missing), |(repository, own)| (Some(repository), own));
        let meta = if let Own::There(meta) = &own { Some(meta) } else { None };
        let looked = match (meta, &config.keys) {
            (Some(meta), Some((current, previous))) => Some(KeyRing::look(meta, current, previous)?),
            _ => None,
        };
        let (ring, slots) = looked.map_or((None, None), |Looked { ring, slots }| (ring, Some(slots)));
        let lens = Arc::new(Lens { ring, listed: meta.map(|meta| meta.keys.len()), namespace: config.namespace });
        Ok(Self { repository, is_file, examined, own, lens, slots })
    }

    /// Makes a file with a new key, for its owner alone. `false`, and nothing done, when something is at the path.
    ///
    /// # Errors
    ///
    /// `Config`, and `Store` where it may pass.
    pub fn make_key_file(path: PathBuf) -> Result<bool> {
        keys::make_file(&path)
    }

    fn repository(&self) -> Result<&dyn Repository> {
        let fault = || self.examined.faults.first().map_or("cannot be looked at", String::as_str).to_owned();
        self.repository.as_deref().ok_or_else(|| Error::store(format!("repository: {}", fault())))
    }

    fn is_moved(&self) -> bool {
        matches!(&self.own, Own::There(meta) if meta.state.is_moved())
    }
}

fn open(config: &LookConfig) -> Result<(Arc<dyn Repository>, Own)> {
    let repository = repository::look(&config.repository, config.durability)?;
    let own = match repository.read(&META) {
        Ok(Some(Row::Meta(meta))) => Own::There(meta),
        Ok(Some(_)) => Own::Damaged("a row of another kind lies in its place".to_owned()),
        Ok(None) => Own::Missing,
        Err(error) if error.is_damage() => Own::Damaged(cause(&*repository, &error)),
        Err(error) => return Err(error),
    };
    Ok((repository, own))
}

/// The time by which rows are judged.
fn now(repository: &dyn Repository) -> Result<Time> {
    repository.time(&Moment::new(wall()))
}

/// What an error says, less the place that all have in common.
fn cause(repository: &dyn Repository, error: &Error) -> String {
    let place = format!("repository {:?}: ", repository.place());
    error.detail().strip_prefix(&place).unwrap_or(error.detail()).to_owned()
}
