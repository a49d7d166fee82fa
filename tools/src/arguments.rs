//! The command line.

use std::time::Duration;

use lexopt::prelude::{Long, Short, Value};

use crate::command::{Call, Command, Options};
use crate::fault::{Fault, Result};
use crate::{completion, manual, members, page};

/// What a command line asks for.
pub enum Asked {
    /// Some of the manual.
    Text(String),
    /// A subcommand.
    Call(Call),
}

/// What was read so far.
#[derive(Default)]
struct Read {
    command: Option<&'static Command>,
    operand: Option<String>,
    config: Option<String>,
    json: bool,
    options: Options,
}

/// Reads a command line.
pub fn read(mut parser: lexopt::Parser) -> Result<Asked> {
    let mut read = Read::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => {
                return Ok(Asked::Text(read.command.map_or_else(manual::of_all, manual::of)));
            }
            Long("version") => return Ok(Asked::Text(concat!("otp ", env!("CARGO_PKG_VERSION")).to_owned())),
            Long("config") => read.config = Some(text(parser.value()?)?),
            Long("json") => read.json = true,
            Long(name) => {
                let name = name.to_owned();
                read.option(&name, &mut parser)?;
            }
            Value(value) if read.command.is_none() => {
                let name = text(value)?;
                match &*name {
                    "help" => return help(&mut parser).map(Asked::Text),
                    // What packages are made with; the manual has them not.
                    "man" => return Ok(Asked::Text(page::page())),
                    "completions" => return completion::of(&text(parser.value()?)?).map(Asked::Text),
                    _ => {}
                }
                read.command = Some(manual::command(&name)?);
            }
            Value(value) if read.operand.is_none() => read.operand = Some(text(value)?),
            // It is not repeated: it may be a number.
            Value(_) => return Err(Fault::usage("one argument too many")),
            short => return Err(short.unexpected().into()),
        }
    }
    read.finish().map(Asked::Call)
}

/// Whether a command line that cannot be read asks for JSON all the same.
pub fn wants_json(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> bool {
    arguments.by_ref().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

impl Read {
    /// An option that belongs to the subcommand, which comes before it.
    fn option(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<()> {
        match self.command {
            Some(command) if command.options.contains(&name) => {}
            Some(command) => return Err(Fault::usage(format!("{} has no option --{name}", command.name))),
            None => return Err(Fault::usage(format!("--{name} comes after a command that has it"))),
        }
        let options = &mut self.options;
        match name {
            "yes" => options.yes = true,
            "move" => options.moves = true,
            "no-key" => options.without_key = true,
            "remove" => options.remove = true,
            "new-key" => options.new_key = Some(text(parser.value()?)?),
            "every" => options.every = Some(duration(&text(parser.value()?)?)?),
            "port" => options.port = Some(text(parser.value()?)?),
            "format" => options.format = Some(text(parser.value()?)?),
            _ => options.member = Some(text(parser.value()?)?),
        }
        Ok(())
    }

    fn finish(self) -> Result<Call> {
        let Some(command) = self.command else { return Err(Fault::usage("no command")) };
        match (command.operand, &self.operand) {
            (Some(operand), None) => return Err(Fault::usage(format!("{} needs {operand}", command.name))),
            (None, Some(_)) => return Err(Fault::usage(format!("{} takes no argument", command.name))),
            _ => {}
        }
        let Self { operand, config, json, options, .. } = self;
        Ok(Call { command, operand, config, json, options })
    }
}

fn help(parser: &mut lexopt::Parser) -> Result<String> {
    match parser.next()? {
        Some(Value(name)) => match &*text(name)? {
            "config" => Ok(members::text()),
            name => Ok(manual::of(manual::command(name)?)),
        },
        Some(other) => Err(other.unexpected().into()),
        None => Ok(manual::of_all()),
    }
}

fn text(value: std::ffi::OsString) -> Result<String> {
    value.into_string().map_err(|_| Fault::usage("an argument is not valid UTF-8"))
}

/// A time such as `1s`, `500ms` or `5m`: from 100 ms to an hour.
fn duration(text: &str) -> Result<Duration> {
    let wrong = || Fault::usage("--every: must be a time from 100ms to 60m, such as 1s");
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    ms.filter(|ms| (100..=3_600_000).contains(ms)).map(Duration::from_millis).ok_or_else(wrong)
}
