/**
 * @file otp.h
 * libotp: one-time passwords inside your own process. Create a short code, have it delivered, verify it exactly once.
 *
 * ```c
 * #include <otp.h>
 *
 * char reply[OTP_REPLY_SIZE];
 * otp_service *service;
 * if (otp_open(NULL, &service, reply, sizeof reply) != OTP_OK)
 *   return fail(reply);
 * if (otp_create(service, session, "{\"phoneNumber\": \"393331234567\"}", reply, sizeof reply) != OTP_OK)
 *   return fail(reply);
 * ...
 * if (otp_verify(service, session, typed, reply, sizeof reply) == OTP_OK)
 *   let_in();
 * otp_close(service);
 * ```
 *
 * Results. A function that can fail returns an otp_result. OTP_OK, which is 0, is the only yes. A positive number is
 * a considered no, to show the user: a wrong code, say, or too many of them. A negative number says that the library
 * could not answer, and is to be logged. So `== OTP_OK` is the only test that lets anyone in, and `< 0` the only one
 * that means trouble. Every function lists what it may return; besides, each may return OTP_E_INTERNAL, each with a
 * service OTP_E_ARGUMENT for a handle that is not open, and OTP_E_STORE in a process that was made by a raw clone(),
 * or by fork() where the service's repository is "memory:".
 *
 * Replies. What has more to say than a number writes it to `reply`, a buffer of the caller with `reply_size` bytes,
 * as one JSON object (RFC 8259) in UTF-8, ended by NUL. `reply` may be NULL. Otherwise it must have at least
 * OTP_REPLY_SIZE bytes: with less, the result is OTP_E_ARGUMENT, nothing was done and the buffer is as it was. With
 * enough it always receives one complete object, of which at most OTP_REPLY_SIZE bytes are written; it need not be
 * initialised. Members: `result`, the name of the result; `message`, unless it is OTP_OK: for a refusal the sentence
 * to show, for a failure one line that names the parameter, option or file and the cause; and those that the function
 * lists. Members that do not apply are absent, never null. A text from elsewhere that is too long is cut at a
 * character, and `shortened` lists the members that were. Replies hold no code, but for otp_create() and otp_resend()
 * with sender "none". There is no "last error" anywhere else.
 *
 * Strings. They are UTF-8 ended by NUL, and are read before a function returns. Texts that the library returns live
 * as long as the process; texts that it hands to a callback live until that returns. Nothing the library returns is
 * to be freed. What a function reads may lie in its own `reply`.
 *
 * NULL. Where text is due, NULL and invalid UTF-8 are OTP_E_ARGUMENT and the parameter is named; the library does not
 * crash. NULL is allowed for `config`, `context`, `reply`, `authorization`, `user_data`, for functions, and for
 * `request` with sender "none". A pointer that is neither NULL nor valid is undefined behaviour, except for a service:
 * a handle is no address but a number, odd and 4097 or above; none is used again in the process, and a closed or
 * made-up one is OTP_E_ARGUMENT.
 *
 * Ownership. The one thing to free is a service, by otp_close().
 *
 * Threads. Every function may be called from any thread at any time. Calls block: for the commit of the repository,
 * for up to 10 s when others keep it busy, and for a delivery. The library installs no signal handler, and starts no
 * thread but the one that `background` asks for: named "otp-driver", started by the first call that is neither a
 * setter nor otp_close(), ended by otp_close(), and in a child of fork() started anew by the child's first call. Set
 * callbacks before. It has a stack of 2 MiB, and holds back what its starter did and the signals for a process's own
 * handlers (HUP, INT, QUIT, TERM, ALRM, VTALRM, CHLD, PIPE, TSTP, TTIN, TTOU, WINCH, CONT, IO), and no others, so that
 * a runtime can stop it by a signal of its own. Names of hosts are looked up on a thread for the while. A process that
 * is started anew has no driver before its first call: call otp_run_due() once.
 *
 * Stack. A thread with 64 KiB of stack may call everything, besides what callbacks take.
 *
 * Callbacks. They run on the thread that called the library, or on that of `background`; several at once when several
 * threads do; with no lock held. They may call the library again, fork, and close the service. `user_data` is handed
 * to each, `drop` frees it, exactly once, also when the setter fails. They must return: no exception, panic or
 * longjmp() may leave them. With `background` they come on a thread that the host's runtime did not start. One that
 * cannot take that (PHP, Perl, Guile, Lua) calls otp_run_due() instead. A virtual thread (Java, Go's goroutines alike)
 * is pinned to its carrier for as long as a call takes.
 *
 * Processes and fork(). Any number of processes may open the same repository. A service that was opened before fork()
 * works in the child as in the parent, both close it for themselves, and `drop` runs once on each side; in the child
 * not for a callback that another thread was inside of. fork() waits for a commit that is running, never for a
 * callback or a delivery.
 *
 * Shortage. When descriptors, disk, memory or the size that files may have run out, the result is OTP_E_STORE, and the
 * next call works once there is enough again. No signal that writing raises (SIGPIPE, SIGXFSZ) reaches the host. One
 * thing cannot be made a result: where the system refuses a few bytes of memory, the process is aborted.
 *
 * Unloading. The shared library stays mapped after dlclose().
 *
 * Versions. Within one OTP_ABI_VERSION, which is the number in the soname, functions, results and JSON members are
 * only added.
 *
 * Log events. What is handed to an otp_log_fn is one JSON object with `time` (RFC 3339, UTC, with milliseconds),
 * `level` (1 error, 2 warning, 3 info, 4 debug), `event` (what was done, such as "create" or "verify"), `result` (a
 * name), `record` (a pseudonym of the token: equal for equal tokens of a repository, and nobody gets from it to the
 * token), `client` (of a create: a pseudonym of the request's `client`, of the same kind), and of a step of a delivery
 * `channel` and `state`: with "send" what came of sending its message, with "report" what a webhook said became of it.
 * A "send" that failed has `cause`, and what is known of `httpStatus` and `vendorCode`. What strangers bring about is a
 * warning, OTP_E_ARGUMENT, OTP_E_SIGNATURE and OTP_E_UNSIGNED among it. The event "store" warns that the `-wal` of
 * the repository cannot be used anew, since a program reads the database without end: `size` is its length in bytes,
 * told from 64 MiB on and whenever it has doubled; at 256 MiB nothing more is written. Members that do not apply are
 * absent, others may be added. No event holds a code, a token, a recipient or a key.
 */

