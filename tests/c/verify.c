/* Verifying: the four rules, contexts, what a status tells, and time, which never gives a code back. */
#include "check.h"

#define PHONE "\"phoneNumber\": \"393331234567\""

static const char *repeat(char letter, int times) {
  static char text[8192];
  memset(text, letter, (size_t)times);
  text[times] = 0;
  return text;
}

static void once(void) {
  open_fresh(HAND_OVER);
  EXPECT(OTP_NOT_VALID, verify("token", "123456"));
  NONE("attemptsLeft");
  EXPECT(OTP_OK, create("token", NULL));
  EXPECT(OTP_NOT_VALID, verify("other", code));
  EXPECT(OTP_OK, verify("token", code));
  NUMBER("attemptsLeft", 5);
  NONE("locked");
  NONE("code");
  EXPECT(OTP_CHECKED, verify("token", code));
  EXPECT(OTP_NOT_VALID, verify("token", wrong()));
  NUMBER("attemptsLeft", 4);
  EXPECT(OTP_CHECKED, verify("token", code));
}

/* A code of digits is its digits, however they are typed, and no number. What is no guess does not count. */
static void guesses(void) {
  char text[128];
  int at;

  open_fresh(HAND_OVER ", \"maxAttempts\": 10, \"ownCodes\": true");
  EXPECT(OTP_OK, create("token", "{\"code\": \"012345\"}"));
  EXPECT(OTP_E_ARGUMENT, verify("token", ""));
  NAMES("code");
  EXPECT(OTP_E_ARGUMENT, verify("token", repeat('1', 65)));
  EXPECT(OTP_E_ARGUMENT, verify("token", "\xff"));
  EXPECT(OTP_E_ARGUMENT, verify("token", NULL));
  EXPECT(OTP_E_ARGUMENT, verify_context("token", "012345", repeat('c', 4097)));
  NAMES("context");
  EXPECT(OTP_NOT_VALID, verify("token", repeat('1', 64)));
  NUMBER("attemptsLeft", 9);
  EXPECT(OTP_E_ARGUMENT, verify("token", " -\n"));
  for (at = 0; at < 5; at++) {
    static const char *const forms[] = {"0%s", "+%s", "%s0", "%s.", "x%s"};
    snprintf(text, sizeof text, forms[at], "012345");
    EXPECT(OTP_NOT_VALID, verify("token", text));
  }
  EXPECT(OTP_NOT_VALID, verify("token", "12345"));
  NUMBER("attemptsLeft", 3);
  EXPECT(OTP_OK, verify("token", "012 345"));
  for (at = 0; at < 6; at++) {
    static const char *const forms[] = {"%s ", " %s\n", "\xef\xbb\xbf%s", "012-345", "012\xe2\x80\x93\x33\x34\x35",
                                        "\xef\xbc\x90\xef\xbc\x91\xef\xbc\x92\xef\xbc\x93\xef\xbc\x94\xef\xbc\x95"};
    snprintf(text, sizeof text, "%s", forms[at]);
    if (strstr(forms[at], "%s") != NULL)
      snprintf(text, sizeof text, forms[at], "012345");
    EXPECT(OTP_CHECKED, verify("token", text));
  }
}

/* The last wrong code that is allowed is still told to be wrong; from then on nothing is looked at. */
static void locked(void) {
  open_fresh(HAND_OVER);
  EXPECT(OTP_OK, create("token", NULL));
  for (int64_t left = 4; left >= 0; left--) {
    EXPECT(OTP_NOT_VALID, verify("token", wrong()));
    NUMBER("attemptsLeft", left);
  }
  EXPECT(OTP_LOCKED, verify("token", code));
  TEXT("locked", "code");
  NUMBER("attemptsLeft", 0);
  NONE("retryAfterSeconds");
  EXPECT(OTP_LOCKED, verify("token", wrong()));
  now += HOUR;
  EXPECT(OTP_LOCKED, verify("token", code));
  /* Also where the code is used already. */
  EXPECT(OTP_OK, create("used", NULL));
  EXPECT(OTP_OK, verify("used", code));
  fail("used", 5);
  EXPECT(OTP_LOCKED, verify("used", code));
}

