//! `smtp`: mails to a server that takes them, each by a dialogue of its own.
//!
//! The dialogue is written here and not left to a crate for two reasons: all of it must end by one deadline, and when it
//! ends early, it decides whether a message may have been taken.

mod dialogue;
mod encode;
mod failure;
mod letter;
mod reply;
mod session;
mod stream;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};

use super::wire::{Again, not_taken, persist};
use super::{Answer, Message, SendFailure};
use crate::config::{SmtpConfig, SmtpTls};
use crate::email::{self, Email};
use crate::error::Result;
use crate::fork::{self, ForkAware, lock};
use crate::names::{self, LookUp, Names};
use failure::Failure;
use letter::Letter;
use session::{Handed, Session};

/// Most sessions that are kept between messages. Servers allow a client a few.
const MAX_IDLE: usize = 8;

/// How long an idle session is used again.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

/// The shortest part before the `@` that no text of a server may repeat: a shorter one stands in many words.
const LEAST_LOCAL_PART: usize = 4;

/// The way to a server. Sessions serve many messages, of any thread; after a fork both processes go on, each with
/// sessions of its own.
pub struct MailSender {
    server: Arc<Server>,
    timeout: Duration,
}

/// Checks that a message can be sent, whenever that will be.
///
/// # Errors
///
/// `Argument` for an address that is none; `Random`.
pub fn check(message: &Message) -> Result<()> {
    Letter::write(message).map(drop)
}

struct Server {
    config: SmtpConfig,
    /// The host and port, as errors name them.
    host: String,
    roots: Arc<RootCertStore>,
    look_up: LookUp,
    /// Behind the locks of these may be anything at a fork: a child never touches what it inherited.
    means: Mutex<Option<Means>>,
}

/// What a process makes of its own.
struct Means {
    tls: Arc<ClientConfig>,
    names: Arc<Names>,
    /// Sessions that wait for a message, the newest last.
    idle: Vec<Session>,
}

impl MailSender {
    /// Makes the way; the network is not used yet. A message takes at most `timeout_ms` milliseconds. The server's
    /// certificate is checked against the roots that browsers trust.
    ///
    /// # Errors
    ///
    /// `Internal` where the system does not tell of forks.
    pub fn open(config: SmtpConfig, timeout_ms: u64) -> Result<Self> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::with(config, roots, names::look_up, timeout_ms)
    }

    /// The same with other roots and another look-up of names.
    fn with(config: SmtpConfig, roots: RootCertStore, look_up: LookUp, timeout_ms: u64) -> Result<Self> {
        let host = if config.host.contains(':') { format!("[{}]", config.host) } else { config.host.clone() };
        let host = format!("{host}:{}", config.port);
        let server = Arc::new(Server { config, host, roots: Arc::new(roots), look_up, means: Mutex::default() });
        let member: Arc<dyn ForkAware> = server.clone();
        fork::register(Arc::downgrade(&member))?;
        Ok(Self { server, timeout: Duration::from_millis(timeout_ms) })
    }

    /// Sends a message. `may_leave` is asked once, when it would leave; if it may not, nothing of it does.
    pub fn send(&self, message: &Message, deadline: Instant, may_leave: &mut dyn FnMut() -> bool) -> Answer {
        let letter = match Letter::write(message) {
            Ok(letter) => letter,
            Err(error) => return not_taken(&error),
        };
        let deadline = deadline.min(Instant::now() + self.timeout);
        let (counted, local_part) = (email::counted(&message.to), local_part(&message.to));
        let mut secrets = vec![message.code.as_str(), message.to.as_str(), counted.as_str()];
        secrets.extend(local_part.as_deref());
        persist(deadline, may_leave, &mut |may_leave| {
            let handed = self.server.attempt(&letter, deadline, may_leave).unwrap_or_else(Handed::NotTaken);
            handed.judge(&letter, &self.server.host, &secrets)
        })
    }
}

fn local_part(address: &str) -> Option<String> {
    Email::parse(address).ok().map(|email| email.local_part).filter(|part| part.len() >= LEAST_LOCAL_PART)
}

impl Handed {
    /// What it says about the message, and whether another try may help.
    fn judge(self, letter: &Letter, host: &str, secrets: &[&str]) -> (Answer, Again) {
        match self {
            Handed::Taken => (Answer::Accepted { uuid: letter.reported_id() }, Again::Never),
            Handed::CalledOff => (Answer::called_off(), Again::Never),
            Handed::NotTaken(failure) => failure.not_taken(host, secrets),
            // The same mail would be judged in the same way.
            Handed::Rejected(failure) => (Answer::NotTaken(failure.told(host, secrets)), Again::Never),
            Handed::Refused(failure) => (Answer::Refused(failure.told(host, secrets)), Again::Never),
            Handed::InDoubt(failure) => {
                let failure = failure.told(host, secrets);
                (Answer::InDoubt(SendFailure { message_id: letter.reported_id(), ..failure }), Again::Never)
            }
        }
    }

