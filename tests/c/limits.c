/* Limits: sends to a recipient, failures of a subject, and how long things are kept, swept and erased. */
#include "check.h"

#define PHONE "\"phoneNumber\": \"393331234567\""
#define SENDS(more) ", \"policy\": {\"cooldownSeconds\": 0, \"sendLimits\": [" more "]}"

#define SMS "{" PHONE "}"

static void cool_down(void) {
  static const char both[] = "{" PHONE ", \"messengerId\": \"8192836451\"}";

  open_fresh(HOST);
  EXPECT(OTP_OK, create("token", both));
  /* The SMS was not needed, and did not count. */
  EXPECT(OTP_OK, create("token", SMS));
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  NUMBER("retryAfterSeconds", 30);
  EXPECT(OTP_RATE_LIMITED, create("other", "{\"messengerId\": \"8192836451\"}"));
  now += 1;
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  NUMBER("retryAfterSeconds", 30);
  now += 28999;
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  NUMBER("retryAfterSeconds", 1);
  now += 999;
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  NUMBER("retryAfterSeconds", 1);
  now += 1;
  EXPECT(OTP_OK, create("token", SMS));
  /* A clock that goes back makes nobody wait for longer than the limit. */
  now -= YEAR;
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  NUMBER("retryAfterSeconds", 30);
  now += 30 * 1000;
  EXPECT(OTP_OK, create("token", SMS));
  /* A Messenger id with the digits of the number is another recipient. */
  EXPECT(OTP_OK, create("token", "{\"messengerId\": \"393331234567\"}"));
}

static void send_limits(void) {
  int at;

  open_fresh(HOST);
  for (at = 0; at < 5; at++, now += 30 * 1000)
    EXPECT(OTP_OK, create("token", SMS));
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  NUMBER("retryAfterSeconds", 450); /* ten minutes after the first, 150 s of which are over */
  now += 450 * 1000 - 1;
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  NUMBER("retryAfterSeconds", 1);
  now += 1;
  EXPECT(OTP_OK, create("token", SMS));

  open_fresh(HOST SENDS("{\"count\": 3, \"minutes\": 1440}, {\"count\": 2, \"minutes\": 1}"));
  EXPECT(OTP_OK, create("token", SMS));
  EXPECT(OTP_OK, resend("token"));
  EXPECT(OTP_RATE_LIMITED, resend("token"));
  NUMBER("retryAfterSeconds", 60);
  now += MINUTE;
  EXPECT(OTP_OK, create("token", SMS));
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  NUMBER("retryAfterSeconds", (DAY - MINUTE) / 1000);
  CHECK(messages == 3);

  open_fresh(HOST FREELY);
  for (at = 0; at < 120; at++)
    EXPECT(OTP_OK, create("token", SMS));
  /* Handed over is sent, as far as is known; without an address nobody is counted. */
  open_fresh(HAND_OVER SENDS("{\"count\": 1, \"minutes\": 1}"));
  EXPECT(OTP_OK, create("token", SMS));
  EXPECT(OTP_RATE_LIMITED, create("token", SMS));
  EXPECT(OTP_OK, create("token", NULL));
  EXPECT(OTP_OK, create("token", NULL));
}

/* Ten failures in a row over any codes lock a subject for half an hour, and so does every further ten. */
static void subject_lock(void) {
  static const char of_s[] = "{" PHONE ", \"subject\": \"s\"}";

  open_fresh(HAND_OVER FREELY);
  EXPECT(OTP_OK, create("one", of_s));
  fail("one", 5);
  EXPECT(OTP_OK, create("two", of_s));
  fail("two", 4);
  EXPECT(OTP_NOT_VALID, verify("two", wrong()));
  EXPECT(OTP_LOCKED, verify("two", code));
  TEXT("locked", "subject");
  NUMBER("retryAfterSeconds", 1800);
  EXPECT(OTP_OK, status("two"));
  TEXT("state", "locked");
  EXPECT(OTP_LOCKED, create("three", of_s));
  TEXT("locked", "subject");
  EXPECT(OTP_LOCKED, resend("two"));
  TEXT("locked", "subject");
  /* Others are not concerned: not even one whose phone number is called as the subject is. */
  EXPECT(OTP_OK, create("other", SMS));
  EXPECT(OTP_OK, verify("other", code));
  now += 30 * MINUTE - 1;
  EXPECT(OTP_LOCKED, create("three", of_s));
  NUMBER("retryAfterSeconds", 1);
  now += 1;
  EXPECT(OTP_OK, create("three", of_s));
  fail("three", 5);
  EXPECT(OTP_OK, create("four", of_s));
  fail("four", 5);
  EXPECT(OTP_LOCKED, create("five", of_s));
  /* A clock that goes back makes no lock longer. */
  now -= YEAR;
  EXPECT(OTP_LOCKED, create("five", of_s));
  NUMBER("retryAfterSeconds", 1800);
  now += 30 * MINUTE;
  EXPECT(OTP_OK, create("five", of_s));
}

