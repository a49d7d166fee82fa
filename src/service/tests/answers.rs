//! Answers where something else happens in the middle of a call: what they say is what is stored.

use std::sync::atomic::AtomicUsize;
use std::sync::{Barrier, Mutex};
use std::thread;

use super::faulty::{Fault, Plan, Stage, outcome};
use super::*;
use crate::reply::DeliveryState;
use crate::repository::conformance::ScratchFolder;
use crate::sender::{Message, Sent};

const REQUEST: &str = r#"{"phoneNumber":"393331234567","idempotencyKey":"k"}"#;

/// A service whose host answers every message so, told how many came before it.
fn hosted(answer: impl Fn(&Arc<Fixture>, usize, &Message) -> Sent + Send + Sync + 'static) -> Arc<Fixture> {
    let options = r#","policy":{"cooldownSeconds":0,"sendLimits":[]}"#;
    let fixture = Arc::new(Fixture::with(r#"{"type":"host"}"#, options));
    let (host, count) = (Arc::downgrade(&fixture), AtomicUsize::new(0));
    let send = move |message: &Message| answer(&host.upgrade().unwrap(), count.fetch_add(1, Ordering::SeqCst), message);
    fixture.service.on_send(Some(Arc::new(send))).unwrap();
    fixture
}

impl Fixture {
    fn create_again(&self) -> CreateReply {
        self.service.create("t", Some(REQUEST)).unwrap()
    }
}

impl Stage {
    /// What the same request is answered.
    fn replayed(&self) -> Outcome {
        let (given, _) = self.messages();
        let outcome = outcome(self.create("t"));
        assert_eq!(self.messages().0, given, "nothing is sent again");
        outcome
    }

    /// Does this once, when the log is told of the first message that was sent, and before that is stored.
    fn at_first_send(self, act: impl Fn(&Stage) + Send + Sync + 'static) -> Arc<Self> {
        let stage = Arc::new(self);
        let (weak, told) = (Arc::downgrade(&stage), AtomicUsize::new(0));
        let log = move |_: i32, event: &str| {
            if event.contains(r#""event":"send""#) && told.fetch_add(1, Ordering::SeqCst) == 0 {
                act(&weak.upgrade().unwrap());
            }
        };
        stage.service().on_log(4, Some(Arc::new(log))).unwrap();
        stage
    }
}

/// The create's own message was not sent; that of a resend was, with the same code.
#[test]
fn a_code_that_a_resend_keeps_alive_is_not_given_up() {
    let code = Arc::new(Mutex::new(String::new()));
    let seen = code.clone();
    let fixture = hosted(move |fixture, count, message| {
        *seen.lock().unwrap() = message.code.to_string();
        if count > 0 {
            return Sent::Sent;
        }
        assert_eq!(fixture.service.resend("t").unwrap().outcome, Outcome::Ok);
        Sent::NotSent
    });
    let reply = fixture.create_again();
    assert_eq!(reply.outcome, Outcome::InDoubt);
    let detail = reply.failure.unwrap().detail;
    assert_eq!(detail, "another message may have been sent; of this one: the message was not sent");
    assert_eq!(fixture.create_again().outcome, Outcome::InDoubt, "the same answer");
    assert_eq!(fixture.verify("t", &code.lock().unwrap()), Outcome::Ok);
}

/// The resend's message is still on its way when the create's answer comes: that changes nothing about the create.
#[test]
fn a_create_that_was_taken_is_ok_while_a_resend_is_under_way() {
    let (begun, over) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let resend = Arc::new(Mutex::new(None));
    let (at, until, started) = (begun.clone(), over.clone(), resend.clone());
    let fixture = hosted(move |fixture, count, _| {
        if count == 0 {
            let fixture = fixture.clone();
            *started.lock().unwrap() = Some(thread::spawn(move || fixture.service.resend("t").unwrap().outcome));
            at.wait();
        } else {
            at.wait();
            until.wait();
        }
        Sent::Sent
    });
    assert_eq!(fixture.create_again().outcome, Outcome::Ok);
    assert_eq!(fixture.create_again().outcome, Outcome::Ok, "the same answer");
    over.wait();
    let resend = resend.lock().unwrap().take().unwrap();
    assert_eq!(resend.join().unwrap(), Outcome::Ok);
}

/// Between the check and the message the host takes its function away.
#[test]
fn a_function_that_was_there_before_the_commit_is_called() {
    let (calls, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, tick) = (sent.clone(), calls.clone());
    let fixture = hosted(move |_, _, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Sent::Sent
    });
    let host = Arc::downgrade(&fixture);
    let clock = move || {
        if tick.fetch_add(1, Ordering::SeqCst) == 0 {
            host.upgrade().unwrap().service.on_send(None).unwrap();
        }
        T0
    };
    fixture.service.on_clock(Some(Arc::new(clock))).unwrap();
    assert_eq!((fixture.create_again().outcome, sent.load(Ordering::SeqCst)), (Outcome::Ok, 1));
    assert_eq!(outcome(fixture.service.resend("t")), Outcome::Unsupported);
}

#[test]
fn a_text_that_cannot_be_made_is_told_before_anything_is_stored() {
    for sender in ["none", "host", "messages"] {
        let mut stage = Stage::new(sender);
        assert_eq!(outcome(stage.create("t")), Outcome::Ok);
        let code = stage.code();
        stage.deploy("{code} for {shop}");
        let (rows, messages) = (stage.rows(), stage.messages());
        let error = stage.service().resend("t").err().unwrap();
        assert_eq!(error.outcome(), Outcome::Argument);
        assert!(error.detail().contains("no value for {shop}"), "{error}");
        if sender == "none" {
            assert_eq!(outcome(stage.create("t")), Outcome::Argument, "the answer would hold the text");
        }
        assert!(stage.rows() == rows, "{sender}");
        stage.fixture.later(120_000);
        assert_eq!(stage.service().run_due().unwrap().ran, 0, "{sender}");
        assert_eq!(stage.messages(), messages, "{sender}");
        assert_eq!(stage.fixture.verify("t", &code), Outcome::Ok, "{sender}");
    }
}

#[test]
fn the_same_request_gets_the_first_answer_whatever_becomes_of_the_delivery() {
    let stage = Stage::new("messages");
    assert_eq!(outcome(stage.create("t")), Outcome::Ok);
    stage.carrier().order(&[500, 500]);
    assert_eq!(stage.fixture.later(120_000).due().0, 1);
    assert_eq!(stage.record("t").unwrap().delivery.state(), DeliveryState::InDoubt);
    assert_eq!(stage.replayed(), Outcome::Ok, "the next step is in doubt");
    assert_eq!(outcome(stage.service().resend("t")), Outcome::InDoubt);
    assert_eq!(stage.replayed(), Outcome::Ok, "a resend is in doubt");

    let stage = Stage::new("messages");
    stage.carrier().order(&[500]);
    assert_eq!(outcome(stage.create("t")), Outcome::InDoubt);
    let _ = stage.fixture.report(&stage.carrier().seen()[0], "delivered");
    assert_eq!(stage.replayed(), Outcome::InDoubt, "it arrived");
    assert_eq!(outcome(stage.service().resend("t")), Outcome::Ok);
    assert_eq!(stage.replayed(), Outcome::InDoubt, "it was sent once more");
    assert_eq!(stage.service().cancel("t").unwrap().outcome, Outcome::Ok);
    assert_eq!(stage.replayed(), Outcome::InDoubt, "it was cancelled");
}

/// The outcome was lost: there is no first answer until it is known that there was a message.
#[test]
fn the_same_request_is_in_doubt_until_it_is_known() {
    let stage = Stage::new("messages");
    stage.faulty.arm(Some(Plan { call: 1, lasts: false, fault: Fault::Busy }));
    assert_eq!(outcome(stage.create("t")), Outcome::InDoubt);
    assert_eq!(stage.replayed(), Outcome::InDoubt);
    let _ = stage.fixture.report(&stage.carrier().seen()[0], "delivered");
    assert_eq!(stage.replayed(), Outcome::Ok);
    stage.carrier().order(&[500]);
    assert_eq!(outcome(stage.service().resend("t")), Outcome::InDoubt);
    assert_eq!(stage.replayed(), Outcome::Ok, "from now on it is the same");
}

/// Its time was over while it was being refused: the next step is somebody else's, and brings the code.
#[test]
fn a_code_that_another_step_brings_is_not_given_up() {
    let stage = Stage::new("messages").at_first_send(|stage| {
        let others = || assert_eq!(stage.fixture.later(120_000).due().0, 1);
        std::thread::scope(|scope| scope.spawn(others).join().unwrap());
    });
    stage.carrier().order(&[422]);
    assert_eq!(outcome(stage.create("t")), Outcome::InDoubt);
    assert_eq!(stage.carrier().channels(), ["messenger", "sms"]);
    assert_eq!(stage.fixture.verify("t", &stage.code()), Outcome::Ok);
}

/// A report that overtakes the answer begins the next step: who waits for the answer does not send it once more.
#[test]
fn a_step_that_a_report_began_is_not_sent_by_the_create_as_well() {
    for status in [500, 202] {
        let stage = Stage::new("messages").at_first_send(|stage| {
            let _ = stage.fixture.report(&stage.carrier().seen()[0], "rejected");
        });
        stage.carrier().order(&[status]);
        let expected = if status == 202 { Outcome::Ok } else { Outcome::InDoubt };
        assert_eq!(outcome(stage.create("t")), expected);
        assert_eq!(stage.carrier().channels(), ["messenger", "sms"]);
        assert_eq!(stage.fixture.verify("t", &stage.code()), Outcome::Ok);
    }
}

#[test]
fn a_cancel_that_cannot_be_stored_is_an_error_of_the_store() {
    let stage = Stage::new("host");
    stage.answer(&[Sent::NotSent; 2]);
    stage.faulty.arm(Some(Plan { call: 1, lasts: true, fault: Fault::Busy }));
    let error = stage.create("t").err().unwrap();
    assert_eq!(error.outcome(), Outcome::Store);
    let detail = "the message was not sent, which could not be stored: the repository was busy, as planned";
    assert_eq!(error.detail(), detail);
}

/// Two steps were sent, and the third could not even be looked for.
#[test]
fn what_ran_is_told_although_a_later_transaction_fails() {
    let stage = Stage::new("messages");
    ["a", "b", "c"].into_iter().for_each(|token| assert_eq!(outcome(stage.create(token)), Outcome::Ok));
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let log = move |_: i32, event: &str| told.lock().unwrap().push(event.to_owned());
    stage.service().on_log(1, Some(Arc::new(log))).unwrap();
    stage.fixture.later(120_000);
    // Of every step: it is claimed, let go of, and its outcome is stored.
    stage.faulty.arm(Some(Plan { call: 6, lasts: true, fault: Fault::Busy }));
    assert_eq!(stage.fixture.due(), (2, Some(0)));
    {
        let events = events.lock().unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].contains(r#""event":"run_due","result":"OTP_E_STORE""#), "{events:?}");
    }
    let error = stage.service().run_due().unwrap_err();
    assert_eq!(error.outcome(), Outcome::Busy, "this time nothing was done");
    stage.faulty.arm(None);
    assert_eq!(stage.fixture.due(), (1, None));
}

/// The report is what the carrier must not send again.
#[test]
fn a_report_that_was_stored_is_taken_whatever_becomes_of_the_step_after_it() {
    for fault in Fault::ALL {
        // The report is stored by the first; the step is let go of, and its outcome stored, by those after it.
        for call in 1..3 {
            let stage = Stage::new("messages");
            assert_eq!(outcome(stage.create("t")), Outcome::Ok);
            stage.faulty.arm(Some(Plan { call, lasts: true, fault }));
            let reply = stage.fixture.report(&stage.carrier().seen()[0], "rejected");
            assert_eq!((reply.known, reply.state), (Some(true), Some(DeliveryState::Rejected)), "{call}, {fault:?}");
        }
    }
}

/// The message stays, and so does the claim: the step is taken over when that ends.
#[test]
fn a_message_that_may_not_be_let_go_of_leaves_later() {
    let stage = Stage::new("messages");
    assert_eq!(outcome(stage.create("t")), Outcome::Ok);
    stage.fixture.later(120_000);
    stage.faulty.arm(Some(Plan { call: 1, lasts: true, fault: Fault::Busy }));
    assert_eq!(stage.fixture.due().0, 1);
    stage.faulty.arm(None);
    assert_eq!(stage.carrier().channels(), ["messenger"]);
    assert_eq!(stage.fixture.later(11_000).due(), (1, None));
    assert_eq!(stage.carrier().channels(), ["messenger", "sms"]);
}

#[test]
fn a_service_that_cannot_be_opened_leaves_no_repository() {
    let folder = ScratchFolder::new("unopened");
    let at = folder.path().display();
    let config = format!(
        r#"{{"repository":"sqlite:{at}/otp.db","sender":{{"type":"messages","applicationId":"a","privateKey":"{at}/no.key"}},
        "workflow":[{{"channel":"sms","from":"NEXMO"}}]}}"#
    );
    assert_eq!(Service::open(Some(&config)).err().unwrap().outcome(), Outcome::Config);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
