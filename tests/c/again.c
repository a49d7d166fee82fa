/* Asking again: idempotency, resend and cancel; and who may be sent what: countries and codes of the host's own. */
#include "check.h"

#define PHONE "\"phoneNumber\": \"393331234567\""

static const char KEYED[] = "{" PHONE ", \"messengerId\": \"8192836451\", \"idempotencyKey\": \"k\"}";

static void same_request(void) {
  open_fresh(HOST FREELY);
  EXPECT(OTP_OK, create("token", KEYED));
  now += 50 * 1000;
  fail("token", 2);
  /* Neither the order of the members nor the spelling of the number makes another request. */
  EXPECT(OTP_OK, create("token", "{\"idempotencyKey\": \"k\", \"messengerId\": \"8192836451\","
                                 " \"phoneNumber\": \"+39 333 1234567\"}"));
  NUMBER("expiresInSeconds", 250);
  NUMBER("attemptsLeft", 3);
  TEXT("delivery.state", "accepted");
  TEXT("delivery.channel", "messenger");
  CHECK(messages == 1);
  EXPECT(OTP_E_ARGUMENT, create("token", "{" PHONE ", \"idempotencyKey\": \"k\"}"));
  NAMES("idempotencyKey");
  EXPECT(OTP_E_ARGUMENT, create("token", "{" PHONE ", \"messengerId\": \"8192836451\", \"client\": \"c\","
                                         " \"idempotencyKey\": \"k\"}"));
  CHECK(messages == 1);
  EXPECT(OTP_OK, verify("token", code));

  /* A key belongs to its token, and to the live record alone. */
  EXPECT(OTP_OK, create("other", KEYED));
  CHECK(messages == 2);
  EXPECT(OTP_OK, create("other", "{" PHONE "}"));
  EXPECT(OTP_OK, create("other", "{" PHONE ", \"idempotencyKey\": \"k\"}"));
  CHECK(messages == 4);
  now += 5 * MINUTE + DAY;
  EXPECT(OTP_OK, create("token", KEYED));
  CHECK(messages == 5);
}

/* With sender "none" the answer holds the code, but only while it is live. */
static void same_code(void) {
  char live[sizeof code];

  open_fresh(HAND_OVER FREELY);
  EXPECT(OTP_OK, create("token", "{\"idempotencyKey\": \"k\"}"));
  strcpy(live, code);
  EXPECT(OTP_OK, create("token", "{\"idempotencyKey\": \"k\"}"));
  TEXT("code", live);
  TEXT("text", strcat(strcpy(code, "Insert the following code: "), live));
  EXPECT(OTP_OK, verify("token", live));
  EXPECT(OTP_OK, create("token", "{\"idempotencyKey\": \"k\"}"));
  NONE("code");
  NONE("text");
  NUMBER("expiresInSeconds", 0);

  EXPECT(OTP_OK, create("late", "{\"idempotencyKey\": \"k\"}"));
  now += 5 * MINUTE;
  EXPECT(OTP_OK, create("late", "{\"idempotencyKey\": \"k\"}"));
  NONE("code");
  EXPECT(OTP_OK, create("locked", "{\"idempotencyKey\": \"k\"}"));
  fail("locked", 5);
  EXPECT(OTP_OK, create("locked", "{\"idempotencyKey\": \"k\"}"));
  NUMBER("attemptsLeft", 0);
  NONE("code");
}

/* A refusal is not kept: the same key may be tried again. */
static void refusals_are_not_kept(void) {
  open_fresh(HOST ", \"policy\": {\"countries\": [\"39\"]}");
  EXPECT(OTP_OK, create("first", "{\"messengerId\": \"8192836451\"}"));
  EXPECT(OTP_RATE_LIMITED, create("token", KEYED));
  now += 30 * 1000;
  EXPECT(OTP_OK, create("token", KEYED));
  CHECK(messages == 2);
  EXPECT(OTP_REFUSED, create("abroad", "{\"phoneNumber\": \"447700900123\", \"idempotencyKey\": \"k\"}"));
  EXPECT(OTP_OK, create("abroad", "{\"messengerId\": \"1\", \"idempotencyKey\": \"k\"}"));
}

