//! The C functions, as little as this test needs of them.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};

use otp::ffi::callbacks::{otp_clock_fn, otp_on_clock, otp_on_send, otp_send_fn};
use otp::ffi::codes::{otp_cancel, otp_create, otp_resend, otp_status, otp_verify, otp_verify_context};
use otp::ffi::helpers::otp_reply_text;
use otp::ffi::library::{otp_close, otp_open};
use otp::ffi::results::{OTP_CHECKED, OTP_E_ARGUMENT, OTP_E_STORE, OTP_OK, OTP_REPLY_SIZE, otp_result};
use otp::ffi::upkeep::{otp_erase, otp_run_due, otp_unlock};

pub const OK: otp_result = OTP_OK;
pub const CHECKED: otp_result = OTP_CHECKED;
pub const ARGUMENT: otp_result = OTP_E_ARGUMENT;
pub const STORE: otp_result = OTP_E_STORE;

/// The calls of [`Handle::every_call`].
pub const CALLS: [&str; 9] =
    ["create", "resend", "verify", "verify_context", "cancel", "status", "run_due", "unlock", "erase"];

/// A handle of the library, shared by threads and processes as a C program would.
#[derive(Clone, Copy)]
pub struct Handle(*mut otp::ffi::library::otp_service);

// SAFETY: the functions may be called from any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}
impl std::panic::RefUnwindSafe for Handle {}

type Reply = [c_char; OTP_REPLY_SIZE];

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn field(reply: &Reply, name: &str) -> String {
    let mut text = [0; OTP_REPLY_SIZE];
    // SAFETY: both texts end with NUL, and the buffer has that size.
    unsafe {
        otp_reply_text(reply.as_ptr(), c(name).as_ptr(), text.as_mut_ptr(), text.len());
        CStr::from_ptr(text.as_ptr()).to_str().unwrap().to_owned()
    }
}

impl Handle {
    pub fn open(config: &str) -> Result<Self, String> {
        let (mut service, mut reply) = (null_mut(), [0; OTP_REPLY_SIZE]);
        // SAFETY: as the header asks, here and in all calls below.
        let result = unsafe { otp_open(c(config).as_ptr(), &raw mut service, reply.as_mut_ptr(), reply.len()) };
        if result == OK { Ok(Self(service)) } else { Err(format!("open: {result} {}", field(&reply, "message"))) }
    }

    pub fn to_raw(self) -> *mut c_void {
        self.0.cast()
    }

    pub fn from_raw(pointer: *mut c_void) -> Self {
        Self(pointer.cast())
    }

    pub fn close(self) {
        // SAFETY: see `open`.
        unsafe { otp_close(self.0) };
    }

    /// Creates a code without an address, and gives it when the reply holds it.
    pub fn create(self, token: &str) -> Result<String, String> {
        self.create_with(token, "{}")
    }

    pub fn create_with(self, token: &str, request: &str) -> Result<String, String> {
        let mut reply = [0; OTP_REPLY_SIZE];
        let (token, request) = (c(token), c(request));
        // SAFETY: see `open`.
        let result = unsafe { otp_create(self.0, token.as_ptr(), request.as_ptr(), reply.as_mut_ptr(), reply.len()) };
        if result == OK {
            Ok(field(&reply, "code"))
        } else {
            Err(format!("create: {result} {}", field(&reply, "message")))
        }
    }

    pub fn verify(self, token: &str, code: &str) -> (otp_result, String) {
        let mut reply = [0; OTP_REPLY_SIZE];
        let (token, code) = (c(token), c(code));
        // SAFETY: see `open`.
        let result = unsafe { otp_verify(self.0, token.as_ptr(), code.as_ptr(), reply.as_mut_ptr(), reply.len()) };
        (result, field(&reply, "message"))
    }

    pub fn expect(self, token: &str, code: &str, expected: otp_result) -> Result<(), String> {
        let (result, message) = self.verify(token, code);
        if result == expected { Ok(()) } else { Err(format!("verify: {result} {message}, not {expected}: {token}")) }
    }

    pub fn on_send(self, send: otp_send_fn, user_data: *mut c_void) {
        // SAFETY: see `open`.
        assert_eq!(unsafe { otp_on_send(self.0, send, user_data, None) }, OK);
    }

    pub fn on_clock(self, clock: otp_clock_fn, user_data: *mut c_void) {
        // SAFETY: see `open`.
        assert_eq!(unsafe { otp_on_clock(self.0, clock, user_data, None) }, OK);
    }

    /// The results of all calls that need the repository.
    pub fn every_call(self, token: &str, code: &str) -> [(&'static str, otp_result); 9] {
        let mut buffer: Reply = [0; OTP_REPLY_SIZE];
        let (reply, size) = (buffer.as_mut_ptr(), buffer.len());
        let (token, code, request) = (c(token), c(code), c("{}"));
        let (name, typed, service) = (token.as_ptr(), code.as_ptr(), self.0);
        // SAFETY: see `open`.
        let results = unsafe {
            [
                otp_create(service, name, request.as_ptr(), reply, size),
                otp_resend(service, name, reply, size),
                otp_verify(service, name, typed, reply, size),
                otp_verify_context(service, name, typed, null(), reply, size),
                otp_cancel(service, name, reply, size),
                otp_status(service, name, reply, size),
                otp_run_due(service, reply, size),
                otp_unlock(service, name, reply, size),
                otp_erase(service, name, reply, size),
            ]
        };
        std::array::from_fn(|place| (CALLS[place], results[place]))
    }
}