static void contexts(void) {
  open_fresh(HAND_OVER);
  EXPECT(OTP_OK, create("token", "{\"context\": \"30 EUR to A\"}"));
  EXPECT(OTP_NOT_VALID, verify("token", code));
  EXPECT(OTP_NOT_VALID, verify_context("token", code, NULL));
  EXPECT(OTP_NOT_VALID, verify_context("token", code, "30 EUR to a"));
  EXPECT(OTP_NOT_VALID, verify_context("token", code, "30 EUR to A "));
  NUMBER("attemptsLeft", 1);
  EXPECT(OTP_OK, verify_context("token", code, "30 EUR to A"));
  EXPECT(OTP_CHECKED, verify_context("token", code, "30 EUR to A"));
  EXPECT(OTP_NOT_VALID, verify("token", code));

  EXPECT(OTP_OK, create("none", NULL));
  EXPECT(OTP_NOT_VALID, verify_context("none", code, ""));
  EXPECT(OTP_NOT_VALID, verify_context("none", code, "30 EUR to A"));
  NUMBER("attemptsLeft", 3);
  EXPECT(OTP_OK, verify_context("none", code, NULL));

  EXPECT(OTP_OK, create("empty", "{\"context\": \"\"}"));
  EXPECT(OTP_NOT_VALID, verify("empty", code));
  EXPECT(OTP_OK, verify_context("empty", code, ""));

  /* Bytes, not characters: two spellings of an e with an accent. */
  EXPECT(OTP_OK, create("bytes", "{\"context\": \"\\u00e9\\n\"}"));
  EXPECT(OTP_NOT_VALID, verify_context("bytes", code, "e\xcc\x81\n"));
  EXPECT(OTP_OK, verify_context("bytes", code, "\xc3\xa9\n"));
}

static void statuses(void) {
  open_fresh(HOST FREELY);
  EXPECT(OTP_UNKNOWN, status("token"));
  NONE("token");
  NONE("state");
  EXPECT(OTP_OK, create("token", "{" PHONE "}"));
  now += 1500;
  EXPECT(OTP_OK, status("token"));
  TEXT("token", "token");
  TEXT("state", "pending");
  TEXT("creationDate", "2023-11-14T22:13:20.000Z");
  TEXT("expiryDate", "2023-11-14T22:18:20.000Z");
  NUMBER("isChecked", 0);
  TEXT("isChecked", "false");
  NONE("checkDate");
  NUMBER("attemptsLeft", 5);
  TEXT("delivery.via", "host");
  TEXT("delivery.state", "accepted");
  TEXT("delivery.channel", "sms");
  TEXT("delivery.steps.0.channel", "messenger");
  TEXT("delivery.steps.0.status", "skipped");
  TEXT("delivery.steps.1.channel", "sms");
  TEXT("delivery.steps.1.status", "accepted");
  TEXT("delivery.steps.1.at", "2023-11-14T22:13:20.000Z");
  NONE("delivery.steps.1.error");
  NONE("delivery.steps.1.messageUuid");
  NONE("delivery.steps.2.channel");
  NONE("code");
  EXPECT(OTP_OK, verify("token", code));
  EXPECT(OTP_OK, status("token"));
  TEXT("state", "checked");
  NUMBER("isChecked", 1);
  TEXT("checkDate", "2023-11-14T22:13:21.500Z");
  EXPECT(OTP_OK, create("token", "{" PHONE "}"));
  fail("token", 5);
  EXPECT(OTP_OK, status("token"));
  TEXT("state", "locked");
  NUMBER("attemptsLeft", 0);
  EXPECT(OTP_OK, create("token", "{" PHONE "}"));
  now += 5 * MINUTE;
  EXPECT(OTP_OK, status("token"));
  TEXT("state", "expired");
}

