//! What comes from standard input: arguments, and a yes.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::command::Call;
use crate::fault::{Fault, Result};

/// Longest line that is read: more than any argument has.
const LINE_BYTES: u64 = 64 * 1024;

/// What the subcommand is done to.
pub fn operand(call: &Call) -> Result<String> {
    match call.operand.as_deref() {
        Some("-") => match only_line()? {
            line if line.is_empty() => Err(Fault::usage("standard input: has no line")),
            line => Ok(line),
        },
        operand => Ok(operand.unwrap_or_default().to_owned()),
    }
}

/// Asks before what cannot be undone. Where nobody can be asked, `--yes` must have been said.
pub fn confirm(call: &Call, question: &str) -> Result<()> {
    if call.options.yes {
        return Ok(());
    }
    if call.json || !io::stdin().is_terminal() {
        let cause = "it needs --yes with --json, and where standard input is no terminal";
        return Err(Fault::usage(format!("this cannot be undone: {cause}")));
    }
    let _ = write!(io::stderr(), "{question} It cannot be undone. [y/N] ");
    match line()?.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Fault::Declined),
    }
}

/// The line that is all of standard input; of a terminal the next one.
fn only_line() -> Result<String> {
    let text = line()?;
    let mut rest = String::new();
    let is_all = io::stdin().is_terminal()
        || io::stdin().lock().take(LINE_BYTES).read_to_string(&mut rest).is_ok_and(|_| rest.trim().is_empty());
    if !is_all {
        return Err(Fault::usage("standard input: has several lines, and one is looked at: call otp for each"));
    }
    Ok(text)
}

fn line() -> Result<String> {
    let mut text = String::new();
    let read = io::stdin().lock().take(LINE_BYTES).read_line(&mut text);
    read.map_err(|_| Fault::usage("standard input: cannot be read, or is not valid UTF-8"))?;
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}
