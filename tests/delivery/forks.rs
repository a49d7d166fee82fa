//! A fork in the middle of sending: each side has its own connections, and no request is lost, doubled or answered to
//! the other side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use otp::{Outcome, Service};
use serde_json::{Value, json};

use super::{T0, config, open};
use testing::carrier::Carrier;
use testing::forked::{By, fork, in_threads};
use testing::{self, Folder};

/// Threads of the parent that send all the time.
const BUSY: usize = 4;

const CHILDREN: usize = 4;

/// What each child sends, in two threads.
const MESSAGES: usize = 6;

/// The numbers of a parent's messages are below those of its children.
const OF_CHILDREN: usize = 1_000_000;

/// A message as it came: its number, its identifier and the connection.
pub struct Arrived {
    pub number: usize,
    pub id: String,
    pub connection: usize,
}

/// How a message of this number is asked for.
pub type Ask = fn(usize) -> Value;

/// Sends a message, and gives "number identifier".
fn send(service: &Service, ask: Ask, number: usize) -> Result<String, String> {
    let reply = service.create(&format!("token {number}"), Some(&ask(number).to_string()));
    let reply = reply.map_err(|error| error.to_string())?;
    if reply.outcome != Outcome::Ok {
        return Err(format!("{number}: {:?}: {:?}", reply.outcome, reply.failure));
    }
    let id = reply.delivery.and_then(|delivery| delivery.message_uuid).ok_or("no identifier")?;
    Ok(format!("{number} {id}\n"))
}

fn child(service: &Service, ask: Ask, first: usize) -> Result<String, String> {
    let send_all = |from: usize| -> Result<String, String> {
        (from..from + MESSAGES / 2).map(|number| send(service, ask, number)).collect()
    };
    in_threads(2, |half| send_all(first + half * MESSAGES / 2)).into_iter().collect()
}

/// Sends from a parent and from children that it forks meanwhile. What each message was told to be, by its number.
pub fn send_on_both_sides(service: &Service, ask: Ask) -> BTreeMap<usize, String> {
    let (next, stop) = (AtomicUsize::new(1), AtomicBool::new(false));
    let told = Mutex::new(String::new());
    let mut first = OF_CHILDREN;
    std::thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    let line = send(service, ask, next.fetch_add(1, SeqCst)).expect("the parent is unharmed");
                    told.lock().unwrap().push_str(&line);
                }
            });
        }
        let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..testing::size(10, 200) {
                let before = next.load(SeqCst);
                let children: Vec<_> = (0..CHILDREN)
                    .map(|number| {
                        let first = first + number * MESSAGES;
                        fork(By::Fork, move || child(service, ask, first))
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
    let told = told.into_inner().unwrap();
    let told: BTreeMap<usize, String> = told
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(number, id)| (number.parse().unwrap(), id.to_owned()))
        .collect();
    assert_eq!(told.len(), next.load(SeqCst) - 1 + first - OF_CHILDREN, "everybody was told once");
    told
}

/// Each message came once, by a connection of its own process, and everybody was told what was answered to it.
pub fn each_side_has_its_own(told: &BTreeMap<usize, String>, arrived: &[Arrived]) {
    assert_eq!(told.len(), arrived.len(), "each message once");
    let mut sides: [BTreeSet<usize>; 2] = Default::default();
    let mut processes: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for Arrived { number, id, connection } in arrived {
        assert_eq!(told.get(number), Some(id), "{number}");
        sides[usize::from(*number >= OF_CHILDREN)].insert(*connection);
        if let Some(number) = number.checked_sub(OF_CHILDREN) {
            processes.entry(*connection).or_default().insert(number / MESSAGES);
        }
    }
    assert_eq!(sides[0].intersection(&sides[1]).count(), 0, "a child sent by its parent's connection");
    assert!(processes.values().all(|of| of.len() == 1), "children shared a connection");
    assert!(sides[0].len() < arrived.len() / 2, "connections are used again");
}

#[test]
fn both_sides_of_a_fork_send_by_their_own_connections() {
    testing::alone(testing::here!("both_sides_of_a_fork_send_by_their_own_connections"), || {
        let folder = Folder::new("delivery-forks");
        let clock = Arc::new(AtomicI64::new(T0));
        let carrier = Carrier::with_clock(Arc::new(|| T0));
        let service = open(&config(&carrier, "messages", json!({"repository": folder.repository("sqlite")})), &clock);
        let told = send_on_both_sides(&service, |number| json!({"messengerId": number.to_string()}));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let arrived = carrier.received().into_iter().map(|received| Arrived {
            number: text(&received.body["to"]).parse().unwrap(),
            id: text(&received.answer["message_uuid"]),
            connection: received.connection,
        });
        each_side_has_its_own(&told, &arrived.collect::<Vec<_>>());
    });
}
