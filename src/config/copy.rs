//! The parameters of a copy.

use super::{Durability, RepositoryUrl, read_flag, storage};
use crate::error::{Error, Result};
use crate::strict::{self, Object};

/// Where a copy goes, and how.
pub struct CopyConfig {
    /// The repository that is to hold it.
    pub repository: RepositoryUrl,
    /// What an acknowledged change of that survives.
    pub durability: Durability,
    /// Whether the repository goes on there, and ends here.
    pub moves: bool,
}

impl CopyConfig {
    /// Reads the parameters of a copy: the repository as a configuration names it, and options; none are `{}`.
    ///
    /// # Errors
    ///
    /// `Argument`, as [`super::Config::parse`] says `Config`.
    pub fn read(repository: &str, options: Option<&str>) -> Result<Self> {
        let mut root = match options {
            Some(json) => strict::parse(json, "options", Error::argument)?.object()?,
            None => Object::absent("options", Error::argument),
        };
        if root.take("repository").is_some() {
            return Err(Error::argument("options: repository: is a parameter of its own"));
        }
        root.add_text("repository", repository);
        let repository = storage::read_repository(&mut root)?;
        let durability = storage::read_durability(&mut root, &repository)?;
        let moves = read_flag(&mut root, "move")?;
        root.finish()?;
        repository.refuse_unsupported()?;
        Ok(Self { repository, durability, moves })
    }
}
