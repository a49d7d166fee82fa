//! What a request holds, as a tree: names, lists and values are literal, and placeholders stand in leaf texts.

use super::secret;
use super::template::{Placeholder, Template};
use crate::error::Result;
use crate::json::{self, Value};
use crate::message::locale;
use crate::strict::Node;

/// The member by which a tree stands as JSON in a text.
const AS_TEXT: &str = "$json";

/// The member with a tree for each locale.
const BY_LOCALE: &str = "$locale";

/// A value of a request.
pub enum Tree {
    /// A number, true, false or null, as JSON writes it.
    Scalar(String),
    /// A text.
    Text(Template),
    /// Values.
    List(Vec<Tree>),
    /// Names and values.
    Object(Vec<(String, Tree)>),
    /// A tree as JSON, in a text.
    Json(Box<Tree>),
    /// One of these, by the locale that was asked for.
    Locale(ByLocale),
}

/// Trees by locale.
pub struct ByLocale {
    /// The locales, in their one spelling.
    there: Vec<Option<String>>,
    trees: Vec<Tree>,
}

impl ByLocale {
    fn read(node: Node) -> Result<Self> {
        let none = node.error("must hold a value for a locale");
        let mut read = Self { there: Vec::new(), trees: Vec::new() };
        for (name, node) in node.object()?.into_members() {
            let normal = Some(locale::normal(&name));
            if !locale::is_name(&name) {
                return Err(node.error("not a locale"));
            }
            if read.there.contains(&normal) {
                return Err(node.error("repeated in another spelling"));
            }
            let nested = node.error("already within $locale");
            read.there.push(normal);
            match Tree::read(node)? {
                Tree::Locale(_) => return Err(nested),
                tree => read.trees.push(tree),
            }
        }
        if read.trees.is_empty() { Err(none) } else { Ok(read) }
    }

    /// The tree for a locale: its own, a sibling's, the English or the first one, as texts are chosen.
    pub fn tree(&self, wanted: &str) -> Option<&Tree> {
        self.trees.get(locale::choose(&locale::normal(wanted), &self.there))
    }
}

impl Tree {
    /// Reads a tree.
    ///
    /// # Errors
    ///
    /// A placeholder that is unknown, or stands where it could become structure.
    pub fn read(node: Node) -> Result<Self> {
        if node.is_object() {
            return Self::read_members(node);
        }
        if node.is_list() {
            return Ok(Self::List(node.list(0..=usize::MAX)?.into_iter().map(Self::read).collect::<Result<_>>()?));
        }
        match node.scalar() {
            Some(scalar) => Ok(Self::Scalar(scalar)),
            None => read_text(node).map(Self::Text),
        }
    }

    fn read_members(node: Node) -> Result<Self> {
        let mut members = node.object()?.into_members();
        if let [(name, _)] = &members[..]
            && [AS_TEXT, BY_LOCALE].contains(&name.as_str())
            && let Some((name, tree)) = members.pop()
        {
            return Ok(match &*name {
                AS_TEXT => Self::Json(Box::new(Self::read(tree)?)),
                _ => Self::Locale(ByLocale::read(tree)?),
            });
        }
        let mut read = Vec::with_capacity(members.len());
        for (name, node) in members {
            check_name(&name, &node)?;
            read.push((name, Self::read(node)?));
        }
        Ok(Self::Object(read))
    }

    /// Reads the fields of a form or a query.
    ///
    /// # Errors
    ///
    /// The same, and what no field can hold.
    pub fn read_fields(node: Node) -> Result<Self> {
        let mut fields = Vec::new();
        for (name, node) in node.object()?.into_members() {
            check_name(&name, &node)?;
            let unfit = node.error(
                "must be a text, a number, true, false, {\"$json\": …}, {\"$locale\": …} of these or a list of these",
            );
            let tree = Self::read(node)?;
            let is_fit = match &tree {
                Self::List(items) => items.iter().all(Self::is_leaf),
                other => other.is_leaf(),
            };
            if !is_fit {
                return Err(unfit);
            }
            fields.push((name, tree));
        }
        Ok(Self::Object(fields))
    }

    /// Whether it is one value of a form.
    fn is_leaf(&self) -> bool {
        match self {
            Self::Scalar(scalar) => scalar != "null",
            Self::Text(_) | Self::Json(_) => true,
            Self::Locale(by_locale) => by_locale.trees.iter().all(Self::is_leaf),
            Self::List(_) | Self::Object(_) => false,
        }
    }

    /// Whether such a placeholder stands in it, whatever the locale.
    pub fn always_has(&self, wanted: &dyn Fn(&Placeholder) -> bool) -> bool {
        match self {
            Self::List(items) => items.iter().any(|item| item.always_has(wanted)),
            Self::Object(members) => members.iter().any(|(_, member)| member.always_has(wanted)),
            Self::Json(tree) => tree.always_has(wanted),
            Self::Locale(by_locale) => by_locale.trees.iter().all(|tree| tree.always_has(wanted)),
            Self::Scalar(_) | Self::Text(_) => self.has(wanted),
        }
    }

    /// Whether such a placeholder stands in it.
    pub fn has(&self, wanted: &dyn Fn(&Placeholder) -> bool) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::Text(template) => template.has(wanted),
            Self::List(items) => items.iter().any(|item| item.has(wanted)),
            Self::Object(members) => members.iter().any(|(_, member)| member.has(wanted)),
            Self::Json(tree) => tree.has(wanted),
            Self::Locale(by_locale) => by_locale.trees.iter().any(|tree| tree.has(wanted)),
        }
    }
}

/// A name is literal: what looks like a placeholder in it was meant otherwise.
fn check_name(name: &str, node: &Node) -> Result<()> {
    match name {
        AS_TEXT | BY_LOCALE => Err(node.error("must be the only member of its object")),
        _ if name.contains(['{', '}']) => Err(node.error("no brace may stand in a name")),
        _ => Ok(()),
    }
}

fn read_text(node: Node) -> Result<Template> {
    let (node, is_secret) = secret::resolve_noting(node)?;
    let text = node.text()?;
    if is_secret {
        return Ok(Template::of(text.to_owned().into()));
    }
    let template = Template::parse(text).map_err(|cause| node.error(cause))?;
    if template.has(&|_| true) && is_json(&template) {
        return Err(node.error("a placeholder in JSON that is a text: write {\"$json\": …} with the tree itself"));
    }
    if is_markup(text) && template.has(&|placeholder| !placeholder.is_plain()) {
        return Err(node.error("in markup only {digits}, {ref} and {minutes} may stand: their values never are markup"));
    }
    Ok(template)
}

/// Whether a text is XML or HTML: its values would need to be escaped once more.
fn is_markup(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('<') && text.ends_with('>')
}

/// Whether a text is JSON by itself, whatever is filled in: an object, a list or a text in quotes. There a value could
/// become structure.
fn is_json(template: &Template) -> bool {
    let parse = |value: &str| template.filled(Some(value)).and_then(|text| json::parse(&text).ok());
    matches!(parse("1"), Some(Value::Object(_) | Value::List(_) | Value::Text(_)))
        || matches!(parse("\"1\""), Some(Value::Object(_) | Value::List(_)))
}
