//! The counts as OpenMetrics 1.0, which Prometheus reads. The packages for Python and Node make the same names; the file
//! `tests/data/openmetrics.txt` holds all of them to each other.

use super::MetricsReply;

/// Counters of the repository, with what they mean.
const STORE: [(&str, &str); 4] = [
    ("operations", "Transactions and reads of the repository."),
    ("microseconds", "How long they took, waiting for others included."),
    ("busy", "Those that came to OTP_E_BUSY."),
    ("failed", "Those that the repository failed, or a row that is damaged."),
];

impl MetricsReply {
    /// The reply as OpenMetrics 1.0 has it, for a page of the type `application/openmetrics-text; version=1.0.0`.
    #[must_use]
    pub fn openmetrics(&self) -> String {
        let mut text = String::new();
        family(&mut text, "otp_calls", "counter", "Calls, by what they came to.");
        for (call, results) in &self.calls {
            for (result, count) in results {
                line(&mut text, &format!("otp_calls_total{{call=\"{call}\",result=\"{result}\"}} {count}"));
            }
        }
        family(&mut text, "otp_send", "counter", "Messages, by what came of them.");
        for (sender, outcomes) in &self.send {
            for (outcome, count) in outcomes {
                line(&mut text, &format!("otp_send_total{{sender=\"{sender}\",outcome=\"{outcome}\"}} {count}"));
            }
        }
        family(&mut text, "otp_reports", "counter", "Reports, by what they said.");
        for (status, count) in &self.reports {
            line(&mut text, &format!("otp_reports_total{{status=\"{status}\"}} {count}"));
        }
        for (name, help) in STORE {
            family(&mut text, &format!("otp_store_{name}"), "counter", help);
            line(&mut text, &format!("otp_store_{name}_total {}", self.store.get(name).copied().unwrap_or(0)));
        }
        gauge(&mut text, "otp_live", self.live, "Codes that were good in the last full round.");
        gauge(&mut text, "otp_due", self.due, "Timed steps that the last full round found due.");
        line(&mut text, "# EOF");
        text
    }
}

fn gauge(text: &mut String, name: &str, value: Option<u64>, help: &str) {
    if let Some(value) = value {
        family(text, name, "gauge", help);
        line(text, &format!("{name} {value}"));
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, &format!("# HELP {name} {help}"));
    line(text, &format!("# TYPE {name} {kind}"));
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
