//! What a service tells of itself: every group of counters, through the calls that count.

use std::collections::BTreeMap;

use serde_json::json;

use super::flow::fixture;
use super::hosts::share_rows;
use super::*;
use crate::metrics::MetricsReply;
use crate::repository::conformance::ScratchFolder;
use crate::repository::fake::FakeStore;

/// Counts as text: "name 1, other 2".
fn text(counts: &BTreeMap<&'static str, u64>) -> String {
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

impl Fixture {
    fn told(&self) -> MetricsReply {
        self.service.metrics().unwrap()
    }

    /// What a call came to so far.
    fn counted(&self, call: &str) -> String {
        self.told().calls.get(call).map(text).unwrap_or_default()
    }
}

#[test]
fn calls_are_counted_by_their_results() {
    let fixture = Fixture::new("");
    assert_eq!(fixture.told(), MetricsReply::default());
    let code = fixture.create("t", r#"{"phoneNumber":"393331234567"}"#);
    let limited = fixture.service.create("u", Some(r#"{"phoneNumber":"393331234567"}"#)).unwrap();
    assert_eq!(limited.outcome, Outcome::RateLimited);
    assert!(fixture.service.create("u", Some("{")).is_err() && fixture.service.create("", None).is_err());
    assert_eq!(fixture.counted("create"), "OTP_E_ARGUMENT 2, OTP_OK 1, OTP_RATE_LIMITED 1");
    for guess in [Fixture::wrong(&code), code.clone(), code.clone()] {
        let _ = fixture.verify("t", &guess);
    }
    assert!(fixture.service.verify("t", "-", None).is_err());
    assert_eq!(fixture.verify("nobody", "000000"), Outcome::NotValid);
    assert_eq!(fixture.counted("verify"), "OTP_CHECKED 1, OTP_E_ARGUMENT 1, OTP_NOT_VALID 2, OTP_OK 1");
    let _ = (fixture.service.resend("t"), fixture.service.resend_channel("nobody", "sms"));
    assert_eq!(fixture.counted("resend"), "OTP_CHECKED 1, OTP_UNKNOWN 1");
    let _ = (fixture.service.not_sent("nobody"), fixture.service.cancel("nobody"), fixture.service.status("t"));
    assert_eq!(["not_sent", "cancel"].map(|call| fixture.counted(call)), ["OTP_UNKNOWN 1"; 2]);
    assert_eq!(fixture.counted("status"), "OTP_OK 1");
    assert!(fixture.service.webhook(None, b"{}").is_err());
    assert_eq!(fixture.counted("webhook"), "OTP_E_UNSUPPORTED 1");
    let _ = (fixture.service.run_due(), fixture.service.drive(true));
    assert_eq!(fixture.counted("run_due"), "OTP_OK 2");
    let _ = (fixture.service.subject("t"), fixture.service.unlock("t"), fixture.service.erase("t"));
    assert_eq!(fixture.told().calls.len(), 8, "calls for operators are not counted");
    assert_eq!(fixture.told().send, BTreeMap::new(), "the host sends");
}

#[test]
fn messages_are_counted_by_what_came_of_them() {
    let (fixture, carrier) = fixture("messages");
    carrier.order(&[202, 422, 202, 422, 422, 422, 500]);
    let outcomes = ["t", "u", "v", "w"].map(|token| fixture.send(token).outcome);
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Ok, Outcome::Send, Outcome::InDoubt]);
    let told = fixture.told();
    assert_eq!(told.send.keys().collect::<Vec<_>>(), ["messages"]);
    assert_eq!(text(&told.send["messages"]), "accepted 2, failed 4, in_doubt 1");
    assert_eq!(fixture.counted("create"), "OTP_E_IN_DOUBT 1, OTP_E_SEND 1, OTP_OK 2");
}

#[test]
fn reports_are_counted_by_what_they_said() {
    let (fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    let message = carrier.seen()[0].clone();
    for status in ["submitted", "submitted", "read", "delivered"] {
        let _ = fixture.report(&message, status);
    }
    let mut foreign = message.clone();
    (foreign["client_ref"], foreign["message_uuid"]) = (json!("0"), json!("0"));
    let _ = fixture.report(&foreign, "read");
    assert_eq!(text(&fixture.told().reports), "duplicate 2, read 1, submitted 1, unknown 1");
    assert_eq!(fixture.counted("webhook"), "OTP_OK 5");
}

#[test]
fn work_in_the_repository_is_counted() {
    let mut fixture = Fixture::new("");
    let watch = watched::watch(&mut fixture);
    let core = Arc::get_mut(&mut fixture.service.core).unwrap();
    core.repository = repository::metered(core.repository.clone(), core.metrics.clone());
    let before = fixture.told().store;
    let _ = fixture.create("t", "{}");
    let after = fixture.told().store;
    assert!(after["operations"] > before.get("operations").copied().unwrap_or_default());
    *crate::fork::lock(&watch.delay) = std::time::Duration::from_millis(20);
    let _ = fixture.service.status("t");
    let slow = fixture.told().store;
    assert!(slow["microseconds"] >= after.get("microseconds").copied().unwrap_or_default() + 20_000, "{slow:?}");
    *crate::fork::lock(&watch.busy_after) = Some(0);
    assert_eq!(fixture.service.status("t").unwrap_err().outcome(), Outcome::Busy);
    assert_eq!((fixture.counted("status").as_str(), fixture.told().store["busy"]), ("OTP_E_BUSY 1, OTP_OK 1", 1));
    watch.is_blind.store(true, Ordering::Relaxed);
    assert!(fixture.service.core.repository.scan(fixture.service.core.tenant().rows()).any(|page| page.is_err()));
    assert_eq!(fixture.told().store["failed"], 1);
}

#[test]
fn what_is_told_needs_no_repository_and_no_thread() {
    let mut fixture = Fixture::new("");
    let watch = watched::watch(&mut fixture);
    *crate::fork::lock(&watch.busy_after) = Some(0);
    watch.is_blind.store(true, Ordering::Relaxed);
    fixture.service.core.moved.store(true, Ordering::Relaxed);
    assert_eq!(fixture.service.status("t").unwrap_err().outcome(), Outcome::Store);
    assert_eq!(fixture.counted("status"), "OTP_E_STORE 1");
    assert_eq!((watch.transactions().len(), watch.sweeps.load(Ordering::Relaxed)), (0, 0));
}

/// Opens a service on each kind of repository.
fn on_every_repository(run: impl Fn(&Fixture)) {
    let folder = ScratchFolder::new("metrics");
    let path = folder.path().display();
    for url in ["memory:".to_owned(), format!("sqlite:{path}/otp.db"), format!("json:{path}/rows"), "shared".to_owned()]
    {
        let opened = if url == "shared" { "memory:" } else { &url };
        let config = json!({"repository": opened, "sender": {"type": "none"}});
        let mut service = Service::open(Some(&config.to_string())).unwrap().0;
        if url == "shared" {
            share_rows(&mut service, &FakeStore::default());
        }
        let time = Arc::new(AtomicI64::new(T0));
        let fixture = Fixture { service, clock: time.clone() };
        fixture.service.on_clock(Some(Arc::new(move || time.load(Ordering::Relaxed)))).unwrap();
        println!("{url}");
        run(&fixture);
    }
}

#[test]
fn codes_that_are_good_are_counted_by_the_sweep() {
    on_every_repository(|fixture| {
        let codes: Vec<_> = (0..7).map(|at| fixture.create(&format!("t{at}"), "{}")).collect();
        let live = || {
            assert_eq!(fixture.service.run_due().unwrap().purged, 0);
            fixture.told().live
        };
        assert_eq!(live(), Some(7));
        assert_eq!(fixture.verify("t0", &codes[0]), Outcome::Ok);
        assert_eq!(fixture.service.cancel("t1").unwrap().outcome, Outcome::Ok);
        (0..5).for_each(|_| assert_eq!(fixture.verify("t2", &Fixture::wrong(&codes[2])), Outcome::NotValid));
        assert_eq!(fixture.told().live, Some(7), "as of the last round");
        assert_eq!(live(), Some(4), "used, cancelled and locked ones are not good");
        fixture.later(300_000);
        assert_eq!(live(), Some(0));
        assert_eq!(fixture.told().due, None, "nothing is timed");
    });
}

/// A create sweeps a little besides: what it passes belongs to the round.
#[test]
fn what_creates_sweep_counts_as_well() {
    on_every_repository(|fixture| {
        (0..20).for_each(|at| drop(fixture.create(&format!("t{at}"), "{}")));
        let _ = fixture.service.run_due().unwrap();
        assert_eq!(fixture.told().live, Some(20));
        (20..40).for_each(|at| drop(fixture.create(&format!("t{at}"), "{}")));
        let live = fixture.told().live.unwrap();
        assert!((20..=40).contains(&live), "{live}");
    });
}

#[test]
fn codes_of_others_are_not_counted() {
    let folder = ScratchFolder::new("metrics of two");
    let [one, other] = ["one", "other"].map(|namespace| {
        let path = folder.path().display();
        let config = json!({"repository": format!("sqlite:{path}/otp.db"), "namespace": namespace,
            "sender": {"type": "none"}});
        let (service, clock) = (Service::open(Some(&config.to_string())).unwrap().0, Arc::new(AtomicI64::new(T0)));
        Fixture { service, clock }
    });
    (0..3).for_each(|at| drop(one.create(&at.to_string(), "{}")));
    let _ = (other.create("t", "{}"), one.service.run_due().unwrap(), other.service.run_due().unwrap());
    assert_eq!((one.told().live, other.told().live), (Some(3), Some(1)));
}

#[test]
fn steps_that_are_due_are_counted_by_the_round_that_finds_them() {
    let (fixture, _carrier) = fixture("messages");
    for token in ["t", "u", "v"] {
        let _ = fixture.send(token);
    }
    assert_eq!(fixture.told().due, None);
    fixture.due();
    assert_eq!(fixture.told().due, Some(0));
    assert_eq!(fixture.later(120_000).due().0, 3);
    assert_eq!(fixture.told().due, Some(3));
    fixture.due();
    assert_eq!(fixture.told().due, Some(0));
}

/// One step for each call: only the last knows of all.
#[test]
fn a_round_in_parts_is_told_when_it_is_whole() {
    let (fixture, _carrier) = fixture("messages");
    for token in ["t", "u", "v"] {
        let _ = fixture.send(token);
    }
    fixture.later(120_000);
    for _ in 0..3 {
        assert_eq!(fixture.told().due, None);
        fixture.service.run_one_timer();
    }
    fixture.service.run_one_timer();
    assert_eq!(fixture.told().due, Some(3));
}
