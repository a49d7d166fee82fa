/* What the conformance programs share: checks, a clock, and the calls with one reply for all. A failed check tells its
 * file and line, and the reply; the codes in it are made for the test. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <otp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No number of a reply is this one. */
#define ABSENT INT64_MIN

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)
#define NOON INT64_C(1700000000000)

static otp_service *service;
static int64_t now = NOON;
static char reply[OTP_REPLY_SIZE];
static long checks, failures;

/* The code that was sent last, and how many messages there were. */
static char code[64];
static long messages;

/* Checks that a condition holds. */
#define CHECK(condition) check(__FILE__, __LINE__, (condition), #condition)
/* Checks the result of a call, and that its reply says the same. */
#define EXPECT(expected, call) expect(__FILE__, __LINE__, (expected), (call), #call)
/* Checks a text, a number or the absence of a member of the reply. */
#define TEXT(field, expected) text_is(__FILE__, __LINE__, (field), (expected))
#define NUMBER(field, expected) number_is(__FILE__, __LINE__, (field), (expected))
#define NONE(field) number_is(__FILE__, __LINE__, (field), ABSENT)
/* Checks that the reply's message names something. */
#define NAMES(text) check(__FILE__, __LINE__, strstr(message(), (text)) != NULL, "the message names " #text)

static inline int check(const char *file, int line, int holds, const char *what) {
  checks++;
  if (!holds) {
    failures++;
    fprintf(stderr, "%s:%d: %s\n  reply: %s\n", file, line, what, reply);
  }
  return holds;
}

static inline const char *member(const char *field) {
  static char text[OTP_REPLY_SIZE];
  otp_reply_text(reply, field, text, sizeof text);
  return text;
}

static inline const char *message(void) { return member("message"); }

/* What is true of every reply: its result and, unless it is OTP_OK, a message; for a refusal the sentence to show. */
static inline int is_reply_of(otp_result result) {
  if (memchr(reply, 0, sizeof reply) == NULL || strcmp(member("result"), otp_result_name(result)) != 0)
    return 0;
  if (result == OTP_OK)
    return message()[0] == 0;
  return result < 0 ? message()[0] != 0 : strcmp(message(), otp_result_message(result)) == 0;
}

static inline int expect(const char *file, int line, otp_result expected, otp_result result, const char *what) {
  char text[512];
  snprintf(text, sizeof text, "%s: %s, not %s", what, otp_result_name(result), otp_result_name(expected));
  return check(file, line, result == expected, text) &&
         check(file, line, is_reply_of(result), "the reply says the same");
}

static inline int text_is(const char *file, int line, const char *field, const char *expected) {
  char text[512];
  snprintf(text, sizeof text, "%s: \"%.200s\", not \"%.200s\"", field, member(field), expected);
  return check(file, line, strcmp(member(field), expected) == 0, text);
}

static inline int number_is(const char *file, int line, const char *field, int64_t expected) {
  char text[512];
  int64_t number = otp_reply_integer(reply, field, ABSENT);
  snprintf(text, sizeof text, "%s: %" PRId64 ", not %" PRId64, field, number, expected);
  if (expected == ABSENT && member(field)[0] != 0)
    number = 0;
  return check(file, line, number == expected, text);
}

static inline int64_t tell_time(void *user_data) { return *(const int64_t *)user_data; }

static inline int32_t take_message(void *user_data, const char *text) {
  (void)user_data;
  messages++;
  otp_reply_text(text, "code", code, sizeof code);
  return 1;
}

/* The reply before a call: nothing of the last one is left to be taken for an answer. */
static inline char *blank(void) {
  memset(reply, '#', sizeof reply - 1);
  reply[sizeof reply - 1] = 0;
  return reply;
}

/* Opens `service`, on the repository at `where`, with further members of the configuration, each after a comma. */
static inline otp_result open_at(const char *where, const char *members) {
  char config[4096];
  otp_result result;
  snprintf(config, sizeof config, "{\"repository\": \"%s\", \"durability\": \"process\"%s}", where, members);
  result = otp_open(config, &service, blank(), sizeof reply);
  if (result == OTP_OK && otp_on_clock(service, tell_time, &now, NULL) != OTP_OK)
    return OTP_E_INTERNAL;
  return result;
}

/* The place of the test, from the command line, so that the same rules are checked on every repository. */
static const char *place = "memory:";
static char repository[256];
static int opened;

#define HOST ", \"sender\": {\"type\": \"host\"}"
#define HAND_OVER ", \"sender\": {\"type\": \"none\"}"
#define FREELY ", \"policy\": {\"cooldownSeconds\": 0, \"sendLimits\": []}"

static inline void shut(void) {
  otp_close(service);
  service = NULL;
}

/* Opens a repository that nobody used before, on the test's place, and delivers to `take_message`. */
static inline void open_fresh(const char *members) {
  shut();
  now = NOON;
  messages = 0;
  code[0] = 0;
  snprintf(repository, sizeof repository, strcmp(place, "memory:") == 0 ? "%s" : "%s%d", place, ++opened);
  if (!EXPECT(OTP_OK, open_at(repository, members)))
    exit(1);
  if (strstr(members, "\"host\"") != NULL)
    CHECK(otp_on_send(service, take_message, NULL, NULL) == OTP_OK);
}

static inline otp_result create(const char *token, const char *request) {
  otp_result result = otp_create(service, token, request, blank(), sizeof reply);
  if (result == OTP_OK && member("code")[0] != 0)
    otp_reply_text(reply, "code", code, sizeof code);
  return result;
}

static inline otp_result resend(const char *token) { return otp_resend(service, token, blank(), sizeof reply); }

static inline otp_result verify(const char *token, const char *guess) {
  return otp_verify(service, token, guess, blank(), sizeof reply);
}

static inline otp_result verify_context(const char *token, const char *guess, const char *context) {
  return otp_verify_context(service, token, guess, context, blank(), sizeof reply);
}

static inline otp_result cancel(const char *token) { return otp_cancel(service, token, blank(), sizeof reply); }
static inline otp_result status(const char *token) { return otp_status(service, token, blank(), sizeof reply); }
static inline otp_result report(const char *text) { return otp_report(service, text, blank(), sizeof reply); }
static inline otp_result run_due(void) { return otp_run_due(service, blank(), sizeof reply); }
static inline otp_result unlock(const char *subject) { return otp_unlock(service, subject, blank(), sizeof reply); }
static inline otp_result erase(const char *recipient) { return otp_erase(service, recipient, blank(), sizeof reply); }

/* A code that is not `code`, nor any other that a test remembers: no code drawn has a letter. */
static inline const char *wrong(void) { return "wrong"; }

/* Guesses wrong so many times. */
static inline void fail(const char *token, int times) {
  while (times-- > 0)
    EXPECT(OTP_NOT_VALID, verify(token, wrong()));
}

static inline void begin(int count, char **arguments) {
  if (count > 1)
    place = arguments[1];
}

static inline int end(void) {
  shut();
  printf("%ld checks, %ld failed\n", checks, failures);
  return failures == 0 && checks > 0 ? 0 : 1;
}

#endif
