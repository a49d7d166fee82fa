/* Delivers codes by a function of the program, with data of its own that the library has freed, and shows the four
 * answers to a code: valid, wrong, used, expired. To build it after `cargo build --release`:
 *
 *   ln -sf libotp.so target/release/libotp.so.0
 *   cc examples/c/custom_sender.c -Iinclude -Ltarget/release -lotp -Wl,-rpath,target/release -o custom_sender
 */
#include <otp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char CONFIG[] = "{\"repository\": \"memory:\", \"sender\": {\"type\": \"host\"}, \"validityTime\": 5}";
static const char REQUEST[] = "{\"phoneNumber\": \"393331234567\"}";

static char sent_code[32];                     /* what the user would read on the phone */
static int64_t now = INT64_C(1700000000000);   /* a clock that can be moved on */

/* Runs on the thread that calls otp_create(). Returns 1: sent, 2: certainly not sent, another number: in doubt. */
static int32_t send_message(void *user_data, const char *message) {
  const char *gateway = user_data;
  char to[80];

  if (otp_reply_text(message, "to", to, sizeof to) >= sizeof to ||
      otp_reply_text(message, "code", sent_code, sizeof sent_code) >= sizeof sent_code)
    return 2;
  printf("%s: a message to %s\n", gateway, to);
  return 1;
}

static int64_t tell_time(void *user_data) { return *(const int64_t *)user_data; }

static void drop(void *user_data) {
  printf("%s: closed\n", (const char *)user_data);
  free(user_data);
}

static otp_result show(const char *what, otp_result result) {
  printf("%s: %s\n", what, otp_result_message(result));
  return result;
}

static int run(otp_service *service, char *gateway) {
  char reply[OTP_REPLY_SIZE], wrong[32];

  /* From here on the gateway is the library's, also when this fails. */
  if (otp_on_send(service, send_message, gateway, drop) != OTP_OK ||
      otp_on_clock(service, tell_time, &now, NULL) != OTP_OK)
    return 0;
  if (otp_create(service, "first", REQUEST, reply, sizeof reply) != OTP_OK)
    return 0;
  strcpy(wrong, sent_code);
  wrong[0] = wrong[0] == '9' ? '0' : (char)(wrong[0] + 1);
  if (show("wrong", otp_verify(service, "first", wrong, reply, sizeof reply)) != OTP_NOT_VALID ||
      show("valid", otp_verify(service, "first", sent_code, reply, sizeof reply)) != OTP_OK ||
      show("used", otp_verify(service, "first", sent_code, reply, sizeof reply)) != OTP_CHECKED)
    return 0;
  now += 60 * 1000; /* after the cool-down */
  if (otp_create(service, "second", REQUEST, reply, sizeof reply) != OTP_OK)
    return 0;
  now += 5 * 60 * 1000;
  return show("expired", otp_verify(service, "second", sent_code, reply, sizeof reply)) == OTP_EXPIRED;
}

int main(void) {
  otp_service *service;
  char *gateway = malloc(sizeof "gateway");
  int done;

  if (gateway == NULL || otp_open(CONFIG, &service, NULL, 0) != OTP_OK) {
    free(gateway);
    return 1;
  }
  done = run(service, strcpy(gateway, "gateway"));
  otp_close(service);
  return done ? 0 : 1;
}
