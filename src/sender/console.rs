//! `console`: prints messages to standard error, for development.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use zeroize::Zeroizing;

use super::{Message, Sender, Sent};
use crate::sys;

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

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;
    use crate::repository::conformance::ScratchFolder;

    fn message(text: String) -> Message {
        Message {
            token: "token".to_owned(),
            channel: "sms".to_owned(),
            to: Zeroizing::new("393331234567".to_owned()),
            from: String::new(),
            subject: None,
            text: Zeroizing::new(text),
            code: Zeroizing::new("123456".to_owned()),
            expires_in_seconds: None,
            locale: None,
            sender: None,
            client_ref: None,
            minutes: 0,
            params: Vec::new(),
        }
    }

    #[test]
    fn what_was_printed_decides() {
        let folder = ScratchFolder::new("console");
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let open = |options: &mut OpenOptions| options.custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let mut reader = open(OpenOptions::new().read(true));
        let console = Console { output: open(OpenOptions::new().write(true)) };
        assert_eq!(console.send(&message("the code:\n123456".to_owned())), Sent::Sent);
        let mut printed = [0; 100];
        let size = reader.read(&mut printed).unwrap();
        assert_eq!(&printed[..size], b"[sms to 393331234567] the code: 123456\n");
        assert_eq!(console.send(&message("1".repeat(1 << 20))), Sent::InDoubt, "there was room for some of it");
        assert_eq!(console.send(&message("1".to_owned())), Sent::NotSent, "there was room for nothing");
        drop(reader);
        assert_eq!(console.send(&message("1".to_owned())), Sent::NotSent, "nobody reads");
    }
}