static void success_resets(void) {
  open_fresh(HAND_OVER FREELY);
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 4);
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 4);
  EXPECT(OTP_OK, verify("token", code));
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 4);
  EXPECT(OTP_OK, verify("token", code));
  /* A new code does not: eight and two are ten. */
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 4);
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 4);
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 2);
  EXPECT(OTP_LOCKED, verify("token", code));
  /* Failures below the lock are forgotten thirty days after the last. */
  open_fresh(HAND_OVER FREELY);
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 5);
  now += 15 * DAY;
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 4);
  now += 30 * DAY;
  EXPECT(OTP_OK, create("token", SMS));
  fail("token", 4);
  EXPECT(OTP_OK, verify("token", code));
}

static void disabled(void) {
  static const char *const kinds[][2] = {{"{\"subject\": \"s\"}", "s"},
                                         {SMS, "+39 333 1234567"},
                                         {"{\"messengerId\": \"8192836451\"}", "8192836451"},
                                         {"{}", "token"}};
  size_t at;

  for (at = 0; at < 4; at++) {
    open_fresh(HAND_OVER ", \"policy\": {\"cooldownSeconds\": 0, \"sendLimits\": [],"
                         " \"subjectFailures\": {\"lockAfter\": 2, \"lockMinutes\": 1, \"disableAfter\": 3}}");
    EXPECT(OTP_OK, create("token", kinds[at][0]));
    fail("token", 2);
    EXPECT(OTP_LOCKED, verify("token", code));
    now += MINUTE;
    fail("token", 1);
    EXPECT(OTP_LOCKED, verify("token", code));
    TEXT("locked", "disabled");
    NONE("retryAfterSeconds");
    now += YEAR;
    EXPECT(OTP_LOCKED, create("token", kinds[at][0]));
    TEXT("locked", "disabled");
    NONE("retryAfterSeconds");
    EXPECT(OTP_OK, unlock("somebody else"));
    EXPECT(OTP_LOCKED, create("token", kinds[at][0]));
    EXPECT(OTP_OK, unlock(kinds[at][1]));
    EXPECT(OTP_OK, create("token", kinds[at][0]));
    fail("token", 1);
    EXPECT(OTP_OK, verify("token", code));
  }
}

/* A subject, a phone number, a Messenger id and a token of the same text are four. An unlock means them all. */
static void kinds_of_subject(void) {
  static const char *const requests[] = {"{\"subject\": \"393331234567\"}", SMS,
                                         "{\"messengerId\": \"393331234567\"}", "{}"};
  size_t at, by;

  open_fresh(HAND_OVER ", \"policy\": {\"cooldownSeconds\": 0, \"subjectFailures\": {\"lockAfter\": 1}}");
  for (at = 0; at < 4; at++) {
    EXPECT(OTP_OK, create("393331234567", requests[at]));
    fail("393331234567", 1);
    for (by = 0; by < 4; by++)
      if (by <= at)
        EXPECT(OTP_LOCKED, create("393331234567", requests[by]));
  }
  EXPECT(OTP_OK, unlock("393331234567"));
  for (at = 0; at < 4; at++)
    EXPECT(OTP_OK, create("393331234567", requests[at]));
}

/* Of several locks the one that takes longest to end is told. */
static void several_locks(void) {
  open_fresh(HAND_OVER ", \"maxAttempts\": 2, \"policy\": {\"cooldownSeconds\": 0, \"sendLimits\": [],"
                       " \"subjectFailures\": {\"lockAfter\": 2, \"disableAfter\": 4}}");
  EXPECT(OTP_OK, create("token", NULL));
  fail("token", 2);
  EXPECT(OTP_LOCKED, verify("token", code));
  TEXT("locked", "subject");
  now += 30 * MINUTE;
  EXPECT(OTP_LOCKED, verify("token", code));
  TEXT("locked", "code");
  EXPECT(OTP_OK, create("token", NULL));
  fail("token", 2);
  EXPECT(OTP_LOCKED, verify("token", code));
  TEXT("locked", "disabled");
  EXPECT(OTP_OK, unlock("token"));
  EXPECT(OTP_LOCKED, verify("token", code));
  TEXT("locked", "code");
}

