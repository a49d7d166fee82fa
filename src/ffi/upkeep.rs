//! What keeps a service going: reports of the provider, due work, unlocking and erasing.

use std::ffi::c_char;

use crate::ffi::guard::guard;
use crate::ffi::handle::{self, otp_service};
use crate::ffi::results::otp_result;
use crate::ffi::strings::{bytes, optional_text, text};
use crate::limits::BODY_BYTES;

/// Takes in a webhook of the provider: a report on a message, or a message to us.
///
/// `authorization` is the value of the request's header of that name; NULL: it has none. `body` is the body of the
/// request, `body_size` bytes as they came, at most 64 KiB, which need not end with NUL; it may be NULL when
/// `body_size` is 0.
///
/// A report is stored first. Then the next step is sent where the message failed, and else one step that is due, if
/// there is one: the call may take as long as a request to the carrier (`timeoutSeconds`). What comes of that step
/// changes nothing about the result: see otp_status() and the log.
///
/// Reply: `kind` ("status", "final", "inbound", or "other"), `known`, `duplicate`, `state`; for "inbound" `duplicate`,
/// `from`, `channel`, `text`. A report counts for the step that its message was sent for, and for no other. "other" is
/// correctly signed and of no known kind: it is OTP_OK with `known` false, or the carrier would repeat it for a day.
/// The same "inbound" webhook a second time, within twice `maxAgeSeconds`, is `duplicate`: do not act on it again.
///
/// Results: OTP_OK; OTP_E_SIGNATURE, OTP_E_UNSIGNED, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY;
/// OTP_E_UNSUPPORTED without `webhook` in the configuration. Bounded with otp_result_http_status().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_webhook(
    service: *mut otp_service,
    authorization: *const c_char,
    body: *const c_char,
    body_size: usize,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            let authorization = optional_text(authorization, "authorization")?;
            service.webhook(authorization, bytes(body, body_size, BODY_BYTES, "body")?)
        })
    }
}

/// Does what is due: steps of deliveries, and the removal of records past their retention. One full round or 100 ms of
/// work, whichever ends first. Call it now and then, say once a minute, or have it done by `background`; a host that
/// never does keeps all its promises but the timed steps, and does not grow for ever.
///
/// Of many processes one sends a step. A step that a process had begun when it died is sent by another once a request
/// cannot be under way any more, unless its message may have left.
///
/// A record that cannot be read, whose key is not at hand or whose text lacks one of its `params`, is passed over and
/// left to others. Of each there is one log event "run_due" of level 1 in every process. Where time ended before
/// everything was looked at, `nextDueInMilliseconds` is 0, and the next call goes on there.
///
/// Reply: `ran` (steps), `purged` (records), `nextDueInMilliseconds` (absent when nothing is due). What was done before
/// a failure is told with OTP_OK, and the failure goes to the log; it is the result where nothing was done before it.
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_run_due(service: *mut otp_service, reply: *mut c_char, reply_size: usize) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { guard(reply, reply_size, || handle::enter(service)?.run_due()) }
}

/// Tells how a subject stands. For operators: never show it to visitors.
///
/// `subject` is as for otp_unlock(); where it may mean several, the worst is told.
///
/// Reply: `failures` in a row, 0 for something unknown; `locked` ("subject" or "disabled") and `retryAfterSeconds`
/// (rounded up, at least 1; absent where waiting does not help).
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_subject(
    service: *mut otp_service,
    subject: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { guard(reply, reply_size, || handle::enter(service)?.subject(text(subject, "subject")?)) }
}

/// Forgets the failures of a subject, lifts its lock and enables it again. For operators.
///
/// `subject` is the text it was given or taken from: of a request's `subject`, phone number or Messenger id, or a
/// token; 1 to 256 bytes. Where it may mean more than one of these, all are cleared. A number may be written as in a
/// request. What can be nothing of all that, such as "+39 12", is OTP_E_ARGUMENT.
///
/// Reply: `found`, whether there was anything to forget: false is the sign of a text that was mistyped.
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_unlock(
    service: *mut otp_service,
    subject: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { guard(reply, reply_size, || handle::enter(service)?.unlock(text(subject, "subject")?)) }
}

/// Erases all records with this recipient, a phone number, written as in a request, or another address: at most 64
/// bytes. Counters and locks, which hold hashes alone, stay until they end, so that erasing lifts no limit. What can be
/// no address, such as "+39 12", is OTP_E_ARGUMENT. For operators.
///
/// Reply: `found`, whether any record was erased: false is the sign of an address that was mistyped.
///
/// It covers the records that were there when it was called, and takes its time: others get their turn meanwhile. A
/// record that is damaged is passed over, with one log event "erase" of level 1: nobody can tell whose it is. One that
/// the system did not let be read is OTP_E_STORE, after all others were erased. OTP_E_STORE may come after some were
/// erased; call it again.
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_erase(
    service: *mut otp_service,
    recipient: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { guard(reply, reply_size, || handle::enter(service)?.erase(text(recipient, "recipient")?)) }
}
