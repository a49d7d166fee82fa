//! The library and its services: versions, open and close.

use std::ffi::c_char;

use crate::Service;
use crate::error::Error;
use crate::ffi::guard::{catch, guard, install_hook};
use crate::ffi::handle;
pub use crate::ffi::handle::otp_service;
use crate::ffi::reply::OpenReply;
use crate::ffi::results::{OTP_ABI_VERSION, otp_result};
use crate::ffi::strings::optional_text;

/// The version of the library, such as "0.1.0" (semver.org). The text lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn otp_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the interface that the library was built with: where it is loaded at run time, refuse one that is
/// not OTP_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn otp_abi_version() -> u32 {
    OTP_ABI_VERSION
}

/// Opens a service.
///
/// `config` is a JSON object; NULL means "{}". Every member is optional; one that is unknown, repeated or out of range
/// is OTP_E_CONFIG and named. Relative paths are those of the working directory at this moment. Members, with their
/// defaults:
///
/// - `repository` ("sqlite:otp.db"): "sqlite:PATH", "json:FOLDER" or "memory:". Any number of processes may open the
///   same one. Made when there is none, readable for this user alone. Files of other users, and files with a second
///   name (hard link), are OTP_E_STORE; the folder they lie in may be root's.
/// - `keyFile` (the path of the repository and ".key"), or instead of it `key`: 32 bytes or more in Base64. All codes
///   are derived from it. A key file is made, with mode 0600, only together with a new repository: a repository whose
///   key is lost, or is another, is OTP_E_CONFIG. One that is named here may be a symbolic link, root's, and readable
///   by its group; by everybody only if it is root's on a read-only mount. It is read now and not again. `previousKeys`
///   (an array of keys) still verify.
/// - `namespace` ("default"): 1 to 64 bytes. Tenants that share a repository never meet.
/// - `otpLength` (6): 4 to 10 digits.
/// - `validityTime` (5): minutes, from 1 second to 1440 minutes; fractions are allowed.
/// - `maxAttempts` (5): wrong codes for each code, 1 to 10.
/// - `policy`: `profile` ("standard"; "nist" for NIST SP 800-63B-4, "psd2" for Regulation (EU) 2018/389, "pci" for
///   PCI DSS 4), `cooldownSeconds` (30), `sendLimits` (an array of {"count": N, "minutes": N}; 5 in 10, 15 in 60, 50 in
///   1440), `subjectFailures` ({"lockAfter": 10, "lockMinutes": 30, "disableAfter": 100}), `countries` (an array of
///   calling codes, such as "39"; none: every country), `retentionMinutes` (1440). With a profile other than
///   "standard", a member that is weaker than it is OTP_E_CONFIG.
/// - `message` ("Insert the following code: {code}"): a text, or texts by locale; {code}, {minutes}, {brand} and the
///   names in a request's `params` are filled in. `brand`; `webOtpDomain`, `androidHash`: the last line of an SMS, from
///   which a browser or an app may take the code.
/// - `ownCodes` (false): whether a request may bring its own `code`.
/// - `accept` (all): an array of the members that a request may have; any other is OTP_E_ARGUMENT. For hosts that pass
///   on what came from outside, where addresses, `subject`, `channels`, `context` and `client` are theirs to set.
/// - `defaultCountry` (none): a calling code, such as "39", with which a number without + or 00 is read. One that may be
///   a national number and an international one is OTP_E_ARGUMENT.
/// - `sender` ({"type": "console"}): "host", the function given to otp_on_send(); "none", the code comes back in the
///   reply; "console", to standard error, for development; "messages" or "dispatch", the carrier Vonage, with
///   `applicationId` and `privateKey` (RSA: PEM text, also in Base64 as a whole, or the path of a file that holds it;
///   where it may be either, a path begins with `/`, `./` or `../`), or `apiKey` and `apiSecret`; `auth` ("jwt" or
///   "basic"), `baseUrl` (`https://api.nexmo.com`), `timeoutSeconds` (10) for all requests of one call.
/// - `workflow` (Messenger, then SMS): 1 to 5 steps {`channel`, `from`, `expiryTime` (120 seconds), `conditionStatus`
///   ("read"; "delivered" for SMS), `template`}. With "messages" the next step is begun at once when a message is
///   rejected, and when `conditionStatus` has not come in `expiryTime`, by otp_run_due(), otp_webhook() or `background`;
///   with "dispatch" the carrier does that by itself. A carrier limits texts: Messenger to 640 characters, SMS and
///   Viber to 1000. A text that is too long by itself is OTP_E_CONFIG, one that a request makes so OTP_E_ARGUMENT.
/// - `background` (false): whether a thread of the service does what otp_run_due() does: steps at the moment they are
///   due, and the removal of old records once a minute. What goes wrong there is a log event "run_due", and is tried
///   again after some seconds. See "Threads".
/// - `webhook`: {`signatureSecret`, `apiKey`, `applicationId`, `maxAgeSeconds` (300)}, by which otp_webhook() checks.
/// - `durability` ("full"): whether what was acknowledged survives a loss of power, or with "process" the end of the
///   process alone.
///
/// A secret (`key`, `previousKeys`, credentials, `signatureSecret`), and `repository`, may be "file:PATH", for what a
/// regular file of at most 64 KiB holds, less one line feed at its end, or "env:NAME", for a variable of the
/// environment: as the whole value, read once, now. No error or warning shows any part of a secret.
///
/// On success `*service` is the service, which otp_close() frees; else it is NULL. A NULL `service` is OTP_E_ARGUMENT.
///
/// Reply: `warnings`, an array of texts about what the configuration should rather not be, such as a key that lies
/// beside its database; and about what it cannot do: timed steps of "messages" that nothing drives without
/// `background`, a step that begins when the code has ended, options of `workflow` that do nothing with the sender.
///
/// Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY, OTP_E_RANDOM, OTP_E_UNSUPPORTED (names the
/// option that this library does not provide).
///
/// ```c
/// char reply[OTP_REPLY_SIZE];
/// otp_service *service;
/// if (otp_open("{\"repository\": \"sqlite:/var/lib/app/otp.db\"}", &service, reply, sizeof reply) != OTP_OK)
///   return fail(reply);
/// ```
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_open(
    config: *const c_char,
    service: *mut *mut otp_service,
    reply: *mut c_char,
    reply_size: usize,
) -> otp_result {
    if !service.is_null() {
        // SAFETY: not NULL, so the caller owns a pointer there. Before the guard: NULL after any failure.
        unsafe { service.write(std::ptr::null_mut()) };
    }
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard(reply, reply_size, || {
            if service.is_null() {
                return Err(Error::argument("service: must not be NULL"));
            }
            crate::fork::check()?;
            install_hook();
            let (opened, warnings) = Service::open(optional_text(config, "config")?)?;
            service.write(handle::add(opened)?);
            Ok(OpenReply { warnings })
        })
    }
}

/// Closes a service: waits for calls that run on it in other threads, then frees it and drops its callbacks.
///
/// Called inside a callback of this service, it returns at once; the service is freed when the outermost call that
/// runs on it returns. Either way, from now on every call with this handle is OTP_E_ARGUMENT, also in a callback that
/// is still running. NULL, and a handle that is closed already, are fine. A callback must not wait for a thread that is
/// in this function.
///
/// In a process that was forked off, it closes the child's side alone and counts the calls of the forking thread
/// alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_close(service: *mut otp_service) {
    // Nobody to tell: what can fail is a child without fork handlers, where nothing may be touched.
    let _ = catch(|| handle::close(service));
}
