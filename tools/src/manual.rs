//! All subcommands and the manual, which is what `--help` shows.

use crate::command::Command;
use crate::fault::{Fault, Result};
use crate::{cancel, check, copy, due, metrics, open, people, rotate, send_test, serve, status};

/// In the order in which the manual has them.
pub const COMMANDS: &[&Command] = &[
    &status::STATUS,
    &people::SUBJECT,
    &people::UNLOCK,
    &people::ERASE,
    &cancel::CANCEL,
    &due::DUE,
    &copy::COPY,
    &check::CHECK,
    &rotate::ROTATE,
    &metrics::METRICS,
    &open::OPEN,
    &send_test::SEND_TEST,
    &serve::SERVE,
];

/// What it is for, in a line.
pub const ABOUT: &str = "otp: operate the one-time passwords of libotp";

const HEAD: &str = "
usage: otp COMMAND [ARGUMENT] [OPTIONS]

commands:
";

/// What holds for all commands.
pub const TAIL: &str = "
options of every command:
  --config FILE|JSON  the configuration of the service; without it what OTP_CONFIG holds
  --json              the library's reply as one line of JSON
  --help              this text; otp help COMMAND tells more about a command
  --version           the version

otp help config lists the members of a configuration that are used most. otp man is the manual page, and otp completions
SHELL what bash, zsh or fish completes.

An argument - is read from standard input, one line, so that it does not stand in the list of processes. One that begins
with a dash comes after --, which ends the options. A path that does not begin with / is looked for in the folder in
which otp runs, also one in the configuration. But for the target of copy no repository is made or begun.

A sqlite: or json: repository is worked on as the user that it belongs to. Root becomes that user; anybody else is
refused. Root believes a configuration file that nobody but root or that user may write to; with a server, root's
alone. Nothing is sent but by due, send-test and serve.

exit status: 0 done, 1 refused, 2 wrong usage, 3 failed

example:
  OTP_CONFIG=/etc/app/otp.json otp status 123456789
";

/// What the paragraph about the exit status begins with.
pub const STATUS: &str = "exit status: ";

/// The subcommand of this name.
pub fn command(name: &str) -> Result<&'static Command> {
    let found = COMMANDS.iter().find(|command| command.name == name);
    // The name is not repeated: it may be a number.
    found.copied().ok_or_else(|| Fault::usage("there is no such command"))
}

/// The manual of all.
pub fn of_all() -> String {
    let mut text = format!("{ABOUT}\n{HEAD}");
    for command in COMMANDS {
        text += &format!("  {:20}{}\n", usage(command), command.summary);
    }
    text + TAIL
}

/// The manual of one.
pub fn of(command: &Command) -> String {
    format!("usage: otp {} [OPTIONS]\n\n{}", usage(command), command.manual)
}

/// How it is called.
pub fn usage(command: &Command) -> String {
    [command.name].into_iter().chain(command.operand).collect::<Vec<_>>().join(" ")
}
