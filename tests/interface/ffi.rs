//! The C interface under misuse: whatever is handed in, the answer is a result, and nothing is written past a buffer.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use otp::ffi::callbacks::*;
use otp::ffi::codes::*;
use otp::ffi::helpers::*;
use otp::ffi::library::*;
use otp::ffi::requests::*;
use otp::ffi::results::*;
use otp::ffi::upkeep::*;

type Service = *mut otp_service;

const PHONE: &CStr = c"{\"phoneNumber\":\"393331234567\"}";
/// Neither NULL nor UTF-8.
const BROKEN: &CStr = c"a\xff";

fn open(sender: &str) -> Service {
    let config = testing::config("memory:", sender, serde_json::json!({}));
    let (config, mut service) = (CString::new(config).unwrap(), null_mut());
    let mut reply = Reply::new();
    let result = unsafe { otp_open(config.as_ptr(), &mut service, reply.at(), OTP_REPLY_SIZE) };
    assert_eq!(result, OTP_OK, "{}", reply.text());
    service
}

/// A buffer for replies, with bytes behind it that must not change.
struct Reply([u8; OTP_REPLY_SIZE + 64]);

impl Reply {
    fn new() -> Self {
        Self([0x5a; OTP_REPLY_SIZE + 64])
    }

    fn at(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    fn untouched(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0x5a)
    }

    fn text(&self) -> &str {
        assert!(self.0[OTP_REPLY_SIZE..].iter().all(|byte| *byte == 0x5a));
        CStr::from_bytes_until_nul(&self.0).unwrap().to_str().unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.text()).unwrap()
    }
}

fn name(result: otp_result) -> &'static str {
    unsafe { CStr::from_ptr(otp_result_name(result)) }.to_str().unwrap()
}

/// A function with the parameters that all have in common; `text` goes into the parameter that is looked at.
type Call = fn(Service, *const c_char, *mut c_char, usize) -> otp_result;

/// Every text parameter of every function with a service and a reply; whether it may be NULL.
const TEXTS: [(&str, bool, Call); 23] = unsafe {
    [
        ("token", false, |s, text, r, n| otp_create(s, text, PHONE.as_ptr(), r, n)),
        ("request", true, |s, text, r, n| otp_create(s, c"t".as_ptr(), text, r, n)),
        ("token", false, |s, text, r, n| otp_resend(s, text, r, n)),
        ("token", false, |s, text, r, n| otp_resend_channel(s, text, c"sms".as_ptr(), r, n)),
        ("channel", false, |s, text, r, n| otp_resend_channel(s, c"t".as_ptr(), text, r, n)),
        ("token", false, |s, text, r, n| otp_not_sent(s, text, r, n)),
        ("token", false, |s, text, r, n| otp_verify(s, text, c"1".as_ptr(), r, n)),
        ("code", false, |s, text, r, n| otp_verify(s, c"t".as_ptr(), text, r, n)),
        ("token", false, |s, text, r, n| otp_verify_context(s, text, c"1".as_ptr(), c"c".as_ptr(), r, n)),
        ("code", false, |s, text, r, n| otp_verify_context(s, c"t".as_ptr(), text, c"c".as_ptr(), r, n)),
        ("context", true, |s, text, r, n| otp_verify_context(s, c"t".as_ptr(), c"1".as_ptr(), text, r, n)),
        ("token", false, |s, text, r, n| otp_cancel(s, text, r, n)),
        ("token", false, |s, text, r, n| otp_status(s, text, r, n)),
        ("authorization", true, |s, text, r, n| otp_webhook(s, text, null(), 0, r, n)),
        ("body", true, |s, text, r, n| otp_webhook(s, null(), text, 0, r, n)),
        ("report", false, |s, text, r, n| otp_report(s, text, r, n)),
        ("subject", false, |s, text, r, n| otp_subject(s, text, r, n)),
        ("subject", false, |s, text, r, n| otp_unlock(s, text, r, n)),
        ("recipient", false, |s, text, r, n| otp_erase(s, text, r, n)),
        ("repository", false, |s, text, r, n| otp_copy(s, text, null(), r, n)),
        ("", true, |s, _, r, n| otp_run_due(s, r, n)),
        ("", true, |s, _, r, n| otp_metrics(s, r, n)),
        ("config", true, |_, text, r, n| {
            let mut opened = null_mut();
            // Not the default, which would make a file.
            let config = if text.is_null() { c"{\"repository\":\"memory:\"}".as_ptr() } else { text };
            let result = otp_open(config, &mut opened, r, n);
            assert_eq!(opened.is_null(), result != OTP_OK);
            otp_close(opened);
            result
        }),
    ]
};