#ifndef OTP_H
#define OTP_H

#include <stddef.h>
#include <stdint.h>

/* Marks a function whose result must be looked at. */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define OTP_NODISCARD [[nodiscard]]
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#define OTP_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define OTP_NODISCARD __attribute__((__warn_unused_result__))
#else
#define OTP_NODISCARD
#endif

/**
 * Log level: the library could not answer.
 */
#define OTP_LOG_ERROR 1

/**
 * Log level: something should be looked at.
 */
#define OTP_LOG_WARNING 2

/**
 * Log level: what was done.
 */
#define OTP_LOG_INFO 3

/**
 * Log level: everything.
 */
#define OTP_LOG_DEBUG 4

/**
 * Size in bytes that a reply buffer must have at least.
 */
#define OTP_REPLY_SIZE 4096

/**
 * Version of this interface; the number in the soname. Within one, functions, results and JSON fields are only
 * added. Compare it with `otp_abi_version()` where the library is loaded at run time.
 */
#define OTP_ABI_VERSION 0

/**
 * A service: what otp_open() makes and otp_close() frees. Any number of threads may use it at once.
 */
typedef struct otp_service otp_service;

/**
 * What a call came to. `OTP_OK`, which is 0, is the only yes; positive numbers are considered refusals, to show the
 * user; negative numbers say that the library could not answer, to log. Numbers are never changed or reused. Treat
 * one that you do not know by its sign.
 */
typedef int32_t otp_result;

/**
 * Delivers a message, for sender "host". `message` is a JSON object that lives until the function returns: `token`,
 * `channel` (such as "sms"), `to`, `from` ("" when the step names none), `text` (what to send), `code`,
 * `expiresInSeconds`, `locale`. It holds the code: keep it out of logs.
 *
 * Returns 1: sent. 2: certainly not sent, the next step of the workflow is tried. Any other number, 0 among them:
 * perhaps sent, the code stays good.
 */
typedef int32_t (*otp_send_fn)(void *user_data, const char *message);

/**
 * Frees what `user_data` points to: the library will not use it again.
 */
typedef void (*otp_drop_fn)(void *user_data);

/**
 * Takes an event, one JSON object without a line feed that lives until the function returns. No event is sent while
 * the function runs.
 */
typedef void (*otp_log_fn)(void *user_data, int32_t level, const char *event);

/**
 * Tells the time: milliseconds since 1970-01-01T00:00Z, brought into the years 1970 to 9999.
 */
typedef int64_t (*otp_clock_fn)(void *user_data);

/**
 * Done. For otp_verify(): the code was right, and is used now. HTTP 200.
 */
#define OTP_OK 0

/**
 * The code is not right, or there is none for this token. HTTP 404.
 */
