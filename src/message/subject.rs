//! Subjects of mails: templates as texts are, without a code by default.

use super::{Piece, Texts, pieces};
use crate::error::{Error, Result};
use crate::json::escaped_bytes;
use crate::step::StepConfig;
use crate::strict::Node;

/// The subject when a step has none, and when there is a brand.
const DEFAULT_SUBJECT: &str = "Your code";
const BRANDED_SUBJECT: &str = "{brand}: your code";

/// Longest subject, in bytes as a JSON string holds it: with it every reply stays below its size.
const MAX_ESCAPED_BYTES: usize = 256;

/// The option that has it.
const OPTION: &str = "workflow.subject";

impl Texts {
    /// Reads a step's subject.
    ///
    /// # Errors
    ///
    /// `{brand}` where there is no brand; a control character; a subject that is too long by itself.
    pub fn read_subject(&self, node: &Node) -> Result<String> {
        let template = node.text()?;
        if template.trim().is_empty() || template.chars().any(char::is_control) {
            return Err(node.error("must be a text that is not empty, without control characters"));
        }
        if pieces(template).contains(&Piece::Placeholder("brand")) && self.brand.is_none() {
            return Err(node.error("{brand} needs the option brand"));
        }
        Ok(template.to_owned())
    }

    /// Checks that a step's subject is short enough to be sent at all: with this code, and with empty values.
    ///
    /// # Errors
    ///
    /// A template that is too long by itself.
    pub fn check_subject(&self, step: &StepConfig, code: &str, minutes: u64) -> Result<()> {
        let subject = self.subject(step, code, &minutes.to_string(), |_| Some(""));
        subject.map(drop).map_err(|cause| Error::config(format!("{OPTION}: {cause}")))
    }

    /// The subject that a step sends.
    ///
    /// # Errors
    ///
    /// A placeholder without a value; a subject that is too long.
    pub fn render_subject(
        &self,
        step: &StepConfig,
        code: &str,
        minutes_left: u64,
        params: &[(String, String)],
    ) -> Result<String> {
        let param = |wanted: &str| params.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let subject = self.subject(step, code, &minutes_left.to_string(), param);
        subject.map_err(|cause| Error::argument(format!("params: subject for {}: {cause}", step.channel)))
    }

    fn subject<'a>(
        &'a self,
        step: &'a StepConfig,
        code: &'a str,
        minutes: &'a str,
        param: impl Fn(&str) -> Option<&'a str>,
    ) -> std::result::Result<String, String> {
        let default = if self.brand.is_some() { BRANDED_SUBJECT } else { DEFAULT_SUBJECT };
        let template = step.subject.as_deref().unwrap_or(default);
        let subject = self.fill(template, code, minutes, param)?.concat();
        if subject.chars().any(char::is_control) {
            return Err("has a control character".to_owned());
        }
        if escaped_bytes(&subject) > MAX_ESCAPED_BYTES {
            return Err(format!("longer than {MAX_ESCAPED_BYTES} bytes"));
        }
        Ok(subject)
    }
}
