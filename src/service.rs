//! The service: creating, sending, verifying and cancelling codes by the rules.
//!
//! Every function here loads rows, asks [`crate::record`] and [`crate::policy`], stores what changed in one
//! transaction, and only then answers. Nothing is locked while a message is being delivered or the host is called.

mod after;
mod create;
mod deliver;
mod draw;
pub mod driver;
mod flow;
mod pace;
mod passed;
mod people;
mod plan;
mod reference;
mod resend;
mod rows;
mod status;
mod timers;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::block::Block;
use crate::clock::Time;
use crate::code::{self, Guess, Typed};
use crate::config::{Config, KeySource};
use crate::error::{Error, Result};
use crate::hooks::{About, ClockFn, Hooks, Level, LogFn};
use crate::keys::KeyRing;
use crate::outcome::Outcome;
use crate::policy::Standing;
use crate::record::{Code, Record, Via};
use crate::reply::{CreateReply, DeliveryReply, DoneReply, Locked, Reply, VerifyReply};
use crate::repository::{self, Commit, Repository, Transaction, transact};
use crate::request::check_name;
use crate::sender::Sender;
use crate::sender::console::Console;
use crate::sender::host::{Host, SendFn};
use crate::sender::vonage::Carrier;
use crate::tenant::Tenant;
use crate::webhook::Verifier;
use deliver::Way;
use driver::Driver;

/// Most bytes of a token or a subject.
const NAME_BYTES: usize = 256;
/// Most bytes of a code that is looked at.
const CODE_BYTES: usize = 64;
/// Most bytes of a context.
pub const CONTEXT_BYTES: usize = 4096;

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
    console: Option<Arc<dyn Sender>>,
    carrier: Option<Carrier>,
    verifier: Option<Verifier>,
    alarm: Alarm,
    memory: passed::Memory,
}

/// When the log hears of a storage that cannot tidy up: from 64 MiB on, and again whenever that has doubled.
#[derive(Default)]
struct Alarm(AtomicU64);

impl Alarm {
    const FIRST_BYTES: u64 = 64 << 20;

