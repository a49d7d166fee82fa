//! One code, a clock that jumps, and the rules of its life told again in a few lines.
//!
//! The model knows how much time really passed. It judges as the library has to: by the wall clock and by the latest
//! time written down with the code.

use otp::{Outcome, RequestState};

use super::{Clocked, DAY, HOUR, MINUTE, SECOND, T, T0, YEAR};
use testing::Random;

const KEPT: i64 = 1440 * MINUTE;
const STEPS: usize = 12;
/// Codes that are remembered besides the newest.
const REMEMBERED: usize = 8;
/// The last time there is: 9999-12-31T23:59:59.999Z.
const END: i64 = 253_402_300_799_999;
/// How far ahead of the clock the latest time seen may be.
const TOLERANCE: i64 = 2 * SECOND;

/// How often what happened, so that the campaign is known to have looked at it.
#[derive(Debug, Default)]
pub struct Seen {
    valid: usize,
    valid_after_step_back: usize,
    checked: usize,
    expired: usize,
    gone: usize,
}

impl Seen {
    pub fn check(&self, schedules: usize) {
        let enough = schedules / 20;
        assert!(self.valid > enough && self.checked > enough && self.expired > enough, "{self:?}");
        assert!(self.valid_after_step_back > 0 && self.gone > enough / 5, "{self:?}");
    }
}

/// What is known of the code.
struct Model {
    created: i64,
    /// The latest time written down.
    seen: i64,
    used: bool,
    /// Told or written down to be over.
    over: bool,
    /// Told to be absent.
    gone: bool,
    /// When the codes end that it replaced and that are remembered, newest first.
    remembered: Vec<i64>,
    /// Time that really passed since it was created.
    age: i64,
    /// Whether the clock gave less than that at any time.
    stepped_back: bool,
}

impl Model {
    fn new(wall: i64) -> Self {
        let now = clamp(wall);
        let stepped_back = now != wall;
        let remembered = Vec::new();
        Self { created: now, seen: now, used: false, over: false, gone: false, remembered, age: 0, stepped_back }
    }

    /// The code that takes the place of this one.
    fn replaced(&self, wall: i64) -> Self {
        let now = clamp(wall);
        let mut next = Self::new(wall);
        if !self.is_absent(now) {
            next.remembered = std::iter::once(self.expires()).chain(self.remembered.iter().copied()).collect();
            next.remembered.retain(|ends| now.max(self.seen) < (self.end_of(*ends) + KEPT).min(END));
            next.remembered.truncate(REMEMBERED);
        }
        next
    }

    fn expires(&self) -> i64 {
        (self.created + T).min(END)
    }

    /// When a remembered code is over: a day after this one was created at the latest.
    fn end_of(&self, ends: i64) -> i64 {
        ends.min((self.created + DAY).min(END))
    }

    fn is_absent(&self, now: i64) -> bool {
        let ends = self.remembered.iter().fold(self.expires(), |last, ends| last.max(self.end_of(*ends)));
        self.gone || now.max(self.seen) >= (ends + KEPT).min(END)
    }

    /// Judges by the time. What changed is written down, with the time.
    fn settle(&mut self, now: i64) {
        let ends = now.max(self.seen) >= self.expires() || self.seen - now > TOLERANCE;
        if ends && !self.used && !self.over {
            self.over = true;
            self.see(now);
        }
    }

    fn see(&mut self, now: i64) {
        self.seen = self.seen.max(now);
    }

    fn state(&mut self, now: i64) -> Option<RequestState> {
        if self.is_absent(now) {
            self.gone = true;
            return None;
        }
        self.settle(now);
        Some(match (self.used, self.over) {
            (true, _) => RequestState::Checked,
            (false, true) => RequestState::Expired,
            (false, false) => RequestState::Pending,
        })
    }
}

fn clamp(wall: i64) -> i64 {
    wall.clamp(0, END)
}

