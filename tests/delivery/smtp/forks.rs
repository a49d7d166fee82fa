//! A fork in the middle of sending mail: each side has its own connections, and no mail is lost, doubled or answered to
//! the other side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use otp::{Outcome, Service};
use serde_json::json;
use testing::Folder;
use testing::forked::{By, fork, in_threads};

use super::{open_inbox, sender};
use crate::{T0, open};

/// Threads of the parent that send all the time.
const BUSY: usize = 4;

const CHILDREN: usize = 3;

/// What each child sends, in two threads.
const MAILS: usize = 6;

/// The addresses of children begin here.
const OF_CHILDREN: usize = 1_000_000;

/// Sends a mail to an address of its own, and gives "address id".
fn send(service: &Service, number: usize) -> Result<String, String> {
    let request = json!({"email": format!("m{number}@b.example")}).to_string();
    let reply = service.create(&format!("token {number}"), Some(&request)).map_err(|error| error.to_string())?;
    if reply.outcome != Outcome::Ok {
        return Err(format!("{number}: {:?}: {:?}", reply.outcome, reply.failure));
    }
    let id = reply.delivery.and_then(|delivery| delivery.message_uuid).ok_or("no id")?;
    Ok(format!("{number} {id}\n"))
}

fn child(service: &Service, first: usize) -> Result<String, String> {
    let send_all = |from: usize| -> Result<String, String> {
        (from..from + MAILS / 2).map(|number| send(service, number)).collect()
    };
    in_threads(2, |half| send_all(first + half * MAILS / 2)).into_iter().collect()
}

#[test]
fn both_sides_of_a_fork_send_mail_by_their_own_connections() {
    testing::alone(testing::here!("both_sides_of_a_fork_send_mail_by_their_own_connections"), || {
        let (folder, inbox) = (Folder::new("delivery-smtp-forks"), open_inbox());
        let config = json!({"repository": folder.repository("sqlite"), "sender": sender(&inbox),
            "workflow": [{"channel": "email", "from": "codes@acme.example"}], "durability": "process",
            "policy": {"cooldownSeconds": 0, "sendLimits": []}});
        let service = open(&config.to_string(), &Arc::new(AtomicI64::new(T0)));
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
                for _ in 0..testing::size(10, 100) {
                    let before = next.load(SeqCst);
                    let children: Vec<_> = (0..CHILDREN)
                        .map(|number| {
                            let (service, first) = (&service, first + number * MAILS);
                            fork(By::Fork, move || child(service, first))
                        })
                        .collect();
                    first += CHILDREN * MAILS;
                    let lines: String = children.into_iter().map(|child| child.join().unwrap()).collect();
                    told.lock().unwrap().push_str(&lines);
                    crate::until("the parent does not go on", || next.load(SeqCst) > before + BUSY);
                }
            }));
            stop.store(true, SeqCst);
            rounds.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        let told = told.into_inner().unwrap();
        let ids: BTreeMap<_, _> = told.lines().map(|line| line.split_once(' ').unwrap()).collect();
        let mails = inbox.messages();
        assert_eq!(inbox.complaints(), [""; 0]);
        assert_eq!((told.lines().count(), mails.len()), (ids.len(), ids.len()), "each mail once");
        let mut sides: [BTreeSet<usize>; 2] = Default::default();
        let mut processes: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for mail in &mails {
            let number = mail.envelope.to.strip_suffix("@b.example").unwrap().trim_start_matches('m');
            let id = mail.headers.iter().find(|(name, _)| name == "message-id").unwrap().1.trim_matches(['<', '>']);
            assert_eq!(ids.get(number).copied(), Some(id), "{number}");
            let number: usize = number.parse().unwrap();
            sides[usize::from(number >= OF_CHILDREN)].insert(mail.connection);
            if let Some(number) = number.checked_sub(OF_CHILDREN) {
                processes.entry(mail.connection).or_default().insert(number / MAILS);
            }
        }
        assert_eq!(sides[0].intersection(&sides[1]).count(), 0, "a child sent by its parent's connection");
        assert!(processes.values().all(|of| of.len() == 1), "children shared a connection");
        assert!(sides[0].len() < mails.len() / 2, "connections are used again");
    });
}
