/* libotp: the declarations of otp.h, which tells what they mean, for what reads C without preprocessor. */
enum {
  OTP_LOG_ERROR = 1,
  OTP_LOG_WARNING = 2,
  OTP_LOG_INFO = 3,
  OTP_LOG_DEBUG = 4,
  OTP_REPLY_SIZE = 4096,
  OTP_ABI_VERSION = 0,
  OTP_OK = 0,
  OTP_NOT_VALID = 1,
  OTP_CHECKED = 2,
  OTP_EXPIRED = 3,
  OTP_LOCKED = 4,
  OTP_RATE_LIMITED = 5,
  OTP_CANCELLED = 6,
  OTP_REFUSED = 7,
  OTP_UNKNOWN = 8,
  OTP_E_ARGUMENT = -1,
  OTP_E_CONFIG = -2,
  OTP_E_STORE = -3,
  OTP_E_BUSY = -4,
  OTP_E_SEND = -5,
  OTP_E_IN_DOUBT = -6,
  OTP_E_SIGNATURE = -7,
  OTP_E_UNSIGNED = -8,
  OTP_E_RANDOM = -9,
  OTP_E_UNSUPPORTED = -10,
  OTP_E_INTERNAL = -11,
};
typedef struct otp_service otp_service;
typedef int32_t otp_result;
typedef int32_t (*otp_send_fn)(void *user_data, const char *message);
typedef void (*otp_drop_fn)(void *user_data);
typedef void (*otp_log_fn)(void *user_data, int32_t level, const char *event);
typedef int64_t (*otp_clock_fn)(void *user_data);
const char *otp_version(void);
uint32_t otp_abi_version(void);
otp_result otp_open(const char *config, otp_service **service, char *reply, size_t reply_size);
void otp_close(otp_service *service);
otp_result otp_create(otp_service *service,
                      const char *token,
                      const char *request,
                      char *reply,
                      size_t reply_size);
otp_result otp_resend(otp_service *service, const char *token, char *reply, size_t reply_size);
otp_result otp_resend_channel(otp_service *service,
                              const char *token,
                              const char *channel,
                              char *reply,
                              size_t reply_size);
otp_result otp_not_sent(otp_service *service, const char *token, char *reply, size_t reply_size);
otp_result otp_verify(otp_service *service,
                      const char *token,
                      const char *code,
                      char *reply,
                      size_t reply_size);
otp_result otp_verify_context(otp_service *service,
                              const char *token,
                              const char *code,
                              const char *context,
                              char *reply,
                              size_t reply_size);
otp_result otp_cancel(otp_service *service, const char *token, char *reply, size_t reply_size);
otp_result otp_status(otp_service *service, const char *token, char *reply, size_t reply_size);
otp_result otp_webhook(otp_service *service,
                       const char *authorization,
                       const char *body,
                       size_t body_size,
                       char *reply,
                       size_t reply_size);
otp_result otp_report(otp_service *service,
                      const char *report,
                      char *reply,
                      size_t reply_size);
otp_result otp_run_due(otp_service *service, char *reply, size_t reply_size);
otp_result otp_metrics(otp_service *service, char *reply, size_t reply_size);
otp_result otp_copy(otp_service *service,
                    const char *repository,
                    const char *options,
                    char *reply,
                    size_t reply_size);
otp_result otp_subject(otp_service *service, const char *subject, char *reply, size_t reply_size);
otp_result otp_unlock(otp_service *service, const char *subject, char *reply, size_t reply_size);
otp_result otp_erase(otp_service *service, const char *recipient, char *reply, size_t reply_size);
otp_result otp_on_send(otp_service *service, otp_send_fn send, void *user_data, otp_drop_fn drop);
otp_result otp_on_log(otp_service *service,
                      int32_t max_level,
                      otp_log_fn log,
                      void *user_data,
                      otp_drop_fn drop);
otp_result otp_on_clock(otp_service *service, otp_clock_fn clock, void *user_data, otp_drop_fn drop);
const char *otp_result_name(otp_result result);
const char *otp_result_message(otp_result result);
int32_t otp_result_http_status(otp_result result);
int64_t otp_reply_integer(const char *reply, const char *field, int64_t otherwise);
size_t otp_reply_text(const char *reply, const char *field, char *text, size_t text_size);
otp_result otp_request_text(char *request, size_t request_size, const char *field, const char *text);
otp_result otp_request_param(char *request, size_t request_size, const char *name, const char *text);
