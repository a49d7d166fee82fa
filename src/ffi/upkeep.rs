//! What keeps a service going: reports of the provider, due work, unlocking and erasing.

use std::ffi::c_char;

use crate::ffi::guard::guard;
use crate::ffi::handle::{self, otp_service};
use crate::ffi::results::otp_result;
use crate::ffi::strings::{bytes, optional_text, text};
use crate::limits::BODY_BYTES;
use crate::metrics::Call;

/// Takes a webhook of the carrier: a report on a message, or a message from a user.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `authorization`: the value of the request's Authorization header. NULL: it has none.
/// - `body`: the body of the request as it came. NUL need not end it. NULL only with size 0.
/// - `body_size`: its bytes, at most 64 KiB.
/// - `reply`, `reply_size`: see "Replies".
///
/// It checks the signature: the header must be "Bearer" and a JWT (RFC 7519), signed by HS256 with the bytes of
/// `webhook.signatureSecret`, with the claims `iss` "Vonage", `iat`, `jti` (1 to 256 bytes) and `payload_hash`, the
/// SHA-256 of the body in hexadecimal. It stores the report, and then sends the next step if the message failed, or
/// else one step that is due, if there is one. So the call may take as long as requests to the carrier
/// (`sender.timeoutSeconds`). What becomes of that step does not change the result.
///
/// Reply: `kind` ("status", "final", "inbound" or "other"); of a report `known` (whether it is about a delivery of this
/// repository), and if it is, `duplicate` (whether it says nothing new) and `state`; of an "inbound" message
/// `duplicate`, `from`, `channel` and `text`. A report counts only for the step whose message it is about. "other" is
/// correctly signed and nothing known: `known` is false. An "inbound" message that comes again within twice
/// `maxAgeSeconds` is `duplicate`: do not act on it again.
///
/// Results: answer the request with otp_result_http_status().
/// - OTP_OK: taken.
/// - OTP_E_SIGNATURE: the signature is wrong.
/// - OTP_E_UNSIGNED: there is none. The carrier tries again.
/// - OTP_E_UNSUPPORTED: the configuration has no `webhook`.
/// - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
///
/// Example:
/// ```c
/// static int32_t on_status_webhook(otp_service *service, const char *authorization, const char *body, size_t size) {
///   char reply[OTP_REPLY_SIZE];
///   return otp_result_http_status(otp_webhook(service, authorization, body, size, reply, sizeof reply));
/// }
/// ```
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
            let (authorization, body) = service.given(Call::Webhook, || {
                let authorization = optional_text(authorization, "authorization")?;
                Ok((authorization, bytes(body, body_size, BODY_BYTES, "body")?))
            })?;
            service.webhook(authorization, body)
        })
    }
}

/// Takes what you know about a message, whoever sent it: a receipt that you have authenticated yourself.
///
/// Parameters:
/// - `service`, `reply`, `reply_size`: as for otp_webhook().
/// - `report`: one JSON object. The message: `clientRef`, as its otp_send_fn or the carrier's request had it; or `sender`
///   (its name in `senders`, or else `sender.type`) and `messageId`, the carrier's identifier. `status`: "submitted",
///   "delivered", "read", "rejected", "undeliverable" or "failed". `error`: why, for otp_status(); at most 2,000 bytes,
///   of which 200 are kept, with numbers of more than four digits masked.
///
/// It stores the report, and then goes on as otp_webhook() does. A state only advances, and one report begins one step
/// at most. An identifier that two messages have is that of neither. A report moves a delivery and never decides about a
/// code. But whoever can call it can have the next step sent: never let an open URL do so.
///
/// Reply: `known` (whether it is about a delivery of this repository), and if it is, `state`: how far the message has
/// come.
///
/// Results:
/// - OTP_OK: taken.
/// - OTP_E_ARGUMENT: `report` makes no sense, or names a sender that there is not.
/// - OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_report(
    service: *mut otp_service,
    report: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            let report = service.given(Call::Report, || text(report, "report"))?;
            service.report(report)
        })
    }
}

