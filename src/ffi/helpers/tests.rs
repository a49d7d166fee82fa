use super::*;
use std::ffi::{CStr, CString};

const REPLY: &str = r#" {"result":"OTP_OK","message":"a\n\"é\u0041","n":-7,"big":18446744073709551615,"yes":true,"no":false,
  "half":0.5,"nothing":null,"a.b":"dotted","":"empty","code":"012345",
  "delivery":{"channel":"sms","state":"read","steps":[{"status":"skipped"},{"status":"read","at":2},["x"]]}} "#;

fn text_of(reply: &str, field: &str, size: usize) -> (usize, String) {
    let (reply, field) = (CString::new(reply).unwrap(), CString::new(field).unwrap());
    let mut memory = [0x5a_u8; 64];
    let length = unsafe { otp_reply_text(reply.as_ptr(), field.as_ptr(), memory.as_mut_ptr().cast(), size) };
    assert!(memory[size..].iter().all(|byte| *byte == 0x5a), "{size}");
    if size == 0 {
        return (length, String::new());
    }
    (length, CStr::from_bytes_until_nul(&memory).unwrap().to_str().unwrap().to_owned())
}

fn integer_of(reply: &str, field: &str) -> i64 {
    let (reply, field) = (CString::new(reply).unwrap(), CString::new(field).unwrap());
    unsafe { otp_reply_integer(reply.as_ptr(), field.as_ptr(), -99) }
}

#[test]
fn members_are_read_as_text_and_as_number() {
    for (field, text, integer) in [
        ("result", "OTP_OK", -99),
        ("message", "a\n\"éA", -99),
        ("n", "-7", -7),
        ("big", "18446744073709551615", -99),
        ("yes", "true", 1),
        ("no", "false", 0),
        ("half", "0.5", -99),
        ("nothing", "", -99),
        ("code", "012345", -99),
        ("delivery", "", -99),
        ("delivery.steps", "", -99),
        ("delivery.channel", "sms", -99),
        ("delivery.steps.0.status", "skipped", -99),
        ("delivery.steps.1.status", "read", -99),
        ("delivery.steps.1.at", "2", 2),
        ("delivery.steps.2.0", "x", -99),
        ("delivery.steps.3.status", "", -99),
        ("delivery.steps.-1.status", "", -99),
        ("delivery.steps.18446744073709551616", "", -99),
        ("delivery.steps.status", "", -99),
        ("delivery.channel.0", "", -99),
        ("delivery.", "", -99),
        (".delivery", "", -99),
        ("n.", "", -99),
        ("a.b", "", -99),
        ("absent", "", -99),
        ("", "empty", -99),
    ] {
        assert_eq!(text_of(REPLY, field, 64), (text.len(), text.to_owned()), "{field}");
        assert_eq!(integer_of(REPLY, field), integer, "{field}");
    }
}

#[test]
fn the_first_of_repeated_members_counts() {
    assert_eq!(text_of(r#"{"a":1,"a":2}"#, "a", 8).1, "1");
}

#[test]
fn what_is_no_json_has_no_members() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
    for reply in ["", "{", "[]", "null", "7", "{\"a\":1", "{\"a\":1} x", "{\"a\":01}", "{'a':1}", &deep] {
        assert_eq!((text_of(reply, "a", 8), integer_of(reply, "a")), ((0, String::new()), -99), "{reply:.20}");
    }
}

#[test]
fn a_text_is_cut_at_a_character_and_its_length_told() {
    let reply = r#"{"t":"aé€😀"}"#;
    for (size, cut) in [
        (0, ""),
        (1, ""),
        (2, "a"),
        (3, "a"),
        (4, "aé"),
        (6, "aé"),
        (7, "aé€"),
        (10, "aé€"),
        (11, "aé€😀"),
        (64, "aé€😀"),
    ] {
        assert_eq!(text_of(reply, "t", size), (10, cut.to_owned()), "{size}");
    }
}

#[test]
fn a_text_may_take_the_place_of_its_reply() {
    let mut memory = *b"{\"t\":\"text\"}\0";
    let pointer = memory.as_mut_ptr().cast::<c_char>();
    assert_eq!(unsafe { otp_reply_text(pointer, c"t".as_ptr(), pointer, memory.len()) }, 4);
    assert!(memory.starts_with(b"text\0"));
}