#define OTP_NOT_VALID 1

/**
 * The code is right and has been used before. HTTP 409.
 */
#define OTP_CHECKED 2

/**
 * The code is right and too old, or a newer one replaced it. HTTP 410.
 */
#define OTP_EXPIRED 3

/**
 * Too many wrong codes, for this code or for its subject: the code was not looked at. HTTP 429.
 */
#define OTP_LOCKED 4

/**
 * Too many codes for this recipient: nothing was drawn or sent. HTTP 429.
 */
#define OTP_RATE_LIMITED 5

/**
 * The code is right and was cancelled. HTTP 410.
 */
#define OTP_CANCELLED 6

/**
 * The recipient's country is not on the list; or the provider does not send to this recipient. HTTP 403.
 */
#define OTP_REFUSED 7

/**
 * There is no such request. HTTP 404.
 */
#define OTP_UNKNOWN 8

/**
 * A parameter, or a member of the request, is wrong: `message` names it. Nothing was done. HTTP 400.
 */
#define OTP_E_ARGUMENT (-1)

/**
 * The configuration or the key is wrong: `message` names the option. Nothing was done. HTTP 500.
 */
#define OTP_E_CONFIG (-2)

/**
 * The repository failed. What was asked may have been done, or a part of it. HTTP 503.
 */
#define OTP_E_STORE (-3)

/**
 * The repository was in use for 10 s. Certainly nothing was done. HTTP 503.
 */
#define OTP_E_BUSY (-4)

/**
 * The message was certainly not sent. After otp_create() the code is cancelled. HTTP 502.
 */
#define OTP_E_SEND (-5)

/**
 * The message may have been sent, or another one with its code, which is good: do not retry blindly. HTTP 502.
 */
#define OTP_E_IN_DOUBT (-6)

/**
 * The signature of the webhook is wrong. HTTP 401.
 */
#define OTP_E_SIGNATURE (-7)

/**
 * The webhook carries no signature; the vendor sends it again, signed, after a 5xx. HTTP 503.
 */
#define OTP_E_UNSIGNED (-8)

/**
 * The operating system gave no random numbers. Nothing was done. HTTP 500.
 */
#define OTP_E_RANDOM (-9)

/**
 * The configuration does not provide what was asked for. Nothing was done. HTTP 500.
 */
#define OTP_E_UNSUPPORTED (-10)

/**
 * A defect of the library. The service stays usable; what was asked may have been done. HTTP 500.
 */
#define OTP_E_INTERNAL (-11)

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * The version of the library, such as "0.1.0" (semver.org). The text lives as long as the process.
 */
const char *otp_version(void);

/**
 * The version of the interface that the library was built with: where it is loaded at run time, refuse one that is
 * not OTP_ABI_VERSION.
 */
uint32_t otp_abi_version(void);

