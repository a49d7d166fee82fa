//! The carrier of the measurements: a server on loopback that takes every message at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use simulator::script::{self, Peer, Request};

#[derive(Default)]
struct Shared {
    messages: AtomicU64,
    /// Different values of `Authorization` that connections began with or changed to, since last asked.
    credentials: Mutex<HashSet<String>>,
    /// The first request.
    first: Mutex<Option<Request>>,
}

/// Serves each connection, which is kept alive, by a thread of its own, until it is dropped.
pub struct Server {
    server: script::Server,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        Self { server: script::serve(move |peer, _| take_all(peer, &served)), shared }
    }

    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// How many different credentials came since this was last asked.
    pub fn take_credentials(&self) -> usize {
        std::mem::take(&mut *self.shared.credentials.lock().expect("no server thread panicked")).len()
    }

    /// The first request of all.
    pub fn first(&self) -> Request {
        self.shared.first.lock().expect("no server thread panicked").clone().expect("a request came")
    }
}

/// Answers one request after the other, each with an identifier of the message that no other has.
fn take_all(peer: &mut Peer, shared: &Shared) {
    let mut credentials = String::new();
    while let Some(request) = peer.request() {
        let authorization = request.header("authorization").unwrap_or_default();
        if authorization != credentials {
            credentials = authorization.to_owned();
            shared.credentials.lock().expect("no server thread panicked").insert(credentials.clone());
        }
        let number = shared.messages.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            *shared.first.lock().expect("no server thread panicked") = Some(request);
        }
        let body = format!(r#"{{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-{number:012x}"}}"#);
        if !peer.answer("202 Accepted", "content-type: application/json\r\n", body) {
            return;
        }
    }
}
