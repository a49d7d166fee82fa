/* Misuse: every function with NULL, with what is not UTF-8, with replies that are too small, and with handles that are
 * not open. Buffers are on the heap, and as long as they are said to be, so that a checker sees every byte beyond. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum function { CREATE, RESEND, VERIFY, VERIFY_CONTEXT, CANCEL, STATUS, WEBHOOK, REPORT, RUN_DUE, UNLOCK, ERASE, FUNCTIONS };

/* What is wrong with a call: nothing, or one parameter. */
struct call {
  otp_service *service;
  const char *text, *second, *third;
  char *reply;
  size_t reply_size;
};

static otp_result make(enum function function, const struct call *call) {
  otp_service *handle = call->service;
  char *to = call->reply;
  size_t size = call->reply_size;

  switch (function) {
  case CREATE: return otp_create(handle, call->text, call->second, to, size);
  case RESEND: return otp_resend(handle, call->text, to, size);
  case VERIFY: return otp_verify(handle, call->text, call->second, to, size);
  case VERIFY_CONTEXT: return otp_verify_context(handle, call->text, call->second, call->third, to, size);
  case CANCEL: return otp_cancel(handle, call->text, to, size);
  case STATUS: return otp_status(handle, call->text, to, size);
  case WEBHOOK: return otp_webhook(handle, call->third, call->text, call->text ? strlen(call->text) : 2, to, size);
  case REPORT: return otp_report(handle, call->text, to, size);
  case RUN_DUE: return otp_run_due(handle, to, size);
  case UNLOCK: return otp_unlock(handle, call->text, to, size);
  case ERASE: return otp_erase(handle, call->text, to, size);
  case FUNCTIONS: break;
  }
  return OTP_E_INTERNAL;
}

static struct call good_call(void) {
  struct call call = {service, "393331234567", "{}", NULL, reply, sizeof reply};
  return call;
}

static int has_second(enum function function) {
  return function == CREATE || function == VERIFY || function == VERIFY_CONTEXT;
}

