//! `console`: prints messages to standard error, for development.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use zeroize::Zeroizing;

use super::{Message, Sender, Sent};

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
        match (&self.output).write_all(line.as_bytes()) {
            Ok(()) => Sent::Sent,
            Err(_) => Sent::InDoubt,
        }
    }
}
