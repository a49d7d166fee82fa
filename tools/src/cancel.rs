//! `otp cancel`: ending a code.

use std::process::ExitCode;

use otp::Outcome;

use crate::answer;
use crate::command::{Call, Command};
use crate::fault::Result;
use crate::{input, service};

/// The subcommand.
pub const CANCEL: Command = Command {
    name: "cancel",
    operand: Some("TOKEN"),
    options: &[],
    summary: "end the code of a request",
    manual: "\
Ends the code of a request, and the steps of its delivery that have not begun. Status 1: there is no such request, or
its code was used or is too old.

example:
  otp cancel 123456789 --config /etc/app/otp.json
",
    run,
};

fn run(call: &Call) -> Result<ExitCode> {
    let token = input::operand(call)?;
    let reply = service::open(call)?.cancel(&token)?;
    let words = (reply.outcome == Outcome::Ok).then(|| "the code is cancelled".to_owned());
    answer::reply(call, reply.outcome, &reply, words.into_iter().collect())
}
