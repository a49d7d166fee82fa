//! Reading replies, for hosts without a JSON library at hand.

use std::ffi::c_char;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ffi::guard::catch;
use crate::ffi::strings::text;
use crate::json::{self, Value};

/// Reads a number from a reply, message or event: true is 1 and false is 0.
///
/// `field` is the name of a member; dots lead into objects and arrays, as in "delivery.steps.1.at", arrays counting
/// from 0.
///
/// Returns `otherwise` where there is no such member, it is no whole number within 64 bits, or anything is NULL or no
/// JSON.
///
/// ```c
/// int64_t seconds = otp_reply_integer(reply, "retryAfterSeconds", 60);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_reply_integer(reply: *const c_char, field: *const c_char, otherwise: i64) -> i64 {
    // SAFETY: pointers are NULL or what the header asks for.
    let found = catch(|| unsafe { find(reply, field, integer) });
    found.ok().flatten().unwrap_or(otherwise)
}

/// Reads a text from a reply, message or event, like snprintf(): numbers and booleans as they stand there. `field`: as
/// for otp_reply_integer().
///
/// At most `text_size` bytes are written to `text`, a NUL at the end among them; a text that is too long is cut at a
/// character. `text` may be NULL when `text_size` is 0. It may lie in `reply`.
///
/// Returns the length of the whole text in bytes, without the NUL: it was cut if that is not below `text_size`. Where
/// there is no such member, or it is an object or array, or anything is NULL or no JSON: 0 and "".
///
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
