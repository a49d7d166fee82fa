//! Whether the service can do its work: creates and verifies a code, beside all that clients do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use otp::{Outcome, Service};
use tokio::sync::Mutex;

use crate::PATIENCE;

/// How long an answer holds: whoever asks often does not make codes as often.
const HOLDS: Duration = Duration::from_secs(1);

const TOKEN: &str = "ready";

/// A service of its own on the same repository.
#[derive(Clone)]
pub struct Readiness {
    probe: Arc<Service>,
    last: Arc<Mutex<Option<(Instant, bool)>>>,
    stopping: Arc<AtomicBool>,
}

impl Readiness {
    /// Opens it, with a configuration that hands codes over.
    pub fn open(config: &str) -> otp::Result<Self> {
        let (probe, _warnings) = Service::open(Some(config))?;
        Ok(Self { probe: Arc::new(probe), last: Arc::default(), stopping: Arc::default() })
    }

    /// No new work is taken any more.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether a code can be created and verified at this moment. However many ask, one thread waits for the disk: the
    /// others are left to the work of clients.
    pub async fn is_ready(&self) -> bool {
        if self.stopping.load(Ordering::Relaxed) {
            return false;
        }
        // In a task of its own, which is finished also when who asked has gone away.
        tokio::spawn(self.clone().looked_at()).await.unwrap_or(false)
    }

    async fn looked_at(self) -> bool {
        // Of a repository that hangs, nobody is told anything else.
        let Ok(mut last) = tokio::time::timeout(PATIENCE, self.last.lock()).await else { return false };
        match *last {
            Some((at, ready)) if at.elapsed() < HOLDS => ready,
            _ => {
                let probe = self.probe.clone();
                let ready = tokio::task::spawn_blocking(move || verifies_a_code(&probe).unwrap_or(false)).await;
                let ready = ready.unwrap_or(false);
                *last = Some((Instant::now(), ready));
                ready
            }
        }
    }
}

fn verifies_a_code(probe: &Service) -> otp::Result<bool> {
    let Some(message) = probe.create(TOKEN, None)?.message else { return Ok(false) };
    Ok(probe.verify(TOKEN, &message.code, None)?.outcome == Outcome::Ok)
}