#[test]
fn null_is_an_argument_error_that_names_the_parameter() {
    let service = open("none");
    for (parameter, nullable, call) in TEXTS {
        let mut reply = Reply::new();
        let result = call(service, null(), reply.at(), OTP_REPLY_SIZE);
        let json = reply.json();
        assert_eq!(json["result"], name(result));
        if nullable {
            assert_ne!(result, OTP_E_ARGUMENT, "{parameter}: {json}");
        } else {
            assert_eq!((result, &json["message"]), (OTP_E_ARGUMENT, &format!("{parameter}: must not be NULL").into()));
        }
    }
    unsafe { otp_close(service) };
}

#[test]
fn invalid_utf8_is_an_argument_error_that_names_the_parameter() {
    let service = open("none");
    for (parameter, _, call) in TEXTS.iter().filter(|(parameter, ..)| !["body", ""].contains(parameter)) {
        let mut reply = Reply::new();
        assert_eq!(call(service, BROKEN.as_ptr(), reply.at(), OTP_REPLY_SIZE), OTP_E_ARGUMENT, "{parameter}");
        assert_eq!(reply.json()["message"], format!("{parameter}: must be valid UTF-8"));
    }
    unsafe { otp_close(service) };
}

#[test]
fn texts_that_are_too_long_are_refused() {
    let service = open("none");
    let long = CString::new("x".repeat(2 << 20)).unwrap();
    for (parameter, _, call) in
        TEXTS.iter().filter(|(parameter, ..)| !["body", "authorization", ""].contains(parameter))
    {
        let mut reply = Reply::new();
        let expected = if *parameter == "config" { OTP_E_CONFIG } else { OTP_E_ARGUMENT };
        assert_eq!(call(service, long.as_ptr(), reply.at(), OTP_REPLY_SIZE), expected, "{parameter}");
        assert!(!reply.text().contains("xxxx"), "{}", reply.text());
    }
    unsafe { otp_close(service) };
}

#[test]
fn a_reply_that_is_too_small_is_untouched_and_nothing_is_done() {
    let service = open("none");
    for (_, _, call) in TEXTS {
        for size in [0, 1, OTP_REPLY_SIZE - 1] {
            let mut reply = Reply::new();
            assert_eq!(call(service, PHONE.as_ptr(), reply.at(), size), OTP_E_ARGUMENT);
            assert!(reply.untouched());
        }
        let mut reply = Reply::new();
        let result = call(service, c"t".as_ptr(), reply.at(), usize::MAX);
        assert_eq!(reply.json()["result"], name(result));
    }
    let mut reply = Reply::new();
    let mut create = |size| unsafe { otp_create(service, c"new".as_ptr(), PHONE.as_ptr(), reply.at(), size) };
    assert_eq!(create(OTP_REPLY_SIZE - 1), OTP_E_ARGUMENT);
    assert_eq!(unsafe { otp_status(service, c"new".as_ptr(), null_mut(), 0) }, OTP_UNKNOWN);
    unsafe { otp_close(service) };
}

