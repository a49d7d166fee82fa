//! A session with a server: from the greeting to a message that was taken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use zeroize::Zeroizing;

use super::dialogue::{Dialogue, refused};
use super::failure::Failure;
use super::letter::Letter;
use super::reply::Reply;
use super::stream::{Stream, Timed};
use crate::config::{SmtpConfig, SmtpTls};

/// How this client calls itself. RFC 5321, 4.1.4, wants a name or an address; the name of the machine would tell
/// recipients about a network that is none of their business.
const EHLO: &str = "EHLO [127.0.0.1]\r\n";

/// Longest wait for a sign of life of a connection that was idle.
const LONGEST_RESET: Duration = Duration::from_secs(2);

/// What a server offers (RFC 5321, 4.1.1.1).
#[derive(Default)]
struct Offers {
    starttls: bool,
    utf8: bool,
    plain: bool,
    login: bool,
}

impl Offers {
    fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1).map(|line| line.to_ascii_uppercase()) {
            let mut words = line.split(' ');
            match words.next().unwrap_or_default() {
                "STARTTLS" => offers.starttls = true,
                "SMTPUTF8" => offers.utf8 = true,
                "AUTH" => words.for_each(|mechanism| match mechanism {
                    "PLAIN" => offers.plain = true,
                    "LOGIN" => offers.login = true,
                    _ => {}
                }),
                _ => {}
            }
        }
        offers
    }
}

/// A server that is ready to take messages.
pub struct Session {
    dialogue: Dialogue,
    offers: Offers,
    /// When it took the last one.
    pub used: Instant,
}

/// What became of a message.
pub enum Handed {
    /// It was taken.
    Taken,
    /// It was held back.
    CalledOff,
    /// It was certainly not taken.
    NotTaken(Failure),
    /// The server does not take mail for this recipient.
    Refused(Failure),
    /// It was certainly not taken, now that the server has seen all of it.
    Rejected(Failure),
    /// It may have been taken.
    InDoubt(Failure),
}

impl Session {
    /// Connects to one of these addresses, and goes on as far as the server takes messages.
    ///
    /// # Errors
    ///
    /// Where the dialogue ended.
    pub fn open(
        config: &SmtpConfig,
        tls: &Arc<ClientConfig>,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let secured =
            |stream: Stream| stream.secured(tls.clone(), &config.host).map_err(|cause| Failure::of("TLS", &cause));
        let socket = Timed::connect(addresses, deadline).map_err(|cause| Failure::of("connect", &cause))?;
        let mut stream = Stream::Plain(socket);
        if config.tls == SmtpTls::Implicit {
            stream = secured(stream)?;
        }
        let (mut dialogue, mut offers) = greet(stream)?;
        if config.tls == SmtpTls::StartTls {
            if !offers.starttls {
                return Err(Failure::unfit("EHLO", "the server offers no STARTTLS"));
            }
            dialogue.need("STARTTLS", "STARTTLS\r\n", 2)?;
            // Whoever sits in between may have put words into the server's mouth, to be heard as if they had come by TLS.
            dialogue.check_silent("STARTTLS")?;
            dialogue = Dialogue::new(secured(dialogue.stream)?);
            offers = ehlo(&mut dialogue)?;
        }
        if let Some((user, password)) = &config.account {
            log_in(&mut dialogue, &offers, user, password)?;
        }
        Ok(Self { dialogue, offers, used: Instant::now() })
    }

    /// Whether the server still listens: asked of a session that was idle.
    pub fn revives(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        self.dialogue.stream.set_deadline(Instant::now() + LONGEST_RESET.min(left / 4));
        let is_alive = self.dialogue.stream.is_quiet() && self.dialogue.need("RSET", "RSET\r\n", 2).is_ok();
        self.dialogue.stream.set_deadline(deadline);
        is_alive
    }

