//! The host's functions: who delivers, who reads the log, who tells the time.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::block::{Block, Client, RowKey};
use crate::clock::{self, Moment, Time};
use crate::fork::{self, lock};
use crate::outcome::Outcome;
use crate::record::DeliveryState;
use crate::sender::SendFailure;
use crate::sender::host::SendFn;

/// Receives an event: its level (1 error, 2 warning, 3 information, 4 debug) and its JSON.
pub type LogFn = dyn Fn(i32, &str) + Send + Sync;

/// Tells the time, in milliseconds since 1970-01-01T00:00Z.
pub type ClockFn = dyn Fn() -> i64 + Send + Sync;

/// Level of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// The library could not answer.
    Error = 1,
    /// Something the host should look at.
    Warning = 2,
    /// A considered answer.
    Info = 3,
    /// Upkeep and questions.
    Debug = 4,
}

/// One entry of the log, in the order in which its members are written. It holds no secret.
#[derive(Serialize)]
struct LogEvent<'a> {
    time: String,
    level: i32,
    event: &'a str,
    result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<DeliveryState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(rename = "httpStatus", skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    #[serde(rename = "vendorCode", skip_serializing_if = "Option::is_none")]
    vendor_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// What an event is about.
#[derive(Clone, Copy, Default)]
pub struct About<'a> {
    /// The row of the record.
    pub row: Option<&'a RowKey>,
    /// The channel of a step, and how far it came.
    pub step: Option<(&'a str, DeliveryState)>,
    /// Why a message was not, or perhaps not, sent.
    pub failure: Option<&'a SendFailure>,
    /// Who asked, hashed.
    pub client: Option<&'a Client>,
    /// Bytes of what an event of the storage is about.
    pub size: Option<u64>,
}

/// A function of the host, which may be set at any time and is called with no lock held.
struct Hook<T: ?Sized>(Mutex<Option<Arc<T>>>);

impl<T: ?Sized> Default for Hook<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: ?Sized> Hook<T> {
    fn get(&self) -> Option<Arc<T>> {
        fork::shared(|| lock(&self.0).clone())
    }

    /// Gives back the older one: it may be the last reference, and dropping it calls the host.
    #[must_use]
    fn set(&self, function: Option<Arc<T>>) -> Option<Arc<T>> {
        fork::shared(|| std::mem::replace(&mut *lock(&self.0), function))
    }
}

/// The functions of a service.
#[derive(Default)]
pub struct Hooks {
    send: Hook<SendFn>,
    clock: Hook<ClockFn>,
    log: Hook<(i32, Arc<LogFn>)>,
}

thread_local! {
    static LOGGING: Cell<bool> = const { Cell::new(false) };
    static CALLING: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as being in the host's function that delivers, also when that panics.
struct Calling {
    before: bool,
}

impl Drop for Calling {
    fn drop(&mut self) {
        CALLING.set(self.before);
    }
}

/// Runs the host's function that delivers.
pub fn calling<T>(function: impl FnOnce() -> T) -> T {
    let _calling = Calling { before: CALLING.replace(true) };
    function()
}

/// Whether this thread is in a function of the host's, which delivers or reads the log.
pub fn is_called_back() -> bool {
    CALLING.get() || LOGGING.get()
}

/// Marks this thread as being in the log, also when the log panics.
struct Logging;

impl Logging {
    fn begin() -> Self {
        LOGGING.set(true);
        Logging
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        LOGGING.set(false);
    }
}

/// Enough to follow one record, and too little to guess its key from. A key begins as others of its tenant do.
fn pseudonym<Kind>(block: &Block<Kind>) -> String {
    block.to_string().chars().skip(16).collect()
}

impl Hooks {
    /// Who delivers, with sender `host`.
    pub fn sender(&self) -> Option<Arc<SendFn>> {
        self.send.get()
    }

    /// Sets who delivers.
    pub fn set_sender(&self, send: Option<Arc<SendFn>>) {
        drop(self.send.set(send));
    }

    /// Sets who tells the time.
    pub fn set_clock(&self, clock: Option<Arc<ClockFn>>) {
        drop(self.clock.set(clock));
    }

    /// Sets who reads events up to a level.
    pub fn set_log(&self, log: Option<(i32, Arc<LogFn>)>) {
        drop(self.log.set(log.map(Arc::new)));
    }

    /// Whether the host tells the time.
    pub fn has_clock(&self) -> bool {
        self.clock.get().is_some()
    }

    /// The time, as the host tells it, for a transaction that is about to be asked for.
    pub fn moment(&self) -> Moment {
        match self.clock.get() {
            Some(clock) => Moment::of_host(Time::from_ms(u64::try_from(clock()).unwrap_or(0))),
            None => Moment::new(clock::wall()),
        }
    }

    /// Sends an event to the log, unless this thread is in the log already.
    pub fn log(&self, level: Level, event: &str, result: Outcome, about: About<'_>) {
        let Some(log) = self.log.get().filter(|log| level as i32 <= log.0) else { return };
        if LOGGING.get() {
            return;
        }
        let _logging = Logging::begin();
        let (channel, state) = about.step.unzip();
        let event = LogEvent {
            time: self.moment().now().to_string(),
            level: level as i32,
            event,
            result,
            channel,
            state,
            record: about.row.map(pseudonym),
            cause: about.failure.map(|failure| failure.detail.as_str()),
            http_status: about.failure.and_then(|failure| failure.http_status),
            vendor_code: about.failure.and_then(|failure| failure.vendor_code.as_deref()),
            client: about.client.map(pseudonym),
            size: about.size,
        };
        if let Ok(text) = serde_json::to_string(&event) {
            (log.1)(level as i32, &text);
        }
    }
}
