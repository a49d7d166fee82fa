//! The client against a carrier that does everything wrong.

mod certificates;
mod client;
mod connections;
mod faults;

use std::time::{Duration, Instant};

use simulator::script;

use super::{Answer, Carrier};
use crate::clock::Time;
use crate::sender::SendFailure;
use client::SMS;

/// Time enough for everything that ends by itself.
const AMPLE: Duration = Duration::from_secs(20);

/// Time for what ends by its deadline.
const SHORT: Duration = Duration::from_millis(1500);

/// What came of a message, and how long it took: never much longer than it may.
fn send(carrier: &Carrier, time: Duration) -> (Answer, Duration) {
    let begun = Instant::now();
    let answer = carrier.message(&SMS, "ref-1", Time::from_ms(1_795_421_903_000), begun + time, &mut || true);
    let taken = begun.elapsed();
    assert!(taken < time + Duration::from_secs(2), "took {taken:?} of {time:?}");
    (answer, taken)
}

/// The kind of an answer and the failure in it.
fn parts(answer: Answer) -> (&'static str, SendFailure) {
    match answer {
        Answer::Accepted { uuid } => {
            assert_eq!(uuid.as_deref(), Some(script::UUID));
            ("accepted", SendFailure::default())
        }
        Answer::NotTaken(failure) => ("not taken", failure),
        Answer::InDoubt(failure) => ("in doubt", failure),
        Answer::Refused(failure) => ("refused", failure),
    }
}

/// Checks that a failure is told in one line, by the host, and without what is secret.
fn check_told(failure: &SendFailure, host: &str) {
    let told = format!("{failure:?}");
    assert!(failure.detail.starts_with(host), "{told}");
    for secret in ["63731", "393331234567", "secret", "v1/messages", "\\n"] {
        assert!(!told.contains(secret), "{told}");
    }
}
