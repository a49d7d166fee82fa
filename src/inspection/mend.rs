//! Removes rows that are damaged, each if it still is.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Inspection;
use super::judge::{Finding, Lens, Remedy};
use crate::block::RowKey;
use crate::clock::{Moment, Time, wall};
use crate::error::Result;
use crate::repository::{Commit, META, Row, Transaction, transact};
use crate::tenant::Tenant;
use crate::workflow;

/// Most rows of a transaction: others wait for it.
const MOST: usize = 16;

/// How long nobody of ours wants the lock between two.
const GAP: Duration = Duration::from_millis(1);

impl Inspection {
    /// Does for each finding what its remedy says: removes the row, or writes the timer that it lacks. Each row is
    /// looked at again in the transaction that does it: one that is in order by then stays as it is. The repository's
    /// own row always stays. `done` counts what was done, also where an error comes after it.
    ///
    /// # Errors
    ///
    /// `Store`, `Busy`.
    pub fn mend(&self, findings: &[Finding], done: &mut u64) -> Result<()> {
        let repository = self.repository()?;
        let wanted: Vec<_> =
            findings.iter().filter(|found| found.remedy != Remedy::None && found.row != META).collect();
        for of_tenant in wanted.chunk_by(|one, other| Tenant::of(&one.row) == Tenant::of(&other.row)) {
            for some in of_tenant.chunks(MOST) {
                let some: Vec<_> = some.iter().map(|found| (found.row, found.remedy)).collect();
                let lens = self.lens.clone();
                let moment = Moment::new(wall());
                let commit = Commit { synced: true, sweep: None };
                *done += transact(repository, commit, move |transaction| {
                    let now = transaction.time(&moment);
                    let mut mended = 0;
                    for (key, remedy) in &some {
                        mended += u64::from(mend(transaction, &lens, key, *remedy, now)?);
                    }
                    Ok(mended)
                })?;
                thread::sleep(GAP);
            }
        }
        Ok(())
    }
}

/// Whether something was done.
fn mend(transaction: &mut dyn Transaction, lens: &Arc<Lens>, key: &RowKey, remedy: Remedy, now: Time) -> Result<bool> {
    let row = match transaction.get(key) {
        Err(error) if error.is_damage() => {
            transaction.delete(key);
            return Ok(true);
        }
        Err(error) => return Err(error),
        Ok(None) => return Ok(false),
        Ok(Some(row)) => row,
    };
    if lens.fault(key, &row).is_some() {
        transaction.delete(key);
        return Ok(true);
    }
    let Row::Record(record) = row else { return Ok(false) };
    let timer = workflow::timer(key, &record).filter(|_| remedy == Remedy::Timer && record.is_live(now));
    let Some(timer) = timer else { return Ok(false) };
    match transaction.get(&timer.key()) {
        Ok(Some(Row::Timer(found))) if found == timer => Ok(false),
        Err(error) if !error.is_damage() => Err(error),
        _ => {
            transaction.put(&timer.key(), Row::Timer(timer));
            Ok(true)
        }
    }
}