static void resent(void) {
  char first[sizeof code];

  open_fresh(HOST);
  EXPECT(OTP_UNKNOWN, resend("token"));
  EXPECT(OTP_OK, create("token", "{" PHONE "}"));
  strcpy(first, code);
  code[0] = 0;
  now += 10 * 1000;
  EXPECT(OTP_RATE_LIMITED, resend("token"));
  NUMBER("retryAfterSeconds", 20);
  now += 20 * 1000;
  fail("token", 1);
  EXPECT(OTP_OK, resend("token"));
  CHECK(strcmp(code, first) == 0 && messages == 2);
  NUMBER("expiresInSeconds", 270);
  NUMBER("attemptsLeft", 4);
  TEXT("delivery.state", "accepted");
  /* It counted: for a create of another token, too. */
  EXPECT(OTP_RATE_LIMITED, create("other", "{" PHONE "}"));
  EXPECT(OTP_OK, verify("token", first));
  EXPECT(OTP_CHECKED, resend("token"));

  now += MINUTE;
  EXPECT(OTP_OK, create("token", "{" PHONE "}"));
  EXPECT(OTP_OK, cancel("token"));
  EXPECT(OTP_CANCELLED, resend("token"));
  now += MINUTE;
  EXPECT(OTP_OK, create("token", "{" PHONE "}"));
  now += 5 * MINUTE;
  EXPECT(OTP_EXPIRED, resend("token"));
  now += MINUTE;
  EXPECT(OTP_OK, create("token", "{" PHONE "}"));
  fail("token", 5);
  EXPECT(OTP_LOCKED, resend("token"));
  TEXT("locked", "code");
  NONE("retryAfterSeconds");
  CHECK(messages == 5);
  EXPECT(OTP_UNKNOWN, resend("nobody"));
}

static void resent_to_the_host(void) {
  char first[sizeof code];

  open_fresh(HAND_OVER);
  EXPECT(OTP_OK, create("token", "{" PHONE ", \"locale\": \"it\"}"));
  strcpy(first, code);
  now += MINUTE + 1;
  EXPECT(OTP_OK, resend("token"));
  TEXT("code", first);
  TEXT("to", "393331234567");
  TEXT("channel", "sms");
  NUMBER("expiresInSeconds", 239);
  EXPECT(OTP_OK, verify("token", first));
}

static void cancelled(void) {
  open_fresh(HAND_OVER);
  EXPECT(OTP_UNKNOWN, cancel("token"));
  EXPECT(OTP_OK, create("token", NULL));
  EXPECT(OTP_OK, cancel("token"));
  EXPECT(OTP_OK, cancel("token"));
  EXPECT(OTP_OK, status("token"));
  TEXT("state", "cancelled");
  fail("token", 1);
  EXPECT(OTP_CANCELLED, verify("token", code));
  now += HOUR;
  EXPECT(OTP_OK, cancel("token"));
  EXPECT(OTP_CANCELLED, verify("token", code));
  EXPECT(OTP_OK, create("token", NULL));
  EXPECT(OTP_OK, verify("token", code));
  EXPECT(OTP_CHECKED, cancel("token"));
  EXPECT(OTP_OK, create("token", NULL));
  now += 5 * MINUTE;
  EXPECT(OTP_EXPIRED, cancel("token"));
  EXPECT(OTP_EXPIRED, verify("token", code));
  /* A locked code may still be cancelled. */
  EXPECT(OTP_OK, create("locked", NULL));
  fail("locked", 5);
  EXPECT(OTP_OK, cancel("locked"));
  EXPECT(OTP_LOCKED, verify("locked", code));
}

