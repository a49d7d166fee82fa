//! Which errors are certain: those before any byte of a body.

use super::super::Failure;
use super::*;

/// Takes so many transmissions and refuses the next.
#[derive(Debug)]
struct Breaks {
    after: usize,
    buffers: LazyBuffers,
}

impl Transport for Breaks {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
        let left = self.after.checked_sub(1).ok_or_else(|| Error::from(io::Error::from(ErrorKind::BrokenPipe)))?;
        self.after = left;
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        true
    }
}

const HEAD: &str = "POST / HTTP/1.1\r\n\r\n";

/// What an error means when these are sent, where `None` stands for an answer.
fn sent(after: usize, parts: &[Option<&str>]) -> Option<Failure> {
    let mut line = Line::new(Wire::Plain(Box::new(Breaks { after, buffers: LazyBuffers::new(1024, 1024) })));
    let sent = parts.iter().try_for_each(|part| match part {
        None => line.await_input(NextTimeout::default()).map(|_| ()),
        Some(part) => {
            line.buffers().output()[..part.len()].copy_from_slice(part.as_bytes());
            line.transmit_output(part.len(), NextTimeout::default())
        }
    });
    sent.err().map(Failure::from)
}

#[test]
fn only_a_head_that_fails_is_certain() {
    let (head, body, answer) = (Some(HEAD), Some("{}"), None);
    let begun = Some("POST / HTTP/1.1\r\n");
    let both = Some("POST / HTTP/1.1\r\n\r\n{}");
    for (after, parts, is_certain) in [
        (0, &[head][..], true),
        (1, &[head, body], false),
        (2, &[head, body, answer, head], true),
        (3, &[head, body, answer, head, body], false),
        // What might not be a head alone.
        (0, &[begun, Some("\r\n")], false),
        (1, &[begun, Some("\r\n\r\n")], false),
        (0, &[both], false),
        (1, &[head, head], false),
    ] {
        match sent(after, parts).unwrap() {
            Failure::Unsent { is_passing, .. } => assert!(is_certain && is_passing, "{after} {parts:?}"),
            Failure::Lost { .. } => assert!(!is_certain, "{after} {parts:?}"),
        }
    }
}
