//! One field of a valid row is put out of its range: no codec reads the row.

use super::*;
use crate::block::{Block, KeySlot};
use crate::clock::{DAY_MS, Time};
use crate::record::Idempotency;
use crate::repository::MetaState;
use crate::repository::codec;
use crate::repository::samples::Draw;

/// A live code with a context, which replaced another, with a step under way.
fn record() -> Record {
    let mut draw = Draw(7);
    let created = Time::from_ms(1_700_000_000_000);
    let secret = Secret::Derived { nonce: Block::new([1; 16]), length: 6 };
    let code = Code {
        slot: KeySlot(0),
        created,
        expires: created.plus(300_000),
        secret,
        max_attempts: 5,
        subject: Block::new([2; 16]),
        context: Some(Block::new([3; 16])),
        state: CodeState::Live,
    };
    Record {
        remembered: vec![Code { secret: Secret::Mac(Block::new([4; 16])), ..code.clone() }],
        code,
        attempts: 1,
        recipients: vec![Block::new([5; 16])],
        seen: created.plus(1000),
        retention_minutes: 1440,
        kept_from: None,
        sealed: vec![0; 30],
        idempotency: Some(Idempotency { key: Block::new([6; 16]), request: Block::new([7; 16]), answer: None }),
        deliveries: 1,
        delivery: Delivery {
            steps: vec![Step {
                channel: "sms".to_owned(),
                sender: None,
                status: crate::reply::DeliveryState::Accepted,
                at: created,
                message_uuid: Some("m".to_owned()),
                error: Some("e".to_owned()),
            }],
            ..draw.record().delivery
        },
    }
}

fn is_read(row: &Row) -> bool {
    let read = codec::decode(&codec::encode(row)).is_ok();
    assert_eq!(read, row.is_valid(), "{row:?}");
    read
}

