/**
 * @file otp.h
 * libotp: one-time passwords inside your own process. Create a short code, have it delivered, verify it exactly once.
 *
 * ```c
 * #include <otp.h>
 * #include <stdio.h>
 *
 * int main(void) {
 *   char reply[OTP_REPLY_SIZE], code[65];
 *   otp_service *service;
 *   int is_in = 0;
 *   if (otp_open(NULL, &service, reply, sizeof reply) != OTP_OK) {
 *     puts(reply);
 *     return 1;
 *   }
 *   if (otp_create(service, "login 1", "{\"phoneNumber\": \"+39 333 123 4567\"}", reply, sizeof reply) == OTP_OK)
 *     is_in = scanf("%64s", code) == 1 && otp_verify(service, "login 1", code, reply, sizeof reply) == OTP_OK;
 *   puts(is_in ? "Welcome" : reply);
 *   otp_close(service);
 *   return !is_in;
 * }
 * ```
 *
 * Results. A function that can fail returns an otp_result. OTP_OK, which is 0, is the only yes. A positive number is a
 * refusal, to show the user: a wrong code, for example. A negative number is a failure, to log: the library could not
 * answer. So let somebody in on `== OTP_OK` and on nothing else. Every function lists its results. Any function with a
 * service may also return OTP_E_ARGUMENT (the handle is not open), OTP_E_INTERNAL (a defect of the library) and, in
 * some child processes, OTP_E_STORE: see "Processes and fork()".
 *
 * Parameters. `service` is a handle from otp_open() that is not closed. Texts are UTF-8 ended by NUL; the library reads
 * them before the function returns. NULL or invalid UTF-8 where a text is needed is OTP_E_ARGUMENT, and `message` names
 * the parameter. NULL is allowed for `config`, `context`, `reply`, `authorization`, `user_data`, for functions, and for
 * `request` with sender "none". A pointer that is neither NULL nor valid is undefined behaviour. A handle is no
 * address: one that is closed or made up is OTP_E_ARGUMENT, and none is used twice in a process. Handles are odd and
 * 4097 or above.
 *
 * Replies. `reply` is a buffer of yours with `reply_size` bytes, at least OTP_REPLY_SIZE, or NULL. The library writes
 * one JSON object (RFC 8259) into it, in UTF-8, complete and ended by NUL, and at most OTP_REPLY_SIZE bytes. With a
 * smaller size the result is OTP_E_ARGUMENT, nothing is done, and the buffer stays as it is. Members of every reply:
 * `result`, the name of the result; `message`, unless the result is OTP_OK: for a refusal the sentence to show, for a
 * failure one line with the parameter, option or file and the cause. Members that do not apply are absent, never null.
 * A text from elsewhere that is too long is cut at a character, and `shortened` lists the members that were cut. No
 * reply holds a code, except those with sender "none" that hand a message over. A parameter may lie in `reply` itself.
 *
 * Memory. Free a service with otp_close(); there is nothing else to free. Texts that a function returns live as long as
 * the process. Texts that a callback gets live until it returns.
 *
 * Threads. Call any function from any thread at any time. Calls block: for the disk, up to 10 s while other processes
 * use the repository, and for the carrier. A thread needs 64 KiB of stack, and what your callbacks need. The library
 * installs no signal handler. It starts one thread only if `background` is set: "otp-driver", with 2 MiB of stack,
 * started by the first call that is no setter, ended by otp_close(). That thread blocks what the thread blocked that
 * started it, and HUP, INT, QUIT, TERM, ALRM, VTALRM, CHLD, PIPE, TSTP, TTIN, TTOU, WINCH, CONT and IO; other signals
 * reach it, so that a runtime can stop it. The carrier's name is looked up on a short-lived thread.
 *
 * Callbacks. They run on the thread that calls the library, or on that of `background`; on several threads at once if
 * several call. The library holds no lock meanwhile. A callback may call the library, fork, and close the service. It
 * must return: no exception, panic or longjmp() may leave it. With `background` callbacks come on a thread that your
 * runtime does not know. If it cannot take that (PHP, Perl, Guile, Lua), call otp_run_due() instead. A virtual thread
 * (Java's, or a goroutine) is pinned to its carrier thread during a call.
 *
 * Processes and fork(). Any number of processes may open one repository. A service that is open before fork() works in
 * the child and in the parent; each closes it for itself, and `drop` runs once in each, in the child only for callbacks
 * that no other thread was in. fork() waits for a commit, never for a callback or the carrier. In the child the thread
 * of `background` starts with the first call. A program that execs must open a service again. OTP_E_STORE is the result
 * of every call in a child that a raw clone() made, and of every call that needs the repository in a child with
 * "memory:".
 *
 * ```c
 * static int serve_in_child(otp_service *service, const char *token, const char *code) {
 *   char reply[OTP_REPLY_SIZE];
 *   pid_t child = fork();
 *   if (child == 0) {
 *     int is_right = otp_verify(service, token, code, reply, sizeof reply) == OTP_OK;
 *     otp_close(service);
 *     _exit(is_right ? 0 : 1);
 *   }
 *   return child > 0;
 * }
 * ```
 *
 * Shortage. When descriptors, disk, memory or the allowed size of files run out, the result is OTP_E_STORE, and the
 * next call works once there is enough again. SIGPIPE and SIGXFSZ that our writing raises do not reach you. Only where
 * the system refuses a few bytes of memory, the process is aborted.
 *
 * Platforms. Built and tested on Linux, x86-64, with glibc. At run time it needs the C library, and libgcc_s where it
 * was built from source. Other systems with POSIX file locks can build it from source: nobody has tested that. The
 * shared library stays loaded after dlclose().
 *
 * Versions. Within one OTP_ABI_VERSION, which is the number in the soname, functions, results and members of replies
 * are only added.
 *
 * Log events. An otp_log_fn gets one JSON object. `time`: RFC 3339, UTC, with milliseconds. `level`: 1 error, 2
 * warning, 3 info, 4 debug. `event`: what was done, such as "create" or "verify". `result`: a name. `record`: a
 * pseudonym of the token, from which nobody gets back to it. `client`: a pseudonym of a request's `client`. `channel`
 * and `state`: of a step; an event "send" says what came of sending its message, an event "report" what a webhook or
 * otp_report() said of it. An event "receipt" says what a call of otp_report() came to.
 * A "send" that failed has `cause` and what is known of `httpStatus` and `vendorCode`. `size`: of an event "store", the
 * bytes of the repository's `-wal`, which cannot be reused while another program reads the database without end; the
 * event comes at 64 MiB and at each doubling, and from 256 MiB on nothing more is written. What strangers can cause is
 * a warning: OTP_E_ARGUMENT, OTP_E_SIGNATURE, OTP_E_UNSIGNED. Parameters that cannot be read at all make no event. No
 * event holds a code, a token, a recipient or a key.
 * Members may be added.
 */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define OTP_NODISCARD [[nodiscard]]
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#define OTP_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define OTP_NODISCARD __attribute__((__warn_unused_result__))
#else
#define OTP_NODISCARD
#endif

