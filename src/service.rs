//! The service: creating, sending, verifying and cancelling codes by the rules.
//!
//! Every function here loads rows, asks [`crate::record`] and [`crate::policy`], stores what changed in one
//! transaction, and only then answers. Nothing is locked while a message is being delivered or the host is called.

mod after;
mod copy;
mod create;
mod deliver;
mod draw;
pub mod driver;
mod order;
mod pace;
mod passed;
mod people;
mod plan;
mod recipients;
mod reference;
mod replies;
mod report;
mod resend;
mod rows;
mod sends;
mod status;
mod steps;
mod timers;
mod upkeep;
mod verify;
mod ways;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::block::RowKey;
use crate::clock::Time;
use crate::config::{Config, KeySource};
use crate::error::{Error, Result};
use crate::hooks::{About, ClockFn, Hooks, Level, LogFn};
use crate::keys::KeyRing;
use crate::limits::NAME_BYTES;
use crate::metrics::{Call, Metrics, MetricsReply};
use crate::outcome::Outcome;
use crate::record::Via;
use crate::reply::Reply;
use crate::repository::{self, Commit, Repository};
use crate::request::check_name;
use crate::sender::host::SendFn;
use crate::tenant::Tenant;
use crate::webhook::Verifier;
use driver::Driver;

/// Must be answered only when it is on the disk.
const DURABLE: Commit = Commit { synced: true, sweep: None };
/// May be lost in a power cut.
const RELAXED: Commit = Commit { synced: false, sweep: None };

/// One-time passwords over a repository. To be shared between any number of threads.
pub struct Service {
    /// First: its thread ends before what it works with.
    driver: Option<Driver>,
    core: Arc<Core>,
    hooks: Arc<Hooks>,
}

/// What transactions need, which may run on another thread.
struct Core {
    config: Config,
    keys: Arc<KeyRing>,
    repository: Arc<dyn Repository>,
    /// As they are configured.
    senders: Vec<ways::OpenSender>,
    verifier: Option<Verifier>,
    alarm: Alarm,
    metrics: Arc<Metrics>,
    memory: passed::UpkeepMemory,
    /// Whether the repository was moved, as far as this handle knows.
    moved: AtomicBool,
}

/// When the log hears of a storage that cannot tidy up: from 64 MiB on, and again whenever that has doubled.
#[derive(Default)]
struct Alarm(AtomicU64);

impl Alarm {
    const FIRST_BYTES: u64 = 64 << 20;

    /// The bytes, if the log is to hear of them.
    fn heard(&self, bytes: u64) -> Option<u64> {
        let last = self.0.load(Ordering::Relaxed);
        if bytes < Self::FIRST_BYTES {
            if last > 0 {
                self.0.store(0, Ordering::Relaxed);
            }
            return None;
        }
        let next = bytes.max(last);
        let is_news =
            bytes >= 2 * last && self.0.compare_exchange(last, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_news.then_some(bytes)
    }
}

impl Service {
    /// Opens a service from a JSON configuration; `None` means `{}`. Also gives the warnings about it.
    ///
    /// With `background` the first call that is no setter starts a thread, which does what [`Service::run_due`] does
    /// when it is time, with the functions and the clock that are set; dropping the service ends it and waits for it.
    /// A step that is under way is finished first. A child of a fork has a thread of its own from its first call on.
    /// Where no thread can be started, that call is `Internal`, and nothing was done.
    ///
    /// # Errors
    ///
    /// `Config`, `Store`, `Busy`, `Random`, and `Unsupported` for what this build does not have.
    pub fn open(config: Option<&str>) -> Result<(Self, Vec<String>)> {
        Self::open_by(config, true)?.ok_or_else(|| Error::internal("a repository was not begun"))
    }

    /// Opens a service as [`Service::open`] does, and `None` where it would begin a repository: for operators, who rather
    /// mistyped its name. A file, a folder or a database that is not there at all may be made, without anything in it.
    /// It is no process of a rotation: the repository stays sealed as it is, and lists no key because of it.
    ///
    /// # Errors
    ///
    /// As for [`Service::open`].
    pub fn open_existing(config: Option<&str>) -> Result<Option<(Self, Vec<String>)>> {
        Self::open_by(config, false)
    }

    fn open_by(config: Option<&str>, begins: bool) -> Result<Option<(Self, Vec<String>)>> {
        let mut config = Config::parse(config)?;
        let senders = ways::open(&mut config)?;
        let verifier = config.webhook.take().map(|webhook| Verifier::new(&webhook)).transpose()?;
        let driver = if config.background { Some(Driver::new()?) } else { None };
        // Last, since it may make files: a service that cannot be opened leaves none.
        let mut warnings = std::mem::take(&mut config.warnings);
        let repository = repository::open(&config.repository, config.durability, &mut warnings)?;
        let previous = std::mem::take(&mut config.previous_keys);
        let source = std::mem::replace(&mut config.key, KeySource::None);
        let keys = match begins {
            true => KeyRing::open(&*repository, source, previous, &mut warnings)?,
            false => match KeyRing::open_existing(&*repository, &source, &previous, &mut warnings)? {
                Some(keys) => keys,
                None => return Ok(None),
            },
        };
        let (alarm, memory) = (Alarm::default(), passed::UpkeepMemory::default());
        let metrics = Arc::<Metrics>::default();
        let repository = repository::metered(repository, metrics.clone());
        let moved = AtomicBool::new(keys.is_moved());
        let core = Arc::new(Core { config, keys, repository, senders, verifier, alarm, metrics, memory, moved });
        Ok(Some((Self { driver, core, hooks: Arc::default() }, warnings)))
    }