static void texts(void) {
  static const char *const no_utf8[] = {"\xff", "a\x80", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf"};
  int function;
  size_t at;

  open_fresh(HOST);
  CHECK(otp_on_send(service, take_message, NULL, NULL) == OTP_OK);
  for (function = CREATE; function < FUNCTIONS; function++) {
    struct call call = good_call();
    if (function == RUN_DUE)
      continue;
    call.text = NULL;
    EXPECT(OTP_E_ARGUMENT, make(function, &call));
    NAMES("NULL");
    for (at = 0; at < sizeof no_utf8 / sizeof no_utf8[0]; at++) {
      call = good_call();
      call.text = no_utf8[at];
      /* A webhook's body is bytes. */
      EXPECT(function == WEBHOOK ? OTP_E_UNSUPPORTED : OTP_E_ARGUMENT, make(function, &call));
      call = good_call();
      call.second = no_utf8[at];
      if (has_second(function))
        EXPECT(OTP_E_ARGUMENT, make(function, &call));
      call = good_call();
      call.third = no_utf8[at];
      if (function == VERIFY_CONTEXT || function == WEBHOOK)
        EXPECT(OTP_E_ARGUMENT, make(function, &call));
    }
    call = good_call();
    call.second = NULL;
    if (has_second(function)) {
      EXPECT(OTP_E_ARGUMENT, make(function, &call));
      NAMES(function == CREATE ? "request" : "code");
    }
  }
  CHECK(messages == 0);
}

/* A reply that is too small is left as it is, and nothing is done; one that is large enough is written in its first
 * OTP_REPLY_SIZE bytes alone; without one the result is the same. */
static void replies(void) {
  static const size_t small[] = {0, 1, 2, 100, OTP_REPLY_SIZE - 1};
  int function;
  size_t at, byte;

  for (function = CREATE; function < FUNCTIONS; function++) {
    struct call call;
    otp_result expected, result;
    open_fresh(HAND_OVER);
    for (at = 0; at < sizeof small / sizeof small[0]; at++) {
      char *buffer = malloc(small[at] + 1);
      if (buffer == NULL)
        exit(1);
      memset(buffer, '#', small[at] + 1);
      call = good_call();
      call.reply = buffer;
      call.reply_size = small[at];
      CHECK(make(function, &call) == OTP_E_ARGUMENT);
      for (byte = 0; byte <= small[at]; byte++)
        if (buffer[byte] != '#')
          CHECK(!"a byte of a reply that is too small was written");
      free(buffer);
    }
    EXPECT(OTP_UNKNOWN, status("393331234567"));
    call = good_call();
    expected = make(function, &call);
    CHECK(is_reply_of(expected));
    open_fresh(HAND_OVER);
    call = good_call();
    call.reply = malloc(OTP_REPLY_SIZE + 100);
    call.reply_size = OTP_REPLY_SIZE + 100;
    if (call.reply == NULL)
      exit(1);
    memset(call.reply, '#', OTP_REPLY_SIZE + 100);
    result = make(function, &call);
    CHECK(result == expected && memchr(call.reply, 0, OTP_REPLY_SIZE) != NULL);
    for (byte = OTP_REPLY_SIZE; byte < OTP_REPLY_SIZE + 100; byte++)
      if (call.reply[byte] != '#')
        CHECK(!"a byte beyond OTP_REPLY_SIZE was written");
    free(call.reply);
    /* The one whose reply holds the code cannot do without. */
    open_fresh(HAND_OVER);
    call = good_call();
    call.reply = NULL;
    call.reply_size = 0;
    result = make(function, &call);
    CHECK(result == (function == CREATE || function == RESEND ? OTP_E_ARGUMENT : expected));
  }
}

static void handles(void) {
  otp_service *closed, *made_up[4];
  int function;
  size_t at;

  open_fresh(HAND_OVER);
  closed = service;
  shut();
  open_fresh(HAND_OVER);
  CHECK(service != closed);
  made_up[0] = NULL;
  made_up[1] = closed;
  made_up[2] = (otp_service *)(uintptr_t)&now;
  made_up[3] = (otp_service *)UINTPTR_MAX;
  for (at = 0; at < 4; at++) {
    for (function = CREATE; function < FUNCTIONS; function++) {
      struct call call = good_call();
      call.service = made_up[at];
      EXPECT(OTP_E_ARGUMENT, make(function, &call));
      NAMES("service");
    }
    CHECK(otp_on_send(made_up[at], NULL, NULL, NULL) == OTP_E_ARGUMENT);
    CHECK(otp_on_log(made_up[at], 1, NULL, NULL, NULL) == OTP_E_ARGUMENT);
    CHECK(otp_on_clock(made_up[at], NULL, NULL, NULL) == OTP_E_ARGUMENT);
    otp_close(made_up[at]);
  }
  EXPECT(OTP_OK, create("token", NULL));
}

static void opening(void) {
  char *small = malloc(16);
  otp_service *handle = (otp_service *)(uintptr_t)&now;

  if (small == NULL)
    exit(1);
  EXPECT(OTP_E_ARGUMENT, otp_open("{}", NULL, reply, sizeof reply));
  NAMES("service");
  EXPECT(OTP_E_ARGUMENT, otp_open("\xff", &handle, reply, sizeof reply));
  NAMES("config");
  CHECK(handle == NULL);
  handle = (otp_service *)(uintptr_t)&now;
  memset(small, '#', 16);
  CHECK(otp_open("{\"repository\": \"memory:\"}", &handle, small, 16) == OTP_E_ARGUMENT);
  CHECK(handle == NULL && small[0] == '#');
  CHECK(otp_open("{\"repository\": \"memory:\"}", &handle, NULL, 0) == OTP_OK && handle != NULL);
  otp_close(handle);
  free(small);
}

/* The size of a body is checked before a byte of it is read. */
static void webhook(void) {
  static char body[64 * 1024 + 1];

  open_fresh(HAND_OVER);
  EXPECT(OTP_E_UNSUPPORTED, otp_webhook(service, NULL, NULL, 0, reply, sizeof reply));
  EXPECT(OTP_E_UNSUPPORTED, otp_webhook(service, "Bearer x", body, 64 * 1024, reply, sizeof reply));
  EXPECT(OTP_E_ARGUMENT, otp_webhook(service, NULL, body, sizeof body, reply, sizeof reply));
  NAMES("body");
  EXPECT(OTP_E_ARGUMENT, otp_webhook(service, NULL, body, SIZE_MAX, reply, sizeof reply));
  EXPECT(OTP_E_ARGUMENT, otp_webhook(service, NULL, NULL, 1, reply, sizeof reply));
}

/* What is kept in memory belongs to the process that opened it. */
static void forked(void) {
  pid_t child;
  int ended;

  open_fresh(HAND_OVER);
  EXPECT(OTP_OK, create("token", NULL));
  child = fork();
  if (child == 0) {
    failures = 0;
    if (strcmp(place, "memory:") == 0) {
      EXPECT(OTP_E_STORE, verify("token", code));
      EXPECT(OTP_E_STORE, create("other", NULL));
      EXPECT(OTP_E_STORE, status("token"));
    } else {
      EXPECT(OTP_OK, status("token"));
    }
    otp_close(service);
    EXPECT(OTP_E_ARGUMENT, status("token"));
    _exit(failures == 0 ? 0 : 1);
  }
  CHECK(child > 0 && waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
  EXPECT(OTP_OK, verify("token", code));
}

int main(int count, char **arguments) {
  begin(count, arguments);
  texts();
  replies();
  handles();
  opening();
  webhook();
  forked();
  return end();
}
