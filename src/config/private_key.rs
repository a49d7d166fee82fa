//! The carrier's private key: PEM as people give it, or a file that holds it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::secret::{self, MAX_SECRET_BYTES, from_base64};
use super::storage::absolute;
use crate::error::{Error, Result};
use crate::files;
use crate::strict::Node;

const OPTION: &str = "sender.privateKey";

const RULE: &str = "PEM text with its BEGIN and END lines, or the path of a file that holds it";

/// Characters of a line of PEM (RFC 7468, 2).
const LINE_CHARS: usize = 64;

/// What PEM holds that is no unencrypted RSA key, by how its label ends; the more special first.
const OTHERS: [(&str, &str); 6] = [
    ("ENCRYPTED PRIVATE KEY", "is encrypted: it must have no passphrase"),
    ("PUBLIC KEY", "is a public key: the private one is needed"),
    ("CERTIFICATE", "is a certificate: the private key is needed"),
    ("CERTIFICATE REQUEST", "is a certificate request: the private key is needed"),
    ("EC PRIVATE KEY", "is an EC key: it must be an RSA key"),
    ("OPENSSH PRIVATE KEY", "is in the form of OpenSSH: ssh-keygen -p -m PEM -f FILE changes that"),
];

/// An RSA key in PEM.
#[derive(Clone)]
pub enum PrivateKey {
    /// The configuration itself holds it.
    Pem(Zeroizing<String>),
    /// A file holds it.
    File(PathBuf),
}

impl PrivateKey {
    /// The text of a key, or a path, which is looked at when the service opens.
    ///
    /// # Errors
    ///
    /// `Config` for a text that is neither.
    pub fn of(node: &Node) -> Result<Self> {
        let text = node.text()?;
        if let Some(pem) = pem(text) {
            return Ok(Self::Pem(pem));
        }
        if text.is_empty() || secret::is_key(text) {
            return Err(node.error(&format!("must be {RULE}")));
        }
        absolute(text).map(Self::File).map_err(|cause| node.error(cause))
    }

    /// The PEM text.
    ///
    /// # Errors
    ///
    /// `Config` when the file is missing, cannot be opened, is not a regular file, or is longer than 64 KiB, and for
    /// PEM that is something else than an unencrypted RSA key; `Store` when that may pass, as when descriptors are
    /// short.
    pub fn read(&self) -> Result<Zeroizing<String>> {
        let refused = |cause: &str| Error::config(format!("{OPTION}: {cause}"));
        let pem = match self {
            Self::Pem(text) => text.clone(),
            Self::File(path) => {
                let bytes = files::read_given(path, MAX_SECRET_BYTES).map_err(|failure| failure.of_option(OPTION))?;
                let bytes = bytes.ok_or_else(|| refused(&format!("there is no file {path:?}")))?;
                let pem = std::str::from_utf8(&bytes).ok().and_then(pem);
                pem.ok_or_else(|| refused("the file holds no PEM text with BEGIN and END lines"))?
            }
        };
        match OTHERS.iter().find(|(label, _)| pem.contains(&format!("{label}-----"))) {
            Some((_, what)) => Err(refused(what)),
            None if pem.contains("Proc-Type:") => Err(refused("is encrypted: it must have no passphrase")),
            None => Ok(pem),
        }
    }

    /// Whether it is a file that group or others may read. Vendors hand the file out with mode 0644, so refusing it
    /// would break every first try.
    pub fn is_open_to_others(&self) -> bool {
        let Self::File(path) = self else { return false };
        fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
    }
}

/// PEM as it should be, from what people paste: with a byte order mark, in quotes, with `\n` or blanks in place of line
/// feeds, or in Base64 as a whole. `None` for what has no BEGIN and END line.
fn pem(text: &str) -> Option<Zeroizing<String>> {
    if text.contains("-----BEGIN ") {
        return tidy(text);
    }
    let decoded = from_base64(text.trim_start_matches('\u{feff}').trim().trim_matches(['"', '\'']))?;
    tidy(std::str::from_utf8(&decoded).ok()?)
}

fn tidy(text: &str) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(text.replace(r"\r", "").replace(r"\n", "\n"));
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    if body.contains(':') {
        // Headers, which only encrypted keys have.
        return Some(Zeroizing::new(format!("-----BEGIN {label}-----{body}-----END {label}-----\n")));
    }
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / LINE_CHARS + 2 * LINE_CHARS));
    pem.push_str(&format!("-----BEGIN {label}-----"));
    for (place, letter) in body.chars().filter(|letter| !letter.is_whitespace()).enumerate() {
        if place % LINE_CHARS == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str(&format!("\n-----END {label}-----\n"));
    Some(pem)
}