    /// Hands a message over. `may_leave` is asked when the server has taken its envelope: if it may not, no byte of
    /// the message leaves.
    pub fn hand(&mut self, letter: &Letter, may_leave: &mut dyn FnMut() -> bool) -> Handed {
        if letter.needs_utf8 && !self.offers.utf8 {
            return Handed::Refused(Failure::unfit("EHLO", "the server offers no SMTPUTF8, which the address needs"));
        }
        let extension = if letter.needs_utf8 { " SMTPUTF8" } else { "" };
        let mail = format!("MAIL FROM:<{}>{extension}\r\n", letter.from);
        if let Err(failure) = self.dialogue.need("MAIL", &mail, 2) {
            return Handed::NotTaken(failure);
        }
        match self.dialogue.command("RCPT", &format!("RCPT TO:<{}>\r\n", letter.to)) {
            Ok(reply) if reply.class() == 2 => {}
            Ok(reply) if reply.class() == 5 && reply.is_about_recipient() => {
                return Handed::Refused(Failure::said("RCPT", reply));
            }
            Ok(reply) => return Handed::NotTaken(refused("RCPT", reply)),
            Err(failure) => return Handed::NotTaken(failure),
        }
        if !may_leave() {
            return Handed::CalledOff;
        }
        self.data(letter)
    }

    /// The message itself. As long as its final dot has not left, no server takes it (RFC 5321, 4.1.1.4).
    fn data(&mut self, letter: &Letter) -> Handed {
        let begun = self.dialogue.need("DATA", "DATA\r\n", 3);
        if let Err(failure) = begun.and_then(|_| self.dialogue.say("message", &letter.data)) {
            return Handed::NotTaken(failure);
        }
        if let Err(failure) = self.dialogue.check_silent("message") {
            return Handed::NotTaken(failure);
        }
        let before = self.dialogue.stream.sent();
        match self.dialogue.command("final dot", ".\r\n") {
            Err(failure) if self.dialogue.stream.sent() == before => Handed::NotTaken(failure),
            Ok(reply) if reply.class() == 2 => Handed::Taken,
            Ok(reply) if matches!(reply.class(), 4 | 5) => Handed::Rejected(Failure::said("final dot", reply)),
            Ok(reply) => Handed::InDoubt(refused("final dot", reply)),
            Err(failure) => Handed::InDoubt(failure),
        }
    }

    /// Ends it. The server's farewell is not waited for.
    pub fn part(self) {
        self.dialogue.stream.part(b"QUIT\r\n");
    }
}

/// The server's greeting, and what it offers.
fn greet(stream: Stream) -> Result<(Dialogue, Offers), Failure> {
    let mut dialogue = Dialogue::new(stream);
    let reply = dialogue.reply("greeting")?;
    if reply.class() != 2 {
        return Err(refused("greeting", reply));
    }
    let offers = ehlo(&mut dialogue)?;
    Ok((dialogue, offers))
}

fn ehlo(dialogue: &mut Dialogue) -> Result<Offers, Failure> {
    dialogue.need("EHLO", EHLO, 2).map(|reply| Offers::read(&reply))
}

/// RFC 4616, or what servers call LOGIN.
fn log_in(dialogue: &mut Dialogue, offers: &Offers, user: &str, password: &str) -> Result<(), Failure> {
    if offers.plain {
        let pair = Zeroizing::new(["\0", user, "\0", password].concat());
        return dialogue.need("AUTH", &encoded("AUTH PLAIN ", &pair), 2).map(drop);
    }
    if !offers.login {
        return Err(Failure::unfit("EHLO", "the server offers neither AUTH PLAIN nor AUTH LOGIN"));
    }
    dialogue.need("AUTH", "AUTH LOGIN\r\n", 3)?;
    dialogue.need("AUTH", &encoded("", user), 3)?;
    dialogue.need("AUTH", &encoded("", password), 2).map(drop)
}

/// A line with a secret in Base64.
fn encoded(before: &str, secret: &str) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(before.len() + secret.len().div_ceil(3) * 4 + 2));
    line.push_str(before);
    STANDARD.encode_string(secret, &mut line);
    line.push_str("\r\n");
    line
}
