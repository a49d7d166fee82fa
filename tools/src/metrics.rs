//! `otp metrics`: what the library counts, by the names that the packages for Python and Node have.

use std::process::ExitCode;

use otp::Outcome;

use crate::answer;
use crate::command::{Call, Command};
use crate::fault::{Fault, Result};
use crate::service;

/// The subcommand.
pub const METRICS: Command = Command {
    name: "metrics",
    operand: None,
    options: &["format"],
    summary: "what the library counts, for Prometheus or as JSON",
    manual: "\
Looks something up in the repository and shows what the library counted of it. Counts belong to a process: those here
are of this one, so they tell that the repository answers, and how fast. A service tells its own, by otp_metrics, and
alone tells otp_live and otp_due: they are what a round found, and a round sends what is due, so none is done here.

  --format openmetrics|json  json is what --json prints; the default is openmetrics

example:
  otp metrics --format openmetrics --config /etc/app/otp.json
",
    run,
};

/// What is looked up: whose failures does not matter, and it need not exist.
const PROBE: &str = "otp metrics";

fn run(call: &Call) -> Result<ExitCode> {
    let is_json = match call.options.format.as_deref() {
        None => call.json,
        Some("json") => true,
        Some("openmetrics") if call.json => return Err(Fault::usage("--format: openmetrics is not --json")),
        Some("openmetrics") => false,
        Some(_) => return Err(Fault::usage("--format: must be openmetrics or json")),
    };
    let service = service::open(call)?;
    let _standing = service.subject(PROBE)?;
    let reply = service.metrics()?;
    if is_json {
        return answer::json_reply(Outcome::Ok, &reply);
    }
    answer::lines(&reply.openmetrics().lines().map(str::to_owned).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}
