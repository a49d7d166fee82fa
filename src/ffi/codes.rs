//! The life of a code: create, resend, verify, cancel, status.

use std::ffi::c_char;

use crate::Service;
use crate::error::{Error, Result};
use crate::ffi::guard::guard;
use crate::ffi::handle::{self, otp_service};
use crate::ffi::results::otp_result;
use crate::ffi::strings::{optional_text, text};
use crate::metrics::Call;

/// Draws a code for a token and has it delivered.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `token`: your name for what the code is good for, such as a login under way: 1 to 256 bytes of UTF-8 without
///   control characters. A new code replaces the token's live one. Let nobody outside choose both a token and an
///   address: whoever does receives its code.
/// - `request`: one JSON object of at most 16 KiB; otp_request_text() helps to write it. NULL only with sender "none".
///   A member that is unknown or repeated is OTP_E_ARGUMENT.
/// - `reply`, `reply_size`: see "Replies". With sender "none" the code comes in the reply: then `reply` must not be
///   NULL.
///
/// Members of the request. It needs an address for at least one step of the workflow, except with sender "none":
/// - `phoneNumber`: as people write it: `+` or `00`, the calling code and the number (ITU-T E.164); blanks, dashes,
///   `./()`, digits of any script and `tel:` do no harm. Without `+` or `00` it may be a national number of
///   `defaultCountry`. At most 64 bytes.
/// - `email`: one bare address of mail, such as name@example.com: at most 254 bytes. It is sent to as given; limits count
///   on its lower-case form. Letters outside ASCII need a build with the feature `smtp`.
/// - `messengerId`, and other addresses by the name of their channel, for steps of the workflow: 1 to 64 bytes.
/// - `channels`: an array of channels; only their steps are used, also by otp_resend().
/// - `subject`: the account whose wrong codes count together, over all its tokens: 1 to 256 bytes. By default the phone
///   number, else the Messenger id, else the address of mail, else the token.
/// - `context`: what the user approves, such as amount and payee: at most 4 KiB. See otp_verify_context().
/// - `locale`: the language of the text, such as "it" or "pt-BR" (RFC 5646): 1 to 35 bytes.
/// - `params`: an object of at most 16 texts of at most 256 bytes each, for the names in braces in `message`: 1 to 32
///   letters, digits or _, but not code, minutes or brand. Braces in a value are not filled in again.
/// - `idempotencyKey`: 1 to 256 bytes. The same key with the same request for the same token gets the first answer
///   again and sends nothing; until there is one, OTP_E_IN_DOUBT. With another request it is OTP_E_ARGUMENT.
/// - `client`: who asks, such as an IP address, for your log: 1 to 256 bytes.
/// - `code`: a code of your own, only with `ownCodes`: 4 to 16 printable ASCII characters, not blanks and `-` alone.
///
/// Reply: `expiresInSeconds` (rounded down), `attemptsLeft`, `delivery` {`via` (what the newest step's sender is:
/// its `type`), `sender` (its name in `senders`), `dispatchUuid` or `messageUuid`, `channel`, `state`}. A state is
/// "sending", "accepted", "submitted", "delivered", "read", "rejected", "undeliverable", "failed", "in_doubt",
/// "skipped" or "stopped". A refusal has `retryAfterSeconds` (rounded up, at least 1; absent where waiting does not
/// help) and `locked` ("code", "subject" or "disabled"). A message that failed has what is known of `httpStatus`,
/// `vendorCode`, `vendorTitle` and `retryAfterSeconds`. With sender "none" the reply has the members of the message
/// as well, but neither `sender` nor `clientRef`: see otp_send_fn.
///
/// Results:
/// - OTP_OK: the code is stored, and its message is on its way.
/// - OTP_RATE_LIMITED, OTP_LOCKED, OTP_REFUSED: nothing was drawn or sent. A live code stays as it was.
/// - OTP_REFUSED with `delivery` in the reply: the carrier does not send to this recipient. The code is cancelled.
/// - OTP_E_SEND: the message was certainly not sent. The code is cancelled.
/// - OTP_E_IN_DOUBT: a message with this code may have been sent. The code is good.
/// - OTP_CANCELLED: the code was cancelled, erased or replaced while it was being sent.
/// - OTP_E_STORE: the code may be stored. No message was sent.
/// - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_BUSY, OTP_E_RANDOM, OTP_E_UNSUPPORTED (sender "host" without a function):
///   nothing was done.
///
/// Example:
/// ```c
/// char request[256] = "", reply[OTP_REPLY_SIZE];
/// if (otp_request_text(request, sizeof request, "phoneNumber", typed) != OTP_OK ||
///     otp_create(service, session, request, reply, sizeof reply) != OTP_OK)
///   return fail(reply);
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
            let (token, request) = service.given(Call::Create, || {
                let given = (text(token, "token")?, optional_text(request, "request")?);
                takes_code(&service, reply).map(|()| given)
            })?;
            service.create(token, request)
        })
    }
}

