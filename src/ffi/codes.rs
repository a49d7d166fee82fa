//! The life of a code: create, resend, verify, cancel, status.

use std::ffi::c_char;

use crate::Service;
use crate::error::{Error, Result};
use crate::ffi::guard::guard;
use crate::ffi::handle::{self, otp_service};
use crate::ffi::results::otp_result;
use crate::ffi::strings::{optional_text, text};

/// Draws a code for `token` and has it delivered.
///
/// `token` is the host's name for what the code is good for, say a login under way: 1 to 256 bytes of UTF-8 without
/// control characters. Let nobody outside choose it together with an address: whoever does receives its code. A new
/// code replaces the token's live one. Codes come from the operating system's random numbers, uniformly.
///
/// `request` is a JSON object of at most 16 KiB; NULL is allowed with sender "none" alone. A member that is unknown or
/// repeated is OTP_E_ARGUMENT. Members:
///
/// - `messengerId`, `phoneNumber`, and other addresses by the name of their channel, if a step of the workflow has it:
///   at most 64 bytes. A number is read as people write it: `+` or `00`, its calling code (ITU-T E.164) and the number,
///   with blanks, dashes, `./()`, digits of any script and a `tel:` before it; without `+` or `00` also as a national
///   one of `defaultCountry`. It must have a length with which a number of that code can receive a message, and no 0
///   after the code where none belongs there.
/// - `channels`: an array of channels of the workflow; only steps of these are used, for resends as well.
/// - `subject`: the account whose failures count together, over all its codes; 1 to 256 bytes. Default: the phone
///   number, else the Messenger id, else the token.
/// - `context`: what the user approves, say amount and payee; at most 4 KiB. The code is good only together with the
///   same context, byte for byte: see otp_verify_context().
/// - `locale`: the language of the text, such as "it" or "pt-BR" (RFC 5646); at most 35 bytes.
/// - `params`: an object of texts that are filled into the message.
/// - `idempotencyKey`: 1 to 256 bytes. The same key with the same request gives the first answer again, whatever became
///   of the delivery since, and sends nothing; before there is one, OTP_E_IN_DOUBT. With another request it is
///   OTP_E_ARGUMENT. Use one where a request may come twice.
/// - `client`: who asks, say an IP address or a session; 1 to 256 bytes.
/// - `code`: with `ownCodes` alone; 4 to 16 printable ASCII characters, not blanks and `-` alone.
///
/// Reply: `expiresInSeconds` (rounded down), `attemptsLeft`, `delivery` {`via`, `dispatchUuid` or `messageUuid`,
/// `channel`, `state`}. `state` is "sending", "accepted", "submitted", "delivered", "read", "rejected",
/// "undeliverable", "failed", "in_doubt", "skipped" or "stopped". When refused: `retryAfterSeconds` (rounded up, at
/// least 1; absent where waiting does not help) and `locked` ("code", "subject" or "disabled"). When sending failed,
/// what is known of `httpStatus`, `vendorCode`, `vendorTitle`, `retryAfterSeconds`. With sender "none" also the members
/// of the message (see otp_send_fn), the code among them; there a NULL reply is OTP_E_ARGUMENT.
///
/// Results: OTP_OK: the code is stored and its message is on its way. OTP_LOCKED, OTP_RATE_LIMITED, OTP_REFUSED:
/// nothing was drawn or sent, and a live code stays as it was. OTP_CANCELLED: cancelled, erased or replaced while it
/// was being sent. OTP_E_SEND, and OTP_REFUSED with `delivery` in the reply (the provider does not send to this
/// recipient): certainly not sent; the code is cancelled. OTP_E_IN_DOUBT: perhaps sent, by this call or by a resend or
/// a timer meanwhile; the code is good. OTP_E_STORE: it may have been stored; nothing was sent. OTP_E_ARGUMENT,
/// OTP_E_CONFIG, OTP_E_BUSY, OTP_E_RANDOM, OTP_E_UNSUPPORTED (sender "host" without a function): nothing was done.
///
/// ```c
/// otp_create(service, session, "{\"phoneNumber\": \"393331234567\"}", reply, sizeof reply)
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_create(
    service: *mut otp_service,
    token: *const c_char,
    request: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            let (token, request) = (text(token, "token")?, optional_text(request, "request")?);
            takes_code(&service, reply)?;
            service.create(token, request)
        })
    }
}

/// Sends the token's code once more: the same code, since messages may arrive out of order, from the first step of the
/// workflow, within the time it has left. It counts against the send limits.
///
/// Reply: as of otp_create().
///
/// Results: as of otp_create(), but a failure to send leaves the code good; and by the state of the code OTP_UNKNOWN,
/// OTP_CHECKED, OTP_CANCELLED, OTP_LOCKED, OTP_EXPIRED. OTP_E_ARGUMENT too, uncounted, where the texts of a newer
/// configuration want `params` that the request did not have.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_resend(
    service: *mut otp_service,
    token: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            let token = text(token, "token")?;
            takes_code(&service, reply)?;
            service.resend(token)
        })
    }
}

