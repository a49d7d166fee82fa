//! The manual page and the completions of shells, made from the manual that `--help` shows.

use crate::command::Command;
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
        text += &body(command.manual, false);
    }
    text += &body(manual::TAIL, true);
    text += ".SH SEE ALSO\n.BR libotp (3)\n";
    text
}

/// What a part of the manual is made of: each is set apart by a blank line. A heading is a line of its own before options
/// or an example; other lines that end with a colon are text.
fn body(part: &str, is_whole: bool) -> String {
    let mut text = String::new();
    for block in part.trim_matches('\n').split("\n\n") {
        let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
        text += &match first.strip_suffix(':') {
            Some("example") => format!(".PP\nExample:\n.PP\n.RS 4\n.EX\n{}.EE\n.RE\n", unindented(rest)),
            Some(heading) if rest.starts_with("  --") => {
                format!(".SH {}\n{}", escape(&heading.to_uppercase()), options(rest))
            }
            _ if first.starts_with("  --") => options(block),
            _ => match block.strip_prefix(manual::STATUS) {
                // That of one command belongs to it.
                Some(rest) if is_whole => {
                    format!(".SH {}\n{}", manual::STATUS.trim_end_matches(": ").to_uppercase(), paragraphs(rest))
                }
                _ => format!(".PP\n{}", paragraphs(block)),
            },
        };
    }
    text
}

/// Text, and entries in it: a line that is indented by two spaces is one, which those that are indented more go on with.
fn paragraphs(block: &str) -> String {
    let (mut text, mut in_entry) = (String::new(), false);
    for line in block.lines() {
        match line.strip_prefix("  ") {
            Some(entry) if !entry.starts_with(' ') => {
                let (name, about) = entry.split_once("  ").unwrap_or((entry, ""));
                text += &format!(".TP\n.B {}\n{}\n", escape(name), guarded(about.trim()));
                in_entry = true;
            }
            Some(more) => text += &format!("{}\n", guarded(more.trim())),
            None => {
                if std::mem::take(&mut in_entry) {
                    text += ".PP\n";
                }
                text += &format!("{}\n", guarded(line));
            }
        }
    }
    text
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