/// Sends the token's code again: the same code, from the first step of the workflow, for the time it has left.
///
/// Parameters:
/// - `service`, `token`, `reply`, `reply_size`: as for otp_create().
///
/// It counts against the send limits.
///
/// Reply: as for otp_create().
///
/// Results: as for otp_create(), except that a code whose message fails stays good. And:
/// - OTP_UNKNOWN, OTP_CHECKED, OTP_CANCELLED, OTP_LOCKED, OTP_EXPIRED: the code cannot be sent. Nothing was counted.
/// - OTP_E_ARGUMENT, uncounted: the text of a newer configuration wants `params` that the request did not have.
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
            let token = service.given(Call::Resend, || {
                let token = text(token, "token")?;
                takes_code(&service, reply).map(|()| token)
            })?;
            service.resend(token)
        })
    }
}

/// Sends the token's code again from the first step with this channel on: "send it by SMS instead".
///
/// Parameters:
/// - `channel`: a channel of the workflow, such as "sms".
/// - `service`, `token`, `reply`, `reply_size`: as for otp_create().
///
/// Reply: as for otp_create().
///
/// Results: as for otp_resend(). OTP_E_ARGUMENT, uncounted, also where no step has the channel, the request brought no
/// address for it, or its `channels` leave it out.
///
/// Example:
/// ```c
/// if (otp_resend_channel(service, session, "sms", reply, sizeof reply) != OTP_OK)
///   return fail(reply);
/// ```
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
            let (token, channel) = service.given(Call::Resend, || {
                let given = (text(token, "token")?, text(channel, "channel")?);
                takes_code(&service, reply).map(|()| given)
            })?;
            service.resend_channel(token, channel)
        })
    }
}

/// With sender "none": says that the message of the last reply certainly did not leave, and hands over the next one.
///
/// Parameters:
/// - `service`, `token`: as for otp_create().
/// - `reply`, `reply_size`: as for otp_create(); `reply` must not be NULL.
///
/// The next message is that of the next step of the workflow for which there is an address. It counts against no limit.
/// A message that may have left must not be given up so: keep its code.
///
/// Reply: as for otp_create().
///
/// Results:
/// - OTP_OK: the reply holds the next message.
/// - OTP_E_SEND: no step is left. The code stays good until otp_cancel().
/// - OTP_UNKNOWN, OTP_CHECKED, OTP_CANCELLED, OTP_LOCKED, OTP_EXPIRED: how the code stands.
/// - OTP_E_ARGUMENT: no message was handed over that could have failed, or `reply` is NULL.
/// - OTP_E_UNSUPPORTED: the sender is another one.
/// - OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
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
            let token = service.given(Call::NotSent, || {
                let token = text(token, "token")?;
                takes_code(&service, reply).map(|()| token)
            })?;
            service.not_sent(token)
        })
    }
}

