//! After a failed sync: bringing all that the log holds to the disk by another way.
//!
//! The system tells of a failed write once, and then takes the pages for clean: a later sync of the log succeeds
//! without them, and what is built upon them is lost with them in a power cut. It is not trusted either: what the disk
//! did not take may be read back as it was before, so its checksums decide how much of it there is. That much is written
//! once more, over itself: only then a sync brings it to the disk, and a page of the database that is torn while the log
//! goes into it can be made whole again. Then the log goes into the database, and is emptied.

use std::io;
use std::sync::Arc;

use super::checkpoint::checkpoint;
use super::connection::Kind;
use super::shared::{Lease, Shared};
use super::{frames, parted};
use crate::error::{Error, Result};
use crate::files;
use crate::outcome::Outcome;

/// Brings everything to the disk, with connections opened anew. `false` when that has to wait for somebody who reads.
/// The lock between processes must be held.
///
/// # Errors
///
/// `Store` when it fails again.
pub fn recover(shared: &Arc<Shared>) -> Result<bool> {
    if shared.is_parted()? && !parted::rejoin(shared)? {
        return Ok(false);
    }
    shared.close_all();
    let mut writer = match shared.lease(Kind::Writer) {
        Err(error) if error.outcome() == Outcome::Busy => return Ok(false),
        writer => writer?,
    };
    match bring_home(&mut writer) {
        Ok(true) => {
            writer.give_back();
            Ok(true)
        }
        failed => {
            writer.discard();
            failed
        }
    }
}

fn bring_home(writer: &mut Lease) -> Result<bool> {
    let sides = writer.connection()?.sides().clone();
    let (_, path) = sides.log();
    // It is not told of what failed before.
    let log = sides.reopen_log()?;
    let failed = |what: &str, cause: &io::Error| Error::store(format!("cannot {what} {path:?}: {cause}"));
    let readable = || frames::readable(&log).map_err(|cause| failed("read", &cause));
    let pages = checkpoint(writer, "NOOP")?.pages;
    if readable()? < pages {
        // The index tells of pages that are not there. It is made anew, by the checksums.
        files::remove(sides.index_path())?;
        return Ok(false);
    }
    frames::write_again(&log, pages).map_err(|cause| failed("write", &cause))?;
    log.sync_data().map_err(|cause| failed("sync", &cause))?;
    let done = checkpoint(writer, "PASSIVE")?;
    if !done.is_whole() {
        return Ok(false);
    }
    // Nothing may have given way between being looked at and being copied.
    if readable()? < done.pages {
        return Err(Error::store(format!("{path:?} cannot be read back as it was written")));
    }
    if checkpoint(writer, "TRUNCATE")?.is_busy() {
        return Ok(false);
    }
    log.sync_all().map_err(|cause| failed("sync", &cause))?;
    Ok(true)
}