static void profiles(void) {
  open_fresh(HAND_OVER ", \"policy\": {\"profile\": \"psd2\"}");
  EXPECT(OTP_E_ARGUMENT, create("token", NULL));
  NAMES("context");
  EXPECT(OTP_OK, create("token", "{\"context\": \"30 EUR to A\"}"));
  for (int at = 0; at < 5; at++)
    EXPECT(OTP_NOT_VALID, verify_context("token", wrong(), "30 EUR to A"));
  EXPECT(OTP_LOCKED, create("token", "{\"context\": \"30 EUR to A\"}"));
  TEXT("locked", "subject");
  NUMBER("retryAfterSeconds", 1800);
  open_fresh(HAND_OVER ", \"policy\": {\"profile\": \"pci\"}, \"maxAttempts\": 10");
  EXPECT(OTP_OK, create("token", NULL));
  fail("token", 10);
  EXPECT(OTP_LOCKED, verify("token", code));
  TEXT("locked", "subject");
  NUMBER("retryAfterSeconds", 1800);
}

static void retention(void) {
  char token[32];
  int at;

  open_fresh(HAND_OVER ", \"policy\": {\"retentionMinutes\": 10}");
  EXPECT(OTP_OK, create("used", NULL));
  EXPECT(OTP_OK, verify("used", code));
  EXPECT(OTP_OK, create("live", NULL));
  now += 15 * MINUTE - 1;
  EXPECT(OTP_EXPIRED, verify("live", code));
  EXPECT(OTP_OK, run_due());
  NUMBER("ran", 0);
  NUMBER("purged", 0);
  NONE("nextDueInMilliseconds");
  EXPECT(OTP_OK, status("used"));
  now += 1;
  /* Absent, swept or not; and also where the clock goes back after that. */
  EXPECT(OTP_NOT_VALID, verify("live", code));
  EXPECT(OTP_UNKNOWN, status("live"));
  EXPECT(OTP_UNKNOWN, cancel("live"));
  EXPECT(OTP_UNKNOWN, resend("live"));
  EXPECT(OTP_OK, run_due());
  NUMBER("purged", 1); /* "live" was removed where it was found to be absent */
  EXPECT(OTP_OK, run_due());
  NUMBER("purged", 0);
  now = NOON;
  EXPECT(OTP_NOT_VALID, verify("live", code));
  /* Creates alone keep a repository from growing. */
  for (at = 0; at < 20; at++) {
    snprintf(token, sizeof token, "token %d", at);
    EXPECT(OTP_OK, create(token, NULL));
  }
  now += DAY;
  for (at = 0; at < 20; at++)
    EXPECT(OTP_OK, create("token", NULL));
  EXPECT(OTP_OK, run_due());
  CHECK(otp_reply_integer(reply, "purged", 99) < 10);
  open_fresh(HAND_OVER ", \"policy\": {\"retentionMinutes\": 0}");
  EXPECT(OTP_OK, create("token", NULL));
  now += 5 * MINUTE;
  EXPECT(OTP_NOT_VALID, verify("token", code));
}

static void erased(void) {
  open_fresh(HAND_OVER);
  EXPECT(OTP_OK, create("one", "{" PHONE ", \"messengerId\": \"8192836451\"}"));
  EXPECT(OTP_OK, create("two", "{\"phoneNumber\": \"447700900123\"}"));
  EXPECT(OTP_OK, create("three", "{\"messengerId\": \"8192836452\"}"));
  EXPECT(OTP_OK, erase("+39 333 123 4567"));
  EXPECT(OTP_UNKNOWN, status("one"));
  EXPECT(OTP_OK, status("two"));
  EXPECT(OTP_OK, erase("8192836452"));
  EXPECT(OTP_UNKNOWN, resend("three"));
  EXPECT(OTP_NOT_VALID, verify("three", code));
  EXPECT(OTP_OK, erase("393331234567"));
  EXPECT(OTP_OK, erase("nobody"));
  /* It lifts no limit. */
  EXPECT(OTP_OK, create("five", SMS));
  EXPECT(OTP_RATE_LIMITED, create("one", "{\"messengerId\": \"8192836451\"}"));
  EXPECT(OTP_RATE_LIMITED, create("one", "{\"messengerId\": \"8192836452\"}"));
  EXPECT(OTP_OK, create("four", "{\"phoneNumber\": \"447700900999\", \"subject\": \"s\"}"));
  fail("four", 5);
  EXPECT(OTP_OK, create("four", "{\"messengerId\": \"5\", \"subject\": \"s\"}"));
  fail("four", 5);
  EXPECT(OTP_OK, erase("447700900999"));
  EXPECT(OTP_OK, erase("5"));
  EXPECT(OTP_UNKNOWN, status("four"));
  EXPECT(OTP_LOCKED, create("four", "{\"subject\": \"s\"}"));
}

int main(int count, char **arguments) {
  begin(count, arguments);
  cool_down();
  send_limits();
  subject_lock();
  success_resets();
  disabled();
  kinds_of_subject();
  several_locks();
  profiles();
  retention();
  erased();
  return end();
}
