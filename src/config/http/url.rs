//! Where requests go: scheme, host and port as they are written; placeholders in path and query.

use super::template::{Piece, Template};
use crate::config::carrier::split_authority;
use crate::error::Result;
use crate::names;
use crate::strict::Node;

/// A URL.
pub struct HttpUrl {
    /// Scheme, host and port.
    pub origin: String,
    /// Path and query.
    pub target: Template,
}

impl HttpUrl {
    /// Reads a URL: https, or http to a host that the look-up may find to be this machine.
    ///
    /// # Errors
    ///
    /// Anything else, without showing it.
    pub fn read(node: &Node) -> Result<Self> {
        let rule = "an https:// URL with literal host and port; http:// is for loopback alone";
        let text = node.text()?;
        let malformed = || node.error(&format!("must be {rule}"));
        let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let host = split_authority(authority).ok_or_else(malformed)?;
        // What a name means is known after the look-up.
        let may_be_here = names::address(host).is_none_or(|address| address.is_loopback());
        if scheme != "https" && (scheme != "http" || !may_be_here) {
            return Err(malformed());
        }
        let begin = if target.starts_with('/') { "" } else { "/" };
        let target = Template::parse(&format!("{begin}{target}")).map_err(|cause| node.error(cause))?;
        let is_fit = |piece: &Piece| match piece {
            Piece::Text(text) => is_literal(text),
            Piece::Value(_) => true,
        };
        if !target.0.iter().all(is_fit) {
            return Err(node.error("has a character that must be written as %XX"));
        }
        Ok(Self { origin: format!("{scheme}://{authority}"), target })
    }

    /// Whether it has a query already.
    pub fn has_query(&self) -> bool {
        self.target.0.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('?')))
    }
}

/// Whether these characters may stand in path and query (RFC 3986, 3.3 and 3.4), with whole escapes.
fn is_literal(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    let mut escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    text.bytes().all(is_plain) && escapes.all(is_escape)
}
