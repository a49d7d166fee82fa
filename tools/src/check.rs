//! `otp check`: whether a repository is whole.

use std::process::ExitCode;

use otp::{CheckReply, Finding, Inspection, Outcome, Remedy};
use serde::Serialize;

use crate::answer::{self, counted};
use crate::command::{Call, Command};
use crate::configuration::Configuration;
use crate::fault::{Fault, Result};
use crate::{input, service};

/// The subcommand.
pub const CHECK: Command = Command {
    name: "check",
    operand: None,
    options: &["no-key", "remove", "yes"],
    summary: "whether the repository is whole, and which rows are damaged",
    manual: "\
Reads the whole repository, beside services at work, and changes nothing. Each row that is damaged is a line: its key
(a hash), what it is where that is known, and the cause. Then faults, which are about more than a row, and notes, which
are no damage. With the key it also opens what is sealed beside the live codes of the configuration's namespace. What no
check can find: rows that somebody put back as they once were, and rows that are gone.

  --no-key  look without the key, also where it is not at hand
  --remove  remove the damaged rows that are listed, each if it still is damaged then, and write the timers that
            stalled codes lack. Services may go on. The repository's own row stays. On a terminal it asks first;
            elsewhere it needs --yes
  --yes     do not ask

Calls about a damaged row fail; once it is removed, they answer as if it had never been there:
  record     the code is gone, and so is that it was used, cancelled or guessed at; a new one can be made
  failures   a subject that was locked or disabled can try again
  sends      messages to the recipient are counted anew
  timer      the next step of that delivery does not begin; check once more, which then finds the code stalled
  reference  a report of the carrier about that message is passed over
A fault of the database itself is not mended by that: stop the services, and restore a backup (otp copy makes one of the
rows that can be read).

exit status: 0 whole, 1 damaged, or records need a key that the configuration lacks, 2 wrong usage, 3 it could not be
looked at, or the key is not the repository's

example:
  otp check --config /etc/app/otp.json
",
    run,
};

/// Most rows that are kept in mind: to be removed, or for the reply in JSON.
const MOST_KEPT: usize = 100_000;

const DAMAGED: u8 = 1;

/// The reply for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    #[serde(flatten)]
    check: CheckReply,
    /// The first of them.
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
}

fn run(call: &Call) -> Result<ExitCode> {
    let configuration = Configuration::read(call.config.as_deref())?;
    let _place = service::take_place(&configuration)?;
    let with_key = !call.options.without_key;
    let inspection = Inspection::open(&configuration.json(), with_key).map_err(|error| hinted(error.into()))?;
    let (mut findings, mut told) = (Vec::new(), Ok(()));
    let check = inspection.check(&mut |finding| {
        if told.is_ok() && !call.json {
            told = answer::lines(&[line(&finding)]);
        }
        if findings.len() < MOST_KEPT {
            findings.push(finding);
        }
    })?;
    told?;
    if !call.json {
        answer::lines(&words(&check))?;
        answer::lines(&advice(call, &check))?;
    }
    let mut left = check.damaged + check.stalled + check.faults.len() as u64 + check.without_their_key;
    let mut removed = None;
    if call.options.remove {
        let done = remove(call, &inspection, &findings)?;
        left = left.saturating_sub(done);
        removed = Some(done);
    }
    if call.json {
        answer::json_reply(Outcome::Ok, &Reply { check, findings, removed })?;
    }
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

/// Tells what to do where the key is not at hand, or not the right one.
fn hinted(fault: Fault) -> Fault {
    match fault {
        Fault::Failed(Outcome::Config, detail) if detail.starts_with("key") || detail.starts_with("previousKeys") => {
            Fault::config(format!("{detail}; otp check --no-key looks without it"))
        }
        other => other,
    }
}

fn line(finding: &Finding) -> String {
    format!("{}  {}  {}", finding.key(), finding.kind.unwrap_or("unknown"), finding.cause)
}

fn words(check: &CheckReply) -> Vec<String> {
    let mut lines: Vec<_> = check.faults.iter().map(|fault| format!("fault: {fault}")).collect();
    lines.extend(check.notes.iter().map(|note| format!("note: {note}")));
    if check.without_their_key > 0 {
        let records = counted(check.without_their_key, "record needs", "records need");
        let cause = "a key that is not in this configuration, and calls on them fail: see otp rotate";
        lines.push(format!("warning: {records} {cause}"));
    }
    if check.unopened > 0 {
        let codes = counted(check.unopened, "live code", "live codes");
        let cause = if check.with_key { "of other namespaces" } else { "which need the key" };
        lines.push(format!("note: what is sealed beside {codes} {cause} was not opened"));
    }
    if check.strays > 0 {
        let rows = counted(check.strays, "timer or reference leads", "timers or references lead");
        lines.push(format!("note: {rows} to what is gone: harmless, and they go by themselves"));
    }
    let mut sum = vec![counted(check.rows, "row", "rows"), format!("{} damaged", check.damaged)];
    if check.stalled > 0 {
        sum.push(format!("{} stalled", check.stalled));
    }
    if !check.faults.is_empty() {
        sum.push(counted(check.faults.len() as u64, "fault", "faults"));
    }
    let verdict = if check.whole { "whole" } else { "damaged" };
    let sight = if check.with_key { "" } else { ", as far as can be seen without the key" };
    lines.push(format!("{verdict}{sight}: {}", sum.join(", ")));
    lines
}

/// What to do next.
fn advice(call: &Call, check: &CheckReply) -> Vec<String> {
    let can_be_mended = check.damaged + check.stalled > 0 && !call.options.remove;
    let advice = "what it means to remove a damaged row, and how, tells otp help check";
    can_be_mended.then(|| advice.to_owned()).into_iter().collect()
}

/// Removes what can be removed of these, and tells how much.
fn remove(call: &Call, inspection: &Inspection, findings: &[Finding]) -> Result<u64> {
    let wanted = findings.iter().filter(|finding| finding.remedy != Remedy::None).count() as u64;
    let mut done = 0;
    if wanted > 0 {
        let rows = counted(wanted, "row", "rows");
        input::confirm(call, &format!("Remove {rows} (of stalled codes: write the timers)?"))?;
        let mended = inspection.mend(findings, &mut done);
        if mended.is_err() && !call.json {
            answer::lines(&[format!("{done} of {rows} removed or mended")])?;
        }
        mended?;
    }
    if !call.json {
        let mut lines = vec![format!("{} removed or mended", counted(done, "row", "rows"))];
        if done < wanted {
            lines.push(format!("{} in order by now, and left as they are", wanted - done));
        }
        if findings.len() == MOST_KEPT {
            lines.push(format!("there may be more than {MOST_KEPT}: check again"));
        }
        answer::lines(&lines)?;
    }
    Ok(done)
}
