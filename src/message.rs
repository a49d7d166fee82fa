//! Texts of messages: templates by locale, their placeholders, and the lines by which browsers and Android apps find
//! the code in an SMS.
//!
//! A placeholder is `{name}`, where a name has 1 to 32 letters, digits or `_`. Any other brace is literal text, so
//! `{{code}}` gives the code in braces. Values are not expanded again.

mod length;
pub mod locale;
mod subject;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::json::escaped_bytes;
use crate::step::StepConfig;
use crate::strict::{Node, Object, is_host_name};

/// The text when the configuration has none.
const DEFAULT_TEXT: &str = "Insert the following code: {code}";

/// Longest text, in bytes as a JSON string holds it: with it every reply stays below its size.
const MAX_ESCAPED_BYTES: usize = 2000;

/// Longest message that Android's SMS Retriever reads, in bytes.
const MAX_ANDROID_BYTES: usize = 140;

const MAX_BRAND_BYTES: usize = 64;

/// What messages say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// In the order in which they were written; none for the default text.
    templates: Vec<Localized>,
    brand: Option<String>,
    web_otp_domain: Option<String>,
    android_hash: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Localized {
    /// `None` for a text without a locale.
    locale: Option<String>,
    template: String,
}

/// A text ready to be sent.
pub struct Rendered {
    /// The text, code included.
    pub text: Zeroizing<String>,
    /// The locale under which the configuration has it.
    pub locale: Option<String>,
}

impl Texts {
    /// Takes `message`, `brand`, `webOtpDomain` and `androidHash` from a configuration.
    ///
    /// # Errors
    ///
    /// A text without `{code}`, or with `{brand}` where there is no brand; a domain that is none; a hash that is
    /// none; both together, as each wants the end of the message.
    pub fn read(config: &mut Object) -> Result<Self> {
        let brand = config.take("brand").map(|node| node.name(MAX_BRAND_BYTES)).transpose()?;
        let mut texts = Self { brand, ..Self::default() };
        if let Some(node) = config.take("webOtpDomain") {
            texts.web_otp_domain = Some(node.text_if("a host name", is_host_name)?.to_owned());
        }
        if let Some(node) = config.take("androidHash") {
            let hash = node.text_if("11 characters of Base64", is_android_hash)?;
            if texts.web_otp_domain.is_some() {
                return Err(node.error("not possible together with webOtpDomain"));
            }
            texts.android_hash = Some(hash.to_owned());
        }
        if let Some(message) = config.take("message") {
            texts.read_message(message)?;
            if texts.templates.is_empty() {
                return Err(config.error("message", "must hold a text"));
            }
        }
        Ok(texts)
    }

    fn read_message(&mut self, message: Node) -> Result<()> {
        if !message.is_object() {
            let template = self.read_template(&message)?;
            self.templates.push(Localized { locale: None, template });
            return Ok(());
        }
        for (locale, node) in message.object()?.into_members() {
            if !locale::is_name(&locale) {
                return Err(node.error("not a locale"));
            }
            if self.has_locale(&locale::normal(&locale)) {
                return Err(node.error("repeated in another spelling"));
            }
            let template = self.read_template(&node)?;
            self.templates.push(Localized { locale: Some(locale), template });
        }
        Ok(())
    }

    /// Reads a template and checks its placeholders, as far as they do not depend on a request.
    ///
    /// # Errors
    ///
    /// As for `read`.
    pub fn read_template(&self, node: &Node) -> Result<String> {
        let template = node.text()?;
        let has = |name| pieces(template).contains(&Piece::Placeholder(name));
        if !has("code") {
            return Err(node.error("must contain {code}"));
        }
        if has("brand") && self.brand.is_none() {
            return Err(node.error("{brand} needs the option brand"));
        }
        Ok(template.to_owned())
    }

    /// Checks that a step's texts are short enough to be sent at all: with this code, and with empty values.
    ///
    /// # Errors
    ///
    /// A template that is too long by itself.
    pub fn check_length(&self, step: &StepConfig, code: &str, minutes: u64) -> Result<()> {
        self.check_subject(step, code, minutes)?;
        for (option, template) in self.templates_of(step) {
            let text = self.compose(step, template, code, &minutes.to_string(), |_| Some(""));
            text.map_err(|cause| Error::config(format!("{option}: text for {}: {cause}", step.channel)))?;
        }
        Ok(())
    }

    /// Warns of the step's text that takes the most SMS, if that is more than one, or one of half the size.
    pub fn sms_warning(&self, step: &StepConfig, code: &str, minutes: u64) -> Option<String> {
        let texts = self.templates_of(step).into_iter().filter_map(|(option, template)| {
            let text = self.compose(step, template, code, &minutes.to_string(), |_| Some("")).ok()?;
            Some((option, length::sms(&text)))
        });
        let (option, sms) = texts.max_by_key(|(_, sms)| (sms.segments, !sms.outside_gsm_7.is_empty()))?;
        let segments = if sms.segments == 1 { "1 segment".to_owned() } else { format!("{} segments", sms.segments) };
        match sms.outside_gsm_7.as_str() {
            "" if sms.segments == 1 => None,
            "" => Some(format!("{option}: an SMS takes {segments}")),
            outside => Some(format!("{option}: an SMS takes {segments} of UCS-2: not in GSM-7: {outside}")),
        }
    }

