//! What stands encoded in a mail: bodies (RFC 2045) and headers (RFC 2047), read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A body as a text: lines end with a line feed, and the last end is no part of it.
pub fn body(encoding: &str, bytes: &[u8]) -> Result<String, &'static str> {
    let decoded = match encoding {
        "7bit" | "8bit" => bytes.to_vec(),
        "quoted-printable" => quoted_printable(bytes)?,
        "base64" => {
            let text: Vec<_> = bytes.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
            STANDARD.decode(text).map_err(|_| "a body that is no Base64")?
        }
        _ => return Err("an unknown encoding"),
    };
    let text = String::from_utf8(decoded).map_err(|_| "a body that is no UTF-8")?;
    let text = text.strip_suffix("\r\n").unwrap_or(&text).replace("\r\n", "\n");
    Ok(text)
}

fn quoted_printable(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut decoded = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if text.len() > 76 || text.ends_with(b" ") || text.ends_with(b"\t") {
            return Err("a line of quoted-printable that is too long, or ends with a blank");
        }
        let mut rest = text;
        let mut is_soft = false;
        while let [first, tail @ ..] = rest {
            rest = tail;
            match first {
                b'=' if rest.is_empty() => is_soft = true,
                b'=' => {
                    let (digits, tail) = rest.split_at_checked(2).ok_or("an escape that is cut")?;
                    decoded.push(hex(digits).ok_or("an escape that is none")?);
                    rest = tail;
                }
                b'\t' | b' '..=b'~' => decoded.push(*first),
                _ => return Err("a byte that quoted-printable cannot have"),
            }
        }
        if !is_soft {
            decoded.extend_from_slice(b"\r\n");
        }
    }
    Ok(decoded)
}

fn hex(digits: &[u8]) -> Option<u8> {
    let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'A'..=b'F');
    let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(is_digit))?;
    u8::from_str_radix(text, 16).ok()
}

/// A header without structure: blanks between encoded words are no part of it.
pub fn words(value: &str) -> Result<String, &'static str> {
    let (mut text, mut was_encoded, mut blanks) = (String::new(), false, String::new());
    for part in value.split_inclusive(' ') {
        let word = part.trim_end_matches(' ');
        let decoded = word.strip_prefix("=?").map(|word| encoded_word(word).ok_or("an encoded word that is none"));
        if let Some(decoded) = decoded.transpose()? {
            if word.len() > 75 {
                return Err("an encoded word that is too long");
            }
            text += if was_encoded { "" } else { &blanks };
            text += &decoded;
            (was_encoded, blanks) = (true, " ".repeat(part.len() - word.len()));
        } else {
            text += &blanks;
            text += word;
            blanks = " ".repeat(part.len() - word.len());
            was_encoded = was_encoded && word.is_empty();
        }
    }
    Ok(text)
}

fn encoded_word(word: &str) -> Option<String> {
    let parts: Vec<_> = word.strip_suffix("?=")?.split('?').collect();
    let [charset, encoding, text] = parts[..] else { return None };
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding.to_ascii_uppercase().as_str() {
        "B" => STANDARD.decode(text).ok()?,
        "Q" => quoted_printable(text.replace('_', "=20").as_bytes()).ok()?.strip_suffix(b"\r\n")?.to_vec(),
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}
