//! Writing requests, for hosts without a JSON library at hand.

use std::collections::BTreeMap;
use std::ffi::c_char;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ffi::guard::catch;
use crate::ffi::results::{OTP_E_ARGUMENT, OTP_OK, otp_result};
use crate::ffi::strings::text;
use crate::json;

/// The member of a request that holds the values for its text.
const PARAMS: &str = "params";

/// Adds a member with a text to the JSON object that is being written in a buffer. It escapes what needs it.
///
/// Parameters:
/// - `request`: the buffer. To begin, set `request[0]` to 0.
/// - `request_size`: its bytes.
/// - `field`: the name of the member. Dots have no meaning in it.
/// - `text`: the value.
///
/// Results:
/// - OTP_OK: added.
/// - OTP_E_ARGUMENT, and the buffer is as it was: the member is there already, there is no room, the buffer holds
///   something else than an object, or a text is NULL or not UTF-8.
///
/// Example:
/// ```c
/// char request[1024] = "";
/// if (otp_request_text(request, sizeof request, "phoneNumber", typed) != OTP_OK)
///   return refuse();
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_request_text(
    request: *mut c_char,
    request_size: usize,
    field: *const c_char,
    text: *const c_char,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { add(Buffer { request, request_size }, with_member, "field", field, text) }
}

/// Adds a text to the `params` of the request that is being written in a buffer. The first one adds `params`, too.
///
/// Parameters:
/// - `name`: what stands in braces in the message.
/// - `request`, `request_size`, `text`: as for otp_request_text().
///
/// Results: as for otp_request_text(). OTP_E_ARGUMENT also where `params` has this name already, or is no object.
///
/// Example:
/// ```c
/// if (otp_request_param(request, sizeof request, "shop", shop) != OTP_OK)
///   return refuse();
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_request_param(
    request: *mut c_char,
    request_size: usize,
    name: *const c_char,
    text: *const c_char,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { add(Buffer { request, request_size }, with_param, "name", name, text) }
}

/// A text that changes at its end: how much of it stays, and what follows that, with a NUL. It may hold a code: the
/// memory is taken in one piece and wiped.
struct Addition {
    kept: usize,
    added: Zeroizing<Vec<u8>>,
}

/// Where the host writes a request.
struct Buffer {
    request: *mut c_char,
    request_size: usize,
}

/// Changes the request in its buffer. `title` is what the parameter with the name is called.
unsafe fn add(
    buffer: Buffer,
    change: fn(&str, &str, &str) -> Result<Addition>,
    title: &str,
    name: *const c_char,
    value: *const c_char,
) -> otp_result {
    let Buffer { request, request_size: size } = buffer;
    let added = catch(|| {
        // SAFETY: pointers are NULL or what the header asks for.
        let (name, value) = unsafe { (text(name, title)?, text(value, "text")?) };
        // SAFETY: as above.
        let Addition { kept, added } = change(unsafe { text_within(request, size) }?, name, value)?;
        if added.len() > size - kept {
            return Err(Error::argument("request: has no room"));
        }
        // SAFETY: within `size` bytes; `added` is memory of the library, and nothing of the caller's is borrowed.
        unsafe { request.add(kept).copy_from_nonoverlapping(added.as_ptr().cast(), added.len()) };
        Ok(())
    });
    if added.is_ok() { OTP_OK } else { OTP_E_ARGUMENT }
}

fn with_member(request: &str, name: &str, value: &str) -> Result<Addition> {
    if request.is_empty() {
        return change(0, &["{", "}"], (name, value));
    }
    let (place, comma) = end_of(request, name)?;
    change(place, &[comma, "}"], (name, value))
}

fn with_param(request: &str, name: &str, value: &str) -> Result<Addition> {
    if request.is_empty() {
        return change(0, &["{\"params\":{", "}}"], (name, value));
    }
    let Some(params) = members_of(request)?.remove(PARAMS) else {
        let (place, comma) = end_of(request, PARAMS)?;
        return change(place, &[comma, "\"params\":{", "}}"], (name, value));
    };
    let (within, comma) = end_of(params, name)?;
    // `params` is a part of the request.
    let place = params.as_ptr().addr() - request.as_ptr().addr() + within;
    let rest = request.get(place..).unwrap_or_default();
    change(place, &[comma, rest], (name, value))
}

/// Where an object that has no such member ends, before its brace, and what a further member needs before it.
fn end_of<'a>(object: &str, name: &str) -> Result<(usize, &'a str)> {
    let members = members_of(object)?;
    if members.contains_key(name) {
        return Err(Error::argument("request: has this member"));
    }
    let kept = object.trim_end().strip_suffix('}').ok_or_else(not_an_object)?;
    Ok((kept.len(), if members.is_empty() { "" } else { "," }))
}

/// Keeps the first bytes, and adds the member before the last part.
fn change(kept: usize, parts: &[&str], member: (&str, &str)) -> Result<Addition> {
    let (after, before) = parts.split_last().ok_or_else(|| Error::internal("nothing is added"))?;
    let (name, value) = member;
    // No character takes more than 6 bytes.
    let size = parts.iter().map(|part| part.len()).sum::<usize>() + 6 * (name.len() + value.len()) + 16;
    let mut added = Zeroizing::new(Vec::with_capacity(size));
    before.iter().for_each(|part| added.extend_from_slice(part.as_bytes()));
    for (text, end) in [(name, ":"), (value, *after)] {
        serde_json::to_writer(&mut *added, text).map_err(|_| Error::internal("a text is not JSON"))?;
        added.extend_from_slice(end.as_bytes());
    }
    added.push(0);
    Ok(Addition { kept, added })
}

#[cold]
fn not_an_object() -> Error {
    Error::argument("request: must be an object")
}

fn members_of(object: &str) -> Result<BTreeMap<String, &str>> {
    json::members(object).ok_or_else(not_an_object)
}

/// The text at `request`, which must end within `size` bytes.
unsafe fn text_within<'a>(request: *const c_char, size: usize) -> Result<&'a str> {
    // SAFETY: byte by byte up to the NUL, so that nothing behind it is read, whatever the size says.
    let ends = !request.is_null() && (0..size).any(|at| unsafe { request.add(at).read() } == 0);
    if !ends {
        return Err(Error::argument("request: is NULL or has no end"));
    }
    // SAFETY: it ends with NUL.
    unsafe { text(request, "request") }
}

#[cfg(test)]
mod tests;
