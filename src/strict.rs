//! JSON from outside, read strictly: every member is known, none is repeated, every value has the type and the range
//! it must have. An error names the member by its path (`policy.sendLimits[0].count`) and never repeats a value.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::json::{self, ParseError, Value};

/// Longest foreign name that an error shows, and most digits in it.
const SHOWN_CHARS: usize = 32;
const SHOWN_DIGITS: usize = 2;

/// Makes the error of a document: `Error::config` or `Error::argument`.
pub type Fail = fn(String) -> Error;

/// Whether this is a text of 1 to `max` bytes without control characters.
pub fn is_name(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whether all of the text is visible ASCII and there is any.
pub fn is_visible_ascii(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether this is the name of a host: letters, digits and hyphens in labels (RFC 1123, 2.1), without a port.
pub fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Reads a document. `title` names it where an error concerns no single member.
///
/// # Errors
///
/// Text that is not JSON, or that is nested too deeply.
pub fn parse(json: &str, title: &'static str, fail: Fail) -> Result<Node> {
    let place = Location { fail, title, path: String::new() };
    match json::parse(json) {
        Ok(value) => Ok(Node { place, value }),
        Err(ParseError::TooDeep) => Err(place.error("nested too deeply")),
        Err(ParseError::NotJson { line, column }) => {
            Err(place.error(&format!("not valid JSON: line {line}, column {column}")))
        }
    }
}

/// Reads a document of somebody else: an object without repeated members, or nothing. What is nested too deeply in it
/// is null.
pub fn parse_foreign(json: &str) -> Option<Object> {
    let place = Location { fail: Error::argument, title: "document", path: String::new() };
    Node { place, value: json::parse_foreign(json)? }.object().ok()
}

/// Where in a document something stands.
#[derive(Clone)]
struct Location {
    fail: Fail,
    title: &'static str,
    path: String,
}

impl Location {
    fn member(&self, name: &str) -> Self {
        let name = shown(name);
        let path = if self.path.is_empty() { name } else { format!("{}.{name}", self.path) };
        Self { path, ..self.clone() }
    }

    fn item(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), ..self.clone() }
    }

    #[cold]
    fn error(&self, cause: &str) -> Error {
        let name = if self.path.is_empty() { self.title } else { &self.path };
        (self.fail)(format!("{name}: {cause}"))
    }
}

/// A foreign name as errors show it: whole if it looks like a name, and else not at all, since a number, a code or a
/// secret may have got into its place.
fn shown(name: &str) -> String {
    let is_plain = name.len() <= SHOWN_CHARS && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    if is_plain && digits <= SHOWN_DIGITS { name.to_owned() } else { "(a name that is not shown)".to_owned() }
}

/// A value and its place. Reading it in the wrong type is an error that names the place.
pub struct Node {
    place: Location,
    value: Value,
}

impl Node {
    /// An error about this value, for rules that go beyond its type.
    pub fn error(&self, cause: &str) -> Error {
        self.place.error(cause)
    }

    /// The same member with a text in place of its value.
    pub fn with_text(self, text: Zeroizing<String>) -> Self {
        Self { value: Value::Text(text), ..self }
    }

    /// The value as an object without repeated members.
    pub fn object(self) -> Result<Object> {
        let Value::Object(members) = self.value else { return Err(self.place.error("must be an object")) };
        let mut names = BTreeSet::new();
        match members.iter().find(|(name, _)| !names.insert(name.as_str())) {
            Some((name, _)) => Err(self.place.member(name).error("repeated")),
            None => Ok(Object { place: self.place, members }),
        }
    }

