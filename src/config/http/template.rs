//! Texts with placeholders: `{name}`; `{{` and `}}` are braces.

use zeroize::Zeroizing;

use crate::message::is_param_name;

/// What is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The recipient's address.
    To,
    /// The step's.
    From,
    /// The subject of a mail.
    Subject,
    /// The text, code included.
    Text,
    /// The code.
    Code,
    /// The code's letters and digits one by one, for a voice.
    Digits,
    /// The channel.
    Channel,
    /// The language that was asked for.
    Locale,
    /// By what a report may name the message.
    Ref,
    /// How many minutes the code is good.
    Minutes,
    /// A value of the request's `params`.
    Param(String),
}

impl Placeholder {
    const ALL: [(&'static str, Placeholder); 10] = [
        ("to", Placeholder::To),
        ("from", Placeholder::From),
        ("subject", Placeholder::Subject),
        ("text", Placeholder::Text),
        ("code", Placeholder::Code),
        ("digits", Placeholder::Digits),
        ("channel", Placeholder::Channel),
        ("locale", Placeholder::Locale),
        ("ref", Placeholder::Ref),
        ("minutes", Placeholder::Minutes),
    ];

    /// Whether the code stands in its value.
    pub fn is_code(&self) -> bool {
        matches!(self, Placeholder::Text | Placeholder::Code | Placeholder::Digits)
    }

    /// Whether the code may stand in its value.
    pub fn may_hold_code(&self) -> bool {
        self.is_code() || *self == Placeholder::Subject
    }

    /// Whether its value is letters, digits, commas and spaces alone, so that it is text in any markup.
    pub fn is_plain(&self) -> bool {
        matches!(self, Placeholder::Digits | Placeholder::Ref | Placeholder::Minutes)
    }

    fn named(name: &str) -> Option<Self> {
        if let Some(param) = name.strip_prefix("params.") {
            return is_param_name(param).then(|| Placeholder::Param(param.to_owned()));
        }
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, placeholder)| placeholder)
    }
}

/// A part of a template.
pub enum Piece {
    /// Literal text.
    Text(Zeroizing<String>),
    /// What is filled in.
    Value(Placeholder),
}

/// A text with placeholders.
pub struct Template(pub Vec<Piece>);

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, without the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), Zeroizing::new(String::with_capacity(text.len())), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            literal.push_str(before);
            if let Some(tail) = after.strip_prefix("{{") {
                literal.push('{');
                rest = tail;
            } else if let Some(tail) = after.strip_prefix("}}") {
                literal.push('}');
                rest = tail;
            } else {
                let named = after.strip_prefix('{').and_then(|after| after.split_once('}'));
                let (name, tail) = named.ok_or("a brace alone: a brace is written twice, {{ or }}")?;
                let placeholder = Placeholder::named(name).ok_or("an unknown placeholder; a brace is written twice")?;
                pieces.push(Piece::Text(std::mem::replace(&mut literal, Zeroizing::new(String::new()))));
                pieces.push(Piece::Value(placeholder));
                rest = tail;
            }
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self(pieces))
    }

    /// One without placeholders.
    pub fn of(text: Zeroizing<String>) -> Self {
        Self(vec![Piece::Text(text)])
    }

    /// Its text, if nothing is filled in.
    pub fn literal(&self) -> Option<Zeroizing<String>> {
        self.filled(None)
    }

    /// Its text with the same in every placeholder; with none it must have none.
    pub fn filled(&self, value: Option<&str>) -> Option<Zeroizing<String>> {
        let mut parts = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            parts.push(match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Value(_) => value?,
            });
        }
        Some(Zeroizing::new(parts.concat()))
    }

    /// Whether such a placeholder stands in it.
    pub fn has(&self, wanted: &dyn Fn(&Placeholder) -> bool) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Value(placeholder) if wanted(placeholder)))
    }
}
