//! What is asked, drawn from a seed alone.

use serde_json::json;
use testing::Random;

use super::LANES;

/// When it begins.
pub const T0: i64 = 1_700_000_000_000;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Calls of a lane between two moments.
const CALLS: usize = 5;

const TOKENS: usize = 5;
const PHONES: usize = 3;
const SUBJECTS: usize = 2;

/// A code that somebody enters.
#[derive(Clone, Copy, Debug)]
pub enum Guess {
    /// The newest code, or one so many before it.
    Newest(usize),
    /// The newest, as people paste it.
    Pasted,
    Wrong,
}

/// A call of a lane: of a token, what comes with it.
#[derive(Clone, Debug)]
pub enum Call {
    Create(String, String),
    Resend(String),
    Verify(String, Guess, Option<String>),
    Cancel(String),
    Status(String),
    Unlock(String),
    Erase(String),
    RunDue,
}

/// What is asked at one moment, by lane.
pub struct Round {
    pub time: i64,
    pub calls: Vec<Vec<Call>>,
}

pub struct Trace {
    pub seed: u64,
    pub rounds: Vec<Round>,
}

impl Trace {
    /// Of so many calls, more or less.
    pub fn draw(random: &mut Random, calls: usize) -> Self {
        let seed = random.draw();
        let mut time = T0;
        let round = |number: usize| {
            // Mostly a little later, now and then much, or back a little as clocks are put right. Codes end for certain.
            let kind = if number % 8 == 7 { 15 } else { random.below(20) };
            time += match kind {
                0..6 => 0,
                6..11 => random.below(10) as i64 * SECOND,
                11..14 => 21 * SECOND,
                14 => 2 * MINUTE,
                15 => 5 * MINUTE,
                16 => 16 * MINUTE,
                17 => -SECOND / 2,
                18 => HOUR + random.below(60) as i64 * MINUTE,
                _ => random.below(3) as i64 * 13 * HOUR,
            };
            Round { time, calls: (0..LANES).map(|_| (0..CALLS).map(|_| call(random)).collect()).collect() }
        };
        Self { seed, rounds: (0..calls.div_ceil(LANES * CALLS)).map(round).collect() }
    }
}

fn call(random: &mut Random) -> Call {
    let token = format!("token {}", random.below(TOKENS));
    let context = random.below(12) == 0;
    match random.below(32) {
        0..8 => Call::Create(token, request(random)),
        8..11 => Call::Resend(token),
        11..21 => {
            let guess = match random.below(8) {
                0..3 => Guess::Newest(0),
                3 => Guess::Newest(1 + random.below(4)),
                4 => Guess::Pasted,
                _ => Guess::Wrong,
            };
            Call::Verify(token, guess, context.then(|| "EUR 5".to_owned()))
        }
        21..24 => Call::Cancel(token),
        24..28 => Call::Status(token),
        28 => Call::Unlock(format!("subject {}", random.below(SUBJECTS))),
        29 => Call::Erase(phone(random)),
        _ => Call::RunDue,
    }
}

fn phone(random: &mut Random) -> String {
    format!("39333123456{}", random.below(PHONES))
}

fn request(random: &mut Random) -> String {
    let mut request = json!({"phoneNumber": phone(random)});
    if random.below(2) == 0 {
        request["messengerId"] = json!(format!("819283645{}", random.below(PHONES)));
    }
    if random.below(2) == 0 {
        request["subject"] = json!(format!("subject {}", random.below(SUBJECTS)));
    }
    if random.below(6) == 0 {
        request["context"] = json!("EUR 5");
    }
    if random.below(8) == 0 {
        request["idempotencyKey"] = json!(format!("key {}", random.below(3)));
    }
    request.to_string()
}
