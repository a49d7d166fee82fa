//! `otp status`: how a request stands, and how far its messages came.

use std::process::ExitCode;

use otp::{DeliveryReply, Status};

use crate::answer::{self, word};
use crate::command::{Call, Command};
use crate::fault::Result;
use crate::{input, service};

/// The subcommand.
pub const STATUS: Command = Command {
    name: "status",
    operand: Some("TOKEN"),
    options: &[],
    summary: "how a request stands, and how far its messages came",
    manual: "\
Shows the state of a request (pending, checked, cancelled, locked, expired), its times, how many wrong codes it still
allows, and every step of its delivery, with the carrier's number of the message and the cause where a step failed.
It shows neither the code nor the number. Status 1: there is no such request.

example:
  otp status 123456789 --config /etc/app/otp.json
",
    run,
};

fn run(call: &Call) -> Result<ExitCode> {
    let token = input::operand(call)?;
    let reply = service::open(call)?.status(&token)?;
    let words = reply.status.as_ref().map(words).unwrap_or_default();
    answer::reply(call, reply.outcome, &reply, words)
}

fn words(status: &Status) -> Vec<String> {
    let mut lines = vec![
        format!("state: {}", word(&status.state)),
        format!("created: {}", status.creation_date),
        format!("ends: {}", status.expiry_date),
    ];
    lines.extend(status.check_date.as_ref().map(|date| format!("verified: {date}")));
    lines.push(format!("wrong codes allowed: {}", status.attempts_left));
    lines.extend(delivery(&status.delivery));
    lines
}

/// A line for the whole delivery, and one for each of its steps.
pub fn delivery(delivery: &DeliveryReply) -> Vec<String> {
    let by = delivery.sender.as_ref().map(|name| format!("{name} ({})", delivery.via));
    let by = by.unwrap_or_else(|| delivery.via.to_owned());
    let mut lines = vec![format!("delivery by {by}: {}", word(&delivery.state))];
    for step in delivery.steps.iter().flatten() {
        let uuid = step.message_uuid.as_ref().map(|uuid| format!(", message {uuid}")).unwrap_or_default();
        let error = step.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        let sender = step.sender.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
        lines.push(format!("  {}{sender}: {} at {}{uuid}{error}", step.channel, word(&step.status), step.at));
    }
    lines
}