/// Does what is due: sends steps whose time has come, and removes codes past their retention.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `reply`, `reply_size`: see "Replies".
///
/// It works for one full round or 100 ms, whichever ends first. Call it about once a second with timed steps, once a
/// minute without, or let `background` do it. A host that never does keeps all its promises except the timed steps, and
/// its repository does not grow for ever.
///
/// Of many processes one sends a step. A step whose process died is sent by another one, unless its message may have
/// left. A code that cannot be read, whose key is not at hand, or whose text lacks one of its `params` is left to
/// others: the log gets one event "run_due" of level 1 for each, in every process.
///
/// Reply: `ran` (steps), `purged` (codes), `nextDueInMilliseconds` (absent when nothing is due; 0 when there was no
/// time to look at everything). Once something was done, a failure does not change the result: it is a log event.
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
///
/// Example:
/// ```c
/// static int64_t milliseconds_to_sleep(otp_service *service) {
///   char reply[OTP_REPLY_SIZE];
///   if (otp_run_due(service, reply, sizeof reply) != OTP_OK)
///     return 5000;
///   return otp_reply_integer(reply, "nextDueInMilliseconds", 60000);
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_run_due(service: *mut otp_service, reply: *mut c_char, reply_size: usize) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { guard(reply, reply_size, || handle::enter(service)?.run_due()) }
}

/// Says what the service has counted since it was opened.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `reply`, `reply_size`: see "Replies".
///
/// It sends nothing, waits for nobody and leaves the repository alone: call it as often as you like, also where the
/// repository was moved. Each service counts for itself, in each process. A child of fork() goes on from what its
/// parent had counted. No counter ever goes back. Two that were read together need not be of the same moment.
///
/// Reply: whole numbers below 2^53; of errors, messages and reports they end at 9,999,999,999. A counter that is 0 is
/// absent: read it with 0 for `absent`.
/// - `calls.CALL.RESULT`: the calls that came to a result, such as `calls.create.OTP_OK`. CALL is "create", "resend"
///   (with otp_resend_channel()), "not_sent", "verify" (with otp_verify_context()), "cancel", "status", "webhook",
///   "report" or "run_due" (with the rounds of `background`). A call without a service or with too small a reply is not
///   counted. Nor are the calls for operators: otp_copy(), otp_subject(), otp_unlock(), otp_erase(), and this one.
/// - `send.SENDER.accepted`, `refused`, `failed`, `in_doubt`: what came of each message, such as
///   `send.messages.accepted`: taken; refused by the carrier (OTP_REFUSED); certainly not sent (OTP_E_SEND); perhaps
///   sent (OTP_E_IN_DOUBT). SENDER is a name in `senders`, or else `sender.type`. With "none" there is nothing to count.
/// - `reports.submitted`, `reports.delivered`, `reports.read`, `reports.rejected`, `reports.undeliverable`,
///   `reports.failed`: the steps that reports moved so far, by otp_webhook() and otp_report(). `reports.duplicate`:
///   reports that said nothing new. `reports.unknown`: those about no delivery of this repository.
/// - `store.operations`: transactions and reads of the repository. `store.microseconds`: how long they took, waiting
///   for others included. `store.busy`: those that came to OTP_E_BUSY. `store.failed`: those that the repository
///   failed, or a row that is damaged.
/// - `live`: the codes of the namespace that were good, as this service last went over all rows: otp_run_due() and
///   `background` do, and otp_create() goes on by a few rows each time. `due`: the timed steps that its last full round
///   found due, where steps have a `conditionStatus`. Both are absent before the first round, and 0 where there is none.
///
/// OpenMetrics names follow from these: `calls.create.OTP_OK` is `otp_calls_total{call="create",result="OTP_OK"}`,
/// `send.messages.accepted` is `otp_send_total{sender="messages",outcome="accepted"}`, `reports.read` is
/// `otp_reports_total{status="read"}`, `store.busy` is `otp_store_busy_total`, `live` is `otp_live`.
///
/// Results: OTP_OK, OTP_E_ARGUMENT.
///
/// Example:
/// ```c
/// if (otp_metrics(service, reply, sizeof reply) != OTP_OK)
///   return fail(reply);
/// printf("%ld codes sent\n", (long)otp_reply_integer(reply, "calls.create.OTP_OK", 0));
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_metrics(service: *mut otp_service, reply: *mut c_char, reply_size: usize) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe { guard(reply, reply_size, || handle::enter(service)?.metrics()) }
}

