'use strict';

// The lines of otp.h that this package calls, in the header's own words: a test compares the two.

/** The one version of the C interface that this package speaks. */
const ABI_VERSION = 0;

/** Bytes of a reply buffer. */
const REPLY_SIZE = 4096;

const PROTOTYPES = [
  'const char *otp_version(void)',
  'uint32_t otp_abi_version(void)',
  'otp_result otp_open(const char *config, otp_service **service, char *reply, size_t reply_size)',
  'void otp_close(otp_service *service)',
  'otp_result otp_create(otp_service *service, const char *token, const char *request, char *reply, size_t reply_size)',
  'otp_result otp_resend(otp_service *service, const char *token, char *reply, size_t reply_size)',
  'otp_result otp_resend_channel(otp_service *service, const char *token, const char *channel, char *reply, size_t reply_size)',
  'otp_result otp_not_sent(otp_service *service, const char *token, char *reply, size_t reply_size)',
  'otp_result otp_verify_context(otp_service *service, const char *token, const char *code, const char *context, char *reply, size_t reply_size)',
  'otp_result otp_cancel(otp_service *service, const char *token, char *reply, size_t reply_size)',
  'otp_result otp_status(otp_service *service, const char *token, char *reply, size_t reply_size)',
  'otp_result otp_webhook(otp_service *service, const char *authorization, const char *body, size_t body_size, char *reply, size_t reply_size)',
  'otp_result otp_report(otp_service *service, const char *report, char *reply, size_t reply_size)',
  'otp_result otp_run_due(otp_service *service, char *reply, size_t reply_size)',
  'otp_result otp_metrics(otp_service *service, char *reply, size_t reply_size)',
  'otp_result otp_copy(otp_service *service, const char *repository, const char *options, char *reply, size_t reply_size)',
  'otp_result otp_subject(otp_service *service, const char *subject, char *reply, size_t reply_size)',
  'otp_result otp_unlock(otp_service *service, const char *subject, char *reply, size_t reply_size)',
  'otp_result otp_erase(otp_service *service, const char *recipient, char *reply, size_t reply_size)',
  'otp_result otp_on_log(otp_service *service, int32_t max_level, otp_log_fn log, void *user_data, otp_drop_fn drop)',
  'otp_result otp_on_clock(otp_service *service, otp_clock_fn clock, void *user_data, otp_drop_fn drop)',
  'const char *otp_result_message(otp_result result)',
  'int32_t otp_result_http_status(otp_result result)',
];

/** Callbacks, as otp.h declares their types. */
const CALLBACKS = [
  'void (*otp_log_fn)(void *user_data, int32_t level, const char *event)',
  'int64_t (*otp_clock_fn)(void *user_data)',
];

/** What a C type is to a backend. `bytes` are memory of ours, `address` a number of the library's. */
const KINDS = new Map([
  ['void', 'void'],
  ['const char *', 'text'],
  ['char *', 'bytes'],
  ['otp_service **', 'bytes'],
  ['otp_service *', 'address'],
  ['void *', 'address'],
  ['size_t', 'size_t'],
  ['int32_t', 'int32'],
  ['otp_result', 'int32'],
  ['uint32_t', 'uint32'],
  ['int64_t', 'int64'],
  ['otp_log_fn', 'callback'],
  ['otp_clock_fn', 'callback'],
  ['otp_drop_fn', 'callback'],
]);

/** The kind of a parameter such as `const char *token`. */
function parameterKind(parameter) {
  const [, type, name] = /^(.*?)\s*(\w+)$/.exec(parameter);
  // A webhook's body goes with its size and may hold any byte.
  const kind = name === 'body' ? 'bytes' : KINDS.get(type);
  if (kind === undefined) throw new TypeError(`no kind for the C type ${type}`);
  return kind;
}

/**
 * Reads a prototype or the type of a callback.
 *
 * @returns {{ name: string, returns: string, parameters: string[] }} kinds, not C types
 */
function parse(prototype) {
  const [, type, name, list] = /^(.*?)\(?\*?(otp_\w+)\)?\((.*)\)$/.exec(prototype.replace('const char *otp', 'const char * otp'));
  const parameters = list === 'void' ? [] : list.split(', ').map(parameterKind);
  return { name, returns: KINDS.get(type.trim()), parameters };
}

module.exports = { ABI_VERSION, REPLY_SIZE, PROTOTYPES, CALLBACKS, parse };
