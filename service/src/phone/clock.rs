//! The time that library, carriers and phone share, which runs as fast as the visitor wants.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

/// How fast time may run.
pub const SPEEDS: [u32; 4] = [1, 10, 30, 60];

/// So that the two minutes of a step take twelve seconds, and there is time to type a code.
const USUAL_SPEED: u32 = 10;

/// A time, and since when it runs on from there.
#[derive(Clone, Copy)]
struct Pace {
    from_ms: i64,
    since: Instant,
    speed: u32,
}

impl Pace {
    fn now_ms(&self) -> i64 {
        self.from_ms + i64::try_from((self.since.elapsed() * self.speed).as_millis()).unwrap_or(0)
    }
}

pub struct FastClock(Mutex<Pace>);

impl FastClock {
    /// Begins at the system's time.
    pub fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let from_ms = i64::try_from(since_1970.as_millis()).unwrap_or(0);
        Self(Mutex::new(Pace { from_ms, since: Instant::now(), speed: USUAL_SPEED }))
    }

    fn pace(&self) -> Pace {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.pace().now_ms()
    }

    pub fn speed(&self) -> u32 {
        self.pace().speed
    }

    /// Runs at this speed from now on, if it is one of [`SPEEDS`].
    pub fn run_at(&self, speed: u32) -> bool {
        let is_known = SPEEDS.contains(&speed);
        if is_known {
            self.go_on(|pace| pace.speed = speed);
        }
        is_known
    }

    /// Goes forward at once.
    pub fn skip(&self, ms: i64) {
        self.go_on(|pace| pace.from_ms += ms);
    }

    fn go_on(&self, change: impl FnOnce(&mut Pace)) {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *pace = Pace { from_ms: pace.now_ms(), since: Instant::now(), ..*pace };
        change(&mut pace);
    }
}