/// As otp_resend(), but from the first step of the workflow with this channel on: for "send it by SMS instead".
///
/// OTP_E_ARGUMENT too, with nothing counted or sent, where no step has the channel, the request brought no address for
/// it, or its `channels` leave it out.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_resend_channel(
    service: *mut otp_service,
    token: *const c_char,
    channel: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            let (token, channel) = (text(token, "token")?, text(channel, "channel")?);
            takes_code(&service, reply)?;
            service.resend_channel(token, channel)
        })
    }
}

/// With sender "none": says that the message which was handed over last certainly did not leave. The message of the
/// next step of the workflow for which there is an address comes back, as from otp_create(), and counts against no
/// limit. A message that may have left must not be given up so: keep its code.
///
/// Reply: as of otp_create().
///
/// Results: OTP_OK; OTP_E_SEND where no step is left, and the code stays good: otp_cancel() ends it; by the state of the
/// code OTP_UNKNOWN, OTP_CHECKED, OTP_CANCELLED, OTP_LOCKED, OTP_EXPIRED; OTP_E_ARGUMENT where no message was handed
/// over, and where `reply` is NULL; OTP_E_UNSUPPORTED with another sender; OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_not_sent(
    service: *mut otp_service,
    token: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            let token = text(token, "token")?;
            takes_code(&service, reply)?;
            service.not_sent(token)
        })
    }
}

/// Checks a code and uses it up: of all calls in all processes, exactly one is told OTP_OK, after that is stored for
/// good. Compare with OTP_OK and with nothing else: `if (otp_verify(...))` is the wrong way round.
///
/// `code` is what the user typed: 1 to 64 bytes, and not blanks and dashes alone, else OTP_E_ARGUMENT, which does not
/// count. Anything else is a guess and counts, on the code and on its subject, also when the code is used or expired
/// already. Codes of digits are compared without white space, dashes (Unicode Pd) and invisible characters (Cf), and
/// with digits of any script; other own codes byte for byte. The time that takes does not depend on the codes. The
/// limits are those of NIST SP 800-63B-4, section 3.2.2, or stricter ones of the configuration.
///
/// Reply: `attemptsLeft` (absent for an unknown token); when locked `retryAfterSeconds` (absent where waiting does not
/// help) and `locked`: "code" (ask for a new one), "subject" (wait) or "disabled" (see otp_unlock()).
///
/// Results: OTP_OK. OTP_NOT_VALID: wrong, or no such token. OTP_LOCKED: the code was not looked at. OTP_CHECKED,
/// OTP_EXPIRED, OTP_CANCELLED: right, but used, too old or replaced, cancelled; told to those alone who know the code.
/// OTP_E_ARGUMENT, OTP_E_CONFIG (the key of the record is not at hand), OTP_E_STORE, OTP_E_BUSY.
///
/// ```c
/// if (otp_verify(service, session, typed, reply, sizeof reply) == OTP_OK)
///   let_in();
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_verify(
    service: *mut otp_service,
    token: *const c_char,
    code: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            service.verify(text(token, "token")?, text(code, "code")?, None)
        })
    }
}

/// As otp_verify(), for a code that was created with a `context` (Regulation (EU) 2018/389, article 5: dynamic
/// linking).
///
/// `context` must be the same, byte for byte; at most 4 KiB. Another one is OTP_NOT_VALID and counts, and so is one
/// where none was given, and none where one was given. NULL is none, "" is a context.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_verify_context(
    service: *mut otp_service,
    token: *const c_char,
    code: *const c_char,
    context: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            service.verify(text(token, "token")?, text(code, "code")?, optional_text(context, "context")?)
        })
    }
}

/// Cancels the token's code, for good. The reply has no members of its own.
///
/// Results: OTP_OK, also when it is cancelled already; OTP_UNKNOWN, OTP_CHECKED, OTP_EXPIRED; OTP_E_ARGUMENT,
/// OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_cancel(
    service: *mut otp_service,
    token: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { guard(reply, reply_size, || handle::enter(service)?.cancel(text(token, "token")?)) }
}

/// Tells how the token's code stands, for the host to see; it sends nothing and counts nothing.
///
/// Reply: `token`; `state`, the first that holds of "checked", "cancelled", "locked", "expired", "pending";
/// `creationDate`, `expiryDate`, `isChecked`, `checkDate` (RFC 3339, UTC, with milliseconds), `attemptsLeft`,
/// `delivery` as of otp_create() with `steps`: an array of {`channel`, `messageUuid`, `status`, `at`, `error`}: those
/// begun, those "skipped" for want of an address, and with sender "messages" those "stopped", once no further one begins.
///
/// Results: OTP_OK, whatever the state; OTP_UNKNOWN; OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_status(
    service: *mut otp_service,
    token: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { guard(reply, reply_size, || handle::enter(service)?.status(text(token, "token")?)) }
}

/// A service that hands its codes over needs a reply to do it with.
fn takes_code(service: &Service, reply: *mut c_char) -> Result<()> {
    if reply.is_null() && service.hands_over() {
        return Err(Error::argument("reply: must not be NULL where sender none hands the code over"));
    }
    Ok(())
}
