//! Reading replies, for hosts without a JSON library at hand.

use std::ffi::c_char;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ffi::guard::catch;
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

/// Compares a name without keeping it.
pub(super) struct Is<'a>(pub &'a str);

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
    found.map_err(|_| Error::argument("reply: is no JSON"))
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
