//! Guessing in parallel: never more guesses are looked at than the limits allow, by however many threads and processes.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use otp::{Locked, Outcome, Service};
use testing::crew::{Crew, Shared};
use testing::place::{Place, SERVERS};
use testing::{Folder, Watchdog};

const GUESSERS: usize = 64;
const PROCESSES: usize = 16;
/// Guesses of each.
const GUESSES: usize = 6;

const MAX_ATTEMPTS: u32 = 5;
const LOCK_AFTER: u32 = 8;
/// Tokens with one subject.
const TOKENS: usize = 6;

fn open(repository: &str) -> Service {
    let failures = serde_json::json!({"subjectFailures": {"lockAfter": LOCK_AFTER, "lockMinutes": 30}});
    let options = serde_json::json!({"maxAttempts": MAX_ATTEMPTS, "policy": failures});
    Service::open(Some(&testing::config(repository, "none", options))).unwrap().0
}

/// What is guessed at in a round: one code, or in turn several codes of one subject.
fn token(round: usize, number: usize) -> String {
    if is_of_subject(round) { format!("round {round} {}", number % TOKENS) } else { format!("round {round}") }
}

fn is_of_subject(round: usize) -> bool {
    round % 2 == 1
}

/// Codes by token.
fn create(service: &Service, round: usize) -> Vec<(String, String)> {
    let tokens = if is_of_subject(round) { TOKENS } else { 1 };
    let create = |number| {
        let request = format!(r#"{{"subject":"subject {round}"}}"#);
        let reply = service.create(&token(round, number), Some(&request)).unwrap();
        (token(round, number), reply.message.unwrap().code.to_string())
    };
    (0..tokens).map(create).collect()
}

/// How many guesses were answered how: looked at, locked, anything else.
#[derive(Default)]
struct Count([AtomicU32; 3]);

impl Count {
    fn answers(&self) -> [u32; 3] {
        std::array::from_fn(|place| self.0[place].swap(0, SeqCst))
    }
}

fn guess(service: &Service, round: usize, member: usize, count: impl Fn(usize) -> u32) {
    for number in 0..GUESSES {
        let outcome = service.verify(&token(round, member + number), "a guess", None).map(|reply| reply.outcome);
        let _ = match outcome {
            Ok(Outcome::NotValid) => count(0),
            Ok(Outcome::Locked) => count(1),
            _ => count(2),
        };
    }
}

fn check(service: &Service, round: usize, codes: &[(String, String)], answers: [u32; 3]) {
    let (allowed, locked) =
        if is_of_subject(round) { (LOCK_AFTER, Locked::Subject) } else { (MAX_ATTEMPTS, Locked::Code) };
    let all = (GUESSERS * GUESSES) as u32;
    assert_eq!(answers, [allowed, all - allowed, 0], "round {round}: looked at, locked, anything else");
    for (token, code) in codes {
        let reply = service.verify(token, code, None).unwrap();
        assert_eq!((reply.outcome, reply.locked), (Outcome::Locked, Some(locked)), "round {round}");
    }
}

/// A process of guessers: not a test of its own.
#[test]
fn guesser() {
    let Some(role) = testing::role() else { return };
    let (repository, rest) = role.split_once('|').unwrap();
    let (memory, number) = rest.split_once('|').unwrap();
    let threads = GUESSERS / PROCESSES;
    let first = number.parse::<usize>().unwrap() * threads;
    let (service, shared) = (open(repository), Shared::open(Path::new(memory)));
    let members = GUESSERS + 1;
    let work = |member: usize| {
        while shared.wait(members) {
            let round = shared.word(0).load(SeqCst) as usize;
            guess(&service, round, member, |place| shared.word(1 + place).fetch_add(1, SeqCst));
            shared.wait(members);
        }
    };
    std::thread::scope(|scope| (first..first + threads).for_each(|member| drop(scope.spawn(move || work(member)))));
}

fn guess_in_processes(kind: &str, rounds: usize) {
    let _watchdog = Watchdog::new("guessing", 120 + 2 * rounds as u64);
    let Some(place) = Place::new(kind, "guess") else { return };
    let (repository, memory) = (&place.repository, place.folder().join("memory"));
    let service = open(repository);
    let role = |number| format!("{repository}|{}|{number}", memory.display());
    let roles: Vec<_> = (0..PROCESSES).map(role).collect();
    let mut crew = Crew::start(testing::here!("guesser"), &roles, GUESSERS / PROCESSES, &memory);
    for round in 0..rounds {
        let codes = create(&service, round);
        crew.shared.word(0).store(round as u32, SeqCst);
        crew.wait();
        crew.wait();
        let answers = std::array::from_fn(|place| crew.shared.word(1 + place).swap(0, SeqCst));
        check(&service, round, &codes, answers);
    }
    crew.finish();
}

#[test]
fn processes_guess_no_more_than_allowed_with_sqlite() {
    guess_in_processes("sqlite", testing::size(20, 1000));
}

#[test]
fn processes_guess_no_more_than_allowed_with_json() {
    guess_in_processes("json", testing::size(10, 200));
}

#[test]
fn hosts_guess_no_more_than_allowed() {
    for kind in SERVERS {
        guess_in_processes(kind, testing::size(6, 1000));
    }
}

#[test]
fn threads_guess_no_more_than_allowed() {
    let folder = Folder::new("guess-threads");
    for (kind, rounds) in [("memory", testing::size(100, 5000)), ("sqlite", testing::size(20, 1000))] {
        let service = open(&folder.repository(kind));
        for round in 0..rounds {
            let codes = create(&service, round);
            let (start, count) = (Barrier::new(GUESSERS), Count::default());
            let work = |member| {
                start.wait();
                guess(&service, round, member, |place| count.0[place].fetch_add(1, SeqCst));
            };
            std::thread::scope(|scope| {
                let work = &work;
                (0..GUESSERS).for_each(|member| drop(scope.spawn(move || work(member))));
            });
            check(&service, round, &codes, count.answers());
        }
    }
}

/// With the right code among the guesses: it is good at most once, and the wrong ones stay within the limit.
#[test]
fn the_right_code_among_guesses_gives_no_more_of_them() {
    let folder = Folder::new("guess-right");
    let service = open(&folder.repository("sqlite"));
    let mut valid = 0;
    for round in 0..testing::size(20, 500) {
        let token = format!("token {round}");
        let reply = service.create(&token, Some("{}")).unwrap();
        let code = reply.message.unwrap().code.to_string();
        let start = Barrier::new(GUESSERS);
        let work = |member: usize| {
            start.wait();
            let guess = if member.is_multiple_of(16) { code.as_str() } else { "a guess" };
            service.verify(&token, guess, None).unwrap().outcome
        };
        let answers: Vec<_> = std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..GUESSERS).map(|member| scope.spawn(move || work(member))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let count = |outcome| answers.iter().filter(|answer| **answer == outcome).count();
        assert_eq!(count(Outcome::NotValid), MAX_ATTEMPTS as usize, "round {round}: {answers:?}");
        assert!(count(Outcome::Ok) <= 1, "round {round}: {answers:?}");
        assert!(count(Outcome::Ok) == 1 || count(Outcome::Checked) == 0, "round {round}: {answers:?}");
        valid += count(Outcome::Ok);
    }
    assert!(valid > 0, "the right code never came through");
}
