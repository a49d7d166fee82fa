//! The carrier's options of `sender`: credentials and where requests go.

use std::net::Ipv6Addr;

use zeroize::Zeroizing;

use super::private_key::PrivateKey;
use super::secret;
use super::storage::absolute;
use crate::error::Result;
use crate::names;
use crate::strict::{Object, is_host_name, is_visible_ascii};

const DEFAULT_BASE_URL: &str = "https://api.nexmo.com";

/// The file that the tutorial keeps the key in.
const TUTORIAL_KEY_FILE: &str = "private.key";

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

impl CarrierConfig {
    /// What is allowed and yet not advisable about it.
    pub fn warning(&self) -> Option<&'static str> {
        let Auth::Jwt { private_key, .. } = &self.auth else { return None };
        let warning = "privateKey: the file is open to group or others: mode 0600 closes it";
        private_key.is_open_to_others().then_some(warning)
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
        let node = secret::take(options, "privateKey")?;
        let private_key = node.as_ref().map(PrivateKey::of).transpose()?;
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

fn read_credentials(options: &mut Object, is_basic: Option<bool>, private_key: Option<PrivateKey>) -> Result<Auth> {
    let mut take = |name: &str| -> Result<Option<Zeroizing<String>>> {
        let Some(node) = secret::take(options, name)? else { return Ok(None) };
        // In basic authentication a colon ends the user's name.
        let valid =
            |text: &str| is_visible_ascii(text) && text.len() <= 256 && (name != "apiKey" || !text.contains(':'));
        let text = node.text_if("1 to 256 visible ASCII characters", valid)?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    };
    let (api_key, api_secret, application_id) = (take("apiKey")?, take("apiSecret")?, take("applicationId")?);
    let missing = |name: &str| options.error(name, "missing");
    if is_basic.is_none() && private_key.is_none() && api_key.is_none() && api_secret.is_none() {
        return Err(options.error("type", "needs applicationId and privateKey, or apiKey and apiSecret"));
    }
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
    let Some(host) = split_authority(authority) else { return false };
    let is_loopback = host == "localhost" || names::address(host).is_some_and(|address| address.is_loopback());
    scheme == "https" || (scheme == "http" && is_loopback)
}

/// The host of `HOST` or `HOST:PORT`, brackets included.
pub fn split_authority(authority: &str) -> Option<&str> {
    let host = split_host(authority)?;
    let port_is_valid = match authority.strip_prefix(host)? {
        "" => true,
        // A sign is no part of a port, whatever a number may begin with.
        port => port.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
        }),
    };
    port_is_valid.then_some(host)
}

/// The host before an optional port, brackets included.
fn split_host(authority: &str) -> Option<&str> {
    if authority.starts_with('[') {
        let (bracketed, _) = authority.split_at_checked(authority.find(']')? + 1)?;
        let address: &str = bracketed.strip_prefix('[')?.strip_suffix(']')?;
        return address.parse::<Ipv6Addr>().is_ok().then_some(bracketed);
    }
    authority.split(':').next().filter(|host| is_host_name(host))
}
