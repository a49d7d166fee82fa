//! What people type and paste, without what they did not mean: blanks, dashes, invisible characters, and the digits
//! of other scripts.
//!
//! A test holds the tables against those of the `regex` crate.

use zeroize::Zeroizing;

/// What stands in the place of foreign text that cannot be shown.
pub const WITHHELD: &str = "withheld";

/// The text without white space, dashes (Pd) and format characters (Cf), and with every decimal digit (Nd) as ASCII.
pub fn fold(text: &str) -> Zeroizing<String> {
    // Nothing gets longer, so no copy stays behind in a smaller buffer.
    let mut folded = Zeroizing::new(String::with_capacity(text.len()));
    text.chars().filter_map(folded_char).for_each(|letter| folded.push(letter));
    folded
}

/// Foreign text as it may be shown: withheld if one of these, a code or an address, stands in it, however it is spelled.
pub fn shown_without(secrets: &[&str], text: String) -> String {
    let plain = |text: &str| Zeroizing::new(fold(text).replace(['.', '/', '(', ')', '+'], "").to_lowercase());
    let all = plain(&text);
    let holds = |secret: &Zeroizing<String>| !secret.is_empty() && all.contains(secret.as_str());
    if secrets.iter().map(|secret| plain(secret)).any(|secret| holds(&secret)) { WITHHELD.to_owned() } else { text }
}

/// Whether a character says how to show others, and is not seen itself (Cf).
pub fn is_invisible(letter: char) -> bool {
    is_in(&FORMATS, letter)
}

fn folded_char(letter: char) -> Option<char> {
    if letter.is_whitespace() || is_in(&DASHES, letter) || is_invisible(letter) {
        return None;
    }
    Some(digit(letter).unwrap_or(letter))
}

fn is_in(ranges: &[(u32, u32)], letter: char) -> bool {
    let place = ranges.partition_point(|(first, _)| *first <= letter.into());
    place.checked_sub(1).and_then(|place| ranges.get(place)).is_some_and(|(_, last)| u32::from(letter) <= *last)
}

/// The digit in ASCII.
fn digit(letter: char) -> Option<char> {
    let place = ZEROS.partition_point(|zero| *zero <= letter.into());
    let zero = place.checked_sub(1).and_then(|place| ZEROS.get(place))?;
    char::from_digit(u32::from(letter) - zero, 10)
}

/// Every zero; the other digits follow it.
#[rustfmt::skip]
const ZEROS: [u32; 76] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
    0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136,
    0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0,
    0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8,
    0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// First and last of each row.
#[rustfmt::skip]
const DASHES: [(u32, u32); 20] = [
    (0x2d, 0x2d), (0x58a, 0x58a), (0x5be, 0x5be), (0x1400, 0x1400), (0x1806, 0x1806), (0x2010, 0x2015),
    (0x2e17, 0x2e17), (0x2e1a, 0x2e1a), (0x2e3a, 0x2e3b), (0x2e40, 0x2e40), (0x2e5d, 0x2e5d), (0x301c, 0x301c),
    (0x3030, 0x3030), (0x30a0, 0x30a0), (0xfe31, 0xfe32), (0xfe58, 0xfe58), (0xfe63, 0xfe63), (0xff0d, 0xff0d),
    (0x10d6e, 0x10d6e), (0x10ead, 0x10ead),
];

/// First and last of each row.
#[rustfmt::skip]
const FORMATS: [(u32, u32); 21] = [
    (0xad, 0xad), (0x600, 0x605), (0x61c, 0x61c), (0x6dd, 0x6dd), (0x70f, 0x70f), (0x890, 0x891), (0x8e2, 0x8e2),
    (0x180e, 0x180e), (0x200b, 0x200f), (0x202a, 0x202e), (0x2060, 0x2064), (0x2066, 0x206f), (0xfeff, 0xfeff),
    (0xfff9, 0xfffb), (0x110bd, 0x110bd), (0x110cd, 0x110cd), (0x13430, 0x1343f), (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a), (0xe0001, 0xe0001), (0xe0020, 0xe007f),
];

#[cfg(test)]
mod tests;
