//! Functions of the host that the library calls.

use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ffi::guard::{guard, outside};
use crate::ffi::handle::{self, otp_service};
use crate::ffi::results::{OTP_REPLY_SIZE, otp_result};
use crate::sender::{Message, Sent};
use crate::{ClockFn, LogFn, SendFn};

/// Log level: the library could not answer.
pub const OTP_LOG_ERROR: i32 = 1;
/// Log level: something should be looked at.
pub const OTP_LOG_WARNING: i32 = 2;
/// Log level: what was done.
pub const OTP_LOG_INFO: i32 = 3;
/// Log level: everything.
pub const OTP_LOG_DEBUG: i32 = 4;

/// Delivers a message, for sender "host".
///
/// Parameters:
/// - `user_data`: as given to otp_on_send().
/// - `message`: a JSON object that lives until the function returns: `token`, `channel` (such as "sms"), `to` (of a
///   phone the digits with the calling code, without "+"), `from` ("" when the step names none), `subject` (of a mail;
///   absent when the step has none), `text` (what to send), `code`, `expiresInSeconds`, `locale` (that of the text;
///   absent where `message` is one text), `sender` (the name of the step's sender; absent where senders have none),
///   `clientRef` (by which otp_report() names the message: 1 to 100 characters). It holds the code: keep it out of
///   logs.
///
/// The first step is sent by otp_create() or otp_resend(). A later one may be sent by whatever call goes on with the
/// workflow, in any process: otp_run_due(), otp_webhook(), otp_report(), or the thread of `background`. Its `token` is ""
/// only if the code was created under a workflow without a later step of sender "host": no other code keeps its token.
///
/// Returns 1: sent. 2: certainly not sent; the next step of the workflow is tried. Any other number: perhaps sent; the
/// code stays good.
pub type otp_send_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, message: *const c_char) -> i32>;

/// Takes a log event.
///
/// Parameters:
/// - `user_data`: as given to otp_on_log().
/// - `level`: 1 to 4.
/// - `event`: a JSON object without a line feed, which lives until the function returns: see "Log events".
///
/// The library sends no event while the function runs on this thread.
pub type otp_log_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, event: *const c_char)>;

/// Tells the time: milliseconds since 1970-01-01T00:00Z. Values outside the years 1970 to 9999 count as the nearest
/// one.
pub type otp_clock_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i64>;

/// Frees what `user_data` points to: the library will not use it again.
pub type otp_drop_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Sets the function that delivers messages, for sender "host".
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `send`: the function. NULL removes the one that is set.
/// - `user_data`: goes to each call; may be NULL.
/// - `drop`: frees `user_data`; may be NULL. It is called exactly once: when the function is replaced or removed and no
///   thread is in it any more, when the service is freed, or before this returns if it fails or `send` is NULL.
///
/// Set callbacks before other threads use the service.
///
/// Results:
/// - OTP_OK: set.
/// - OTP_E_UNSUPPORTED: no sender is "host".
/// - OTP_E_ARGUMENT, OTP_E_STORE.
///
/// Example:
/// ```c
/// static int32_t send_message(void *user_data, const char *message) {
///   char to[255], text[2001];
///   if (otp_reply_text(message, "to", to, sizeof to) >= sizeof to ||
///       otp_reply_text(message, "text", text, sizeof text) >= sizeof text)
///     return 2;
///   return gateway_send(user_data, to, text) == 0 ? 1 : 0;
/// }
///
/// static otp_result use_gateway(otp_service *service, void *gateway) {
///   return otp_on_send(service, send_message, gateway, gateway_free);
/// }
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_on_send(
    service: *mut otp_service,
    send: otp_send_fn,
    user_data: *mut c_void,
    drop: otp_drop_fn,
) -> otp_result {
    let user_data = UserData { pointer: user_data, drop };
    set(|| {
        let service = handle::enter(service)?;
        let Some(send) = send else { return service.on_send(None) };
        let send: Arc<SendFn> = Arc::new(move |message| {
            let Some(message) = message_json(message) else { return Sent::NotSent };
            // SAFETY: the caller of the setter vouches for the function; the text ends with NUL.
            match outside(|| unsafe { send(user_data.get(), message.as_ptr().cast()) }) {
                1 => Sent::Sent,
                2 => Sent::NotSent,
                _ => Sent::InDoubt,
            }
        });
        service.on_send(Some(send))
    })
}

