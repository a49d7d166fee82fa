//! `otp due`: what has come due, once or again and again.

use std::process::ExitCode;
use std::time::Duration;

use otp::{Outcome, RunDueReply, Service};

use crate::answer::{self, counted};
use crate::arguments::{Call, Command};
use crate::fault::{Fault, Result};
use crate::service;
use crate::sys::Signals;

/// The subcommand.
pub const DUE: Command = Command {
    name: "due",
    operand: None,
    options: &["every"],
    summary: "send what is due, and remove what is past its time",
    manual: "\
Runs the timed steps of deliveries that are due, which sends messages, and removes codes past their retention. With
--every it goes on until SIGINT or SIGTERM, and finishes first what it is doing; it tells a round in which something was
done, and an error once as long as it stays the same. Services with \"background\": true need neither.

  --every TIME  again and again: 1s, 500ms, 5m

example:
  otp due --every 1s --config /etc/app/otp.json
",
    run,
};

fn run(call: &Call) -> Result<ExitCode> {
    let Some(every) = call.options.every else {
        let reply = service::open(call)?.run_due()?;
        return answer::reply(call, Outcome::Ok, &reply, vec![words(reply)]);
    };
    let signals = Signals::hold().map_err(|cause| Fault::Failed(Outcome::Internal, format!("signals: {cause}")))?;
    let service = service::open(call)?;
    run_every(call, &service, every, &signals)
}

fn run_every(call: &Call, service: &Service, every: Duration, signals: &Signals) -> Result<ExitCode> {
    let mut last_error = None;
    loop {
        match service.run_due() {
            Ok(reply) => {
                last_error = None;
                if call.json || reply.ran > 0 || reply.purged > 0 {
                    answer::reply(call, Outcome::Ok, &reply, vec![words(reply)])?;
                }
            }
            // A full disk or a server that is away may be well again in the next round.
            Err(error) if matches!(error.outcome(), Outcome::Store | Outcome::Busy) => {
                if last_error.as_ref() != Some(&error) {
                    answer::failed(&error.clone().into(), call.json);
                }
                last_error = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
        if signals.came_within(every) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn words(reply: RunDueReply) -> String {
    let next = reply.next_due_in_milliseconds.map(|ms| format!("; the next step is due in {} s", ms.div_ceil(1000)));
    let (ran, purged) = (counted(reply.ran, "step", "steps"), counted(reply.purged, "row", "rows"));
    format!("{ran} run, {purged} removed{}", next.unwrap_or_default())
}