type Change<T> = (&'static str, fn(&mut T));

/// The row with each change is refused.
fn refused<T: Clone>(valid: &T, row: fn(T) -> Row, changes: &[Change<T>]) {
    assert!(is_read(&row(valid.clone())));
    for (what, change) in changes {
        let mut changed = valid.clone();
        change(&mut changed);
        assert!(!is_read(&row(changed)), "{what}");
    }
}

/// The row with each change is read: the ends of the ranges are inside.
fn allowed<T: Clone>(valid: &T, row: fn(T) -> Row, changes: &[Change<T>]) {
    for (what, change) in changes {
        let mut changed = valid.clone();
        change(&mut changed);
        assert!(is_read(&row(changed)), "{what}");
    }
}

fn set_length(record: &mut Record, length: u8) {
    record.code.secret = Secret::Derived { nonce: Block::new([1; 16]), length };
}

fn end(record: &mut Record, state: CodeState) {
    record.code.state = state;
    record.sealed.clear();
}

#[test]
fn records() {
    let row: fn(Record) -> Row = |record| Row::Record(Box::new(record));
    refused(
        &record(),
        row,
        &[
            ("three digits", |it| set_length(it, 3)),
            ("eleven digits", |it| set_length(it, 11)),
            ("a key in no slot", |it| it.code.slot = KeySlot(MOST_KEYS)),
            ("no attempts", |it| it.code.max_attempts = 0),
            ("eleven attempts", |it| it.code.max_attempts = 11),
            ("more attempts than there are", |it| it.attempts = 6),
            ("no time", |it| it.code.expires = it.code.created),
            ("less than a second", |it| it.code.expires = it.code.created.plus(999)),
            ("more than a day", |it| it.code.expires = it.code.created.plus(DAY_MS + 1)),
            ("over before it began", |it| it.code.created = it.code.expires.plus(1)),
            ("seen before it was made", |it| it.seen = Time::from_ms(it.code.created.ms() - 1)),
            ("used after it was seen", |it| end(it, CodeState::Used(it.seen.plus(1)))),
            ("used before it was made", |it| end(it, CodeState::Used(Time::START))),
            ("used when it was over", |it| {
                it.seen = it.code.expires;
                end(it, CodeState::Used(it.code.expires));
            }),
            ("live with nothing sealed", |it| it.sealed.clear()),
            ("live with less sealed than a tag", |it| it.sealed.truncate(16)),
            ("more sealed than a request has", |it| it.sealed = vec![0; MOST_SEALED_BYTES + 1]),
            ("sealed though it ended", |it| it.code.state = CodeState::Expired),
            ("sealed though it is locked", |it| it.attempts = 5),
            ("nine recipients", |it| it.recipients = vec![Block::new([5; 16]); 9]),
            ("kept for more than 30 days", |it| it.retention_minutes = 43_201),
            ("swept, and live", |it| it.kept_from = Some(it.code.created)),
            ("swept before it was from the future", |it| {
                end(it, CodeState::Expired);
                it.kept_from = Some(it.seen.plus(1));
            }),
            ("nine remembered", |it| it.remembered = vec![it.remembered[0].clone(); 9]),
            ("remembered as derived", |it| it.remembered[0].secret = it.code.secret),
            ("remembered with eleven attempts", |it| it.remembered[0].max_attempts = 11),
            ("remembered for ever", |it| it.remembered[0].expires = Time::END),
            ("six steps", |it| it.delivery.steps = vec![it.delivery.steps[0].clone(); 6]),
            ("no channel", |it| it.delivery.steps[0].channel.clear()),
            ("a long channel", |it| it.delivery.steps[0].channel = "x".repeat(33)),
            ("an identifier of two lines", |it| it.delivery.steps[0].message_uuid = Some("a\nb".to_owned())),
            ("a long identifier", |it| it.delivery.steps[0].message_uuid = Some("x".repeat(129))),
            ("a long error", |it| it.delivery.steps[0].error = Some("x".repeat(201))),
            ("an empty identifier", |it| it.delivery.dispatch_uuid = Some(String::new())),
        ],
    );
    allowed(
        &record(),
        row,
        &[
            ("four digits", |it| set_length(it, 4)),
            ("ten digits", |it| set_length(it, 10)),
            ("an own code", |it| it.code.secret = Secret::Mac(Block::new([1; 16]))),
            ("the last slot", |it| it.code.slot = KeySlot(254)),
            ("a second", |it| it.code.expires = it.code.created.plus(1000)),
            ("a day", |it| it.code.expires = it.code.created.plus(DAY_MS)),
            ("the end of time", |it| {
                (it.code.created, it.code.expires, it.seen) = (Time::END, Time::END, Time::END);
            }),
            ("the smallest sealed part", |it| it.sealed.truncate(17)),
            ("locked", |it| {
                it.attempts = 5;
                it.sealed.clear();
            }),
            ("used", |it| end(it, CodeState::Used(it.code.created))),
            ("swept", |it| {
                end(it, CodeState::Expired);
                it.kept_from = Some(Time::START);
            }),
            ("no recipients", |it| it.recipients.clear()),
            ("eight remembered", |it| it.remembered = vec![it.remembered[0].clone(); 8]),
            ("five steps", |it| it.delivery.steps = vec![it.delivery.steps[0].clone(); 5]),
            ("no retention", |it| it.retention_minutes = 0),
        ],
    );
}

#[test]
fn counters() {
    let failures = Failures { count: 100, last: Time::START, lock_ms: DAY_MS, disabled: true };
    refused(
        &failures,
        Row::Failures,
        &[
            ("none", |it| it.count = 0),
            ("more than disable", |it| it.count = 101),
            ("a lock of more than a day", |it| it.lock_ms = DAY_MS + 1),
        ],
    );
    let sends = Sends { times: vec![Time::START, Time::START, Time::from_ms(5)] };
    refused(
        &sends,
        Row::Sends,
        &[("none", |it| it.times.clear()), ("more than are counted", |it| it.times = vec![Time::START; 1001])],
    );
    allowed(&sends, Row::Sends, &[("as many as are counted", |it| it.times = vec![Time::START; 1000])]);
    // Bytes hold differences, and so cannot say this.
    assert!(!Row::Sends(Sends { times: vec![Time::from_ms(5), Time::START] }).is_valid());
}

#[test]
fn what_leads_to_a_record() {
    let timer = Timer { due: Time::END, record: Block::new([1; 16]), delivery: u32::MAX, step: 4 };
    refused(&timer, Row::Timer, &[("the sixth step", |it| it.step = 5)]);
    let reference = Reference { record: Block::new([1; 16]), delivery: 0, step: Some(4), until: Time::END };
    refused(&reference, Row::Reference, &[("the sixth step", |it| it.step = Some(5))]);
    allowed(&reference, Row::Reference, &[("no step", |it| it.step = None)]);
}

#[test]
fn the_repository_itself() {
    let meta = Meta {
        keys: vec![Block::new([1; 16])],
        sealed_by: KeySlot(0),
        index_key: vec![0; INDEX_KEY_SEALED_BYTES],
        state: MetaState::Whole,
    };
    refused(
        &meta,
        Row::Meta,
        &[
            ("no keys", |it| it.keys.clear()),
            ("more keys than slots", |it| it.keys = vec![Block::new([1; 16]); 256]),
            ("sealed by none of them", |it| it.sealed_by = KeySlot(1)),
            ("a short index key", |it| it.index_key.truncate(63)),
            ("a long index key", |it| it.index_key.push(0)),
        ],
    );
    allowed(&meta, Row::Meta, &[("as many keys as slots", |it| it.keys = vec![Block::new([1; 16]); 255])]);
}
