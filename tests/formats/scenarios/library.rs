//! The functions of the C interface, called as they are.

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
use serde_json::Value;

use super::runner::{Answer, Arguments, Caller, Moment};

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

/// A service behind the C interface.
pub struct Library {
    service: *mut otp_service,
    host: *mut Host,
}

impl Default for Library {
    fn default() -> Self {
        let host = Host { now_ms: 0, answers: VecDeque::new(), messages: Vec::new() };
        Self { service: null_mut(), host: Box::into_raw(Box::new(host)) }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: the handle is this caller's, and so is the host, which the service uses no more.
        unsafe {
            otp_close(self.service);
            drop(Box::from_raw(self.host));
        }
    }
}

impl Caller for Library {
    const RAW: bool = true;

    fn call(&mut self, moment: &Moment<'_>, call: &str, arguments: &Arguments) -> Answer {
        let host = self.host();
        host.now_ms = moment.now_ms;
        host.answers = moment.answers.iter().copied().collect();
        host.messages.clear();
        let mut answer = self.ask(call, arguments);
        answer.messages = std::mem::take(&mut self.host().messages);
        answer
    }
}

impl Library {
    fn host(&mut self) -> &mut Host {
        // SAFETY: it lives until this caller is dropped, and no call is running.
        unsafe { &mut *self.host }
    }

    fn open(&mut self, arguments: &Arguments) -> Answer {
        let (config, is_host) = (c_text(arguments, "config"), arguments.text("sender").is_some());
        let host = self.host.cast();
        // SAFETY: the handle is this caller's; all pointers are valid until the call ends, the host for longer.
        unsafe {
            otp_close(self.service);
            let answer = ask(|reply, size| otp_open(pointer(config.as_deref()), &mut self.service, reply, size));
            if answer.result == Some(OTP_OK) {
                assert_eq!(otp_on_clock(self.service, Some(tell_time), host, None), OTP_OK);
                let set = !is_host || otp_on_send(self.service, Some(take_message), host, None) == OTP_OK;
                assert!(set, "the sender is not host");
            }
            answer
        }
    }

    fn ask(&mut self, call: &str, arguments: &Arguments) -> Answer {
        let (service, text) = (self.service, |name| c_text(arguments, name));
        let [token, code, context] = ["token", "code", "context"].map(text);
        let [request, report, subject, recipient] = ["request", "report", "subject", "recipient"].map(text);
        let (token, request) = (pointer(token.as_deref()), pointer(request.as_deref()));
        // SAFETY: the handle is this runner's; the texts live until the call ends.
        unsafe {
            match call {
                "open" => self.open(arguments),
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
                "report" => ask(|reply, size| otp_report(service, pointer(report.as_deref()), reply, size)),
                "run_due" => ask(|reply, size| otp_run_due(service, reply, size)),
                "metrics" => ask(|reply, size| otp_metrics(service, reply, size)),
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
    let [reply, field, text] = ["reply", "field", "text"].map(|name| c_text(arguments, name));
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

fn c_text(arguments: &Arguments, name: &str) -> Option<CString> {
    arguments.text(name).map(|text| CString::new(text).unwrap())
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

/// The name of a result.
pub fn result_name(result: otp_result) -> Value {
    // SAFETY: any number will do.
    unsafe { c_value(otp_result_name(result)) }
}