/**
 * Opens a service.
 *
 * `config` is a JSON object; NULL means "{}". Every member is optional; one that is unknown, repeated or out of range
 * is OTP_E_CONFIG and named. Relative paths are those of the working directory at this moment. Members, with their
 * defaults:
 *
 * - `repository` ("sqlite:otp.db"): "sqlite:PATH", "json:FOLDER" or "memory:". Any number of processes may open the
 *   same one. Made when there is none, readable for this user alone. Files of other users, and files with a second
 *   name (hard link), are OTP_E_STORE; the folder they lie in may be root's.
 * - `keyFile` (the path of the repository and ".key"), or instead of it `key`: 32 bytes or more in Base64. All codes
 *   are derived from it. A key file is made, with mode 0600, only together with a new repository: a repository whose
 *   key is lost, or is another, is OTP_E_CONFIG. One that is named here may be a symbolic link, root's, and readable
 *   by its group; by everybody only if it is root's on a read-only mount. It is read now and not again. `previousKeys`
 *   (an array of keys) still verify.
 * - `namespace` ("default"): 1 to 64 bytes. Tenants that share a repository never meet.
 * - `otpLength` (6): 4 to 10 digits.
 * - `validityTime` (5): minutes, from 1 second to 1440 minutes; fractions are allowed.
 * - `maxAttempts` (5): wrong codes for each code, 1 to 10.
 * - `policy`: `profile` ("standard"; "nist" for NIST SP 800-63B-4, "psd2" for Regulation (EU) 2018/389, "pci" for
 *   PCI DSS 4), `cooldownSeconds` (30), `sendLimits` (an array of {"count": N, "minutes": N}; 5 in 10, 15 in 60, 50 in
 *   1440), `subjectFailures` ({"lockAfter": 10, "lockMinutes": 30, "disableAfter": 100}), `countries` (an array of
 *   calling codes, such as "39"; none: every country), `retentionMinutes` (1440). With a profile other than
 *   "standard", a member that is weaker than it is OTP_E_CONFIG.
 * - `message` ("Insert the following code: {code}"): a text, or texts by locale; {code}, {minutes}, {brand} and the
 *   names in a request's `params` are filled in. `brand`; `webOtpDomain`, `androidHash`: the last line of an SMS, from
 *   which a browser or an app may take the code.
 * - `ownCodes` (false): whether a request may bring its own `code`.
 * - `accept` (all): an array of the members that a request may have; any other is OTP_E_ARGUMENT. For hosts that pass
 *   on what came from outside, where addresses, `subject`, `channels`, `context` and `client` are theirs to set.
 * - `defaultCountry` (none): a calling code, such as "39", with which a number without + or 00 is read. One that may be
 *   a national number and an international one is OTP_E_ARGUMENT.
 * - `sender` ({"type": "console"}): "host", the function given to otp_on_send(); "none", the code comes back in the
 *   reply; "console", to standard error, for development; "messages" or "dispatch", the carrier Vonage, with
 *   `applicationId` and `privateKey` (RSA: PEM text, also in Base64 as a whole, or the path of a file that holds it;
 *   where it may be either, a path begins with `/`, `./` or `../`), or `apiKey` and `apiSecret`; `auth` ("jwt" or
 *   "basic"), `baseUrl` (`https://api.nexmo.com`), `timeoutSeconds` (10) for all requests of one call.
 * - `workflow` (Messenger, then SMS): 1 to 5 steps {`channel`, `from`, `expiryTime` (120 seconds), `conditionStatus`
 *   ("read"; "delivered" for SMS), `template`}. With "messages" the next step is begun at once when a message is
 *   rejected, and when `conditionStatus` has not come in `expiryTime`, by otp_run_due(), otp_webhook() or `background`;
 *   with "dispatch" the carrier does that by itself. A carrier limits texts: Messenger to 640 characters, SMS and
 *   Viber to 1000. A text that is too long by itself is OTP_E_CONFIG, one that a request makes so OTP_E_ARGUMENT.
 * - `background` (false): whether a thread of the service does what otp_run_due() does: steps at the moment they are
 *   due, and the removal of old records once a minute. What goes wrong there is a log event "run_due", and is tried
 *   again after some seconds. See "Threads".
 * - `webhook`: {`signatureSecret`, `apiKey`, `applicationId`, `maxAgeSeconds` (300)}, by which otp_webhook() checks.
 * - `durability` ("full"): whether what was acknowledged survives a loss of power, or with "process" the end of the
 *   process alone.
 *
 * A secret (`key`, `previousKeys`, credentials, `signatureSecret`), and `repository`, may be "file:PATH", for what a
 * regular file of at most 64 KiB holds, less one line feed at its end, or "env:NAME", for a variable of the
 * environment: as the whole value, read once, now. No error or warning shows any part of a secret.
 *
 * On success `*service` is the service, which otp_close() frees; else it is NULL. A NULL `service` is OTP_E_ARGUMENT.
 *
 * Reply: `warnings`, an array of texts about what the configuration should rather not be, such as a key that lies
 * beside its database; and about what it cannot do: timed steps of "messages" that nothing drives without
 * `background`, a step that begins when the code has ended, options of `workflow` that do nothing with the sender.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY, OTP_E_RANDOM, OTP_E_UNSUPPORTED (names the
 * option that this library does not provide).
 *
 * ```c
 * char reply[OTP_REPLY_SIZE];
 * otp_service *service;
 * if (otp_open("{\"repository\": \"sqlite:/var/lib/app/otp.db\"}", &service, reply, sizeof reply) != OTP_OK)
 *   return fail(reply);
 * ```
 */
OTP_NODISCARD otp_result otp_open(const char *config, otp_service **service, char *reply, size_t reply_size);

/**
 * Closes a service: waits for calls that run on it in other threads, then frees it and drops its callbacks.
 *
 * Called inside a callback of this service, it returns at once; the service is freed when the outermost call that
 * runs on it returns. Either way, from now on every call with this handle is OTP_E_ARGUMENT, also in a callback that
 * is still running. NULL, and a handle that is closed already, are fine. A callback must not wait for a thread that is
 * in this function.
 *
 * In a process that was forked off, it closes the child's side alone and counts the calls of the forking thread
 * alone.
 */
void otp_close(otp_service *service);

