//! JSON as a tree that keeps what others lose: repeated members, the order of members, whole numbers. Its texts are
//! wiped on drop.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// How deep lists and objects may be nested.
const MAX_DEPTH: usize = 16;

/// Why a text was not read.
pub enum ParseError {
    /// It is nested more than 16 deep.
    TooDeep,
    /// It is not JSON from here on.
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

/// A value.
pub enum Value {
    Null,
    Flag(bool),
    Integer(i128),
    /// With a fraction or an exponent.
    Number(f64),
    Text(Zeroizing<String>),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// Reads a document.
///
/// # Errors
///
/// Text that is not JSON, or that is nested too deeply.
pub fn parse(text: &str) -> Result<Value, ParseError> {
    read(text, Beyond::Refused)
}

/// Reads a document of somebody else. What is nested too deeply in it is null.
pub fn parse_foreign(text: &str) -> Option<Value> {
    read(text, Beyond::Null).ok()
}

fn read(text: &str, beyond: Beyond) -> Result<Value, ParseError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let tree = Tree { depth_left: MAX_DEPTH, beyond }.deserialize(&mut deserializer);
    tree.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| match error.classify() {
        // The only error of that kind is the one of `Tree`.
        Category::Data => ParseError::TooDeep,
        // serde_json's own words may repeat what was read.
        _ => ParseError::NotJson { line: error.line(), column: error.column() },
    })
}

/// The members of an object, each value as it is written; `None` for what is no object.
pub fn members(text: &str) -> Option<BTreeMap<String, &str>> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    Some(members.into_iter().map(|(name, value)| (name, value.get())).collect())
}

/// How many bytes a text takes inside the quotes of a JSON string.
pub fn escaped_bytes(text: &str) -> usize {
    text.chars().map(escaped_char_bytes).sum()
}

/// How many bytes a character takes there.
pub fn escaped_char_bytes(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..'\u{20}' => 6,
        _ => letter.len_utf8(),
    }
}

impl Value {
    /// What stands at the end of a path, whose names are separated by dots: members of objects, of repeated ones the
    /// first, and items of lists, counted from 0.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |value, name| match value {
            Value::Object(members) => members.iter().find(|(member, _)| member == name).map(|(_, value)| value),
            Value::List(items) => items.get(name.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

impl Value {
    /// A number, true, false or null as JSON writes it; none of anything else.
    pub fn scalar(&self) -> Option<String> {
        match self {
            Value::Null => Some("null".to_owned()),
            Value::Flag(flag) => Some(flag.to_string()),
            Value::Integer(integer) => Some(integer.to_string()),
            Value::Number(number) => serde_json::to_string(number).ok(),
            Value::Text(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// The same, or a text in quotes.
    pub fn scalar_or_text(&self) -> Option<String> {
        match self {
            Value::Text(text) => serde_json::to_string(text.as_str()).ok(),
            other => other.scalar(),
        }
    }

    /// Whether an object in it has a member twice.
    pub fn repeats(&self) -> bool {
        match self {
            Value::Object(members) => {
                let mut names = BTreeSet::new();
                members.iter().any(|(name, value)| !names.insert(name.as_str()) || value.repeats())
            }
            Value::List(items) => items.iter().any(Value::repeats),
            _ => false,
        }
    }
}

/// What becomes of a value that is nested too deeply.
#[derive(Clone, Copy)]
enum Beyond {
    Refused,
    Null,
}

/// Builds a [`Value`].
#[derive(Clone, Copy)]
struct Tree {
    depth_left: usize,
    beyond: Beyond,
}

impl Tree {
    /// One for what is inside; `None` where that is passed over.
    fn deeper<E: serde::de::Error>(self) -> Result<Option<Self>, E> {
        match (self.depth_left.checked_sub(1), self.beyond) {
            (Some(depth_left), beyond) => Ok(Some(Self { depth_left, beyond })),
            (None, Beyond::Null) => Ok(None),
            (None, Beyond::Refused) => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Value, E> {
        Ok(Value::Integer(integer.into()))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::Integer(integer.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Some(seed) = self.deeper()? else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let Some(seed) = self.deeper()? else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut object = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            object.push((name, members.next_value_seed(seed)?));
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_as_serde_json_writes_them() {
        for letter in ('\0'..='\u{800}').chain(['\u{ffff}', '\u{10ffff}']) {
            let written = serde_json::to_string(&letter).unwrap();
            assert_eq!(escaped_bytes(&letter.to_string()), written.len() - 2, "{written}");
        }
    }
}
