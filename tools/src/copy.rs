//! `otp copy`: a backup, or a move.

use std::process::ExitCode;

use otp::Outcome;

use crate::answer::{self, counted};
use crate::arguments::{Call, Command};
use crate::fault::Result;
use crate::{input, service};

/// The subcommand.
pub const COPY: Command = Command {
    name: "copy",
    operand: Some("REPOSITORY"),
    options: &["move", "yes"],
    summary: "copy the repository into an empty one, as a backup or to go on there",
    manual: "\
Copies all rows, of all namespaces, into an empty repository, or over a copy that was not finished. Services may go on
meanwhile. Live codes arrive expired, so a backup revives none; used codes, counters and locks are as they were. The
copy has the same key, which is not copied: keep it apart. A URL with a password is given as file:PATH or env:NAME, or
as - on standard input.

  --move  go on there: the repository is frozen first, every later call on it fails, and live codes go along.
          It cannot be undone: on a terminal it asks first; elsewhere it needs --yes
  --yes   do not ask

example:
  otp copy sqlite:/backup/otp.db --config /etc/app/otp.json
",
    run,
};

fn run(call: &Call) -> Result<ExitCode> {
    let target = input::operand(call)?;
    let moves = call.options.moves;
    if moves {
        input::confirm(call, "Freeze this repository for good, and go on in the other one?")?;
    }
    let reply = service::open(call)?.copy(&target, moves.then_some(r#"{"move": true}"#))?;
    let mut words = vec![format!("{} {}", counted(reply.rows, "row", "rows"), if moves { "moved" } else { "copied" })];
    if reply.skipped > 0 {
        words.push(format!("{} damaged and left out", counted(reply.skipped, "row is", "rows are")));
    }
    if moves {
        words.push("every call on the old repository fails from now on".to_owned());
    }
    answer::reply(call, Outcome::Ok, &reply, words)
}
