//! A request, written from its template. Each value is encoded for the place where it stands: as JSON within quotes,
//! once more for each text that holds JSON, and by percent signs in a URL or a form. So it never becomes structure.

use zeroize::Zeroizing;

use super::super::Message;
use crate::config::{ByLocale, HttpBody, HttpConfig, HttpUrl, Piece, Placeholder, Template, Tree};
use crate::error::{Error, Result};

/// Longest body.
const BODY_BYTES: usize = 64 * 1024;

/// Longest path with its query: the head of a request is written into one buffer.
const TARGET_BYTES: usize = 16 * 1024;

/// What stands between the digits of a code for a voice, which pauses at it.
const APART: &str = ", ";

/// What is filled in.
pub struct Values<'a> {
    /// The message.
    pub message: &'a Message,
    /// The language.
    pub locale: &'a str,
    /// By what a report may name it.
    pub client_ref: &'a str,
    /// How many minutes its code is good.
    pub minutes: String,
    /// Its code for a voice; none if it cannot be said so.
    pub digits: Option<Zeroizing<String>>,
}

/// A request that is ready.
pub struct Rendered {
    /// Path and query.
    pub target: Zeroizing<String>,
    /// The body; empty where all stands in the query.
    pub body: Zeroizing<Vec<u8>>,
}

/// A code as a voice says it: one letter or digit after the other. None if it has anything else.
pub fn digits(code: &str) -> Option<Zeroizing<String>> {
    // Room for all of it: a text that grew would leave copies behind.
    let mut spoken = Zeroizing::new(String::with_capacity(code.len() * (APART.len() + 1)));
    for letter in code.chars() {
        if !letter.is_alphanumeric() {
            return None;
        }
        if !spoken.is_empty() {
            spoken.push_str(APART);
        }
        spoken.push(letter);
    }
    Some(spoken)
}

/// Writes the request for a message.
///
/// # Errors
///
/// `Argument` for a value that is missing, or too long, or cannot stand in its place.
pub fn render(config: &HttpConfig, values: &Values<'_>) -> Result<Rendered> {
    let mut target = Writer::new(values, TARGET_BYTES, true);
    target.url(&config.url)?;
    let mut body = Writer::new(values, BODY_BYTES, matches!(config.body, HttpBody::Form(_)));
    match &config.body {
        HttpBody::Json(tree) => body.tree(tree)?,
        HttpBody::Form(tree) => body.fields(tree)?,
        HttpBody::Query(tree) => {
            target.raw(if config.url.has_query() { "&" } else { "?" });
            target.fields(tree)?;
            body.out = Zeroizing::default();
        }
    }
    let target = target.end()?;
    // What was written is ASCII: all else is escaped.
    let target = Zeroizing::new(String::from_utf8_lossy(&target).into_owned());
    Ok(Rendered { target, body: body.end()? })
}

/// Writes into room for all of it: a buffer that grew would leave copies behind.
struct Writer<'a> {
    values: &'a Values<'a>,
    out: Zeroizing<Vec<u8>>,
    most: usize,
    is_full: bool,
    /// Whether bytes are escaped by percent signs in the end.
    by_percent: bool,
    /// In how many JSON texts, one in the other, the next letter stands.
    depth: usize,
}

impl<'a> Writer<'a> {
    fn new(values: &'a Values<'a>, most: usize, by_percent: bool) -> Self {
        let out = Zeroizing::new(Vec::with_capacity(most));
        Self { values, out, most, is_full: false, by_percent, depth: 0 }
    }

    fn end(self) -> Result<Zeroizing<Vec<u8>>> {
        match self.is_full {
            true => Err(self.cannot(&format!("longer than {} bytes", self.most))),
            false => Ok(self.out),
        }
    }

    fn cannot(&self, cause: &str) -> Error {
        Error::argument(format!("request: message for {}: {cause}", self.values.message.channel))
    }

    /// Path and query, whose literal parts are written in their form already.
    fn url(&mut self, url: &HttpUrl) -> Result<()> {
        let mut is_path = true;
        for piece in &url.target.0 {
            match piece {
                Piece::Text(text) => {
                    self.raw(text);
                    is_path = is_path && !text.contains('?');
                }
                Piece::Value(placeholder) => {
                    let value = self.value(placeholder)?;
                    if is_path && value.is_empty() {
                        return Err(self.cannot("an empty value cannot stand in a path"));
                    }
                    self.put(value);
                }
            }
        }
        let written = String::from_utf8_lossy(&self.out);
        let path = Zeroizing::new(written.split('?').next().unwrap_or_default().to_ascii_lowercase());
        // A server takes these for a way up.
        let is_way = |segment: &str| matches!(&*segment.replace("%2e", "."), "." | "..");
        if path.split('/').any(is_way) { Err(self.cannot("a value cannot stand in a path")) } else { Ok(()) }
    }

