//! What a service counts: calls by their results, messages, reports, and work in the repository.
//!
//! Whoever counts takes no lock and allocates nothing: each count is one addition to a number at a fixed place. Counts
//! only grow, and a child of a fork goes on from those of its parent. Nothing is counted inside an operation of the
//! repository, which may run several times.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::error::Error;
use crate::limits::MOST_SENDERS;
use crate::outcome::Outcome;
use crate::record::DeliveryState;

mod openmetrics;

/// The largest number that is told, and the largest whole one that every reader of JSON keeps exact. At a million a
/// second it takes 285 years.
const MOST: u64 = (1 << 53) - 1;

/// The largest number of what is rare or slow: errors, messages, reports. At a thousand a second it takes 115 days, and
/// then stays. With more digits a reply would not hold those of eight senders.
const MOST_RARE: u64 = 9_999_999_999;

/// What calls are counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Create,
    Resend,
    NotSent,
    Verify,
    Cancel,
    Status,
    Webhook,
    Report,
    RunDue,
}

impl Call {
    const ALL: [Call; 9] = [
        Call::Create,
        Call::Resend,
        Call::NotSent,
        Call::Verify,
        Call::Cancel,
        Call::Status,
        Call::Webhook,
        Call::Report,
        Call::RunDue,
    ];

    /// The name, as of its events in the log.
    const fn name(self) -> &'static str {
        match self {
            Call::Create => "create",
            Call::Resend => "resend",
            Call::NotSent => "not_sent",
            Call::Verify => "verify",
            Call::Cancel => "cancel",
            Call::Status => "status",
            Call::Webhook => "webhook",
            Call::Report => "report",
            Call::RunDue => "run_due",
        }
    }

    /// Whether the call may come to this. Another result would be a defect, and is told as one: only what each call
    /// may come to fits a reply.
    fn may_be(self, outcome: Outcome) -> bool {
        let is_about_a_code =
            matches!(outcome, Outcome::Unknown | Outcome::Checked | Outcome::Cancelled | Outcome::Expired);
        match outcome {
            Outcome::Ok
            | Outcome::Argument
            | Outcome::Config
            | Outcome::Store
            | Outcome::Busy
            | Outcome::Random
            | Outcome::Internal => true,
            Outcome::NotValid => self == Call::Verify,
            Outcome::Signature | Outcome::Unsigned => self == Call::Webhook,
            Outcome::Refused | Outcome::RateLimited | Outcome::InDoubt => matches!(self, Call::Create | Call::Resend),
            Outcome::Send => matches!(self, Call::Create | Call::Resend | Call::NotSent),
            Outcome::Unsupported => matches!(self, Call::Create | Call::Resend | Call::NotSent | Call::Webhook),
            Outcome::Locked => matches!(self, Call::Create | Call::Resend | Call::NotSent | Call::Verify),
            _ if is_about_a_code => match self {
                Call::Resend | Call::NotSent => true,
                Call::Create => outcome == Outcome::Cancelled,
                Call::Verify => outcome != Outcome::Unknown,
                Call::Cancel => outcome != Outcome::Cancelled,
                Call::Status => outcome == Outcome::Unknown,
                Call::Webhook | Call::Report | Call::RunDue => false,
            },
            _ => false,
        }
    }
}

/// What a report came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Submitted,
    Delivered,
    Read,
    Rejected,
    Undeliverable,
    Failed,
    /// Of a known delivery, and nothing new.
    Duplicate,
    /// Of none that is known.
    Unknown,
}

impl Report {
    const ALL: [(Report, &'static str); 8] = [
        (Report::Submitted, "submitted"),
        (Report::Delivered, "delivered"),
        (Report::Read, "read"),
        (Report::Rejected, "rejected"),
        (Report::Undeliverable, "undeliverable"),
        (Report::Failed, "failed"),
        (Report::Duplicate, "duplicate"),
        (Report::Unknown, "unknown"),
    ];

    /// One that moved a step to this state, which is none where no report leads there.
    pub fn of(state: DeliveryState) -> Option<Self> {
        match state {
            DeliveryState::Submitted => Some(Report::Submitted),
            DeliveryState::Delivered => Some(Report::Delivered),
            DeliveryState::Read => Some(Report::Read),
            DeliveryState::Rejected => Some(Report::Rejected),
            DeliveryState::Undeliverable => Some(Report::Undeliverable),
            DeliveryState::Failed => Some(Report::Failed),
            _ => None,
        }
    }
}

/// What came of a message, by what it means for the code.
const SENT: [(Outcome, &str); 4] = [
    (Outcome::Ok, "accepted"),
    (Outcome::Refused, "refused"),
    (Outcome::Send, "failed"),
    (Outcome::InDoubt, "in_doubt"),
];

#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down, and is not known at first.
pub struct Gauge(AtomicU64);

impl Gauge {
    const NOT_KNOWN: u64 = u64::MAX;

    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value.min(MOST), Ordering::Relaxed);
    }

    /// What it was set to last.
    pub fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|value| *value != Self::NOT_KNOWN)
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicU64::new(Self::NOT_KNOWN))
    }
}

