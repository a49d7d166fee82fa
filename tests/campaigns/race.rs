//! Many processes and threads verify one code at the same moment: it is good once, and nobody gets an error.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::Ordering::SeqCst;

use otp::{Outcome, Service};
use testing::crew::{Crew, Shared};
use testing::place::{Place, SERVERS};

/// Processes, and threads of each: many hosts where they share a server.
const ON_A_FILE: (usize, usize) = (8, 4);
const ON_A_SERVER: (usize, usize) = (16, 2);

/// Threads of one process.
const CROWD: usize = 32;

/// Tokens that the rounds take in turn: codes are replaced and remembered as well.
const TOKENS: usize = 7;

/// Words of the shared memory: the round, its code, and from there on everybody's answer.
const ROUND: usize = 0;
const CODE: usize = 1;
const ANSWERS: usize = 2;

/// What an answer is stored as: 0 is none.
fn told(service: &Service, token: &str, code: &str) -> u32 {
    let outcome = match service.verify(token, code, None) {
        Ok(reply) => reply.outcome,
        Err(error) => error.outcome(),
    };
    (outcome.number() + 100) as u32
}

fn outcome(told: u32) -> Outcome {
    Outcome::from_number(told as i32 - 100).expect("nobody answered")
}

fn open(repository: &str) -> Service {
    Service::open(Some(&testing::config(repository, "none", serde_json::json!({})))).unwrap().0
}

fn create(service: &Service, round: usize) -> (String, String) {
    let token = format!("token {}", round % TOKENS);
    let reply = service.create(&token, Some("{}")).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok);
    (token, reply.message.unwrap().code.to_string())
}

fn check(round: usize, answers: &[Outcome]) {
    let count = |outcome| answers.iter().filter(|answer| **answer == outcome).count();
    let counts = (count(Outcome::Ok), count(Outcome::Checked));
    assert_eq!(counts, (1, answers.len() - 1), "round {round}: {answers:?}");
}

/// A process of the race: not a test of its own.
#[test]
fn racer() {
    let Some(role) = testing::role() else { return };
    let [repository, memory, number, processes, threads] = role.split('|').collect::<Vec<_>>()[..] else { panic!() };
    let [number, processes, threads] = [number, processes, threads].map(|text| text.parse::<usize>().unwrap());
    let first = number * threads;
    let (service, shared) = (open(repository), Shared::open(Path::new(memory)));
    let members = processes * threads + 1;
    let race = |member: usize| {
        while shared.wait(members) {
            let token = format!("token {}", shared.word(ROUND).load(SeqCst) as usize % TOKENS);
            let code = format!("{:06}", shared.word(CODE).load(SeqCst));
            shared.word(ANSWERS + member).store(told(&service, &token, &code), SeqCst);
            shared.wait(members);
        }
    };
    std::thread::scope(|scope| (first..first + threads).for_each(|member| drop(scope.spawn(move || race(member)))));
}

fn race_processes(kind: &str, (processes, threads): (usize, usize), rounds: usize) {
    let Some(place) = Place::new(kind, "race") else { return };
    let (repository, memory) = (&place.repository, place.folder().join("memory"));
    let service = open(repository);
    let role = |number| format!("{repository}|{}|{number}|{processes}|{threads}", memory.display());
    let roles: Vec<_> = (0..processes).map(role).collect();
    let mut crew = Crew::start(testing::here!("racer"), &roles, threads, &memory);
    assert_eq!(crew.members(), processes * threads + 1);
    for round in 0..rounds {
        let (_, code) = create(&service, round);
        crew.shared.word(ROUND).store(round as u32, SeqCst);
        crew.shared.word(CODE).store(code.parse().unwrap(), SeqCst);
        crew.wait();
        crew.wait();
        let answer = |member| outcome(crew.shared.word(ANSWERS + member).swap(0, SeqCst));
        let answers: Vec<_> = (0..processes * threads).map(answer).collect();
        check(round, &answers);
    }
    crew.finish();
}

#[test]
fn a_code_is_good_once_among_hosts() {
    for kind in SERVERS {
        race_processes(kind, ON_A_SERVER, testing::size(40, 10_000));
    }
}

#[test]
fn a_code_is_good_once_among_processes_with_sqlite() {
    race_processes("sqlite", ON_A_FILE, testing::size(200, 5000));
}

#[test]
fn a_code_is_good_once_among_processes_with_json() {
    race_processes("json", ON_A_FILE, testing::size(200, 5000));
}

#[test]
fn a_code_is_good_once_among_threads() {
    let folder = testing::Folder::new("race-threads");
    for (kind, rounds) in [("memory", testing::size(500, 5000)), ("sqlite", testing::size(100, 1000))] {
        let service = open(&folder.repository(kind));
        for round in 0..rounds {
            let (token, code) = create(&service, round);
            let start = Barrier::new(CROWD);
            let verify = || {
                start.wait();
                outcome(told(&service, &token, &code))
            };
            let answers: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..CROWD).map(|_| scope.spawn(verify)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            check(round, &answers);
        }
    }
}
