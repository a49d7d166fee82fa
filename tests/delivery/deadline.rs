//! One deadline for a call, whatever the carrier does; and what became of the code.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use otp::{DeliveryState, Outcome};
use serde_json::json;

use super::{APPLICATION, BOTH, EXPIRY_MS, PRIVATE_KEY, Stage, states};
use testing::carrier::code_in;
use testing::carrier::simulator::Fault;

/// As the configuration has it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// By how much a call may exceed it on a busy machine before it counts as hanging.
const GRACE: Duration = Duration::from_secs(5);

fn stage(sender: &str, url: Option<&str>) -> Stage {
    // The port is known only when the stage is there; so it is opened a second time.
    let stage = Stage::new(sender);
    let url = url.map_or_else(|| stage.carrier.url(), str::to_owned);
    let sender = json!({"type": sender, "applicationId": APPLICATION, "privateKey": PRIVATE_KEY, "baseUrl": url,
        "timeoutSeconds": TIMEOUT.as_secs()});
    let config = super::config(&stage.carrier, "messages", json!({"repository": "memory:", "sender": sender}));
    Stage { service: super::open(&config, &stage.clock).into(), ..stage }
}

/// What came of a create, in time.
fn create(stage: &Stage, token: &str) -> Outcome {
    let begun = Instant::now();
    let outcome = stage.service.create(token, Some(BOTH)).unwrap().outcome;
    let taken = begun.elapsed();
    assert!(taken < TIMEOUT + GRACE, "{taken:?}");
    outcome
}

/// Silent, slow by the byte, late, endless.
fn slow() -> [(&'static str, Fault); 4] {
    [
        ("silence", Fault::Silence),
        ("trickle", Fault::Trickle),
        ("late", Fault::Delay(3 * TIMEOUT)),
        ("flood", Fault::Flood),
    ]
}

#[test]
fn a_slow_carrier_leaves_a_message_in_doubt_and_its_code_good() {
    for (name, fault) in slow() {
        let stage = stage("messages", None);
        stage.carrier.faults([fault]);
        assert_eq!(create(&stage, "t"), Outcome::InDoubt, "{name}");
        assert_eq!(stage.carrier.channels(), ["messenger"], "{name}: nothing in doubt is sent again");
        assert_eq!(stage.steps("t")[0].0, "messenger");
        // Its time runs as that of any other message.
        assert_eq!(stage.later(EXPIRY_MS).run_due().0, 1, "{name}");
        let seen = stage.carrier.seen();
        assert_eq!(stage.carrier.channels(), ["messenger", "sms"], "{name}");
        assert_eq!(code_in(&seen[0]), code_in(&seen[1]), "{name}");
        assert_eq!(stage.service.verify("t", code_in(&seen[0]), None).unwrap().outcome, Outcome::Ok, "{name}");
    }
}

#[test]
fn a_workflow_of_the_carrier_s_has_the_same_deadline() {
    for (name, fault) in slow() {
        let stage = stage("dispatch", None);
        stage.carrier.faults([fault]);
        assert_eq!(create(&stage, "t"), Outcome::InDoubt, "{name}");
        assert_eq!(stage.carrier.received().len(), 1, "{name}");
        assert_eq!(create(&stage, "u"), Outcome::Ok, "{name}: the next one");
    }
}

/// The two steps share it: what a first one that certainly failed left of it.
#[test]
fn steps_share_one_deadline() {
    let stage = stage("messages", None);
    stage.carrier.faults([Fault::Status(422), Fault::Silence]);
    assert_eq!(create(&stage, "t"), Outcome::InDoubt);
    let failed = ("messenger", DeliveryState::Failed);
    assert_eq!(stage.steps("t"), states(&[failed, ("sms", DeliveryState::InDoubt)]));
}

/// A step that is due costs its own deadline, and no other step's.
#[test]
fn run_due_goes_on_after_a_slow_carrier() {
    let stage = stage("messages", None);
    for token in ["a", "b"] {
        assert_eq!(create(&stage, token), Outcome::Ok);
    }
    stage.later(EXPIRY_MS);
    stage.carrier.faults([Fault::Silence]);
    let begun = Instant::now();
    // It does 100 ms of work, so the silence ends this round.
    let reply = stage.service.run_due().unwrap();
    assert_eq!((reply.ran, reply.next_due_in_milliseconds), (1, Some(0)));
    assert!(begun.elapsed() < TIMEOUT + GRACE);
    assert_eq!(stage.run_due(), (1, None));
    assert_eq!(stage.carrier.channels(), ["messenger", "messenger", "sms", "sms"]);
    let in_doubt = |token| stage.steps(token)[1].1 == DeliveryState::InDoubt;
    assert!(in_doubt("a") != in_doubt("b"));
}

/// Nobody accepts the connection: the kernel does, until its queue is full, and nobody reads.
#[test]
fn a_black_hole_does_not_hold_a_call() {
    let hole = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", hole.local_addr().unwrap());
    let stage = stage("messages", Some(&url));
    assert_eq!(create(&stage, "t"), Outcome::InDoubt);
    assert_eq!(stage.steps("t"), states(&[("messenger", DeliveryState::InDoubt)]));
}

/// Nobody listens: every step certainly failed, and the code goes with them.
#[test]
fn a_carrier_that_is_not_there_ends_the_code() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let stage = stage("messages", Some(&format!("http://127.0.0.1:{port}")));
    assert_eq!(create(&stage, "t"), Outcome::Send);
    let failed = |channel| (channel, DeliveryState::Failed);
    assert_eq!(stage.steps("t"), states(&[failed("messenger"), failed("sms")]));
    assert_eq!(stage.service.resend("t").unwrap().outcome, Outcome::Cancelled);
}
