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

/// Gives the version of the library, such as "0.1.0" (semver.org).
///
/// Results: a text that lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn otp_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Gives the version of the interface that the library was built with.
///
/// Results: a number. Where you load the library at run time, refuse one that is not OTP_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn otp_abi_version() -> u32 {
    OTP_ABI_VERSION
}

/// Opens a service.
///
/// Parameters:
/// - `config`: the configuration, one JSON object in UTF-8. NULL is "{}". Every option may be left out, except those
///   that say "needed in". An option that is unknown, repeated or out of its range is OTP_E_CONFIG, and `message`
///   names it.
/// - `service`: receives the service, which otp_close() frees; NULL after any failure. Not NULL.
/// - `reply`, `reply_size`: see "Replies".
///
/// A name with a dot is a member of an object: `policy.cooldownSeconds` is {"policy": {"cooldownSeconds": 30}}.
/// `workflow[]` is a list of steps. Relative paths start at the working directory of this moment.
///
/// Options, with ranges and defaults:
///
/// - `repository` (default "sqlite:otp.db"): Where codes are kept: "sqlite:PATH", "json:FOLDER" (readable files,
///   for small hosts), "memory:", or, in a build with the feature `redis` or `postgres`, a server that many hosts
///   share: "redis://USER:PASSWORD@HOST:PORT", "rediss://" with TLS, "redis+sentinel://HOST,HOST/MASTER",
///   "redis+cluster://HOST,HOST", "postgres://USER:PASSWORD@HOST/DATABASE". A file or folder is made when there is
///   none, readable for its owner alone, and any number of processes may open it. "memory:" belongs to the process.
/// - `key` (32 bytes or more, in Base64; default none): The key from which all codes follow, in place of `keyFile`.
/// - `keyFile` (default the repository's path and ".key"; none for "memory:"): The file that holds the key. It is
///   made, with mode 0600, only together with a new repository. A file that you name may be what an orchestrator
///   mounts: a symbolic link, root's, readable by its group; by everybody only if it is root's on a read-only
///   mount.
/// - `previousKeys` (up to 16; default none): Keys with which older codes still verify.
/// - `namespace` (1 to 64 bytes; default "default"): Tenants that share a repository never see each other's codes,
///   locks or limits.
/// - `otpLength` (4 to 10; default 6): Digits of a code.
/// - `validityTime` (1/60 to 1440; default 5): How many minutes a code is good. Fractions are allowed.
/// - `maxAttempts` (1 to 10; default 5): How many wrong guesses a code allows.
/// - `policy.profile` (default "standard"): Tightens the defaults, and refuses options that are weaker: "nist"
///   (NIST SP 800-63B-4) wants 6 digits or more and 10 minutes at most; "psd2" (Regulation (EU) 2018/389) 5
///   failures at most, for `maxAttempts` and `lockAfter`, and a `context` with every code; "pci" (PCI DSS 4.0.1)
///   `lockAfter` 10 at most and `lockMinutes` 30 or more.
/// - `policy.cooldownSeconds` (0 to 3600; default 30): The time between two messages to one recipient, also after
///   one that failed.
/// - `policy.sendLimits` (up to 10 of 1 to 1000 in 1 to 1440 minutes; default 5 in 10, 15 in 60, 50 in 1440
///   minutes): How many messages a recipient gets in how many minutes: [{"count": 5, "minutes": 10}]; with
///   "channel": "sms" only those of that channel count.
/// - `policy.subjectFailures.lockAfter` (1 to 100; default 10): After every so many failures in a row a subject is
///   locked for a while.
/// - `policy.subjectFailures.lockMinutes` (1 to 1440; default 30): How long that lock lasts.
/// - `policy.subjectFailures.disableAfter` (1 to 100; default 100): After so many failures in a row only
///   otp_unlock() opens the subject again.
/// - `policy.countries` (1 to 1000 of 1 to 7 digits; default every country): Calling codes, or longer beginnings of
///   numbers, that messages go to, such as ["39"]. Any other number is OTP_REFUSED.
/// - `policy.retentionMinutes` (0 to 43200; default 1440): How long a code is kept after its end, to answer "used"
///   or "expired".
/// - `message` (default "Insert the following code: {code}"): The text to send, or texts by locale: {"en": "...",
///   "it": "..."}, of which the request's, its language's, the English or the first one is taken. {code}, {minutes}
///   (those left, rounded up), {brand} and the names in a request's `params` are filled in; a name without a value
///   is OTP_E_ARGUMENT. {code} must be there.
/// - `brand` (1 to 64 bytes; default none): What {brand} stands for.
/// - `webOtpDomain` (default none): Adds a last line to an SMS by which browsers fill the code in on this site
///   (WebOTP).
/// - `androidHash` (11 characters of Base64; default none): Adds a last line to an SMS by which this Android app
///   finds the code (SMS Retriever). Not together with `webOtpDomain`.
/// - `ownCodes` (default false): Whether a request may bring its own `code`.
/// - `accept` (default all): The members that a request may have; any other is OTP_E_ARGUMENT. For hosts that pass
///   on what comes from outside.
/// - `defaultCountry` (default none): The calling code, such as "39", with which a number without + or 00 is read.
/// - `sender.type` (default "console" without `sender`; needed in it): Who delivers. "console" prints to standard
///   error, for development. "host" calls the function of otp_on_send(). "none" puts the message into the reply,
///   for you to send. "messages" and "dispatch" are the carrier Vonage, "http" is any other, by a request that you
///   describe. "smtp" is a server for mail, in a build with the feature `smtp`.
/// - `sender.applicationId` (1 to 256 visible ASCII characters; default none): The carrier's application, for
///   requests with a signed token.
/// - `sender.privateKey` (default none): The application's RSA key: PEM text, also in Base64 as a whole, or the
///   path of a file that holds it. Where a text may be both, write the path with /, ./ or ../ at its beginning.
/// - `sender.apiKey` (1 to 256 visible ASCII characters; default none): The carrier's account, for requests with a
///   password.
/// - `sender.apiSecret` (1 to 256 visible ASCII characters; default none): The password of that account.
/// - `sender.auth` (default "jwt" with a `privateKey`, else "basic"): How requests are authorised.
/// - `sender.baseUrl` (default `https://api.nexmo.com`): Where requests go. http:// is for this machine alone.
/// - `sender.timeoutSeconds` (1 to 120; default 10): The time for all requests of one call; with `senders` for a
///   message of this one, and a call that fails over may take the sum of all its steps'.
/// - `sender.url` (default none; needed with "http"): With "http": where requests go. Scheme, host and port are
///   literal; path and query may have placeholders. http:// is for loopback alone, decided after the look-up. No
///   redirect is followed, no proxy used.
/// - `sender.method` (default "POST"): With "http". "GET" has no body: it needs `query`.
/// - `sender.headers` (up to 16 of printable ASCII; default none): With "http": further headers. Their values are
///   literal: {{ and }} are braces, and a placeholder is refused.
/// - `sender.basic` (default none): With "http": name and password of the account. Not together with `bearer`.
/// - `sender.bearer` (1 to 4096 visible ASCII characters; default none): With "http": the token of the account.
/// - `sender.json` (default none; one of `json`, `form` and `query` is needed with "http"): With "http": the body
///   as a tree of JSON. Its texts may hold {to}, {from}, {text}, {code}, {subject} (of a mail), {digits} (the
///   code's letters and digits one by one, for a voice: 1, 2, 3), {channel}, {locale} ("en" where none was asked
///   for), {ref} (by which otp_report() finds the message), {minutes} and {params.NAME}, each encoded for its
///   place; {{ and }} are braces. {"$json": tree} is a tree as JSON in a text; {"$locale": {"en": tree, "it":
///   tree}} is the tree for the request's locale, chosen as `message` is. In a text that is markup, such as
///   "<Say>{digits}</Say>", only {digits}, {ref} and {minutes} may stand. {text}, {code} or {digits} must be there.
/// - `sender.form` (default none): With "http": the body as a form: names with texts as in `json`, numbers, true,
///   false, {"$json": tree}, {"$locale": ...} of these, or lists of these.
/// - `sender.query` (default none): With "http": the same in the URL, without a body. A code in it is a warning:
///   servers and proxies write URLs into logs.
/// - `sender.accepted` (default 200 to 299): With "http": answers that say that the message was taken: statuses, of
///   200 to 299, and `{"path": [values]}`, such as `{"messages.0.status": ["0"]}`. Paths decide before statuses; an
///   answer that says two things, or none, leaves the message in doubt.
/// - `sender.notTaken` (default none): With "http": the same for a message that was certainly not taken, and that
///   another try may bring: up to 3 tries within the time.
/// - `sender.refused` (default none): With "http": the same for one that is certainly not going to be taken: the
///   next step begins. If none is left, 401 and 402 are OTP_E_SEND, since they are about the account, and all
///   others OTP_REFUSED.
/// - `sender.messageId` (default none): With "http": the path in a good answer to the message's identifier, by
///   which otp_report() finds it too.
/// - `sender.host` (default none; needed with "smtp"): With "smtp": the server's name or address.
/// - `sender.port` (1 to 65535; default 587, with "implicit" 465; needed with `tls` "none"): With "smtp": its port.
/// - `sender.tls` (default "starttls"): With "smtp": "implicit" is TLS from the first byte. "none" is for loopback
///   alone, decided after the look-up.
/// - `sender.user` (1 to 256 bytes; default none): With "smtp": the account, told under TLS alone.
/// - `sender.password` (1 to 256 bytes; default none; needed with `user`): With "smtp": its password.
/// - `senders` (1 to 8; default none): Several senders by name, instead of `sender`: {"NAME": {"type": ...}}. A
///   name is a lower-case letter, then letters, digits or _, 16 in all. "dispatch" and "none" stand alone.
/// - `workflow[].channel` (1 to 5 steps; 1 to 32 lower-case letters, digits or _; default "messenger", then "sms";
///   needed in a step): The channel of a step. With Vonage "messenger", "sms", "whatsapp", "viber_service" or, with
///   "messages", "rcs". "voice" is a call, and "email" a mail, with any sender but Vonage; "smtp" has "email"
///   alone. Profile "nist" has no "email" (SP 800-63B-4, 3.1.3.1).
/// - `workflow[].sender` (default the only one): The name of the step's sender, where there are several.
/// - `workflow[].from` (1 to 64 bytes, with "smtp" 320; default "NEXMO" for SMS with Vonage, else none; needed with
///   "smtp"): The sender's address. With Vonage a step without one is left out, with a warning. With "smtp" it is
///   name@example.com or Name <name@example.com>.
/// - `workflow[].subject` (up to 256 bytes; default "Your code", with a `brand` "{brand}: your code"): The subject
///   of a mail, filled in as `message` is. {code} may stand in it. Messages that you deliver yourself have one only
///   where it is given here.
/// - `workflow[].expiryTime` (15 to 86400; default 120): How many seconds a step waits for `conditionStatus` before
///   the next one begins.
/// - `workflow[].conditionStatus` (default with Vonage "read", "delivered" for SMS; else none): What makes the next
///   step needless. "verified" needs no report, and works with every sender but "dispatch".
/// - `workflow[].template` (default `message`): A text of the step's own; for WhatsApp through a carrier also the
///   name of an approved template.
/// - `background` (default false): Whether a thread of the service does what otp_run_due() does: see "Threads".
/// - `webhook.signatureSecret` (4 to 256 bytes; default none; needed in `webhook`): The account's secret, by which
///   otp_webhook() checks signatures.
/// - `webhook.apiKey` (default any): The only account whose webhooks are taken.
/// - `webhook.applicationId` (default any): A webhook that names another application is refused; one that names
///   none is taken.
/// - `webhook.maxAgeSeconds` (1 to 86400; default 300): How far from now, either way, a webhook may have been
///   signed.
/// - `durability` (default "full"; "engine" with Redis): What a change survives: "full" a loss of power, "process"
///   the end of the process. Redis has "engine" alone: a failover may forget the last ones.
/// - `caFile` (default the platform's authorities): The only authorities that are trusted, in PEM, for "rediss://"
///   and "postgres://".
/// - `poolSize` (1 to 64; default 8): How many connections to the server a service keeps.
/// - `waitReplicas` (0 to 16; default 0): How many of the replicas must have a change before it is answered.
///
/// Some options may be "file:PATH" or "env:NAME" as a whole: `repository`, `key`, the items of `previousKeys`,
/// `webhook.signatureSecret`, `webhook.apiKey`, `webhook.applicationId`, and of a sender `applicationId`, `privateKey`,
/// `apiKey`, `apiSecret`, `url`, `basic`, `bearer`, `headers`, `user`, `password` and texts of its tree. The first
/// stands for what a regular file of at most 64 KiB holds, less one line feed at its end, the second for a variable of
/// the environment. Both are read once, by this call. No error or warning shows any part of a secret.
///
/// A repository whose key is lost, or is another one, is OTP_E_CONFIG. Its files must belong to the user of the
/// process; the folder around them may be root's. A file with a second name (hard link) is OTP_E_STORE.
///
/// With "messages" the library runs the workflow: the next step begins at once when a message is rejected, and when
/// `conditionStatus` has not come in time. Let otp_run_due(), otp_webhook() or `background` do that. With "dispatch"
/// the carrier does it by itself. Messenger takes 640 characters, SMS and Viber 1000: a text that is too long by itself
/// is OTP_E_CONFIG, and one that the `params` of a request make too long is OTP_E_ARGUMENT.
///
/// Reply: `warnings`, an array of texts. They name what is allowed and not advisable, such as a key that lies beside
/// its database, and what cannot work as it is written, such as timed steps that nothing drives.
/// A repository that is begun with a key file which was there before is named too: one that was there is gone.
///
/// Results:
/// - OTP_OK: `*service` is open.
/// - OTP_E_CONFIG: the configuration or the key is wrong.
/// - OTP_E_UNSUPPORTED: this build does not have what `message` names.
/// - OTP_E_ARGUMENT, OTP_E_STORE, OTP_E_BUSY, OTP_E_RANDOM.
///
/// Example:
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

/// Closes a service: waits for the calls that other threads have in it, frees it, and drops its callbacks.
///
/// Parameters:
/// - `service`: a service. NULL, or one that is closed already, does nothing.
///
/// From now on every call with this handle is OTP_E_ARGUMENT. A callback of the service may close it: then this returns
/// at once, and the service is freed when the outermost call that runs on it returns. A callback must not wait for a
/// thread that is in this function.
///
/// After fork() each process closes the service for itself. In the child only the calls of the thread that forked
/// count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otp_close(service: *mut otp_service) {
    // Nobody to tell: what can fail is a child without fork handlers, where nothing may be touched.
    let _ = catch(|| handle::close(service));
}
