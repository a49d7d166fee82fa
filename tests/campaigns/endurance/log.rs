//! What all processes wrote down.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::history::{Call, is_linearizable};
use super::model::{Answer, Op};
use otp::{Outcome, RequestState};

/// The calls about each token, and the first word of its name: the phase.
pub struct Told(BTreeMap<String, Vec<Call>>);

/// Reads the lines `? CALL TOKEN OP CODE TIME` and `! CALL RESULT CODE STATE TIME`.
pub fn read(path: &Path) -> Told {
    let text = std::fs::read_to_string(path).unwrap();
    let mut told: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    let mut places = HashMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["?", call, token, op, code, time] => {
                let calls = told.entry(token.to_owned()).or_default();
                places.insert(call, (token.to_owned(), calls.len()));
                calls.push(Call { op: op_of(op, code), begun: time.parse().unwrap(), answered: None });
            }
            ["!", call, outcome, code, state, time] => {
                let (token, place) = places.remove(call).unwrap();
                let answer = Answer { outcome: outcome_of(outcome), code: code.parse().ok(), state: state_of(state) };
                let call = told.get_mut(&token).and_then(|calls| calls.get_mut(place)).unwrap();
                call.answered = Some((time.parse().unwrap(), answer));
            }
            _ => panic!("not a line of the log: {line}"),
        }
    }
    Told(told)
}

fn op_of(name: &str, code: &str) -> Op {
    match name {
        "create" => Op::Create,
        "verify" => Op::Verify(code.parse().unwrap()),
        "cancel" => Op::Cancel,
        "status" => Op::Status,
        other => panic!("no operation {other}"),
    }
}

fn outcome_of(name: &str) -> Outcome {
    Outcome::ALL.into_iter().find(|outcome| outcome.name() == name).unwrap()
}

fn state_of(name: &str) -> Option<RequestState> {
    use RequestState::{Cancelled, Checked, Expired, Locked, Pending};
    [Cancelled, Checked, Expired, Locked, Pending].into_iter().find(|state| format!("{state:?}") == name)
}

impl Told {
    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// How often what was told.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for call in self.0.values().flatten() {
            let name = call.answered.map_or("unanswered", |(_, answer)| answer.outcome.name());
            *counts.entry(name).or_default() += 1;
        }
        format!("{} tokens, {} calls: {counts:?}", self.0.len(), self.count())
    }

    /// Looks at every token. Codes end before their time only in phases in which a clock was wrong, or began so.
    pub fn check(&self, wrong: &[u32]) {
        for (token, calls) in &self.0 {
            let phase: u32 = token.split('.').next().and_then(|phase| phase.parse().ok()).unwrap();
            // The clock of a call that began before it was changed is as good as changed later.
            let may_expire = wrong.iter().any(|wrong| *wrong >= phase);
            assert!(is_linearizable(calls, may_expire), "token {token} cannot have been told this: {calls:#?}");
        }
    }
}
