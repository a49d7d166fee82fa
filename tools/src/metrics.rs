//! `otp metrics`: what the library counts, by the names that the packages for Python and Node have.

use std::process::ExitCode;

use otp::{MetricsReply, Outcome};

use crate::answer;
use crate::arguments::{Call, Command};
use crate::fault::{Fault, Result};
use crate::service;

/// The subcommand.
pub const METRICS: Command = Command {
    name: "metrics",
    operand: None,
    options: &["format"],
    summary: "what the library counts, for Prometheus or as JSON",
    manual: "\
Looks something up in the repository and shows what the library counted of it. Counts belong to a process: those here
are of this one, so they tell that the repository answers, and how fast. A service tells its own, by otp_metrics, and
alone tells otp_live and otp_due: they are what a round found, and a round sends what is due, so none is done here.

  --format openmetrics|json  json is what --json prints; the default is openmetrics

example:
  otp metrics --format openmetrics --config /etc/app/otp.json
",
    run,
};

/// What is looked up: whose failures does not matter, and it need not exist.
const PROBE: &str = "otp metrics";

fn run(call: &Call) -> Result<ExitCode> {
    let is_json = match call.options.format.as_deref() {
        None => call.json,
        Some("json") => true,
        Some("openmetrics") if call.json => return Err(Fault::usage("--format: openmetrics is not --json")),
        Some("openmetrics") => false,
        Some(_) => return Err(Fault::usage("--format: must be openmetrics or json")),
    };
    let service = service::open(call)?;
    let _standing = service.subject(PROBE)?;
    let reply = service.metrics()?;
    if is_json {
        return answer::json_reply(Outcome::Ok, &reply);
    }
    answer::lines(&openmetrics(&reply))?;
    Ok(ExitCode::SUCCESS)
}

/// The reply as OpenMetrics 1.0 has it: a family is announced, and all of its samples follow.
fn openmetrics(reply: &MetricsReply) -> Vec<String> {
    let mut lines = Vec::new();
    family(&mut lines, "otp_calls", "counter", "Calls, by what they came to.");
    for (call, results) in &reply.calls {
        lines.extend(
            results
                .iter()
                .map(|(result, count)| format!("otp_calls_total{{call=\"{call}\",result=\"{result}\"}} {count}")),
        );
    }
    family(&mut lines, "otp_send", "counter", "Messages, by what came of them.");
    for (sender, outcomes) in &reply.send {
        lines.extend(
            outcomes
                .iter()
                .map(|(outcome, count)| format!("otp_send_total{{sender=\"{sender}\",outcome=\"{outcome}\"}} {count}")),
        );
    }
    family(&mut lines, "otp_reports", "counter", "Reports, by what they said.");
    lines.extend(
        reply.reports.iter().map(|(status, count)| format!("otp_reports_total{{status=\"{status}\"}} {count}")),
    );
    for (name, text) in STORE {
        family(&mut lines, &format!("otp_store_{name}"), "counter", text);
        lines.push(format!("otp_store_{name}_total {}", reply.store.get(name).copied().unwrap_or(0)));
    }
    let gauges = [
        ("otp_live", reply.live, "Codes that were good in the last full round."),
        ("otp_due", reply.due, "Timed steps that the last full round found due."),
    ];
    for (name, value, text) in gauges {
        if let Some(value) = value {
            family(&mut lines, name, "gauge", text);
            lines.push(format!("{name} {value}"));
        }
    }
    lines.push("# EOF".to_owned());
    lines
}

const STORE: [(&str, &str); 4] = [
    ("operations", "Transactions and reads of the repository."),
    ("microseconds", "How long they took, waiting for others included."),
    ("busy", "Those that came to OTP_E_BUSY."),
    ("failed", "Those that the repository failed, or a row that is damaged."),
];

fn family(lines: &mut Vec<String>, name: &str, kind: &str, text: &str) {
    lines.push(format!("# HELP {name} {text}"));
    lines.push(format!("# TYPE {name} {kind}"));
}