    /// The bytes, if they are to be told.
    fn heard(&self, bytes: u64) -> Option<u64> {
        let told = self.0.load(Ordering::Relaxed);
        if bytes < Self::FIRST_BYTES {
            if told > 0 {
                self.0.store(0, Ordering::Relaxed);
            }
            return None;
        }
        let next = bytes.max(told);
        let is_news =
            bytes >= 2 * told && self.0.compare_exchange(told, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
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
        let mut config = Config::parse(config)?;
        let console = match config.sender {
            Via::Console => {
                let cannot = |cause: std::io::Error| {
                    let detail = format!("sender: console: no standard error: {cause}");
                    // Anything else, as when descriptors are short, passes.
                    let is_closed = cause.raw_os_error() == Some(libc::EBADF);
                    if is_closed { Error::config(detail) } else { Error::store(detail) }
                };
                Some(Arc::new(Console::open().map_err(cannot)?) as Arc<dyn Sender>)
            }
            _ => None,
        };
        let carrier = config.carrier.take().map(|carrier| Carrier::open(&carrier, config.timeout_ms)).transpose()?;
        let verifier = config.webhook.take().map(|webhook| Verifier::new(&webhook)).transpose()?;
        let driver = if config.background { Some(Driver::new()?) } else { None };
        // Last, since it may make files: a service that cannot be opened leaves none.
        let mut warnings = std::mem::take(&mut config.warnings);
        let repository = repository::open(&config.repository, config.durability, &mut warnings)?;
        let previous = std::mem::take(&mut config.previous_keys);
        let source = std::mem::replace(&mut config.key, KeySource::None);
        let keys = KeyRing::open(&*repository, source, previous, &mut warnings)?;
        let (alarm, memory) = (Alarm::default(), passed::Memory::default());
        let core = Arc::new(Core { config, keys, repository, console, carrier, verifier, alarm, memory });
        Ok((Self { driver, core, hooks: Arc::default() }, warnings))
    }

    /// Sets the function that delivers with sender `host`, or removes it.
    ///
    /// # Errors
    ///
    /// `Unsupported` with another sender.
    pub fn on_send(&self, send: Option<Arc<SendFn>>) -> Result<()> {
        if self.via() != Via::Host {
            return Err(Error::unsupported(format!("on_send: the sender is {}, not host", self.via().name())));
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

    /// Whether the reply of a create holds the message, for the host to deliver (sender `none`).
    #[must_use]
    pub fn hands_over(&self) -> bool {
        self.via() == Via::None
    }

    /// Verifies a code. It is good once; which answer it gets is decided in one transaction, and told after that.
    ///
    /// # Errors
    ///
    /// `Argument`, `Config` when a key is not at hand, `Store`, `Busy`.
    pub fn verify(&self, token: &str, code: &str, context: Option<&str>) -> Result<VerifyReply> {
        self.start_driver()?;
        let row = self.core.row(token)?;
        let answer = read_guess(code, context).and_then(|guess| self.guess(row, guess));
        self.told("verify", Some(&row), answer)
    }

    fn guess(&self, row: Block, guess: Guess) -> Result<VerifyReply> {
        let core = self.core.clone();
        let moment = self.hooks.moment();
        if core.repository.read(&row)?.is_none() {
            return core.guess_nothing(&row, &guess, moment.now());
        }
        transact(&*self.core.repository, DURABLE, move |transaction| {
            core.guess(transaction, &row, &guess, moment.now())
        })
    }

    /// Cancels the code of a token, which may be done again.
    ///
    /// # Errors
    ///
    /// `Argument`, `Store`, `Busy`.
    pub fn cancel(&self, token: &str) -> Result<DoneReply> {
        self.start_driver()?;
        let row = self.core.row(token)?;
        let moment = self.hooks.moment();
        let answer = transact(&*self.core.repository, DURABLE, move |transaction| {
            let now = moment.now();
            let Some(before) = rows::record(transaction, &row, now)? else { return Ok(Outcome::Unknown) };
            let mut record = before.clone();
            record.settle(now);
            let outcome = record.cancel();
            rows::put_record(transaction, &row, &before, record, now);
            Ok(outcome)
        });
        self.told("cancel", Some(&row), answer.map(|outcome| DoneReply { outcome }))
    }

    fn via(&self) -> Via {
        self.core.config.sender
    }

    /// How messages leave; none does with sender `none`, whose message is handed over.
    fn way(&self) -> Result<Option<Way<'_>>> {
        let core = &self.core;
        let way = match self.via() {
            Via::None => return Ok(None),
            Via::Host => match self.hooks.sender() {
                Some(send) => Some(Way::Sender(Arc::new(Host(send)))),
                None => return Err(Error::unsupported("sender is host, but no function is set (on_send)")),
            },
            Via::Console => core.console.clone().map(Way::Sender),
            Via::Dispatch | Via::Messages => core.carrier.as_ref().map(Way::Carrier),
        };
        way.map(Some).ok_or_else(|| Error::internal("there is no sender"))
    }

    /// Tells the log how a call went, and passes the answer on.
    fn told<T: Reply>(&self, event: &str, row: Option<&Block>, answer: Result<T>) -> Result<T> {
        self.told_about(event, About { row, ..About::default() }, answer)
    }

    fn told_about<T: Reply>(&self, event: &str, about: About<'_>, answer: Result<T>) -> Result<T> {
        let outcome = match &answer {
            Ok(reply) => reply.outcome(),
            Err(error) => error.outcome(),
        };
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

impl Core {
    /// The row of a token.
    fn row(&self, token: &str) -> Result<Block> {
        check_name(token, "token", NAME_BYTES)?;
        Ok(self.keys.index("token", &self.config.namespace, token))
    }

    /// Where everything of this tenant lies.
    fn tenant(&self) -> Tenant {
        self.keys.tenant(&self.config.namespace)
    }

    /// What a code's sealed part is bound to: the code, and the namespace, so that no tenant sends another's messages.
    fn sealed_to(&self, row: &Block, code: &Code) -> Block {
        let code = self.keys.fingerprint(&code::identity(row, code));
        self.keys.index("sealed", &self.config.namespace, &code.to_string())
    }

    /// Decides a guess about a token that has no record: as much computing as for one that has.
    fn guess_nothing(&self, row: &Block, guess: &Guess, now: Time) -> Result<VerifyReply> {
        code::find(&self.keys, row, None, guess, now)?;
        Ok(VerifyReply { outcome: Outcome::NotValid, attempts_left: None, retry_after_seconds: None, locked: None })
    }

    fn guess(&self, transaction: &mut dyn Transaction, row: &Block, guess: &Guess, now: Time) -> Result<VerifyReply> {
        let Some(before) = rows::record(transaction, row, now)? else { return self.guess_nothing(row, guess, now) };
        let mut record = before.clone();
        record.settle(now);
        let mut failures = rows::settled_failures(transaction, &record.code.subject, now)?;
        let standing = failures.standing(now);
        let locked = record.locked(standing);
        let outcome = if locked.is_some() {
            Outcome::Locked
        } else {
            let matched = code::find(&self.keys, row, Some(&record), guess, now)?;
            let failed = failures.clone();
            let outcome = record.check(matched, &mut failures, self.config.policy.subject_failures, now);
            if failures != failed {
                rows::put_failures(transaction, &record.code.subject, failures);
            }
            outcome
        };
        let attempts_left = Some(record.attempts_left());
        rows::put_record(transaction, row, &before, record, now);
        Ok(VerifyReply { outcome, attempts_left, retry_after_seconds: retry_after(locked, standing), locked })
    }
}

/// Checks what was typed, before it counts as a guess.
fn read_guess(code: &str, context: Option<&str>) -> Result<Guess> {
    if !(1..=CODE_BYTES).contains(&code.len()) {
        return Err(Error::argument(format!("code: must have 1 to {CODE_BYTES} bytes")));
    }
    if context.is_some_and(|context| context.len() > CONTEXT_BYTES) {
        return Err(Error::argument(format!("context: must have at most {CONTEXT_BYTES} bytes")));
    }
    let code = Typed::of(code).ok_or_else(|| Error::argument("code: has nothing but blanks, dashes and the like"))?;
    Ok(Guess { code, context: context.map(|context| Zeroizing::new(context.to_owned())) })
}

/// After how many seconds it makes sense to try again, rounded up.
fn retry_after(locked: Option<Locked>, standing: Standing) -> Option<u64> {
    match (locked, standing) {
        (Some(Locked::Subject), Standing::LockedFor(ms)) => Some(whole_seconds_up(ms)),
        _ => None,
    }
}

fn whole_seconds_up(ms: u64) -> u64 {
    ms.div_ceil(1000).max(1)
}

fn delivery_reply(record: &Record) -> DeliveryReply {
    let newest = record.delivery.steps.last();
    DeliveryReply {
        via: record.delivery.via.name(),
        dispatch_uuid: record.delivery.dispatch_uuid.clone(),
        message_uuid: newest.and_then(|step| step.message_uuid.clone()),
        channel: newest.map(|step| step.channel.clone()),
        state: record.delivery.state(),
        steps: None,
    }
}

/// A refusal because of a lock.
fn locked_reply(locked: Locked, standing: Standing) -> CreateReply {
    let mut reply = CreateReply::new(Outcome::Locked);
    reply.locked = Some(locked);
    reply.retry_after_seconds = retry_after(Some(locked), standing);
    reply
}

/// How a subject is locked when there is no code to look at.
fn subject_locked(standing: Standing) -> Option<Locked> {
    match standing {
        Standing::Open => None,
        Standing::LockedFor(_) => Some(Locked::Subject),
        Standing::Disabled => Some(Locked::Disabled),
    }
}

#[cfg(test)]
mod tests;
