//! The signed token: one for its lifetime, however many ask, and a forked child's own.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier};

use otp::{Outcome, Service};
use serde_json::json;

use super::{BOTH, Stage, T0};
use testing::carrier::Carrier;
use testing::crew::Shared;
use testing::forked::{By, fork, in_threads};
use testing::{self, Folder};

/// The age at which a token is renewed.
const RENEWED_MS: i64 = 600_000;

/// Creates a code in so many threads at the same moment.
fn create_all(service: &Service, threads: usize, name: &str) {
    let barrier = Barrier::new(threads);
    in_threads(threads, |thread| {
        barrier.wait();
        for number in 0..testing::size(2, 20) {
            let reply = service.create(&format!("{name} {thread} {number}"), Some(BOTH)).unwrap();
            assert_eq!(reply.outcome, Outcome::Ok, "{:?}", reply.failure);
        }
    });
}

#[test]
fn sixty_four_threads_use_one_token_for_its_time() {
    let stage = Stage::new("messages");
    stage.carrier.hold();
    let create = |what: &str| create_all(&stage.service, 64, what);
    create("first");
    assert_eq!(stage.carrier.tokens(), 1, "the first");
    stage.later(RENEWED_MS - 1);
    create("late");
    assert_eq!(stage.carrier.tokens(), 1, "until it is renewed");
    stage.later(1);
    create("renewed");
    assert_eq!(stage.carrier.tokens(), 2, "renewed");
    for lifetime in 0..3 {
        stage.later(RENEWED_MS);
        create(&format!("lifetime {lifetime}"));
        assert_eq!(stage.carrier.tokens(), 3 + lifetime);
    }
    // Long out of use: all wait for the same new one.
    stage.later(24 * 3_600_000);
    create("a day later");
    assert_eq!(stage.carrier.tokens(), 6);
    // A clock that steps back leaves one from the future, which the carrier would not take.
    stage.later(-3_600_000);
    create("an hour back");
    assert_eq!(stage.carrier.tokens(), 7);
    assert!(stage.carrier.received().iter().all(|received| received.status == 202));
}

/// A child goes on with the token that it inherited, and renews it for itself, once.
#[test]
fn a_forked_child_makes_its_own_token_once() {
    testing::alone(testing::here!("a_forked_child_makes_its_own_token_once"), || {
        let folder = Folder::new("delivery-tokens");
        let shared = Arc::new(Shared::open(Path::new(&folder.path().join("memory"))));
        let clock = |shared: &Arc<Shared>| {
            let shared = shared.clone();
            Arc::new(move || T0 + i64::from(shared.word(0).load(SeqCst)))
        };
        let carrier = Carrier::with_clock(clock(&shared));
        let config = super::config(&carrier, "messages", json!({"repository": folder.repository("sqlite")}));
        let service = Service::open(Some(&config)).unwrap().0;
        service.on_clock(Some(clock(&shared))).unwrap();
        let children = |round: &str| {
            let child = |child: usize| {
                let (service, name) = (&service, format!("{round} {child}"));
                fork(By::Fork, move || {
                    create_all(service, 8, &name);
                    Ok(String::new())
                })
            };
            let children: Vec<_> = (0..2).map(child).collect();
            children.into_iter().for_each(|child| drop(child.join().unwrap()));
        };
        create_all(&service, 8, "parent");
        assert_eq!(carrier.tokens(), 1);
        children("young");
        assert_eq!(carrier.tokens(), 1, "children use what they inherited");
        shared.word(0).store(RENEWED_MS as u32, SeqCst);
        children("old");
        assert_eq!(carrier.tokens(), 3, "each child one of its own");
        create_all(&service, 8, "renewed");
        assert_eq!(carrier.tokens(), 4, "and the parent");
        children("renewed");
        assert_eq!(carrier.tokens(), 4);
        assert!(carrier.received().iter().all(|received| received.status == 202));
    });
}
