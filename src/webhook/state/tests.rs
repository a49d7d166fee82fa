use super::{advance, reached};
use crate::config::Condition;
use crate::record::DeliveryState::{self, *};
use crate::webhook::{Event, parse};

const ALL: [DeliveryState; 11] =
    [Sending, Accepted, Submitted, Delivered, Read, Rejected, Undeliverable, Failed, InDoubt, Skipped, Stopped];
const TOLD: [DeliveryState; 6] = [Submitted, Failed, Undeliverable, Rejected, Delivered, Read];

fn after(start: DeliveryState, told: impl IntoIterator<Item = DeliveryState>) -> DeliveryState {
    told.into_iter().fold(start, |state, told| advance(state, told).unwrap_or(state))
}

/// What a message has come to of which these reports are known, in words of their own.
fn expected(told: &[DeliveryState]) -> DeliveryState {
    match told {
        _ if told.contains(&Read) => Read,
        _ if told.contains(&Delivered) => Delivered,
        _ if told.contains(&Rejected) => Rejected,
        _ if told.contains(&Undeliverable) => Undeliverable,
        _ if told.contains(&Failed) => Failed,
        _ => Submitted,
    }
}

#[test]
fn every_sequence_of_six_reports_comes_to_what_its_set_says() {
    for start in [Sending, Accepted, InDoubt] {
        for number in 0..TOLD.len().pow(6) {
            let told: Vec<_> = (0..6).map(|place| TOLD[number / TOLD.len().pow(place) % TOLD.len()]).collect();
            assert_eq!(after(start, told.iter().copied()), expected(&told), "{start:?} {told:?}");
        }
    }
}

/// Every order of these items.
fn orders<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let first = |index: usize| {
        let mut rest = items.to_vec();
        let item = rest.remove(index);
        orders(&rest).into_iter().map(move |order| [vec![item], order].concat())
    };
    (0..items.len()).flat_map(first).collect()
}

#[test]
fn every_order_of_six_webhooks_and_each_twice_gives_one_state() {
    let bodies = ["submitted", "delivered", "read", "rejected", "undeliverable", "teleported"].map(|status| {
        format!(r#"{{"message_uuid":"m","to":"1","from":"2","channel":"messenger","status":"{status}"}}"#)
    });
    let told = bodies.each_ref().map(|body| match parse(body.as_bytes()) {
        Ok(Event::Status(event)) => event.state,
        _ => panic!("{body}"),
    });
    assert_eq!(told.iter().flatten().count(), 5);
    let orders = orders(&told);
    assert_eq!(orders.len(), 720);
    for order in orders {
        assert_eq!(after(Accepted, order.iter().copied().flatten()), Read, "{order:?}");
        for twice in 0..order.len() {
            for place in 0..=order.len() {
                let mut order = order.clone();
                order.insert(place, order[twice]);
                assert_eq!(after(Accepted, order.iter().copied().flatten()), Read, "{order:?}");
            }
        }
    }
}

#[test]
fn nothing_moves_backwards_or_to_what_no_report_tells() {
    for current in ALL {
        assert_eq!(advance(current, current), None);
        for told in [Sending, Accepted, InDoubt, Skipped, Stopped] {
            assert_eq!(advance(current, told), None, "{current:?} {told:?}");
        }
        for told in TOLD {
            if let Some(next) = advance(current, told) {
                assert_eq!(next, told);
                assert_eq!(advance(told, current), None, "{current:?} {told:?}");
            }
        }
    }
    for told in TOLD {
        assert_eq!((advance(Skipped, told), advance(Stopped, told)), (None, None));
        assert_eq!(advance(Read, told), None);
        for begun in [Sending, Accepted, InDoubt] {
            assert_eq!(advance(begun, told), Some(told));
        }
    }
    assert_eq!(advance(Rejected, Delivered), Some(Delivered), "given up, and arrived all the same");
}

#[test]
fn read_implies_delivered() {
    for state in ALL {
        assert_eq!(reached(state, Condition::Read), state == Read);
        assert_eq!(reached(state, Condition::Delivered), state == Read || state == Delivered);
    }
}
