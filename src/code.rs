//! Codes: what they follow from, what they are bound to, and comparing them with guesses.
//!
//! A code is not stored: it follows from the key, a random nonce and everything that must not be changed about it.
//! RFC 4226 truncates a MAC in a like way; here the number is taken without bias, by rejecting the few values above
//! the last full multiple of ten to the power of its length.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::block::{Mac, RowKey};
use crate::clock::Time;
use crate::envelope::Envelope;
use crate::error::{Error, Result};
use crate::keys::{Key, KeyRing};
use crate::record::{Code, CodeState, Match, REMEMBERED, Record, Secret};
use crate::typed::fold;

/// The digits that follow from the key, for a derived code; `None` for one that is kept as a MAC.
pub fn digits(key: &Key, row: &RowKey, code: &Code) -> Option<Zeroizing<String>> {
    let Secret::Derived { nonce, length } = &code.secret else { return None };
    // A length that no number has must not be looked for.
    let modulus = 10u64.checked_pow(u32::from(*length))?;
    let bound = bound(row, code);
    let number = (0u32..).find_map(|round| {
        let fields: [&[u8]; 5] = [key.id().bytes(), &bound, nonce.bytes(), &[*length], &round.to_be_bytes()];
        unbiased(&key.mac("code", &fields), modulus)
    })?;
    Some(Zeroizing::new(format!("{number:0width$}", width = usize::from(*length))))
}

/// The first of the MAC's four numbers that can be cut to below `modulus` without bias.
fn unbiased(mac: &[u8; 32], modulus: u64) -> Option<u64> {
    let limit = u64::MAX - u64::MAX % modulus;
    let (numbers, _) = mac.as_chunks();
    let number = numbers.iter().map(|bytes| u64::from_be_bytes(*bytes)).find(|number| *number < limit)?;
    Some(number % modulus)
}

/// What every code is bound to besides itself: where it lies, its times, who fails by it and how often, and what it
/// approves. All parts but the last have one length, so that no two codes meet. What changes during its life, its
/// state and the guesses so far, cannot be part of it.
fn bound(row: &RowKey, code: &Code) -> Vec<u8> {
    let context = code.context.as_ref().map_or(&[][..], |mac| mac.bytes());
    [&row.bytes()[..], code.subject.bytes(), &times(code), &[code.max_attempts], context].concat()
}

/// All that makes a code what it is. What is sealed beside it is bound to this: a code that was loosened is another one,
/// and must not leave in a message.
fn identity(row: &RowKey, code: &Code) -> Vec<u8> {
    let (length, bytes) = match &code.secret {
        Secret::Derived { nonce, length } => (*length, nonce.bytes()),
        Secret::Mac(mac) => (0, mac.bytes()),
    };
    [&bound(row, code)[..], &[length], bytes].concat()
}

/// What a code's sealed part is bound to: the code, and the namespace, so that no tenant sends another's messages.
pub fn sealed_to(keys: &KeyRing, namespace: &str, row: &RowKey, code: &Code) -> Mac {
    keys.index("sealed", namespace, &keys.fingerprint(&identity(row, code)).to_string())
}

/// What is sealed in a live record, and its code.
///
/// # Errors
///
/// `Config` when its key is not at hand, `Store` when it was tampered with.
pub fn open(keys: &KeyRing, namespace: &str, row: &RowKey, record: &Record) -> Result<(Envelope, Zeroizing<String>)> {
    let sealed = keys.unseal(&sealed_to(keys, namespace, row, &record.code), &record.code, &record.sealed)?;
    let damaged = || Error::damaged("a sealed row is damaged");
    let envelope = Envelope::decode(&sealed).ok_or_else(damaged)?;
    let derived = digits(keys.slot(record.code.slot)?, row, &record.code);
    let code = derived.or_else(|| envelope.code.clone()).ok_or_else(damaged)?;
    Ok((envelope, code))
}

/// The MAC under which a code is kept that the host brought.
pub fn mac(key: &Key, row: &RowKey, code: &Code, text: &str) -> Mac {
    Mac::truncated(&*key.mac("mac", &[&bound(row, code), text.as_bytes()]))
}

/// What is kept of a code with this MAC once it is replaced: of another kind, so that nobody without the key can put
/// it back in its place.
fn replaced(key: &Key, mac: &Mac) -> Mac {
    Mac::truncated(&*key.mac("replaced", &[mac.bytes()]))
}

/// The MAC of the context that goes with a code. It depends on the row and the times alone.
pub fn context_mac(key: &Key, row: &RowKey, code: &Code, context: &str) -> Mac {
    Mac::truncated(&*key.mac("context", &[row.bytes(), &times(code), context.as_bytes()]))
}

fn times(code: &Code) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (created, expires) = bytes.split_at_mut(8);
    created.copy_from_slice(&code.created.ms().to_be_bytes());
    expires.copy_from_slice(&code.expires.ms().to_be_bytes());
    bytes
}

/// The MAC by which the newest code is remembered when it is replaced.
///
/// # Errors
///
/// `Config` when its key is not at hand.
pub fn remembered(keys: &KeyRing, row: &RowKey, code: &Code) -> Result<Mac> {
    let key = keys.slot(code.slot)?;
    let mac = match code.secret {
        Secret::Mac(mac) => mac,
        Secret::Derived { .. } => {
            let text = digits(key, row, code).ok_or_else(|| Error::internal("a code has no length"))?;
            mac(key, row, code, &text)
        }
    };
    Ok(replaced(key, &mac))
}

