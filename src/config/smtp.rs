//! The options of sender `smtp`: which server takes mail, and what a step that it sends must have.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::StepConfig;
use super::secret;
use crate::channel::EMAIL;
use crate::email::Mailbox;
use crate::error::{Error, Result};
use crate::names;
use crate::strict::{Node, Object, is_host_name, is_name};

/// Longest user and password, in bytes.
const CREDENTIAL_BYTES: usize = 256;

/// Longest sender's address with its name, in bytes.
pub const FROM_BYTES: usize = 320;

/// How the way to the server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// The dialogue begins in the clear, and goes on under TLS or not at all.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// Not at all: for this machine alone.
    None,
}

impl SmtpTls {
    /// The port where servers listen for it: for submission (RFC 6409, 3.1; RFC 8314, 7.3). Without TLS there is none.
    fn port(self) -> Option<u16> {
        match self {
            SmtpTls::StartTls => Some(587),
            SmtpTls::Implicit => Some(465),
            SmtpTls::None => None,
        }
    }
}

/// A server for mail, as it is configured.
#[derive(PartialEq, Eq)]
pub struct SmtpConfig {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is secured.
    pub tls: SmtpTls,
    /// Name and password of the account.
    pub account: Option<(String, Zeroizing<String>)>,
}

impl SmtpConfig {
    /// Takes the options.
    ///
    /// # Errors
    ///
    /// What is missing or malformed.
    pub fn read(options: &mut Object) -> Result<Self> {
        let host = options.need("host")?;
        let bare =
            |text: &str| text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).to_owned();
        let is_host = |text: &str| is_host_name(text) || bare(text).parse::<IpAddr>().is_ok();
        let name = bare(host.text_if("the name or the address of a host, without a port", is_host)?);
        let kinds = [("starttls", SmtpTls::StartTls), ("implicit", SmtpTls::Implicit), ("none", SmtpTls::None)];
        let tls = options.take("tls").map_or(Ok(SmtpTls::StartTls), |node| node.choice(&kinds))?;
        // What a name means is known after the look-up.
        if tls == SmtpTls::None && names::address(&name).is_some_and(|address| !address.is_loopback()) {
            return Err(host.error("not this machine, and tls none is for it alone"));
        }
        let port = match (options.take("port"), tls.port()) {
            (Some(node), _) => node.integer(1..=u16::MAX.into())?,
            (None, Some(port)) => port,
            (None, None) => return Err(options.error("port", "missing: tls none has no usual one")),
        };
        Ok(Self { host: name, port, tls, account: read_account(options, tls)? })
    }

    /// That this build has no such sender.
    pub fn unsupported(option: &str) -> Error {
        Error::unsupported(format!("{option}: smtp: not supported by this build"))
    }
}

fn read_account(options: &mut Object, tls: SmtpTls) -> Result<Option<(String, Zeroizing<String>)>> {
    let (user, password) = (secret::take(options, "user")?, secret::take(options, "password")?);
    let (user, password) = match (user, password) {
        (None, None) => return Ok(None),
        (Some(user), Some(password)) => (user, password),
        (Some(_), None) => return Err(options.error("password", "missing: there is a user")),
        (None, Some(_)) => return Err(options.error("user", "missing: there is a password")),
    };
    if tls == SmtpTls::None {
        return Err(user.error("goes over TLS alone, and tls is none"));
    }
    let read = |node: &Node| {
        let rule = format!("a text of 1 to {CREDENTIAL_BYTES} bytes without control characters");
        node.text_if(&rule, |text| is_name(text, CREDENTIAL_BYTES)).map(str::to_owned)
    };
    Ok(Some((read(&user)?, Zeroizing::new(read(&password)?))))
}

/// Reads the address that a step of this sender sends from.
///
/// # Errors
///
/// A text that is none.
pub fn read_from(node: &Node) -> Result<String> {
    let is_from = |text: &str| text.len() <= FROM_BYTES && Mailbox::parse(text).is_some();
    node.text_if("an address such as name@example.com or Name <name@example.com>", is_from).map(str::to_owned)
}

/// Why a step cannot be one of this sender.
pub fn step_fault(step: &StepConfig) -> Option<(&'static str, &'static str)> {
    if step.channel != EMAIL {
        return Some(("channel", "sender smtp has the channel email alone"));
    }
    step.from.is_none().then_some(("from", "missing: a mail needs a sender's address"))
}
