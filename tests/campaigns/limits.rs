//! Sends to one recipient from many processes at the same moment: exactly as many as the limit allows, and nobody is
//! turned away as busy.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;

use otp::{Outcome, Service};
use testing::crew::{Crew, Shared};
use testing::place::{Place, SERVERS};

const PROCESSES: usize = 16;
const THREADS: usize = 16;

/// Sends to one recipient that are allowed: most, but not all, are refused.
const LIMIT: usize = 37;

/// Words of the shared memory: the round; then how many were sent, refused by the limit, anything else.
const ROUND: usize = 0;
const SENT: usize = 1;
const LIMITED: usize = 2;
const OTHERWISE: usize = 3;

fn open(repository: &str) -> Service {
    let options = serde_json::json!({"policy": {"sendLimits": [{"count": LIMIT, "minutes": 10}]}});
    Service::open(Some(&testing::config(repository, "none", options))).unwrap().0
}

/// A process of senders: not a test of its own.
#[test]
fn sender() {
    let Some(role) = testing::role() else { return };
    let [repository, memory, number] = role.split('|').collect::<Vec<_>>()[..] else { panic!() };
    let (service, shared) = (open(repository), Shared::open(Path::new(memory)));
    let send = |thread: usize| {
        while shared.wait(PROCESSES * THREADS + 1) {
            let round = shared.word(ROUND).load(SeqCst);
            let request = format!(r#"{{"phoneNumber":"39333{round:07}","subject":"everybody"}}"#);
            let told = service.create(&format!("{round} {number} {thread}"), Some(&request));
            let place = match told.map(|reply| reply.outcome) {
                Ok(Outcome::Ok) => SENT,
                Ok(Outcome::RateLimited) => LIMITED,
                _ => OTHERWISE,
            };
            shared.word(place).fetch_add(1, SeqCst);
            shared.wait(PROCESSES * THREADS + 1);
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|thread| drop(scope.spawn(move || send(thread)))));
}

fn send_from_processes(kind: &str, rounds: usize) {
    let Some(place) = Place::new(kind, "limits") else { return };
    let memory = place.folder().join("memory");
    drop(open(&place.repository));
    let role = |number| format!("{}|{}|{number}", place.repository, memory.display());
    let roles: Vec<_> = (0..PROCESSES).map(role).collect();
    let mut crew = Crew::start(testing::here!("sender"), &roles, THREADS, &memory);
    for round in 0..rounds {
        crew.shared.word(ROUND).store(round as u32, SeqCst);
        crew.wait();
        crew.wait();
        let told = [SENT, LIMITED, OTHERWISE].map(|place| crew.shared.word(place).swap(0, SeqCst) as usize);
        assert_eq!(
            told,
            [LIMIT, PROCESSES * THREADS - LIMIT, 0],
            "{kind}, round {round}: sent, limited, anything else"
        );
    }
    crew.finish();
}

#[test]
fn a_limit_is_exact_among_processes() {
    send_from_processes("sqlite", testing::size(5, 500));
}

#[test]
fn a_limit_is_exact_among_hosts() {
    for kind in SERVERS {
        send_from_processes(kind, testing::size(3, 500));
    }
}
