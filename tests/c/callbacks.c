/* Callbacks: setters, user data that is dropped exactly once, calls from inside, closing from inside, the log. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

static const char SMS[] = "{\"phoneNumber\": \"393331234567\"}";
static const char KEYED[] = "{\"messengerId\": \"1\", \"phoneNumber\": \"393331234567\", \"idempotencyKey\": \"k\"}";

static int dropped[4];

static void count_drop(void *user_data) { ++*(int *)user_data; }

/* Also with a handle that is not open, user data is taken over, and dropped at once. */
static void setters(void) {
  otp_service *closed;

  open_fresh(HOST);
  memset(dropped, 0, sizeof dropped);
  CHECK(otp_on_send(service, take_message, &dropped[0], count_drop) == OTP_OK);
  CHECK(otp_on_log(service, 0, NULL, &dropped[1], count_drop) == OTP_OK && dropped[1] == 1);
  CHECK(otp_on_clock(service, tell_time, &now, NULL) == OTP_OK);
  CHECK(dropped[0] == 0);
  CHECK(otp_on_send(service, take_message, &dropped[2], count_drop) == OTP_OK && dropped[0] == 1 && dropped[2] == 0);
  CHECK(otp_on_send(service, NULL, &dropped[3], count_drop) == OTP_OK && dropped[2] == 1 && dropped[3] == 1);
  CHECK(otp_on_send(service, take_message, &dropped[0], count_drop) == OTP_OK);
  closed = service;
  shut();
  CHECK(dropped[0] == 2 && dropped[1] == 1 && dropped[2] == 1 && dropped[3] == 1);
  CHECK(otp_on_send(closed, take_message, &dropped[0], count_drop) == OTP_E_ARGUMENT && dropped[0] == 3);
  CHECK(otp_on_send(NULL, take_message, &dropped[0], count_drop) == OTP_E_ARGUMENT && dropped[0] == 4);
  CHECK(otp_on_clock(closed, NULL, &dropped[0], count_drop) == OTP_E_ARGUMENT && dropped[0] == 5);
  CHECK(otp_on_clock(NULL, NULL, NULL, NULL) == OTP_E_ARGUMENT);
  open_fresh(HAND_OVER);
  CHECK(otp_on_send(service, take_message, &dropped[0], count_drop) == OTP_E_UNSUPPORTED && dropped[0] == 6);
}

static char events[16384];
static long event_count;
static int32_t highest;

static void take_event(void *user_data, int32_t level, const char *event) {
  (void)user_data;
  event_count++;
  highest = level > highest ? level : highest;
  CHECK(otp_reply_integer(event, "level", 0) == level);
  CHECK(otp_reply_text(event, "time", NULL, 0) == strlen("2023-11-14T22:13:20.000Z"));
  CHECK(otp_reply_text(event, "event", NULL, 0) > 0 && otp_reply_text(event, "result", NULL, 0) > 4);
  CHECK(strchr(event, '\n') == NULL && strlen(events) + strlen(event) + 2 < sizeof events);
  strcat(strcat(events, event), "\n");
  /* No event tells of a call from here. */
  CHECK(otp_status(service, "secret-token", NULL, 0) != OTP_E_INTERNAL);
}

static void everything(void) {
  EXPECT(OTP_OK, create("secret-token", "{\"phoneNumber\": \"393331234567\", \"messengerId\": \"8192836451\","
                                        " \"subject\": \"secret-subject\", \"context\": \"secret-context\","
                                        " \"client\": \"secret-client\"}"));
  EXPECT(OTP_RATE_LIMITED, resend("secret-token"));
  EXPECT(OTP_NOT_VALID, verify("secret-token", "secret-guess"));
  EXPECT(OTP_E_ARGUMENT, create("secret-token", "{\"secret-member\": \"secret-text\"}"));
  EXPECT(OTP_OK, verify_context("secret-token", code, "secret-context"));
  EXPECT(OTP_OK, status("secret-token"));
  EXPECT(OTP_CHECKED, cancel("secret-token"));
  EXPECT(OTP_OK, unlock("secret-subject"));
  EXPECT(OTP_OK, erase("393331234567"));
  EXPECT(OTP_OK, run_due());
  EXPECT(OTP_E_UNSUPPORTED, otp_webhook(service, "Bearer secret-header", "secret-body", 11, reply, sizeof reply));
}

