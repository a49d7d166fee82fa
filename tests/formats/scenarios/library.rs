//! Runs scenarios through the functions of the C interface.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};

use otp::ffi::callbacks::*;
use otp::ffi::codes::*;
use otp::ffi::helpers::*;
use otp::ffi::library::*;
use otp::ffi::requests::*;
use otp::ffi::results::*;
use otp::ffi::upkeep::*;
use serde_json::{Map, Value};
use testing::place::{KEY, is_shared};

use crate::scenarios::model::{BEGINNING_MS, Expect, Names, Scenario, Step, argument_text, fill, fill_value};

/// What the callbacks work with.
struct Host {
    now_ms: i64,
    answers: VecDeque<i32>,
    messages: Vec<Value>,
}

extern "C" fn tell_time(host: *mut c_void) -> i64 {
    // SAFETY: it is the runner's host, which outlives the service; nothing else uses it during a call.
    unsafe { (*host.cast::<Host>()).now_ms }
}

extern "C" fn take_message(host: *mut c_void, message: *const c_char) -> i32 {
    // SAFETY: as above; the message is a text.
    let (host, message) = unsafe { (&mut *host.cast::<Host>(), CStr::from_ptr(message)) };
    host.messages.push(serde_json::from_slice(message.to_bytes()).unwrap());
    host.answers.pop_front().unwrap_or(1)
}

/// What a call came to.
#[derive(Default)]
struct Answer {
    result: Option<otp_result>,
    reply: Option<Value>,
    value: Option<Value>,
    text: Option<String>,
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

pub struct Runner {
    service: *mut otp_service,
    host: *mut Host,
    names: Names,
    is_host: bool,
    /// Whether every configuration that names the repository and no key gets one.
    adds_key: bool,
}

impl Drop for Runner {
    fn drop(&mut self) {
        // SAFETY: the handle is this runner's, and so is the host, which the service uses no more.
        unsafe {
            otp_close(self.service);
            drop(Box::from_raw(self.host));
        }
    }
}

impl Runner {
    /// Runs a scenario; the error says what is not as expected.
    pub fn run(scenario: &Scenario, repository: &str) -> Result<(), String> {
        let host = Host { now_ms: BEGINNING_MS, answers: VecDeque::new(), messages: Vec::new() };
        let mut runner = Self {
            service: null_mut(),
            host: Box::into_raw(Box::new(host)),
            names: Names::from([("repository".to_owned(), repository.to_owned())]),
            is_host: scenario.sender.is_some(),
            adds_key: is_shared(repository) && !scenario.has_keys(),
        };
        if let Some(config) = &scenario.config {
            let config = runner.with_key(fill_value(config, &runner.names));
            let answer = runner.open(Some(argument_text(&config)));
            check_result(&answer, "OK").map_err(|flaw| format!("open: {flaw}"))?;
        }
        for (number, step) in scenario.steps.iter().enumerate() {
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

    fn host(&mut self) -> &mut Host {
        // SAFETY: it lives until this runner is dropped, and no call is running.
        unsafe { &mut *self.host }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let host = self.host();
        host.now_ms = step.clock.unwrap_or(host.now_ms);
        host.answers = step.answers.iter().copied().collect();
        host.messages.clear();
        let arguments = step.arguments.iter();
        let arguments = arguments.map(|(name, value)| (name.clone(), self.with_key(fill_value(value, &self.names))));
        let answer = self.call(&step.call, &Arguments(arguments.collect()));
        let messages = std::mem::take(&mut self.host().messages);
        for (name, field) in &step.capture {
            let source = if self.is_host { messages.last() } else { answer.reply.as_ref() };
            let text = source.and_then(|source| find(source, field)).map(argument_text);
            self.names.insert(name.clone(), text.ok_or(format!("there is no {field} to be captured"))?);
        }
        self.check(&step.expect, &answer, &messages).map_err(|flaw| match &answer.reply {
            Some(reply) => format!("{flaw}: {reply}"),
            None => flaw,
        })
    }

    fn check(&self, expect: &Expect, answer: &Answer, messages: &[Value]) -> Result<(), String> {
        if let Some(result) = &expect.result {
            check_result(answer, result)?;
        }
        let nothing = Value::Null;
        let reply = answer.reply.as_ref().unwrap_or(&nothing);
        check_fields(reply, &expect.reply, &self.names)?;
        check_fields(messages.last().unwrap_or(&nothing), &expect.message, &self.names)?;
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
            same("messages", &messages.len(), &count)?;
        }
        let value = expect.value.as_ref().map(|value| fill_value(value, &self.names));
        same("value", &answer.value, &value)?;
        same("text", &answer.text, &expect.text.as_ref().map(|text| fill(text, &self.names)))
    }

    fn open(&mut self, config: Option<String>) -> Answer {
        let config = config.map(|text| CString::new(text).unwrap());
        let host = self.host.cast();
        // SAFETY: the handle is this runner's; all pointers are valid until the call ends, the host for longer.
        unsafe {
            otp_close(self.service);
            let mut answer = ask(|reply, size| otp_open(pointer(config.as_deref()), &mut self.service, reply, size));
            if is_shared(&self.names["repository"]) {
                answer.forget_warnings_of_server();
            }
            if answer.result == Some(OTP_OK) {
                assert_eq!(otp_on_clock(self.service, Some(tell_time), host, None), OTP_OK);
                let set = !self.is_host || otp_on_send(self.service, Some(take_message), host, None) == OTP_OK;
                assert!(set, "the sender is not host");
            }
            answer
        }
    }

    fn call(&mut self, call: &str, arguments: &Arguments) -> Answer {
        let (service, text) = (self.service, |name| arguments.c_text(name));
        let [token, code, context] = ["token", "code", "context"].map(text);
        let [request, subject, recipient] = ["request", "subject", "recipient"].map(text);
        let (token, request) = (pointer(token.as_deref()), pointer(request.as_deref()));
        // SAFETY: the handle is this runner's; the texts live until the call ends.
        unsafe {
            match call {
                "open" => self.open(arguments.text("config")),
                "create" => ask(|reply, size| otp_create(service, token, request, reply, size)),
                "resend" => ask(|reply, size| otp_resend(service, token, reply, size)),
                "verify" if context.is_none() => {
                    ask(|reply, size| otp_verify(service, token, pointer(code.as_deref()), reply, size))
                }
                "verify" => {
                    let (code, context) = (pointer(code.as_deref()), pointer(context.as_deref()));
                    ask(|reply, size| otp_verify_context(service, token, code, context, reply, size))
                }
                "cancel" => ask(|reply, size| otp_cancel(service, token, reply, size)),
                "status" => ask(|reply, size| otp_status(service, token, reply, size)),
                "run_due" => ask(|reply, size| otp_run_due(service, reply, size)),
                "unlock" => ask(|reply, size| otp_unlock(service, pointer(subject.as_deref()), reply, size)),
                "erase" => ask(|reply, size| otp_erase(service, pointer(recipient.as_deref()), reply, size)),
                "webhook" => {
                    let (authorization, body) = (text("authorization"), arguments.text("body").unwrap_or_default());
                    let authorization = pointer(authorization.as_deref());
                    ask(|reply, size| {
                        otp_webhook(service, authorization, body.as_ptr().cast(), body.len(), reply, size)
                    })
                }
                _ => help(call, arguments),
            }
        }
    }
}

/// The helpers, which need no service.
fn help(call: &str, arguments: &Arguments) -> Answer {
    let [reply, field, text] = ["reply", "field", "text"].map(|name| arguments.c_text(name));
    let [reply, field, text] = [&reply, &field, &text].map(|text| pointer(text.as_deref()));
    let result = || arguments.integer("result").unwrap() as otp_result;
    let size = arguments.integer("size").unwrap_or_default() as usize;
    // SAFETY: the texts live until the call ends, the buffers have the size that is told.
    unsafe {
        match call {
            "reply_text" => {
                let mut buffer = vec![b'#'; size.max(1)];
                let length = otp_reply_text(reply, field, buffer.as_mut_ptr().cast(), size);
                Answer { value: Some(length.into()), text: until_nul(&buffer), ..Answer::default() }
            }
            "reply_integer" => {
                let number = otp_reply_integer(reply, field, arguments.integer("otherwise").unwrap_or_default());
                Answer { value: Some(number.into()), ..Answer::default() }
            }
            "request_text" => {
                let mut buffer = arguments.text("request").unwrap().into_bytes();
                buffer.resize(size.max(buffer.len() + 1), 0);
                let result = otp_request_text(buffer.as_mut_ptr().cast(), size, field, text);
                Answer { result: Some(result), text: until_nul(&buffer), ..Answer::default() }
            }
            "result_name" => Answer { value: Some(c_value(otp_result_name(result()))), ..Answer::default() },
            "result_message" => Answer { value: Some(c_value(otp_result_message(result()))), ..Answer::default() },
            "result_http_status" => {
                Answer { value: Some(otp_result_http_status(result()).into()), ..Answer::default() }
            }
            other => panic!("there is no call {other}"),
        }
    }
}

struct Arguments(Map<String, Value>);

impl Arguments {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(argument_text)
    }

