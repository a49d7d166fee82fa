//! Who sweeps: a service of one tenant, which comes by the rows of all. Its clock may be the host's own, and wrong.

use std::cell::Cell;

use super::{Fate, Row};
use crate::block::RowKey;
use crate::clock::{self, Moment, Time};
use crate::tenant::Tenant;

/// A tenant, and its time.
#[derive(Clone, Copy, Debug)]
pub struct Sweeper {
    /// `None`: all rows are judged by this time alone.
    tenant: Option<Tenant>,
    moment: Moment,
}

impl Sweeper {
    /// A service of this tenant.
    pub fn new(tenant: Tenant, moment: Moment) -> Self {
        Self { tenant: Some(tenant), moment }
    }

    /// The judge for the transaction that runs now.
    pub fn judge(&self) -> Judge {
        Judge { tenant: self.tenant, now: self.moment.now(), wall: clock::wall(), live: Cell::new(0) }
    }

    /// The judge where the storage tells the time, unless the host does.
    #[cfg(any(test, feature = "redis", feature = "postgres"))]
    pub fn judge_by(&self, time: Time) -> Judge {
        let now = if self.moment.is_host_s() { self.moment.now() } else { time };
        Judge { tenant: self.tenant, now, wall: time, live: Cell::new(0) }
    }
}

/// Decides what becomes of rows.
pub struct Judge {
    tenant: Option<Tenant>,
    now: Time,
    wall: Time,
    /// Codes of the tenant that it saw to be good.
    live: Cell<u64>,
}

impl Judge {
    /// What becomes of the row with this key. Of another tenant's only what the system's clock says as well.
    pub fn fate(&self, key: &RowKey, row: &Row) -> Fate {
        let fate = row.swept(self.now);
        if self.tenant.is_none_or(|tenant| tenant == Tenant::of(key)) {
            let is_live = matches!(row, Row::Record(record) if record.is_live(self.now));
            self.live.set(self.live.get() + u64::from(is_live));
            return fate;
        }
        match (fate, row.swept(self.wall)) {
            (Fate::Remove, Fate::Remove) => Fate::Remove,
            (Fate::Replace(_), Fate::Replace(row)) => Fate::Replace(row),
            _ => Fate::Keep,
        }
    }

    /// How many codes of the tenant it has seen that were good.
    pub fn live(&self) -> u64 {
        self.live.get()
    }
}

#[cfg(test)]
impl From<Moment> for Sweeper {
    fn from(moment: Moment) -> Self {
        Self { tenant: None, moment }
    }
}

#[cfg(test)]
impl From<Time> for Judge {
    fn from(now: Time) -> Self {
        Self { tenant: None, now, wall: now, live: Cell::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Mac;
    use crate::clock::DAY_MS;
    use crate::policy::Sends;

    #[test]
    fn a_wrong_clock_harms_the_rows_of_its_own_tenant_alone() {
        let (first, second) = (Tenant::of(&Mac::new([1; 16])), Tenant::of(&Mac::new([2; 16])));
        let wall = clock::wall();
        let year = Time::from_ms(wall.ms() + 365 * DAY_MS);
        let row = |ms| Row::Sends(Sends { times: vec![Time::from_ms(ms)] });
        for (now, row, own, others) in [
            (year, row(wall.ms()), Fate::Remove, Fate::Keep),
            (Time::START, row(wall.ms()), Fate::Replace(row(0)), Fate::Keep),
            (wall, row(0), Fate::Remove, Fate::Remove),
            (year, row(0), Fate::Remove, Fate::Remove),
            (Time::START, row(0), Fate::Keep, Fate::Keep),
        ] {
            let judge = Sweeper::new(first, Moment::new(now)).judge();
            assert_eq!(judge.fate(&first.key(&Mac::new([7; 16])), &row), own, "own at {now}");
            assert_eq!(judge.fate(&second.key(&Mac::new([7; 16])), &row), others, "another's at {now}");
        }
    }
}
