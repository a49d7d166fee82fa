//! `otp serve`: the tutorial's HTTP service, for trying.

use std::error::Error;
use std::process::ExitCode;

use otp::Outcome;
use otp_service::{LOOPBACK, Settings, run_to_the_end};

use crate::command::{Call, Command};
use crate::configuration::Configuration;
use crate::fault::{Fault, Result};
use crate::owner;
use crate::place::Place;

/// Where it listens unless it is told.
const PORT: u16 = 3000;

/// The subcommand.
pub const SERVE: Command = Command {
    name: "serve",
    operand: None,
    options: &["port"],
    summary: "create and verify codes by HTTP, for trying",
    manual: "\
Answers POST /otp/TOKEN and GET /otp/TOKEN/CODE on 127.0.0.1 until SIGINT or SIGTERM, with /healthz, /readyz, and the
webhooks of a carrier. Whoever reaches it chooses token and recipient: it is for trying, not for visitors. Messages are
sent as the configuration says. A repository that is not there is made, as the user that its folder belongs to.
Standard output is the log, one event in JSON a line.

  --port PORT  3000 unless it is said; 0 takes any free one

example:
  otp serve --port 3000 --config '{\"repository\": \"memory:\"}'
  curl -d '{\"phoneNumber\": \"393331234567\"}' http://127.0.0.1:3000/otp/123456789
",
    run,
};

fn run(call: &Call) -> Result<ExitCode> {
    let port = call.options.port.as_deref().map_or(Ok(PORT), str::parse);
    let port = port.map_err(|_| Fault::usage("--port: must be a number to 65535"))?;
    let configuration = Configuration::read(call.config.as_deref())?;
    match configuration.place()? {
        Place::Elsewhere(kind) if !kind.is_empty() => owner::refuse_foreign_server()?,
        Place::File(path) | Place::Folder(path) if !owner::become_owner(&path)? => {
            owner::become_owner_of_new(owner::parent(&path))?;
        }
        _ => {}
    }
    let address = (LOOPBACK.to_owned(), port);
    run_to_the_end(Settings { address, metrics: None, config: configuration.json() }).map_err(fault)?;
    Ok(ExitCode::SUCCESS)
}

fn fault(error: Box<dyn Error>) -> Fault {
    match error.downcast::<otp::Error>() {
        Ok(error) => (*error).into(),
        // An address in use, say.
        Err(error) => Fault::Failed(Outcome::Config, error.to_string().to_lowercase()),
    }
}
