//! What the library promises about a token, told again in a few lines, and what a worker has said it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use otp::{Outcome, RequestState};

/// How many earlier codes a token remembers.
const REMEMBERED: usize = 8;
/// Wrong codes per code, and per subject, as configured.
const MAX_ATTEMPTS: u32 = 10;
const LOCK_AFTER: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Create,
    Resend,
    /// Verify the newest code.
    Right,
    /// Verify what no code is.
    Wrong,
    Cancel,
}

impl Op {
    pub const ALL: [Op; 5] = [Op::Create, Op::Resend, Op::Right, Op::Wrong, Op::Cancel];

    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|op| format!("{op:?}") == name).unwrap()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Live,
    Used,
    Cancelled,
    Replaced,
}

#[derive(Clone, Debug, Default)]
pub struct Token {
    /// Oldest first.
    codes: Vec<(String, Fate)>,
    attempts: u32,
    failures: u32,
    /// What was begun and not acknowledged.
    pub pending: Option<Op>,
}

impl Token {
    pub fn newest(&self) -> Option<&String> {
        self.codes.last().map(|(code, _)| code)
    }

    fn fate(&self) -> Option<Fate> {
        self.codes.last().map(|(_, fate)| *fate)
    }

    pub fn attempts_left(&self) -> u32 {
        MAX_ATTEMPTS.saturating_sub(self.attempts)
    }

    pub fn is_subject_locked(&self) -> bool {
        self.failures >= LOCK_AFTER
    }

    fn is_locked(&self) -> bool {
        self.is_subject_locked() || self.attempts >= MAX_ATTEMPTS
    }

    /// What the operation has to answer now.
    pub fn expect(&self, op: Op) -> Outcome {
        let Some(fate) = self.fate() else {
            return match op {
                Op::Create => Outcome::Ok,
                Op::Right | Op::Wrong => Outcome::NotValid,
                Op::Resend | Op::Cancel => Outcome::Unknown,
            };
        };
        match (op, fate) {
            (Op::Create, _) if self.is_subject_locked() => Outcome::Locked,
            (Op::Create, _) => Outcome::Ok,
            (Op::Wrong | Op::Right, _) if self.is_locked() => Outcome::Locked,
            (Op::Wrong, _) => Outcome::NotValid,
            (_, Fate::Used) => Outcome::Checked,
            (Op::Cancel, _) => Outcome::Ok,
            (_, Fate::Cancelled) => Outcome::Cancelled,
            (Op::Resend, _) if self.is_locked() => Outcome::Locked,
            (_, _) => Outcome::Ok,
        }
    }

    /// The operation was done. A create is told by [`Token::created`].
    pub fn apply(&mut self, op: Op) {
        let outcome = self.expect(op);
        let Some((_, fate)) = self.codes.last_mut() else { return };
        match (op, outcome) {
            (Op::Right, Outcome::Ok) => {
                *fate = Fate::Used;
                self.failures = 0;
            }
            (Op::Cancel, Outcome::Ok) => *fate = Fate::Cancelled,
            (Op::Wrong, Outcome::NotValid) => {
                self.attempts += 1;
                self.failures += 1;
            }
            _ => {}
        }
    }

    pub fn created(&mut self, code: String) {
        if let Some((_, fate @ Fate::Live)) = self.codes.last_mut() {
            *fate = Fate::Replaced;
        }
        self.codes.push((code, Fate::Live));
        self.attempts = 0;
    }

    /// What a status has to say; `None` when there is no record.
    pub fn expected_state(&self) -> Option<RequestState> {
        Some(match self.fate()? {
            Fate::Used => RequestState::Checked,
            Fate::Cancelled => RequestState::Cancelled,
            _ if self.is_locked() => RequestState::Locked,
            _ => RequestState::Pending,
        })
    }

    /// The codes that are remembered and cannot be used any more, and what verifying them has to answer.
    pub fn known_codes(&self) -> impl Iterator<Item = (&str, Outcome)> {
        let known = self.codes.iter().rev().take(1 + REMEMBERED).filter(|(_, fate)| *fate != Fate::Live);
        known.map(|(code, fate)| {
            let outcome = match fate {
                _ if self.is_locked() => Outcome::Locked,
                Fate::Used => Outcome::Checked,
                Fate::Cancelled => Outcome::Cancelled,
                Fate::Replaced | Fate::Live => Outcome::Expired,
            };
            (code.as_str(), outcome)
        })
    }
}

/// All tokens, by name, and how much was done.
#[derive(Default)]
pub struct World {
    pub tokens: BTreeMap<String, Token>,
    pub acknowledged: usize,
    pub cut_off: usize,
    pub purged: usize,
}

impl fmt::Display for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, acknowledged, cut_off, purged } = self;
        let tokens = tokens.len();
        write!(formatter, "{acknowledged} acknowledged, {cut_off} cut off, {tokens} tokens, {purged} rows purged")
    }
}

impl World {
    /// Takes what a worker said, and gives the names of the tokens it spoke of. The last line may be cut short.
    pub fn read(&mut self, text: &str) -> BTreeSet<String> {
        let mut touched = BTreeSet::new();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let words: Vec<_> = line.split('|').collect();
            match words.as_slice() {
                ["begin", name, op] => {
                    self.tokens.entry((*name).to_owned()).or_default().pending = Some(Op::named(op));
                    touched.insert((*name).to_owned());
                }
                ["sent", name, code] => {
                    let token = self.tokens.get_mut(*name).unwrap();
                    match token.pending {
                        // Sent is stored: from here on the code is good, acknowledged or not.
                        Some(Op::Create) => {
                            assert_eq!(token.expect(Op::Create), Outcome::Ok, "{name}: sent for {token:?}");
                            token.created((*code).to_owned());
                            token.pending = Some(Op::Resend);
                        }
                        _ => {
                            assert_eq!(token.newest().map(String::as_str), Some(*code), "{name}: another code was sent")
                        }
                    }
                }
                ["done", name, op, outcome] => self.acknowledge(name, Op::named(op), outcome),
                ["purged", rows] => self.purged += rows.parse::<usize>().unwrap(),
                // The test harness.
                _ => {}
            }
        }
        self.cut_off += touched.iter().filter(|name| self.tokens[*name].pending.is_some()).count();
        touched
    }

    fn acknowledge(&mut self, name: &str, op: Op, outcome: &str) {
        let token = self.tokens.get_mut(name).unwrap();
        let pending = token.pending.take();
        self.acknowledged += 1;
        if op == Op::Create && pending == Some(Op::Resend) {
            assert_eq!(outcome, Outcome::Ok.name(), "{name}: create on {token:?}");
            return;
        }
        assert_eq!(outcome, token.expect(op).name(), "{name}: {op:?} on {token:?}");
        assert!(op != Op::Create || outcome == Outcome::Locked.name(), "{name}: created and not sent");
        token.apply(op);
    }
}
