//! A subcommand, and what it is called with.

use std::process::ExitCode;
use std::time::Duration;

use crate::fault::Result;

/// A subcommand.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What it is done to, as the manual calls it.
    pub operand: Option<&'static str>,
    /// Options of its own, without their dashes.
    pub options: &'static [&'static str],
    /// One line, in the list of all.
    pub summary: &'static str,
    /// What it does, with an example.
    pub manual: &'static str,
    /// Does it.
    pub run: fn(&Call) -> Result<ExitCode>,
}

/// A subcommand and what it is given.
pub struct Call {
    pub command: &'static Command,
    /// Still `-` where it comes from standard input.
    pub operand: Option<String>,
    /// A file, or JSON.
    pub config: Option<String>,
    pub json: bool,
    pub options: Options,
}

/// Options that not all subcommands have.
#[derive(Default)]
pub struct Options {
    pub yes: bool,
    pub moves: bool,
    pub every: Option<Duration>,
    pub format: Option<String>,
    pub member: Option<String>,
    pub port: Option<String>,
    pub without_key: bool,
    pub remove: bool,
    pub new_key: Option<String>,
}