    fn c_text(&self, name: &str) -> Option<CString> {
        self.text(name).map(|text| CString::new(text).unwrap())
    }

    fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name).map(|value| value.as_i64().unwrap())
    }
}

fn pointer(text: Option<&CStr>) -> *const c_char {
    text.map_or(null(), CStr::as_ptr)
}

fn until_nul(buffer: &[u8]) -> Option<String> {
    let text = CStr::from_bytes_until_nul(buffer).ok()?;
    Some(text.to_str().unwrap().to_owned())
}

/// # Safety
///
/// It points to a text.
unsafe fn c_value(text: *const c_char) -> Value {
    // SAFETY: as promised.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap().into()
}

fn ask(call: impl FnOnce(*mut c_char, usize) -> otp_result) -> Answer {
    let mut reply = [b'#'; OTP_REPLY_SIZE];
    let result = call(reply.as_mut_ptr().cast(), reply.len());
    let text = CStr::from_bytes_until_nul(&reply).unwrap();
    let reply = serde_json::from_slice(text.to_bytes()).unwrap();
    Answer { result: Some(result), reply: Some(reply), ..Answer::default() }
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
    // SAFETY: any number will do.
    let name = unsafe { c_value(otp_result_name(result)) };
    let reply = answer.reply.as_ref();
    let told = reply.map(|reply| reply.to_string()).unwrap_or_default();
    if name != format!("OTP_{expected}").as_str() {
        return Err(format!("{name}, not OTP_{expected}: {told}"));
    }
    let Some(reply) = reply else { return Ok(()) };
    same("the reply's result", &reply.get("result"), &Some(&name))?;
    same("whether there is a message", &reply.get("message").is_some(), &(result != OTP_OK))
}
