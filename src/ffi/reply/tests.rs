use super::*;
use crate::reply::{DeliveryState, Locked, RequestState, SendFailure, Status, StepReply};
use crate::sender::Message;
use serde_json::Value;
use zeroize::Zeroizing;

/// Writes a reply to a buffer with bytes behind it that must not change, and reads it as C would.
fn written<T: Bounded>(answer: Result<T>) -> (Outcome, String) {
    let mut memory = [0x5a_u8; OTP_REPLY_SIZE + 64];
    let buffer = unsafe { Buffer::new(memory.as_mut_ptr().cast(), OTP_REPLY_SIZE) }.unwrap();
    let outcome = buffer.write(answer).unwrap();
    assert!(memory[OTP_REPLY_SIZE..].iter().all(|byte| *byte == 0x5a));
    let text = std::ffi::CStr::from_bytes_until_nul(&memory).unwrap().to_str().unwrap().to_owned();
    assert!(text.len() < OTP_REPLY_SIZE);
    (outcome, text)
}

fn parsed<T: Bounded>(answer: Result<T>) -> Value {
    serde_json::from_str(&written(answer).1).unwrap()
}

/// The longest text of `bytes` bytes that the library's own rules let through: each takes two in JSON.
fn quotes(bytes: usize) -> String {
    "\"".repeat(bytes)
}

/// A text from elsewhere: any length, any characters.
fn foreign() -> String {
    "\u{1}é\"".repeat(5000)
}

fn create_reply(outcome: Outcome) -> CreateReply {
    CreateReply {
        outcome,
        expires_in_seconds: Some(u64::MAX),
        attempts_left: Some(u32::MAX),
        retry_after_seconds: Some(u64::MAX),
        locked: Some(Locked::Disabled),
        delivery: Some(DeliveryReply {
            via: "messages",
            sender: Some("s".repeat(16)),
            dispatch_uuid: Some(foreign()),
            message_uuid: Some(foreign()),
            channel: Some("c".repeat(32)),
            state: DeliveryState::Undeliverable,
            steps: None,
        }),
        message: None,
        failure: None,
    }
}

#[test]
fn the_largest_create_with_a_message_fits() {
    let mut reply = create_reply(Outcome::Ok);
    let delivery = reply.delivery.as_mut().unwrap();
    (delivery.dispatch_uuid, delivery.message_uuid) = (None, None);
    reply.message = Some(Message {
        token: quotes(256),
        channel: "c".repeat(32),
        // A mail's address is the longest, and has nothing that takes two bytes in JSON.
        to: Zeroizing::new("t".repeat(254)),
        from: quotes(64),
        subject: Some(Zeroizing::new(quotes(128))),
        text: Zeroizing::new(quotes(1000)),
        code: Zeroizing::new(quotes(16)),
        expires_in_seconds: None,
        locale: Some(quotes(35)),
        sender: None,
        client_ref: None,
        minutes: 0,
        params: Vec::new(),
    });
    let (outcome, text) = written(Ok(reply));
    assert_eq!(outcome, Outcome::Ok);
    assert!(text.len() > 3000, "the bounds that this test assumes are small: {}", text.len());
    let reply: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(reply["text"], quotes(1000));
    assert_eq!(reply.get("shortened"), None);
}

#[test]
fn the_largest_failure_to_send_fits_and_tells_what_was_shortened() {
    let mut reply = create_reply(Outcome::InDoubt);
    reply.failure = Some(SendFailure {
        detail: foreign(),
        http_status: Some(u16::MAX),
        vendor_code: Some(foreign()),
        vendor_title: Some(foreign()),
        message_id: None,
        retry_after_seconds: Some(86_400),
    });
    let reply = parsed(Ok(reply));
    let names = ["delivery.dispatchUuid", "delivery.messageUuid", "vendorCode", "vendorTitle", "message"];
    assert_eq!(reply["shortened"], serde_json::json!(names));
    // Each round of the pattern takes 6 + 2 + 2 bytes in JSON.
    assert_eq!(reply["vendorTitle"], "\u{1}é\"".repeat(20));
    assert_eq!(reply["message"], reply["vendorTitle"]);
    assert_eq!(reply["result"], "OTP_E_IN_DOUBT");
}

#[test]
fn the_largest_status_fits() {
    let step = StepReply {
        channel: "c".repeat(32),
        sender: Some("s".repeat(16)),
        message_uuid: Some(foreign()),
        status: DeliveryState::Undeliverable,
        at: "9999-12-31T23:59:59.999Z".to_owned(),
        error: Some(foreign()),
    };
    let date = step.at.clone();
    let mut delivery = create_reply(Outcome::Ok).delivery.unwrap();
    delivery.steps = Some(vec![step; 5]);
    let status = Status {
        token: quotes(256),
        state: RequestState::Cancelled,
        creation_date: date.clone(),
        expiry_date: date.clone(),
        is_checked: false,
        check_date: Some(date),
        attempts_left: u32::MAX,
        delivery,
    };
    let reply = parsed(Ok(StatusReply { outcome: Outcome::Ok, status: Some(status) }));
    assert_eq!(reply["shortened"].as_array().unwrap().len(), 12);
    assert_eq!(reply["shortened"][11], "delivery.steps.4.error");
    let step = &reply["delivery"]["steps"][4];
    assert_eq!(step["error"], "\u{1}é\"".repeat(12));
    assert_eq!(step["messageUuid"], "\u{1}é\"".repeat(6));
}

