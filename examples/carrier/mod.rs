//! A carrier on loopback, as strict as Vonage's published specifications: Dispatch v0.1 and Messages v1, virtual phones
//! that receive, read or refuse messages, and signed webhooks. For tests and for `otp_service --simulate`.
#![allow(dead_code, reason = "every user takes its own part")]

mod http;
mod phone;
mod strict;
mod webhook;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

pub use phone::Habit;

/// Milliseconds since 1970, by the carrier's clock.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Who may send, and where reports go.
pub struct Account {
    pub api_key: String,
    pub api_secret: String,
    pub application_id: String,
    /// The application's public key: the DER of an `RSAPublicKey`.
    pub public_key: Vec<u8>,
    /// Signs the webhooks.
    pub signature_secret: String,
    /// The loopback port that takes webhooks; without one the phones stay silent.
    pub webhook_port: Option<u16>,
}

/// What a next request meets instead of its answer.
pub enum Fault {
    /// This status, with problem JSON; 429 asks for a pause of one second.
    Status(u16),
    /// The connection is closed after the request was read.
    Reset,
    /// The answer comes late.
    Delay(Duration),
    /// Something that is not HTTP.
    Garbage,
}

/// A request as it came, and the status that it got (0: none).
#[derive(Clone)]
pub struct Received {
    pub path: String,
    pub authorization: String,
    pub body: Value,
    pub status: u16,
}

/// A message on a virtual phone.
#[derive(Clone)]
pub struct Shown {
    pub channel: String,
    pub to: String,
    pub text: String,
    /// By the carrier's clock.
    pub at_ms: i64,
}

pub struct Carrier {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    account: Account,
    clock: Clock,
    /// How many times as fast as real time the clock runs.
    speed: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    shown: Vec<Shown>,
    faults: VecDeque<Fault>,
    habits: HashMap<String, Habit>,
    /// The token that each `jti` came with.
    tokens: HashMap<String, String>,
    messages: u64,
    webhooks: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this long by the carrier's clock.
    fn wait(&self, seconds: u32) {
        thread::sleep(Duration::from_secs(seconds.into()) / self.speed);
    }
}

impl Carrier {
    /// Listens on a free port until the process ends.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub fn start(account: Account, clock: Clock, speed: u32) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { account, clock, speed: speed.max(1), state: Mutex::default() });
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = served.clone();
                thread::spawn(move || http::serve(&stream, &shared));
            }
        });
        Ok(Self { port, shared })
    }

    /// What the phone does with messages to this address; without a habit it receives and does not read them.
    pub fn habit(&self, address: &str, habit: Habit) {
        self.shared.state().habits.insert(address.to_owned(), habit);
    }

    /// Faults of the next requests, in this order.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state().faults.extend(faults);
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state().received.clone()
    }

    /// All messages on the phones.
    pub fn shown(&self) -> Vec<Shown> {
        self.shared.state().shown.clone()
    }

    /// How many different signed tokens came.
    pub fn tokens(&self) -> usize {
        self.shared.state().tokens.len()
    }

    /// The `Authorization` of a genuine webhook with this body.
    pub fn sign(&self, body: &[u8]) -> String {
        webhook::authorization(&self.shared, body)
    }
}
