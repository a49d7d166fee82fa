//! A mail as it came, read as a mail program reads it (RFC 5322).

use super::decode;

/// Headers that a mail may have once.
const SINGLE: [&str; 12] = [
    "date",
    "from",
    "to",
    "subject",
    "message-id",
    "sender",
    "reply-to",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "auto-submitted",
    "cc",
];

/// Those that it must have here.
const NEEDED: [&str; 8] =
    ["date", "from", "to", "subject", "message-id", "mime-version", "content-type", "content-transfer-encoding"];

/// How a mail was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    pub from: String,
    pub to: String,
    /// Whether SMTPUTF8 was asked for.
    pub utf8: bool,
}

/// A mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    pub envelope: Envelope,
    /// Names in lower case, and unfolded values, in their order.
    pub headers: Vec<(String, String)>,
    /// Decoded.
    pub subject: String,
    /// Decoded: lines end with a line feed, the last one without.
    pub text: String,
    /// Whether the inbox said that it took it.
    pub is_accepted: bool,
    /// On which connection, from 1.
    pub connection: usize,
    pub is_secure: bool,
    /// Who had logged in.
    pub user: Option<String>,
}

impl Mail {
    /// Reads the lines between DATA and the final dot.
    pub(super) fn read(envelope: Envelope, lines: &[Vec<u8>]) -> Result<Self, String> {
        let end = lines.iter().position(Vec::is_empty).ok_or("no body")?;
        let (head, body) = (lines.get(..end).unwrap_or_default(), lines.get(end + 1..).unwrap_or_default());
        let is_ascii = |lines: &[Vec<u8>]| lines.iter().all(|line| line.is_ascii());
        if !is_ascii(body) || !(envelope.utf8 || is_ascii(head)) {
            return Err("8-bit bytes where 7 are allowed".to_owned());
        }
        let headers = headers(head)?;
        let mail = Self { envelope, headers, ..Self::default() };
        let value = |name: &str| mail.header(name).unwrap_or_default().to_owned();
        if value("mime-version") != "1.0" || !value("content-type").starts_with("text/plain; charset=utf-8") {
            return Err("a content that is no text in UTF-8".to_owned());
        }
        let mut bytes = body.join(&b"\r\n"[..]);
        bytes.extend_from_slice(b"\r\n");
        let text = decode::body(&value("content-transfer-encoding"), &bytes)?;
        let subject = decode::words(&value("subject"))?;
        Ok(Self { text, subject, ..mail })
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn headers(lines: &[Vec<u8>]) -> Result<Vec<(String, String)>, String> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        let line = String::from_utf8(line.clone()).map_err(|_| "a header that is no UTF-8")?;
        if line.chars().any(|letter| letter.is_control() && letter != '\t') {
            return Err("a control character in a header".to_owned());
        }
        if line.starts_with([' ', '\t']) {
            let (_, value) = headers.last_mut().ok_or("a fold before the first header")?;
            if line.trim().is_empty() {
                return Err("a fold of blanks alone".to_owned());
            }
            value.push_str(&line);
            continue;
        }
        let (name, value) = line.split_once(':').ok_or("a line that is no header")?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the name of a header".to_owned());
        }
        headers.push((name.to_ascii_lowercase(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
    }
    let count = |name: &str| headers.iter().filter(|(other, _)| other == name).count();
    if let Some(name) = SINGLE.iter().find(|name| count(name) > 1) {
        return Err(format!("{name} stands twice"));
    }
    match NEEDED.iter().find(|name| count(name) == 0) {
        Some(name) => Err(format!("no {name}")),
        None => Ok(headers),
    }
}
