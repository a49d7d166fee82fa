use super::*;
use std::ffi::CStr;

type Add = unsafe extern "C" fn(*mut c_char, usize, *const c_char, *const c_char) -> otp_result;

/// Adds a member to what the buffer holds; `size` is the size that is told. Nothing behind it may change.
fn added(before: &str, size: usize, field: &CStr, text: &CStr) -> (otp_result, String) {
    added_by(otp_request_text, before, size, field, text)
}

fn added_by(add: Add, before: &str, size: usize, field: &CStr, text: &CStr) -> (otp_result, String) {
    let mut memory = [0x5a_u8; 128];
    memory[..before.len()].copy_from_slice(before.as_bytes());
    memory[before.len()] = 0;
    let old = memory;
    let result = unsafe { add(memory.as_mut_ptr().cast(), size, field.as_ptr(), text.as_ptr()) };
    assert_eq!(memory[size.min(128)..], old[size.min(128)..]);
    if result != OTP_OK {
        assert_eq!(memory, old, "unchanged");
    }
    (result, CStr::from_bytes_until_nul(&memory).unwrap().to_str().unwrap().to_owned())
}

#[test]
fn members_are_added_and_escaped() {
    for (before, field, text, after) in [
        ("", c"a", c"b", r#"{"a":"b"}"#),
        ("{}", c"a", c"", r#"{"a":""}"#),
        (" { } \n", c"a", c"b", r#" { "a":"b"}"#),
        (r#"{"x":{"a":1},"y":[1]}"#, c"a", c"b", r#"{"x":{"a":1},"y":[1],"a":"b"}"#),
        (r#"{"a.b":"1"}"#, c"a", c"\"\\\n\x01\xc3\xa9", "{\"a.b\":\"1\",\"a\":\"\\\"\\\\\\n\\u0001é\"}"),
        (r#"{"a":"1"}"#, c"a.b\"", c"}", r#"{"a":"1","a.b\"":"}"}"#),
    ] {
        assert_eq!(added(before, 128, field, text), (OTP_OK, after.to_owned()));
    }
}

#[test]
fn what_cannot_be_added_leaves_the_buffer() {
    for (before, size, field, text) in [
        (r#"{"a":"1"}"#, 128, c"a", c"b"),
        (r#"{"\u0061":"1"}"#, 128, c"a", c"b"),
        ("{", 128, c"a", c"b"),
        ("[]", 128, c"a", c"b"),
        ("}", 128, c"a", c"b"),
        ("{}}", 128, c"a", c"b"),
        ("{\"x\":1,}", 128, c"a", c"b"),
        ("text", 128, c"a", c"b"),
        (" ", 128, c"a", c"b"),
        ("", 128, c"a", c"\xff"),
        ("", 128, c"\xff", c"b"),
        ("{}", 0, c"a", c"b"),
        ("{}", 2, c"a", c"b"),
    ] {
        assert_eq!(added(before, size, field, text), (OTP_E_ARGUMENT, before.to_owned()));
    }
}

#[test]
fn room_is_counted_to_the_byte() {
    for (before, after) in [("", r#"{"a":"b"}"#), (r#"{"x":1}"#, r#"{"x":1,"a":"b"}"#)] {
        for size in before.len() + 1..=after.len() {
            assert_eq!(added(before, size, c"a", c"b").0, OTP_E_ARGUMENT, "{size}");
        }
        assert_eq!(added(before, after.len() + 1, c"a", c"b"), (OTP_OK, after.to_owned()));
        assert_eq!(added(before, usize::MAX, c"a", c"b"), (OTP_OK, after.to_owned()));
    }
}

#[test]
fn a_member_may_be_the_request_itself() {
    let mut memory = [0_u8; 64];
    memory[..7].copy_from_slice(b"{\"a\":1}");
    let request = memory.as_mut_ptr().cast::<c_char>();
    assert_eq!(unsafe { otp_request_text(request, 64, c"b".as_ptr(), request) }, OTP_OK);
    let text = CStr::from_bytes_until_nul(&memory).unwrap().to_str().unwrap();
    assert_eq!(text, r#"{"a":1,"b":"{\"a\":1}"}"#);
}

#[test]
fn params_are_added_wherever_they_stand() {
    for (before, after) in [
        ("", r#"{"params":{"a":"\"b"}}"#),
        ("{}", r#"{"params":{"a":"\"b"}}"#),
        (r#"{"x":"1"}"#, r#"{"x":"1","params":{"a":"\"b"}}"#),
        (r#"{"params":{}}"#, r#"{"params":{"a":"\"b"}}"#),
        (r#"{ "params" : { } , "x": "params" } "#, r#"{ "params" : { "a":"\"b"} , "x": "params" } "#),
        (r#"{"x":{"params":{"a":1}},"params":{"b":"}"}}"#, r#"{"x":{"params":{"a":1}},"params":{"b":"}","a":"\"b"}}"#),
        (r#"{"p\u0061rams":{"b":"2"},"x":[1]}"#, r#"{"p\u0061rams":{"b":"2","a":"\"b"},"x":[1]}"#),
    ] {
        assert_eq!(added_by(otp_request_param, before, 128, c"a", c"\"b"), (OTP_OK, after.to_owned()), "{before}");
        assert_eq!(added_by(otp_request_param, before, after.len(), c"a", c"\"b").0, OTP_E_ARGUMENT, "{before}");
        assert_eq!(added_by(otp_request_param, before, after.len() + 1, c"a", c"\"b").0, OTP_OK, "{before}");
        let json: serde_json::Value = serde_json::from_str(after).unwrap();
        assert_eq!(json["params"]["a"], "\"b");
    }
    for before in [
        r#"{"params":{"a":"1"}}"#,
        r#"{"params":{"\u0061":"1"}}"#,
        r#"{"params":[]}"#,
        r#"{"params":"a"}"#,
        r#"{"params":null}"#,
        "[]",
        "{",
        r#"{"params":{}"#,
    ] {
        assert_eq!(added_by(otp_request_param, before, 128, c"a", c"b"), (OTP_E_ARGUMENT, before.to_owned()));
    }
    let mut memory = [0_u8; 128];
    let request = memory.as_mut_ptr().cast::<c_char>();
    for (name, text) in [(c"shop", c"Ann's"), (c"what", c"caf\xc3\xa9")] {
        assert_eq!(unsafe { otp_request_param(request, 128, name.as_ptr(), text.as_ptr()) }, OTP_OK);
    }
    assert_eq!(unsafe { otp_request_text(request, 128, c"phoneNumber".as_ptr(), c"39".as_ptr()) }, OTP_OK);
    let text = CStr::from_bytes_until_nul(&memory).unwrap().to_str().unwrap();
    assert_eq!(text, r#"{"params":{"shop":"Ann's","what":"café"},"phoneNumber":"39"}"#);
}
