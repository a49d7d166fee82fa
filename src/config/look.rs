//! What is read of a configuration by who looks at the repository and delivers nothing.

use zeroize::Zeroizing;

use super::{Durability, KeySource, RepositoryUrl, storage};
use crate::error::{Error, Result};
use crate::strict;

/// Where a repository is, and its keys.
pub struct LookConfig {
    /// Where records are kept.
    pub repository: RepositoryUrl,
    /// What an acknowledged change survives.
    pub durability: Durability,
    /// The tenant.
    pub namespace: String,
    /// The keys, the present one and earlier ones, where they are wanted.
    pub keys: Option<(KeySource, Vec<Zeroizing<Vec<u8>>>)>,
}

impl LookConfig {
    /// Reads a configuration; options about anything else are left to those who open a service with it.
    ///
    /// # Errors
    ///
    /// `Config` and `Unsupported`, as [`super::Config::parse`] says.
    pub fn read(json: &str, with_key: bool) -> Result<Self> {
        let json = json.strip_prefix('\u{feff}').unwrap_or(json);
        let mut root = strict::parse(json, "config", Error::config)?.object()?;
        let repository = storage::read_repository(&mut root)?;
        repository.refuse_unsupported()?;
        let durability = storage::read_durability(&mut root, &repository)?;
        let namespace = super::read_namespace(&mut root)?;
        let keys = match with_key {
            true => Some((storage::read_key(&mut root, &repository)?, storage::read_previous_keys(&mut root)?)),
            false => None,
        };
        Ok(Self { repository, durability, namespace, keys })
    }
}