static void countries(void) {
  open_fresh(HOST ", \"policy\": {\"cooldownSeconds\": 0, \"sendLimits\": [],"
                  " \"countries\": [\"39\", \"44\", \"1242\"]}");
  EXPECT(OTP_OK, create("token", "{\"phoneNumber\": \"393331234567\"}"));
  EXPECT(OTP_OK, create("token", "{\"phoneNumber\": \"+44 7700 900123\"}"));
  EXPECT(OTP_OK, create("token", "{\"phoneNumber\": \"12423334567\"}"));
  EXPECT(OTP_OK, create("token", "{\"messengerId\": \"8192836451\"}"));
  messages = 0;
  EXPECT(OTP_REFUSED, create("token", "{\"phoneNumber\": \"12125551234\"}"));
  EXPECT(OTP_REFUSED, create("token", "{\"phoneNumber\": \"004915112345678\"}"));
  EXPECT(OTP_REFUSED, create("token", "{\"phoneNumber\": \"4915112345678\", \"messengerId\": \"8192836451\"}"));
  CHECK(messages == 0);
  EXPECT(OTP_OK, verify("token", code));
}

static void own_codes(void) {
  static const char *const bad[] = {"abc", "12345678901234567", "caf\xc3\xa9", "1234\\u0000", "1234\\n", "\\u007f1234"};
  char request[128];
  size_t at;

  open_fresh(HAND_OVER FREELY);
  EXPECT(OTP_E_ARGUMENT, create("token", "{" PHONE ", \"code\": \"111111\"}"));
  NAMES("code");
  open_fresh(HAND_OVER FREELY ", \"ownCodes\": true");
  for (at = 0; at < sizeof bad / sizeof bad[0]; at++) {
    snprintf(request, sizeof request, "{\"code\": \"%s\"}", bad[at]);
    EXPECT(OTP_E_ARGUMENT, create("token", request));
    NAMES("code");
  }
  EXPECT(OTP_E_ARGUMENT, create("token", "{\"code\": 123456}"));
  EXPECT(OTP_OK, create("token", "{\"code\": \"Ab 1\", \"idempotencyKey\": \"k\"}"));
  TEXT("code", "Ab 1");
  TEXT("text", "Insert the following code: Ab 1");
  EXPECT(OTP_OK, create("token", "{\"idempotencyKey\": \"k\", \"code\": \"Ab 1\"}"));
  TEXT("code", "Ab 1");
  EXPECT(OTP_E_ARGUMENT, create("token", "{\"idempotencyKey\": \"k\", \"code\": \"Ab 2\"}"));
  EXPECT(OTP_OK, resend("token"));
  TEXT("code", "Ab 1");
  EXPECT(OTP_NOT_VALID, verify("token", "ab 1"));
  EXPECT(OTP_NOT_VALID, verify("token", "Ab 1 "));
  EXPECT(OTP_OK, verify("token", "Ab 1"));
  EXPECT(OTP_CHECKED, verify("token", "Ab 1"));
  /* One that the token remembers would let an older answer pass for this one. */
  EXPECT(OTP_E_ARGUMENT, create("token", "{\"code\": \"Ab 1\"}"));
  NAMES("code");
  EXPECT(OTP_OK, create("token", "{\"code\": \"1234567890123456\"}"));
  EXPECT(OTP_CHECKED, verify("token", "Ab 1"));
  EXPECT(OTP_OK, verify("token", "1234567890123456"));
  /* Without one the library draws. */
  EXPECT(OTP_OK, create("token", NULL));
  CHECK(strlen(code) == 6);
  EXPECT(OTP_OK, verify("token", code));
  open_fresh(HAND_OVER ", \"ownCodes\": true, \"policy\": {\"profile\": \"nist\"}");
  EXPECT(OTP_E_ARGUMENT, create("token", "{\"code\": \"12345\"}"));
  EXPECT(OTP_OK, create("token", "{\"code\": \"123456\"}"));
}

int main(int count, char **arguments) {
  begin(count, arguments);
  same_request();
  same_code();
  refusals_are_not_kept();
  resent();
  resent_to_the_host();
  cancelled();
  countries();
  own_codes();
  return end();
}
