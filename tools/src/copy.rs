//! `otp copy`: a backup, or a move.

use std::process::ExitCode;

use otp::{Outcome, Service};

use crate::answer::{self, counted};
use crate::command::{Call, Command};
use crate::fault::{Fault, Result};
use crate::owner::{self, Stranger};
use crate::place::Place;
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
copy has the same key, which is not copied: keep it apart. Rows that are damaged are left out: then the status is 3,
though the copy is whole. A URL with a password is given as file:PATH or env:NAME, or as - on standard input. Root makes
a copy only where no folder and no symbolic link on the way is somebody else's.

  --move  go on there: the repository is frozen first, every later call on it fails, and live codes go along.
          It cannot be undone: on a terminal it asks first; elsewhere, and with --json, it needs --yes. One that
          failed is done again by the same command
  --yes   do not ask

A backup is put back in four steps:
  1  stop all services
  2  move the old files away (of sqlite: also those with -wal, -shm and -lock), or empty the database; the key stays
  3  otp copy sqlite:ORIGINAL --config BACKUP, where BACKUP is the configuration with the backup as its repository, and
     with keyFile or key as it was; as the user that the services run as, or give the files to that user
  4  start the services; otp check tells whether all is whole

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
    let service = service::open(call)?;
    if let Some(path) = Place::of(&target, Stranger::Refuse)?.path() {
        owner::check_target(path)?;
    }
    let was_moved = moves && is_moved(&service);
    let copied = service.copy(&target, moves.then_some(r#"{"move": true}"#));
    let reply = copied.map_err(|error| if moves { unfinished(&service, was_moved, error) } else { error.into() })?;
    let mut words =
        vec![format!("{} {}", counted(reply.rows, "row", "rows"), if reply.keeps_live { "moved" } else { "copied" })];
    if moves && !reply.keeps_live {
        words.push("it was moved elsewhere before: this is a backup, in which live codes are expired".to_owned());
    }
    if moves {
        words.push("every call on the old repository fails from now on".to_owned());
    }
    if reply.skipped == 0 {
        return answer::reply(call, Outcome::Ok, &reply, words);
    }
    let rows = counted(reply.skipped, "row is damaged and was", "rows are damaged and were");
    answer::in_part(call, &reply, words, &format!("{rows} left out; the copy is whole without"))
}

/// Why a move failed, and what became of the source.
fn unfinished(service: &Service, was_moved: bool, error: otp::Error) -> Fault {
    let state = if was_moved && error.detail().contains("is not empty") {
        "the repository was moved already, and nothing was done"
    } else if is_moved(service) {
        "the repository is frozen, and every call on it fails: do the same otp copy --move again"
    } else {
        "the repository is as it was"
    };
    Fault::Failed(error.outcome(), format!("{}; {state}", error.detail()))
}

fn is_moved(service: &Service) -> bool {
    service.subject(PROBE).is_err_and(|error| error.is_move())
}

/// What is looked up: it need not exist.
const PROBE: &str = "otp copy";
