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

/// Delivers a message, for sender "host". `message` is a JSON object that lives until the function returns: `token`,
/// `channel` (such as "sms"), `to`, `from` ("" when the step names none), `text` (what to send), `code`,
/// `expiresInSeconds`, `locale`. It holds the code: keep it out of logs.
///
/// Returns 1: sent. 2: certainly not sent, the next step of the workflow is tried. Any other number, 0 among them:
/// perhaps sent, the code stays good.
pub type otp_send_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, message: *const c_char) -> i32>;

/// Takes an event, one JSON object without a line feed that lives until the function returns. No event is sent while
/// the function runs.
pub type otp_log_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, event: *const c_char)>;

/// Tells the time: milliseconds since 1970-01-01T00:00Z, brought into the years 1970 to 9999.
pub type otp_clock_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i64>;

/// Frees what `user_data` points to: the library will not use it again.
pub type otp_drop_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Sets the function that delivers messages, for sender "host"; with any other sender it is OTP_E_UNSUPPORTED.
///
/// NULL for `send` removes it. `user_data` is handed to each call and may be NULL. `drop`, which may be NULL, is called
/// with it exactly once: when the function is replaced or removed, when the service is freed, or before this returns if
/// it fails or `send` is NULL. Set callbacks before the service is shared between threads.
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_STORE, OTP_E_UNSUPPORTED.
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

/// Sets the function that takes log events up to `max_level`, 1 to 4; 0 is none. An event's members, some of them
/// optional, are told in the opening chapter. `user_data` and `drop`: as for otp_on_send().
///
/// Results: OTP_OK, OTP_E_ARGUMENT (another `max_level`), OTP_E_STORE.
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

/// Sets the clock of the service, in place of the host's wall clock: for tests, and for hosts that know the time
/// better. It is read before every change. Setting it back revives no code. `user_data` and `drop`: as for
/// otp_on_send().
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_STORE.
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
