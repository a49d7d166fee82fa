//! Finding back to the others when the side files at the paths are no longer those that are open here.
//!
//! Nobody of ours deletes a log. Who does it by hand takes with it whatever is not yet in the database: used codes would
//! be good again. As long as it is open here it is all there, and goes into the database, unless others have begun
//! another log meanwhile, or the database was restored: then that is what holds.

use std::sync::Arc;

use super::checkpoint::checkpoint;
use super::connection::Kind;
use super::shared::{Lease, Shared};
use crate::error::Result;
use crate::files;

/// Closes all connections, so that the next ones open what is at the paths. `false` while somebody who reads keeps the
/// log from going home. The lock between processes must be held.
///
/// # Errors
///
/// `Store` when the disk fails.
pub fn rejoin(shared: &Arc<Shared>) -> Result<bool> {
    let idle = shared.lease_idle(Kind::Writer).or_else(|| shared.lease_idle(Kind::Reader));
    if let Some(mut idle) = idle {
        let saved = save(&mut idle);
        idle.give_back();
        if !saved? {
            return Ok(false);
        }
    }
    shared.close_all();
    Ok(true)
}

/// Brings a log that is nowhere else into the database. `false` when that has to wait.
fn save(lease: &mut Lease) -> Result<bool> {
    let sides = lease.connection()?.sides().clone();
    if sides.has_log_at_path()? {
        return Ok(true);
    }
    let saves = sides.has_last_copy()? && !checkpoint(lease, "NOOP")?.is_whole();
    if saves && !checkpoint(lease, "PASSIVE")?.is_whole() {
        return Ok(false);
    }
    if saves || sides.has_index_at_path()? {
        // It tells of a log that is gone. Who uses it, or another that took its place, begins anew as well.
        files::remove(sides.index_path())?;
    }
    Ok(true)
}