#ifndef OTP_H
#define OTP_H

#include <stddef.h>
#include <stdint.h>

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
 * Delivers a message, for sender "host".
 *
 * Parameters:
 * - `user_data`: as given to otp_on_send().
 * - `message`: a JSON object that lives until the function returns: `token`, `channel` (such as "sms"), `to` (of a
 *   phone the digits with the calling code, without "+"), `from` ("" when the step names none), `subject` (of a mail;
 *   absent when the step has none), `text` (what to send), `code`, `expiresInSeconds`, `locale` (that of the text;
 *   absent where `message` is one text), `sender` (the name of the step's sender; absent where senders have none),
 *   `clientRef` (by which otp_report() names the message: 1 to 100 characters). It holds the code: keep it out of
 *   logs.
 *
 * The first step is sent by otp_create() or otp_resend(). A later one may be sent by whatever call goes on with the
 * workflow, in any process: otp_run_due(), otp_webhook(), otp_report(), or the thread of `background`. Its `token` is ""
 * only if the code was created under a workflow without a later step of sender "host": no other code keeps its token.
 *
 * Returns 1: sent. 2: certainly not sent; the next step of the workflow is tried. Any other number: perhaps sent; the
 * code stays good.
 */
typedef int32_t (*otp_send_fn)(void *user_data, const char *message);

/**
 * Frees what `user_data` points to: the library will not use it again.
 */
typedef void (*otp_drop_fn)(void *user_data);

/**
 * Takes a log event.
 *
 * Parameters:
 * - `user_data`: as given to otp_on_log().
 * - `level`: 1 to 4.
 * - `event`: a JSON object without a line feed, which lives until the function returns: see "Log events".
 *
 * The library sends no event while the function runs on this thread.
 */
typedef void (*otp_log_fn)(void *user_data, int32_t level, const char *event);

/**
 * Tells the time: milliseconds since 1970-01-01T00:00Z. Values outside the years 1970 to 9999 count as the nearest
 * one.
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
 * Gives the version of the library, such as "0.1.0" (semver.org).
 *
 * Results: a text that lives as long as the process.
 */
const char *otp_version(void);

/**
 * Gives the version of the interface that the library was built with.
 *
 * Results: a number. Where you load the library at run time, refuse one that is not OTP_ABI_VERSION.
 */
uint32_t otp_abi_version(void);

/**
 * Opens a service.
 *
 * Parameters:
 * - `config`: the configuration, one JSON object in UTF-8. NULL is "{}". Every option may be left out, except those
 *   that say "needed in". An option that is unknown, repeated or out of its range is OTP_E_CONFIG, and `message`
 *   names it.
 * - `service`: receives the service, which otp_close() frees; NULL after any failure. Not NULL.
 * - `reply`, `reply_size`: see "Replies".
 *
 * A name with a dot is a member of an object: `policy.cooldownSeconds` is {"policy": {"cooldownSeconds": 30}}.
 * `workflow[]` is a list of steps. Relative paths start at the working directory of this moment.
 *
 * Options, with ranges and defaults:
 *
 * - `repository` (default "sqlite:otp.db"): Where codes are kept: "sqlite:PATH", "json:FOLDER" (readable files,
 *   for small hosts), "memory:", or, in a build with the feature `redis` or `postgres`, a server that many hosts
 *   share: "redis://USER:PASSWORD@HOST:PORT", "rediss://" with TLS, "redis+sentinel://HOST,HOST/MASTER",
 *   "redis+cluster://HOST,HOST", "postgres://USER:PASSWORD@HOST/DATABASE". A file or folder is made when there is
 *   none, readable for its owner alone, and any number of processes may open it. "memory:" belongs to the process.
 * - `key` (32 bytes or more, in Base64; default none): The key from which all codes follow, in place of `keyFile`.
 * - `keyFile` (default the repository's path and ".key"; none for "memory:"): The file that holds the key. It is
 *   made, with mode 0600, only together with a new repository. A file that you name may be what an orchestrator
 *   mounts: a symbolic link, root's, readable by its group; by everybody only if it is root's on a read-only
 *   mount.
 * - `previousKeys` (up to 16; default none): Keys with which older codes still verify.
 * - `namespace` (1 to 64 bytes; default "default"): Tenants that share a repository never see each other's codes,
 *   locks or limits.
 * - `otpLength` (4 to 10; default 6): Digits of a code.
 * - `validityTime` (1/60 to 1440; default 5): How many minutes a code is good. Fractions are allowed.
 * - `maxAttempts` (1 to 10; default 5): How many wrong guesses a code allows.
 * - `policy.profile` (default "standard"): Tightens the defaults, and refuses options that are weaker: "nist"
 *   (NIST SP 800-63B-4) wants 6 digits or more and 10 minutes at most; "psd2" (Regulation (EU) 2018/389) 5
 *   failures at most, for `maxAttempts` and `lockAfter`, and a `context` with every code; "pci" (PCI DSS 4.0.1)
 *   `lockAfter` 10 at most and `lockMinutes` 30 or more.
 * - `policy.cooldownSeconds` (0 to 3600; default 30): The time between two messages to one recipient, also after
 *   one that failed.
 * - `policy.sendLimits` (up to 10 of 1 to 1000 in 1 to 1440 minutes; default 5 in 10, 15 in 60, 50 in 1440
 *   minutes): How many messages a recipient gets in how many minutes: [{"count": 5, "minutes": 10}]; with
 *   "channel": "sms" only those of that channel count.
 * - `policy.subjectFailures.lockAfter` (1 to 100; default 10): After every so many failures in a row a subject is
 *   locked for a while.
 * - `policy.subjectFailures.lockMinutes` (1 to 1440; default 30): How long that lock lasts.
 * - `policy.subjectFailures.disableAfter` (1 to 100; default 100): After so many failures in a row only
 *   otp_unlock() opens the subject again.
 * - `policy.countries` (1 to 1000 of 1 to 7 digits; default every country): Calling codes, or longer beginnings of
 *   numbers, that messages go to, such as ["39"]. Any other number is OTP_REFUSED.
 * - `policy.retentionMinutes` (0 to 43200; default 1440): How long a code is kept after its end, to answer "used"
 *   or "expired".
 * - `message` (default "Insert the following code: {code}"): The text to send, or texts by locale: {"en": "...",
 *   "it": "..."}, of which the request's, its language's, the English or the first one is taken. {code}, {minutes}
 *   (those left, rounded up), {brand} and the names in a request's `params` are filled in; a name without a value
 *   is OTP_E_ARGUMENT. {code} must be there.
 * - `brand` (1 to 64 bytes; default none): What {brand} stands for.
 * - `webOtpDomain` (default none): Adds a last line to an SMS by which browsers fill the code in on this site
 *   (WebOTP).
 * - `androidHash` (11 characters of Base64; default none): Adds a last line to an SMS by which this Android app
 *   finds the code (SMS Retriever). Not together with `webOtpDomain`.
 * - `ownCodes` (default false): Whether a request may bring its own `code`.
 * - `accept` (default all): The members that a request may have; any other is OTP_E_ARGUMENT. For hosts that pass
 *   on what comes from outside.
 * - `defaultCountry` (default none): The calling code, such as "39", with which a number without + or 00 is read.
 * - `sender.type` (default "console" without `sender`; needed in it): Who delivers. "console" prints to standard
 *   error, for development. "host" calls the function of otp_on_send(). "none" puts the message into the reply,
 *   for you to send. "messages" and "dispatch" are the carrier Vonage, "http" is any other, by a request that you
 *   describe. "smtp" is a server for mail, in a build with the feature `smtp`.
 * - `sender.applicationId` (1 to 256 visible ASCII characters; default none): The carrier's application, for
 *   requests with a signed token.
 * - `sender.privateKey` (default none): The application's RSA key: PEM text, also in Base64 as a whole, or the
 *   path of a file that holds it. Where a text may be both, write the path with /, ./ or ../ at its beginning.
 * - `sender.apiKey` (1 to 256 visible ASCII characters; default none): The carrier's account, for requests with a
 *   password.
 * - `sender.apiSecret` (1 to 256 visible ASCII characters; default none): The password of that account.
 * - `sender.auth` (default "jwt" with a `privateKey`, else "basic"): How requests are authorised.
 * - `sender.baseUrl` (default `https://api.nexmo.com`): Where requests go. http:// is for this machine alone.
 * - `sender.timeoutSeconds` (1 to 120; default 10): The time for all requests of one call; with `senders` for a
 *   message of this one, and a call that fails over may take the sum of all its steps'.
 * - `sender.url` (default none; needed with "http"): With "http": where requests go. Scheme, host and port are
 *   literal; path and query may have placeholders. http:// is for loopback alone, decided after the look-up. No
 *   redirect is followed, no proxy used.
 * - `sender.method` (default "POST"): With "http". "GET" has no body: it needs `query`.
 * - `sender.headers` (up to 16 of printable ASCII; default none): With "http": further headers. Their values are
 *   literal: {{ and }} are braces, and a placeholder is refused.
 * - `sender.basic` (default none): With "http": name and password of the account. Not together with `bearer`.
 * - `sender.bearer` (1 to 4096 visible ASCII characters; default none): With "http": the token of the account.
 * - `sender.json` (default none; one of `json`, `form` and `query` is needed with "http"): With "http": the body
 *   as a tree of JSON. Its texts may hold {to}, {from}, {text}, {code}, {subject} (of a mail), {digits} (the
 *   code's letters and digits one by one, for a voice: 1, 2, 3), {channel}, {locale} ("en" where none was asked
 *   for), {ref} (by which otp_report() finds the message), {minutes} and {params.NAME}, each encoded for its
 *   place; {{ and }} are braces. {"$json": tree} is a tree as JSON in a text; {"$locale": {"en": tree, "it":
 *   tree}} is the tree for the request's locale, chosen as `message` is. In a text that is markup, such as
 *   "<Say>{digits}</Say>", only {digits}, {ref} and {minutes} may stand. {text}, {code} or {digits} must be there.
 * - `sender.form` (default none): With "http": the body as a form: names with texts as in `json`, numbers, true,
 *   false, {"$json": tree}, {"$locale": ...} of these, or lists of these.
 * - `sender.query` (default none): With "http": the same in the URL, without a body. A code in it is a warning:
 *   servers and proxies write URLs into logs.
 * - `sender.accepted` (default 200 to 299): With "http": answers that say that the message was taken: statuses, of
 *   200 to 299, and `{"path": [values]}`, such as `{"messages.0.status": ["0"]}`. Paths decide before statuses; an
 *   answer that says two things, or none, leaves the message in doubt.
 * - `sender.notTaken` (default none): With "http": the same for a message that was certainly not taken, and that
 *   another try may bring: up to 3 tries within the time.
 * - `sender.refused` (default none): With "http": the same for one that is certainly not going to be taken: the
 *   next step begins. If none is left, 401 and 402 are OTP_E_SEND, since they are about the account, and all
 *   others OTP_REFUSED.
 * - `sender.messageId` (default none): With "http": the path in a good answer to the message's identifier, by
 *   which otp_report() finds it too.
 * - `sender.host` (default none; needed with "smtp"): With "smtp": the server's name or address.
 * - `sender.port` (1 to 65535; default 587, with "implicit" 465; needed with `tls` "none"): With "smtp": its port.
 * - `sender.tls` (default "starttls"): With "smtp": "implicit" is TLS from the first byte. "none" is for loopback
 *   alone, decided after the look-up.
 * - `sender.user` (1 to 256 bytes; default none): With "smtp": the account, told under TLS alone.
 * - `sender.password` (1 to 256 bytes; default none; needed with `user`): With "smtp": its password.
 * - `senders` (1 to 8; default none): Several senders by name, instead of `sender`: {"NAME": {"type": ...}}. A
 *   name is a lower-case letter, then letters, digits or _, 16 in all. "dispatch" and "none" stand alone.
 * - `workflow[].channel` (1 to 5 steps; 1 to 32 lower-case letters, digits or _; default "messenger", then "sms";
 *   needed in a step): The channel of a step. With Vonage "messenger", "sms", "whatsapp", "viber_service" or, with
 *   "messages", "rcs". "voice" is a call, and "email" a mail, with any sender but Vonage; "smtp" has "email"
 *   alone. Profile "nist" has no "email" (SP 800-63B-4, 3.1.3.1).
 * - `workflow[].sender` (default the only one): The name of the step's sender, where there are several.
 * - `workflow[].from` (1 to 64 bytes, with "smtp" 320; default "NEXMO" for SMS with Vonage, else none; needed with
 *   "smtp"): The sender's address. With Vonage a step without one is left out, with a warning. With "smtp" it is
 *   name@example.com or Name <name@example.com>.
 * - `workflow[].subject` (up to 256 bytes; default "Your code", with a `brand` "{brand}: your code"): The subject
 *   of a mail, filled in as `message` is. {code} may stand in it. Messages that you deliver yourself have one only
 *   where it is given here.
 * - `workflow[].expiryTime` (15 to 86400; default 120): How many seconds a step waits for `conditionStatus` before
 *   the next one begins.
 * - `workflow[].conditionStatus` (default with Vonage "read", "delivered" for SMS; else none): What makes the next
 *   step needless. "verified" needs no report, and works with every sender but "dispatch".
 * - `workflow[].template` (default `message`): A text of the step's own; for WhatsApp through a carrier also the
 *   name of an approved template.
 * - `background` (default false): Whether a thread of the service does what otp_run_due() does: see "Threads".
 * - `webhook.signatureSecret` (4 to 256 bytes; default none; needed in `webhook`): The account's secret, by which
 *   otp_webhook() checks signatures.
 * - `webhook.apiKey` (default any): The only account whose webhooks are taken.
 * - `webhook.applicationId` (default any): A webhook that names another application is refused; one that names
 *   none is taken.
 * - `webhook.maxAgeSeconds` (1 to 86400; default 300): How far from now, either way, a webhook may have been
 *   signed.
 * - `durability` (default "full"; "engine" with Redis): What a change survives: "full" a loss of power, "process"
 *   the end of the process. Redis has "engine" alone: a failover may forget the last ones.
 * - `caFile` (default the platform's authorities): The only authorities that are trusted, in PEM, for "rediss://"
 *   and "postgres://".
 * - `poolSize` (1 to 64; default 8): How many connections to the server a service keeps.
 * - `waitReplicas` (0 to 16; default 0): How many of the replicas must have a change before it is answered.
 *
 * Some options may be "file:PATH" or "env:NAME" as a whole: `repository`, `key`, the items of `previousKeys`,
 * `webhook.signatureSecret`, `webhook.apiKey`, `webhook.applicationId`, and of a sender `applicationId`, `privateKey`,
 * `apiKey`, `apiSecret`, `url`, `basic`, `bearer`, `headers`, `user`, `password` and texts of its tree. The first
 * stands for what a regular file of at most 64 KiB holds, less one line feed at its end, the second for a variable of
 * the environment. Both are read once, by this call. No error or warning shows any part of a secret.
 *
 * A repository whose key is lost, or is another one, is OTP_E_CONFIG. Its files must belong to the user of the
 * process; the folder around them may be root's. A file with a second name (hard link) is OTP_E_STORE.
 *
 * With "messages" the library runs the workflow: the next step begins at once when a message is rejected, and when
 * `conditionStatus` has not come in time. Let otp_run_due(), otp_webhook() or `background` do that. With "dispatch"
 * the carrier does it by itself. Messenger takes 640 characters, SMS and Viber 1000: a text that is too long by itself
 * is OTP_E_CONFIG, and one that the `params` of a request make too long is OTP_E_ARGUMENT.
 *
 * Reply: `warnings`, an array of texts. They name what is allowed and not advisable, such as a key that lies beside
 * its database, and what cannot work as it is written, such as timed steps that nothing drives.
 * A repository that is begun with a key file which was there before is named too: one that was there is gone.
 *
 * Results:
 * - OTP_OK: `*service` is open.
 * - OTP_E_CONFIG: the configuration or the key is wrong.
 * - OTP_E_UNSUPPORTED: this build does not have what `message` names.
 * - OTP_E_ARGUMENT, OTP_E_STORE, OTP_E_BUSY, OTP_E_RANDOM.
 *
 * Example:
 * ```c
 * char reply[OTP_REPLY_SIZE];
 * otp_service *service;
 * if (otp_open("{\"repository\": \"sqlite:/var/lib/app/otp.db\"}", &service, reply, sizeof reply) != OTP_OK)
 *   return fail(reply);
 * ```
 */
OTP_NODISCARD otp_result otp_open(const char *config, otp_service **service, char *reply, size_t reply_size);

/**
 * Closes a service: waits for the calls that other threads have in it, frees it, and drops its callbacks.
 *
 * Parameters:
 * - `service`: a service. NULL, or one that is closed already, does nothing.
 *
 * From now on every call with this handle is OTP_E_ARGUMENT. A callback of the service may close it: then this returns
 * at once, and the service is freed when the outermost call that runs on it returns. A callback must not wait for a
 * thread that is in this function.
 *
 * After fork() each process closes the service for itself. In the child only the calls of the thread that forked
 * count.
 */
void otp_close(otp_service *service);

/**
 * Draws a code for a token and has it delivered.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `token`: your name for what the code is good for, such as a login under way: 1 to 256 bytes of UTF-8 without
 *   control characters. A new code replaces the token's live one. Let nobody outside choose both a token and an
 *   address: whoever does receives its code.
 * - `request`: one JSON object of at most 16 KiB; otp_request_text() helps to write it. NULL only with sender "none".
 *   A member that is unknown or repeated is OTP_E_ARGUMENT.
 * - `reply`, `reply_size`: see "Replies". With sender "none" the code comes in the reply: then `reply` must not be
 *   NULL.
 *
 * Members of the request. It needs an address for at least one step of the workflow, except with sender "none":
 * - `phoneNumber`: as people write it: `+` or `00`, the calling code and the number (ITU-T E.164); blanks, dashes,
 *   `./()`, digits of any script and `tel:` do no harm. Without `+` or `00` it may be a national number of
 *   `defaultCountry`. At most 64 bytes.
 * - `email`: one bare address of mail, such as name@example.com: at most 254 bytes. It is sent to as given; limits count
 *   on its lower-case form. Letters outside ASCII need a build with the feature `smtp`.
 * - `messengerId`, and other addresses by the name of their channel, for steps of the workflow: 1 to 64 bytes.
 * - `channels`: an array of channels; only their steps are used, also by otp_resend().
 * - `subject`: the account whose wrong codes count together, over all its tokens: 1 to 256 bytes. By default the phone
 *   number, else the Messenger id, else the address of mail, else the token.
 * - `context`: what the user approves, such as amount and payee: at most 4 KiB. See otp_verify_context().
 * - `locale`: the language of the text, such as "it" or "pt-BR" (RFC 5646): 1 to 35 bytes.
 * - `params`: an object of at most 16 texts of at most 256 bytes each, for the names in braces in `message`: 1 to 32
 *   letters, digits or _, but not code, minutes or brand. Braces in a value are not filled in again.
 * - `idempotencyKey`: 1 to 256 bytes. The same key with the same request for the same token gets the first answer
 *   again and sends nothing; until there is one, OTP_E_IN_DOUBT. With another request it is OTP_E_ARGUMENT.
 * - `client`: who asks, such as an IP address, for your log: 1 to 256 bytes.
 * - `code`: a code of your own, only with `ownCodes`: 4 to 16 printable ASCII characters, not blanks and `-` alone.
 *
 * Reply: `expiresInSeconds` (rounded down), `attemptsLeft`, `delivery` {`via` (what the newest step's sender is:
 * its `type`), `sender` (its name in `senders`), `dispatchUuid` or `messageUuid`, `channel`, `state`}. A state is
 * "sending", "accepted", "submitted", "delivered", "read", "rejected", "undeliverable", "failed", "in_doubt",
 * "skipped" or "stopped". A refusal has `retryAfterSeconds` (rounded up, at least 1; absent where waiting does not
 * help) and `locked` ("code", "subject" or "disabled"). A message that failed has what is known of `httpStatus`,
 * `vendorCode`, `vendorTitle` and `retryAfterSeconds`. With sender "none" the reply has the members of the message
 * as well, but neither `sender` nor `clientRef`: see otp_send_fn.
 *
 * Results:
 * - OTP_OK: the code is stored, and its message is on its way.
 * - OTP_RATE_LIMITED, OTP_LOCKED, OTP_REFUSED: nothing was drawn or sent. A live code stays as it was.
 * - OTP_REFUSED with `delivery` in the reply: the carrier does not send to this recipient. The code is cancelled.
 * - OTP_E_SEND: the message was certainly not sent. The code is cancelled.
 * - OTP_E_IN_DOUBT: a message with this code may have been sent. The code is good.
 * - OTP_CANCELLED: the code was cancelled, erased or replaced while it was being sent.
 * - OTP_E_STORE: the code may be stored. No message was sent.
 * - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_BUSY, OTP_E_RANDOM, OTP_E_UNSUPPORTED (sender "host" without a function):
 *   nothing was done.
 *
 * Example:
 * ```c
 * char request[256] = "", reply[OTP_REPLY_SIZE];
 * if (otp_request_text(request, sizeof request, "phoneNumber", typed) != OTP_OK ||
 *     otp_create(service, session, request, reply, sizeof reply) != OTP_OK)
 *   return fail(reply);
 * ```
 */
OTP_NODISCARD
otp_result otp_create(otp_service *service,
                      const char *token,
                      const char *request,
                      char *reply,
                      size_t reply_size);

/**
 * Sends the token's code again: the same code, from the first step of the workflow, for the time it has left.
 *
 * Parameters:
 * - `service`, `token`, `reply`, `reply_size`: as for otp_create().
 *
 * It counts against the send limits.
 *
 * Reply: as for otp_create().
 *
 * Results: as for otp_create(), except that a code whose message fails stays good. And:
 * - OTP_UNKNOWN, OTP_CHECKED, OTP_CANCELLED, OTP_LOCKED, OTP_EXPIRED: the code cannot be sent. Nothing was counted.
 * - OTP_E_ARGUMENT, uncounted: the text of a newer configuration wants `params` that the request did not have.
 */
OTP_NODISCARD otp_result otp_resend(otp_service *service, const char *token, char *reply, size_t reply_size);

/**
 * Sends the token's code again from the first step with this channel on: "send it by SMS instead".
 *
 * Parameters:
 * - `channel`: a channel of the workflow, such as "sms".
 * - `service`, `token`, `reply`, `reply_size`: as for otp_create().
 *
 * Reply: as for otp_create().
 *
 * Results: as for otp_resend(). OTP_E_ARGUMENT, uncounted, also where no step has the channel, the request brought no
 * address for it, or its `channels` leave it out.
 *
 * Example:
 * ```c
 * if (otp_resend_channel(service, session, "sms", reply, sizeof reply) != OTP_OK)
 *   return fail(reply);
 * ```
 */
OTP_NODISCARD
otp_result otp_resend_channel(otp_service *service,
                              const char *token,
                              const char *channel,
                              char *reply,
                              size_t reply_size);

/**
 * With sender "none": says that the message of the last reply certainly did not leave, and hands over the next one.
 *
 * Parameters:
 * - `service`, `token`: as for otp_create().
 * - `reply`, `reply_size`: as for otp_create(); `reply` must not be NULL.
 *
 * The next message is that of the next step of the workflow for which there is an address. It counts against no limit.
 * A message that may have left must not be given up so: keep its code.
 *
 * Reply: as for otp_create().
 *
 * Results:
 * - OTP_OK: the reply holds the next message.
 * - OTP_E_SEND: no step is left. The code stays good until otp_cancel().
 * - OTP_UNKNOWN, OTP_CHECKED, OTP_CANCELLED, OTP_LOCKED, OTP_EXPIRED: how the code stands.
 * - OTP_E_ARGUMENT: no message was handed over that could have failed, or `reply` is NULL.
 * - OTP_E_UNSUPPORTED: the sender is another one.
 * - OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_not_sent(otp_service *service, const char *token, char *reply, size_t reply_size);

/**
 * Checks a code and uses it up. Of all calls in all processes exactly one gets OTP_OK, after that is stored.
 *
 * Parameters:
 * - `service`, `token`: as for otp_create().
 * - `code`: what the user typed: 1 to 64 bytes. Nothing but blanks and dashes is OTP_E_ARGUMENT and does not count.
 *   Anything else is a guess. One that is not right counts, for the code and for its subject, also when the code is
 *   used or expired; a right one never counts.
 * - `reply`, `reply_size`: see "Replies".
 *
 * Codes of digits are compared without white space, dashes (Unicode Pd) and invisible characters (Cf), and with digits
 * of any script; codes of your own that are not digits alone, byte for byte. The time that takes says nothing about
 * the code. Limits: NIST SP 800-63B-4, 3.2.2, or stricter ones of the configuration.
 *
 * Compare the result with OTP_OK and with nothing else: `if (otp_verify(...))` is the wrong way round.
 *
 * Reply: `attemptsLeft` (absent for an unknown token). When locked `retryAfterSeconds` (absent where waiting does not
 * help) and `locked`: "code" (ask for a new one), "subject" (wait) or "disabled" (see otp_unlock()).
 *
 * Results:
 * - OTP_OK: right, and used now.
 * - OTP_NOT_VALID: wrong, or there is no such token.
 * - OTP_LOCKED: the code was not looked at.
 * - OTP_CHECKED, OTP_EXPIRED, OTP_CANCELLED: right, but used, too old or replaced, cancelled. Only who knows the code
 *   learns this.
 * - OTP_E_CONFIG: the key of the code is not at hand.
 * - OTP_E_ARGUMENT, OTP_E_STORE, OTP_E_BUSY.
 *
 * Example:
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
 * Checks a code as otp_verify() does, together with what it approves (Regulation (EU) 2018/389, article 5).
 *
 * Parameters:
 * - `context`: the same bytes that the request of otp_create() had as `context`: at most 4 KiB. NULL is none, "" is a
 *   context.
 * - `service`, `token`, `code`, `reply`, `reply_size`: as for otp_verify().
 *
 * Reply: as for otp_verify().
 *
 * Results: as for otp_verify(). Another context, one where none was given, and none where one was given are
 * OTP_NOT_VALID, and count.
 *
 * Example:
 * ```c
 * if (otp_verify_context(service, payment, typed, "12.50 EUR to Ann", reply, sizeof reply) == OTP_OK)
 *   let_in();
 * ```
 */
OTP_NODISCARD
otp_result otp_verify_context(otp_service *service,
                              const char *token,
                              const char *code,
                              const char *context,
                              char *reply,
                              size_t reply_size);

/**
 * Cancels the token's code, for good.
 *
 * Parameters:
 * - `service`, `token`: as for otp_create().
 * - `reply`, `reply_size`: see "Replies".
 *
 * Reply: no members of its own.
 *
 * Results:
 * - OTP_OK: cancelled, now or before.
 * - OTP_UNKNOWN, OTP_CHECKED, OTP_EXPIRED: there was nothing to cancel.
 * - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_cancel(otp_service *service, const char *token, char *reply, size_t reply_size);

/**
 * Says how the token's code stands. It sends nothing and counts nothing.
 *
 * Parameters:
 * - `service`, `token`: as for otp_create().
 * - `reply`, `reply_size`: see "Replies".
 *
 * Reply: `token`; `state`, the first that holds of "checked", "cancelled", "locked", "expired", "pending";
 * `creationDate`, `expiryDate`, `isChecked`, `checkDate` (RFC 3339, UTC, with milliseconds); `attemptsLeft`;
 * `delivery` as for otp_create(), and in it `steps`: an array of {`channel`, `sender`, `messageUuid`, `status`, `at`,
 * `error`}. It lists the steps that began, those "skipped" because there was no address or a send limit was reached,
 * and those "stopped", once no further step begins: not with "dispatch" and "none".
 *
 * Results:
 * - OTP_OK: whatever the state.
 * - OTP_UNKNOWN: there is no such token.
 * - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 *
 * Example:
 * ```c
 * char state[16];
 * if (otp_status(service, session, reply, sizeof reply) == OTP_OK)
 *   otp_reply_text(reply, "delivery.state", state, sizeof state);
 * ```
 */
OTP_NODISCARD otp_result otp_status(otp_service *service, const char *token, char *reply, size_t reply_size);

/**
 * Takes a webhook of the carrier: a report on a message, or a message from a user.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `authorization`: the value of the request's Authorization header. NULL: it has none.
 * - `body`: the body of the request as it came. NUL need not end it. NULL only with size 0.
 * - `body_size`: its bytes, at most 64 KiB.
 * - `reply`, `reply_size`: see "Replies".
 *
 * It checks the signature: the header must be "Bearer" and a JWT (RFC 7519), signed by HS256 with the bytes of
 * `webhook.signatureSecret`, with the claims `iss` "Vonage", `iat`, `jti` (1 to 256 bytes) and `payload_hash`, the
 * SHA-256 of the body in hexadecimal. It stores the report, and then sends the next step if the message failed, or
 * else one step that is due, if there is one. So the call may take as long as requests to the carrier
 * (`sender.timeoutSeconds`). What becomes of that step does not change the result.
 *
 * Reply: `kind` ("status", "final", "inbound" or "other"); of a report `known` (whether it is about a delivery of this
 * repository), and if it is, `duplicate` (whether it says nothing new) and `state`; of an "inbound" message
 * `duplicate`, `from`, `channel` and `text`. A report counts only for the step whose message it is about. "other" is
 * correctly signed and nothing known: `known` is false. An "inbound" message that comes again within twice
 * `maxAgeSeconds` is `duplicate`: do not act on it again.
 *
 * Results: answer the request with otp_result_http_status().
 * - OTP_OK: taken.
 * - OTP_E_SIGNATURE: the signature is wrong.
 * - OTP_E_UNSIGNED: there is none. The carrier tries again.
 * - OTP_E_UNSUPPORTED: the configuration has no `webhook`.
 * - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 *
 * Example:
 * ```c
 * static int32_t on_status_webhook(otp_service *service, const char *authorization, const char *body, size_t size) {
 *   char reply[OTP_REPLY_SIZE];
 *   return otp_result_http_status(otp_webhook(service, authorization, body, size, reply, sizeof reply));
 * }
 * ```
 */
OTP_NODISCARD
otp_result otp_webhook(otp_service *service,
                       const char *authorization,
                       const char *body,
                       size_t body_size,
                       char *reply,
                       size_t reply_size);

/**
 * Takes what you know about a message, whoever sent it: a receipt that you have authenticated yourself.
 *
 * Parameters:
 * - `service`, `reply`, `reply_size`: as for otp_webhook().
 * - `report`: one JSON object. The message: `clientRef`, as its otp_send_fn or the carrier's request had it; or `sender`
 *   (its name in `senders`, or else `sender.type`) and `messageId`, the carrier's identifier. `status`: "submitted",
 *   "delivered", "read", "rejected", "undeliverable" or "failed". `error`: why, for otp_status(); at most 2,000 bytes,
 *   of which 200 are kept, with numbers of more than four digits masked.
 *
 * It stores the report, and then goes on as otp_webhook() does. A state only advances, and one report begins one step
 * at most. An identifier that two messages have is that of neither. A report moves a delivery and never decides about a
 * code. But whoever can call it can have the next step sent: never let an open URL do so.
 *
 * Reply: `known` (whether it is about a delivery of this repository), and if it is, `state`: how far the message has
 * come.
 *
 * Results:
 * - OTP_OK: taken.
 * - OTP_E_ARGUMENT: `report` makes no sense, or names a sender that there is not.
 * - OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD
otp_result otp_report(otp_service *service,
                      const char *report,
                      char *reply,
                      size_t reply_size);

/**
 * Does what is due: sends steps whose time has come, and removes codes past their retention.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `reply`, `reply_size`: see "Replies".
 *
 * It works for one full round or 100 ms, whichever ends first. Call it about once a second with timed steps, once a
 * minute without, or let `background` do it. A host that never does keeps all its promises except the timed steps, and
 * its repository does not grow for ever.
 *
 * Of many processes one sends a step. A step whose process died is sent by another one, unless its message may have
 * left. A code that cannot be read, whose key is not at hand, or whose text lacks one of its `params` is left to
 * others: the log gets one event "run_due" of level 1 for each, in every process.
 *
 * Reply: `ran` (steps), `purged` (codes), `nextDueInMilliseconds` (absent when nothing is due; 0 when there was no
 * time to look at everything). Once something was done, a failure does not change the result: it is a log event.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 *
 * Example:
 * ```c
 * static int64_t milliseconds_to_sleep(otp_service *service) {
 *   char reply[OTP_REPLY_SIZE];
 *   if (otp_run_due(service, reply, sizeof reply) != OTP_OK)
 *     return 5000;
 *   return otp_reply_integer(reply, "nextDueInMilliseconds", 60000);
 * }
 * ```
 */
otp_result otp_run_due(otp_service *service, char *reply, size_t reply_size);

/**
 * Says what the service has counted since it was opened.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `reply`, `reply_size`: see "Replies".
 *
 * It sends nothing, waits for nobody and leaves the repository alone: call it as often as you like, also where the
 * repository was moved. Each service counts for itself, in each process. A child of fork() goes on from what its
 * parent had counted. No counter ever goes back. Two that were read together need not be of the same moment.
 *
 * Reply: whole numbers below 2^53; of errors, messages and reports they end at 9,999,999,999. A counter that is 0 is
 * absent: read it with 0 for `absent`.
 * - `calls.CALL.RESULT`: the calls that came to a result, such as `calls.create.OTP_OK`. CALL is "create", "resend"
 *   (with otp_resend_channel()), "not_sent", "verify" (with otp_verify_context()), "cancel", "status", "webhook",
 *   "report" or "run_due" (with the rounds of `background`). A call without a service or with too small a reply is not
 *   counted. Nor are the calls for operators: otp_copy(), otp_subject(), otp_unlock(), otp_erase(), and this one.
 * - `send.SENDER.accepted`, `refused`, `failed`, `in_doubt`: what came of each message, such as
 *   `send.messages.accepted`: taken; refused by the carrier (OTP_REFUSED); certainly not sent (OTP_E_SEND); perhaps
 *   sent (OTP_E_IN_DOUBT). SENDER is a name in `senders`, or else `sender.type`. With "none" there is nothing to count.
 * - `reports.submitted`, `reports.delivered`, `reports.read`, `reports.rejected`, `reports.undeliverable`,
 *   `reports.failed`: the steps that reports moved so far, by otp_webhook() and otp_report(). `reports.duplicate`:
 *   reports that said nothing new. `reports.unknown`: those about no delivery of this repository.
 * - `store.operations`: transactions and reads of the repository. `store.microseconds`: how long they took, waiting
 *   for others included. `store.busy`: those that came to OTP_E_BUSY. `store.failed`: those that the repository
 *   failed, or a row that is damaged.
 * - `live`: the codes of the namespace that were good, as this service last went over all rows: otp_run_due() and
 *   `background` do, and otp_create() goes on by a few rows each time. `due`: the timed steps that its last full round
 *   found due, where steps have a `conditionStatus`. Both are absent before the first round, and 0 where there is none.
 *
 * OpenMetrics names follow from these: `calls.create.OTP_OK` is `otp_calls_total{call="create",result="OTP_OK"}`,
 * `send.messages.accepted` is `otp_send_total{sender="messages",outcome="accepted"}`, `reports.read` is
 * `otp_reports_total{status="read"}`, `store.busy` is `otp_store_busy_total`, `live` is `otp_live`.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT.
 *
 * Example:
 * ```c
 * if (otp_metrics(service, reply, sizeof reply) != OTP_OK)
 *   return fail(reply);
 * printf("%ld codes sent\n", (long)otp_reply_integer(reply, "calls.create.OTP_OK", 0));
 * ```
 */
OTP_NODISCARD otp_result otp_metrics(otp_service *service, char *reply, size_t reply_size);

/**
 * Copies the whole repository, all namespaces, into another one: a backup, or a move. For operators.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `repository`: where to, written as the option `repository`: empty, or holding an unfinished copy of this one.
 * - `options`: JSON. NULL: {}, a backup. `move`: true moves. `durability`, `caFile`, `poolSize` and `waitReplicas` are
 *   as in the configuration, for the other repository.
 * - `reply`, `reply_size`: see "Replies".
 *
 * A backup can be taken at any time: others go on meanwhile, and each code is copied as it is when its turn comes.
 * Used codes, failures, locks and counters arrive as they are; a code that is still good arrives expired, since it
 * could be used in both otherwise.
 *
 * A move first freezes this repository for good: from then on every call on it but a move once more and otp_metrics(),
 * by whatever process, is OTP_E_STORE and says so. Then everything is copied, codes that are still good as well. Close
 * the service, and open what it was moved to. Whoever moves it once more to another repository makes a backup there: codes
 * are good in the first one alone.
 *
 * The copy is opened with the same key; no key file is made, so copy that as well, or name it. What was interrupted is
 * no repository to open yet: call this again with the same parameters, and it begins anew. To do so, a repository that
 * was moved can still be opened.
 *
 * Reply: `rows` that were copied; `skipped`, those that are damaged.
 *
 * Results:
 * - OTP_OK: the copy is whole.
 * - OTP_E_ARGUMENT: `repository` is not empty, is this one, or makes no sense; or `options` does. Nothing was done.
 * - OTP_E_UNSUPPORTED: this build lacks that kind of repository.
 * - OTP_E_STORE, OTP_E_BUSY: call it again. A move may have begun.
 * - OTP_E_CONFIG, OTP_E_RANDOM.
 *
 * Example:
 * ```c
 * static int back_up(otp_service *service) {
 *   char reply[OTP_REPLY_SIZE];
 *   return otp_copy(service, "sqlite:/var/backups/otp.db", NULL, reply, sizeof reply) == OTP_OK;
 * }
 * ```
 */
OTP_NODISCARD
otp_result otp_copy(otp_service *service,
                    const char *repository,
                    const char *options,
                    char *reply,
                    size_t reply_size);

/**
 * Says how a subject stands. For operators: never show it to visitors.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `subject`: as for otp_unlock(). Of several that it may mean, the worst counts.
 * - `reply`, `reply_size`: see "Replies".
 *
 * Reply: `failures` in a row, 0 for a subject that is not known; `locked` ("subject" or "disabled");
 * `retryAfterSeconds` (rounded up, at least 1; absent where waiting does not help).
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_subject(otp_service *service, const char *subject, char *reply, size_t reply_size);

/**
 * Forgets the failures of a subject, lifts its lock, and enables it again. For operators.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `subject`: what failures were counted on: a request's `subject`, or where it had none its phone number, Messenger
 *   id or token. 1 to 256 bytes. Of several that it may mean, all are cleared. A number may be written as in a
 *   request. What can be none of these, such as "+39 12", is OTP_E_ARGUMENT.
 * - `reply`, `reply_size`: see "Replies".
 *
 * Reply: `found`, whether there was anything to forget. If it is false, look at the spelling.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_STORE, OTP_E_BUSY.
 */
OTP_NODISCARD otp_result otp_unlock(otp_service *service, const char *subject, char *reply, size_t reply_size);

/**
 * Erases every code that was sent to a recipient. For operators.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `recipient`: a phone number, written as in a request, or another address: 1 to 64 bytes, of mail 254. What can be
 *   no address, such as "+39 12", is OTP_E_ARGUMENT.
 * - `reply`, `reply_size`: see "Replies".
 *
 * It covers what was there when it was called. Other calls go on meanwhile. Counters and locks stay until they end:
 * they hold hashes alone, and erasing lifts no limit. A code that is damaged stays, since nobody can tell whose it is:
 * the log gets one event "erase" of level 1.
 *
 * Reply: `found`, whether anything was erased. If it is false, look at the spelling.
 *
 * Results:
 * - OTP_OK: done.
 * - OTP_E_STORE: some may be erased. Call it again.
 * - OTP_E_ARGUMENT, OTP_E_CONFIG, OTP_E_BUSY: nothing was erased.
 */
OTP_NODISCARD otp_result otp_erase(otp_service *service, const char *recipient, char *reply, size_t reply_size);

/**
 * Sets the function that delivers messages, for sender "host".
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `send`: the function. NULL removes the one that is set.
 * - `user_data`: goes to each call; may be NULL.
 * - `drop`: frees `user_data`; may be NULL. It is called exactly once: when the function is replaced or removed and no
 *   thread is in it any more, when the service is freed, or before this returns if it fails or `send` is NULL.
 *
 * Set callbacks before other threads use the service.
 *
 * Results:
 * - OTP_OK: set.
 * - OTP_E_UNSUPPORTED: no sender is "host".
 * - OTP_E_ARGUMENT, OTP_E_STORE.
 *
 * Example:
 * ```c
 * static int32_t send_message(void *user_data, const char *message) {
 *   char to[255], text[2001];
 *   if (otp_reply_text(message, "to", to, sizeof to) >= sizeof to ||
 *       otp_reply_text(message, "text", text, sizeof text) >= sizeof text)
 *     return 2;
 *   return gateway_send(user_data, to, text) == 0 ? 1 : 0;
 * }
 *
 * static otp_result use_gateway(otp_service *service, void *gateway) {
 *   return otp_on_send(service, send_message, gateway, gateway_free);
 * }
 * ```
 */
OTP_NODISCARD otp_result otp_on_send(otp_service *service, otp_send_fn send, void *user_data, otp_drop_fn drop);

/**
 * Sets the function that takes log events.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `max_level`: the highest level that is wanted, 1 (OTP_LOG_ERROR) to 4 (OTP_LOG_DEBUG); 0 is none.
 * - `log`: the function. NULL removes the one that is set.
 * - `user_data`, `drop`: as for otp_on_send().
 *
 * "Log events" lists their members.
 *
 * Results: OTP_OK; OTP_E_ARGUMENT for another `max_level`; OTP_E_STORE.
 *
 * Example:
 * ```c
 * static void write_event(void *user_data, int32_t level, const char *event) {
 *   fprintf((FILE *)user_data, "%d %s\n", (int)level, event);
 * }
 *
 * static otp_result log_to_stderr(otp_service *service) {
 *   return otp_on_log(service, OTP_LOG_INFO, write_event, stderr, NULL);
 * }
 * ```
 */
OTP_NODISCARD
otp_result otp_on_log(otp_service *service,
                      int32_t max_level,
                      otp_log_fn log,
                      void *user_data,
                      otp_drop_fn drop);

/**
 * Sets the clock of the service, in place of the system's: for tests, and for hosts that know the time better.
 *
 * Parameters:
 * - `service`: see "Parameters".
 * - `clock`: the function. NULL goes back to the system's clock.
 * - `user_data`, `drop`: as for otp_on_send().
 *
 * The clock is read before every change. Setting it back revives no code.
 *
 * Results: OTP_OK, OTP_E_ARGUMENT, OTP_E_STORE.
 *
 * Example:
 * ```c
 * static int64_t read_clock(void *user_data) { return *(const int64_t *)user_data; }
 *
 * static otp_result use_clock(otp_service *service, int64_t *milliseconds) {
 *   return otp_on_clock(service, read_clock, milliseconds, NULL);
 * }
 * ```
 */
OTP_NODISCARD otp_result otp_on_clock(otp_service *service, otp_clock_fn clock, void *user_data, otp_drop_fn drop);

/**
 * Gives the name of a result, such as "OTP_NOT_VALID", for logs.
 *
 * Parameters:
 * - `result`: any number.
 *
 * Results: a text that lives as long as the process; "OTP_UNKNOWN_RESULT" for a number that is none.
 */
const char *otp_result_name(otp_result result);

/**
 * Gives one sentence about a result: for a refusal the one to show the user.
 *
 * Parameters:
 * - `result`: any number.
 *
 * Results: a text that lives as long as the process; "The code is invalid for unknown reason" for a number that is
 * none. The reply's `message` says more about a failure.
 */
const char *otp_result_message(otp_result result);

/**
 * Gives the HTTP status with which a web service answers a result, such as 410 for OTP_EXPIRED.
 *
 * Parameters:
 * - `result`: any number.
 *
 * Results: the status; 200 for OTP_OK alone, 404 for a number that is none.
 */
int32_t otp_result_http_status(otp_result result);

/**
 * Reads a whole number from a reply, message or event. True is 1 and false is 0.
 *
 * Parameters:
 * - `reply`: a JSON text, nested 16 deep at most.
 * - `field`: the name of a member. Dots lead into objects and arrays, whose items count from 0: "delivery.steps.1.at".
 * - `otherwise`: what to return where there is no such number.
 *
 * Results: the number. `otherwise` where there is no such member, it is no whole number within 64 bits written without
 * "." or "e", or a text is NULL or no JSON.
 *
 * Example:
 * ```c
 * int64_t seconds = otp_reply_integer(reply, "retryAfterSeconds", 60);
 * ```
 */
int64_t otp_reply_integer(const char *reply, const char *field, int64_t otherwise);

/**
 * Reads a text from a reply, message or event, as snprintf() writes one.
 *
 * Booleans and whole numbers within 64 bits are given as they stand, other numbers as the nearest double. A text may
 * hold a NUL: then the length says more than strlen().
 *
 * Parameters:
 * - `reply`, `field`: as for otp_reply_integer().
 * - `text`: receives at most `text_size` bytes, the NUL at the end among them. A text that is too long is cut at a
 *   character. It may lie in `reply`. NULL only with size 0.
 * - `text_size`: bytes of `text`.
 *
 * Results: the length of the whole text in bytes, without the NUL. The text was cut if that is `text_size` or more.
 * Where there is no such member, it is an object or an array, or a text is NULL or no JSON: 0, and "" in `text`.
 *
 * Example:
 * ```c
 * char code[32];
 * if (otp_reply_text(reply, "code", code, sizeof code) < sizeof code)
 *   show(code);
 * ```
 */
size_t otp_reply_text(const char *reply, const char *field, char *text, size_t text_size);

/**
 * Adds a member with a text to the JSON object that is being written in a buffer. It escapes what needs it.
 *
 * Parameters:
 * - `request`: the buffer. To begin, set `request[0]` to 0.
 * - `request_size`: its bytes.
 * - `field`: the name of the member. Dots have no meaning in it.
 * - `text`: the value.
 *
 * Results:
 * - OTP_OK: added.
 * - OTP_E_ARGUMENT, and the buffer is as it was: the member is there already, there is no room, the buffer holds
 *   something else than an object, or a text is NULL or not UTF-8.
 *
 * Example:
 * ```c
 * char request[1024] = "";
 * if (otp_request_text(request, sizeof request, "phoneNumber", typed) != OTP_OK)
 *   return refuse();
 * ```
 */
OTP_NODISCARD otp_result otp_request_text(char *request, size_t request_size, const char *field, const char *text);

/**
 * Adds a text to the `params` of the request that is being written in a buffer. The first one adds `params`, too.
 *
 * Parameters:
 * - `name`: what stands in braces in the message.
 * - `request`, `request_size`, `text`: as for otp_request_text().
 *
 * Results: as for otp_request_text(). OTP_E_ARGUMENT also where `params` has this name already, or is no object.
 *
 * Example:
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
