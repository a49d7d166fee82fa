use super::*;
use crate::record::{FirstAnswer, Idempotency, Step};
use crate::repository::Row;

/// A small generator; the seed is the number of the case.
struct Draw(u64);

impl Draw {
    fn number(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % below
    }

    fn chance(&mut self) -> bool {
        self.number(2) == 0
    }

    fn block(&mut self) -> Block {
        Block(std::array::from_fn(|_| self.number(256) as u8))
    }

    fn time(&mut self) -> Time {
        let range = [1000, 2_000_000_000_000, u64::MAX][self.number(3) as usize];
        Time::from_ms(self.number(range))
    }

    fn text(&mut self) -> String {
        (0..self.number(40)).map(|_| ['a', 'é', '9', '"'][self.number(4) as usize]).collect()
    }

    fn code(&mut self) -> Code {
        let secret = match self.chance() {
            true => Secret::Derived { nonce: self.block(), length: 4 + self.number(7) as u8 },
            false => Secret::Mac(self.block()),
        };
        let state = match self.number(4) {
            0 => CodeState::Live,
            1 => CodeState::Used(self.time()),
            2 => CodeState::Cancelled,
            _ => CodeState::Expired,
        };
        let context = self.chance().then(|| self.block());
        Code { key: self.number(256) as u8, created: self.time(), expires: self.time(), secret, context, state }
    }

    fn step(&mut self) -> Step {
        let channel = ["sms", "messenger", "whatsapp", "viber_service", "rcs", "email", ""][self.number(7) as usize];
        Step {
            channel: channel.to_owned(),
            status: STATES[self.number(STATES.len() as u64) as usize],
            at: self.time(),
            message_uuid: self.chance().then(|| self.text()),
            error: self.chance().then(|| self.text()),
        }
    }

    fn record(&mut self) -> Record {
        let recipients: Vec<_> = (0..self.number(4)).map(|_| self.block()).collect();
        Record {
            code: self.code(),
            attempts: self.number(256) as u8,
            max_attempts: self.number(256) as u8,
            subject: recipients.first().copied().filter(|_| self.chance()).unwrap_or_else(|| self.block()),
            recipients,
            seen: self.time(),
            retention_minutes: self.number(50_000) as u32,
            remembered: (0..self.number(9)).map(|_| self.code()).collect(),
            sealed: (0..self.number(60)).map(|_| self.number(256) as u8).collect(),
            idempotency: self.chance().then(|| Idempotency {
                key: self.block(),
                request: self.block(),
                answer: [None, Some(FirstAnswer::Sent), Some(FirstAnswer::InDoubt)][self.number(3) as usize],
            }),
            deliveries: self.number(u64::from(u32::MAX)) as u32,
            delivery: Delivery {
                via: VIAS[self.number(VIAS.len() as u64) as usize],
                dispatch_uuid: self.chance().then(|| self.text()),
                steps: (0..self.number(6)).map(|_| self.step()).collect(),
                due: self.chance().then(|| self.time()),
                claimed: self.chance(),
            },
        }
    }

    fn row(&mut self) -> Row {
        match self.number(8) {
            6 => Row::Timer(Timer {
                due: self.time(),
                record: self.block(),
                delivery: self.number(1 << 32) as u32,
                step: self.number(256) as u8,
            }),
            7 => Row::Reference(Reference {
                record: self.block(),
                delivery: self.number(1 << 32) as u32,
                step: self.chance().then(|| self.number(256) as u8),
                until: self.time(),
            }),
            0 => Row::Meta(Meta {
                keys: (0..self.number(5)).map(|_| self.block()).collect(),
                sealed_by: self.number(256) as u8,
                index_key: (0..self.number(60)).map(|_| self.number(256) as u8).collect(),
            }),
            1 => Row::Failures(Failures {
                count: self.number(101) as u32,
                last: self.time(),
                lock_ms: self.number(u64::MAX),
                disabled: self.chance(),
            }),
            2 => {
                let mut times: Vec<_> = (0..self.number(50)).map(|_| self.time()).collect();
                times.sort();
                Row::Sends(Sends { times })
            }
            _ => Row::Record(Box::new(self.record())),
        }
    }
}

#[test]
fn rows_come_back_from_bytes_and_from_json() {
    for seed in 0..3000 {
        let row = Draw(seed).row();
        assert_eq!(decode(&encode(&row)).as_ref(), Ok(&row), "seed {seed}");
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row, "seed {seed}");
    }
}

#[test]
fn damaged_bytes_are_an_error_or_another_row_and_never_a_panic() {
    for seed in 0..2000 {
        let mut draw = Draw(seed);
        let mut bytes = encode(&draw.row());
        let place = draw.number(bytes.len() as u64) as usize;
        match draw.number(3) {
            0 => bytes.truncate(place),
            1 => bytes[place] ^= 1 << draw.number(8),
            _ => bytes.insert(place, draw.number(256) as u8),
        }
        if let Ok(row) = decode(&bytes) {
            assert_eq!(decode(&encode(&row)), Ok(row), "seed {seed}");
        }
    }
    assert!(decode(&[]).is_err());
    assert!(decode(&[9]).is_err());
}

/// The file's size follows from this one.
#[test]
fn a_record_with_one_address_is_small() {
    let now = Time::from_ms(1_800_000_000_000);
    let recipient = Block([7; 16]);
    let record = Record {
        code: Code {
            key: 0,
            created: now,
            expires: now.plus(300_000),
            secret: Secret::Derived { nonce: Block([1; 16]), length: 6 },
            context: None,
            state: CodeState::Live,
        },
        attempts: 0,
        max_attempts: 5,
        subject: recipient,
        recipients: vec![recipient],
        seen: now,
        retention_minutes: 1440,
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
                status: DeliveryState::Accepted,
                at: now,
                message_uuid: None,
                error: None,
            }],
        },
    };
    assert_eq!(encode(&Row::Record(Box::new(record))).len(), 80);
}