    /// The templates that a step may use, and the option that has them.
    fn templates_of<'a>(&'a self, step: &'a StepConfig) -> Vec<(String, &'a str)> {
        if let Some(template) = &step.template {
            return vec![("workflow".to_owned(), template)];
        }
        let named = |text: &Localized| match &text.locale {
            Some(locale) => format!("message.{locale}"),
            None => "message".to_owned(),
        };
        self.templates.iter().map(|text| (named(text), text.template.as_str())).collect()
    }

    /// The text that a step sends. Which placeholders and lengths fail does not depend on the code's digits, so a
    /// text can be tried with a placeholder of the same length before a code is drawn.
    ///
    /// # Errors
    ///
    /// A placeholder without a value; a text that is too long.
    pub fn render(
        &self,
        step: &StepConfig,
        locale: Option<&str>,
        code: &str,
        minutes_left: u64,
        params: &[(String, String)],
    ) -> Result<Rendered> {
        let chosen = self.choose(locale);
        let (locale, template) = match &step.template {
            Some(template) => (None, template.as_str()),
            None => chosen.map_or((None, DEFAULT_TEXT), |text| (text.locale.clone(), text.template.as_str())),
        };
        let param = |wanted: &str| params.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let text = self.compose(step, template, code, &minutes_left.to_string(), param);
        match text {
            Ok(text) => Ok(Rendered { text, locale }),
            Err(cause) => Err(Error::argument(format!("params: text for {}: {cause}", step.channel))),
        }
    }

    /// Whether a code can stand in the texts: a space or a `#` would end it early in the WebOTP line.
    pub fn can_carry(&self, code: &str) -> bool {
        self.web_otp_domain.is_none() || !code.contains([' ', '#'])
    }

    /// The text for a locale: that locale, its language, English, the first.
    fn choose(&self, locale: Option<&str>) -> Option<&Localized> {
        let wanted = locale.map(locale::normal).unwrap_or_default();
        self.templates.get(locale::choose(&wanted, &self.locales()))
    }

    fn locales(&self) -> Vec<Option<String>> {
        self.templates.iter().map(|text| text.locale.as_deref().map(locale::normal)).collect()
    }

    fn has_locale(&self, wanted: &str) -> bool {
        self.locales().iter().flatten().any(|locale| locale == wanted)
    }

    /// The whole text, or why there is none.
    fn compose<'a>(
        &'a self,
        step: &StepConfig,
        template: &'a str,
        code: &'a str,
        minutes: &'a str,
        param: impl Fn(&str) -> Option<&'a str>,
    ) -> std::result::Result<Zeroizing<String>, String> {
        let mut parts = self.fill(template, code, minutes, param)?;
        let is_sms = step.channel == "sms";
        let android_hash = self.android_hash.as_deref().filter(|_| is_sms);
        if is_sms {
            // WICG sms-one-time-codes, 3: the last line, with exactly one space.
            parts.extend(self.web_otp_domain.iter().flat_map(|domain| ["\n@", domain.as_str(), " #", code]));
            parts.extend(android_hash.iter().flat_map(|hash| ["\n", hash]));
        }
        // `concat` reserves once, so no copy of the code stays behind in a smaller buffer.
        let text = Zeroizing::new(parts.concat());
        if android_hash.is_some() && text.len() > MAX_ANDROID_BYTES {
            return Err(format!("longer than the {MAX_ANDROID_BYTES} bytes that androidHash allows"));
        }
        if let Some(most) = step.max_characters.filter(|most| text.chars().count() > *most) {
            return Err(format!("longer than the {most} characters that the channel allows"));
        }
        if escaped_bytes(&text) > MAX_ESCAPED_BYTES {
            return Err(format!("longer than {MAX_ESCAPED_BYTES} bytes"));
        }
        Ok(text)
    }

    /// The parts of a text with what stands for its placeholders, or which has no value.
    fn fill<'a>(
        &'a self,
        template: &'a str,
        code: &'a str,
        minutes: &'a str,
        param: impl Fn(&str) -> Option<&'a str>,
    ) -> std::result::Result<Vec<&'a str>, String> {
        let filled = |piece| match piece {
            Piece::Literal(text) => Ok(text),
            Piece::Placeholder("code") => Ok(code),
            Piece::Placeholder("minutes") => Ok(minutes),
            Piece::Placeholder("brand") => Ok(self.brand.as_deref().unwrap_or_default()),
            Piece::Placeholder(name) => param(name).ok_or_else(|| format!("no value for {{{name}}}")),
        };
        pieces(template).into_iter().map(filled).collect()
    }
}

/// Whether a request may give a parameter this name.
pub fn is_param_name(name: &str) -> bool {
    is_placeholder(name) && !matches!(name, "code" | "minutes" | "brand")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Literal(&'a str),
    Placeholder(&'a str),
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        pieces.push(Piece::Literal(before));
        match after.split_once('}') {
            Some((name, tail)) if is_placeholder(name) => {
                pieces.push(Piece::Placeholder(name));
                rest = tail;
            }
            _ => {
                pieces.push(Piece::Literal("{"));
                rest = after;
            }
        }
    }
    pieces.push(Piece::Literal(rest));
    pieces
}

fn is_placeholder(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The hash of an app for Android's SMS Retriever: the first 11 characters of a Base64 text.
fn is_android_hash(hash: &str) -> bool {
    hash.len() == 11 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests;
