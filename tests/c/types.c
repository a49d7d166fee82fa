/* The header alone, before any other: every function has the type that programs are written against. */
#include <otp.h>

typedef int32_t send_function(void *, const char *);
typedef void log_function(void *, int32_t, const char *);
typedef int64_t clock_function(void *);
typedef void drop_function(void *);
typedef otp_result on_token(otp_service *, const char *, char *, size_t);
typedef otp_result on_two(otp_service *, const char *, const char *, char *, size_t);

/* With external linkage, so that no compiler calls them unused. */
const char *(*const version_)(void) = otp_version;
uint32_t (*const abi_version_)(void) = otp_abi_version;
otp_result (*const open_)(const char *, otp_service **, char *, size_t) = otp_open;
void (*const close_)(otp_service *) = otp_close;
on_two *const create_ = otp_create;
on_two *const verify_ = otp_verify;
typedef otp_result on_three(otp_service *, const char *, const char *, const char *, char *, size_t);
on_three *const verify_context_ = otp_verify_context;
on_token *const resend_ = otp_resend;
on_two *const resend_channel_ = otp_resend_channel;
on_token *const not_sent_ = otp_not_sent;
on_token *const cancel_ = otp_cancel;
on_token *const status_ = otp_status;
on_token *const subject_ = otp_subject;
on_token *const unlock_ = otp_unlock;
on_token *const erase_ = otp_erase;
otp_result (*const webhook_)(otp_service *, const char *, const char *, size_t, char *, size_t) = otp_webhook;
on_token *const report_ = otp_report;
otp_result (*const run_due_)(otp_service *, char *, size_t) = otp_run_due;
otp_result (*const metrics_)(otp_service *, char *, size_t) = otp_metrics;
otp_result (*const on_send_)(otp_service *, send_function *, void *, drop_function *) = otp_on_send;
otp_result (*const on_log_)(otp_service *, int32_t, log_function *, void *, drop_function *) = otp_on_log;
otp_result (*const on_clock_)(otp_service *, clock_function *, void *, drop_function *) = otp_on_clock;
const char *(*const result_name_)(otp_result) = otp_result_name;
const char *(*const result_message_)(otp_result) = otp_result_message;
int32_t (*const result_http_status_)(otp_result) = otp_result_http_status;
int64_t (*const reply_integer_)(const char *, const char *, int64_t) = otp_reply_integer;
size_t (*const reply_text_)(const char *, const char *, char *, size_t) = otp_reply_text;
otp_result (*const request_text_)(char *, size_t, const char *, const char *) = otp_request_text;
otp_result (*const request_param_)(char *, size_t, const char *, const char *) = otp_request_param;

/* Numbers that are part of the interface, for the preprocessor too. */
#if OTP_REPLY_SIZE != 4096 || OTP_ABI_VERSION != 0 || OTP_OK != 0 || OTP_UNKNOWN != 8 || OTP_E_INTERNAL != -11
#error "the numbers are fixed"
#endif