/// Whether a text is one of these codes, which were replaced, also when it is read as people type.
///
/// # Errors
///
/// `Config` when the key of one is not at hand.
pub fn is_remembered(keys: &KeyRing, row: &RowKey, codes: &[Code], text: &str) -> Result<bool> {
    let typed = TypedCode::of(text).ok_or_else(|| Error::internal("a code is empty"))?;
    for code in codes {
        if bool::from(is_replaced(keys.slot(code.slot)?, row, code, &typed)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A code as somebody typed it: as it stands, and as the digits that it means, if it means digits alone.
///
/// Codes of digits are compared with the latter, so that blanks, dashes and digits of other scripts do no harm; other
/// own codes with the former, byte for byte. Which of both a code is, is not kept: both are compared, where they differ.
/// That adds no guess, since no code of digits is equal to two texts of digits, and its time depends on what was typed
/// alone.
pub struct TypedCode {
    exact: Zeroizing<String>,
    digits: Zeroizing<String>,
}

impl TypedCode {
    /// The code that was typed; `None` where nothing is left of it without blanks, dashes and invisible characters.
    pub fn of(text: &str) -> Option<Self> {
        let exact = Zeroizing::new(text.to_owned());
        let folded = fold(text);
        let is_digits = folded.bytes().all(|byte| byte.is_ascii_digit());
        let digits = if is_digits { folded.clone() } else { exact.clone() };
        (!folded.is_empty()).then_some(Self { exact, digits })
    }
}

/// What a guess is.
pub struct Guess {
    /// The code that was typed in.
    pub code: TypedCode,
    /// What is approved with it.
    pub context: Option<Zeroizing<String>>,
}

impl Guess {
    fn context(&self) -> Option<&str> {
        self.context.as_ref().map(|context| context.as_str())
    }
}

/// Compares a guess with a record's newest code and the eight before it.
///
/// Always nine comparisons, each over the full length, whatever the record holds and also without one, so that the
/// time tells neither which code was near nor how many there are.
///
/// # Errors
///
/// `Config` when the key of one of the codes is not at hand.
pub fn find(keys: &KeyRing, row: &RowKey, record: Option<&Record>, guess: &Guess, now: Time) -> Result<Option<Match>> {
    let nobody = nobody();
    let newest = record.map_or(&nobody, |record| &record.code);
    let key = keys.slot(newest.slot)?;
    let mut found = None;
    let equal = is_newest(key, row, newest, &guess.code) & is_approved(key, row, newest, guess.context());
    if bool::from(equal) && record.is_some() {
        found = Some(Match::Newest);
    }
    let remembered = record.map_or(&[][..], |record| &record.remembered);
    for index in 0..REMEMBERED {
        let code = remembered.get(index);
        let compared = code.unwrap_or(&nobody);
        let key = keys.slot(compared.slot)?;
        let equal = is_replaced(key, row, compared, &guess.code) & is_approved(key, row, compared, guess.context());
        let tells = code.is_some() && record.is_some_and(|record| record.remembers(compared, now));
        if bool::from(equal) && tells && found.is_none() {
            found = Some(Match::Remembered(index));
        }
    }
    Ok(found)
}

/// Whether this text is the code, which was not replaced.
fn is_newest(key: &Key, row: &RowKey, code: &Code, typed: &TypedCode) -> Choice {
    match digits(key, row, code) {
        Some(digits) => digits.as_bytes().ct_eq(typed.digits.as_bytes()),
        None => in_both_forms(typed, |text| is_kept(code, &mac(key, row, code, text))),
    }
}

/// Whether this text is the code, which was replaced.
fn is_replaced(key: &Key, row: &RowKey, code: &Code, typed: &TypedCode) -> Choice {
    in_both_forms(typed, |text| is_kept(code, &replaced(key, &mac(key, row, code, text))))
}

fn in_both_forms(typed: &TypedCode, is_equal: impl Fn(&str) -> Choice) -> Choice {
    let exact = is_equal(&typed.exact);
    if typed.exact == typed.digits { exact } else { exact | is_equal(&typed.digits) }
}

fn is_kept(code: &Code, mac: &Mac) -> Choice {
    match &code.secret {
        Secret::Mac(kept) => kept.equals(mac),
        Secret::Derived { .. } => Choice::from(0),
    }
}

/// Whether the context is the one that must be given with the code.
fn is_approved(key: &Key, row: &RowKey, code: &Code, context: Option<&str>) -> Choice {
    let given = context.map(|context| context_mac(key, row, code, context));
    match (&code.context, &given) {
        (Some(stored), Some(given)) => stored.equals(given),
        (None, None) => Choice::from(1),
        _ => Choice::from(0),
    }
}

/// A code that nobody has, to compare with where there is none.
fn nobody() -> Code {
    Code {
        slot: KeyRing::ANY,
        created: Time::START,
        expires: Time::START,
        secret: Secret::Mac(Default::default()),
        max_attempts: 0,
        subject: Default::default(),
        context: None,
        state: CodeState::Expired,
    }
}

#[cfg(test)]
mod tests;