static void log_events(void) {
  static const int32_t out_of_range[] = {-1, 5, INT32_MAX, INT32_MIN};
  int32_t level;
  long before = 0;
  size_t at;

  for (level = 0; level <= 4; level++) {
    open_fresh(HOST);
    event_count = 0;
    highest = 0;
    events[0] = 0;
    CHECK(otp_on_log(service, level, take_event, NULL, NULL) == OTP_OK);
    everything();
    CHECK(highest == level && (level == 0 ? event_count == 0 : event_count > before));
    before = event_count;
    CHECK(strstr(events, "secret") == NULL);
    CHECK(strstr(events, "3331234567") == NULL && strstr(events, "8192836451") == NULL);
    CHECK(strstr(events, code) == NULL);
  }
  CHECK(strstr(events, "\"event\":\"create\"") != NULL && strstr(events, "\"event\":\"verify\"") != NULL);
  CHECK(strstr(events, "\"channel\":\"messenger\"") != NULL && strstr(events, "\"record\":\"") != NULL);
  for (at = 0; at < 4; at++) {
    dropped[0] = 0;
    CHECK(otp_on_log(service, out_of_range[at], take_event, &dropped[0], count_drop) == OTP_E_ARGUMENT);
    CHECK(dropped[0] == 1);
  }
  /* The older function is still there. */
  before = event_count;
  EXPECT(OTP_OK, run_due());
  CHECK(event_count == before + 1);
  CHECK(otp_on_log(service, 4, NULL, NULL, NULL) == OTP_OK);
  EXPECT(OTP_OK, run_due());
  CHECK(event_count == before + 1);
}

/* What a send callback does from inside, and what the create that called it then answers. */
enum inside { VERIFY, CANCEL, REPLACE, ERASE, STATUS, SAME_KEY, RESEND, CLOSE };
static enum inside what;
static int depth;

static int32_t reenter(void *user_data, const char *text) {
  otp_service *handle = service;
  (void)user_data;
  otp_reply_text(text, "code", code, sizeof code);
  if (depth++ > 0)
    return 1;
  switch (what) {
  case VERIFY: EXPECT(OTP_OK, verify("token", code)); break;
  case CANCEL: EXPECT(OTP_OK, cancel("token")); break;
  case REPLACE: EXPECT(OTP_OK, create("token", "{\"phoneNumber\": \"447700900123\"}")); break;
  case ERASE: EXPECT(OTP_OK, erase("393331234567")); break;
  case STATUS:
    EXPECT(OTP_OK, status("token"));
    TEXT("state", "pending");
    TEXT("delivery.state", "sending");
    break;
  case SAME_KEY: EXPECT(OTP_E_IN_DOUBT, create("token", KEYED)); break;
  case RESEND: EXPECT(OTP_RATE_LIMITED, resend("token")); break;
  case CLOSE:
    otp_close(handle);
    otp_close(handle);
    CHECK(dropped[0] == 0);
    EXPECT(OTP_E_ARGUMENT, status("token"));
    CHECK(otp_on_clock(handle, NULL, NULL, NULL) == OTP_E_ARGUMENT);
    break;
  }
  return what == CANCEL || what == ERASE ? 2 : 1;
}

