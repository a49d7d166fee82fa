//! `otp open`: whether a configuration is one, and what it will do.

use std::process::ExitCode;

use otp::{Outcome, Service};
use serde::Serialize;

use crate::answer;
use crate::command::{Call, Command};
use crate::configuration::Configuration;
use crate::fault::Result;
use crate::owner;
use crate::place::Place;
use crate::plan::{self, Repository};

/// The subcommand.
pub const OPEN: Command = Command {
    name: "open",
    operand: None,
    options: &[],
    summary: "check a configuration, and say what it will do",
    manual: "\
Opens the service as your program would, and says in words who is sent what, when, and at most how often, with all
warnings. Nothing is sent. A repository that is not there yet is not begun, in a file or on a server, and its key is not
made: the rest of the configuration is checked without it. Options are described in man libotp and docs/options.md, and
those that are used most by otp help config.

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
    let place = configuration.place()?;
    let (warnings, there) = match opened(&configuration, &place)? {
        Some(warnings) => (warnings, Repository::IsThere),
        None => {
            let maker = place.maker()?;
            (Service::open(Some(&configuration.memory_json()))?.1, Repository::ToBeMade(maker))
        }
    };
    let warnings: Vec<_> = configuration.warning().into_iter().chain(warnings).collect();
    let mut words = plan::in_words(&configuration, &place, &there);
    words.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    answer::reply(call, Outcome::Ok, &OpenReply { warnings }, words)
}

/// Opens what is there. Its warnings, or `None` where there is nothing yet.
fn opened(configuration: &Configuration, place: &Place) -> Result<Option<Vec<String>>> {
    let is_there = match place {
        Place::File(path) | Place::Folder(path) => owner::become_owner(path)? && !place.is_empty(),
        Place::Elsewhere(kind) if !kind.is_empty() => owner::refuse_foreign_server().map(|()| true)?,
        // The library says what is wrong with it.
        Place::Elsewhere(_) => true,
        Place::Memory => return Ok(Some(Service::open(Some(&configuration.json()))?.1)),
    };
    let opened = if is_there { Service::open_existing(Some(&configuration.json()))? } else { None };
    Ok(opened.map(|(_service, warnings)| warnings))
}
