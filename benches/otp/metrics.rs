//! What it costs to be asked for metrics: verifies, with somebody who reads them and without.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use otp::{Outcome, Service};

use crate::Size;
use crate::load::open_with;
use crate::table::{Row, Samples, Table, Target, number};

/// Measurements with and without, one after the other.
const PAIRS: usize = 20;

/// How often they are read.
const PAUSE: Duration = Duration::from_millis(10);

pub fn measure(table: &mut Table, size: Size) {
    let service = open_with("memory:", "full", "none", 5);
    let (mut alone, mut read) = (Samples::default(), Samples::default());
    for pair in 0..PAIRS {
        // What comes first may find the processor in another state.
        let order = if pair % 2 == 0 { [false, true] } else { [true, false] };
        for is_read in order {
            let samples = if is_read { &mut read } else { &mut alone };
            samples.push(nanoseconds(&service, size.counted, is_read));
        }
    }
    table.heading("Metrics: verify of an unknown token, memory:, 1 thread, 20 pairs");
    table.value("nobody reads metrics", &alone, "ns", Target::None);
    let ratio = read.over(&alone);
    let row = Row::new("read every 10 ms", &read, "ns").over(&ratio, "times", "metrics/nobody reads metrics");
    table.row(&row.target(Target::AtMost(1.05)));
    table.note(&format!("each of the {} measurements is {} verifies", 2 * PAIRS, number(size.counted as f64)));
}

/// What a verify takes.
fn nanoseconds(service: &Service, calls: usize, is_read: bool) -> f64 {
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        if is_read {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    assert!(!service.metrics().expect("metrics").store.is_empty());
                    thread::sleep(PAUSE);
                }
            });
        }
        let begun = Instant::now();
        for _ in 0..calls {
            let reply = service.verify("nobody", "123456", None).expect("a verify");
            assert_eq!(reply.outcome, Outcome::NotValid);
        }
        let took = begun.elapsed();
        ends.store(true, Ordering::Relaxed);
        took.as_secs_f64() * 1e9 / calls as f64
    })
}
