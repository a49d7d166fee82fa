//! The account at the simulated Vonage.

use std::error::Error;

use simulator::{Account, public_key};

/// A throw-away key, known to everybody: it opens nothing but this simulation.
pub const PRIVATE_KEY: &str = include_str!("../../tests/data/private_key.pem");

pub const APPLICATION: &str = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab";

/// Signs the webhooks.
pub const SECRET: &str = "the signature secret of a simulated account";

/// The account, to which webhooks go at this port of loopback.
///
/// # Errors
///
/// A key that cannot be read.
pub fn account(port: u16) -> Result<Account, Box<dyn Error>> {
    Ok(Account {
        api_key: "simulated".to_owned(),
        api_secret: "simulated".to_owned(),
        application_id: APPLICATION.to_owned(),
        public_key: public_key(PRIVATE_KEY).ok_or("the key cannot be read")?,
        signature_secret: SECRET.to_owned(),
        webhook_port: Some(port),
    })
}