/// Everything that a function reads may lie in the buffer of its reply.
#[test]
fn inputs_may_lie_in_the_reply() {
    let service = open("none");
    let mut buffer = vec![0_u8; OTP_REPLY_SIZE];
    // Writes two texts into the buffer, as far behind as they may lie, and gives where they are.
    let place = |buffer: &mut Vec<u8>, texts: [&str; 2]| {
        let places = [0, OTP_REPLY_SIZE - 200];
        for (text, place) in texts.iter().zip(places) {
            buffer[place..place + text.len()].copy_from_slice(text.as_bytes());
            buffer[place + text.len()] = 0;
        }
        places.map(|place| unsafe { buffer.as_mut_ptr().add(place) }.cast::<c_char>())
    };
    let [token, request] = place(&mut buffer, ["session", PHONE.to_str().unwrap()]);
    let reply = buffer.as_mut_ptr().cast::<c_char>();
    assert_eq!(unsafe { otp_create(service, token, request, reply, OTP_REPLY_SIZE) }, OTP_OK);
    let json: serde_json::Value =
        serde_json::from_slice(CStr::from_bytes_until_nul(&buffer).unwrap().to_bytes()).unwrap();
    let code = json["code"].as_str().unwrap();
    for wanted in [OTP_OK, OTP_CHECKED] {
        let [token, typed] = place(&mut buffer, ["session", code]);
        let reply = buffer.as_mut_ptr().cast::<c_char>();
        assert_eq!(unsafe { otp_verify(service, token, typed, reply, OTP_REPLY_SIZE) }, wanted);
    }
    let [token, _] = place(&mut buffer, ["session", ""]);
    let reply = buffer.as_mut_ptr().cast::<c_char>();
    assert_eq!(unsafe { otp_status(service, token, reply, OTP_REPLY_SIZE) }, OTP_OK);
    let json: serde_json::Value =
        serde_json::from_slice(CStr::from_bytes_until_nul(&buffer).unwrap().to_bytes()).unwrap();
    assert_eq!(json["token"], "session");
    unsafe { otp_close(service) };
}

/// Runtimes that find a number of the first page where a pointer is due take it for damage.
#[test]
fn handles_are_odd_above_the_first_page_and_never_the_same() {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let service = open("none");
        assert!(service.addr() >= 4097 && service.addr() % 2 == 1 && seen.insert(service.addr()), "{service:?}");
        unsafe { otp_close(service) };
    }
}

#[test]
fn a_null_reply_is_fine_unless_it_would_carry_the_code() {
    let (none, console) = (open("none"), open("console"));
    unsafe {
        assert_eq!(otp_create(none, c"t".as_ptr(), PHONE.as_ptr(), null_mut(), 0), OTP_E_ARGUMENT);
        assert_eq!(otp_resend(none, c"t".as_ptr(), null_mut(), 0), OTP_E_ARGUMENT);
        assert_eq!(otp_status(none, c"t".as_ptr(), null_mut(), 0), OTP_UNKNOWN);
        assert_eq!(otp_create(console, c"t".as_ptr(), PHONE.as_ptr(), null_mut(), 0), OTP_OK);
        assert_eq!(otp_status(console, c"t".as_ptr(), null_mut(), 7), OTP_OK);
        assert_eq!(otp_create(console, c"t".as_ptr(), null(), null_mut(), 0), OTP_E_ARGUMENT);
        otp_close(none);
        otp_close(console);
    }
}

#[test]
fn a_handle_that_is_not_open_is_an_argument_error() {
    let closed = open("none");
    unsafe { otp_close(closed) };
    let object = 7_u64;
    let address = (&raw const object).cast_mut().cast::<otp_service>();
    let made_up = [1, 2, 0x5a5a, usize::MAX].map(std::ptr::without_provenance_mut);
    for service in [null_mut(), closed, address].into_iter().chain(made_up) {
        for (parameter, _, call) in TEXTS.iter().filter(|(parameter, ..)| *parameter != "config") {
            let mut reply = Reply::new();
            assert_eq!(call(service, c"t".as_ptr(), reply.at(), OTP_REPLY_SIZE), OTP_E_ARGUMENT, "{parameter}");
            assert!(reply.text().contains("\"message\":\"service: "), "{}", reply.text());
        }
        unsafe { otp_close(service) };
    }
    let reopened = open("none");
    assert_ne!(reopened, closed);
    unsafe { otp_close(reopened) };
}

