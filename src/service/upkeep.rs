//! Upkeep: sweeping, unlocking and erasing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::{self, Pace};
use super::passed::Passed;
use super::{Core, DURABLE, NAME_BYTES, Service, driver, rows};
use crate::block::Block;
use crate::error::{Error, Result};
use crate::hooks::{About, Level};
use crate::outcome::Outcome;
use crate::phone;
use crate::record::{Record, Via};
use crate::reply::{DoneReply, RunDueReply};
use crate::repository::{Key, Page, Row, Sweeper, Transaction, transact};
use crate::request::{AddressKind, MAX_ADDRESS_BYTES, check_name};

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
    /// cannot be run is passed over, and told to the log once.
    ///
    /// # Errors
    ///
    /// `Store`, `Busy`.
    pub fn run_due(&self) -> Result<RunDueReply> {
        self.start_driver()?;
        self.told("run_due", None, self.work(true))
    }

    /// A round of the driver, which ends well whatever happens in it: with how long to rest.
    pub(crate) fn drive(&self, sweeps: bool) -> Duration {
        let work = catch_unwind(AssertUnwindSafe(|| self.work(sweeps)));
        let answer = work.unwrap_or_else(|_| Err(Error::internal("the background driver panicked")));
        let answer = self.told("run_due", None, answer);
        let rest = match self.core.config.sender {
            Via::Messages if self.hooks.has_clock() => driver::LOOK_AT_HOST_CLOCK,
            Via::Messages => driver::LOOK,
            _ => driver::SWEEP,
        };
        match answer.map(|done| done.next_due_in_milliseconds) {
            Ok(due) => due.map_or(rest, |due| rest.min(Duration::from_millis(due))),
            Err(_) => driver::PAUSE,
        }
    }

    /// Starts the driver, if the configuration wants one and it does not run. Every call that is no setter begins so.
    pub(super) fn start_driver(&self) -> Result<()> {
        let Some(driver) = &self.driver else { return Ok(()) };
        driver.start(|| {
            let (core, hooks) = (Arc::downgrade(&self.core), Arc::downgrade(&self.hooks));
            Arc::new(move |sweeps| {
                let service = Service { driver: None, core: core.upgrade()?, hooks: hooks.upgrade()? };
                Some(service.drive(sweeps))
            })
        })
    }

    /// Has the driver, if there is one, do its rounds so: where a service is not kept alive by references.
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
                // What was done is told, and what failed will fail again, or not.
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

    /// Clears failures and locks of a subject, whichever kind of subject the text may mean.
    ///
    /// # Errors
    ///
    /// `Argument`, `Store`, `Busy`.
    pub fn unlock(&self, subject: &str) -> Result<DoneReply> {
        self.start_driver()?;
        check_name(subject, "subject", NAME_BYTES)?;
        let subjects = self.core.subjects(subject);
        let answer = transact(&*self.core.repository, DURABLE, move |transaction| {
            subjects.iter().for_each(|subject| transaction.delete(&subject.sibling()));
            Ok(DoneReply { outcome: Outcome::Ok })
        });
        self.told("unlock", None, answer)
    }

    /// Removes every record of a recipient that is there now, whichever kind of address the text may mean. Counters
    /// and locks stay: they hold hashes, and end by themselves. A record that is damaged is passed over, and told to
    /// the log once.
    ///
    /// # Errors
    ///
    /// `Argument`, `Busy`, `Store`, also for a record that the system did not let be read; after it, the others may be
    /// gone.
    pub fn erase(&self, recipient: &str) -> Result<DoneReply> {
        self.start_driver()?;
        check_name(recipient, "recipient", MAX_ADDRESS_BYTES)?;
        let answer = self.erase_all(self.core.recipients(recipient));
        self.told("erase", None, answer.map(|()| DoneReply { outcome: Outcome::Ok }))
    }

    fn erase_all(&self, recipients: Vec<Block>) -> Result<()> {
        let recipients = Arc::new(recipients);
        let mut eraser = Eraser { recipients, pace: Pace::new(), has_erased: false, unread: None };
        for page in self.core.repository.scan(self.core.tenant().rows()) {
            page.and_then(|page| self.erase_page(&mut eraser, page)).map_err(|error| eraser.failed(error))?;
        }
        match eraser.unread.take() {
            Some(error) => Err(eraser.failed(error)),
            None => Ok(()),
        }
    }

    /// Removes the recipient's records among these, which are looked at once more.
    fn erase_page(&self, eraser: &mut Eraser, page: Page) -> Result<()> {
        let (mut found, mut passed) = (Vec::new(), Vec::new());
        for (key, row) in page {
            match row {
                Ok(Row::Record(record)) if eraser.concerns(&record) => found.push(key),
                Ok(_) => {}
                // Nobody can tell whose it is: of one that is damaged nobody ever will.
                Err(error) => {
                    passed.push(Passed { key, about: key, outcome: error.outcome() });
                    eraser.unread = eraser.unread.take().or(Some(error).filter(|error| !error.is_damage()));
                }
            }
        }
        self.tell_passed("erase", &passed);
        let mut found = found.as_slice();
        while !found.is_empty() {
            let (first, left) = found.split_at(eraser.pace.rows().min(found.len()));
            let (keys, recipients) = (first.to_vec(), eraser.recipients.clone());
            eraser.pace.transact(&*self.core.repository, move |transaction| {
                keys.iter().try_for_each(|key| erase_record(transaction, key, &recipients))
            })?;
            (eraser.has_erased, found) = (true, left);
        }
        Ok(())
    }
}

/// The erasing of a recipient's records.
struct Eraser {
    recipients: Arc<Vec<Block>>,
    pace: Pace,
    /// Whether some are gone for good.
    has_erased: bool,
    /// Why a row could not be read that may be in order.
    unread: Option<Error>,
}

impl Eraser {
    fn concerns(&self, record: &Record) -> bool {
        concerns(record, &self.recipients)
    }

    /// Once something was erased, no error says that nothing was done.
    fn failed(&self, error: Error) -> Error {
        if self.has_erased {
            return Error::store(format!("recipient: not all of its records were erased: {error}"));
        }
        error
    }
}

fn concerns(record: &Record, recipients: &[Block]) -> bool {
    record.recipients.iter().any(|recipient| recipients.contains(recipient))
}

/// Removes the record, if it still is the recipient's. One that was damaged meanwhile is left to whoever needs it.
fn erase_record(transaction: &mut dyn Transaction, key: &Key, recipients: &[Block]) -> Result<()> {
    match transaction.get(key) {
        Ok(Some(Row::Record(record))) if concerns(&record, recipients) => {
            rows::delete_record(transaction, key, &record);
            Ok(())
        }
        Err(error) if !error.is_damage() => Err(error),
        _ => Ok(()),
    }
}

impl Core {
    /// Every subject that a text may mean.
    fn subjects(&self, text: &str) -> Vec<Block> {
        let namespace = &self.config.namespace;
        let mut subjects =
            vec![self.keys.index("subject", namespace, text), self.keys.index("token as subject", namespace, text)];
        subjects.extend(self.recipients(text));
        subjects
    }

    /// Every recipient that a text may mean.
    fn recipients(&self, text: &str) -> Vec<Block> {
        let numbers = phone::readings(text, self.config.default_country).into_iter();
        let phone = numbers.map(|number| self.recipient(&AddressKind::Phone, &number));
        let others = [AddressKind::Messenger, AddressKind::Channel(String::new())];
        phone.chain(others.iter().map(|kind| self.recipient(kind, text))).collect()
    }
}
