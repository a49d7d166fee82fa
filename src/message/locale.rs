//! Which of the locales that there are fits the one that is wanted.

use crate::limits::LOCALE_BYTES;

/// Regions whose Chinese is written in the traditional script (CLDR, likely subtags).
const TRADITIONAL: [&str; 3] = ["tw", "hk", "mo"];

/// Shortest code of a language (ISO 639). What is shorter begins another kind of tag, such as `x-own`.
const LANGUAGE_BYTES: usize = 2;

/// The one taken where none fits.
const FALLBACK: &str = "en";

/// Whether this can be a locale's name.
pub fn is_name(text: &str) -> bool {
    let in_tag = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LOCALE_BYTES).contains(&text.len()) && text.bytes().all(in_tag)
}

/// The place of the one that fits, else of English, else the first: of those that there are, all in the spelling of
/// `normal`.
pub fn choose(wanted: &str, there: &[Option<String>]) -> usize {
    best(wanted, there).or_else(|| best(FALLBACK, there)).unwrap_or_default()
}

/// The one spelling under which locales are compared.
pub fn normal(locale: &str) -> String {
    locale.to_ascii_lowercase().replace('_', "-")
}

/// The place of the one that fits among those that there are, all in the spelling of `normal`.
///
/// It is the wanted one, or what is left of it without subtags at its end (RFC 4647, 3.4); else a sibling, the first one
/// of the same language and script. A shorter tag of another script comes last: `zh` is not what who wants `zh-TW`
/// reads.
pub fn best(wanted: &str, there: &[Option<String>]) -> Option<usize> {
    let place = |fits: &dyn Fn(&str) -> bool| there.iter().position(|locale| locale.as_deref().is_some_and(fits));
    let look_up = |as_kin: bool| {
        let mut tags = shorter(wanted).filter(|tag| (kin(tag) == kin(wanted)) == as_kin);
        tags.find_map(|tag| place(&|locale| locale == tag))
    };
    let sibling = || kin(wanted).and_then(|wanted| place(&|locale| kin(locale) == Some(wanted)));
    look_up(true).or_else(sibling).or_else(|| look_up(false))
}

/// The tag, and what is left of it as one subtag after the other goes.
fn shorter(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(tag), |tag| tag.rsplit_once('-').map(|(shorter, _)| shorter))
}

/// The language and the script of a tag: who reads one of them reads all.
fn kin(tag: &str) -> Option<(&str, Option<&str>)> {
    let (language, rest) = tag.split_once('-').unwrap_or((tag, ""));
    let subtags = || rest.split('-');
    let is_script = |subtag: &&str| subtag.len() == 4 && subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let script = match (language, subtags().find(is_script)) {
        ("zh", None) if subtags().any(|subtag| TRADITIONAL.contains(&subtag)) => Some("hant"),
        ("zh", None) => Some("hans"),
        (_, script) => script,
    };
    // Norwegian is Bokmål, where nobody says which.
    let language = if language == "no" { "nb" } else { language };
    (language.len() >= LANGUAGE_BYTES).then_some((language, script))
}

#[cfg(test)]
mod tests;
