//! What the command says, and its exit status: 0 OK, 1 a refusal, 2 wrong usage, 3 a failure.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use otp::Outcome;
use serde::Serialize;

use crate::command::Call;
use crate::fault::{Fault, Result};

const REFUSED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const FAILED: u8 = 3;

/// A reply as the library's C interface writes it.
#[derive(Serialize)]
struct Whole<'a, T> {
    result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(flatten)]
    members: Option<&'a T>,
}

/// Tells a reply: as one line of JSON for machines, else in words. A refusal's words are the library's.
pub fn reply<T: Serialize>(call: &Call, outcome: Outcome, reply: &T, words: Vec<String>) -> Result<ExitCode> {
    if call.json {
        return json_reply(outcome, reply);
    }
    let refusal = sentence(outcome).map(str::to_owned);
    lines(&refusal.into_iter().chain(words).collect::<Vec<_>>())?;
    Ok(exit(outcome))
}

/// Tells a reply as one line of JSON.
pub fn json_reply<T: Serialize>(outcome: Outcome, reply: &T) -> Result<ExitCode> {
    lines(&[json(&Whole { result: outcome, message: sentence(outcome), members: Some(reply) })])?;
    Ok(exit(outcome))
}

fn sentence(outcome: Outcome) -> Option<&'static str> {
    (outcome != Outcome::Ok).then(|| outcome.message())
}

/// The exit status that stands for a result.
pub fn exit(outcome: Outcome) -> ExitCode {
    ExitCode::from(match outcome.number() {
        0 => 0,
        1.. => REFUSED,
        ..0 => FAILED,
    })
}

/// Tells a fault on standard error, and to machines what they expect on standard output as well.
pub fn failed(fault: &Fault, is_json: bool) -> ExitCode {
    let (outcome, detail, code) = match fault {
        Fault::Declined => {
            complain("otp: nothing was done");
            return ExitCode::from(REFUSED);
        }
        Fault::Usage(detail) => (Outcome::Argument, format!("{detail}; see otp --help"), WRONG_USAGE),
        Fault::Gone(detail) => (Outcome::Store, detail.clone(), FAILED),
        // What the library says of what was typed.
        Fault::Failed(Outcome::Argument, detail) => (Outcome::Argument, detail.clone(), WRONG_USAGE),
        Fault::Failed(outcome, detail) => (*outcome, detail.clone(), FAILED),
    };
    if is_json {
        failure(outcome, &detail);
    }
    complain(&format!("otp: {detail}"));
    ExitCode::from(code)
}

/// Tells machines a failure.
fn failure(outcome: Outcome, detail: &str) {
    // There is an error to tell already.
    let _ = lines(&[json(&Whole::<()> { result: outcome, message: Some(detail), members: None })]);
}

/// Tells what was done where something was left out, which is a failure of the repository's.
pub fn in_part<T: Serialize>(call: &Call, reply: &T, words: Vec<String>, detail: &str) -> Result<ExitCode> {
    if call.json {
        lines(&[json(&Whole { result: Outcome::Store, message: Some(detail), members: Some(reply) })])?;
    } else {
        lines(&words)?;
    }
    complain(&format!("otp: {detail}"));
    Ok(exit(Outcome::Store))
}

/// Writes lines to standard output. Nobody has to read them to the end.
pub fn lines(lines: &[String]) -> Result<()> {
    let mut output = io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(output, "{}", plain(line))).and_then(|()| output.flush());
    match written {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::store(format!("standard output: {}", cause.to_string().to_lowercase())))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error. If that fails there is nobody left to tell.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(line));
}

/// A value's name, as replies have it.
pub fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

/// A count and its noun.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A text without what a terminal would obey: some of it comes from carriers.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
