//! A repository as it lies there, before anybody works with it: what is around its rows, and opening it to look.

use std::sync::Arc;

use super::{Repository, json, sqlite};
use crate::config::{Durability, RepositoryUrl};
use crate::error::{Error, Result};

/// What lies around the rows of a repository.
#[derive(Default)]
pub struct Examined {
    /// What is wrong, a line each.
    pub faults: Vec<String>,
    /// What its owner should know, and is no damage.
    pub notes: Vec<String>,
    /// Whether the rows are not to be looked at: they are not there, or whoever opened them would change them.
    pub is_closed: bool,
}

impl Examined {
    /// Notes what keeps everybody out.
    pub fn close(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
        self.is_closed = true;
    }
}

/// Examines what lies around the rows. Nothing is made or changed; of a repository on a server nothing is known yet.
///
/// # Errors
///
/// `Busy`, and `Store` when the system does not tell.
pub fn examine(url: &RepositoryUrl) -> Result<Examined> {
    match url {
        RepositoryUrl::Sqlite(path) => sqlite::examine(path),
        RepositoryUrl::Json(folder) => json::examine(folder),
        _ => Ok(Examined::default()),
    }
}

/// Opens a repository that is there, to look at it. Unlike [`super::open`] it makes nothing, and begins no transaction.
///
/// # Errors
///
/// As for [`super::open`]; `Store` when there is none.
pub fn look(url: &RepositoryUrl, durability: Durability) -> Result<Arc<dyn Repository>> {
    match url {
        RepositoryUrl::Sqlite(path) => sqlite::look(path, durability),
        RepositoryUrl::Json(folder) => json::look(folder, durability),
        #[cfg(feature = "postgres")]
        RepositoryUrl::Postgres(config) => super::postgres::look(config, durability),
        RepositoryUrl::Memory => Err(Error::unsupported("repository: memory: belongs to its process alone")),
        _ => super::open(url, durability, &mut Vec::new()),
    }
}