    /// Whether the repository listed every key of the configuration when this was opened. A service of
    /// [`Service::open_existing`] does without a key that was not listed yet: open it again once a process has it.
    #[must_use]
    pub fn has_all_keys(&self) -> bool {
        self.core.keys.all_listed()
    }

    /// Sets the function that delivers with sender `host`, or removes it.
    ///
    /// # Errors
    ///
    /// `Unsupported` with another sender.
    pub fn on_send(&self, send: Option<Arc<SendFn>>) -> Result<()> {
        let senders = &self.core.config.senders;
        if !senders.iter().any(|sender| sender.via == Via::Host) {
            let kinds: Vec<_> = senders.iter().map(|sender| sender.via.name()).collect();
            return Err(Error::unsupported(format!("on_send: the sender is {}, not host", kinds.join(", "))));
        }
        self.hooks.set_sender(send);
        Ok(())
    }

    /// Sets the function that receives log events up to `max_level` (0 to 4), or removes it.
    ///
    /// # Errors
    ///
    /// `Argument` when the level is out of range.
    pub fn on_log(&self, max_level: i32, log: Option<Arc<LogFn>>) -> Result<()> {
        if !(0..=Level::Debug as i32).contains(&max_level) {
            return Err(Error::argument("max_level: must be 0 to 4"));
        }
        self.hooks.set_log(log.map(|log| (max_level, log)));
        Ok(())
    }

    /// Sets the function that tells the time, or goes back to the system's clock.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn on_clock(&self, clock: Option<Arc<ClockFn>>) -> Result<()> {
        self.hooks.set_clock(clock);
        Ok(())
    }

    /// The time outside of transactions.
    fn time(&self) -> Result<Time> {
        self.core.repository.time(&self.hooks.moment())
    }

    /// Whether the reply of a create holds the message, for the host to deliver (sender `none`).
    #[must_use]
    pub fn hands_over(&self) -> bool {
        self.core.config.hands_over()
    }

    /// Tells what was counted since the service was opened. It neither works with the repository nor starts the driver,
    /// and is itself not counted.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn metrics(&self) -> Result<MetricsReply> {
        Ok(self.core.metrics.told(&self.core.config.sender_names(), self.core.repository.live()))
    }

    /// Runs a call and counts what it comes to, also where it panics. Every call that is no setter starts the driver.
    fn call<T: Reply>(&self, call: Call, body: impl FnOnce() -> Result<T>) -> Result<T> {
        let under_way = self.core.metrics.begin(call);
        let answer = self.start_driver().and_then(|()| body());
        under_way.end(outcome(&answer));
        answer
    }

    /// Reads what a call was given. What is wrong with it is the call's answer, and counted as that.
    pub(crate) fn given<T>(&self, call: Call, read: impl FnOnce() -> Result<T>) -> Result<T> {
        read().inspect_err(|error| self.core.metrics.call(call, error.outcome()))
    }

    /// Tells the log how a call went, and passes the answer on.
    fn logged<T: Reply>(&self, event: &str, row: Option<&RowKey>, answer: Result<T>) -> Result<T> {
        self.logged_about(event, About { row, ..About::default() }, answer)
    }

    fn logged_about<T: Reply>(&self, event: &str, about: About<'_>, answer: Result<T>) -> Result<T> {
        let outcome = outcome(&answer);
        let level = match outcome {
            Outcome::Locked | Outcome::RateLimited | Outcome::Refused => Level::Warning,
            // Strangers bring these about.
            Outcome::Argument | Outcome::Signature | Outcome::Unsigned => Level::Warning,
            _ if outcome.number() < 0 => Level::Error,
            _ if matches!(event, "status" | "subject" | "run_due") => Level::Debug,
            _ => Level::Info,
        };
        self.hooks.log(level, event, outcome, about);
        if let Some(size) = self.core.alarm.heard(self.core.repository.log_bytes()) {
            self.hooks.log(Level::Warning, "store", Outcome::Ok, About { size: Some(size), ..About::default() });
        }
        answer
    }
}

fn outcome<T: Reply>(answer: &Result<T>) -> Outcome {
    match answer {
        Ok(reply) => reply.outcome(),
        Err(error) => error.outcome(),
    }
}

impl Core {
    /// The row of a token.
    fn row(&self, token: &str) -> Result<RowKey> {
        check_name(token, "token", NAME_BYTES)?;
        Ok(self.keys.index("token", &self.config.namespace, token))
    }

    /// Where everything of this tenant lies.
    fn tenant(&self) -> Tenant {
        self.keys.tenant(&self.config.namespace)
    }
}

#[cfg(test)]
mod tests;
