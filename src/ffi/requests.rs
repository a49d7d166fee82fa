//! Writing requests, for hosts without a JSON library at hand.

use std::ffi::c_char;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ffi::guard::catch;
use crate::ffi::helpers::Is;
use crate::ffi::results::{OTP_E_ARGUMENT, OTP_OK, otp_result};
use crate::ffi::strings::text;

/// The member of a request that holds the values for its text.
const PARAMS: &str = "params";

/// Adds a member with a text to the JSON object that is being built in `request`, a buffer of `request_size` bytes;
/// what needs escaping is escaped. To begin, set `request[0]` to 0. `field` is a name, in which dots have no meaning.
///
/// Results: OTP_OK. OTP_E_ARGUMENT, and the buffer is as it was: a member of this name is there already, there is no
/// room, the buffer holds something else than an object, or anything is NULL or not UTF-8.
///
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
    unsafe { add(request, request_size, field, text, "field", with_member) }
}

/// Adds a text to the `params` of the request that is being built in `request`, as otp_request_text() adds a member:
/// `name` stands in braces in the message. `params` is added with the first one.
///
/// Results: as of otp_request_text(); OTP_E_ARGUMENT too where `params` holds this name already, or is no object.
///
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
    unsafe { add(request, request_size, name, text, "name", with_param) }
}

/// A text that changes at its end: how much of it stays, and what follows that, with a NUL. It may hold a code: the
/// memory is taken in one piece and wiped.
struct Change {
    kept: usize,
    added: Zeroizing<Vec<u8>>,
}

/// Changes the request in its buffer. `title` names the parameter with the name.
unsafe fn add(
    request: *mut c_char,
    size: usize,
    name: *const c_char,
    value: *const c_char,
    title: &str,
    change: fn(&str, &str, &str) -> Result<Change>,
) -> otp_result {
    let added = catch(|| {
        // SAFETY: pointers are NULL or what the header asks for.
        let (name, value) = unsafe { (text(name, title)?, text(value, "text")?) };
        // SAFETY: as above.
        let Change { kept, added } = change(unsafe { text_within(request, size) }?, name, value)?;
        if added.len() > size - kept {
            return Err(Error::argument("request: has no room"));
        }
        // SAFETY: within `size` bytes; `added` is memory of the library, and nothing of the caller's is borrowed.
        unsafe { request.add(kept).copy_from_nonoverlapping(added.as_ptr().cast(), added.len()) };
        Ok(())
    });
    if added.is_ok() { OTP_OK } else { OTP_E_ARGUMENT }
}

fn with_member(request: &str, name: &str, value: &str) -> Result<Change> {
    if request.is_empty() {
        return change(0, &["{", "}"], (name, value));
    }
    let (place, comma) = end_of(request, name)?;
    change(place, &[comma, "}"], (name, value))
}

fn with_param(request: &str, name: &str, value: &str) -> Result<Change> {
    if request.is_empty() {
        return change(0, &["{\"params\":{", "}}"], (name, value));
    }
    let Some(params) = member_of(request, PARAMS)?.value else {
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
    let found = member_of(object, name)?;
    if found.value.is_some() {
        return Err(Error::argument("request: has this member"));
    }
    let kept = object.trim_end().strip_suffix('}').ok_or_else(not_an_object)?;
    Ok((kept.len(), if found.members > 0 { "," } else { "" }))
}

/// Keeps the first bytes, and adds the member before the last part.
fn change(kept: usize, parts: &[&str], member: (&str, &str)) -> Result<Change> {
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
    Ok(Change { kept, added })
}

#[cold]
fn not_an_object() -> Error {
    Error::argument("request: must be an object")
}

/// What was found of a member.
struct Found<'a> {
    /// Its value, as it stands there.
    value: Option<&'a str>,
    /// How many members the object has.
    members: usize,
}

fn member_of<'a>(object: &'a str, name: &str) -> Result<Found<'a>> {
    let mut json = serde_json::Deserializer::from_str(object);
    let found = json.deserialize_map(Member { name }).map_err(|_| not_an_object())?;
    json.end().map_err(|_| not_an_object())?;
    Ok(found)
}

struct Member<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Found<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Found<'de>, A::Error> {
        let mut found = Found { value: None, members: 0 };
        while let Some(is_named) = map.next_key_seed(Is(self.name))? {
            found.members += 1;
            if is_named {
                found.value = Some(map.next_value::<&RawValue>()?.get());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
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
