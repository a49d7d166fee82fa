//! Services under load: configurations, items, and many threads.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use otp::{Outcome, Service};
use testing::place::{KEY, is_shared};

use crate::latency::Latencies;

/// Opens the database with sender `none`, every limit of the standard profile in force.
pub fn open(database: &Path, durability: &str) -> Service {
    open_with(&sqlite(database), durability, "none", 5)
}

pub fn open_with(repository: &str, durability: &str, sender: &str, minutes: u32) -> Service {
    let key = if is_shared(repository) { format!(r#""key": "{KEY}","#) } else { String::new() };
    // With Redis it is the server's own.
    let durability = if repository.starts_with("redis") { "engine" } else { durability };
    let config = format!(
        r#"{{"repository": "{repository}", {key} "sender": {{"type": "{sender}"}}, "durability": "{durability}",
            "validityTime": {minutes}, "policy": {{"countries": ["39"]}}}}"#
    );
    Service::open(Some(&config)).expect("a service").0
}

/// Opens it with codes that outlast the longest measurement.
pub fn open_long(repository: &str, durability: &str) -> Service {
    open_with(repository, durability, "none", 1440)
}

/// A database, as the configuration names it.
pub fn sqlite(database: &Path) -> String {
    format!("sqlite:{}", database.display())
}

pub fn token(item: usize) -> String {
    format!("session-{item:09}")
}

pub fn phone(item: usize) -> String {
    format!("393{item:09}")
}

/// Creates the code of an item, with one address.
pub fn create(service: &Service, item: usize) -> u32 {
    let request = format!(r#"{{"phoneNumber": "{}"}}"#, phone(item));
    let reply = service.create(&token(item), Some(&request)).expect("a create");
    assert_eq!(reply.outcome, Outcome::Ok);
    reply.message.map_or(0, |message| message.code.parse().expect("digits"))
}

pub fn verify(service: &Service, item: usize, code: u32, expected: Outcome) {
    let reply = service.verify(&token(item), &format!("{code:06}"), None).expect("a verify");
    assert_eq!(reply.outcome, expected, "item {item}");
}

/// A code that is not this one.
pub fn wrong(code: u32) -> u32 {
    (code + 1) % 1_000_000
}

/// Creates items without waiting for the disk, by several threads, and gives their codes.
pub fn fill(repository: &str, first: usize, count: usize) -> Vec<u32> {
    // A server takes what many threads have in few round trips.
    let threads = if is_shared(repository) { 32 } else { 4 };
    let service = open_long(repository, "process");
    let mut codes = vec![0; count];
    let share = count.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (part, codes) in codes.chunks_mut(share).enumerate() {
            let service = &service;
            scope.spawn(move || {
                for (place, code) in codes.iter_mut().enumerate() {
                    *code = create(service, first + part * share + place);
                }
            });
        }
    });
    codes
}

/// Work by many threads: how often a second, and how long each piece took.
pub struct Driven {
    pub rate: f64,
    pub latencies: Latencies,
}

/// Has these threads work: each takes the next of `count` pieces until the time is up.
pub fn drive(threads: usize, time: Duration, count: usize, work: impl Fn(usize) + Sync) -> Driven {
    let next = AtomicUsize::new(0);
    let start = Barrier::new(threads + 1);
    let mut begun = Instant::now();
    let mut latencies = Latencies::default();
    std::thread::scope(|scope| {
        let one = || {
            let mut latencies = Latencies::default();
            start.wait();
            let mut now = Instant::now();
            let end = now + time;
            while now < end {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= count {
                    break;
                }
                work(piece);
                let before = std::mem::replace(&mut now, Instant::now());
                latencies.add(now - before);
            }
            latencies
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        begun = Instant::now();
        start.wait();
        for worker in workers {
            latencies.join(&worker.join().expect("a worker that lives"));
        }
    });
    Driven { rate: latencies.number() as f64 / begun.elapsed().as_secs_f64(), latencies }
}

/// Microseconds of each of these pieces of work, one after the other.
pub fn microseconds(pieces: impl Iterator<Item = usize>, mut work: impl FnMut(usize)) -> Vec<f64> {
    pieces
        .map(|piece| {
            let begun = Instant::now();
            work(piece);
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect()
}

/// Different numbers below a power of ten, all over the range.
pub fn scattered(count: usize, below: usize) -> impl Iterator<Item = usize> {
    (0..count.min(below)).map(move |place| (place * 618_033_989 + below / 3) % below)
}
