use super::*;
use crate::limits::SENDER_NAME_BYTES;

/// A reply in which everything that there is has been counted so often that it does not fit a number.
pub fn full() -> MetricsReply {
    let metrics = Metrics::default();
    for counter in metrics.calls.iter().flatten().chain(metrics.sent.iter().flatten()).chain(&metrics.reports) {
        counter.add(u64::MAX);
    }
    for counter in [&metrics.operations, &metrics.nanoseconds, &metrics.busy, &metrics.failed] {
        counter.add(u64::MAX);
    }
    metrics.due.set(u64::MAX);
    let names: Vec<_> = (1..=MOST_SENDERS).map(|number| format!("{number}").repeat(SENDER_NAME_BYTES)).collect();
    metrics.told(&names.iter().map(String::as_str).collect::<Vec<_>>(), Some(MOST))
}

fn counts<const N: usize>(counts: [(&'static str, u64); N]) -> Counts {
    Counts::from(counts)
}

#[test]
fn nothing_is_told_of_what_was_never_counted() {
    assert_eq!(Metrics::default().told(&["console"], None), MetricsReply::default());
}

#[test]
fn every_call_is_counted_by_its_result() {
    for call in Call::ALL {
        for outcome in Outcome::ALL {
            let metrics = Metrics::default();
            metrics.call(call, outcome);
            metrics.begin(call).end(outcome);
            let name = if call.may_be(outcome) { outcome.name() } else { "OTP_E_INTERNAL" };
            let calls = metrics.told(&["none"], None).calls;
            assert_eq!(calls, BTreeMap::from([(call.name(), counts([(name, 2)]))]), "{call:?} {outcome:?}");
        }
    }
}

#[test]
fn threads_that_count_at_once_lose_nothing() {
    let metrics = Metrics::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    metrics.call(Call::Verify, Outcome::NotValid);
                    metrics.stored(Duration::from_micros(1), None);
                }
            });
        }
    });
    let told = metrics.told(&["none"], None);
    assert_eq!((told.calls["verify"]["OTP_NOT_VALID"], told.store["microseconds"]), (40_000, 40_000));
}

#[test]
fn a_call_that_panics_is_a_defect() {
    let metrics = Metrics::default();
    let call = std::panic::AssertUnwindSafe(|| {
        let _under_way = metrics.begin(Call::Verify);
        panic!("planted");
    });
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(metrics.told(&["none"], None).calls["verify"], counts([("OTP_E_INTERNAL", 1)]));
}

#[test]
fn messages_and_reports_are_counted_by_what_came_of_them() {
    let metrics = Metrics::default();
    for (times, outcome) in (1..).zip([Outcome::Ok, Outcome::Refused, Outcome::Send, Outcome::InDoubt]) {
        (0..times).for_each(|_| metrics.sent(0, outcome));
    }
    for (times, (report, _)) in (1..).zip(Report::ALL) {
        (0..times).for_each(|_| metrics.report(report));
    }
    let told = metrics.told(&["host"], None);
    let sent = counts([("accepted", 1), ("refused", 2), ("failed", 3), ("in_doubt", 4)]);
    assert_eq!(told.send, BTreeMap::from([("host".to_owned(), sent)]));
    let moved = [("submitted", 1), ("delivered", 2), ("read", 3), ("rejected", 4), ("undeliverable", 5), ("failed", 6)];
    let reports: Counts = moved.into_iter().chain([("duplicate", 7), ("unknown", 8)]).collect();
    assert_eq!(told.reports, reports);
}

#[test]
fn a_report_is_counted_by_the_state_that_it_leads_to() {
    let name = |state| {
        Report::of(state).map(|report| Report::ALL.iter().find(|(other, _)| *other == report).unwrap().1.to_owned())
    };
    for state in ["submitted", "delivered", "read", "rejected", "undeliverable", "failed"] {
        let read: DeliveryState = serde_json::from_value(state.into()).unwrap();
        assert_eq!(name(read).as_deref(), Some(state));
    }
    assert_eq!([name(DeliveryState::Accepted), name(DeliveryState::Stopped)], [None, None]);
}