/**
 * Draws a code for `token` and has it delivered.
 *
 * `token` is the host's name for what the code is good for, say a login under way: 1 to 256 bytes of UTF-8 without
 * control characters. Let nobody outside choose it together with an address: whoever does receives its code. A new
 * code replaces the token's live one. Codes come from the operating system's random numbers, uniformly.
 *
 * `request` is a JSON object of at most 16 KiB; NULL is allowed with sender "none" alone. A member that is unknown or
 * repeated is OTP_E_ARGUMENT. Members:
 *
 * - `messengerId`, `phoneNumber`, and other addresses by the name of their channel, if a step of the workflow has it:
 *   at most 64 bytes. A number is read as people write it: `+` or `00`, its calling code (ITU-T E.164) and the number,
 *   with blanks, dashes, `./()`, digits of any script and a `tel:` before it; without `+` or `00` also as a national
 *   one of `defaultCountry`. It must have a length with which a number of that code can receive a message, and no 0
 *   after the code where none belongs there.
 * - `channels`: an array of channels of the workflow; only steps of these are used, for resends as well.
 * - `subject`: the account whose failures count together, over all its codes; 1 to 256 bytes. Default: the phone
 *   number, else the Messenger id, else the token.
 * - `context`: what the user approves, say amount and payee; at most 4 KiB. The code is good only together with the
 *   same context, byte for byte: see otp_verify_context().
 * - `locale`: the language of the text, such as "it" or "pt-BR" (RFC 5646); at most 35 bytes.
 * - `params`: an object of texts that are filled into the message.
 * - `idempotencyKey`: 1 to 256 bytes. The same key with the same request gives the first answer again, whatever became
 *   of the delivery since, and sends nothing; before there is one, OTP_E_IN_DOUBT. With another request it is
 *   OTP_E_ARGUMENT. Use one where a request may come twice.
 * - `client`: who asks, say an IP address or a session; 1 to 256 bytes.
 * - `code`: with `ownCodes` alone; 4 to 16 printable ASCII characters, not blanks and `-` alone.
 *
 * Reply: `expiresInSeconds` (rounded down), `attemptsLeft`, `delivery` {`via`, `dispatchUuid` or `messageUuid`,
 * `channel`, `state`}. `state` is "sending", "accepted", "submitted", "delivered", "read", "rejected",
 * "undeliverable", "failed", "in_doubt", "skipped" or "stopped". When refused: `retryAfterSeconds` (rounded up, at
 * least 1; absent where waiting does not help) and `locked` ("code", "subject" or "disabled"). When sending failed,
 * what is known of `httpStatus`, `vendorCode`, `vendorTitle`, `retryAfterSeconds`. With sender "none" also the members
 * of the message (see otp_send_fn), the code among them; there a NULL reply is OTP_E_ARGUMENT.
 *
 * Results: OTP_OK: the code is stored and its message is on its way. OTP_LOCKED, OTP_RATE_LIMITED, OTP_REFUSED:
 * nothing was drawn or sent, and a live code stays as it was. OTP_CANCELLED: cancelled, erased or replaced while it
 * was being sent. OTP_E_SEND, and OTP_REFUSED with `delivery` in the reply (the provider does not send to this
 * recipient): certainly not sent; the code is cancelled. OTP_E_IN_DOUBT: perhaps sent, by this call or by a resend or
 * a timer meanwhile; the code is good. OTP_E_STORE: it may have been stored; nothing was sent. OTP_E_ARGUMENT,
 * OTP_E_CONFIG, OTP_E_BUSY, OTP_E_RANDOM, OTP_E_UNSUPPORTED (sender "host" without a function): nothing was done.
 *
 * ```c
 * otp_create(service, session, "{\"phoneNumber\": \"393331234567\"}", reply, sizeof reply)
 * ```
 */
OTP_NODISCARD
otp_result otp_create(otp_service *service,
                      const char *token,
                      const char *request,
                      char *reply,
                      size_t reply_size);

/**
 * Sends the token's code once more: the same code, since messages may arrive out of order, from the first step of the
 * workflow, within the time it has left. It counts against the send limits.
 *
 * Reply: as of otp_create().
 *
 * Results: as of otp_create(), but a failure to send leaves the code good; and by the state of the code OTP_UNKNOWN,
 * OTP_CHECKED, OTP_CANCELLED, OTP_LOCKED, OTP_EXPIRED. OTP_E_ARGUMENT too, uncounted, where the texts of a newer
 * configuration want `params` that the request did not have.
 */
OTP_NODISCARD otp_result otp_resend(otp_service *service, const char *token, char *reply, size_t reply_size);

