//! Clients of a scripted carrier.

use std::net::{Ipv4Addr, SocketAddr};

use rustls::RootCertStore;
use zeroize::Zeroizing;

use super::super::super::wire::Http;
use super::super::{Carrier, Leg};
use crate::config::{Auth, Condition};
use crate::names::LookUp;

/// Every name is this machine.
pub fn here(host_and_port: &str) -> std::io::Result<Vec<SocketAddr>> {
    let (_, port) = host_and_port.rsplit_once(':').unwrap();
    Ok(vec![(Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap()).into()])
}

/// A client with this look-up and these roots.
pub fn carrier_with(url: &str, look_up: LookUp, roots: RootCertStore) -> Carrier {
    let auth = Auth::Basic { api_key: "key".to_owned(), api_secret: Zeroizing::new("secret".to_owned()) };
    Carrier::with(&auth, Http::with(url, roots, look_up), 120_000).ok().unwrap()
}

/// A client without TLS.
pub fn carrier(port: u16) -> Carrier {
    carrier_with(&format!("http://127.0.0.1:{port}"), here, RootCertStore::empty())
}

pub const SMS: Leg<'static> = Leg {
    channel: "sms",
    from: "NEXMO",
    to: "393331234567",
    text: "Insert the following code: 63731",
    code: "63731",
    locale: None,
    template: None,
    expiry_seconds: 120,
    condition: Condition::Delivered,
};