/// Sets the function that takes log events.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `max_level`: the highest level that is wanted, 1 (OTP_LOG_ERROR) to 4 (OTP_LOG_DEBUG); 0 is none.
/// - `log`: the function. NULL removes the one that is set.
/// - `user_data`, `drop`: as for otp_on_send().
///
/// "Log events" lists their members.
///
/// Results: OTP_OK; OTP_E_ARGUMENT for another `max_level`; OTP_E_STORE.
///
/// Example:
/// ```c
/// static void write_event(void *user_data, int32_t level, const char *event) {
///   fprintf((FILE *)user_data, "%d %s\n", (int)level, event);
/// }
///
/// static otp_result log_to_stderr(otp_service *service) {
///   return otp_on_log(service, OTP_LOG_INFO, write_event, stderr, NULL);
/// }
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_on_log(
    service: *mut otp_service,
    max_level: i32,
    log: otp_log_fn,
    user_data: *mut c_void,
    drop: otp_drop_fn,
) -> otp_result {
    let user_data = UserData { pointer: user_data, drop };
    set(|| {
        let service = handle::enter(service)?;
        let Some(log) = log else { return service.on_log(max_level, None) };
        let log: Arc<LogFn> = Arc::new(move |level, event| {
            let Ok(event) = CString::new(event) else { return };
            // SAFETY: the caller of the setter vouches for the function; the text ends with NUL.
            outside(|| unsafe { log(user_data.get(), level, event.as_ptr()) });
        });
        service.on_log(max_level, Some(log))
    })
}

/// Sets the clock of the service, in place of the system's: for tests, and for hosts that know the time better.
///
/// Parameters:
/// - `service`: see "Parameters".
/// - `clock`: the function. NULL goes back to the system's clock.
/// - `user_data`, `drop`: as for otp_on_send().
///
/// The clock is read before every change. Setting it back revives no code.
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_STORE.
///
/// Example:
/// ```c
/// static int64_t read_clock(void *user_data) { return *(const int64_t *)user_data; }
///
/// static otp_result use_clock(otp_service *service, int64_t *milliseconds) {
///   return otp_on_clock(service, read_clock, milliseconds, NULL);
/// }
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_on_clock(
    service: *mut otp_service,
    clock: otp_clock_fn,
    user_data: *mut c_void,
    drop: otp_drop_fn,
) -> otp_result {
    let user_data = UserData { pointer: user_data, drop };
    set(|| {
        let service = handle::enter(service)?;
        let Some(clock) = clock else { return service.on_clock(None) };
        // SAFETY: the caller of the setter vouches for the function.
        let clock: Arc<ClockFn> = Arc::new(move || outside(|| unsafe { clock(user_data.get()) }));
        service.on_clock(Some(clock))
    })
}

/// What belongs to a callback. Made on the first line of a setter, so that every way out drops it.
struct UserData {
    pointer: *mut c_void,
    drop: otp_drop_fn,
}

// SAFETY: the header asks for a function and data that any thread may use, several at once.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    fn get(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the caller of the setter vouches for the function, and it is called once, since this is dropped
            // once.
            outside(|| unsafe { drop(self.pointer) });
        }
    }
}

/// A setter is an entry point without a reply.
fn set(body: impl FnOnce() -> crate::error::Result<()>) -> otp_result {
    // SAFETY: NULL is always a reply.
    unsafe { guard(std::ptr::null_mut(), 0, body) }
}

/// The message as C reads it. It holds a code: the memory is taken in one piece and wiped.
fn message_json(message: &Message) -> Option<Zeroizing<Vec<u8>>> {
    let mut json = Zeroizing::new(Vec::with_capacity(OTP_REPLY_SIZE));
    serde_json::to_writer(&mut *json, message).ok()?;
    json.push(0);
    Some(json)
}