/* The ages of a code. Right before its end it is good, and from then on never again. */
static void ages(void) {
  static const struct {
    int64_t age;
    otp_result result;
  } cases[] = {
      {0, OTP_OK},
      {5 * MINUTE - 1, OTP_OK},
      {5 * MINUTE, OTP_EXPIRED},
      {HOUR, OTP_EXPIRED},
      {5 * MINUTE + HOUR, OTP_EXPIRED},
      {5 * MINUTE + HOUR + 1000, OTP_EXPIRED},
      {5 * MINUTE + DAY - 1, OTP_EXPIRED},
      /* Past retention there is none. */
      {5 * MINUTE + DAY, OTP_NOT_VALID},
      {5 * MINUTE + 25 * HOUR, OTP_NOT_VALID},
      {5 * MINUTE + YEAR, OTP_NOT_VALID},
  };
  size_t at;

  for (at = 0; at < sizeof cases / sizeof cases[0]; at++) {
    open_fresh(HAND_OVER);
    EXPECT(OTP_OK, create("token", NULL));
    now += cases[at].age;
    EXPECT(cases[at].result, verify("token", code));
    if (cases[at].result == OTP_NOT_VALID) {
      NONE("attemptsLeft");
      EXPECT(OTP_UNKNOWN, status("token"));
    }
  }
}

static otp_result by_verify(void) { return verify("token", code); }
static otp_result by_resend(void) { return resend("token"); }
static otp_result by_cancel(void) { return cancel("token"); }

/* Whoever was told that a code is expired is never told otherwise, whatever the clock does. */
static void set_back(void) {
  static otp_result (*const told[])(void) = {by_verify, by_resend, by_cancel};
  static const int64_t steps[] = {1, HOUR, YEAR};
  size_t by, at;

  for (by = 0; by < 3; by++) {
    for (at = 0; at < 3; at++) {
      open_fresh(HAND_OVER FREELY);
      EXPECT(OTP_OK, create("token", NULL));
      now += 5 * MINUTE;
      EXPECT(OTP_EXPIRED, told[by]());
      now -= steps[at];
      EXPECT(OTP_EXPIRED, verify("token", code));
      EXPECT(OTP_OK, status("token"));
      TEXT("state", "expired");
    }
  }
  open_fresh(HAND_OVER);
  EXPECT(OTP_OK, create("token", NULL));
  now += 5 * MINUTE;
  EXPECT(OTP_OK, status("token"));
  TEXT("state", "expired");
  now = NOON;
  EXPECT(OTP_EXPIRED, verify("token", code));
}

/* A clock that was wrong for a while keeps no code alive; two seconds are within what clocks do. */
static void far_ahead(void) {
  open_fresh(HAND_OVER);
  now = NOON + YEAR;
  EXPECT(OTP_OK, create("token", NULL));
  now = NOON;
  EXPECT(OTP_EXPIRED, verify("token", code));
  now = NOON + YEAR;
  EXPECT(OTP_EXPIRED, verify("token", code));
  now = NOON;
  EXPECT(OTP_OK, create("token", NULL));
  EXPECT(OTP_OK, verify("token", code));
  EXPECT(OTP_OK, create("slightly", NULL));
  now -= 2000;
  EXPECT(OTP_OK, verify("slightly", code));
  EXPECT(OTP_OK, create("more", NULL));
  now -= 2001;
  EXPECT(OTP_EXPIRED, verify("more", code));
  /* A code seen late is not younger for a clock that went back. */
  EXPECT(OTP_OK, create("seen", NULL));
  now += 5 * MINUTE - 1000;
  fail("seen", 1);
  now -= 1500;
  EXPECT(OTP_OK, resend("seen"));
  NUMBER("expiresInSeconds", 1);
}

/* The clock itself: before 1970 and after 9999 it stands still. */
static void clamped(void) {
  open_fresh(HAND_OVER);
  now = INT64_MIN;
  EXPECT(OTP_OK, create("early", NULL));
  EXPECT(OTP_OK, status("early"));
  TEXT("creationDate", "1970-01-01T00:00:00.000Z");
  EXPECT(OTP_OK, verify("early", code));
  open_fresh(HAND_OVER);
  now = INT64_MAX;
  EXPECT(OTP_OK, create("late", NULL));
  NUMBER("expiresInSeconds", 0);
}

int main(int count, char **arguments) {
  begin(count, arguments);
  once();
  guesses();
  locked();
  contexts();
  statuses();
  ages();
  set_back();
  far_ahead();
  clamped();
  return end();
}