/**
 * As otp_resend(), but from the first step of the workflow with this channel on: for "send it by SMS instead".
 *
 * OTP_E_ARGUMENT too, with nothing counted or sent, where no step has the channel, the request brought no address for
 * it, or its `channels` leave it out.
 */
OTP_NODISCARD
otp_result otp_resend_channel(otp_service *service,
                              const char *token,
                              const char *channel,
                              char *reply,
                              size_t reply_size);

/**
 * With sender "none": says that the message which was handed over last certainly did not leave. The message of the
 * next step of the workflow for which there is an address comes back, as from otp_create(), and counts against no
 * limit. A message that may have left must not be given up so: keep its code.
 *
 * Reply: as of otp_create().
 *
 * Results: OTP_OK; OTP_E_SEND where no step is left, and the code stays good: otp_cancel() ends it; by the state of the
 * code OTP_UNKNOWN, OTP_CHECKED, OTP_CANCELLED, OTP_LOCKED, OTP_EXPIRED; OTP_E_ARGUMENT where no message was handed
 * over, and where `reply` is NULL; OTP_E_UNSUPPORTED with another sender; OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_not_sent(otp_service *service, const char *token, char *reply, size_t reply_size);

/**
 * Checks a code and uses it up: of all calls in all processes, exactly one is told OTP_OK, after that is stored for
 * good. Compare with OTP_OK and with nothing else: `if (otp_verify(...))` is the wrong way round.
 *
 * `code` is what the user typed: 1 to 64 bytes, and not blanks and dashes alone, else OTP_E_ARGUMENT, which does not
 * count. Anything else is a guess and counts, on the code and on its subject, also when the code is used or expired
 * already. Codes of digits are compared without white space, dashes (Unicode Pd) and invisible characters (Cf), and
 * with digits of any script; other own codes byte for byte. The time that takes does not depend on the codes. The
 * limits are those of NIST SP 800-63B-4, section 3.2.2, or stricter ones of the configuration.
 *
 * Reply: `attemptsLeft` (absent for an unknown token); when locked `retryAfterSeconds` (absent where waiting does not
 * help) and `locked`: "code" (ask for a new one), "subject" (wait) or "disabled" (see otp_unlock()).
 *
 * Results: OTP_OK. OTP_NOT_VALID: wrong, or no such token. OTP_LOCKED: the code was not looked at. OTP_CHECKED,
 * OTP_EXPIRED, OTP_CANCELLED: right, but used, too old or replaced, cancelled; told to those alone who know the code.
 * OTP_E_ARGUMENT, OTP_E_CONFIG (the key of the record is not at hand), OTP_E_STORE, OTP_E_BUSY.
 *
 * ```c
 * if (otp_verify(service, session, typed, reply, sizeof reply) == OTP_OK)
 *   let_in();
 * ```
 */
OTP_NODISCARD
otp_result otp_verify(otp_service *service,
                      const char *token,
                      const char *code,
                      char *reply,
                      size_t reply_size);

/**
 * As otp_verify(), for a code that was created with a `context` (Regulation (EU) 2018/389, article 5: dynamic
 * linking).
 *
 * `context` must be the same, byte for byte; at most 4 KiB. Another one is OTP_NOT_VALID and counts, and so is one
 * where none was given, and none where one was given. NULL is none, "" is a context.
 */
OTP_NODISCARD
otp_result otp_verify_context(otp_service *service,
                              const char *token,
                              const char *code,
                              const char *context,
                              char *reply,
                              size_t reply_size);

/**
 * Cancels the token's code, for good. The reply has no members of its own.
 *
 * Results: OTP_OK, also when it is cancelled already; OTP_UNKNOWN, OTP_CHECKED, OTP_EXPIRED; OTP_E_ARGUMENT,
 * OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_cancel(otp_service *service, const char *token, char *reply, size_t reply_size);

/**
 * Tells how the token's code stands, for the host to see; it sends nothing and counts nothing.
 *
 * Reply: `token`; `state`, the first that holds of "checked", "cancelled", "locked", "expired", "pending";
 * `creationDate`, `expiryDate`, `isChecked`, `checkDate` (RFC 3339, UTC, with milliseconds), `attemptsLeft`,
 * `delivery` as of otp_create() with `steps`: an array of {`channel`, `messageUuid`, `status`, `at`, `error`}: those
 * begun, those "skipped" for want of an address, and with sender "messages" those "stopped", once no further one begins.
 *
 * Results: OTP_OK, whatever the state; OTP_UNKNOWN; OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD
otp_result otp_status(otp_service *service,
                      const char *token,
                      char *reply,
                      size_t reply_size);

/**
 * Takes in a webhook of the provider: a report on a message, or a message to us.
 *
 * `authorization` is the value of the request's header of that name; NULL: it has none. `body` is the body of the
 * request, `body_size` bytes as they came, at most 64 KiB, which need not end with NUL; it may be NULL when
 * `body_size` is 0.
 *
 * A report is stored first. Then the next step is sent where the message failed, and else one step that is due, if
 * there is one: the call may take as long as a request to the carrier (`timeoutSeconds`). What comes of that step
 * changes nothing about the result: see otp_status() and the log.
 *
 * Reply: `kind` ("status", "final", "inbound", or "other"), `known`, `duplicate`, `state`; for "inbound" `duplicate`,
 * `from`, `channel`, `text`. A report counts for the step that its message was sent for, and for no other. "other" is
 * correctly signed and of no known kind: it is OTP_OK with `known` false, or the carrier would repeat it for a day.
 * The same "inbound" webhook a second time, within twice `maxAgeSeconds`, is `duplicate`: do not act on it again.
 *
 * Results: OTP_OK; OTP_E_SIGNATURE, OTP_E_UNSIGNED, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY;
 * OTP_E_UNSUPPORTED without `webhook` in the configuration. Answer with otp_result_http_status().
 */