/// The counts of a service.
#[derive(Default)]
pub struct Metrics {
    /// By [`Call`], and in the order of [`Outcome::ALL`].
    calls: [[Counter; Outcome::ALL.len()]; Call::ALL.len()],
    /// By the sender's place, and in the order of [`SENT`].
    sent: [[Counter; SENT.len()]; MOST_SENDERS],
    /// By [`Report`].
    reports: [Counter; Report::ALL.len()],
    operations: Counter,
    nanoseconds: Counter,
    busy: Counter,
    failed: Counter,
    /// Steps that the last full round over the timers found due.
    pub due: Gauge,
}

impl Metrics {
    /// A call that came to this.
    pub fn call(&self, call: Call, outcome: Outcome) {
        // `Outcome::ALL` goes down from the highest number.
        let place = usize::try_from(Outcome::Unknown.number() - outcome.number()).ok();
        let counters = self.calls.get(call as usize);
        if let Some(counter) = place.and_then(|place| counters?.get(place)) {
            counter.add(1);
        }
    }

    /// A call that begins. If it never ends, since it panicked, it is counted as a defect.
    pub fn begin(&self, call: Call) -> CallUnderWay<'_> {
        CallUnderWay { metrics: self, call, outcome: Outcome::Internal }
    }

    /// A message by this sender, of which came what this means for its code.
    pub fn sent(&self, sender: usize, outcome: Outcome) {
        let place = SENT.iter().position(|(sent, _)| *sent == outcome);
        if let Some(counter) = place.and_then(|place| self.sent.get(sender)?.get(place)) {
            counter.add(1);
        }
    }

    /// A report.
    pub fn report(&self, report: Report) {
        if let Some(counter) = self.reports.get(report as usize) {
            counter.add(1);
        }
    }

    /// A piece of work in the repository, which took so long and may have failed.
    pub fn stored(&self, took: Duration, error: Option<&Error>) {
        self.operations.add(1);
        self.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        match error.map(Error::outcome) {
            Some(Outcome::Busy) => self.busy.add(1),
            Some(Outcome::Store | Outcome::Internal) => self.failed.add(1),
            _ => {}
        }
    }

    /// All that was counted, with what only others know: the senders' names, and how many codes are live.
    pub fn told(&self, senders: &[&str], live: Option<u64>) -> MetricsReply {
        let calls = Call::ALL.iter().zip(&self.calls).map(|(call, counters)| (call.name(), of_call(*call, counters)));
        let sent = senders.iter().zip(&self.sent).map(|(sender, counters)| {
            (String::from(*sender), rare(SENT.iter().zip(counters).map(|((_, name), counter)| (*name, counter.get()))))
        });
        let reports = Report::ALL.iter().zip(&self.reports).map(|((_, name), counter)| (*name, counter.get()));
        let store = [
            ("operations", self.operations.get()),
            ("microseconds", self.nanoseconds.get() / 1000),
            ("busy", self.busy.get()),
            ("failed", self.failed.get()),
        ];
        MetricsReply {
            calls: calls.filter(|(_, results)| !results.is_empty()).collect(),
            send: sent.filter(|(_, counts)| !counts.is_empty()).collect(),
            reports: rare(reports),
            store: told(store.into_iter()),
            live,
            due: self.due.get(),
        }
    }
}

/// A call that was begun, and is counted when this is dropped.
#[must_use]
pub struct CallUnderWay<'a> {
    metrics: &'a Metrics,
    call: Call,
    outcome: Outcome,
}

impl CallUnderWay<'_> {
    /// The call has come to this.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for CallUnderWay<'_> {
    fn drop(&mut self) {
        self.metrics.call(self.call, self.outcome);
    }
}

/// Numbers by name, without those that are 0.
pub type Counts = BTreeMap<&'static str, u64>;

fn told(counts: impl Iterator<Item = (&'static str, u64)>) -> Counts {
    counts.filter(|(_, count)| *count > 0).map(|(name, count)| (name, count.min(MOST))).collect()
}

fn rare(counts: impl Iterator<Item = (&'static str, u64)>) -> Counts {
    told(counts.map(|(name, count)| (name, count.min(MOST_RARE))))
}

fn of_call(call: Call, counters: &[Counter]) -> Counts {
    let mut results = Counts::new();
    for (outcome, counter) in Outcome::ALL.iter().zip(counters) {
        let known = if call.may_be(*outcome) { *outcome } else { Outcome::Internal };
        let count = counter.get();
        if count > 0 {
            let sum = results.entry(known.name()).or_default();
            *sum = sum.saturating_add(count).min(if known.number() < 0 { MOST_RARE } else { MOST });
        }
    }
    results
}

/// Answer of [`crate::Service::metrics`]. What was never counted is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[must_use]
pub struct MetricsReply {
    /// Calls, by name and result.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<&'static str, Counts>,
    /// Messages, by sender and by what came of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub send: BTreeMap<String, Counts>,
    /// Reports, by what they said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reports: Counts,
    /// Work in the repository.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub store: Counts,
    /// Codes of the namespace that were good, as the last full round of the sweep saw them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<u64>,
    /// Steps that the last full round over the timers found due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
}

#[cfg(test)]
pub(crate) mod tests;
