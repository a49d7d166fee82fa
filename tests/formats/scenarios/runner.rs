//! Runs scenarios, and compares what is answered with what they expect.

use otp::ffi::results::{OTP_OK, otp_result};
use serde_json::{Map, Value};
use testing::place::{KEY, is_shared};

use super::model::{BEGINNING_MS, Expect, Names, Scenario, Step, argument_text, fill, fill_value};

/// What a call came to.
#[derive(Default)]
pub struct Answer {
    pub result: Option<otp_result>,
    pub reply: Option<Value>,
    pub value: Option<Value>,
    pub text: Option<String>,
    /// What a sender of the host was given.
    pub messages: Vec<Value>,
}

impl Answer {
    /// Leaves out what every server is warned of.
    fn forget_warnings_of_server(&mut self) {
        let Some(reply) = self.reply.as_mut().and_then(Value::as_object_mut) else { return };
        let Some(warnings) = reply.get_mut("warnings").and_then(Value::as_array_mut) else { return };
        warnings.retain(|warning| !warning.as_str().is_some_and(|text| text.starts_with("durability: ")));
        if warnings.is_empty() {
            reply.remove("warnings");
        }
    }
}

/// When a call is made, and what a sender of the host answers meanwhile: 1 after the last.
pub struct Moment<'a> {
    pub now_ms: i64,
    pub answers: &'a [i32],
}

/// Who makes the calls.
pub trait Caller {
    /// Whether it can make calls that are `raw`.
    const RAW: bool;

    /// A service of its own begins with the call `open`, whose argument `sender` is "host" where messages go to a
    /// callback.
    fn call(&mut self, moment: &Moment<'_>, call: &str, arguments: &Arguments) -> Answer;
}

/// The arguments of a call, by name.
pub struct Arguments(pub Map<String, Value>);

impl Arguments {
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(argument_text)
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name).map(|value| value.as_i64().unwrap())
    }
}

pub struct Runner<'a, C: Caller> {
    caller: &'a mut C,
    names: Names,
    now_ms: i64,
    is_host: bool,
    /// Whether every configuration that names the repository and no key gets one.
    adds_key: bool,
}

impl<'a, C: Caller> Runner<'a, C> {
    /// Runs a scenario; the error says what is not as expected.
    pub fn run(caller: &'a mut C, scenario: &Scenario, repository: &str) -> Result<(), String> {
        let mut runner = Self {
            caller,
            names: Names::from([("repository".to_owned(), repository.to_owned())]),
            now_ms: BEGINNING_MS,
            is_host: scenario.sender.is_some(),
            adds_key: is_shared(repository) && !scenario.has_keys(),
        };
        if let Some(config) = &scenario.config {
            let arguments = Map::from_iter([("config".to_owned(), config.clone())]);
            let answer = runner.call("open", &arguments, &[]);
            check_result(&answer, "OK").map_err(|flaw| format!("open: {flaw}"))?;
        }
        for (number, step) in scenario.steps.iter().enumerate().filter(|(_, step)| C::RAW || !step.raw) {
            runner.step(step).map_err(|flaw| format!("step {number}, {}: {flaw}", step.call))?;
        }
        Ok(())
    }

    fn with_key(&self, mut value: Value) -> Value {
        let names_it = value.get("repository").and_then(Value::as_str) == Some(&self.names["repository"]);
        if self.adds_key && names_it && value.get("key").is_none() && value.get("keyFile").is_none() {
            value["key"] = KEY.into();
        }
        value
    }

    fn call(&mut self, call: &str, arguments: &Map<String, Value>, answers: &[i32]) -> Answer {
        let filled = |(name, value): (&String, &Value)| (name.clone(), self.with_key(fill_value(value, &self.names)));
        let mut arguments: Map<_, _> = arguments.iter().map(filled).collect();
        if call == "open" && self.is_host {
            arguments.insert("sender".to_owned(), "host".into());
        }
        let mut answer = self.caller.call(&Moment { now_ms: self.now_ms, answers }, call, &Arguments(arguments));
        if call == "open" && is_shared(&self.names["repository"]) {
            answer.forget_warnings_of_server();
        }
        answer
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        self.now_ms = step.clock.unwrap_or(self.now_ms);
        let answer = self.call(&step.call, &step.arguments, &step.answers);
        for (name, field) in &step.capture {
            let source = if self.is_host { answer.messages.last() } else { answer.reply.as_ref() };
            let text = source.and_then(|source| find(source, field)).map(argument_text);
            self.names.insert(name.clone(), text.ok_or(format!("there is no {field} to be captured"))?);
        }
        self.check(&step.expect, &answer).map_err(|flaw| match &answer.reply {
            Some(reply) => format!("{flaw}: {reply}"),
            None => flaw,
        })
    }

    fn check(&self, expect: &Expect, answer: &Answer) -> Result<(), String> {
        if let Some(result) = &expect.result {
            check_result(answer, result)?;
        }
        let nothing = Value::Null;
        let reply = answer.reply.as_ref().unwrap_or(&nothing);
        check_fields(reply, &expect.reply, &self.names)?;
        check_fields(answer.messages.last().unwrap_or(&nothing), &expect.message, &self.names)?;
        for field in &expect.present {
            find(reply, field).ok_or(format!("no {field}"))?;
        }
        for field in &expect.absent {
            same(field, &find(reply, field), &None)?;
        }
        for (field, part) in &expect.contains {
            let text = find(reply, field).map(argument_text).unwrap_or_default();
            let part = fill(part, &self.names);
            text.contains(&part).then_some(()).ok_or(format!("{field} has no {part:?}"))?;
        }
        for (field, length) in &expect.length {
            same(field, &find(reply, field).map(|value| argument_text(value).len()), &Some(*length))?;
        }
        if let Some(count) = expect.messages {
            same("messages", &answer.messages.len(), &count)?;
        }
        let value = expect.value.as_ref().map(|value| fill_value(value, &self.names));
        same("value", &answer.value, &value)?;
        same("text", &answer.text, &expect.text.as_ref().map(|text| fill(text, &self.names)))
    }
}

/// A field of a reply, found without the library's help.
fn find<'a>(reply: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(reply, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?}, not {expected:?}")) }
}

fn check_fields(reply: &Value, fields: &Map<String, Value>, names: &Names) -> Result<(), String> {
    for (field, expected) in fields {
        same(field, &find(reply, field), &Some(&fill_value(expected, names)))?;
    }
    Ok(())
}

/// The returned number and the reply's result say the same; there is a message unless that is OK.
fn check_result(answer: &Answer, expected: &str) -> Result<(), String> {
    let result = answer.result.ok_or("the call has no result")?;
    let name = super::library::result_name(result);
    let reply = answer.reply.as_ref();
    let told = reply.map(|reply| reply.to_string()).unwrap_or_default();
    if name != format!("OTP_{expected}").as_str() {
        return Err(format!("{name}, not OTP_{expected}: {told}"));
    }
    let Some(reply) = reply else { return Ok(()) };
    same("the reply's result", &reply.get("result"), &Some(&name))?;
    same("whether there is a message", &reply.get("message").is_some(), &(result != OTP_OK))
}
