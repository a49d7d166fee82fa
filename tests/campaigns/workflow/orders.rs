//! Six reports on a delivery in every order, some of them twice: one state in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use otp::StepReply;

use super::{EXPIRY_SECONDS, T0, create, open_at};
use testing::Random;
use testing::carrier::{Carrier, report, uuid};

/// On which message, and what.
const REPORTS: [(usize, &str); 6] =
    [(0, "submitted"), (0, "delivered"), (0, "read"), (1, "submitted"), (1, "delivered"), (1, "undeliverable")];

/// All orders of so many things (Heap's algorithm).
fn orders(count: usize) -> Vec<Vec<usize>> {
    fn permute(order: &mut Vec<usize>, end: usize, all: &mut Vec<Vec<usize>>) {
        if end <= 1 {
            all.push(order.clone());
            return;
        }
        for place in 0..end {
            permute(order, end - 1, all);
            order.swap(if end.is_multiple_of(2) { place } else { 0 }, end - 1);
        }
    }
    let mut all = Vec::new();
    permute(&mut (0..count).collect(), count, &mut all);
    all
}

fn told(steps: &[StepReply]) -> String {
    let told = |step: &StepReply| format!("{} {:?} {:?}; ", step.channel, step.status, step.message_uuid);
    steps.iter().map(told).collect()
}

#[test]
fn every_order_and_duplicates_give_one_state() {
    let all = orders(REPORTS.len());
    assert_eq!(all.len(), 720);
    let carrier = Carrier::start();
    let clock = Arc::new(AtomicI64::new(T0));
    let mut random = Random::from_environment();
    for (number, order) in all.iter().enumerate() {
        // A store of its own for some: rows that nobody sweeps here.
        let service = open_at(&carrier.config("memory:", ""), &clock);
        let before = carrier.count();
        create(&service, "t");
        let now = clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst) + EXPIRY_SECONDS * 1000;
        assert_eq!(service.run_due().unwrap().ran, 1);
        let messages = carrier.seen_from(before);
        let mut sequence = order.clone();
        for _ in 0..3 {
            let again = *random.pick(order);
            sequence.insert(random.below(sequence.len() + 1), again);
        }
        for report_number in &sequence {
            let (message, status) = REPORTS[*report_number];
            let (authorization, body) = report(&messages[message], &uuid(before + message + 1), status, now);
            let reply = service.webhook(Some(&authorization), body.as_bytes()).unwrap();
            assert_eq!(reply.known, Some(true));
        }
        let steps = service.status("t").unwrap().status.unwrap().delivery.steps.unwrap();
        let (first, second) = (uuid(before + 1), uuid(before + 2));
        let expected = format!(r#"messenger Read Some("{first}"); sms Delivered Some("{second}"); "#);
        assert_eq!(told(&steps), expected, "order {number}: {sequence:?}");
        assert_eq!(carrier.count(), before + 2, "order {number}: {sequence:?}");
    }
}
