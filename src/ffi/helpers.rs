//! Reading replies, for hosts without a JSON library at hand.

use std::ffi::c_char;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ffi::guard::catch;
use crate::ffi::strings::text;
use crate::json::{self, Value};

/// Reads a whole number from a reply, message or event. True is 1 and false is 0.
///
/// Parameters:
/// - `reply`: a JSON text, nested 16 deep at most.
/// - `field`: the name of a member. Dots lead into objects and arrays, whose items count from 0: "delivery.steps.1.at".
/// - `otherwise`: what to return where there is no such number.
///
/// Results: the number. `otherwise` where there is no such member, it is no whole number within 64 bits written without
/// "." or "e", or a text is NULL or no JSON.
///
/// Example:
/// ```c
/// int64_t seconds = otp_reply_integer(reply, "retryAfterSeconds", 60);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_reply_integer(reply: *const c_char, field: *const c_char, otherwise: i64) -> i64 {
    // SAFETY: pointers are NULL or what the header asks for.
    let found = catch(|| unsafe { find(reply, field, integer) });
    found.ok().flatten().unwrap_or(otherwise)
}

/// Reads a text from a reply, message or event, as snprintf() writes one.
///
/// Booleans and whole numbers within 64 bits are given as they stand, other numbers as the nearest double. A text may
/// hold a NUL: then the length says more than strlen().
///
/// Parameters:
/// - `reply`, `field`: as for otp_reply_integer().
/// - `text`: receives at most `text_size` bytes, the NUL at the end among them. A text that is too long is cut at a
///   character. It may lie in `reply`. NULL only with size 0.
/// - `text_size`: bytes of `text`.
///
/// Results: the length of the whole text in bytes, without the NUL. The text was cut if that is `text_size` or more.
/// Where there is no such member, it is an object or an array, or a text is NULL or no JSON: 0, and "" in `text`.
///
/// Example:
/// ```c
/// char code[32];
/// if (otp_reply_text(reply, "code", code, sizeof code) < sizeof code)
///   show(code);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_reply_text(
    reply: *const c_char,
    field: *const c_char,
    text: *mut c_char,
    text_size: usize,
) -> usize {
    // SAFETY: pointers are NULL or what the header asks for.
    let found = catch(|| unsafe { find(reply, field, shown) });
    let found = found.ok().flatten().unwrap_or_default();
    if !text.is_null() && text_size > 0 {
        let end = found.floor_char_boundary(text_size - 1);
        // SAFETY: `end` and the NUL are within `text_size` bytes; `found` is memory of the library.
        unsafe {
            text.copy_from_nonoverlapping(found.as_ptr().cast(), end);
            text.add(end).write(0);
        }
    }
    found.len()
}

/// The value at the end of a path.
unsafe fn find<T>(
    reply: *const c_char,
    field: *const c_char,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>> {
    // SAFETY: pointers are NULL or what the header asks for.
    let (reply, field) = unsafe { (text(reply, "reply")?, text(field, "field")?) };
    let value = json::parse(reply).map_err(|_| Error::argument("reply: is no JSON"))?;
    Ok(value.at(field).and_then(read))
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(integer) => i64::try_from(*integer).ok(),
        Value::Flag(flag) => Some(i64::from(*flag)),
        _ => None,
    }
}

fn shown(value: &Value) -> Option<Zeroizing<String>> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(integer) => Some(Zeroizing::new(integer.to_string())),
        Value::Number(number) => Some(Zeroizing::new(number.to_string())),
        Value::Flag(flag) => Some(Zeroizing::new(flag.to_string())),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
