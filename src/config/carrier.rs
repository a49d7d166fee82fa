//! The carrier's options of `sender`: credentials and where requests go.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::storage::absolute;
use crate::error::{Error, Result};
use crate::file::{self, Attempt};
use crate::strict::{Object, is_host_name, is_visible_ascii};

const DEFAULT_BASE_URL: &str = "https://api.nexmo.com";

/// The file that the tutorial keeps the key in.
const TUTORIAL_KEY_FILE: &str = "private.key";

/// Longest file that is taken for a key: an RSA key of 16384 bits has some 13 KB in PEM.
const MAX_KEY_BYTES: usize = 64 * 1024;

const OPTION: &str = "sender.privateKey";

/// How the carrier is reached.
#[derive(Clone)]
pub struct CarrierConfig {
    /// How requests are authorised.
    pub auth: Auth,
    /// `https://HOST` or, on this machine alone, `http://HOST`, with an optional port and path; without `/` at its
    /// end.
    pub base_url: String,
}

/// Credentials.
#[derive(Clone)]
pub enum Auth {
    /// A signed token.
    Jwt {
        /// The application that the key belongs to.
        application_id: String,
        /// Its private key.
        private_key: PrivateKey,
    },
    /// Name and password.
    Basic {
        /// The account.
        api_key: String,
        /// Its secret.
        api_secret: Zeroizing<String>,
    },
}

/// An RSA key in PEM.
#[derive(Clone)]
pub enum PrivateKey {
    /// The configuration itself holds it.
    Pem(Zeroizing<String>),
    /// A file holds it.
    File(PathBuf),
}

impl PrivateKey {
    /// The PEM text.
    ///
    /// # Errors
    ///
    /// `Config` when the file is missing, cannot be opened, is not a regular file, or is longer than 64 KiB; `Store`
    /// when that may pass, as when descriptors are short.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>> {
        let path = match self {
            Self::Pem(text) => return Ok(Zeroizing::new(text.as_bytes().to_vec())),
            Self::File(path) => path,
        };
        read_key_file(path)
            .map_err(|failure| failure.of_option(OPTION))?
            .ok_or_else(|| Error::config(format!("{OPTION}: there is no file {path:?}")))
    }
}

fn read_key_file(path: &Path) -> Attempt<Option<Zeroizing<Vec<u8>>>> {
    let Some(file) = file::open(path, 0)? else { return Ok(None) };
    let metadata = file::regular(&file, path)?;
    file::read(&file, &metadata, path, MAX_KEY_BYTES).map(Some)
}

impl CarrierConfig {
    /// What is allowed and yet not advisable about it: a key file that others may read. Vendors hand the file out
    /// with mode 0644, so refusing it would break every first try.
    pub fn warning(&self) -> Option<&'static str> {
        let Auth::Jwt { private_key: PrivateKey::File(path), .. } = &self.auth else { return None };
        let is_open = fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0);
        is_open.then_some("sender.privateKey: the file is open to group or others: mode 0600 closes it")
    }

    /// Takes the credentials that the tutorial's `nexmo.json` holds at the top level.
    ///
    /// # Errors
    ///
    /// What is missing or malformed.
    pub fn read_tutorial(root: &mut Object) -> Result<Self> {
        let path = absolute(TUTORIAL_KEY_FILE).map_err(|cause| root.error("applicationId", cause))?;
        let auth = read_credentials(root, None, Some(PrivateKey::File(path)))?;
        Ok(Self { auth, base_url: DEFAULT_BASE_URL.to_owned() })
    }

    /// Takes the carrier's options.
    ///
    /// # Errors
    ///
    /// What is missing or malformed.
    pub fn read(options: &mut Object) -> Result<Self> {
        let private_key = read_private_key(options)?;
        let base_url = match options.take("baseUrl") {
            Some(node) => {
                node.text_if("an https:// URL of a host; http:// is for loopback alone", is_base_url)?.to_owned()
            }
            None => DEFAULT_BASE_URL.to_owned(),
        };
        let is_basic = match options.take("auth") {
            Some(node) => Some(node.choice(&[("jwt", false), ("basic", true)])?),
            None => None,
        };
        let auth = read_credentials(options, is_basic, private_key)?;
        Ok(Self { auth, base_url: base_url.trim_end_matches('/').to_owned() })
    }
}

/// The text of a key, or a path, which is looked at when the service opens.
fn read_private_key(options: &mut Object) -> Result<Option<PrivateKey>> {
    let Some(node) = options.take("privateKey") else { return Ok(None) };
    let valid = |text: &str| !text.is_empty() && (!text.contains("-----BEGIN ") || text.contains("-----END "));
    let text = node.text_if("PEM text or a path", valid)?;
    if text.contains("-----BEGIN ") {
        return Ok(Some(PrivateKey::Pem(Zeroizing::new(text.to_owned()))));
    }
    absolute(text).map(|path| Some(PrivateKey::File(path))).map_err(|cause| node.error(cause))
}

fn read_credentials(options: &mut Object, is_basic: Option<bool>, private_key: Option<PrivateKey>) -> Result<Auth> {
    let mut take = |name: &str| -> Result<Option<Zeroizing<String>>> {
        let Some(node) = options.take(name) else { return Ok(None) };
        // In basic authentication a colon ends the user's name.
        let valid =
            |text: &str| is_visible_ascii(text) && text.len() <= 256 && (name != "apiKey" || !text.contains(':'));
        let text = node.text_if("1 to 256 visible ASCII characters", valid)?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    };
    let (api_key, api_secret, application_id) = (take("apiKey")?, take("apiSecret")?, take("applicationId")?);
    let missing = |name: &str| options.error(name, "missing");
    if is_basic.unwrap_or(private_key.is_none()) {
        let api_key = api_key.ok_or_else(|| missing("apiKey"))?.to_string();
        return Ok(Auth::Basic { api_key, api_secret: api_secret.ok_or_else(|| missing("apiSecret"))? });
    }
    let application_id = application_id.ok_or_else(|| missing("applicationId"))?.to_string();
    Ok(Auth::Jwt { application_id, private_key: private_key.ok_or_else(|| missing("privateKey"))? })
}

/// Whether this is a URL that credentials and codes may be sent to: https with any host, or http that does not leave
/// the machine; without user, query and fragment.
fn is_base_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    if !is_visible_ascii(rest) || rest.contains(['?', '#', '\\']) {
        return false;
    }
    let Some((host, is_loopback)) = split_host(authority) else { return false };
    let port_is_valid = match authority.strip_prefix(host) {
        Some("") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)),
        None => false,
    };
    port_is_valid && (scheme == "https" || (scheme == "http" && is_loopback))
}

/// The host before an optional port, brackets included, and whether it is this machine.
fn split_host(authority: &str) -> Option<(&str, bool)> {
    if authority.starts_with('[') {
        let (bracketed, _) = authority.split_at_checked(authority.find(']')? + 1)?;
        let address: Ipv6Addr = bracketed.trim_matches(['[', ']']).parse().ok()?;
        return Some((bracketed, address.is_loopback()));
    }
    let host = authority.split(':').next().filter(|host| is_host_name(host))?;
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    Some((host, is_loopback))
}
