//! A carrier on loopback, as strict as Vonage's published specifications: Dispatch v0.1 and Messages v1, virtual phones
//! that receive, read or refuse messages, and signed webhooks; beside it any carrier with an HTTP API, an inbox for mail,
//! and servers that do what a script says.
#![deny(unsafe_code, rust_2018_idioms)]

mod fault;
pub mod generic;
pub mod http;
mod phone;
pub mod script;
pub mod smtp;
mod strict;
pub mod webhook;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ring::rsa::KeyPair;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

pub use fault::Fault;
pub use phone::Habit;
pub use webhook::Webhook;

/// Milliseconds since 1970, by the carrier's clock.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Sees a request that has come, before it is answered: `false` closes the connection in place of an answer.
pub type Arrival = dyn Fn(&Value) -> bool + Send + Sync;

/// Says what goes wrong with a request that has come, if something does.
pub type Trouble = dyn Fn() -> Option<Fault> + Send + Sync;

/// How often a wait looks at the carrier's clock, which may stand still or run fast.
const LOOK: Duration = Duration::from_millis(5);

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

/// The public half of a PKCS #8 key in PEM, as [`Account`] wants it.
pub fn public_key(private_key: &str) -> Option<Vec<u8>> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(private_key.as_bytes()).ok()?;
    Some(KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?.public().as_ref().to_vec())
}

/// A request as it came.
#[derive(Clone)]
pub struct Received {
    pub path: String,
    pub authorization: String,
    pub body: Value,
    /// The status that it got; 0 without, or not yet.
    pub status: u16,
    /// The answer with that status.
    pub answer: Value,
    /// On which connection, from 1.
    pub connection: usize,
    /// By the carrier's clock.
    pub at_ms: i64,
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
    state: Mutex<State>,
    /// Told of every change of `state` that somebody waits for.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    arrival: Option<Arc<Arrival>>,
    trouble: Option<Arc<Trouble>>,
    connections: usize,
    received: Vec<Received>,
    shown: Vec<Shown>,
    unread: Vec<phone::Message>,
    faults: VecDeque<Fault>,
    habits: HashMap<String, Habit>,
    /// The token that each `jti` came with.
    tokens: HashMap<String, String>,
    messages: usize,
    /// How many webhooks were signed.
    signed: usize,
    /// What waits for [`Carrier::release`].
    held: Option<Vec<Webhook>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, by the carrier's clock, for this time, or for something earlier.
    fn wait_until(&self, at_ms: i64, or: impl Fn() -> bool) {
        while (self.clock)() < at_ms && !or() {
            thread::sleep(LOOK);
        }
    }
}

impl Carrier {
    /// Listens on a free port until the process ends.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub fn start(account: Account, clock: Clock) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { account, clock, state: Mutex::default(), changed: Condvar::new() });
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = {
                    let mut state = served.state();
                    state.connections += 1;
                    state.connections
                };
                let shared = served.clone();
                thread::spawn(move || http::serve(&stream, &shared, connection));
            }
        });
        Ok(Self { port, shared })
    }

    /// Sees every request from now on.
    pub fn on_arrival(&self, arrival: impl Fn(&Value) -> bool + Send + Sync + 'static) {
        self.shared.state().arrival = Some(Arc::new(arrival));
    }

    /// What the phone does with messages to this address; without a habit it receives and does not read them.
    pub fn habit(&self, address: &str, habit: Habit) {
        self.shared.state().habits.insert(address.to_owned(), habit);
    }

    /// Faults of the next requests, in this order.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state().faults.extend(faults);
    }

    /// Asked, from now on, what the next request meets where no fault was given for it.
    pub fn trouble(&self, trouble: impl Fn() -> Option<Fault> + Send + Sync + 'static) {
        self.shared.state().trouble = Some(Arc::new(trouble));
    }

    /// The owner of this phone reads all messages on it, by channels that report it. Gives how many there were, when
    /// their webhooks were answered.
    pub fn read_now(&self, address: &str) -> usize {
        phone::read_now(&self.shared, address)
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.look(<[Received]>::to_vec)
    }

    /// A look at the requests so far; none is answered meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&[Received]) -> T) -> T {
        look(&self.shared.state().received)
    }

    /// Waits until so many requests came, but not for ever. Gives all.
    pub fn wait_received(&self, count: usize, patience: Duration) -> Vec<Received> {
        self.wait(patience, |state| state.received.len() >= count).received.clone()
    }

    /// All messages on the phones.
    pub fn shown(&self) -> Vec<Shown> {
        self.shared.state().shown.clone()
    }

    /// Waits until so many messages are on the phones, but not for ever. Gives all.
    pub fn wait_shown(&self, count: usize, patience: Duration) -> Vec<Shown> {
        self.wait(patience, |state| state.shown.len() >= count).shown.clone()
    }

    fn wait(&self, patience: Duration, holds: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), patience, |state| !holds(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// How many different signed tokens came.
    pub fn tokens(&self) -> usize {
        self.shared.state().tokens.len()
    }

    /// The `Authorization` of a genuine webhook with this body.
    pub fn sign(&self, body: &[u8]) -> String {
        webhook::authorization(&self.shared, body)
    }

    /// Keeps webhooks back from now on.
    pub fn hold(&self) {
        self.shared.state().held.get_or_insert_default();
    }

    /// How many webhooks are kept back, once there are so many; it does not wait for them for ever.
    pub fn wait_held(&self, count: usize, patience: Duration) -> usize {
        let held = |state: &State| state.held.as_ref().map_or(0, Vec::len);
        held(&self.wait(patience, |state| held(state) >= count))
    }

    /// Posts what was kept back, one after the other, as this leaves it: late, in another order, more than once, or not
    /// at all. New webhooks go out at once again. Gives what the host answered; 0 where it did not.
    pub fn release(&self, arrange: impl FnOnce(&mut Vec<Webhook>)) -> Vec<u16> {
        let mut webhooks = self.shared.state().held.take().unwrap_or_default();
        arrange(&mut webhooks);
        webhooks.into_iter().map(|webhook| webhook::deliver(&self.shared, webhook)).collect()
    }
}