#[test]
fn work_in_the_repository_is_counted_and_timed() {
    let metrics = Metrics::default();
    metrics.stored(Duration::from_nanos(1600), None);
    metrics.stored(Duration::from_nanos(1600), Some(&Error::busy("x")));
    metrics.stored(Duration::ZERO, Some(&Error::store("x")));
    metrics.stored(Duration::ZERO, Some(&Error::internal("x")));
    // The caller's own mistake.
    metrics.stored(Duration::ZERO, Some(&Error::argument("x")));
    let store = counts([("operations", 5), ("microseconds", 3), ("busy", 1), ("failed", 2)]);
    assert_eq!(metrics.told(&["none"], None).store, store);
}

/// A reply that holds every count there is, each with a number of its own.
fn each() -> MetricsReply {
    let metrics = Metrics::default();
    let mut number = 0;
    for (call, counters) in Call::ALL.iter().zip(&metrics.calls) {
        for (_, counter) in Outcome::ALL.iter().zip(counters).filter(|(outcome, _)| call.may_be(**outcome)) {
            number += 1;
            counter.add(number);
        }
    }
    let [sent, more_sent, ..] = &metrics.sent;
    let sent = sent.iter().chain(more_sent);
    for counter in sent.chain(&metrics.reports).chain([&metrics.operations, &metrics.busy, &metrics.failed]) {
        number += 1;
        counter.add(number);
    }
    metrics.nanoseconds.add((number + 1) * 1000);
    metrics.due.set(number + 2);
    metrics.told(&["messages", "backup_2"], Some(number + 3))
}

/// The packages for Python and Node hold themselves to the same two files.
#[test]
fn openmetrics_are_those_of_all_languages() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let each = each();
    let files = [
        ("openmetrics.json", serde_json::to_string_pretty(&each).unwrap() + "\n"),
        ("openmetrics.txt", each.openmetrics()),
    ];
    for (name, made) in files {
        if std::env::var("UPDATE_OPENMETRICS").as_deref() == Ok("1") {
            std::fs::write(folder.join(name), &made).unwrap();
        }
        let kept = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(kept == made, "{name}: UPDATE_OPENMETRICS=1 cargo test --lib openmetrics writes it anew");
    }
}

#[test]
fn openmetrics_of_nothing_have_every_counter_and_no_gauge() {
    let text = MetricsReply::default().openmetrics();
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = ["operations", "microseconds", "busy", "failed"].map(|name| format!("otp_store_{name}_total 0"));
    assert_eq!(samples, expected);
    assert!(text.contains("# TYPE otp_calls counter\n") && text.ends_with("\n# EOF\n"), "{text}");
}

#[test]
fn a_gauge_is_told_once_it_is_known() {
    let metrics = Metrics::default();
    assert_eq!(metrics.due.get(), None);
    metrics.due.set(0);
    let told = metrics.told(&["none"], Some(0));
    assert_eq!((told.live, told.due), (Some(0), Some(0)));
    assert_eq!(serde_json::to_string(&told).unwrap(), r#"{"live":0,"due":0}"#);
}

#[test]
fn counts_stop_where_readers_of_json_are_no_longer_exact() {
    let full = full();
    let ends = |name: &str| if name.starts_with("OTP_E_") { MOST_RARE } else { MOST };
    assert!(full.calls.values().flatten().all(|(name, count)| *count == ends(name)));
    assert!(full.send.values().chain([&full.reports]).flat_map(BTreeMap::values).all(|count| *count == MOST_RARE));
    assert_eq!((full.store["busy"], full.due), (MOST, Some(MOST)));
    assert_eq!(MOST as f64 as u64, MOST);
    assert_eq!((MOST + 2) as f64 as u64 % 2, 0);
}

/// Programs look for what the manual says.
#[test]
fn the_manual_names_everything() {
    let header = include_str!("../../include/otp.h");
    let (before, _) = header.split_once("otp_metrics(otp_service *service").unwrap();
    let manual = before.rsplit("/**").next().unwrap();
    let full = full();
    for name in full.calls.keys() {
        assert!(manual.contains(&format!("\"{name}\"")), "{name}");
    }
    let of_a_group = |group: &str, name: &str| manual.contains(&format!("`{group}.{name}`"));
    for name in full.send.values().flat_map(|counts| counts.keys()) {
        assert!(of_a_group("send.SENDER", name) || manual.contains(&format!("`{name}`")), "{name}");
    }
    for (group, names) in [("reports", &full.reports), ("store", &full.store)] {
        for name in names.keys() {
            assert!(of_a_group(group, name), "{group}.{name}");
        }
    }
    assert!(manual.contains("`live`") && manual.contains("`due`"));
}
