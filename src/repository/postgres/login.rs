//! How a connection begins: who we are, and how that is proved.

use std::time::Instant;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use fallible_iterator::FallibleIterator as _;

use super::address::Address;
use super::link::Link;
use super::trouble::{Trouble, odd};
use crate::names::Names;

/// Connects, and logs in.
pub fn open(address: &Address, names: &Names, by: Instant) -> Result<Link, Trouble> {
    let mut link = Link::connect(address, names, by)?;
    log_in(&mut link, address)?;
    Ok(link)
}

/// Says who we are, proves it as the server wants, and waits until it is ready.
fn log_in(link: &mut Link, address: &Address) -> Result<(), Trouble> {
    let mut parameters = vec![("user", address.user.as_str()), ("application_name", "libotp")];
    parameters.extend(address.database.as_deref().map(|database| ("database", database)));
    let mut output = BytesMut::new();
    frontend::startup_message(parameters, &mut output)?;
    link.send(&output)?;
    loop {
        match link.next()? {
            Message::AuthenticationCleartextPassword => send_password(link, password(address)?)?,
            Message::AuthenticationMd5Password(asked) => {
                let hash = md5_hash(address.user.as_bytes(), password(address)?, asked.salt());
                send_password(link, hash.as_bytes())?;
            }
            Message::AuthenticationSasl(asked) => prove(link, &asked, password(address)?)?,
            Message::ReadyForQuery(_) => return Ok(()),
            Message::AuthenticationOk
            | Message::BackendKeyData(_)
            | Message::NoticeResponse(_)
            | Message::ParameterStatus(_) => {}
            _ => return Err(Trouble::Broken("the server wants a proof that is not supported".to_owned())),
        }
    }
}

fn password(address: &Address) -> Result<&[u8], Trouble> {
    let password = address.password.as_ref().map(|password| password.as_bytes());
    password.ok_or_else(|| Trouble::Broken("the server wants a password".to_owned()))
}

fn send_password(link: &mut Link, password: &[u8]) -> Result<(), Trouble> {
    let mut output = BytesMut::new();
    frontend::password_message(password, &mut output)?;
    link.send(&output)
}

/// SCRAM: either side proves to the other that it knows the password, without telling it.
fn prove(link: &mut Link, asked: &AuthenticationSaslBody, password: &[u8]) -> Result<(), Trouble> {
    if !asked.mechanisms().any(|name| Ok(name == SCRAM_SHA_256))? {
        return Err(odd());
    }
    let refused = |_| Trouble::Broken("the server does not prove that it knows the password".to_owned());
    let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
    let mut output = BytesMut::new();
    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut output)?;
    link.send(&output)?;
    let Message::AuthenticationSaslContinue(told) = link.next()? else { return Err(odd()) };
    scram.update(told.data()).map_err(refused)?;
    output.clear();
    frontend::sasl_response(scram.message(), &mut output)?;
    link.send(&output)?;
    let Message::AuthenticationSaslFinal(told) = link.next()? else { return Err(odd()) };
    scram.finish(told.data()).map_err(refused)
}
