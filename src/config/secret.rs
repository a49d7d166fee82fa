//! Secrets as people give them: themselves, or by where they stand; and what tells a secret from a path, so that none
//! is shown as the path it is not.

use std::path::Path;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files;
use crate::strict::{Node, Object};

/// Longest file that is taken for a secret: an RSA key of 16384 bits has some 13 KB in PEM.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Longest path that is taken for one.
const MAX_PATH_BYTES: usize = 1024;

/// Letters and digits in a row that are rather a secret than part of a name, and the least bytes of a key.
const SECRET_CHARS: usize = 32;

/// Base64 (RFC 4648, 4) with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Takes an option that is a secret: `file:PATH` stands for what the file holds, less one line feed at its end,
/// `env:NAME` for what the variable of the environment holds, anything else for itself. What was read so is not read
/// again.
///
/// # Errors
///
/// `Config` for a file or a variable that is not there or holds no text, `Store` where reading failed for a reason that
/// may pass. None shows the path or the name: they may be secrets by mistake.
pub fn take(options: &mut Object, name: &str) -> Result<Option<Node>> {
    options.take(name).map(resolve).transpose()
}

/// Takes one that must be there.
pub fn need(options: &mut Object, name: &str) -> Result<Node> {
    resolve(options.need(name)?)
}

/// What the option stands for.
pub fn resolve(node: Node) -> Result<Node> {
    let Ok(text) = node.text() else { return Ok(node) };
    let secret = if let Some(path) = text.strip_prefix("file:") {
        read_file(&node, path)?
    } else if let Some(name) = text.strip_prefix("env:") {
        read_variable(&node, name)?
    } else {
        return Ok(node);
    };
    Ok(node.with_text(secret))
}

/// The same, and whether it was read from elsewhere: then it is no template.
pub fn resolve_noting(node: Node) -> Result<(Node, bool)> {
    let is_elsewhere = node.text().is_ok_and(|text| text.starts_with("file:") || text.starts_with("env:"));
    Ok((resolve(node)?, is_elsewhere))
}

fn read_file(node: &Node, path: &str) -> Result<Zeroizing<String>> {
    let bytes = files::read_given(Path::new(path), MAX_SECRET_BYTES).map_err(|failure| {
        let cause =
            node.error("the file that it names cannot be read, is not a regular file, or is longer than 64 KiB");
        if failure.is_lasting() { cause } else { Error::store(cause.detail()) }
    })?;
    let bytes = bytes.ok_or_else(|| node.error("there is no file of the name after file:"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| node.error("the file that it names is not UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Zeroizing::new(text.to_owned()))
}

fn read_variable(node: &Node, name: &str) -> Result<Zeroizing<String>> {
    // An impossible name is a panic of the standard library's on some systems.
    let is_name = !name.is_empty() && !name.contains(['=', '\0']);
    let value = is_name.then(|| std::env::var_os(name)).flatten();
    let value = value.ok_or_else(|| node.error("the environment has no variable of the name after env:"))?;
    let value = value.into_string().map_err(|_| node.error("the variable that it names is not UTF-8"))?;
    Ok(Zeroizing::new(value))
}

/// The bytes of a text in Base64, of either alphabet, with padding or without, in one line or several.
pub fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let letter = |letter: char| match letter {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let text: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|letter| !letter.is_whitespace()).map(letter).collect());
    BASE64.decode(text.as_bytes()).ok().map(Zeroizing::new)
}

/// Whether a text that should be a path is rather a key: in PEM, without its BEGIN and END lines, in Base64 or in
/// hexadecimal. Where it may be either, a path begins with `/`, `./` or `../`.
pub fn is_key(text: &str) -> bool {
    if text.len() > MAX_PATH_BYTES || text.contains(['\n', '\r']) || text.contains("-----") || text.contains(r"\n") {
        return true;
    }
    let has_key_bytes = from_base64(text).is_some_and(|bytes| bytes.len() >= SECRET_CHARS);
    let has_run = |least: usize| {
        let mut runs = text.split(|letter: char| !letter.is_ascii_alphanumeric());
        runs.any(|run| run.len() >= least)
    };
    if text.starts_with("./") || text.starts_with("../") {
        return false;
    }
    if text.starts_with('/') {
        // Base64 may begin so, too, and hardly holds a short word in that case.
        return has_key_bytes && (text.contains(['+', '=']) || has_run(SECRET_CHARS / 2) && is_mixed(text));
    }
    has_key_bytes || has_run(SECRET_CHARS)
}

fn is_mixed(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}
