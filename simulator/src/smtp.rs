//! An inbox on loopback that takes mail by SMTP, and is strict about it: whatever RFC 5321, 2045, 2047, 5322 and 6531
//! do not allow is refused and complained of. It keeps what came, read as a mail program reads it.

mod conversation;
mod decode;
mod fault;
mod mail;
mod wire;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;

pub use fault::{Act, MailFault, Stage};
pub use mail::Mail;

/// How long the inbox waits for a client that says nothing: no thread of a test that failed is to wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the way to the inbox is secured.
#[derive(Clone, Default)]
pub enum Security {
    /// Not at all.
    #[default]
    Plain,
    /// By STARTTLS, without which nothing is taken.
    StartTls(Arc<ServerConfig>),
    /// By TLS from the first byte.
    Implicit(Arc<ServerConfig>),
}

/// What an inbox is like.
#[derive(Clone)]
pub struct Setup {
    pub security: Security,
    /// Name and password without which nothing is taken.
    pub account: Option<(String, String)>,
    /// The ways of telling them, as EHLO offers them.
    pub mechanisms: &'static str,
    /// Whether addresses may have letters outside ASCII.
    pub utf8: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { security: Security::Plain, account: None, mechanisms: "PLAIN LOGIN", utf8: true }
    }
}

/// Says what goes wrong with a mail that begins, if something does.
type Trouble = dyn Fn() -> Option<MailFault> + Send + Sync;

/// Is told of a mail that came.
type Arrival = dyn Fn(&Mail) + Send + Sync;

#[derive(Default)]
struct State {
    connections: usize,
    mails: Vec<Mail>,
    complaints: Vec<String>,
    /// By connection: each takes the next.
    faults: VecDeque<Option<MailFault>>,
    commands: Vec<String>,
    trouble: Option<Arc<Trouble>>,
    arrival: Option<Arc<Arrival>>,
}

struct Shared {
    setup: Setup,
    state: Mutex<State>,
    /// Told of every mail.
    came: Condvar,
    is_over: AtomicBool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complain(&self, what: &str) {
        self.state().complaints.push(what.to_owned());
    }
}

/// Takes mail until it is dropped.
pub struct Inbox {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Inbox {
    /// Listens on a free port.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub fn start(setup: Setup) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (state, came, is_over) = (Mutex::default(), Condvar::new(), AtomicBool::new(false));
        let shared = Arc::new(Shared { setup, state, came, is_over });
        let served = shared.clone();
        thread::spawn(move || {
            for socket in listener.incoming().take_while(|_| !served.is_over.load(Ordering::SeqCst)).flatten() {
                let shared = served.clone();
                let (number, fault) = {
                    let mut state = shared.state();
                    state.connections += 1;
                    (state.connections, state.faults.pop_front().flatten())
                };
                thread::spawn(move || conversation::serve(socket, &shared, number, fault));
            }
        });
        Ok(Self { port, shared })
    }

    /// All mails whose final dot came.
    pub fn messages(&self) -> Vec<Mail> {
        self.shared.state().mails.clone()
    }

    /// The mails since the last time.
    pub fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut self.shared.state().mails)
    }

    /// Waits until so many mails came, but not for ever. Gives all.
    pub fn wait(&self, count: usize, patience: Duration) -> Vec<Mail> {
        let few = |state: &mut State| state.mails.len() < count;
        let waited = self.shared.came.wait_timeout_while(self.shared.state(), patience, few);
        waited.unwrap_or_else(PoisonError::into_inner).0.mails.clone()
    }

    /// What the next connections meet, in this order; `None`: nothing.
    pub fn faults(&self, faults: impl IntoIterator<Item = Option<MailFault>>) {
        self.shared.state().faults.extend(faults);
    }

    /// Asked, from now on, what goes wrong with a mail that begins; a connection takes several.
    pub fn trouble(&self, trouble: impl Fn() -> Option<MailFault> + Send + Sync + 'static) {
        self.shared.state().trouble = Some(Arc::new(trouble));
    }

    /// Told, from now on, of every mail, before it is answered. Mails are not kept besides.
    pub fn on_mail(&self, arrival: impl Fn(&Mail) + Send + Sync + 'static) {
        self.shared.state().arrival = Some(Arc::new(arrival));
    }

    /// What clients did that they may not.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.state().complaints.clone()
    }

    /// The first word of every command so far.
    pub fn commands(&self) -> Vec<String> {
        self.shared.state().commands.clone()
    }

    /// How many connections came.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }
}
