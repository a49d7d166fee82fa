//! How a text stands in a mail: in headers (RFC 2047), in the body (RFC 2045, 6.7), and between DATA and the final dot
//! (RFC 5321, 4.5.2). What holds a code is written into room for all of it, so that no copy stays behind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Bytes of a text in one encoded word: with its marks it is shorter than the 75 characters that it may have.
const WORD_BYTES: usize = 39;

/// Longest line of a body as it is written.
const LINE_BYTES: usize = 76;

/// Longest line of a server, less its end (RFC 5321, 4.5.3.1.6).
const MOST_LINE_BYTES: usize = 998;

/// A text for a header whose value has no structure: in ASCII as it is, else in encoded words, one a line.
pub fn header(name: &str, text: &str) -> Zeroizing<String> {
    let words = text.len().div_ceil(WORD_BYTES - 3) + 1;
    let mut line = Zeroizing::new(String::with_capacity(name.len() + 8 + text.len() + words * (LINE_BYTES + 4)));
    line.push_str(name);
    line.push_str(": ");
    if is_plain(text) && name.len() + 2 + text.len() <= LINE_BYTES {
        line.push_str(text);
        return line;
    }
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_BYTES));
        line.push_str(if rest.len() == text.len() { "=?utf-8?B?" } else { "\r\n =?utf-8?B?" });
        STANDARD.encode_string(word, &mut line);
        line.push_str("?=");
        rest = after;
    }
    line
}

/// Whether a header can have a text as it is, and nobody takes it for something encoded.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text && !text.contains("=?")
}

/// The text of a body, and the name of its encoding. Lines end with CR LF, whatever ends them in the text.
pub fn body(text: &str) -> (&'static str, Zeroizing<Vec<u8>>) {
    let lines: Vec<_> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let is_plain = |line: &&str| {
        line.len() <= LINE_BYTES && line.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !line.ends_with(' ')
    };
    let is_plain = lines.iter().all(is_plain);
    // An encoded byte takes three, and a soft break three more for every line.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 4 + lines.len() * 2 + 16));
    for line in lines {
        match is_plain {
            true => bytes.extend_from_slice(line.as_bytes()),
            false => quoted_printable(line.as_bytes(), &mut bytes),
        }
        bytes.extend_from_slice(b"\r\n");
    }
    (if is_plain { "7bit" } else { "quoted-printable" }, bytes)
}

fn quoted_printable(line: &[u8], bytes: &mut Vec<u8>) {
    let mut length = 0;
    for (place, byte) in line.iter().enumerate() {
        let is_last = place + 1 == line.len();
        let is_itself = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (*byte == b' ' && !is_last);
        let takes = if is_itself { 1 } else { 3 };
        // The mark of a soft break needs room as well.
        if length + takes >= LINE_BYTES {
            bytes.extend_from_slice(b"=\r\n");
            length = 0;
        }
        length += takes;
        if is_itself {
            bytes.push(*byte);
        } else {
            let digit = |half: u8| b"0123456789ABCDEF".get(usize::from(half)).copied().unwrap_or_default();
            bytes.extend([b'=', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// A mail as it goes between DATA and the final dot: a line's own dot at its beginning is doubled. `None` for what no
/// server may be sent: a line end by halves, a line that is too long, a last line without an end.
pub fn stuffed(mail: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut stuffed = Zeroizing::new(Vec::with_capacity(mail.len() * 2));
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n")?;
        if line.len() > MOST_LINE_BYTES || line.contains(&b'\r') || line.contains(&0) {
            return None;
        }
        if line.first() == Some(&b'.') {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
        stuffed.extend_from_slice(b"\r\n");
    }
    Some(stuffed).filter(|_| !mail.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for text in ["Your code", "a=b?", "x: y", "[ACME] 63731", "{code}"] {
            assert_eq!(*header("Subject", text), format!("Subject: {text}"));
        }
        assert_eq!(*header("Subject", "=?x?="), "Subject: =?utf-8?B?PT94Pz0=?=");
        assert_eq!(*header("Subject", " x"), "Subject: =?utf-8?B?IHg=?=");
        assert_eq!(*header("Subject", "\u{e9}"), "Subject: =?utf-8?B?w6k=?=");
        let long = "\u{1f600}\u{e9}x".repeat(36);
        let written = header("Subject", &long);
        assert!(written.is_ascii() && written.split("\r\n ").count() > 6);
        assert!(written.split("\r\n").all(|line| line.len() <= 78), "{}", *written);
    }

    #[test]
    fn bodies() {
        let read = |text: &str| {
            let (encoding, bytes) = body(text);
            (encoding, String::from_utf8(bytes.to_vec()).unwrap())
        };
        assert_eq!(read("code: 1\n.\r\nend"), ("7bit", "code: 1\r\n.\r\nend\r\n".to_owned()));
        assert_eq!(read("\u{e9}=1 "), ("quoted-printable", "=C3=A9=3D1=20\r\n".to_owned()));
        assert_eq!(read("a\rb"), ("quoted-printable", "a=0Db\r\n".to_owned()));
        let (encoding, long) = read(&"x".repeat(80));
        assert_eq!((encoding, long), ("quoted-printable", format!("{}=\r\n{}\r\n", "x".repeat(75), "x".repeat(5))));
        for text in ["x".repeat(2000), "\u{e9}".repeat(1000), " \n".repeat(900)] {
            let (_, bytes) = body(&text);
            assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 77));
            assert!(bytes.len() <= text.len() * 4 + text.matches('\n').count() * 2 + 18, "it grew");
        }
    }

    #[test]
    fn dots() {
        let read = |mail: &str| stuffed(mail.as_bytes()).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(read("a\r\n.\r\n..b\r\n\r\n").as_deref(), Some("a\r\n..\r\n...b\r\n\r\n"));
        assert_eq!(read("\r\n").as_deref(), Some("\r\n"));
        for mail in ["", "a", "a\n", "a\nb\r\n", "a\rb\r\n", "a\r\r\n", "a\0\r\n", "\n.\r\n"] {
            assert_eq!(read(mail), None, "{mail:?}");
        }
        assert_eq!(read(&("x".repeat(999) + "\r\n")), None);
    }
}
