//! The rules through the service, on every repository, with the host's clock.

mod after;
mod answers;
mod bounds;
mod claims;
mod events;
mod faulty;
mod flow;
mod hosts;
mod metrics;
mod people;
mod references;
mod senders;
mod twice;
mod watched;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::record::{Locked, Record};
use crate::reply::{CreateReply, RequestState};
use crate::repository::{Transaction, transact};

const T0: i64 = 1_700_000_000_000;

/// A service over memory whose messages come back in the reply and whose clock stands still. Every operation runs twice.
struct Fixture {
    service: Service,
    clock: Arc<AtomicI64>,
}

impl Fixture {
    fn new(options: &str) -> Self {
        Self::with(r#"{"type":"none"}"#, options)
    }

    fn with(sender: &str, options: &str) -> Self {
        Self::of(&format!(r#""sender":{sender}{options}"#))
    }

    /// With these members of a configuration.
    fn of(options: &str) -> Self {
        let config = format!(r#"{{"repository":"memory:",{options}}}"#);
        let mut service = Service::open(Some(&config)).unwrap().0;
        hosts::share_rows_if_asked(&mut service);
        twice::run_twice(&mut service);
        let clock = Arc::new(AtomicI64::new(T0));
        let time = clock.clone();
        service.on_clock(Some(Arc::new(move || time.load(Ordering::Relaxed)))).unwrap();
        Self { service, clock }
    }

    fn later(&self, ms: i64) -> &Self {
        self.clock.fetch_add(ms, Ordering::Relaxed);
        self
    }

    fn create(&self, token: &str, request: &str) -> String {
        let reply = self.service.create(token, Some(request)).unwrap();
        assert_eq!(reply.outcome, Outcome::Ok);
        reply.message.unwrap().code.to_string()
    }

    fn verify(&self, token: &str, code: &str) -> Outcome {
        self.service.verify(token, code, None).unwrap().outcome
    }

    fn wrong(code: &str) -> String {
        code.chars().map(|digit| if digit == '9' { '0' } else { '9' }).collect()
    }
}

#[test]
fn a_code_is_good_once() {
    let fixture = Fixture::new("");
    let code = fixture.create("t", r#"{"phoneNumber":"393331234567"}"#);
    assert_eq!(code.len(), 6);
    assert_eq!(fixture.verify("t", &Fixture::wrong(&code)), Outcome::NotValid);
    assert_eq!(fixture.verify("t", &code), Outcome::Ok);
    assert_eq!(fixture.verify("t", &code), Outcome::Checked);
    assert_eq!(fixture.verify("u", &code), Outcome::NotValid);
    let status = fixture.service.status("t").unwrap().status.unwrap();
    assert_eq!(status.state, RequestState::Checked);
}

#[test]
fn a_code_ends_at_its_expiry() {
    let fixture = Fixture::new("");
    let code = fixture.create("t", r#"{"phoneNumber":"393331234567"}"#);
    assert_eq!(fixture.later(300_000).verify("t", &code), Outcome::Expired);
    assert_eq!(fixture.later(-300_000).verify("t", &code), Outcome::Expired);
}