/// Checks a code and uses it up. Of all calls in all processes exactly one gets OTP_OK, after that is stored.
///
/// Parameters:
/// - `service`, `token`: as for otp_create().
/// - `code`: what the user typed: 1 to 64 bytes. Nothing but blanks and dashes is OTP_E_ARGUMENT and does not count.
///   Anything else is a guess. One that is not right counts, for the code and for its subject, also when the code is
///   used or expired; a right one never counts.
/// - `reply`, `reply_size`: see "Replies".
///
/// Codes of digits are compared without white space, dashes (Unicode Pd) and invisible characters (Cf), and with digits
/// of any script; codes of your own that are not digits alone, byte for byte. The time that takes says nothing about
/// the code. Limits: NIST SP 800-63B-4, 3.2.2, or stricter ones of the configuration.
///
/// Compare the result with OTP_OK and with nothing else: `if (otp_verify(...))` is the wrong way round.
///
/// Reply: `attemptsLeft` (absent for an unknown token). When locked `retryAfterSeconds` (absent where waiting does not
/// help) and `locked`: "code" (ask for a new one), "subject" (wait) or "disabled" (see otp_unlock()).
///
/// Results:
/// - OTP_OK: right, and used now.
/// - OTP_NOT_VALID: wrong, or there is no such token.
/// - OTP_LOCKED: the code was not looked at.
/// - OTP_CHECKED, OTP_EXPIRED, OTP_CANCELLED: right, but used, too old or replaced, cancelled. Only who knows the code
///   learns this.
/// - OTP_E_CONFIG: the key of the code is not at hand.
/// - OTP_E_ARGUMENT, OTP_E_STORE, OTP_E_BUSY.
///
/// Example:
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
            let (token, code) = service.given(Call::Verify, || Ok((text(token, "token")?, text(code, "code")?)))?;
            service.verify(token, code, None)
        })
    }
}

/// Checks a code as otp_verify() does, together with what it approves (Regulation (EU) 2018/389, article 5).
///
/// Parameters:
/// - `context`: the same bytes that the request of otp_create() had as `context`: at most 4 KiB. NULL is none, "" is a
///   context.
/// - `service`, `token`, `code`, `reply`, `reply_size`: as for otp_verify().
///
/// Reply: as for otp_verify().
///
/// Results: as for otp_verify(). Another context, one where none was given, and none where one was given are
/// OTP_NOT_VALID, and count.
///
/// Example:
/// ```c
/// if (otp_verify_context(service, payment, typed, "12.50 EUR to Ann", reply, sizeof reply) == OTP_OK)
///   let_in();
/// ```
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
            let (token, code, context) = service.given(Call::Verify, || {
                Ok((text(token, "token")?, text(code, "code")?, optional_text(context, "context")?))
            })?;
            service.verify(token, code, context)
        })
    }
}

/// Cancels the token's code, for good.
///
/// Parameters:
/// - `service`, `token`: as for otp_create().
/// - `reply`, `reply_size`: see "Replies".
///
/// Reply: no members of its own.
///
/// Results:
/// - OTP_OK: cancelled, now or before.
/// - OTP_UNKNOWN, OTP_CHECKED, OTP_EXPIRED: there was nothing to cancel.
/// - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_cancel(
    service: *mut otp_service,
    token: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            service.cancel(service.given(Call::Cancel, || text(token, "token"))?)
        })
    }
}

/// Says how the token's code stands. It sends nothing and counts nothing.
///
/// Parameters:
/// - `service`, `token`: as for otp_create().
/// - `reply`, `reply_size`: see "Replies".
///
/// Reply: `token`; `state`, the first that holds of "checked", "cancelled", "locked", "expired", "pending";
/// `creationDate`, `expiryDate`, `isChecked`, `checkDate` (RFC 3339, UTC, with milliseconds); `attemptsLeft`;
/// `delivery` as for otp_create(), and in it `steps`: an array of {`channel`, `sender`, `messageUuid`, `status`, `at`,
/// `error`}. It lists the steps that began, those "skipped" because there was no address or a send limit was reached,
/// and those "stopped", once no further step begins: not with "dispatch" and "none".
///
/// Results:
/// - OTP_OK: whatever the state.
/// - OTP_UNKNOWN: there is no such token.
/// - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
///
/// Example:
/// ```c
/// char state[16];
/// if (otp_status(service, session, reply, sizeof reply) == OTP_OK)
///   otp_reply_text(reply, "delivery.state", state, sizeof state);
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_status(
    service: *mut otp_service,
    token: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            service.status(service.given(Call::Status, || text(token, "token"))?)
        })
    }
}

/// A service that hands its codes over needs a reply to do it with.
fn takes_code(service: &Service, reply: *mut c_char) -> Result<()> {
    if reply.is_null() && service.hands_over() {
        return Err(Error::argument("reply: must not be NULL where sender none hands the code over"));
    }
    Ok(())
}
