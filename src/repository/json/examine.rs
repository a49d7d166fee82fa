//! The folder as it lies there: whether it is a repository, and what is in it besides rows.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::folder::{Entry, Folder};
use super::{GroupCommit, Json};
use crate::config::Durability;
use crate::error::Result;
use crate::files;
use crate::repository::{Examined, META, Repository};

/// Opens a folder that is a repository, to look at it.
///
/// # Errors
///
/// `Store` when it cannot be opened.
pub fn look(path: &Path, durability: Durability) -> Result<Arc<dyn Repository>> {
    let folder = Folder::look(path, &mut Vec::new())?;
    Ok(GroupCommit::new(Json::new(folder.clone(), durability), folder, durability)?)
}

/// Examines a folder.
///
/// # Errors
///
/// `Store` when the system does not tell.
pub fn examine(path: &Path) -> Result<Examined> {
    let mut examined = Examined::default();
    if files::identity(path)?.is_none() {
        examined.close(format!("{path:?} is not there"));
        return Ok(examined);
    }
    let folder = match Folder::look(path, &mut examined.notes) {
        Ok(folder) => folder,
        Err(error) => {
            examined.close(error.detail());
            return Ok(examined);
        }
    };
    match folder.row(&META) {
        Err(error) if !error.is_damage() => examined.close(error.detail()),
        _ => look_around(&folder, &mut examined)?,
    }
    Ok(examined)
}

/// What is said of the files beside the rows'.
fn look_around(folder: &Folder, examined: &mut Examined) -> Result<()> {
    for path in [folder.file(&META), folder.lock_file(), folder.journal_file()] {
        if let Err(error) = files::look(&path, &mut examined.notes) {
            examined.faults.push(error.detail().to_owned());
        }
    }
    match folder.journal() {
        Ok(Some(_)) => examined.notes.push("a change is on its way: the next service carries it out".to_owned()),
        // A journal that a power cut has torn was never committed.
        Ok(None) => {}
        Err(error) => examined.close(error.detail()),
    }
    let (mut open, mut strange, mut left) = (0, 0, 0);
    for entry in folder.entries()? {
        let Ok(entry) = entry else { continue };
        // One that is gone by now is nobody's.
        let is_open = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0);
        match folder.entry(Ok(entry))? {
            Entry::Row(_) => open += u64::from(is_open),
            Entry::Temporary(_) => left += 1,
            Entry::Other(path) => strange += u64::from(![folder.lock_file(), folder.journal_file()].contains(&path)),
        }
    }
    for (count, what) in [
        (open, "of rows that are open to group or others: mode 0600 closes them"),
        (strange, "that are none of this library's"),
        (left, "on their way to their place, or left by a crash: those go with the next sweep"),
    ] {
        if count > 0 {
            examined.notes.push(format!("files in the folder: {count} {what}"));
        }
    }
    Ok(())
}
