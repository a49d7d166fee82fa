//! URLs: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`. A host that is a folder, written with `%2F`
//! for its slashes, holds the server's socket. What stands between the signs may be percent-encoded.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use crate::config::PostgresConfig;
use crate::error::{Error, Result};
use crate::hex;

const PORT: u16 = 5432;

/// A server, and who we are there.
pub struct Address {
    pub host: Host,
    pub port: u16,
    /// Where it must prove who it is.
    pub tls: Option<Tls>,
    pub user: String,
    pub password: Option<Zeroizing<String>>,
    /// None: that with the user's name.
    pub database: Option<String>,
    /// How messages call it: without user, password and what follows the host.
    pub place: String,
}

/// Where a server listens.
pub enum Host {
    /// A name, or an address.
    Named(String),
    /// The folder of its socket.
    Folder(PathBuf),
}

/// What TLS trusts and speaks, and the name that the certificate must have.
pub struct Tls {
    pub config: Arc<ClientConfig>,
    pub name: ServerName<'static>,
}

/// The server that the URL names.
pub fn read(config: &PostgresConfig) -> Result<Address> {
    let bad = |cause: &str| Error::config(format!("repository: {cause}"));
    let (scheme, rest) = config.url.split_once("://").ok_or_else(|| bad("is no URL of a PostgreSQL server"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
    let text = |part: &str| decoded(part).ok_or_else(|| bad("has a percent sign that stands for no sign"));
    let (user, database) = (text(user)?, text(database)?);
    if user.is_empty() {
        return Err(bad("must name a user"));
    }
    if host.contains(',') {
        return Err(bad("names several hosts"));
    }
    let place = format!("{scheme}://{host}");
    let (host, port) = split_port(host).ok_or_else(|| bad("has a port that is no number"))?;
    let name = text(host)?;
    let verifies = read_mode(query).map_err(bad)?;
    let (host, tls) = if name.starts_with('/') {
        (Host::Folder(name.into()), None)
    } else if verifies {
        let server = ServerName::try_from(name.clone()).map_err(|_| bad("has a host that no certificate can have"))?;
        (Host::Named(name), Some(Tls { config: trusted(config)?, name: server }))
    } else if is_loopback(&name) {
        (Host::Named(name), None)
    } else {
        return Err(bad("needs ?sslmode=verify-full off this machine"));
    };
    let password = password.map(text).transpose()?.map(Zeroizing::new);
    let database = Some(database).filter(|database| !database.is_empty());
    Ok(Address { host, port, tls, user, password, database, place })
}

/// Whether the server must prove who it is.
fn read_mode(query: &str) -> std::result::Result<bool, &'static str> {
    match query {
        "" | "sslmode=disable" => Ok(false),
        "sslmode=verify-full" => Ok(true),
        _ if query.starts_with("sslmode=") && !query.contains('&') => {
            Err("sslmode must be verify-full, or disable on this machine")
        }
        _ => Err("may have sslmode after the ?, and nothing else"),
    }
}

/// A host without brackets, and its port.
fn split_port(host: &str) -> Option<(&str, u16)> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.find(':').and_then(|at| host.split_at_checked(at)).unwrap_or((host, "")),
    };
    match port.strip_prefix(':') {
        Some(port) => Some((name, port.parse().ok().filter(|port| *port > 0)?)),
        None if port.is_empty() => Some((name, PORT)),
        None => None,
    }
}

/// A text whose signs may be written as `%` and two digits.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.extend(hex::decode(&digits.to_ascii_lowercase())?);
        bytes.extend(rest.as_bytes());
    }
    // NUL would end it.
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Sessions are not kept: their lock could be held by a thread that a child of `fork` does not have.
fn trusted(config: &PostgresConfig) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(path) => {
            let refused = |cause: &dyn std::fmt::Display| Error::config(format!("caFile: {path:?}: {cause}"));
            let pem = std::fs::read(path).map_err(|cause| refused(&format!("cannot be read: {cause}")))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| refused(&"is not PEM"))?;
                roots.add(certificate).map_err(|_| refused(&"has a certificate that makes no sense"))?;
            }
            if roots.is_empty() {
                return Err(refused(&"has no certificate"));
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        return Err(Error::config("caFile: needed, since the platform has no authorities"));
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::internal(format!("cannot set TLS up: {cause}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.resumption = Resumption::disabled();
    Ok(Arc::new(tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address> {
        read(&PostgresConfig { url: url.to_owned(), ca_file: None, pool_size: 1 })
    }

    #[test]
    fn what_a_url_says() {
        for (url, place, port) in [
            ("postgres://u@localhost", "postgres://localhost", 5432),
            ("postgresql://u:p@127.0.0.1:7/d?sslmode=disable", "postgresql://127.0.0.1:7", 7),
            ("postgres://u:p%40@[::1]:8/d%2fe", "postgres://[::1]:8", 8),
            ("postgres://u:p@w@%2Frun%2Fpostgresql:9/d", "postgres://%2Frun%2Fpostgresql:9", 9),
            ("postgres://u@db.example/d?sslmode=verify-full", "postgres://db.example", 5432),
        ] {
            let address = address(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((address.place.as_str(), address.port, address.user.as_str()), (place, port, "u"), "{url}");
            assert_eq!(address.tls.is_some(), url.contains("verify-full"), "{url}");
            assert_eq!(matches!(address.host, Host::Folder(_)), url.contains("%2F"), "{url}");
        }
        let address = address("postgres://u:p%40@[::1]:8/d%2fe").unwrap();
        assert_eq!(address.password.unwrap().as_str(), "p@");
        assert_eq!(address.database.unwrap(), "d/e");
        assert!(matches!(address.host, Host::Named(name) if name == "::1"));
    }

    #[test]
    fn what_a_url_may_not_say() {
        for (url, cause) in [
            ("postgres://localhost/d", "must name a user"),
            ("postgres://sEcReT@h/d", "needs ?sslmode=verify-full off this machine"),
            ("postgres://sEcReT@127.0.0.1.nip.io/d", "needs ?sslmode=verify-full off this machine"),
            ("postgres://sEcReT@h/d?sslmode=disable", "needs ?sslmode=verify-full off this machine"),
            ("postgres://sEcReT@h/d?sslmode=require", "sslmode must be verify-full"),
            ("postgres://sEcReT@localhost/d?sslmode=prefer", "sslmode must be verify-full"),
            ("postgres://sEcReT@localhost/d?password=sEcReT", "may have sslmode after the ?, and nothing else"),
            ("postgres://sEcReT@localhost/d?sslmode=disable&x=sEcReT", "may have sslmode after the ?"),
            ("postgres://sEcReT@a,b/d?sslmode=verify-full", "names several hosts"),
            ("postgres://sEcReT@localhost:x/d", "has a port that is no number"),
            ("postgres://sEcReT@[::1/d", "has a port that is no number"),
            ("postgres://sEcReT%4@localhost/d", "has a percent sign that stands for no sign"),
            ("postgres://sEcReT%00@localhost/d", "has a percent sign that stands for no sign"),
        ] {
            let told = address(url).err().unwrap_or_else(|| panic!("{url} is taken"));
            assert_eq!(told.outcome(), crate::Outcome::Config);
            assert!(told.detail().starts_with(&format!("repository: {cause}")), "{url}: {told}");
            assert!(!told.detail().contains("sEcReT"), "{told}");
        }
    }
}