/// Copies the whole repository, all namespaces, into another one: a backup, or a move. For operators.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `repository`: where to, written as the option `repository`: empty, or holding an unfinished copy of this one.
/// - `options`: JSON. NULL: {}, a backup. `move`: true moves. `durability`, `caFile`, `poolSize` and `waitReplicas` are
///   as in the configuration, for the other repository.
/// - `reply`, `reply_size`: see "Replies".
///
/// A backup can be taken at any time: others go on meanwhile, and each code is copied as it is when its turn comes.
/// Used codes, failures, locks and counters arrive as they are; a code that is still good arrives expired, since it
/// could be used in both otherwise.
///
/// A move first freezes this repository for good: from then on every call on it but a move once more and otp_metrics(),
/// by whatever process, is OTP_E_STORE and says so. Then everything is copied, codes that are still good as well. Close
/// the service, and open what it was moved to. Whoever moves it once more to another repository makes a backup there: codes
/// are good in the first one alone.
///
/// The copy is opened with the same key; no key file is made, so copy that as well, or name it. What was interrupted is
/// no repository to open yet: call this again with the same parameters, and it begins anew. To do so, a repository that
/// was moved can still be opened.
///
/// Reply: `rows` that were copied; `skipped`, those that are damaged.
///
/// Results:
/// - OTP_OK: the copy is whole.
/// - OTP_E_ARGUMENT: `repository` is not empty, is this one, or makes no sense; or `options` does. Nothing was done.
/// - OTP_E_UNSUPPORTED: this build lacks that kind of repository.
/// - OTP_E_STORE, OTP_E_BUSY: call it again. A move may have begun.
/// - OTP_E_CONFIG, OTP_E_RANDOM.
///
/// Example:
/// ```c
/// static int back_up(otp_service *service) {
///   char reply[OTP_REPLY_SIZE];
///   return otp_copy(service, "sqlite:/var/backups/otp.db", NULL, reply, sizeof reply) == OTP_OK;
/// }
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_copy(
    service: *mut otp_service,
    repository: *const c_char,
    options: *const c_char,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            let service = handle::enter(service)?;
            service.copy(text(repository, "repository")?, optional_text(options, "options")?)
        })
    }
}

/// Says how a subject stands. For operators: never show it to visitors.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `subject`: as for otp_unlock(). Of several that it may mean, the worst counts.
/// - `reply`, `reply_size`: see "Replies".
///
/// Reply: `failures` in a row, 0 for a subject that is not known; `locked` ("subject" or "disabled");
/// `retryAfterSeconds` (rounded up, at least 1; absent where waiting does not help).
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

/// Forgets the failures of a subject, lifts its lock, and enables it again. For operators.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `subject`: what failures were counted on: a request's `subject`, or where it had none its phone number, Messenger
///   id or token. 1 to 256 bytes. Of several that it may mean, all are cleared. A number may be written as in a
///   request. What can be none of these, such as "+39 12", is OTP_E_ARGUMENT.
/// - `reply`, `reply_size`: see "Replies".
///
/// Reply: `found`, whether there was anything to forget. If it is false, look at the spelling.
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

/// Erases every code that was sent to a recipient. For operators.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `recipient`: a phone number, written as in a request, or another address: 1 to 64 bytes, of mail 254. What can be
///   no address, such as "+39 12", is OTP_E_ARGUMENT.
/// - `reply`, `reply_size`: see "Replies".
///
/// It covers what was there when it was called. Other calls go on meanwhile. Counters and locks stay until they end:
/// they hold hashes alone, and erasing lifts no limit. A code that is damaged stays, since nobody can tell whose it is:
/// the log gets one event "erase" of level 1.
///
/// Reply: `found`, whether anything was erased. If it is false, look at the spelling.
///
/// Results:
/// - OTP_OK: done.
/// - OTP_E_STORE: some may be erased. Call it again.
/// - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_BUSY: nothing was erased.
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
