//! Writes scenarios for runners that read no JSON: one item a line, its parts parted by tabs.
//!
//! `scenario NAME`, `sender host`, then for each step `step NUMBER`, `clock MS`, `answer NUMBER`, `argument NAME TEXT` and
//! `call NAME`, which runs it, and after that what is expected: `capture NAME FIELD`, `result NAME`, `text FIELD TEXT`,
//! `integer FIELD NUMBER`, `present FIELD`, `absent FIELD`, `contains FIELD TEXT`, `length FIELD NUMBER`, `messages NUMBER`,
//! `message FIELD TEXT`, `value TEXT`, `buffer TEXT`. In a part, `\\`, `\t`, `\n` and `\r` are written so.

use serde_json::{Map, Value};

use super::model::{Names, REPOSITORIES, Scenario, Step, argument_text, fill_value};

/// The functions that have no service.
const HELPERS: [&str; 6] =
    ["reply_text", "reply_integer", "request_text", "result_name", "result_message", "result_http_status"];

#[derive(Default)]
struct Lines {
    text: String,
    repository: Names,
}

/// All scenarios on a kind of repository, whose files are in the working directory. Gives the number of steps, too.
pub fn write(scenarios: &[Scenario], kind: &str, with_helpers: bool) -> (String, usize) {
    assert!(REPOSITORIES.contains(&kind));
    let mut lines = Lines::default();
    let mut steps = 0;
    for (number, scenario) in scenarios.iter().enumerate().filter(|(_, scenario)| scenario.runs_on(kind)) {
        let place = if kind == "memory" { "memory:".to_owned() } else { format!("{kind}:vectors{number}") };
        lines.repository = Names::from([("repository".to_owned(), place)]);
        lines.add(&["scenario", &scenario.name]);
        if let Some(sender) = &scenario.sender {
            lines.add(&["sender", sender]);
        }
        if let Some(config) = &scenario.config {
            lines.add(&["step", "open"]);
            lines.arguments(&[("config".to_owned(), config.clone())].into_iter().collect());
            lines.add(&["call", "open"]);
            lines.add(&["result", "OTP_OK"]);
        }
        for (number, step) in scenario.steps.iter().enumerate() {
            if with_helpers || !HELPERS.contains(&step.call.as_str()) {
                lines.step(number, step);
                steps += 1;
            }
        }
    }
    (lines.text, steps)
}

/// A part of a line.
pub fn escaped(part: &str) -> String {
    part.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

impl Lines {
    fn add(&mut self, parts: &[&str]) {
        self.text += &parts.iter().map(|part| escaped(part)).collect::<Vec<_>>().join("\t");
        self.text.push('\n');
    }

    fn arguments(&mut self, arguments: &Map<String, Value>) {
        for (name, value) in arguments {
            let text = argument_text(&fill_value(value, &self.repository));
            self.add(&["argument", name, &text]);
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        self.add(&["step", &number.to_string()]);
        if let Some(clock) = step.clock {
            self.add(&["clock", &clock.to_string()]);
        }
        for answer in &step.answers {
            self.add(&["answer", &answer.to_string()]);
        }
        self.arguments(&step.arguments);
        self.add(&["call", &step.call]);
        self.expected(step);
    }

    fn expected(&mut self, step: &Step) {
        let expect = &step.expect;
        step.capture.iter().for_each(|(name, field)| self.add(&["capture", name, field]));
        if let Some(result) = &expect.result {
            self.add(&["result", &format!("OTP_{result}")]);
        }
        for (field, value) in &expect.reply {
            let kind = if value.is_number() { "integer" } else { "text" };
            self.add(&[kind, field, &argument_text(value)]);
        }
        expect.message.iter().for_each(|(field, value)| self.add(&["message", field, &argument_text(value)]));
        expect.present.iter().for_each(|field| self.add(&["present", field]));
        expect.absent.iter().for_each(|field| self.add(&["absent", field]));
        expect.contains.iter().for_each(|(field, part)| self.add(&["contains", field, part]));
        expect.length.iter().for_each(|(field, length)| self.add(&["length", field, &length.to_string()]));
        let messages = expect.messages.map(|count| count.to_string());
        let (value, buffer) = (expect.value.as_ref().map(argument_text), expect.text.clone());
        for (kind, text) in [("messages", messages), ("value", value), ("buffer", buffer)] {
            text.iter().for_each(|text| self.add(&[kind, text]));
        }
    }
}
