//! The manual page and the completions of shells, made from the manual that `--help` shows.

use crate::arguments::Command;
use crate::manual::{self, COMMANDS};

/// `otp.1`, in the language of man.
pub fn page() -> String {
    let mut text = format!(".TH OTP 1 \"\" \"libotp {}\" \"libotp\"\n", escape(env!("CARGO_PKG_VERSION")));
    let (name, about) = manual::ABOUT.split_once(": ").unwrap_or((manual::ABOUT, ""));
    text += &format!(".SH NAME\n{name} \\- {}\n", escape(about));
    text += ".SH SYNOPSIS\n.B otp\n.I COMMAND\n.RI [ ARGUMENT ]\n.RI [ OPTIONS ]\n";
    text += ".SH COMMANDS\n";
    for command in COMMANDS {
        text += &format!(".SS {}\n", escape(&manual::usage(command)));
        text += &body(command.manual);
    }
    text += &body(manual::TAIL);
    text += ".SH SEE ALSO\n.BR libotp (3)\n";
    text
}

/// What a part of the manual is made of: each is set apart by a blank line.
fn body(part: &str) -> String {
    let mut text = String::new();
    for block in part.trim().split("\n\n") {
        let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
        text += &match first.strip_suffix(':') {
            Some("example") => format!(".PP\nExample:\n.PP\n.RS 4\n.EX\n{}.EE\n.RE\n", unindented(rest)),
            Some(heading) => format!(".SH {}\n{}", escape(&heading.to_uppercase()), options(rest)),
            None if first.starts_with("  --") => options(block),
            None => paragraph(block),
        };
    }
    text
}

/// Text of a paragraph. One that begins with its subject and a colon, as `exit status: …`, is a section.
fn paragraph(block: &str) -> String {
    let text = block.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.strip_prefix(manual::STATUS) {
        Some(rest) => format!(".SH {}\n{}\n", manual::STATUS.trim_end_matches(": ").to_uppercase(), guarded(rest)),
        None => format!(".PP\n{}\n", guarded(&text)),
    }
}

fn options(block: &str) -> String {
    listed(block).map(|option| format!(".TP\n.B {}\n{}\n", escape(&option.usage()), guarded(&option.about))).collect()
}

fn unindented(lines: &str) -> String {
    lines.lines().map(|line| format!("{}\n", guarded(line.trim_start()))).collect()
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq")
}

/// Text of a line. One that begins with a dot would be a request.
fn guarded(text: &str) -> String {
    let text = escape(text);
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// An option as the manual lists it.
pub struct Listed {
    /// With its dashes.
    pub name: String,
    /// What follows it.
    pub value: Option<String>,
    pub about: String,
}

impl Listed {
    fn usage(&self) -> String {
        [Some(&self.name), self.value.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
    }
}

/// The options in a part of the manual: each begins a line, and its description may go on in the next ones.
pub fn listed(part: &str) -> impl Iterator<Item = Listed> {
    let mut options: Vec<Listed> = Vec::new();
    for line in part.lines() {
        match (line.strip_prefix("  --"), options.last_mut()) {
            (Some(option), _) => {
                let (usage, about) = option.split_once("  ").unwrap_or((option, ""));
                let (name, value) = usage.split_once(' ').map_or((usage, None), |(name, value)| (name, Some(value)));
                let (name, value) = (format!("--{name}"), value.map(str::to_owned));
                options.push(Listed { name, value, about: about.trim().to_owned() });
            }
            (None, Some(option)) if line.starts_with("    ") => {
                option.about.push(' ');
                option.about.push_str(line.trim());
            }
            _ => {}
        }
    }
    options.into_iter()
}

/// The options of a command, and those that all have.
pub fn options_of(command: Option<&Command>) -> Vec<Listed> {
    command.into_iter().flat_map(|command| listed(command.manual)).chain(listed(manual::TAIL)).collect()
}
