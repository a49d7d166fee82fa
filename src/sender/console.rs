//! `console`: prints messages to standard error, for development.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use zeroize::Zeroizing;

use super::{Message, Sender, Sent};
use crate::ffi::sys;

/// Prints to a descriptor of its own: the lock of the standard stream might be held by another thread at a fork.
pub struct Console {
    output: File,
}

impl Console {
    /// Takes standard error as it is now.
    ///
    /// # Errors
    ///
    /// The system's, when it is closed.
    pub fn open() -> io::Result<Self> {
        Ok(Self { output: File::from(io::stderr().as_fd().try_clone_to_owned()?) })
    }
}

impl Sender for Console {
    fn send(&self, message: &Message) -> Sent {
        let mut line = Zeroizing::new(String::new());
        // Control characters in a text must not reach the terminal.
        line.extend(message.text.chars().map(|char| if char.is_control() { ' ' } else { char }));
        let line = Zeroizing::new(format!("[{} to {}] {}\n", message.channel, *message.to, *line));
        // Nobody may read any more at the other end: that is no reason for the host to end.
        match sys::without_write_signals(|| print(&self.output, line.as_bytes())) {
            0 => Sent::NotSent,
            printed if printed == line.len() => Sent::Sent,
            _ => Sent::InDoubt,
        }
    }
}

/// Prints as much as the system takes, and tells how many bytes.
fn print(mut output: &File, line: &[u8]) -> usize {
    let mut printed = 0;
    while let Some(rest) = line.get(printed..).filter(|rest| !rest.is_empty()) {
        match output.write(rest) {
            Ok(0) => break,
            Ok(more) => printed += more,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    printed
}
