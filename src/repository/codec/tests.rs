use super::*;
use crate::block::{KeySlot, Recipient};
use crate::record::Step;
use crate::repository::Row;
use crate::repository::samples::{Draw, rounds};
use testing::mutate;

#[test]
fn rows_come_back_from_bytes() {
    for seed in 0..3000 {
        let row = Draw(seed).row();
        assert_eq!(decode(&encode(&row)).as_ref(), Ok(&row), "seed {seed}");
    }
}

#[test]
fn changed_bytes_are_damage_or_another_row_and_never_a_panic() {
    let mut rows = 0;
    for seed in 0..rounds() {
        let mut draw = Draw(seed);
        let (mut bytes, other) = (encode(&draw.row()), encode(&draw.row()));
        for _ in 0..=draw.number(3) {
            mutate::bytes(&mut bytes, &other, &mut |below| draw.number(below as u64) as usize);
        }
        match decode(&bytes) {
            Ok(row) => {
                rows += 1;
                assert!(row.is_valid(), "seed {seed}: {row:?}");
                assert_eq!(encode(&row), bytes, "seed {seed}: there is one way to write a row");
            }
            Err(error) => {
                assert!(error.is_damage() && error.detail().starts_with("a row is damaged: "), "seed {seed}: {error}");
            }
        }
    }
    assert!(rows > rounds() / 20, "only {rows} were rows: nothing was tried");
    assert!(decode(&[]).is_err());
    assert!(decode(&[9]).is_err());
}

/// What a row must not be read from, though every part of it can be.
#[test]
fn there_is_one_way_to_write_a_row() {
    let count = |count: &[u8]| [&[FAILURES], count, &[0, 0, 0]].concat();
    assert!(decode(&count(&[5])).is_ok());
    assert!(decode(&count(&[0x85, 0])).is_err(), "a longer number than needed");
    let record = encode(&Row::Record(Box::new(Draw(1).record())));
    assert!(decode(&record).is_ok());
    for unknown in [1 << 6, 1 << 7] {
        let mut record = record.clone();
        record[1] |= unknown;
        assert!(decode(&record).is_err(), "a flag that is none");
    }
    let mut long = encode(&Row::Sends(Sends { times: vec![Time::START] }));
    long.resize(MOST_BYTES + 1, 0);
    assert!(decode(&long).is_err(), "more than a row has");
}

/// The file's size follows from this one.
#[test]
fn a_record_with_one_address_is_small() {
    let now = Time::from_ms(1_800_000_000_000);
    let recipient = Recipient::new([7; 16]);
    let record = Record {
        code: Code {
            slot: KeySlot(0),
            created: now,
            expires: now.plus(300_000),
            secret: Secret::Derived { nonce: Block::new([1; 16]), length: 6 },
            max_attempts: 5,
            subject: recipient.into(),
            context: None,
            state: CodeState::Live,
        },
        attempts: 0,
        recipients: vec![recipient],
        seen: now,
        retention_minutes: 1440,
        kept_from: None,
        remembered: Vec::new(),
        sealed: vec![0; 8 + 16],
        idempotency: None,
        deliveries: 1,
        delivery: Delivery {
            via: Via::None,
            dispatch_uuid: None,
            due: None,
            claimed: false,
            steps: vec![Step {
                channel: "sms".to_owned(),
                sender: None,
                status: DeliveryState::Accepted,
                at: now,
                message_uuid: None,
                error: None,
            }],
        },
    };
    assert_eq!(encode(&Row::Record(Box::new(record))).len(), 80);
}