    /// The value as a list with so many items.
    pub fn list(self, count: RangeInclusive<usize>) -> Result<Vec<Node>> {
        let Value::List(items) = self.value else { return Err(self.place.error("must be a list")) };
        if !count.contains(&items.len()) {
            return Err(self.place.error(&format!("must have {} to {} items", count.start(), count.end())));
        }
        let node = |(index, value)| Node { place: self.place.item(index), value };
        Ok(items.into_iter().enumerate().map(node).collect())
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// Whether the value is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// A number, true, false or null as JSON writes it.
    pub fn scalar(&self) -> Option<String> {
        self.value.scalar()
    }

    /// The same, or a text in quotes.
    pub fn scalar_or_text(&self) -> Option<String> {
        self.value.scalar_or_text()
    }

    /// The value as a text without NUL, which no C string can hold.
    pub fn text(&self) -> Result<&str> {
        match &self.value {
            Value::Text(text) if text.contains('\0') => Err(self.error("must not contain a NUL")),
            Value::Text(text) => Ok(text),
            _ => Err(self.error("must be a text")),
        }
    }

    /// The value as a text, also where it is an integer: older documents of others have numbers where newer ones have
    /// texts.
    pub fn loose_text(&self) -> Option<Zeroizing<String>> {
        let integer = || self.integer::<u64>(0..=u64::MAX).map(|integer| integer.to_string());
        self.text().map(str::to_owned).or_else(|_| integer()).ok().map(Zeroizing::new)
    }

    /// The value as a text for which `valid` holds; `rule` completes "must be".
    pub fn text_if(&self, rule: &str, valid: impl FnOnce(&str) -> bool) -> Result<&str> {
        let text = self.text()?;
        if valid(text) { Ok(text) } else { Err(self.error(&format!("must be {rule}"))) }
    }

    /// The value as a text of 1 to `max` bytes without control characters.
    pub fn name(&self, max: usize) -> Result<String> {
        let rule = format!("a text of 1 to {max} bytes without control characters");
        self.text_if(&rule, |text| is_name(text, max)).map(str::to_owned)
    }

    /// The value as one of these texts: what stands beside it.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T> {
        let text = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        Err(self.error(&format!("must be one of {}", names.join(", "))))
    }

    /// The value as a boolean.
    pub fn flag(&self) -> Result<bool> {
        if let Value::Flag(flag) = self.value { Ok(flag) } else { Err(self.error("must be true or false")) }
    }

    /// The value as an integer in this range.
    pub fn integer<T: TryFrom<u64>>(&self, range: RangeInclusive<u64>) -> Result<T> {
        let integer = if let Value::Integer(integer) = self.value { u64::try_from(integer).ok() } else { None };
        let integer = integer.filter(|integer| range.contains(integer)).and_then(|integer| T::try_from(integer).ok());
        integer.ok_or_else(|| self.error(&format!("must be an integer from {} to {}", range.start(), range.end())))
    }

    /// The value as a finite number.
    pub fn number(&self) -> Result<f64> {
        match self.value {
            Value::Number(number) => Ok(number),
            Value::Integer(integer) => Ok(integer as f64),
            _ => Err(self.error("must be a number")),
        }
    }
}

/// An object whose members are taken one by one.
pub struct Object {
    place: Location,
    members: Vec<(String, Value)>,
}

impl Object {
    /// A document that was left out: an empty object.
    pub fn absent(title: &'static str, fail: Fail) -> Self {
        Self { place: Location { fail, title, path: String::new() }, members: Vec::new() }
    }

    /// Adds a text, as a member that must not be there yet.
    pub fn add_text(&mut self, name: &str, text: &str) {
        self.members.push((name.to_owned(), Value::Text(Zeroizing::new(text.to_owned()))));
    }

    /// An error about a member, there or not.
    pub fn error(&self, name: &str, cause: &str) -> Error {
        self.place.member(name).error(cause)
    }

    /// Whether it has this member still.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }

    /// Takes a member.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.remove(index);
        Some(Node { place: self.place.member(name), value })
    }

    /// Takes a text, or an integer as one, of a document that is not ours: anything else is none.
    pub fn take_text(&mut self, name: &str) -> Option<Zeroizing<String>> {
        self.take(name)?.loose_text()
    }

    /// Takes an object of a document that is not ours: anything else is none.
    pub fn take_inner(&mut self, name: &str) -> Option<Object> {
        self.take(name)?.object().ok()
    }

    /// Takes a member that must be there.
    pub fn need(&mut self, name: &str) -> Result<Node> {
        self.take(name).ok_or_else(|| self.error(name, "missing"))
    }

    /// Takes a member that is an object; one that is not there is empty.
    pub fn take_object(&mut self, name: &str) -> Result<Object> {
        match self.take(name) {
            Some(node) => node.object(),
            None => Ok(Object { place: self.place.member(name), members: Vec::new() }),
        }
    }

    /// Takes all members, in the order in which they were written.
    pub fn into_members(self) -> Vec<(String, Node)> {
        let node = |(name, value): (String, Value)| {
            let place = self.place.member(&name);
            (name, Node { place, value })
        };
        self.members.into_iter().map(node).collect()
    }

    /// Refuses members that are not among these.
    pub fn refuse_others(&self, accepted: &[String], cause: &str) -> Result<()> {
        match self.members.iter().find(|(name, _)| !accepted.contains(name)) {
            Some((name, _)) => Err(self.error(name, cause)),
            None => Ok(()),
        }
    }

    /// Ends the reading: what was not taken is not known.
    pub fn finish(self) -> Result<()> {
        match self.members.first() {
            Some((name, _)) => Err(self.error(name, "unknown")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
