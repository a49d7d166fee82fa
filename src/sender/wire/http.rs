//! Requests to a carrier: one request, one deadline, and the knowledge whether a message may have left.

mod connection;
mod resolver;

use std::io::{self, ErrorKind, Read as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use ureq::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use ureq::http::{HeaderValue, Method, Request, Response};
use ureq::unversioned::transport::TcpConnector;
use ureq::{Agent, Body, SendBody};

use super::is_passing;
use crate::error::{Error, Result};
use crate::fork::{self, ForkAware, lock};
use crate::names::{self, LookUp, Names};
use connection::HttpConnections;

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Room of a connection for each direction: the head of an answer and more.
const BUFFER_BYTES: usize = 2 * MAX_HEAD_BYTES;

/// HttpConnections that are kept between requests: one for each of so many threads.
const MAX_IDLE: usize = 64;

/// How long an idle connection is used again. A carrier that closes one just as a request goes out leaves it in
/// doubt, so this is below the shortest time-out that servers commonly have (5 s).
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

/// The longest wait that a carrier can ask for, in seconds: an hour.
const MAX_RETRY_AFTER: u64 = 3600;

/// A request.
pub struct HttpRequest<'a> {
    /// POST, PUT, or GET, which has no body.
    pub method: Method,
    /// What follows the host: path and query.
    pub target: &'a str,
    /// Names and values; the length of the body is added.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty where the head says all.
    pub body: &'a [u8],
}

/// An answer.
pub struct HttpReply {
    /// Its status.
    pub status: u16,
    /// How many seconds it asks to wait.
    pub retry_after: Option<u64>,
    /// The body, unless it was too long, or broke off.
    pub body: Option<Vec<u8>>,
}

/// Why there is no answer: one line, without a host.
pub enum NoReply {
    /// The body of the request certainly did not leave.
    Unsent {
        /// What happened.
        cause: String,
        /// Whether it may go well the next moment.
        is_passing: bool,
    },
    /// The request may have arrived.
    Lost {
        /// What happened.
        cause: String,
    },
}

/// The connections to a host. In a forked child they are left alone, and new ones made.
pub struct Http {
    base_url: String,
    roots: Arc<RootCertStore>,
    look_up: LookUp,
    /// Behind the agent's own locks may be anything at a fork: a child never touches what it inherited.
    agent: Mutex<Option<Agent>>,
}

