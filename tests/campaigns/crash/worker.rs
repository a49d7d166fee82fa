//! The process that is killed: threads that do one thing after the other, and say so.

use std::cell::RefCell;
use std::sync::Arc;

use otp::Service;

use super::model::{Op, Token};
use testing::Random;

const THREADS: usize = 3;
/// Operations on one token.
const OPERATIONS: usize = 15;

/// How far in the past the clock of the throwaway codes is.
const PAST_MS: i64 = 3 * 3600 * 1000;

thread_local! {
    static CODE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Writes a line in one piece, past the harness. It outlives the process.
fn say(line: &str) {
    let text = format!("{line}\n");
    // SAFETY: the bytes are those of `text`.
    let written = unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
    assert_eq!(written, text.len() as isize);
}

/// `role` is the round, a seed and the repository.
pub fn run(role: &str) {
    let mut words = role.splitn(3, '|');
    let mut next = || words.next().unwrap();
    let (round, seed, repository) = (next(), next().parse::<u64>().unwrap(), next());
    let service = super::open(repository, |token, code| {
        CODE.set(code.to_owned());
        say(&format!("sent|{token}|{code}"));
    });
    let throwaway = open_throwaway(repository);
    // A line of its own, whatever the harness has written before.
    say("\nready");
    let (service, throwaway) = (&service, &throwaway);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let mut random = Random::seeded(seed.wrapping_add(thread as u64));
            scope.spawn(move || {
                for number in 0.. {
                    let name = format!("{round} {thread} {number}");
                    let _ = throwaway.create(&name, Some("{}")).unwrap();
                    say(&format!("purged|{}", service.run_due().unwrap().purged));
                    live(service, &name, &mut random);
                }
            });
        }
    });
}

/// A service whose records are past retention for everybody else.
fn open_throwaway(repository: &str) -> Service {
    let options = serde_json::json!({"namespace": "throwaway", "validityTime": 1, "policy": {"retentionMinutes": 0}});
    let service = Service::open(Some(&testing::config(repository, "none", options))).unwrap().0;
    let past = || {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        wall.as_millis() as i64 - PAST_MS
    };
    service.on_clock(Some(Arc::new(past))).unwrap();
    service
}

/// The life of one token.
fn live(service: &Service, name: &str, random: &mut Random) {
    let mut token = Token::default();
    let request = super::request(name);
    for number in 0..OPERATIONS {
        use Op::{Cancel, Create, Resend, Right, Wrong};
        let often = [Create, Create, Create, Wrong, Wrong, Wrong, Right, Right, Right, Resend, Cancel];
        let op = if number == 0 { Op::Create } else { *random.pick(&often) };
        say(&format!("begin|{name}|{op:?}"));
        let newest = token.newest().cloned().unwrap_or_default();
        let outcome = match op {
            Op::Create => service.create(name, Some(&request)).map(|reply| reply.outcome),
            Op::Resend => service.resend(name).map(|reply| reply.outcome),
            Op::Right => service.verify(name, &newest, None).map(|reply| reply.outcome),
            Op::Wrong => service.verify(name, "wrong", None).map(|reply| reply.outcome),
            Op::Cancel => service.cancel(name).map(|reply| reply.outcome),
        };
        let outcome = outcome.unwrap_or_else(|error| panic!("{op:?}: {error}"));
        say(&format!("done|{name}|{op:?}|{}", outcome.name()));
        if op == Op::Create && outcome == otp::Outcome::Ok {
            token.created(CODE.take());
        } else {
            token.apply(op);
        }
    }
}