    /// Whether the session can serve another message. After a no, nobody knows what else is on its way.
    fn leaves_session(&self) -> bool {
        matches!(self, Handed::Taken | Handed::CalledOff)
    }

    /// Whether the server refused before it had the message.
    fn is_refused_early(&self) -> bool {
        matches!(self, Handed::NotTaken(_) | Handed::Refused(_))
    }
}

impl Server {
    /// One try, by a session that was idle or by a new one.
    fn attempt(
        &self,
        letter: &Letter,
        deadline: Instant,
        may_leave: &mut dyn FnMut() -> bool,
    ) -> std::result::Result<Handed, Failure> {
        if let Some(session) = self.idle_session(deadline)? {
            let handed = self.hand(session, letter, may_leave);
            // What came on a connection that was idle may have been about something else.
            if !handed.is_refused_early() {
                return Ok(handed);
            }
        }
        let session = self.new_session(deadline)?;
        Ok(self.hand(session, letter, may_leave))
    }

    fn hand(&self, mut session: Session, letter: &Letter, may_leave: &mut dyn FnMut() -> bool) -> Handed {
        let handed = session.hand(letter, may_leave);
        if handed.leaves_session() {
            // That none can be kept says nothing about the message.
            let _ = self.keep(session);
        }
        handed
    }

    /// A session that was idle and is alive. Where one is dead, so are those that waited longer.
    fn idle_session(&self, deadline: Instant) -> std::result::Result<Option<Session>, Failure> {
        let (newest, expired) = self.with_means(|means| {
            let is_young = |session: &Session| session.used.elapsed() < MAX_IDLE_AGE;
            let first = means.idle.iter().position(is_young).unwrap_or(means.idle.len());
            let expired: Vec<_> = means.idle.drain(..first).collect();
            (means.idle.pop(), expired)
        })?;
        expired.into_iter().for_each(Session::part);
        let Some(mut session) = newest else { return Ok(None) };
        if session.revives(deadline) {
            return Ok(Some(session));
        }
        drop(self.with_means(|means| std::mem::take(&mut means.idle))?);
        Ok(None)
    }

    fn new_session(&self, deadline: Instant) -> std::result::Result<Session, Failure> {
        let (tls, names) = self.with_means(|means| (means.tls.clone(), means.names.clone()))?;
        let SmtpConfig { host, port, tls: kind, .. } = &self.config;
        let left = deadline.saturating_duration_since(Instant::now());
        let mut addresses = names.find(host, *port, left).map_err(|cause| Failure::unfit("connect", &cause))?;
        let is_found = !addresses.is_empty();
        // Without TLS nothing may leave the machine, whatever the system says that localhost is.
        addresses.retain(|address| *kind != SmtpTls::None || address.ip().is_loopback());
        if addresses.is_empty() {
            let cause = if is_found { "not this machine, and tls none is for it alone" } else { "host not found" };
            return Err(Failure::unfit("connect", cause));
        }
        Session::open(&self.config, &tls, &addresses, deadline)
    }

    fn keep(&self, mut session: Session) -> std::result::Result<(), Failure> {
        session.used = Instant::now();
        let oldest = self.with_means(|means| {
            means.idle.push(session);
            (means.idle.len() > MAX_IDLE).then(|| means.idle.remove(0))
        })?;
        oldest.into_iter().for_each(Session::part);
        Ok(())
    }

    /// A look at what this process has; nobody waits in it.
    fn with_means<T>(&self, look: impl FnOnce(&mut Means) -> T) -> std::result::Result<T, Failure> {
        fork::shared(|| {
            let mut means = lock(&self.means);
            let means = match &mut *means {
                Some(means) => means,
                None => means.insert(self.new_means()?),
            };
            Ok(look(means))
        })
    }

    fn new_means(&self) -> std::result::Result<Means, Failure> {
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|cause| Failure::unfit("TLS", &cause.to_string()))?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        Ok(Means { tls: Arc::new(tls), names: Arc::new(Names::new(self.look_up)), idle: Vec::new() })
    }
}

impl ForkAware for Server {
    fn before_fork(&self) {}

    /// Lets go of the sessions, without a word to the server: they belong to the parent.
    fn in_child(&self) {
        let Some(Means { tls, names, idle }) = lock(&self.means).take() else { return };
        std::mem::forget((tls, names));
        drop(idle);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let means = if fork::check().is_ok() { lock(&self.means).take() } else { None };
        means.into_iter().flat_map(|means| means.idle).for_each(Session::part);
    }
}

#[cfg(test)]
mod tests;
