//! What the library promises about one token, as a machine that takes one operation after the other.

use otp::{Outcome, RequestState};

/// Wrong codes per code, as configured.
pub const MAX_ATTEMPTS: u32 = 10;

/// How many earlier codes a token remembers.
const REMEMBERED: usize = 8;

/// What a process asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Create,
    /// With this code, right or wrong.
    Verify(u32),
    Cancel,
    Status,
}

/// What a process was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    /// The code, after a create.
    pub code: Option<u32>,
    /// The state, after a status.
    pub state: Option<RequestState>,
}

impl Answer {
    pub fn of(outcome: Outcome) -> Self {
        Self { outcome, code: None, state: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fate {
    Live,
    Used,
    Cancelled,
    /// Replaced by a newer code, or past its time.
    Expired,
}

/// A token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token {
    /// Newest last. A code is unknown when nobody lived to be told.
    codes: Vec<(Option<u32>, Fate)>,
    attempts: u32,
}

impl Token {
    /// Does the operation, and tells what has to be answered. `created` is the code that a create was given.
    pub fn take(&mut self, op: Op, created: Option<u32>) -> Answer {
        match op {
            Op::Create => self.create(created),
            Op::Verify(code) => Answer::of(self.verify(code)),
            Op::Cancel => Answer::of(self.cancel()),
            Op::Status => self.status(),
        }
    }

    /// The live code ends with its time. `false` when there is none.
    pub fn expire(&mut self) -> bool {
        match self.codes.last_mut() {
            Some((_, fate @ Fate::Live)) => {
                *fate = Fate::Expired;
                true
            }
            _ => false,
        }
    }

    fn is_locked(&self) -> bool {
        self.attempts >= MAX_ATTEMPTS
    }

    fn create(&mut self, created: Option<u32>) -> Answer {
        self.expire();
        self.codes.push((created, Fate::Live));
        if self.codes.len() > REMEMBERED + 1 {
            self.codes.remove(0);
        }
        self.attempts = 0;
        Answer { code: created, ..Answer::of(Outcome::Ok) }
    }

    fn verify(&mut self, code: u32) -> Outcome {
        if self.codes.is_empty() {
            return Outcome::NotValid;
        }
        if self.is_locked() {
            return Outcome::Locked;
        }
        match self.codes.iter_mut().rev().find(|(known, _)| *known == Some(code)) {
            Some((_, fate @ Fate::Live)) => {
                *fate = Fate::Used;
                Outcome::Ok
            }
            Some((_, Fate::Used)) => Outcome::Checked,
            Some((_, Fate::Cancelled)) => Outcome::Cancelled,
            Some((_, Fate::Expired)) => Outcome::Expired,
            None => {
                self.attempts += 1;
                Outcome::NotValid
            }
        }
    }

    fn cancel(&mut self) -> Outcome {
        match self.codes.last_mut() {
            None => Outcome::Unknown,
            Some((_, Fate::Used)) => Outcome::Checked,
            Some((_, Fate::Expired)) => Outcome::Expired,
            Some((_, fate)) => {
                *fate = Fate::Cancelled;
                Outcome::Ok
            }
        }
    }

    fn status(&self) -> Answer {
        let Some((_, fate)) = self.codes.last() else { return Answer::of(Outcome::Unknown) };
        let state = match fate {
            Fate::Used => RequestState::Checked,
            Fate::Cancelled => RequestState::Cancelled,
            Fate::Live | Fate::Expired if self.is_locked() => RequestState::Locked,
            Fate::Live => RequestState::Pending,
            Fate::Expired => RequestState::Expired,
        };
        Answer { state: Some(state), ..Answer::of(Outcome::Ok) }
    }
}