    fn fields(&mut self, tree: &Tree) -> Result<()> {
        let Tree::Object(fields) = tree else { return Err(Error::internal("the fields of a request are no object")) };
        let mut is_first = true;
        for (name, value) in fields {
            let values = if let Tree::List(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
            for value in values {
                let value = if let Tree::Locale(by_locale) = value { self.chosen(by_locale)? } else { value };
                self.raw(if is_first { "" } else { "&" });
                is_first = false;
                self.put(name);
                self.raw("=");
                match value {
                    Tree::Text(template) => self.template(template)?,
                    Tree::Json(tree) => self.tree(tree)?,
                    other => self.tree(other)?,
                }
            }
        }
        Ok(())
    }

    /// The tree for the language.
    fn chosen<'t>(&self, by_locale: &'t ByLocale) -> Result<&'t Tree> {
        by_locale.tree(self.values.locale).ok_or_else(|| Error::internal("a request has no tree for any locale"))
    }

    /// A tree as JSON.
    fn tree(&mut self, tree: &Tree) -> Result<()> {
        match tree {
            Tree::Locale(by_locale) => {
                let tree = self.chosen(by_locale)?;
                self.tree(tree)?;
            }
            Tree::Scalar(scalar) => self.put(scalar),
            Tree::Text(template) => self.quoted(|writer| writer.template(template))?,
            Tree::Json(tree) => self.quoted(|writer| writer.tree(tree))?,
            Tree::List(items) => {
                self.put("[");
                for (place, item) in items.iter().enumerate() {
                    self.put(if place == 0 { "" } else { "," });
                    self.tree(item)?;
                }
                self.put("]");
            }
            Tree::Object(members) => {
                self.put("{");
                for (place, (name, member)) in members.iter().enumerate() {
                    self.put(if place == 0 { "" } else { "," });
                    self.quoted(|writer| {
                        writer.put(name);
                        Ok(())
                    })?;
                    self.put(":");
                    self.tree(member)?;
                }
                self.put("}");
            }
        }
        Ok(())
    }

    /// What stands in quotes.
    fn quoted(&mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.put("\"");
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        self.put("\"");
        written
    }

    fn template(&mut self, template: &Template) -> Result<()> {
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => self.put(text),
                Piece::Value(placeholder) => {
                    let value = self.value(placeholder)?;
                    self.put(value);
                }
            }
        }
        Ok(())
    }

    fn value(&self, placeholder: &Placeholder) -> Result<&'a str> {
        let Values { message, locale, client_ref, minutes, digits } = self.values;
        Ok(match placeholder {
            Placeholder::To => &message.to,
            Placeholder::From => &message.from,
            Placeholder::Subject => message.subject.as_deref().map_or("", |subject| subject),
            Placeholder::Text => &message.text,
            Placeholder::Code => &message.code,
            Placeholder::Digits => {
                digits.as_ref().ok_or_else(|| self.cannot("{digits} needs a code of letters and digits"))?
            }
            Placeholder::Channel => &message.channel,
            Placeholder::Locale => locale,
            Placeholder::Ref => client_ref,
            Placeholder::Minutes => minutes,
            Placeholder::Param(wanted) => {
                let value = message.params.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
                value.ok_or_else(|| self.cannot(&format!("params has no value for {{params.{wanted}}}")))?
            }
        })
    }

    /// A text, encoded for its place.
    fn put(&mut self, text: &str) {
        text.chars().for_each(|letter| self.letter(self.depth, letter));
    }

    /// A letter in so many JSON texts.
    fn letter(&mut self, depth: usize, letter: char) {
        let Some(outer) = depth.checked_sub(1).filter(|_| !self.is_full) else { return self.byte_by_byte(letter) };
        match letter {
            '"' | '\\' => ['\\', letter].into_iter().for_each(|letter| self.letter(outer, letter)),
            '\0'..' ' => {
                let escape = format!("\\u{:04x}", u32::from(letter));
                escape.chars().for_each(|letter| self.letter(outer, letter));
            }
            _ => self.letter(outer, letter),
        }
    }

    fn byte_by_byte(&mut self, letter: char) {
        let mut room = [0; 4];
        for byte in letter.encode_utf8(&mut room).bytes() {
            // RFC 3986, 2.3: these stand for themselves everywhere.
            let is_open = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if self.by_percent && !is_open {
                let digit = |half: u8| b"0123456789ABCDEF".get(usize::from(half)).copied().unwrap_or_default();
                [b'%', digit(byte >> 4), digit(byte & 15)].into_iter().for_each(|byte| self.push(byte));
            } else {
                self.push(byte);
            }
        }
    }

    /// What is structure here.
    fn raw(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.push(byte));
    }

    fn push(&mut self, byte: u8) {
        self.is_full = self.is_full || self.out.len() == self.most;
        if !self.is_full {
            self.out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests;
