//! The host's side of webhooks: an HTTP endpoint that hands them to the service.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};

use otp::{Service, WebhookReply};

use super::until;
use testing::carrier::simulator::http;

/// A webhook that came: when, and what was answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    pub at_ms: i64,
    pub status: u16,
    pub known: Option<bool>,
}

struct Endpoint {
    service: OnceLock<Arc<Service>>,
    clock: Arc<AtomicI64>,
    down: AtomicUsize,
    heard: Mutex<Vec<Heard>>,
}

/// Listens until the process ends.
pub struct Host {
    pub port: u16,
    endpoint: Arc<Endpoint>,
}

impl Host {
    pub fn start(clock: Arc<AtomicI64>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (service, down, heard) = (OnceLock::new(), AtomicUsize::new(0), Mutex::default());
        let endpoint = Arc::new(Endpoint { service, clock, down, heard });
        let served = endpoint.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || served.answer(&stream));
            }
        });
        Self { port, endpoint }
    }

    /// Whom the webhooks go to.
    pub fn serve(&self, service: Arc<Service>) {
        assert!(self.endpoint.service.set(service).is_ok(), "it serves already");
    }

    /// Answers the next webhooks with 503 without looking at them.
    pub fn refuse(&self, count: usize) {
        self.endpoint.down.store(count, SeqCst);
    }

    /// What came so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.endpoint.heard.lock().unwrap().clone()
    }

    /// Waits until so many webhooks were answered, refused ones among them.
    pub fn wait(&self, count: usize) -> Vec<Heard> {
        until("webhooks do not come", || self.heard().len() >= count);
        self.heard()
    }
}

impl Endpoint {
    fn answer(&self, mut stream: &TcpStream) {
        let Some(request) = http::read(&mut BufReader::new(stream)) else { return };
        let at_ms = self.clock.load(SeqCst);
        let (status, known) = match self.down.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => (503, None),
            Err(_) => self.hand_over(&request),
        };
        self.heard.lock().unwrap().push(Heard { at_ms, status, known });
        let _ = write!(stream, "HTTP/1.1 {status} Answer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }

    fn hand_over(&self, request: &http::Request) -> (u16, Option<bool>) {
        let authorization = Some(request.authorization.as_str()).filter(|text| !text.is_empty());
        match self.service.wait().webhook(authorization, &request.body) {
            Ok(WebhookReply { known, .. }) => (200, known),
            Err(error) => (error.outcome().http_status(), None),
        }
    }
}
