//! `otp due`: what has come due, once or again and again.

use std::process::ExitCode;
use std::time::Duration;

use otp::{Outcome, RunDueReply, Service};

use crate::answer::{self, counted};
use crate::command::{Call, Command};
use crate::configuration::Configuration;
use crate::fault::{Fault, Result};
use crate::service;
use crate::sys::{Signals, Wish};

/// The subcommand.
pub const DUE: Command = Command {
    name: "due",
    operand: None,
    options: &["every"],
    summary: "send what is due, and remove what is past its time",
    manual: "\
Runs the timed steps of deliveries that are due, which sends messages, and removes codes past their retention. With
--every it goes on until SIGINT or SIGTERM, and finishes first what it is doing. It tells a round in which something was
done, and an error once as long as it stays the same. After an error of the repository it opens that again, and ends
with status 3 once there is none any more, or it was moved. On SIGHUP it reads the configuration again, as the user that
the repository belongs to, and goes on by it. Services with \"background\": true need neither.

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
    run_every(call, every, &signals)
}

fn run_every(call: &Call, every: Duration, signals: &Signals) -> Result<ExitCode> {
    let configuration = Configuration::read(call.config.as_deref())?;
    let service = Some(service::open_kept(&configuration)?);
    let mut rounds = Rounds { call, configuration, service, last_error: None };
    loop {
        rounds.round()?;
        match signals.came_within(every) {
            Some(Wish::End) => return Ok(ExitCode::SUCCESS),
            Some(Wish::Reopen) => rounds.reopen(),
            None => {}
        }
    }
}

/// Rounds over a repository that may go away.
struct Rounds<'a> {
    call: &'a Call,
    /// Root may read it where the repository's owner, whom this becomes, may not.
    configuration: Configuration,
    /// None after a failure: the repository may be another one, or a server may be back.
    service: Option<Service>,
    last_error: Option<String>,
}

impl Rounds<'_> {
    /// Does what is due.
    ///
    /// # Errors
    ///
    /// What will not pass.
    fn round(&mut self) -> Result<()> {
        match self.try_round() {
            Ok(reply) => {
                self.last_error = None;
                if reply.ran > 0 || reply.purged > 0 {
                    answer::reply(self.call, Outcome::Ok, &reply, vec![words(reply)])?;
                }
                Ok(())
            }
            // A full disk or a server that is away may be well again in the next round.
            Err(Fault::Failed(outcome @ (Outcome::Store | Outcome::Busy), detail)) => {
                if outcome == Outcome::Store {
                    self.service = None;
                }
                self.tell_once(outcome, detail);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    fn try_round(&mut self) -> Result<RunDueReply> {
        let service = match self.service.take() {
            Some(service) => service,
            None => service::open_kept(&self.configuration)?,
        };
        let has_all_keys = service.has_all_keys();
        let done = self.service.insert(service).run_due();
        if !has_all_keys {
            // A process may list the key before the next round.
            self.service = None;
        }
        // It stays so for good.
        done.map_err(|error| if error.is_move() { Fault::Gone(error.detail().to_owned()) } else { error.into() })
    }

    /// Opens what the configuration says now. Where that fails it goes on with what it has.
    fn reopen(&mut self) {
        match self.configured() {
            Ok((configuration, service)) => (self.configuration, self.service) = (configuration, Some(service)),
            Err(fault) => {
                answer::failed(&fault, self.call.json);
            }
        }
    }

    fn configured(&self) -> Result<(Configuration, Service)> {
        let configuration = Configuration::read(self.call.config.as_deref())?;
        let service = service::open_kept(&configuration)?;
        Ok((configuration, service))
    }

    fn tell_once(&mut self, outcome: Outcome, detail: String) {
        if self.last_error.as_ref() != Some(&detail) {
            answer::failed(&Fault::Failed(outcome, detail.clone()), self.call.json);
        }
        self.last_error = Some(detail);
    }
}

fn words(reply: RunDueReply) -> String {
    let next = reply.next_due_in_milliseconds.map(|ms| format!("; the next step is due in {} s", ms.div_ceil(1000)));
    let (ran, purged) = (counted(reply.ran, "step", "steps"), counted(reply.purged, "row", "rows"));
    format!("{ran} run, {purged} removed{}", next.unwrap_or_default())
}
