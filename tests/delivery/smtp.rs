//! Sender `smtp`: what an inbox receives, and workflows with mail in them.

mod forks;
mod inbox;
mod injection;
mod story;

use serde_json::{Value, json};
use simulator::smtp::{Inbox, Mail, Setup};

/// An inbox on this machine, without TLS.
fn open_inbox() -> Inbox {
    Inbox::start(Setup::default()).unwrap()
}

/// The sender of this inbox.
fn sender(inbox: &Inbox) -> Value {
    json!({"type": "smtp", "host": "127.0.0.1", "port": inbox.port, "tls": "none"})
}

/// The only mail since the last time.
fn take_one(inbox: &Inbox) -> Mail {
    assert_eq!(inbox.complaints(), [""; 0]);
    let mut mails = inbox.take();
    assert_eq!(mails.len(), 1);
    mails.remove(0)
}
