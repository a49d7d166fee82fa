//! The results: their numbers, and what is known about each.

use std::ffi::{CStr, c_char};

use crate::outcome::Outcome;

/// What a call came to. `OTP_OK`, which is 0, is the only yes; positive numbers are considered refusals, to show the
/// user; negative numbers say that the library could not answer, to log. Numbers are never changed or reused. Treat
/// one that you do not know by its sign.
pub type otp_result = i32;

/// Size in bytes that a reply buffer must have at least.
pub const OTP_REPLY_SIZE: usize = 4096;

/// Version of this interface; the number in the soname. Within one, functions, results and JSON fields are only
/// added. Compare it with `otp_abi_version()` where the library is loaded at run time.
pub const OTP_ABI_VERSION: u32 = 0;

/// Done. For otp_verify(): the code was right, and is used now. HTTP 200.
pub const OTP_OK: otp_result = 0;
/// The code is not right, or there is none for this token. HTTP 404.
pub const OTP_NOT_VALID: otp_result = 1;
/// The code is right and has been used before. HTTP 409.
pub const OTP_CHECKED: otp_result = 2;
/// The code is right and too old, or a newer one replaced it. HTTP 410.
pub const OTP_EXPIRED: otp_result = 3;
/// Too many wrong codes, for this code or for its subject: the code was not looked at. HTTP 429.
pub const OTP_LOCKED: otp_result = 4;
/// Too many codes for this recipient: nothing was drawn or sent. HTTP 429.
pub const OTP_RATE_LIMITED: otp_result = 5;
/// The code is right and was cancelled. HTTP 410.
pub const OTP_CANCELLED: otp_result = 6;
/// The recipient's country is not on the list; or the provider does not send to this recipient. HTTP 403.
pub const OTP_REFUSED: otp_result = 7;
/// There is no such request. HTTP 404.
pub const OTP_UNKNOWN: otp_result = 8;
/// A parameter, or a member of the request, is wrong: `message` names it. Nothing was done. HTTP 400.
pub const OTP_E_ARGUMENT: otp_result = -1;
/// The configuration or the key is wrong: `message` names the option. Nothing was done. HTTP 500.
pub const OTP_E_CONFIG: otp_result = -2;
/// The repository failed. What was asked may have been done, or a part of it. HTTP 503.
pub const OTP_E_STORE: otp_result = -3;
/// The repository was in use for 10 s. Certainly nothing was done. HTTP 503.
pub const OTP_E_BUSY: otp_result = -4;
/// The message was certainly not sent. After otp_create() the code is cancelled. HTTP 502.
pub const OTP_E_SEND: otp_result = -5;
/// The message may have been sent, or another one with its code, which is good: do not retry blindly. HTTP 502.
pub const OTP_E_IN_DOUBT: otp_result = -6;
/// The signature of the webhook is wrong. HTTP 401.
pub const OTP_E_SIGNATURE: otp_result = -7;
/// The webhook carries no signature; the vendor sends it again, signed, after a 5xx. HTTP 503.
pub const OTP_E_UNSIGNED: otp_result = -8;
/// The operating system gave no random numbers. Nothing was done. HTTP 500.
pub const OTP_E_RANDOM: otp_result = -9;
/// The configuration does not provide what was asked for. Nothing was done. HTTP 500.
pub const OTP_E_UNSUPPORTED: otp_result = -10;
/// A defect of the library. The service stays usable; what was asked may have been done. HTTP 500.
pub const OTP_E_INTERNAL: otp_result = -11;

const UNKNOWN_NAME: &CStr = c"OTP_UNKNOWN_RESULT";
const UNKNOWN_MESSAGE: &CStr = c"The code is invalid for unknown reason";
const UNKNOWN_HTTP_STATUS: i32 = 404;

/// An outcome's texts as C wants them: ended by NUL.
struct ResultTexts {
    name: [u8; 24],
    message: [u8; 48],
}

/// In the order of [`Outcome::ALL`].
static TEXTS: [ResultTexts; Outcome::ALL.len()] = texts();

// Evaluated by the compiler: an index that is out of range does not build.
#[allow(clippy::indexing_slicing)]
const fn texts() -> [ResultTexts; Outcome::ALL.len()] {
    let mut texts = [const { ResultTexts { name: [0; 24], message: [0; 48] } }; Outcome::ALL.len()];
    let mut index = 0;
    while index < texts.len() {
        let outcome = Outcome::ALL[index];
        texts[index] = ResultTexts { name: terminated(outcome.name()), message: terminated(outcome.message()) };
        index += 1;
    }
    texts
}

