//! Sessions that serve many messages, and those that have died.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use serde_json::json;
use simulator::smtp::{Act, MailFault, Setup, Stage};

use super::super::MAX_IDLE_AGE;
use super::{AMPLE, Ground, send_if, sender_with};
use crate::fork::ForkAware as _;
use crate::names::LookUp;

fn commands(ground: &Ground) -> String {
    ground.inbox.commands().join(" ")
}

#[test]
fn one_dialogue_serves_many_messages() {
    let ground = Ground::new();
    for _ in 0..3 {
        assert_eq!(ground.send().kind, "accepted");
    }
    assert_eq!((ground.inbox.connections(), ground.inbox.messages().len()), (1, 3));
    let again = "RSET MAIL RCPT DATA";
    let all = format!("EHLO STARTTLS EHLO AUTH MAIL RCPT DATA {again} {again}");
    assert_eq!(commands(&ground), all);
    let mails = ground.inbox.take();
    assert!(mails.iter().all(|mail| mail.is_secure && mail.user.as_deref() == Some(super::USER)));
    assert_eq!(ground.inbox.complaints(), [""; 0]);
    drop(ground.sender);
    let begun = std::time::Instant::now();
    while !ground.inbox.commands().contains(&"QUIT".to_owned()) {
        assert!(begun.elapsed() < AMPLE, "it parts with a word");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_may_not_leave_does_not() {
    let ground = Ground::new();
    let told = send_if(&ground.sender, AMPLE, false);
    assert_eq!((told.kind, told.asked, &*told.failure.detail), ("not taken", 1, "it was called off"));
    assert!(!ground.inbox.commands().contains(&"DATA".to_owned()));
    assert_eq!(ground.send().kind, "accepted", "the session goes on");
    assert_eq!((ground.inbox.connections(), ground.inbox.messages().len()), (1, 1));
}

#[test]
fn a_dead_session_is_replaced_at_once() {
    for act in [
        Act::Close,
        Act::Silence,
        Act::Drip,
        Act::Flood,
        Act::Say(b"421 4.4.2 too late\r\n".to_vec()),
        Act::SayAndClose(b"421 4.4.2 too late\r\n".to_vec()),
        Act::Say(b"502 5.5.1 no\r\n".to_vec()),
        Act::Say(b"hello\r\n".to_vec()),
    ] {
        let ground = Ground::new();
        ground.inbox.faults([Some(MailFault::new(Stage::Reset, act.clone()))]);
        assert_eq!(ground.send().kind, "accepted");
        let told = send_if(&ground.sender, Duration::from_secs(8), true);
        assert_eq!((told.kind, told.asked), ("accepted", 1), "{act:?}: {:?}", told.failure);
        assert_eq!((ground.inbox.connections(), ground.inbox.messages().len()), (2, 2), "{act:?}");
    }
    let ground = Ground::new();
    let closing = MailFault::new(Stage::Dot, Act::SayAndClose(b"250 2.0.0 ok\r\n".to_vec()));
    ground.inbox.faults([Some(closing)]);
    assert_eq!((ground.send().kind, ground.send().kind), ("accepted", "accepted"));
    assert_eq!(ground.inbox.connections(), 2);
}

#[test]
fn an_old_session_is_not_used_again() {
    let ground = Ground::new();
    assert_eq!(ground.send().kind, "accepted");
    let age = |means: &mut super::super::Means| means.idle[0].used -= MAX_IDLE_AGE;
    assert!(ground.sender.server.with_means(age).is_ok());
    assert_eq!(ground.send().kind, "accepted");
    assert_eq!(ground.inbox.connections(), 2);
}

#[test]
fn a_child_has_sessions_of_its_own() {
    let ground = Ground::new();
    assert_eq!(ground.send().kind, "accepted");
    let before = commands(&ground);
    ground.sender.server.in_child();
    assert_eq!(commands(&ground), before, "not a word on the parent's");
    assert_eq!(ground.send().kind, "accepted");
    assert_eq!(ground.inbox.connections(), 2);
}

#[test]
fn no_more_than_a_few_are_kept() {
    let ground = Arc::new(Ground::plain(Setup::default()));
    let barrier = Arc::new(std::sync::Barrier::new(12));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            let (ground, barrier) = (ground.clone(), barrier.clone());
            scope.spawn(move || {
                let message = super::message_to("mario.rossi@people.test");
                let answer = ground.sender.send(&message, std::time::Instant::now() + AMPLE, &mut || {
                    barrier.wait();
                    true
                });
                assert!(answer.failure().is_none());
            });
        }
    });
    assert_eq!((ground.inbox.connections(), ground.inbox.messages().len()), (12, 12));
    let kept = ground.sender.server.with_means(|means| means.idle.len());
    assert!(kept.is_ok_and(|kept| kept == super::super::MAX_IDLE));
}

#[test]
fn hosts_that_cannot_be_reached() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let options = json!({"host": "localhost", "port": closed, "tls": "none"});
    let told = send_if(&sender_with(&options, super::here, RootCertStore::empty()), AMPLE, true);
    assert_eq!((told.kind, told.asked), ("not taken", 0));
    assert!(told.failure.detail.starts_with(&format!("localhost:{closed}: connect: ")), "{:?}", told.failure);
    let ground = Ground::plain(Setup::default());
    let options = json!({"host": "localhost", "port": ground.inbox.port, "tls": "none"});
    for (look_up, cause) in [
        ((|_| Err(std::io::Error::other("no such name"))) as LookUp, "host not found: no such name"),
        (|_| Ok(Vec::new()), "host not found"),
        (|_| Ok(vec![([192, 0, 2, 1], 25).into()]), "not this machine, and tls none is for it alone"),
    ] {
        let told = send_if(&sender_with(&options, look_up, RootCertStore::empty()), AMPLE, true);
        assert_eq!((told.kind, told.asked), ("not taken", 0));
        assert_eq!(told.failure.detail, format!("localhost:{}: connect: {cause}", ground.inbox.port));
    }
    assert_eq!(ground.inbox.connections(), 0);
}

/// What a server says without being asked, or answers too late, would be taken for the answer to something else.
#[test]
fn words_that_came_between_two_messages() {
    for (stage, bytes) in [
        // Behind the reply to the first mail, while the session is idle.
        (Stage::Dot, &b"250 2.0.0 more\r\n"[..]),
        (Stage::Dot, b"421 4.4.2 idle too long\r\n"),
        // Behind the reply to RSET, and so before MAIL.
        (Stage::Reset, b"550 5.1.1 somebody else\r\n"),
    ] {
        let ground = Ground::new();
        ground.inbox.faults([Some(MailFault::new(stage, Act::SayMore(bytes.to_vec())))]);
        for number in 1..=3 {
            let told = ground.send();
            assert_eq!(told.kind, "accepted", "{stage:?}: mail {number}: {:?}", told.failure);
        }
        assert_eq!((ground.inbox.connections(), ground.inbox.messages().len()), (2, 3), "{stage:?}");
    }
}