static void calls_from_inside(void) {
  static const struct {
    enum inside what;
    otp_result result, verified;
  } cases[] = {
      {VERIFY, OTP_OK, OTP_CHECKED},  {CANCEL, OTP_CANCELLED, OTP_CANCELLED}, {REPLACE, OTP_CANCELLED, OTP_OK},
      {ERASE, OTP_CANCELLED, OTP_NOT_VALID}, {STATUS, OTP_OK, OTP_OK},        {SAME_KEY, OTP_OK, OTP_OK},
      {RESEND, OTP_OK, OTP_OK},
  };
  size_t at;

  for (at = 0; at < sizeof cases / sizeof cases[0]; at++) {
    open_fresh(HOST);
    CHECK(otp_on_send(service, reenter, NULL, NULL) == OTP_OK);
    what = cases[at].what;
    depth = 0;
    /* A cancelled or erased one starts no second step: the messenger's failure is not followed by an SMS. */
    if (!EXPECT(cases[at].result, create("token", KEYED)))
      fprintf(stderr, "  case %d\n", (int)what);
    CHECK(depth == (what == REPLACE ? 2 : 1));
    EXPECT(cases[at].verified, verify("token", code));
  }
}

static void close_inside(void) {
  otp_service *handle;

  open_fresh(HOST);
  dropped[0] = 0;
  depth = 0;
  what = CLOSE;
  CHECK(otp_on_send(service, reenter, &dropped[0], count_drop) == OTP_OK);
  handle = service;
  EXPECT(OTP_OK, create("token", SMS));
  CHECK(dropped[0] == 1);
  CHECK(otp_status(handle, "token", reply, sizeof reply) == OTP_E_ARGUMENT);
  otp_close(handle);
  CHECK(dropped[0] == 1);
  service = NULL;
}

/* A clock may ask the library as well. */
static int64_t asking_clock(void *user_data) {
  static int inside;
  char other[OTP_REPLY_SIZE];
  (void)user_data;
  if (!inside) {
    inside = 1;
    CHECK(otp_status(service, "token", other, sizeof other) == OTP_UNKNOWN);
    inside = 0;
  }
  return now;
}

static void clock_from_inside(void) {
  open_fresh(HAND_OVER);
  CHECK(otp_on_clock(service, asking_clock, NULL, NULL) == OTP_OK);
  EXPECT(OTP_OK, create("other", NULL));
  EXPECT(OTP_OK, verify("other", code));
  CHECK(otp_on_clock(service, NULL, NULL, NULL) == OTP_OK);
  EXPECT(OTP_OK, create("wall", NULL));
  EXPECT(OTP_OK, status("wall"));
  CHECK(strcmp(member("creationDate"), "2024") > 0);
}

/* otp_close() waits for a call that runs in another thread. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int sending, closed;

static int32_t send_while_closed(void *user_data, const char *text) {
  otp_service *handle = service;
  (void)user_data;
  (void)text;
  pthread_mutex_lock(&mutex);
  sending = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  /* From the moment it begins to close, a handle is refused. */
  while (otp_status(handle, "token", NULL, 0) != OTP_E_ARGUMENT)
    continue;
  pthread_mutex_lock(&mutex);
  CHECK(closed == 0 && dropped[0] == 0);
  pthread_mutex_unlock(&mutex);
  return 1;
}

static void *close_it(void *handle) {
  pthread_mutex_lock(&mutex);
  while (!sending)
    pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  otp_close(handle);
  pthread_mutex_lock(&mutex);
  closed = 1;
  pthread_mutex_unlock(&mutex);
  return NULL;
}

static void close_waits(void) {
  pthread_t thread;

  open_fresh(HOST);
  dropped[0] = 0;
  CHECK(otp_on_send(service, send_while_closed, &dropped[0], count_drop) == OTP_OK);
  CHECK(pthread_create(&thread, NULL, close_it, service) == 0);
  EXPECT(OTP_OK, create("token", SMS));
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(closed == 1 && dropped[0] == 1);
  service = NULL;
}

int main(int count, char **arguments) {
  begin(count, arguments);
  setters();
  log_events();
  calls_from_inside();
  close_inside();
  clock_from_inside();
  close_waits();
  return end();
}
