//! What comes from standard input: arguments, and a yes.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::arguments::Call;
use crate::fault::{Fault, Result};

/// Longest line that is read: more than any argument has.
const LINE_BYTES: u64 = 64 * 1024;

/// What the subcommand is done to.
pub fn operand(call: &Call) -> Result<String> {
    match call.operand.as_deref() {
        Some("-") => match line()? {
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
    if !io::stdin().is_terminal() {
        return Err(Fault::usage("this cannot be undone: it needs --yes where standard input is no terminal"));
    }
    let _ = write!(io::stderr(), "{question} It cannot be undone. [y/N] ");
    match line()?.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Fault::Declined),
    }
}

fn line() -> Result<String> {
    let mut text = String::new();
    let read = io::stdin().lock().take(LINE_BYTES).read_line(&mut text);
    read.map_err(|_| Fault::usage("standard input: cannot be read, or is not valid UTF-8"))?;
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}
