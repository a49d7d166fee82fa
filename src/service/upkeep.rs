//! Upkeep: what is due, and what is over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::{self, Pace};
use super::{Service, driver, outcome};
use crate::error::{Error, Result};
use crate::hooks::{About, Level};
use crate::metrics::Call;
use crate::reply::RunDueReply;
use crate::repository::Sweeper;

/// How long a call works before it lets others go on: below the 100 ms that are promised, since a step may take longer
/// than the one before it.
const BUDGET: Duration = Duration::from_millis(90);

/// How much of it timers may take: what comes after them takes some as well.
const BUDGET_OF_TIMERS: Duration = Duration::from_millis(70);

/// Most rows swept in one transaction.
const STEP: usize = 250;

impl Service {
    /// Runs what is due: begins the steps of deliveries whose time has come, and removes rows past retention. Works
    /// for a full round or 100 milliseconds, whichever ends first; the next call goes on where this one ended. What
    /// cannot be run is passed over, and logged once.
    ///
    /// # Errors
    ///
    /// `Store`, `Busy`.
    pub fn run_due(&self) -> Result<RunDueReply> {
        self.call(Call::RunDue, || self.logged("run_due", None, self.work(true)))
    }

    /// A round of the driver, which ends well whatever happens in it: with how long to rest.
    pub(crate) fn drive(&self, sweeps: bool) -> Duration {
        let work = catch_unwind(AssertUnwindSafe(|| self.work(sweeps)));
        let answer = work.unwrap_or_else(|_| Err(Error::internal("the background driver panicked")));
        let answer = self.logged("run_due", None, answer);
        self.core.metrics.call(Call::RunDue, outcome(&answer));
        let rest = match self.core.config.is_timed() {
            true if self.hooks.has_clock() => driver::LOOK_AT_HOST_CLOCK,
            true => driver::LOOK,
            false => driver::SWEEP,
        };
        match answer.map(|done| done.next_due_in_milliseconds) {
            Ok(due) => due.map_or(rest, |due| rest.min(Duration::from_millis(due))),
            Err(_) => driver::PAUSE,
        }
    }

    /// Starts the driver, if the configuration wants one and it does not run. Every call that is no setter begins so, and
    /// is refused here when the repository was moved.
    pub(super) fn start_driver(&self) -> Result<()> {
        self.core.refuse_moved()?;
        let Some(driver) = &self.driver else { return Ok(()) };
        driver.start(|| {
            let (core, hooks) = (Arc::downgrade(&self.core), Arc::downgrade(&self.hooks));
            Arc::new(move |sweeps| {
                let service = Service { driver: None, core: core.upgrade()?, hooks: hooks.upgrade()? };
                // Nothing is due any more in what was moved.
                service.core.refuse_moved().ok()?;
                Some(service.drive(sweeps))
            })
        })
    }

    /// Sets how the driver, if there is one, does its rounds: for a service that references do not keep alive.
    pub(crate) fn set_round(&self, round: impl Fn(bool) -> Option<Duration> + Send + Sync + 'static) {
        if let Some(driver) = &self.driver {
            driver.set_round(Arc::new(round));
        }
    }

    fn work(&self, sweeps: bool) -> Result<RunDueReply> {
        let begun = Instant::now();
        let (mut pace, mut done) = (Pace::new(), RunDueReply::default());
        let mut worked = self.run_timers(&mut pace, begun + BUDGET_OF_TIMERS, &mut done);
        if worked.is_ok() && sweeps {
            worked = self.sweep(&mut pace, begun + BUDGET, &mut done);
        }
        match worked {
            Err(error) if (done.ran, done.purged) == (0, 0) => Err(error),
            Err(error) => {
                // The answer says what was done, and what failed will fail again, or not.
                self.hooks.log(Level::Error, "run_due", error.outcome(), About::default());
                Ok(done)
            }
            Ok(()) => Ok(done),
        }
    }

    fn sweep(&self, pace: &mut Pace, until: Instant, done: &mut RunDueReply) -> Result<()> {
        let mut ends = 0;
        // The sweep begins where the last one was: a full round has passed the end twice.
        // There is always time for one step, or timers that never end would keep every row for ever.
        loop {
            let begun = Instant::now();
            let swept = pace
                .series
                .run(|| self.core.repository.sweep(STEP, Sweeper::new(self.core.tenant(), self.hooks.moment())))?;
            done.purged += swept.purged;
            ends += u32::from(swept.wrapped);
            // The next step takes as long as this one.
            if ends == 2 || Instant::now() + begun.elapsed() >= until {
                return Ok(());
            }
            pace::rest();
        }
    }
}
