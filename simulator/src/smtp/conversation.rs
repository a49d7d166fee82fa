//! A client's dialogue with the inbox, which is held to its order.

use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fault::{MailFault, Stage};
use super::mail::{Envelope, Mail};
use super::wire::{Line, NoLine};
use super::{Security, Shared};

/// Most bytes of a command, its end included (RFC 5321, 4.5.3.1.4; RFC 4954, 4, for AUTH).
const COMMAND_BYTES: usize = 512;

/// Most lines of a mail.
const MAIL_LINES: usize = 10_000;

/// How far a dialogue has come.
struct Conversation<'a> {
    line: Line,
    shared: &'a Shared,
    number: usize,
    fault: Option<MailFault>,
    is_greeted: bool,
    is_secure: bool,
    user: Option<String>,
    sender: Option<Envelope>,
}

/// Serves a connection until it ends.
pub fn serve(socket: TcpStream, shared: &Shared, number: usize, fault: Option<MailFault>) {
    let Ok(line) = Line::new(socket) else { return };
    let (is_greeted, is_secure, user, sender) = (false, false, None, None);
    // `None` says that the connection has ended, which is what is wanted here.
    let _ = Conversation { line, shared, number, fault, is_greeted, is_secure, user, sender }.run();
}

impl Conversation<'_> {
    fn run(&mut self) -> Option<()> {
        if let Security::Implicit(tls) = self.shared.setup.security.clone() {
            self.strike(Stage::Tls, "")?;
            self.line.secure(&tls)?;
            self.is_secure = true;
        }
        self.reply(Stage::Greeting, "220 inbox.test ESMTP")?;
        loop {
            let command = self.command()?;
            self.obey(&command)?;
        }
    }

    /// The next command: one alone, since PIPELINING is not offered.
    fn command(&mut self) -> Option<String> {
        let bytes = match self.line.read() {
            Ok(bytes) => bytes,
            Err(NoLine::Gone) => return None,
            Err(NoLine::Bad(what)) => return self.end("500 5.5.2 no", what),
        };
        if self.line.has_more() {
            return self.end("503 5.5.0 one at a time", "a command that did not wait for a reply");
        }
        match String::from_utf8(bytes) {
            Ok(command) if command.len() + 2 <= COMMAND_BYTES => Some(command),
            _ => self.end("500 5.5.2 no", "a command that is too long or no text"),
        }
    }

    fn obey(&mut self, command: &str) -> Option<()> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let verb = verb.to_ascii_uppercase();
        self.shared.state().commands.push(verb.clone());
        match (verb.as_str(), rest) {
            ("EHLO", name) => self.ehlo(name),
            _ if !self.is_greeted => self.refuse("503 5.5.1 first EHLO", "a command before EHLO"),
            ("STARTTLS", "") => self.starttls(),
            ("NOOP", "") => self.say("250 2.0.0 ok"),
            ("RSET", "") => {
                self.sender = None;
                self.reply(Stage::Reset, "250 2.0.0 ok").map(drop)
            }
            ("QUIT", "") => {
                self.say("221 2.0.0 bye")?;
                None
            }
            _ if !self.is_safe() => self.refuse("530 5.7.0 first STARTTLS", "a command before TLS"),
            ("AUTH", rest) => self.auth(rest),
            _ if self.shared.setup.account.is_some() && self.user.is_none() => {
                self.refuse("530 5.7.0 first AUTH", "a command before AUTH")
            }
            ("MAIL", rest) => self.mail(rest),
            ("RCPT", rest) => self.recipient(rest),
            ("DATA", "") => self.data(),
            _ => self.refuse("500 5.5.2 no such command", "an unknown command"),
        }
    }

    fn is_safe(&self) -> bool {
        self.is_secure || matches!(self.shared.setup.security, Security::Plain)
    }

    fn ehlo(&mut self, name: &str) -> Option<()> {
        let is_name = name.starts_with('[') && name.ends_with(']') || name.contains('.');
        if !is_name || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return self.refuse("501 5.5.4 who?", "EHLO without a name or an address");
        }
        let setup = &self.shared.setup;
        let mut offers = vec!["inbox.test".to_owned(), "ENHANCEDSTATUSCODES".to_owned(), "SIZE 1000000".to_owned()];
        offers.extend(setup.utf8.then(|| "SMTPUTF8".to_owned()));
        offers.extend((!self.is_safe()).then(|| "STARTTLS".to_owned()));
        let has_auth = self.is_secure && setup.account.is_some() && !setup.mechanisms.is_empty();
        offers.extend(has_auth.then(|| format!("AUTH {}", setup.mechanisms)));
        let last = offers.pop()?;
        let reply = offers.into_iter().map(|offer| format!("250-{offer}\r\n")).collect::<String>() + "250 " + &last;
        let is_second = self.is_secure && matches!(setup.security, Security::StartTls(_));
        let stage = if is_second { Stage::SecureEhlo } else { Stage::Ehlo };
        self.is_greeted = self.reply(stage, &reply)?;
        self.sender = None;
        Some(())
    }

    fn starttls(&mut self) -> Option<()> {
        let Security::StartTls(tls) = self.shared.setup.security.clone() else {
            return self.refuse("502 5.5.1 no", "STARTTLS, which was not offered");
        };
        if self.is_secure {
            return self.refuse("503 5.5.1 again?", "STARTTLS under TLS");
        }
        if !self.reply(Stage::StartTls, "220 2.0.0 go")? {
            return Some(());
        }
        self.strike(Stage::Tls, "")?;
        self.line.secure(&tls)?;
        (self.is_secure, self.is_greeted) = (true, false);
        Some(())
    }

    fn auth(&mut self, rest: &str) -> Option<()> {
        let Some((user, password)) = self.shared.setup.account.clone().filter(|_| self.is_secure) else {
            return self.refuse("503 5.5.1 no", "AUTH, which was not offered");
        };
        let is_offered = |name: &str| self.shared.setup.mechanisms.split(' ').any(|offered| offered == name);
        let decoded = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let is_right = match rest.split_once(' ').unwrap_or((rest, "")) {
            ("PLAIN", initial) if is_offered("PLAIN") => {
                decoded(initial).is_some_and(|pair| pair == ["\0", &user, "\0", &password].concat())
            }
            ("LOGIN", "") if is_offered("LOGIN") => {
                self.say("334 VXNlcm5hbWU6")?;
                let told_user = self.command()?;
                self.say("334 UGFzc3dvcmQ6")?;
                let told_password = self.command()?;
                decoded(&told_user).as_deref() == Some(&user) && decoded(&told_password).as_deref() == Some(&password)
            }
            _ => return self.refuse("504 5.5.4 no", "a way of AUTH that was not offered"),
        };
        if !is_right {
            return self.refuse("535 5.7.8 no", "a wrong password");
        }
        if self.reply(Stage::Auth, "235 2.7.0 ok")? {
            self.user = Some(user);
        }
        Some(())
    }

    fn mail(&mut self, rest: &str) -> Option<()> {
        if self.sender.is_some() {
            return self.refuse("503 5.5.1 again?", "MAIL within a mail");
        }
        let trouble = self.shared.state().trouble.clone();
        if let Some(trouble) = trouble {
            self.fault = trouble();
        }
        let Some((address, parameters)) = rest.strip_prefix("FROM:").and_then(path) else {
            return self.refuse("501 5.5.4 no", "MAIL without an address");
        };
        let utf8 = parameters == "SMTPUTF8" && self.shared.setup.utf8;
        if !utf8 && !parameters.is_empty() {
            return self.refuse("555 5.5.4 no", "a parameter of MAIL that was not offered");
        }
        if !utf8 && !address.is_ascii() {
            return self.refuse("553 5.6.7 no", "an address outside ASCII without SMTPUTF8");
        }
        if self.reply(Stage::Mail, "250 2.1.0 ok")? {
            self.sender = Some(Envelope { from: address.to_owned(), to: String::new(), utf8 });
        }
        Some(())
    }

    fn recipient(&mut self, rest: &str) -> Option<()> {
        let Some(envelope) = self.sender.clone() else {
            return self.refuse("503 5.5.1 first MAIL", "RCPT without MAIL");
        };
        let Some((address, "")) = rest.strip_prefix("TO:").and_then(path) else {
            return self.refuse("501 5.5.4 no", "RCPT without an address, or with a parameter");
        };
        if !envelope.utf8 && !address.is_ascii() {
            return self.refuse("553 5.6.7 no", "an address outside ASCII without SMTPUTF8");
        }
        if self.reply(Stage::Recipient, "250 2.1.5 ok")? {
            self.sender = Some(Envelope { to: address.to_owned(), ..envelope });
        }
        Some(())
    }

    fn data(&mut self) -> Option<()> {
        let Some(envelope) = self.sender.clone().filter(|envelope| !envelope.to.is_empty()) else {
            return self.refuse("503 5.5.1 first RCPT", "DATA without RCPT");
        };
        if !self.reply(Stage::Data, "354 go on")? {
            return Some(());
        }
        let mut lines = Vec::new();
        loop {
            let line = match self.line.read() {
                Ok(line) => line,
                Err(NoLine::Gone) => return None,
                Err(NoLine::Bad(what)) => return self.end("554 5.6.0 no", what),
            };
            if lines.is_empty() {
                self.strike(Stage::Body, "250 2.0.0 taken before its time")?;
            }
            match line.strip_prefix(b".") {
                Some(b"") => break,
                Some(rest) if rest.starts_with(b".") => lines.push(rest.to_vec()),
                Some(_) => return self.end("554 5.6.0 no", "a dot that is not doubled"),
                None => lines.push(line),
            }
            if lines.len() > MAIL_LINES {
                return self.end("552 5.3.4 no", "a mail without an end");
            }
        }
        self.keep(envelope, &lines)
    }

    /// Keeps a mail, and says so.
    fn keep(&mut self, envelope: Envelope, lines: &[Vec<u8>]) -> Option<()> {
        self.sender = None;
        if self.line.has_more() {
            return self.end("554 5.5.0 no", "more after the final dot");
        }
        let mail = match Mail::read(envelope, lines) {
            Ok(mail) => mail,
            Err(what) => return self.refuse("554 5.6.0 no", &what),
        };
        let (connection, is_secure, user) = (self.number, self.is_secure, self.user.clone());
        let is_accepted = self.fault_at(Stage::Dot).is_none();
        let mail = Mail { connection, is_secure, user, is_accepted, ..mail };
        let arrival = self.shared.state().arrival.clone();
        match arrival {
            Some(arrival) => arrival(&mail),
            None => {
                self.shared.state().mails.push(mail);
                self.shared.came.notify_all();
            }
        }
        self.reply(Stage::Dot, "250 2.0.0 queued").map(drop)
    }

    fn fault_at(&self, stage: Stage) -> Option<&MailFault> {
        self.fault.as_ref().filter(|fault| fault.stage == stage)
    }

    /// What goes wrong at a stage without a reply.
    fn strike(&mut self, stage: Stage, reply: &str) -> Option<()> {
        match self.fault_at(stage).cloned() {
            Some(fault) => fault.act.play(&mut self.line, reply).map(drop),
            None => Some(()),
        }
    }

    /// Replies, unless something goes wrong here. Gives whether the usual reply was given; `None` ends the connection.
    fn reply(&mut self, stage: Stage, reply: &str) -> Option<bool> {
        match self.fault_at(stage).cloned() {
            Some(fault) => fault.act.play(&mut self.line, reply),
            None => self.say(reply).map(|()| true),
        }
    }

    fn say(&mut self, reply: &str) -> Option<()> {
        self.line.send(format!("{reply}\r\n").as_bytes())
    }

    fn refuse(&mut self, reply: &str, complaint: &str) -> Option<()> {
        self.shared.complain(complaint);
        self.say(reply)
    }

    fn end<T>(&mut self, reply: &str, complaint: &str) -> Option<T> {
        self.refuse(reply, complaint);
        None
    }
}

/// The address between angle brackets, and what follows.
fn path(text: &str) -> Option<(&str, &str)> {
    let (address, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_address = address.contains('@') && !address.contains([' ', '<']) && !address.chars().any(char::is_control);
    let rest = if rest.is_empty() { "" } else { rest.strip_prefix(' ')? };
    is_address.then_some((address, rest))
}
