//! Reading replies and writing requests, for hosts without a JSON library at hand.

use std::ffi::c_char;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ffi::guard::catch;
use crate::ffi::results::{OTP_E_ARGUMENT, OTP_OK, otp_result};
use crate::ffi::strings::text;

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
    let found = catch(|| unsafe { find(reply, field) });
    match found {
        Ok(Some(Scalar::Integer(integer))) => integer,
        Ok(Some(Scalar::Boolean(boolean))) => i64::from(boolean),
        _ => otherwise,
    }
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
    let found = catch(|| Ok(unsafe { find(reply, field) }?.map(Scalar::into_text)));
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
    match catch(|| unsafe { add_text(request, request_size, field, text) }) {
        Ok(()) => OTP_OK,
        Err(_) => OTP_E_ARGUMENT,
    }
}

unsafe fn add_text(request: *mut c_char, size: usize, field: *const c_char, value: *const c_char) -> Result<()> {
    // SAFETY: pointers are NULL or what the header asks for.
    let (field, value) = unsafe { (text(field, "field")?, text(value, "text")?) };
    // SAFETY: as above.
    let so_far = unsafe { text_within(request, size) }?;
    let (kept, last) = match so_far.trim_end().strip_suffix('}') {
        _ if so_far.is_empty() => ("", "{"),
        Some(kept) => match members_beside(so_far, field)? {
            0 => (kept, ""),
            _ => (kept, ","),
        },
        None => return Err(Error::argument("request is no object")),
    };
    let added = member(last, field, value)?;
    let kept = kept.len();
    if added.len() > size - kept {
        return Err(Error::argument("request has no room"));
    }
    // SAFETY: within `size` bytes; `added` is memory of the library, and nothing of the caller's is borrowed any more.
    unsafe { request.add(kept).copy_from_nonoverlapping(added.as_ptr().cast(), added.len()) };
    Ok(())
}

/// What follows the members so far, up to the NUL. It may hold a code: the memory is taken in one piece and wiped.
fn member(before: &str, field: &str, value: &str) -> Result<Zeroizing<Vec<u8>>> {
    // No character takes more than 6 bytes.
    let mut added = Zeroizing::new(Vec::with_capacity(6 * (field.len() + value.len()) + 16));
    added.extend_from_slice(before.as_bytes());
    for (text, after) in [(field, b':'), (value, b'}')] {
        serde_json::to_writer(&mut *added, text).map_err(|_| Error::internal("a text is not JSON"))?;
        added.push(after);
    }
    added.push(0);
    Ok(added)
}

/// How many members an object has, none of them called `field`.
fn members_beside(object: &str, field: &str) -> Result<usize> {
    let mut json = serde_json::Deserializer::from_str(object);
    let members = json.deserialize_map(Names { field }).map_err(|_| Error::argument("request is no object"))?;
    json.end().map_err(|_| Error::argument("request is no object"))?;
    members.ok_or_else(|| Error::argument("request has this member"))
}

struct Names<'a> {
    field: &'a str,
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let (mut members, mut repeated) = (0, false);
        while let Some(is_field) = map.next_key_seed(Is(self.field))? {
            map.next_value::<IgnoredAny>()?;
            members += 1;
            repeated |= is_field;
        }
        Ok((!repeated).then_some(members))
    }
}

/// Compares a name without keeping it.
struct Is<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> std::result::Result<bool, E> {
        Ok(name == self.0)
    }
}

/// The text at `request`, which must end within `size` bytes.
unsafe fn text_within<'a>(request: *const c_char, size: usize) -> Result<&'a str> {
    // SAFETY: byte by byte up to the NUL, so that nothing behind it is read, whatever the size says.
    let ends = !request.is_null() && (0..size).any(|at| unsafe { request.add(at).read() } == 0);
    if !ends {
        return Err(Error::argument("request is NULL or has no end"));
    }
    // SAFETY: it ends with NUL.
    unsafe { text(request, "request") }
}

/// A member that is a leaf.
enum Scalar {
    Text(Zeroizing<String>),
    Integer(i64),
    Boolean(bool),
    Number(String),
}

impl Scalar {
    fn into_text(self) -> Zeroizing<String> {
        match self {
            Scalar::Text(text) => text,
            Scalar::Integer(integer) => Zeroizing::new(integer.to_string()),
            Scalar::Boolean(boolean) => Zeroizing::new(boolean.to_string()),
            Scalar::Number(number) => Zeroizing::new(number),
        }
    }
}

unsafe fn find(reply: *const c_char, field: *const c_char) -> Result<Option<Scalar>> {
    // SAFETY: pointers are NULL or what the header asks for.
    let (reply, field) = unsafe { (text(reply, "reply")?, text(field, "field")?) };
    let mut json = serde_json::Deserializer::from_str(reply);
    let found = At { path: Some(field) }.deserialize(&mut json);
    let found = found.and_then(|found| json.end().map(|()| found));
    found.map_err(|_| Error::argument("reply is no JSON"))
}

/// Reads what is at the end of a path, and nothing else.
struct At<'a> {
    /// The rest of the path: none where its end is reached.
    path: Option<&'a str>,
}

impl<'a> At<'a> {
    /// The next name, and what to read there.
    fn step(&self) -> Option<(&'a str, At<'a>)> {
        let path = self.path?;
        Some(match path.split_once('.') {
            Some((name, rest)) => (name, At { path: Some(rest) }),
            None => (path, At { path: None }),
        })
    }

    fn leaf<E>(&self, scalar: Scalar) -> std::result::Result<Option<Scalar>, E> {
        Ok(self.path.is_none().then_some(scalar))
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<Scalar>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<Scalar>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut step = self.step();
        let mut found = None;
        while let Some(is_next) = map.next_key_seed(Is(step.as_ref().map_or("", |(name, _)| name)))? {
            match step.take_if(|_| is_next) {
                Some((_, inner)) => found = map.next_value_seed(inner)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> std::result::Result<Self::Value, A::Error> {
        let step = self.step().and_then(|(name, inner)| Some((name.parse::<usize>().ok()?, inner)));
        let (index, mut inner) = step.map_or((0, None), |(index, inner)| (index, Some(inner)));
        let mut found = None;
        for at in 0.. {
            match inner.take_if(|_| at == index) {
                Some(inner) => match array.next_element_seed(inner)? {
                    Some(element) => found = element,
                    None => break,
                },
                None => match array.next_element::<IgnoredAny>()? {
                    Some(_) => {}
                    None => break,
                },
            }
        }
        Ok(found)
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Self::Value, E> {
        self.leaf(Scalar::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_i64<E>(self, integer: i64) -> std::result::Result<Self::Value, E> {
        self.leaf(Scalar::Integer(integer))
    }

    fn visit_u64<E>(self, integer: u64) -> std::result::Result<Self::Value, E> {
        self.leaf(i64::try_from(integer).map_or_else(|_| Scalar::Number(integer.to_string()), Scalar::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<Self::Value, E> {
        self.leaf(Scalar::Number(number.to_string()))
    }

    fn visit_bool<E>(self, boolean: bool) -> std::result::Result<Self::Value, E> {
        self.leaf(Scalar::Boolean(boolean))
    }

    fn visit_unit<E>(self) -> std::result::Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
