//! Where a repository is, and what is known of it before the library opens it.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Result};
use crate::owner::{self, Stranger, Unread, parent};

/// Where a repository is.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file of SQLite's.
    File(PathBuf),
    /// In a folder.
    Folder(PathBuf),
    /// In a process.
    Memory,
    /// On a server of this kind, or nowhere that is known: the library says.
    Elsewhere(String),
}

impl Place {
    /// Reads the option `repository`. A text that stands for another, as `env:NAME` does, is looked up as the library
    /// does.
    ///
    /// # Errors
    ///
    /// For a file that root does not believe.
    pub fn of(text: &str, stranger: Stranger) -> Result<Self> {
        let resolved = match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => env::var(name).ok(),
            // Why it cannot be read the library says.
            Some(("file", path)) => match owner::read_believed(path, "repository: the file", stranger) {
                Err(Unread::NotBelieved(fault)) => return Err(fault),
                read => read.ok(),
            },
            _ => Some(text.to_owned()),
        };
        let resolved = resolved.unwrap_or_default();
        let line = resolved.strip_suffix('\n').map_or(&*resolved, |line| line.strip_suffix('\r').unwrap_or(line));
        let path = |scheme: &str, path: &str, place: fn(PathBuf) -> Self| {
            std::path::absolute(path).map_or_else(|_| Self::Elsewhere(scheme.to_owned()), place)
        };
        Ok(match line.split_once(':') {
            Some(("sqlite", rest)) => path("sqlite", rest, Self::File),
            // Collected again, so that no slash at its end has a link followed.
            Some(("json", rest)) => path("json", rest, |path| Self::Folder(path.components().collect())),
            Some(("memory", "")) => Self::Memory,
            Some((scheme, _)) => Self::Elsewhere(scheme.to_owned()),
            None => Self::Elsewhere(String::new()),
        })
    }

    /// The file or the folder.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Folder(path) => Some(path),
            Self::Memory | Self::Elsewhere(_) => None,
        }
    }

    /// Whether it is a file or folder in which there is nothing, and of which the library would make a repository.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::File(path) => fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0),
            Self::Folder(path) => fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()),
            Self::Memory | Self::Elsewhere(_) => false,
        }
    }

    /// The refusal to begin a repository.
    pub fn not_begun(&self) -> Fault {
        Fault::gone(format!("repository{}: is empty, and otp begins none: a service does", self.named()))
    }

    /// Refuses a path at which no service could make a repository; else says who could.
    pub fn maker(&self) -> Result<String> {
        let Some(path) = self.path() else { return Ok("the first service begins it".to_owned()) };
        let folder = parent(path);
        match fs::metadata(folder) {
            Ok(metadata) => Ok(owner::maker(&metadata)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                let cause = format!("no service can make it, since there is no folder {folder:?}");
                Err(Fault::store(format!("repository{}: {cause}", self.named())))
            }
            Err(cause) => {
                Err(Fault::store(format!("repository{}: {}", self.named(), cause.to_string().to_lowercase())))
            }
        }
    }

    /// Its path. Of a URL nothing is shown: it may hold a password.
    fn named(&self) -> String {
        self.path().map_or_else(String::new, |path| format!(" {path:?}"))
    }
}
