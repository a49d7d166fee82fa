//! What may be true of every token, after all that was begun and acknowledged.
//!
//! A result that is an error leaves two possibilities, done and not done, unless it says that nothing was done. An
//! answer is wrong when no possibility gives it. So the same rules find a code that is good twice, an acknowledged
//! change that is lost, and one that is half done.

use std::collections::{BTreeMap, BTreeSet};

use otp::Outcome;

/// Wrong codes that a code allows, as [`super::subject`] configures it.
pub const MAX_ATTEMPTS: u32 = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Create,
    Resend,
    Verify(String),
    Cancel,
    Erase,
    Status,
}

impl Op {
    fn read(text: &str) -> Self {
        match text {
            "create" => Op::Create,
            "resend" => Op::Resend,
            "cancel" => Op::Cancel,
            "erase" => Op::Erase,
            "status" => Op::Status,
            code => Op::Verify(code.strip_prefix("verify ").unwrap().to_owned()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Live,
    Used,
    Cancelled,
    Replaced,
}

/// A code, and what became of it. Its digits are known when it was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Code {
    digits: Option<String>,
    fate: Fate,
}

/// One possibility: the codes of a token, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    codes: Vec<Code>,
    attempts: u32,
}

impl State {
    fn fate(&self) -> Option<Fate> {
        self.codes.last().map(|code| code.fate)
    }

    fn find(&self, digits: &str) -> Option<usize> {
        self.codes.iter().rposition(|code| code.digits.as_deref() == Some(digits))
    }

    /// What the operation has to answer.
    fn expect(&self, op: &Op) -> Outcome {
        let locked = self.attempts >= MAX_ATTEMPTS;
        match (op, self.fate()) {
            (Op::Create | Op::Erase, _) => Outcome::Ok,
            (Op::Verify(_), None) => Outcome::NotValid,
            (_, None) => Outcome::Unknown,
            (Op::Status, _) => Outcome::Ok,
            (Op::Verify(_), _) if locked => Outcome::Locked,
            (Op::Verify(digits), _) => match self.find(digits).map(|place| self.codes[place].fate) {
                None => Outcome::NotValid,
                Some(Fate::Live) => Outcome::Ok,
                Some(Fate::Used) => Outcome::Checked,
                Some(Fate::Cancelled) => Outcome::Cancelled,
                Some(Fate::Replaced) => Outcome::Expired,
            },
            (_, Some(Fate::Used)) => Outcome::Checked,
            (Op::Cancel, _) => Outcome::Ok,
            (_, Some(Fate::Cancelled)) => Outcome::Cancelled,
            _ if locked => Outcome::Locked,
            _ => Outcome::Ok,
        }
    }

    /// The possibility after the operation was done.
    fn after(&self, op: &Op) -> Self {
        let outcome = self.expect(op);
        let mut state = self.clone();
        match op {
            Op::Create => {
                if let Some(code) = state.codes.last_mut().filter(|code| code.fate == Fate::Live) {
                    code.fate = Fate::Replaced;
                }
                state.codes.push(Code { digits: None, fate: Fate::Live });
                state.attempts = 0;
            }
            Op::Verify(digits) if outcome == Outcome::Ok => {
                let place = self.find(digits).unwrap();
                state.codes[place].fate = Fate::Used;
            }
            Op::Verify(_) if outcome == Outcome::NotValid && !self.codes.is_empty() => state.attempts += 1,
            Op::Cancel if outcome == Outcome::Ok => {
                let code = state.codes.last_mut();
                code.into_iter().for_each(|code| code.fate = Fate::Cancelled);
            }
            Op::Erase => state = Self::default(),
            _ => {}
        }
        state
    }

    /// Whether the newest code can be the one that was sent: it is live, and has these digits or none that are known.
    fn learn(&mut self, sent: &str) -> bool {
        let Some(code) = self.codes.last_mut().filter(|code| code.fate == Fate::Live) else { return false };
        code.digits.get_or_insert_with(|| sent.to_owned()) == sent
    }

    /// What a status says.
    fn status(&self) -> String {
        let left = MAX_ATTEMPTS.saturating_sub(self.attempts);
        let state = match self.fate() {
            None => return "none".to_owned(),
            Some(Fate::Used) => "Checked",
            Some(Fate::Cancelled) => "Cancelled",
            _ if left == 0 => "Locked",
            _ => "Pending",
        };
        format!("{state} {left}")
    }
}

/// A token: all possibilities, and what was begun and not answered.
#[derive(Clone, Debug)]
struct Token {
    states: BTreeSet<State>,
    pending: Option<Op>,
}

impl Default for Token {
    fn default() -> Self {
        Self { states: BTreeSet::from([State::default()]), pending: None }
    }
}

impl Token {
    /// Keeps the possibilities that answer like this, or says that there is none.
    fn narrow(&mut self, what: &str, keep: impl Fn(&State) -> Option<State>) -> Result<(), String> {
        let kept: BTreeSet<_> = self.states.iter().filter_map(keep).collect();
        if kept.is_empty() {
            return Err(format!("{what}, of {:?}", self.states));
        }
        self.states = kept;
        Ok(())
    }