impl Http {
    /// Requests to this URL and below. The certificates of the host are checked against the roots that browsers trust.
    pub fn new(base_url: &str) -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::with(base_url, roots, names::look_up)
    }

    /// The same with other roots and another look-up of names.
    pub fn with(base_url: &str, roots: RootCertStore, look_up: LookUp) -> Self {
        Self { base_url: base_url.to_owned(), roots: Arc::new(roots), look_up, agent: Mutex::default() }
    }

    /// The host and port, as errors name them.
    pub fn host(&self) -> &str {
        let (_, rest) = self.base_url.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    /// Makes a request and reads the answer, whatever its status. Asks `may_leave` once the message can go; if it may
    /// not, no byte of it does. A message is in the body, and asked for right before that; without a body it is in the
    /// head, and asked for before a connection is looked for.
    ///
    /// # Errors
    ///
    /// No answer: whether the request may have arrived.
    pub fn send(
        &self,
        request: &HttpRequest<'_>,
        deadline: Instant,
        may_leave: &mut dyn FnMut() -> bool,
    ) -> std::result::Result<HttpReply, NoReply> {
        let unsent = |error: &Error| NoReply::Unsent { cause: error.detail().to_owned(), is_passing: false };
        let called_off = || unsent(&Error::internal("it was called off"));
        let agent = self.agent().map_err(|error| unsent(&error))?;
        let mut body = Guarded { body: request.body, may_leave: Some(may_leave), is_held: false };
        let head = self.head(request).map_err(|error| unsent(&error))?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(unsent(&Error::internal("no time is left")));
        }
        let is_in_head = request.body.is_empty();
        if is_in_head && body.may_leave.take().is_some_and(|may_leave| !may_leave()) {
            return Err(called_off());
        }
        connection::begin();
        let answer = if request.method == Method::GET {
            let head = agent.configure_request(head).timeout_global(Some(left)).build();
            agent.run(head)
        } else {
            let whole = head.map(|()| SendBody::from_reader(&mut body));
            let whole = agent.configure_request(whole).timeout_global(Some(left)).build();
            agent.run(whole)
        };
        let is_certain = if is_in_head { !connection::has_sent() } else { body.may_leave.is_some() };
        match answer {
            _ if body.is_held => Err(called_off()),
            Ok(response) => Ok(read(response)),
            // Without the body, or without the head that is all, the carrier has no message to take.
            Err(error) if is_certain => {
                let is_passing = matches!(&error, ureq::Error::Io(cause) if is_passing(cause));
                Err(NoReply::Unsent { is_passing, cause: shown(&error) })
            }
            Err(error) => Err(NoReply::Lost { cause: shown(&error) }),
        }
    }

    fn head(&self, request: &HttpRequest<'_>) -> Result<Request<()>> {
        let uri = format!("{}{}", self.base_url, request.target);
        let mut head = Request::builder().method(&request.method).uri(uri);
        for (name, value) in request.headers {
            let mut value =
                HeaderValue::from_str(value).map_err(|_| Error::internal(format!("malformed header {name}")))?;
            value.set_sensitive(true);
            head = head.header(*name, value);
        }
        if request.method != Method::GET {
            head = head.header(CONTENT_LENGTH, request.body.len());
        }
        head.body(()).map_err(|_| Error::internal("malformed request"))
    }

    fn agent(&self) -> Result<Agent> {
        fork::shared(|| {
            let mut agent = lock(&self.agent);
            match &*agent {
                Some(agent) => Ok(agent.clone()),
                None => Ok(agent.insert(self.new_agent()?).clone()),
            }
        })
    }

    fn new_agent(&self) -> Result<Agent> {
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|cause| Error::internal(format!("cannot set TLS up: {cause}")))?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        let config = Agent::config_builder()
            .https_only(self.base_url.starts_with("https://"))
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("libotp/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .accept_encoding("identity")
            .max_response_header_size(MAX_HEAD_BYTES)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_idle_connections(MAX_IDLE)
            .max_idle_connections_per_host(MAX_IDLE)
            .max_idle_age(MAX_IDLE_AGE)
            .build();
        let connections = HttpConnections { tls: Arc::new(tls), tcp: TcpConnector::default() };
        Ok(Agent::with_parts(config, connections, Names::new(self.look_up)))
    }
}

impl ForkAware for Http {
    fn before_fork(&self) {}

    /// Forgets the connections, without closing them: they belong to the parent.
    fn in_child(&self) {
        std::mem::forget(lock(&self.agent).take());
    }
}

/// A body. ureq asks for it when the connection stands and the whole head has left, and not before.
struct Guarded<'a> {
    body: &'a [u8],
    /// Asked before the first byte.
    may_leave: Option<&'a mut dyn FnMut() -> bool>,
    is_held: bool,
}

impl io::Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_held = self.is_held || self.may_leave.take().is_some_and(|may_leave| !may_leave());
        if self.is_held { Err(ErrorKind::Other.into()) } else { self.body.read(buffer) }
    }
}

fn read(mut response: Response<Body>) -> HttpReply {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let limit = MAX_ANSWER_BYTES as u64 + 1;
    let mut body = Vec::new();
    let whole = response.body_mut().as_reader().take(limit).read_to_end(&mut body);
    HttpReply {
        status: response.status().as_u16(),
        retry_after: retry_after.map(|seconds: u64| seconds.min(MAX_RETRY_AFTER)),
        body: whole.is_ok_and(|length| length <= MAX_ANSWER_BYTES).then_some(body),
    }
}

fn shown(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "timed out".to_owned(),
        ureq::Error::Io(cause) => cause.to_string(),
        ureq::Error::Other(cause) => cause.to_string(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