#[test]
fn open_tells_its_failures() {
    let mut reply = Reply::new();
    unsafe {
        assert_eq!(otp_open(c"{}".as_ptr(), null_mut(), reply.at(), OTP_REPLY_SIZE), OTP_E_ARGUMENT);
        assert_eq!(reply.json()["message"], "service: must not be NULL");
        for (config, size, expected) in
            [(c"{", OTP_REPLY_SIZE, OTP_E_CONFIG), (c"{\"repository\":\"memory:\"}", 1, OTP_E_ARGUMENT)]
        {
            let mut service = std::ptr::dangling_mut();
            assert_eq!(otp_open(config.as_ptr(), &mut service, reply.at(), size), expected);
            assert!(service.is_null());
        }
    }
}

#[test]
fn a_webhook_body_is_read_only_within_its_bounds() {
    let service = open("none");
    let webhook = |body: *const c_char, size| {
        let mut reply = Reply::new();
        (unsafe { otp_webhook(service, null(), body, size, reply.at(), OTP_REPLY_SIZE) }, reply)
    };
    let one_byte = std::ptr::dangling::<c_char>();
    for (body, size) in [(null(), 1), (null(), usize::MAX), (one_byte, 65537), (one_byte, usize::MAX)] {
        let (result, reply) = webhook(body, size);
        assert_eq!(result, OTP_E_ARGUMENT);
        assert!(reply.text().contains("\"message\":\"body: "), "{}", reply.text());
    }
    let body = vec![0xff_u8; 65536];
    for (body, size) in [(null(), 0), (one_byte, 0), (body.as_ptr().cast(), 65536)] {
        assert_eq!(webhook(body, size).0, OTP_E_UNSUPPORTED);
    }
    unsafe { otp_close(service) };
}

#[test]
fn helpers_take_null_and_broken_text() {
    let texts = [null(), BROKEN.as_ptr(), c"".as_ptr(), c"{}".as_ptr()];
    for reply in texts {
        for field in texts {
            let mut text = [0x5a_u8; 4];
            unsafe {
                assert_eq!(otp_reply_integer(reply, field, 7), 7);
                assert_eq!(otp_reply_text(reply, field, null_mut(), 0), 0);
                assert_eq!(otp_reply_text(reply, field, null_mut(), 9), 0);
                assert_eq!(otp_reply_text(reply, field, text.as_mut_ptr().cast(), 0), 0);
                assert_eq!(text, [0x5a; 4]);
                assert_eq!(otp_reply_text(reply, field, text.as_mut_ptr().cast(), usize::MAX), 0);
                assert_eq!(text, [0, 0x5a, 0x5a, 0x5a]);
            }
        }
    }
    let mut request = *b"\0zzzzzz";
    let at = request.as_mut_ptr().cast::<c_char>();
    unsafe {
        for (request, size, field, text) in [
            (null_mut(), 7, c"a".as_ptr(), c"b".as_ptr()),
            (null_mut(), 0, c"a".as_ptr(), c"b".as_ptr()),
            (at, 0, c"a".as_ptr(), c"b".as_ptr()),
            (at, 7, null(), c"b".as_ptr()),
            (at, 7, c"a".as_ptr(), null()),
            (at, 7, BROKEN.as_ptr(), c"b".as_ptr()),
            (at, 7, c"a".as_ptr(), BROKEN.as_ptr()),
            (at, 7, c"a".as_ptr(), c"b".as_ptr()),
            (at.add(1), 6, c"a".as_ptr(), c"b".as_ptr()),
        ] {
            assert_eq!(otp_request_text(request, size, field, text), OTP_E_ARGUMENT);
        }
    }
    assert_eq!(&request, b"\0zzzzzz");
}

#[test]
fn versions() {
    assert_eq!(unsafe { CStr::from_ptr(otp_version()) }.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
    assert_eq!(otp_abi_version(), OTP_ABI_VERSION);
}

mod callbacks;
