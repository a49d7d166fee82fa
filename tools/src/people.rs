//! `otp subject`, `otp unlock` and `otp erase`: what is kept of a person.

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use otp::{FoundReply, Locked, Outcome, SubjectReply};
use serde::Serialize;

use crate::answer::{self, counted};
use crate::command::{Call, Command};
use crate::fault::Result;
use crate::{input, service};

/// How a subject stands.
pub const SUBJECT: Command = Command {
    name: "subject",
    operand: Some("S"),
    options: &[],
    summary: "how many failures a subject has, and whether it is locked",
    manual: "\
Shows how many wrong codes in a row were given for S, and whether S is locked. S is what failures count on: the subject
of the request, else its number or another address, else its token; whichever it is, type it as you know it. Something
unknown has no failures. Never show this to visitors.

example:
  otp subject - --config /etc/app/otp.json < number.txt
",
    run: subject,
};

/// Letting a subject in again.
pub const UNLOCK: Command = Command {
    name: "unlock",
    operand: Some("S"),
    options: &[],
    summary: "clear the failures and locks of a subject",
    manual: "\
Clears failures and locks of S, so that codes for it are looked at again. Codes that took too many wrong guesses stay
dead: let a new one be made. S is as for otp subject.

example:
  otp unlock account-4711 --config /etc/app/otp.json
",
    run: unlock,
};

/// Forgetting a recipient.
pub const ERASE: Command = Command {
    name: "erase",
    operand: Some("RECIPIENT"),
    options: &["yes"],
    summary: "remove every record of a recipient",
    manual: "\
Removes every record of a number or another address that is there now, live codes too. Counters and locks hold hashes
alone, and end by themselves. A damaged row stays, since nobody can tell whose it is: then the status is 3, and the rest
is removed. It cannot be undone: on a terminal it asks first; elsewhere, and with --json, it needs --yes.

  --yes  do not ask

example:
  otp erase - --yes --config /etc/app/otp.json < number.txt
",
    run: erase,
};

/// The library's reply, and how many rows it passed over.
#[derive(Serialize)]
struct Erased {
    #[serde(flatten)]
    reply: FoundReply,
    damaged: u64,
}

fn subject(call: &Call) -> Result<ExitCode> {
    let subject = input::operand(call)?;
    let reply = service::open(call)?.subject(&subject)?;
    answer::reply(call, Outcome::Ok, &reply, words(reply))
}

fn words(reply: SubjectReply) -> Vec<String> {
    let locked = match (reply.locked, reply.retry_after_seconds) {
        (None, _) => "no".to_owned(),
        (Some(Locked::Disabled), _) => "yes, until otp unlock".to_owned(),
        (Some(_), Some(seconds)) => format!("yes, for {}", counted(seconds, "second", "seconds")),
        (Some(_), None) => "yes".to_owned(),
    };
    vec![format!("failures in a row: {}", reply.failures), format!("locked: {locked}")]
}

fn unlock(call: &Call) -> Result<ExitCode> {
    let subject = input::operand(call)?;
    let reply = service::open(call)?.unlock(&subject)?;
    let words = if reply.found {
        "failures and locks are cleared"
    } else {
        "there were no failures and no locks: look at the spelling"
    };
    answer::reply(call, Outcome::Ok, &reply, vec![words.to_owned()])
}

fn erase(call: &Call) -> Result<ExitCode> {
    let recipient = input::operand(call)?;
    input::confirm(call, "Remove every record of this recipient?")?;
    let service = service::open(call)?;
    let passed = service::count_passed(&service, "erase")?;
    let reply = service.erase(&recipient)?;
    let words =
        if reply.found { "the recipient's records are removed" } else { "there were no records: look at the spelling" };
    let words = vec![words.to_owned()];
    match passed.load(Ordering::Relaxed) {
        0 => answer::reply(call, Outcome::Ok, &reply, words),
        damaged => {
            let rows = counted(damaged, "row is damaged and stays", "rows are damaged and stay");
            let detail = format!("{rows}: nobody can tell whose");
            answer::in_part(call, &Erased { reply, damaged }, words, &detail)
        }
    }
}