#[test]
fn the_largest_others_fit() {
    let outcome = Outcome::Locked;
    let (attempts_left, seconds) = (Some(u32::MAX), Some(u64::MAX));
    let locked = Some(Locked::Disabled);
    let reply = parsed(Ok(VerifyReply { outcome, attempts_left, retry_after_seconds: seconds, locked }));
    assert_eq!(reply["locked"], "disabled");
    let reply = parsed(Ok(RunDueReply { ran: u64::MAX, purged: u64::MAX, next_due_in_milliseconds: seconds }));
    assert_eq!(reply["purged"], u64::MAX);
    let error = Error::config(foreign());
    let reply = parsed::<DoneReply>(Err(error));
    assert_eq!(reply["message"], "\u{1}é\"".repeat(200));
    assert_eq!(reply["shortened"], serde_json::json!(["message"]));
}

#[test]
fn warnings_fit_however_many_there_are() {
    let few = OpenReply { warnings: vec!["one".to_owned(), foreign()] };
    let reply = parsed(Ok(few));
    assert_eq!(reply["warnings"][0], "one");
    assert_eq!(reply["shortened"], serde_json::json!(["warnings.1"]));
    let many = OpenReply { warnings: vec![foreign(); 1000] };
    let reply = parsed(Ok(many));
    assert_eq!(reply["warnings"].as_array().unwrap().len(), 8);
    assert_eq!(reply["shortened"], serde_json::json!(["warnings"]));
}

#[test]
fn a_text_is_shortened_at_a_character_when_it_is_a_byte_too_long() {
    for (text, limit, left) in [
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("aé", 3, "aé"),
        ("aé", 2, "a"),
        ("a\"", 2, "a"),
        ("a\u{1f}", 7, "a\u{1f}"),
        ("a\u{1f}", 6, "a"),
        ("\u{7f}\n", 3, "\u{7f}\n"),
        ("", 0, ""),
    ] {
        let (mut shortened, mut cut) = (Shortened::default(), text.to_owned());
        shortened.cut(&mut cut, limit, || "name".to_owned());
        assert_eq!(cut, left, "{text:?} within {limit}");
        assert_eq!(shortened.0.len(), usize::from(text != left));
    }
}

#[test]
fn a_refusal_tells_its_sentence_and_a_success_none() {
    let verdict = |outcome| VerifyReply { outcome, attempts_left: Some(4), retry_after_seconds: None, locked: None };
    let refused = r#"{"result":"OTP_NOT_VALID","message":"Not found","attemptsLeft":4}"#;
    assert_eq!(written(Ok(verdict(Outcome::NotValid))), (Outcome::NotValid, refused.to_owned()));
    assert_eq!(written(Ok(verdict(Outcome::Ok))).1, r#"{"result":"OTP_OK","attemptsLeft":4}"#);
    let unknown = written(Ok(StatusReply { outcome: Outcome::Unknown, status: None })).1;
    assert_eq!(unknown, r#"{"result":"OTP_UNKNOWN","message":"There is no such request"}"#);
    let failed = written::<()>(Err(Error::store("otp.db: disk full")));
    assert_eq!(failed, (Outcome::Store, r#"{"result":"OTP_E_STORE","message":"otp.db: disk full"}"#.to_owned()));
}

#[test]
fn what_does_not_fit_leaves_a_reply_that_does() {
    let mut memory = [0x5a_u8; OTP_REPLY_SIZE + 64];
    let buffer = unsafe { Buffer::new(memory.as_mut_ptr().cast(), usize::MAX) }.unwrap();
    let mut reply = create_reply(Outcome::Ok);
    reply.delivery.as_mut().unwrap().channel = Some("c".repeat(5000));
    assert_eq!(buffer.write(Ok(reply)).unwrap_err().outcome(), Outcome::Internal);
    buffer.write_bare(Outcome::Internal);
    assert!(memory.starts_with(b"{\"result\":\"OTP_E_INTERNAL\",\"message\":\"internal error\"}\0"));
    assert!(memory[OTP_REPLY_SIZE..].iter().all(|byte| *byte == 0x5a));
}

#[test]
fn a_buffer_is_absent_or_large_enough() {
    let mut memory = [0_u8; OTP_REPLY_SIZE];
    let pointer = memory.as_mut_ptr().cast();
    for (reply, size, is_one) in [
        (std::ptr::null_mut(), 0, true),
        (std::ptr::null_mut(), OTP_REPLY_SIZE, true),
        (pointer, 0, false),
        (pointer, OTP_REPLY_SIZE - 1, false),
        (pointer, OTP_REPLY_SIZE, true),
    ] {
        assert_eq!(unsafe { Buffer::new(reply, size) }.is_some(), is_one, "{size}");
    }
}

/// With all that there is, and every number at its largest.
#[test]
fn the_largest_metrics_fit() {
    let (outcome, text) = written(Ok(crate::metrics::tests::full()));
    assert_eq!(outcome, Outcome::Ok);
    let reply: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(reply["calls"]["create"]["OTP_OK"], (1_u64 << 53) - 1);
    assert_eq!(reply["send"]["8".repeat(16)]["in_doubt"], 9_999_999_999_u64);
    println!("{} bytes of {OTP_REPLY_SIZE}", text.len());
    assert!(text.len() > 3000, "the counters that this test assumes are few: {}", text.len());
    assert_eq!(reply.get("shortened"), None);
}