/// Lets time pass, and the clock jump.
fn pass(wall: &mut i64, model: &mut Model, random: &mut Random) {
    let passed = *random.pick(&[0, 1, 10 * SECOND, MINUTE, T / 2, T - 1, T, HOUR]);
    *wall = wall.saturating_add(passed);
    model.age += passed;
    let jump = *random.pick(&[SECOND, 5 * MINUTE, HOUR, DAY, YEAR]);
    match random.below(16) {
        0 | 1 => *wall = wall.saturating_add(jump),
        2 | 3 => {
            *wall = wall.saturating_sub(jump);
            model.stepped_back = true;
        }
        4 => {
            *wall = *random.pick(&[0, -1, i64::MIN, i64::MAX, END, END - T]);
            model.stepped_back = true;
        }
        6 => {
            *wall = wall.saturating_sub(3 * SECOND / 2);
            model.stepped_back = true;
        }
        5 => {
            model.stepped_back |= *wall > T0;
            *wall = T0;
        }
        _ => {}
    }
    model.stepped_back |= clamp(*wall) != *wall;
}

/// A schedule of its own service, so that nothing else is swept by the way.
pub fn run(random: &mut Random, seen: &mut Seen) {
    let clocked = Clocked::new("memory", r#""maxAttempts":10,"policy":{"cooldownSeconds":0,"sendLimits":[]}"#);
    let mut wall = T0;
    let mut code = clocked.create("token", "{}");
    let mut model = Model::new(wall);
    let mut older = Vec::new();
    let mut history = Vec::new();
    for _ in 0..STEPS {
        pass(&mut wall, &mut model, random);
        clocked.at(wall);
        let act = random.below(8);
        history.push((wall.saturating_sub(T0), act));
        match act {
            0..4 => verify(&clocked, &mut model, &code, clamp(wall), &history, seen),
            4 => {
                assert_eq!(clocked.verify("token", "none"), Outcome::NotValid, "{history:?}");
                if model.state(clamp(wall)).is_some() {
                    model.see(clamp(wall));
                }
            }
            5 => assert_eq!(clocked.state("token"), model.state(clamp(wall)), "{history:?}"),
            6 => {
                let reply = clocked.service.resend("token").unwrap();
                let expected = match model.state(clamp(wall)) {
                    None => Outcome::Unknown,
                    Some(RequestState::Checked) => Outcome::Checked,
                    Some(RequestState::Expired) => Outcome::Expired,
                    Some(_) => Outcome::Ok,
                };
                assert_eq!(reply.outcome, expected, "{history:?}");
                if expected == Outcome::Ok {
                    assert!(*reply.message.unwrap().code == code, "another code was sent: {history:?}");
                    model.see(clamp(wall));
                }
            }
            _ => {
                older.push(std::mem::replace(&mut code, clocked.create("token", "{}")));
                model = model.replaced(wall);
            }
        }
    }
    // At no time a replaced code is good again.
    for replaced in &older {
        assert_ne!(clocked.verify("token", replaced), Outcome::Ok, "{history:?}");
        assert_ne!(clocked.at(T0).verify("token", replaced), Outcome::Ok, "{history:?}");
    }
}

fn verify(clocked: &Clocked, model: &mut Model, code: &str, now: i64, history: &[(i64, usize)], seen: &mut Seen) {
    let outcome = clocked.verify("token", code);
    let expected = match model.state(now) {
        None => Outcome::NotValid,
        Some(RequestState::Checked) => Outcome::Checked,
        Some(RequestState::Expired) => Outcome::Expired,
        Some(_) => Outcome::Ok,
    };
    assert_eq!(outcome, expected, "milliseconds from the start, and acts: {history:?}");
    match outcome {
        Outcome::Ok => {
            // The promise in words of real time: an honest clock accepts nothing too old, and one that was set
            // back nothing that its own time calls too old.
            assert!(model.stepped_back || model.age < T, "accepted at {}: {history:?}", model.age);
            assert!(now - model.created < T, "{history:?}");
            seen.valid += 1;
            seen.valid_after_step_back += usize::from(model.stepped_back);
            model.used = true;
            model.see(now);
        }
        Outcome::Checked => seen.checked += 1,
        Outcome::Expired => seen.expired += 1,
        _ => seen.gone += 1,
    }
}
