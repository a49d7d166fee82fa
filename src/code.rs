//! Drawing codes and comparing them with guesses.
//!
//! A code is not stored: it follows from the key, a random nonce and everything that must not be changed about it.
//! RFC 4226 truncates a MAC in a like way; here the number is taken without bias, by rejecting the few values above
//! the last full multiple of ten to the power of its length.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::block::Block;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::keys::{Key, KeyRing};
use crate::record::{Code, CodeState, Match, REMEMBERED, Record, Secret};

/// What a code is bound to besides its own fields: it cannot be moved to another row or subject.
#[derive(Clone, Copy)]
pub struct Binding {
    /// Key of the row.
    pub row: Block,
    /// The subject of the record.
    pub subject: Block,
}

/// The digits that follow from the key, for a derived code; `None` for one that is kept as a MAC.
pub fn digits(key: &Key, binding: &Binding, code: &Code) -> Option<Zeroizing<String>> {
    let Secret::Derived { nonce, length } = &code.secret else { return None };
    (0u32..).find_map(|round| {
        let mac = key.mac(
            "code",
            &[
                &key.id().0,
                &binding.row.0,
                &binding.subject.0,
                &nonce.0,
                &code.created.ms().to_be_bytes(),
                &code.expires.ms().to_be_bytes(),
                &[*length],
                &round.to_be_bytes(),
            ],
        );
        unbiased(&mac, *length)
    })
}

/// The first of the MAC's four numbers that can be cut to `length` digits without bias.
fn unbiased(mac: &[u8; 32], length: u8) -> Option<Zeroizing<String>> {
    let modulus = 10u64.checked_pow(u32::from(length))?;
    let limit = u64::MAX - u64::MAX % modulus;
    let (numbers, _) = mac.as_chunks();
    let number = numbers.iter().map(|bytes| u64::from_be_bytes(*bytes)).find(|number| *number < limit)?;
    Some(Zeroizing::new(format!("{:0width$}", number % modulus, width = usize::from(length))))
}

/// The MAC under which a brought or a replaced code is kept.
pub fn mac(key: &Key, row: &Block, code: &Code, text: &str) -> Block {
    Block::truncated(&*key.mac("mac", &[&row.0, &times(code), text.as_bytes()]))
}

/// The MAC of the context that goes with a code.
pub fn context_mac(key: &Key, row: &Block, code: &Code, context: &str) -> Block {
    Block::truncated(&*key.mac("context", &[&row.0, &times(code), context.as_bytes()]))
}

fn times(code: &Code) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (created, expires) = bytes.split_at_mut(8);
    created.copy_from_slice(&code.created.ms().to_be_bytes());
    expires.copy_from_slice(&code.expires.ms().to_be_bytes());
    bytes
}

/// The MAC by which a code that is replaced is remembered.
///
/// # Errors
///
/// `Config` when its key is not at hand.
pub fn remembered(keys: &KeyRing, binding: &Binding, code: &Code) -> Result<Block> {
    if let Secret::Mac(mac) = code.secret {
        return Ok(mac);
    }
    let key = keys.slot(code.key)?;
    let text = digits(key, binding, code).ok_or_else(|| Error::internal("a code has no length"))?;
    Ok(mac(key, &binding.row, code, &text))
}

/// Whether a text is one of these codes.
///
/// # Errors
///
/// `Config` when the key of one is not at hand.
pub fn is_remembered(keys: &KeyRing, row: &Block, codes: &[Code], text: &str) -> Result<bool> {
    for code in codes {
        if Secret::Mac(mac(keys.slot(code.key)?, row, code, text)) == code.secret {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a guess is.
pub struct Guess<'a> {
    /// The code that was typed in.
    pub code: &'a str,
    /// What is approved with it.
    pub context: Option<&'a str>,
}

/// Compares a guess with a record's newest code and the eight before it.
///
/// Always nine comparisons, each over the full length, whatever the record holds and also without one, so that the
/// time tells neither which code was near nor how many there are.
///
/// # Errors
///
/// `Config` when the key of one of the codes is not at hand.
pub fn find(
    keys: &KeyRing,
    row: &Block,
    record: Option<&Record>,
    guess: &Guess<'_>,
    now: Time,
) -> Result<Option<Match>> {
    let nobody = nobody();
    let binding = Binding { row: *row, subject: record.map_or(Block::default(), |record| record.subject) };
    let newest = record.map_or(&nobody, |record| &record.code);
    let mut found = None;
    if bool::from(equals(keys.slot(newest.key)?, &binding, newest, guess)) && record.is_some() {
        found = Some(Match::Newest);
    }
    let remembered = record.map_or(&[][..], |record| &record.remembered);
    for index in 0..REMEMBERED {
        let code = remembered.get(index);
        let compared = code.unwrap_or(&nobody);
        let equal = equals(keys.slot(compared.key)?, &binding, compared, guess);
        let tells = code.is_some() && record.is_some_and(|record| record.remembers(compared, now));
        if bool::from(equal) && tells && found.is_none() {
            found = Some(Match::Remembered(index));
        }
    }
    Ok(found)
}

/// One comparison: of the code and of the context.
fn equals(key: &Key, binding: &Binding, code: &Code, guess: &Guess<'_>) -> Choice {
    let same_code = match (&code.secret, digits(key, binding, code)) {
        (_, Some(digits)) => digits.as_bytes().ct_eq(guess.code.as_bytes()),
        (Secret::Mac(stored), None) => stored.equals(&mac(key, &binding.row, code, guess.code)),
        (Secret::Derived { .. }, None) => Choice::from(0),
    };
    let given = guess.context.map(|context| context_mac(key, &binding.row, code, context));
    let same_context = match (&code.context, &given) {
        (Some(stored), Some(given)) => stored.equals(given),
        (None, None) => Choice::from(1),
        _ => Choice::from(0),
    };
    same_code & same_context
}

/// A code that nobody has, to compare with where there is none.
fn nobody() -> Code {
    let secret = Secret::Mac(Block::default());
    Code {
        key: KeyRing::ANY,
        created: Time::START,
        expires: Time::START,
        secret,
        context: None,
        state: CodeState::Expired,
    }
}

#[cfg(test)]
mod tests;