OTP_NODISCARD
otp_result otp_webhook(otp_service *service,
                       const char *authorization,
                       const char *body,
                       size_t body_size,
                       char *reply,
                       size_t reply_size);

/**
 * Does what is due: steps of deliveries, and the removal of records past their retention. One full round or 100 ms of
 * work, whichever ends first. Call it now and then, say once a minute, or have it done by `background`; a host that
 * never does keeps all its promises but the timed steps, and does not grow for ever.
 *
 * Of many processes one sends a step. A step that a process had begun when it died is sent by another once a request
 * cannot be under way any more, unless its message may have left.
 *
 * A record that cannot be read, whose key is not at hand or whose text lacks one of its `params`, is passed over and
 * left to others. Of each there is one log event "run_due" of level 1 in every process. Where time ended before
 * everything was looked at, `nextDueInMilliseconds` is 0, and the next call goes on there.
 *
 * Reply: `ran` (steps), `purged` (records), `nextDueInMilliseconds` (absent when nothing is due). What was done before
 * a failure is told with OTP_OK, and the failure goes to the log; it is the result where nothing was done before it.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
otp_result otp_run_due(otp_service *service, char *reply, size_t reply_size);

/**
 * Tells how a subject stands. For operators: never show it to visitors.
 *
 * `subject` is as for otp_unlock(); where it may mean several, the worst is told.
 *
 * Reply: `failures` in a row, 0 for something unknown; `locked` ("subject" or "disabled") and `retryAfterSeconds`
 * (rounded up, at least 1; absent where waiting does not help).
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_subject(otp_service *service, const char *subject, char *reply, size_t reply_size);

/**
 * Forgets the failures of a subject, lifts its lock and enables it again. For operators.
 *
 * `subject` is the text it was given or taken from: of a request's `subject`, phone number or Messenger id, or a
 * token; 1 to 256 bytes. Where it may mean more than one of these, all are cleared. A number may be written as in a
 * request. What can be nothing of all that, such as "+39 12", is OTP_E_ARGUMENT.
 *
 * Reply: `found`, whether there was anything to forget: false is the sign of a text that was mistyped.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_unlock(otp_service *service, const char *subject, char *reply, size_t reply_size);

/**
 * Erases all records with this recipient, a phone number, written as in a request, or another address: at most 64
 * bytes. Counters and locks, which hold hashes alone, stay until they end, so that erasing lifts no limit. What can be
 * no address, such as "+39 12", is OTP_E_ARGUMENT. For operators.
 *
 * Reply: `found`, whether any record was erased: false is the sign of an address that was mistyped.
 *
 * It covers the records that were there when it was called, and takes its time: others get their turn meanwhile. A
 * record that is damaged is passed over, with one log event "erase" of level 1: nobody can tell whose it is. One that
 * the system did not let be read is OTP_E_STORE, after all others were erased. OTP_E_STORE may come after some were
 * erased; call it again.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_erase(otp_service *service, const char *recipient, char *reply, size_t reply_size);

/**
 * Sets the function that delivers messages, for sender "host"; with any other sender it is OTP_E_UNSUPPORTED.
 *
 * NULL for `send` removes it. `user_data` is handed to each call and may be NULL. `drop`, which may be NULL, is called
 * with it exactly once: when the function is replaced or removed, when the service is freed, or before this returns if
 * it fails or `send` is NULL. Set callbacks before the service is shared between threads.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_STORE, OTP_E_UNSUPPORTED.
 */
