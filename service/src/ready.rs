//! Whether the service can do its work: creates and verifies a code, beside all that clients do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use otp::{Outcome, Service};

/// How long an answer holds: whoever asks often does not make codes as often.
const HOLDS: Duration = Duration::from_secs(1);

const TOKEN: &str = "ready";

/// A service of its own on the same repository.
pub struct Readiness {
    probe: Service,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    /// Opens it, with a configuration that hands codes over.
    pub fn open(config: &str) -> otp::Result<Arc<Self>> {
        let (probe, _warnings) = Service::open(Some(config))?;
        Ok(Arc::new(Self { probe, last: Mutex::default() }))
    }

    /// Whether a code can be created and verified at this moment. Waits for the disk.
    pub fn is_ready(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, ready)) if at.elapsed() < HOLDS => ready,
            _ => {
                let ready = self.try_a_code().unwrap_or(false);
                *last = Some((Instant::now(), ready));
                ready
            }
        }
    }

    fn try_a_code(&self) -> otp::Result<bool> {
        let Some(message) = self.probe.create(TOKEN, None)?.message else { return Ok(false) };
        Ok(self.probe.verify(TOKEN, &message.code, None)?.outcome == Outcome::Ok)
    }
}
