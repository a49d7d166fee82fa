//! The carrier Vonage: a message, or a whole workflow of messages, for one POST.
//!
//! What the carrier says is judged by one table (`errors`). A request is repeated only where the message was
//! certainly not taken, and never beyond the one deadline.

mod auth;
mod dispatch;
mod errors;
mod messages;

use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::Answer;
use super::wire::{Again, Http, HttpRequest, Method, no_reply, not_taken, persist};
use crate::clock::Time;
use crate::config::{CarrierConfig, Condition};
use crate::error::{Error, Result};
use crate::fork::{self, ForkAware};
use auth::Authorization;

/// Where a request goes.
struct Endpoint {
    path: &'static str,
    /// The member of the answer with the identifier of what was taken.
    uuid_member: &'static str,
}

const DISPATCH: Endpoint = Endpoint { path: "/v0.1/dispatch", uuid_member: "dispatch_uuid" };

const MESSAGES: Endpoint = Endpoint { path: "/v1/messages", uuid_member: "message_uuid" };

/// A request to the carrier.
struct Post<'a> {
    endpoint: &'static Endpoint,
    body: Result<Zeroizing<Vec<u8>>>,
    /// What no error may repeat.
    secrets: Vec<&'a str>,
    now: Time,
    deadline: Instant,
}

/// A message on one channel. It holds the code and has no `Debug`.
pub struct Leg<'a> {
    /// `messenger`, `sms`, `whatsapp`, `viber_service` or `rcs`.
    pub channel: &'a str,
    /// The sender's address.
    pub from: &'a str,
    /// The recipient's address.
    pub to: &'a str,
    /// The text, code included.
    pub text: &'a str,
    /// The code, for templates that the carrier keeps.
    pub code: &'a str,
    /// The language of such a template; `en` without one.
    pub locale: Option<&'a str>,
    /// The name of an approved WhatsApp template, which is sent in place of the text.
    pub template: Option<&'a str>,
    /// With Dispatch: how long `condition` is waited for, in seconds; not for the last leg.
    pub expiry_seconds: u32,
    /// With Dispatch: what ends the workflow with this leg.
    pub condition: Condition,
}

/// The way to the carrier. Connections and the signed token serve many requests, of any thread; after a fork both
/// processes go on, each with connections of its own.
pub struct Carrier {
    access: Arc<Access>,
    timeout: Duration,
}

struct Access {
    authorization: Authorization,
    http: Http,
}

impl ForkAware for Access {
    fn before_fork(&self) {}

    fn in_child(&self) {
        self.authorization.in_child();
        self.http.in_child();
    }
}

impl Carrier {
    /// Reads the private key; the network is not used yet. A request takes at most `timeout_ms` milliseconds.
    ///
    /// # Errors
    ///
    /// `Config` when the key cannot be read or used.
    pub fn open(config: &CarrierConfig, timeout_ms: u64) -> Result<Self> {
        Self::with(&config.auth, Http::new(&config.base_url), timeout_ms)
    }

    fn with(auth: &crate::config::Auth, http: Http, timeout_ms: u64) -> Result<Self> {
        let access = Arc::new(Access { authorization: Authorization::new(auth)?, http });
        let member: Arc<dyn ForkAware> = access.clone();
        fork::register(Arc::downgrade(&member))?;
        Ok(Self { access, timeout: Duration::from_millis(timeout_ms) })
    }

    /// Asks the carrier to run a workflow: it sends the next leg when the condition of one is not met in time. At least one leg.
    pub fn dispatch(&self, legs: &[Leg<'_>], now: Time, deadline: Instant) -> Answer {
        let (endpoint, body, secrets) = (&DISPATCH, dispatch::body(legs), secrets(legs));
        self.send(&Post { endpoint, body, secrets, now, deadline }, &mut || true)
    }

    /// Sends a message. `client_ref` comes back with every status of it: 1 to 100 characters, opaque. `may_leave` is
    /// asked once, when the first byte of the message would leave; if it may not, none does.
    pub fn message(
        &self,
        leg: &Leg<'_>,
        client_ref: &str,
        now: Time,
        deadline: Instant,
        may_leave: &mut dyn FnMut() -> bool,
    ) -> Answer {
        let (endpoint, body) = (&MESSAGES, messages::body(leg, client_ref));
        let secrets = secrets(std::slice::from_ref(leg));
        self.send(&Post { endpoint, body, secrets, now, deadline }, may_leave)
    }

    fn send(&self, post: &Post<'_>, may_leave: &mut dyn FnMut() -> bool) -> Answer {
        let body = match &post.body {
            Ok(body) => body,
            Err(error) => return not_taken(error),
        };
        let begun = Instant::now();
        let deadline = post.deadline.min(begun + self.timeout);
        let Access { authorization, http } = &*self.access;
        persist(deadline, may_leave, &mut |may_leave| {
            let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let authorization = match authorization.header(post.now.plus(elapsed)) {
                Ok(authorization) => authorization,
                Err(error) => return (not_taken(&error), Again::Never),
            };
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            let request = HttpRequest { method: Method::POST, target: post.endpoint.path, headers: &headers, body };
            match http.send(&request, deadline, may_leave) {
                Ok(reply) => errors::judge(http.host(), &reply, post.endpoint.uuid_member, &post.secrets),
                Err(failed) => no_reply(http.host(), failed),
            }
        })
    }
}

/// What no error may repeat.
fn secrets<'a>(legs: &[Leg<'a>]) -> Vec<&'a str> {
    legs.iter().flat_map(|leg| [leg.code, leg.to]).collect()
}

/// A body as JSON, written into room for all of it: a buffer that grew would leave copies behind.
fn to_json(body: &impl serde::Serialize, legs: &[Leg<'_>]) -> Result<Zeroizing<Vec<u8>>> {
    // A byte of text takes at most six in JSON (`\u0000`).
    let room: usize = legs.iter().map(|leg| 1024 + 6 * (leg.text.len() + leg.from.len() + leg.to.len())).sum();
    let mut json = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *json, body).map_err(|cause| Error::internal(format!("cannot write JSON: {cause}")))?;
    Ok(json)
}

/// The language of a template, with this separator between language and country.
fn language(leg: &Leg<'_>, separator: &str) -> String {
    leg.locale.unwrap_or("en").replace(['-', '_'], separator)
}

#[cfg(test)]
mod tests;