    /// It may have been done.
    fn doubt(&mut self, op: &Op) {
        let done: Vec<_> = self.states.iter().map(|state| state.after(op)).collect();
        self.states.extend(done);
    }

    fn sent(&mut self, digits: &str) -> Result<(), String> {
        let learned = |mut state: State| state.learn(digits).then_some(state);
        match self.pending {
            // Sent is stored: from here on the code is good, acknowledged or not.
            Some(Op::Create) => {
                self.narrow("a code was sent", |state| learned(state.after(&Op::Create)))?;
                self.pending = Some(Op::Resend);
                Ok(())
            }
            _ => self.narrow(&format!("{digits} was sent again"), |state| learned(state.clone())),
        }
    }

    fn done(&mut self, said: Option<&Op>, outcome: Outcome, detail: &str) -> Result<(), String> {
        let Some(op) = self.pending.take() else { return Err("an answer to nothing".to_owned()) };
        let is_delivered = op == Op::Resend;
        match outcome {
            Outcome::Internal | Outcome::Argument | Outcome::Config | Outcome::Unsupported | Outcome::Send => {
                Err(format!("{op:?} answered {}: {detail}", outcome.name()))
            }
            Outcome::Busy if is_delivered && said != Some(&Op::Resend) => {
                Err(format!("a code was sent, and {said:?} answered {}: {detail}", outcome.name()))
            }
            Outcome::Busy => Ok(()),
            Outcome::Ok if op == Op::Create => Err("created, and nothing was sent".to_owned()),
            Outcome::Ok if op == Op::Status => {
                self.narrow(&format!("status {detail}"), |state| (state.status() == detail).then(|| state.clone()))
            }
            outcome if outcome.number() >= 0 => self.narrow(&format!("{op:?} answered {}", outcome.name()), |state| {
                (state.expect(&op) == outcome).then(|| state.after(&op))
            }),
            _ => {
                self.doubt(&op);
                Ok(())
            }
        }
    }
}

/// All tokens by name.
#[derive(Clone, Debug, Default)]
pub struct World {
    tokens: BTreeMap<String, Token>,
    /// Whether the repository was said to be open.
    pub is_made: bool,
    /// How many answers were no errors.
    pub acknowledged: usize,
}

impl World {
    /// Takes a line of a [`super::subject::Subject`]. An error says what cannot be.
    pub fn hear(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<_> = line.splitn(5, '|').collect();
        let told = match words.as_slice() {
            ["open", number, _] => {
                self.is_made |= *number == "0";
                return Ok(());
            }
            ["note", ..] => return Ok(()),
            ["begin", name, op] => {
                self.tokens.entry((*name).to_owned()).or_default().pending = Some(Op::read(op));
                return Ok(());
            }
            ["sent", name, digits] => self.token(name).sent(digits),
            ["done", name, op, number, detail] => {
                let outcome = Outcome::from_number(number.parse().unwrap()).unwrap();
                self.acknowledged += usize::from(outcome.number() >= 0);
                self.token(name).done(Some(&Op::read(op)), outcome, detail)
            }
            ["defect", _, what] => Err((*what).to_owned()),
            _ => panic!("not understood: {line}"),
        };
        told.map_err(|what| format!("{}: {what}", words[1]))
    }

    fn token(&mut self, name: &str) -> &mut Token {
        self.tokens.entry(name.to_owned()).or_default()
    }

    /// What was begun and never answered may have been done.
    pub fn cut(&mut self) {
        for token in self.tokens.values_mut() {
            if let Some(op) = token.pending.take() {
                token.doubt(&op);
            }
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.tokens.keys().cloned().collect()
    }

    /// The codes of a token that may be known to the library, oldest first.
    pub fn codes(&self, name: &str) -> Vec<String> {
        let mut codes: Vec<String> = Vec::new();
        for code in self.tokens.get(name).iter().flat_map(|token| &token.states).flat_map(|state| &state.codes) {
            if let Some(digits) = code.digits.as_ref().filter(|digits| !codes.contains(digits)) {
                codes.push(digits.clone());
            }
        }
        codes
    }

    /// Whether the token may have a live code that nobody was told.
    pub fn has_unknown_code(&self, name: &str) -> bool {
        let mut states = self.tokens.get(name).into_iter().flat_map(|token| &token.states);
        states.any(|state| state.codes.last().is_some_and(|code| code.digits.is_none() && code.fate == Fate::Live))
    }
}
