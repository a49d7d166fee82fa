//! Addresses of mail: what is taken for one, how it goes over the wire, and in which form it counts.

use crate::limits::EMAIL_BYTES;
use crate::strict::is_host_name;
use crate::typed::is_invisible;

/// Begins a link to an address (RFC 6068).
const MAILTO: &str = "mailto:";

/// Longest part before the `@`, in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_PART_BYTES: usize = 64;

/// What stands before a domain label in ASCII that has other letters (RFC 5890, 2.3.2.1).
#[cfg(feature = "smtp")]
const A_LABEL: &str = "xn--";

/// An address, with its domain in ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// What stands before the `@`, as given.
    pub local_part: String,
    /// The domain as given, or what stands in ASCII for it.
    pub domain: String,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEmail {
    /// It is malformed, or too long.
    Malformed,
    /// It needs tables that this build lacks.
    #[cfg(not(feature = "smtp"))]
    NeedsTables,
}

impl NoEmail {
    /// The cause in words.
    pub fn cause(self) -> &'static str {
        match self {
            NoEmail::Malformed => {
                "must be one e-mail address of at most 254 bytes, such as name@example.com, without a name or quotes"
            }
            #[cfg(not(feature = "smtp"))]
            NoEmail::NeedsTables => "has letters outside ASCII, which needs a build with the feature smtp",
        }
    }
}

impl Email {
    /// Reads one bare address: a dot-atom, an `@` and the name of a host (RFC 5321, 4.1.2; RFC 6531, 3.3).
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, NoEmail> {
        let (local_part, domain) = text.split_once('@').ok_or(NoEmail::Malformed)?;
        if text.len() > EMAIL_BYTES || local_part.len() > LOCAL_PART_BYTES || !is_dot_atom(local_part) {
            return Err(NoEmail::Malformed);
        }
        let email = Self { local_part: local_part.to_owned(), domain: ascii_domain(domain)? };
        let is_fit = email.text().len() <= EMAIL_BYTES && is_dot_atom(&counted_local_part(local_part)?);
        if is_fit { Ok(email) } else { Err(NoEmail::Malformed) }
    }

    /// As it goes over the wire.
    pub fn text(&self) -> String {
        format!("{}@{}", self.local_part, self.domain)
    }
}

/// What people paste with an address and do not mean: what is not seen around it, and `mailto:`.
pub fn pasted(text: &str) -> &str {
    let is_around = |letter: char| letter.is_whitespace() || is_invisible(letter);
    let text = text.trim_matches(is_around);
    match text.split_at_checked(MAILTO.len()) {
        Some((scheme, address)) if scheme.eq_ignore_ascii_case(MAILTO) => address.trim_start_matches(is_around),
        _ => text,
    }
}

/// The form under which messages to an address count; of a text that is none, its own.
pub fn counted(text: &str) -> String {
    let counted = |email: Email| {
        let local_part = counted_local_part(&email.local_part).ok()?;
        Some(format!("{local_part}@{}", email.domain.to_ascii_lowercase()))
    };
    Email::parse(text).ok().and_then(counted).unwrap_or_else(|| text.to_owned())
}

/// Atoms with dots between them (RFC 5322, 3.2.3; RFC 6532, 3.2).
fn is_dot_atom(text: &str) -> bool {
    let is_atext = |letter: char| match letter.is_ascii() {
        true => letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter),
        false => !letter.is_whitespace() && !letter.is_control() && !is_invisible(letter),
    };
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn ascii_domain(domain: &str) -> Result<String, NoEmail> {
    let ascii = if domain.is_ascii() { domain.to_owned() } else { mapped_domain(domain)? };
    if is_host_name(&ascii) { Ok(ascii) } else { Err(NoEmail::Malformed) }
}

/// In ASCII lower case. Other letters have many spellings, which servers may take for one mailbox: they are mapped as
/// those of a domain are (UTS #46).
fn counted_local_part(local_part: &str) -> Result<String, NoEmail> {
    if local_part.is_ascii() { Ok(local_part.to_ascii_lowercase()) } else { mapped_local_part(local_part) }
}

#[cfg(feature = "smtp")]
fn mapped_domain(domain: &str) -> Result<String, NoEmail> {
    idna::domain_to_ascii(domain).map_err(|_| NoEmail::Malformed)
}

#[cfg(feature = "smtp")]
fn mapped_local_part(local_part: &str) -> Result<String, NoEmail> {
    // An atom is mapped as a label is, unless it begins as one that is mapped already.
    let mapped = |atom: &str| match atom.is_ascii() || atom.to_ascii_lowercase().starts_with(A_LABEL) {
        true => atom.to_lowercase(),
        false => idna::domain_to_unicode(atom).0,
    };
    let mapped: Vec<_> = local_part.split('.').map(mapped).collect();
    let mapped = mapped.join(".");
    // What cannot be mapped whole has a mark in its place.
    if mapped.contains(char::REPLACEMENT_CHARACTER) { Ok(local_part.to_lowercase()) } else { Ok(mapped) }
}

#[cfg(not(feature = "smtp"))]
fn mapped_domain(_: &str) -> Result<String, NoEmail> {
    Err(NoEmail::NeedsTables)
}

#[cfg(not(feature = "smtp"))]
fn mapped_local_part(_: &str) -> Result<String, NoEmail> {
    Err(NoEmail::NeedsTables)
}

/// An address with the name of whom it belongs to, if that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name.
    pub name: Option<String>,
    /// The address.
    pub email: Email,
}

impl Mailbox {
    /// Reads `address` or `Name <address>`; quotes around the name are no part of it.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(rest) = text.strip_suffix('>') else {
            return Some(Self { name: None, email: Email::parse(text).ok()? });
        };
        let (name, address) = rest.rsplit_once('<')?;
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        let is_plain = !name.contains(['"', '<', '>', '\\']) && !name.chars().any(char::is_control);
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        is_plain.then_some(Self { name, email: Email::parse(address).ok()? })
    }
}

#[cfg(test)]
mod tests;
