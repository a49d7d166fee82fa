//! Phone numbers in one canonical form, so that every spelling of a number is one recipient, and what is none is
//! refused before it costs anything.

mod codes;

pub use codes::{CallingCode, Trunk};

use crate::typed::fold;

/// Why a text is no number to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unread {
    /// It is no number, or none that can receive a message.
    NoNumber,
    /// It has a 0 after the calling code, where none belongs.
    ZeroAfterCode,
    /// It may be a number of the default country, or one with its calling code.
    Ambiguous,
}

impl Unread {
    /// What is wrong with the text, for an error.
    pub fn cause(self) -> &'static str {
        match self {
            Unread::NoNumber => "must be a phone number with its calling code",
            Unread::ZeroAfterCode => "must be a phone number without a 0 after its calling code",
            Unread::Ambiguous => "may mean two phone numbers: must begin with + and the calling code",
        }
    }
}

/// What somebody typed as a number: its digits.
struct TypedNumber {
    digits: String,
    /// Whether it begins with `+` or `00`, which is not among the digits: a calling code follows.
    is_international: bool,
}

impl TypedNumber {
    fn of(text: &str) -> Option<Self> {
        let folded = fold(text);
        let (mut digits, mut plus) = (String::with_capacity(folded.len()), false);
        for letter in without_scheme(&folded).chars() {
            match letter {
                '0'..='9' => digits.push(letter),
                '+' | '＋' if digits.is_empty() && !plus => plus = true,
                '.' | '/' | '(' | ')' | '．' | '／' | '（' | '）' => {}
                _ => return None,
            }
        }
        if !plus && digits.starts_with("00") {
            digits.drain(..2);
            plus = true;
        }
        Some(Self { digits, is_international: plus })
    }

    fn international(&self) -> Result<String, Unread> {
        let (code, national) = CallingCode::split(&self.digits).ok_or(Unread::NoNumber)?;
        match national.strip_prefix('0') {
            _ if code.has(national) => Ok(self.digits.clone()),
            Some(rest) if code.has(rest) => Err(Unread::ZeroAfterCode),
            _ => Err(Unread::NoNumber),
        }
    }

    /// The number in this country, with what is dialled before it or without.
    fn national(&self, code: &CallingCode) -> Option<String> {
        let dialled = self.digits.strip_prefix(code.trunk.digits());
        // Belarus dials 8 and, before most areas, a 0.
        let with_zero = dialled.and_then(|rest| rest.strip_prefix('0')).filter(|_| code.trunk == Trunk::Eight);
        let forms = [dialled, with_zero, Some(self.digits.as_str())];
        let number = forms.into_iter().flatten().find(|number| code.has(number))?;
        Some(format!("{}{number}", code.code))
    }
}

/// The number as ITU-T E.164 writes it, without the `+`.
///
/// Blanks, dashes and invisible characters are passed over, as are `./()` and a `tel:` before it; digits of all
/// scripts are. With a leading `+` or `00` it has its calling code, and so has any without a `default`. With one, it
/// may be a national number, too, whose trunk prefix is left out.
///
/// # Errors
///
/// A number of a calling code that is not known, or of a length that none has that can receive a message; with a 0
/// after the calling code where none belongs; one that may be two.
pub fn canonical(text: &str, default: Option<&CallingCode>) -> Result<String, Unread> {
    let typed = TypedNumber::of(text).ok_or(Unread::NoNumber)?;
    let international = typed.international();
    let national = default.filter(|_| !typed.is_international).and_then(|code| typed.national(code));
    match (national, international) {
        (Some(national), Ok(international)) if national != international => Err(Unread::Ambiguous),
        (Some(number), _) => Ok(number),
        (None, international) => international,
    }
}

/// Every number that a text may mean, also as an earlier version kept it.
pub fn readings(text: &str, default: Option<&CallingCode>) -> Vec<String> {
    let Some(typed) = TypedNumber::of(text) else { return Vec::new() };
    let national = default.filter(|_| !typed.is_international).and_then(|code| typed.national(code));
    let earlier = ((7..=15).contains(&typed.digits.len()) && !typed.digits.starts_with('0')).then_some(typed.digits);
    let mut numbers: Vec<_> = national.into_iter().chain(earlier).collect();
    numbers.dedup();
    numbers
}

/// Whether a text is written as a number with its calling code, and is none that a message can go to.
pub fn is_broken(text: &str, default: Option<&CallingCode>) -> bool {
    let folded = fold(text);
    let number = without_scheme(&folded);
    let is_meant = number.len() < folded.len() || number.starts_with(['+', '＋']);
    let is_none = || matches!(canonical(text, default), Err(Unread::NoNumber | Unread::ZeroAfterCode));
    is_meant && !number.contains(char::is_alphabetic) && is_none()
}

/// The text without the `tel:` of RFC 3966 before it.
fn without_scheme(text: &str) -> &str {
    match text.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tel:") => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests;
