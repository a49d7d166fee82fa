//! What is allowed and yet not advisable.

use super::{Config, SenderConfig, StepConfig, rules, storage};
use crate::channel::AddressKind;
use crate::clock::{MINUTE_MS, SECOND_MS};
use crate::record::Via;
use crate::workflow::LEAST_LEFT_MS;

/// Most characters of a name that sends SMS. 3GPP TS 23.040, 9.1.2.5: an alphanumeric TP-OA has ten octets of seven bits
/// each character.
const SMS_SENDER_CHARACTERS: usize = 11;

impl Config {
    /// Adds the warnings about what was read.
    pub(super) fn warn(&mut self) {
        let policy = &self.policy;
        let failures = policy.subject_failures;
        let numbers = self.calls_numbers();
        let cases = [
            (numbers && policy.countries.is_none(), "policy.countries: none given: messages go to every country"),
            (
                numbers && policy.countries.is_none() && self.default_country.is_none(),
                "defaultCountry: none given: a number without + or 00 is read with the calling code that it begins with",
            ),
            (
                self.senders.iter().any(|it| it.via == Via::Console),
                "sender: console prints codes to standard error: for development only",
            ),
            (
                storage::is_key_beside(&self.key, &self.repository),
                "keyFile: lies beside the repository: whoever copies one copies both",
            ),
            (self.otp_length < rules::NIST_DIGITS, "otpLength: fewer than 6 digits"),
            (self.validity_ms > rules::NIST_VALIDITY_MS, "validityTime: more than 10 minutes"),
            (self.max_attempts > rules::PSD2_FAILURES, "maxAttempts: more than 5"),
            (failures.lock_after > rules::PCI_FAILURES, "policy.subjectFailures.lockAfter: more than 10"),
            (failures.lock_ms < rules::PCI_LOCK_MS, "policy.subjectFailures.lockMinutes: fewer than 30"),
            (
                failures.disable_after < failures.lock_after,
                "policy.subjectFailures.lockAfter: no lock comes before disableAfter disables the subject",
            ),
            (self.takes_no_address(), "accept: no request can bring an address"),
            (policy.send_limits.is_empty(), "policy.sendLimits: switched off"),
            (policy.cooldown_ms == 0, "policy.cooldownSeconds: switched off"),
        ];
        self.warnings.extend(self.senders.iter().filter_map(SenderConfig::warning));
        self.warnings.extend(self.sms_warnings());
        self.warnings.extend(self.sender_name_warnings());
        self.warnings.extend(self.workflow_warnings());
        self.warnings.extend(cases.iter().filter(|(holds, _)| *holds).map(|(_, text)| (*text).to_owned()));
    }

    /// What an SMS costs more than it need, where somebody sends one.
    fn sms_warnings(&self) -> Vec<String> {
        let (code, minutes) = ("0".repeat(self.otp_length.into()), self.validity_ms.div_ceil(MINUTE_MS));
        let is_sent = |step: &&StepConfig| step.channel == "sms" && !matches!(self.via(step), Via::Console | Via::None);
        let steps = self.workflow.iter().filter(is_sent);
        let mut warnings: Vec<_> = steps.filter_map(|step| self.texts.sms_warning(step, &code, minutes)).collect();
        warnings.dedup();
        warnings
    }

    /// Names that no SMS can carry as its sender. What the host's own function does with them is its affair.
    fn sender_name_warnings(&self) -> Vec<String> {
        let is_ours = |step: &StepConfig| !matches!(self.via(step), Via::Console | Via::None | Via::Host);
        let is_long = |from: &str| from.chars().count() > SMS_SENDER_CHARACTERS && from.contains(char::is_alphabetic);
        let is_cut = |step: &StepConfig| step.channel == "sms" && step.from.as_deref().is_some_and(is_long);
        let cut = self.workflow.iter().enumerate().filter(|(_, step)| is_ours(step) && is_cut(step));
        let told = |place| {
            format!("workflow[{place}].from: a name that sends SMS has {SMS_SENDER_CHARACTERS} characters at most")
        };
        cut.map(|(place, _)| told(place)).collect()
    }

    /// What the workflow asks for and does not get.
    fn workflow_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut waits = self.workflow.iter().rev().skip(1).map(|step| step.condition.is_some());
        if self.is_timed() && waits.any(|waits| waits) && !self.background {
            warnings.push("background: off: the timed steps of workflow wait for calls of otp_run_due".to_owned());
        }
        let mut begins_ms = 0;
        for (place, step) in self.workflow.iter().enumerate() {
            if place > 0 && begins_ms + LEAST_LEFT_MS > self.validity_ms {
                let when = "never begins in time, 30 seconds before the code ends (expiryTime, validityTime)";
                warnings.push(format!("workflow[{place}]: {when}"));
                break;
            }
            begins_ms += step.condition.map_or(0, |_| u64::from(step.expiry_seconds) * SECOND_MS);
        }
        warnings
    }

    /// Whether some step goes to a phone number.
    fn calls_numbers(&self) -> bool {
        self.workflow.iter().any(|step| AddressKind::of(&step.channel) == AddressKind::Phone)
    }

    /// Whether requests can bring no address, though somebody needs one.
    fn takes_no_address(&self) -> bool {
        let member = |step: &StepConfig| AddressKind::of(&step.channel).member().to_owned();
        let accepts = |member: &String| self.accept.as_ref().is_none_or(|accepted| accepted.contains(member));
        !self.hands_over() && !self.workflow.iter().map(member).any(|member| accepts(&member))
    }
}