#[allow(clippy::indexing_slicing)]
const fn terminated<const SIZE: usize>(text: &str) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    assert!(text.len() < SIZE);
    let mut index = 0;
    while index < text.len() {
        bytes[index] = text.as_bytes()[index];
        index += 1;
    }
    bytes
}

fn texts_of(result: otp_result) -> Option<&'static ResultTexts> {
    TEXTS.get(Outcome::ALL.iter().position(|outcome| outcome.number() == result)?)
}

/// Gives the name of a result, such as "OTP_NOT_VALID", for logs.
///
/// Parameters:
/// - `result`: any number.
///
/// Results: a text that lives as long as the process; "OTP_UNKNOWN_RESULT" for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn otp_result_name(result: otp_result) -> *const c_char {
    texts_of(result).map_or(UNKNOWN_NAME.as_ptr(), |texts| texts.name.as_ptr().cast())
}

/// Gives one sentence about a result: for a refusal the one to show the user.
///
/// Parameters:
/// - `result`: any number.
///
/// Results: a text that lives as long as the process; "The code is invalid for unknown reason" for a number that is
/// none. The reply's `message` says more about a failure.
#[unsafe(no_mangle)]
pub extern "C" fn otp_result_message(result: otp_result) -> *const c_char {
    texts_of(result).map_or(UNKNOWN_MESSAGE.as_ptr(), |texts| texts.message.as_ptr().cast())
}

/// Gives the HTTP status with which a web service answers a result, such as 410 for OTP_EXPIRED.
///
/// Parameters:
/// - `result`: any number.
///
/// Results: the status; 200 for OTP_OK alone, 404 for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn otp_result_http_status(result: otp_result) -> i32 {
    Outcome::from_number(result).map_or(UNKNOWN_HTTP_STATUS, |outcome| i32::from(outcome.http_status()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [(otp_result, Outcome); Outcome::ALL.len()] = [
        (OTP_UNKNOWN, Outcome::Unknown),
        (OTP_REFUSED, Outcome::Refused),
        (OTP_CANCELLED, Outcome::Cancelled),
        (OTP_RATE_LIMITED, Outcome::RateLimited),
        (OTP_LOCKED, Outcome::Locked),
        (OTP_EXPIRED, Outcome::Expired),
        (OTP_CHECKED, Outcome::Checked),
        (OTP_NOT_VALID, Outcome::NotValid),
        (OTP_OK, Outcome::Ok),
        (OTP_E_ARGUMENT, Outcome::Argument),
        (OTP_E_CONFIG, Outcome::Config),
        (OTP_E_STORE, Outcome::Store),
        (OTP_E_BUSY, Outcome::Busy),
        (OTP_E_SEND, Outcome::Send),
        (OTP_E_IN_DOUBT, Outcome::InDoubt),
        (OTP_E_SIGNATURE, Outcome::Signature),
        (OTP_E_UNSIGNED, Outcome::Unsigned),
        (OTP_E_RANDOM, Outcome::Random),
        (OTP_E_UNSUPPORTED, Outcome::Unsupported),
        (OTP_E_INTERNAL, Outcome::Internal),
    ];

    fn text(pointer: *const c_char) -> &'static str {
        unsafe { CStr::from_ptr(pointer) }.to_str().unwrap()
    }

    #[test]
    fn constants_and_texts_are_those_of_the_outcomes() {
        for ((number, outcome), expected) in NUMBERS.into_iter().zip(Outcome::ALL) {
            assert_eq!((number, outcome), (expected.number(), expected));
            assert_eq!(text(otp_result_name(number)), outcome.name());
            assert_eq!(text(otp_result_message(number)), outcome.message());
            assert_eq!(otp_result_http_status(number), i32::from(outcome.http_status()));
        }
    }

    #[test]
    fn another_number_is_never_a_yes() {
        for number in [9, -12, 200, i32::MAX, i32::MIN] {
            assert_eq!(text(otp_result_name(number)), "OTP_UNKNOWN_RESULT");
            assert_eq!(text(otp_result_message(number)), "The code is invalid for unknown reason");
            assert_eq!(otp_result_http_status(number), 404);
        }
    }
}
