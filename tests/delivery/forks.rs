//! A fork in the middle of sending: each side has its own connections, and no request is lost, doubled or answered to
//! the other side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use otp::{Outcome, Service};
use serde_json::json;

use super::{T0, config, open};
use testing::carrier::Carrier;
use testing::forked::{By, fork, in_threads};
use testing::{self, Folder};

/// Threads of the parent that send all the time.
const BUSY: usize = 4;

const CHILDREN: usize = 4;

/// What each child sends, in two threads.
const MESSAGES: usize = 6;

/// Sends a message to an address of its own, and gives "address uuid".
fn send(service: &Service, address: usize) -> Result<String, String> {
    let request = json!({"messengerId": address.to_string()}).to_string();
    let reply = service.create(&format!("token {address}"), Some(&request)).map_err(|error| error.to_string())?;
    if reply.outcome != Outcome::Ok {
        return Err(format!("{address}: {:?}: {:?}", reply.outcome, reply.failure));
    }
    let uuid = reply.delivery.and_then(|delivery| delivery.message_uuid).ok_or("no uuid")?;
    Ok(format!("{address} {uuid}\n"))
}

fn child(service: &Service, first: usize) -> Result<String, String> {
    let send_all = |from: usize| -> Result<String, String> {
        (from..from + MESSAGES / 2).map(|address| send(service, address)).collect()
    };
    in_threads(2, |half| send_all(first + half * MESSAGES / 2)).into_iter().collect()
}

#[test]
fn both_sides_of_a_fork_send_by_their_own_connections() {
    testing::alone(testing::here!("both_sides_of_a_fork_send_by_their_own_connections"), || {
        let folder = Folder::new("delivery-forks");
        let clock = Arc::new(AtomicI64::new(T0));
        let carrier = Carrier::with_clock(Arc::new(|| T0));
        let service = open(&config(&carrier, "messages", json!({"repository": folder.repository("sqlite")})), &clock);
        // A parent's addresses are below those of its children.
        const OF_CHILDREN: usize = 1_000_000;
        let (next, stop) = (AtomicUsize::new(1), AtomicBool::new(false));
        let told = Mutex::new(String::new());
        let mut first = OF_CHILDREN;
        std::thread::scope(|scope| {
            for _ in 0..BUSY {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        let line = send(&service, next.fetch_add(1, SeqCst)).expect("the parent is unharmed");
                        told.lock().unwrap().push_str(&line);
                    }
                });
            }
            let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for _ in 0..testing::size(10, 200) {
                    let before = next.load(SeqCst);
                    let children: Vec<_> = (0..CHILDREN)
                        .map(|number| {
                            let (service, first) = (&service, first + number * MESSAGES);
                            fork(By::Fork, move || child(service, first))
                        })
                        .collect();
                    first += CHILDREN * MESSAGES;
                    let lines: String = children.into_iter().map(|child| child.join().unwrap()).collect();
                    told.lock().unwrap().push_str(&lines);
                    super::until("the parent does not go on", || next.load(SeqCst) > before + BUSY);
                }
            }));
            stop.store(true, SeqCst);
            rounds.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        let received = carrier.received();
        let told = told.into_inner().unwrap();
        assert_eq!(told.lines().count(), received.len(), "each request once");
        assert_eq!(received.len(), next.load(SeqCst) - 1 + first - OF_CHILDREN);
        // Everybody was told what the carrier answered to it, and to nobody else.
        let uuids: BTreeMap<_, _> = told.lines().map(|line| line.split_once(' ').unwrap()).collect();
        let mut sides: [BTreeSet<usize>; 2] = Default::default();
        let mut processes: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for received in &received {
            let address = received.body["to"].as_str().unwrap();
            assert_eq!(uuids.get(address).copied(), received.answer["message_uuid"].as_str(), "{address}");
            let address: usize = address.parse().unwrap();
            sides[usize::from(address >= OF_CHILDREN)].insert(received.connection);
            if let Some(number) = address.checked_sub(OF_CHILDREN) {
                processes.entry(received.connection).or_default().insert(number / MESSAGES);
            }
        }
        assert_eq!(sides[0].intersection(&sides[1]).count(), 0, "a child sent by its parent's connection");
        assert!(processes.values().all(|of| of.len() == 1), "children shared a connection");
    });
}
