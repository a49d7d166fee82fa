//! `otp open`: whether a configuration is one, and what it will do.

use std::process::ExitCode;

use otp::{Outcome, Service};
use serde::Serialize;

use crate::answer;
use crate::arguments::{Call, Command};
use crate::configuration::{Configuration, Place};
use crate::fault::Result;
use crate::{owner, plan};

/// The subcommand.
pub const OPEN: Command = Command {
    name: "open",
    operand: None,
    options: &[],
    summary: "check a configuration, and say what it will do",
    manual: "\
Opens the service as your program would, and says in words who is sent what, when, and at most how often, with all
warnings. Nothing is sent. A file that is not there yet is not made, and neither is its key; on a server the repository
is begun if there is none.

example:
  otp open --config /etc/app/otp.json
",
    run,
};

/// The library's reply.
#[derive(Serialize)]
struct OpenReply {
    warnings: Vec<String>,
}

fn run(call: &Call) -> Result<ExitCode> {
    let configuration = Configuration::read(call.config.as_deref())?;
    let is_there = match configuration.place() {
        Place::Path(path) => owner::become_owner(&path)?,
        Place::Memory | Place::Elsewhere(_) => true,
    };
    let json = if is_there { configuration.json() } else { configuration.memory_json() };
    let (_service, warnings) = Service::open(Some(&json))?;
    let mut words = plan::in_words(&configuration, is_there);
    words.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    answer::reply(call, Outcome::Ok, &OpenReply { warnings }, words)
}
