//! `http`: any carrier, by a request that the configuration describes.

mod judge;
mod render;

use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::wire::{Http, HttpRequest, Method, basic, no_reply, not_taken, persist};
use super::{Answer, Message};
use crate::config::{HttpBody, HttpConfig, HttpMethod};
use crate::error::Result;
use crate::fork::{self, ForkAware};
use render::{Rendered, Values};

/// Stands for a reference where none is sent: as long as one.
const SAMPLE_REF: &str = "000000000000000000000000000000000000000000000000000000000000000000";

/// The language where none was asked for.
const DEFAULT_LOCALE: &str = "en";

/// The way to a carrier. Connections serve many requests, of any thread; after a fork both processes go on, each with
/// connections of its own.
pub struct HttpCarrier {
    config: Arc<HttpConfig>,
    http: Arc<Http>,
    authorization: Option<Zeroizing<String>>,
    timeout: Duration,
}

/// Checks that a message can be sent as it is configured, whenever that will be.
///
/// # Errors
///
/// `Argument` for a value that is missing, or too long, or cannot stand in its place.
pub fn check(config: &HttpConfig, message: &Message, locale: Option<&str>) -> Result<()> {
    render::render(config, &values(message, locale, SAMPLE_REF)).map(drop)
}

fn values<'a>(message: &'a Message, locale: Option<&'a str>, client_ref: &'a str) -> Values<'a> {
    let minutes = message.minutes.to_string();
    let digits = render::digits(&message.code);
    Values { message, locale: locale.unwrap_or(DEFAULT_LOCALE), client_ref, minutes, digits }
}

impl HttpCarrier {
    /// Makes the way; the network is not used yet. A message takes at most `timeout_ms` milliseconds.
    ///
    /// # Errors
    ///
    /// `Internal` where the system does not tell of forks.
    pub fn open(config: Arc<HttpConfig>, timeout_ms: u64) -> Result<Self> {
        let http = Http::new(&config.url.origin);
        Self::with(config, http, timeout_ms)
    }

    fn with(config: Arc<HttpConfig>, http: Http, timeout_ms: u64) -> Result<Self> {
        let http = Arc::new(http);
        let member: Arc<dyn ForkAware> = http.clone();
        fork::register(Arc::downgrade(&member))?;
        let basic = config.basic.as_ref().map(|(user, password)| basic(user, password));
        let bearer = || config.bearer.as_ref().map(|token| Zeroizing::new(format!("Bearer {}", **token)));
        let authorization = basic.or_else(bearer);
        Ok(Self { config, http, authorization, timeout: Duration::from_millis(timeout_ms) })
    }

    /// Sends a message. `may_leave` is asked once, when it would leave; if it may not, nothing of it does.
    pub fn send(
        &self,
        message: &Message,
        (locale, client_ref): (Option<&str>, &str),
        deadline: Instant,
        may_leave: &mut dyn FnMut() -> bool,
    ) -> Answer {
        let rendered = match render::render(&self.config, &values(message, locale, client_ref)) {
            Ok(rendered) => rendered,
            Err(error) => return not_taken(&error),
        };
        let deadline = deadline.min(Instant::now() + self.timeout);
        let headers = self.headers();
        let request = self.request(&rendered, &headers);
        let secrets = [message.code.as_str(), message.to.as_str()];
        persist(deadline, may_leave, &mut |may_leave| match self.http.send(&request, deadline, may_leave) {
            Ok(reply) => judge::judge(self.http.host(), &reply, &self.config, &secrets),
            Err(failed) => no_reply(self.http.host(), failed),
        })
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers: Vec<(&str, &str)> =
            self.config.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.extend(self.authorization.as_ref().map(|value| ("authorization", value.as_str())));
        let kind = match self.config.body {
            HttpBody::Json(_) => Some("application/json"),
            HttpBody::Form(_) => Some("application/x-www-form-urlencoded"),
            HttpBody::Query(_) => None,
        };
        let is_given = headers.iter().any(|(name, _)| *name == "content-type");
        headers.extend(kind.filter(|_| !is_given).map(|kind| ("content-type", kind)));
        headers
    }

    fn request<'a>(&self, rendered: &'a Rendered, headers: &'a [(&'a str, &'a str)]) -> HttpRequest<'a> {
        let method = match self.config.method {
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
            HttpMethod::Get => Method::GET,
        };
        HttpRequest { method, target: &rendered.target, headers, body: &rendered.body }
    }
}

#[cfg(test)]
mod tests;