OTP_NODISCARD otp_result otp_on_send(otp_service *service, otp_send_fn send, void *user_data, otp_drop_fn drop);

/**
 * Sets the function that takes log events up to `max_level`, 1 to 4; 0 is none. An event's members, some of them
 * optional, are told in the opening chapter. `user_data` and `drop`: as for otp_on_send().
 *
 * Results: OTP_OK, OTP_E_ARGUMENT (another `max_level`), OTP_E_STORE.
 */
OTP_NODISCARD
otp_result otp_on_log(otp_service *service,
                      int32_t max_level,
                      otp_log_fn log,
                      void *user_data,
                      otp_drop_fn drop);

/**
 * Sets the clock of the service, in place of the host's wall clock: for tests, and for hosts that know the time
 * better. It is read before every change. Setting it back revives no code. `user_data` and `drop`: as for
 * otp_on_send().
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_STORE.
 */
OTP_NODISCARD otp_result otp_on_clock(otp_service *service, otp_clock_fn clock, void *user_data, otp_drop_fn drop);

/**
 * The name of a result, such as "OTP_NOT_VALID": for logs.
 *
 * @return "OTP_UNKNOWN_RESULT" for any other number. The text lives as long as the process.
 */
const char *otp_result_name(otp_result result);

/**
 * One sentence about a result. For a refusal it is the one to show the user; for a failure a short fixed one, where
 * the reply's `message` says more.
 *
 * @return "The code is invalid for unknown reason" for any other number. The text lives as long as the process.
 */
const char *otp_result_message(otp_result result);

/**
 * The HTTP status with which a web service answers a result, such as 410 for OTP_EXPIRED.
 *
 * @return 200 for OTP_OK alone, 404 for any other number than those above.
 */
int32_t otp_result_http_status(otp_result result);

/**
 * Reads a number from a reply, message or event: true is 1 and false is 0.
 *
 * `field` is the name of a member; dots lead into objects and arrays, as in "delivery.steps.1.at", arrays counting
 * from 0.
 *
 * Returns `otherwise` where there is no such member, it is no whole number within 64 bits, or anything is NULL or no
 * JSON.
 *
 * ```c
 * int64_t seconds = otp_reply_integer(reply, "retryAfterSeconds", 60);
 * ```
 */
int64_t otp_reply_integer(const char *reply, const char *field, int64_t otherwise);

/**
 * Reads a text from a reply, message or event, like snprintf(): numbers and booleans as they stand there. `field`: as
 * for otp_reply_integer().
 *
 * At most `text_size` bytes are written to `text`, a NUL at the end among them; a text that is too long is cut at a
 * character. `text` may be NULL when `text_size` is 0. It may lie in `reply`.
 *
 * Returns the length of the whole text in bytes, without the NUL: it was cut if that is not below `text_size`. Where
 * there is no such member, or it is an object or array, or anything is NULL or no JSON: 0 and "".
 *
 * ```c
 * char code[32];
 * if (otp_reply_text(reply, "code", code, sizeof code) < sizeof code)
 *   show(code);
 * ```
 */
size_t otp_reply_text(const char *reply, const char *field, char *text, size_t text_size);

/**
 * Adds a member with a text to the JSON object that is being built in `request`, a buffer of `request_size` bytes;
 * what needs escaping is escaped. To begin, set `request[0]` to 0. `field` is a name, in which dots have no meaning.
 *
 * Results: OTP_OK. OTP_E_ARGUMENT, and the buffer is as it was: a member of this name is there already, there is no
 * room, the buffer holds something else than an object, or anything is NULL or not UTF-8.
 *
 * ```c
 * char request[1024] = "";
 * if (otp_request_text(request, sizeof request, "phoneNumber", typed) != OTP_OK)
 *   return refuse();
 * ```
 */
OTP_NODISCARD otp_result otp_request_text(char *request, size_t request_size, const char *field, const char *text);

/**
 * Adds a text to the `params` of the request that is being built in `request`, as otp_request_text() adds a member:
 * `name` stands in braces in the message. `params` is added with the first one.
 *
 * Results: as of otp_request_text(); OTP_E_ARGUMENT too where `params` holds this name already, or is no object.
 *
 * ```c
 * if (otp_request_param(request, sizeof request, "shop", shop) != OTP_OK)
 *   return refuse();
 * ```
 */
OTP_NODISCARD otp_result otp_request_param(char *request, size_t request_size, const char *name, const char *text);

#ifdef __cplusplus
}  // extern "C"
#endif  /* __cplusplus */

#endif  /* OTP_H */
