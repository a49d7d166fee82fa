/* What people type, and what operators ask about them. */

#include "check.h"

static const char *const spellings[] = {
    "+39\xc2\xa0"
    "333\xc2\xa0"
    "1234567",
    "\xe2\x81\xa8+39 333 1234567\xe2\x81\xa9",
    "+39 333\xe2\x80\x91"
    "1234567",
    "tel:+39-333-1234567",
    "0039 (333) 123.4567\n",
};
static const size_t count = sizeof spellings / sizeof *spellings;

static otp_result subject(const char *text) { return otp_subject(service, text, blank(), sizeof reply); }

static otp_result resend_channel(const char *token, const char *channel) {
  return otp_resend_channel(service, token, channel, blank(), sizeof reply);
}

static otp_result not_sent(const char *token) { return otp_not_sent(service, token, blank(), sizeof reply); }

static otp_result create_for(const char *token, const char *number) {
  char request[512] = "";
  if (otp_request_text(request, sizeof request, "phoneNumber", number) != OTP_OK)
    return OTP_E_INTERNAL;
  return create(token, request);
}

/* Each is one recipient, with one set of limits. */
static void numbers(void) {
  char token[16];
  size_t at;
  open_fresh(HAND_OVER ", \"policy\": {\"cooldownSeconds\": 0, \"sendLimits\": [{\"count\": 5, \"minutes\": 10}]}");
  for (at = 0; at < count; at++) {
    snprintf(token, sizeof token, "t%u", (unsigned)at);
    EXPECT(OTP_OK, create_for(token, spellings[at]));
    TEXT("to", "393331234567");
  }
  EXPECT(OTP_RATE_LIMITED, create_for("more", "393331234567"));
  EXPECT(OTP_E_ARGUMENT, create_for("t", "+44 07911 123456"));
  NAMES("without a 0 after its calling code");
  EXPECT(OTP_E_ARGUMENT, create_for("t", "+44 ( 0 ) 7911 123456"));
  EXPECT(OTP_E_ARGUMENT, create_for("t", "+44 (07911) 123456"));
  EXPECT(OTP_E_ARGUMENT, create_for("t", "+49 0176 12345678"));
  EXPECT(OTP_E_ARGUMENT, create_for("t", "3331234567"));
  EXPECT(OTP_OK, create_for("rome", "+39 06 1234 5678"));
  TEXT("to", "390612345678");

  open_fresh(HAND_OVER ", \"defaultCountry\": \"39\"" FREELY);
  EXPECT(OTP_OK, create_for("t", "3331234567"));
  TEXT("to", "393331234567");
}

/* OTP_OK says what was done, or that there was nothing. */
static void operators(void) {
  size_t at;
  for (at = 0; at < count; at++) {
    open_fresh(HAND_OVER);
    EXPECT(OTP_OK, create("token", "{\"phoneNumber\": \"393331234567\"}"));
    EXPECT(OTP_NOT_VALID, verify("token", wrong()));
    EXPECT(OTP_OK, subject(spellings[at]));
    NUMBER("failures", 1);
    NONE("locked");
    EXPECT(OTP_OK, unlock(spellings[at]));
    NUMBER("found", 1);
    EXPECT(OTP_OK, unlock(spellings[at]));
    NUMBER("found", 0);
    EXPECT(OTP_OK, subject(spellings[at]));
    NUMBER("failures", 0);
    EXPECT(OTP_OK, erase(spellings[at]));
    NUMBER("found", 1);
    EXPECT(OTP_OK, erase(spellings[at]));
    NUMBER("found", 0);
    EXPECT(OTP_UNKNOWN, status("token"));
  }
  EXPECT(OTP_E_ARGUMENT, erase("+39 12"));
  EXPECT(OTP_E_ARGUMENT, unlock("tel:1"));
  EXPECT(OTP_E_ARGUMENT, subject("+"));
}

static void locked(void) {
  open_fresh(HAND_OVER ", \"policy\": {\"subjectFailures\": {\"lockAfter\": 1, \"disableAfter\": 2}}");
  EXPECT(OTP_OK, create("token", "{\"subject\": \"alice\"}"));
  EXPECT(OTP_NOT_VALID, verify("token", wrong()));
  EXPECT(OTP_OK, subject("alice"));
  TEXT("locked", "subject");
  NUMBER("retryAfterSeconds", 1800);
  now += HOUR;
  EXPECT(OTP_OK, create("token", "{\"subject\": \"alice\"}"));
  EXPECT(OTP_NOT_VALID, verify("token", wrong()));
  EXPECT(OTP_OK, subject("alice"));
  TEXT("locked", "disabled");
  NONE("retryAfterSeconds");
}

static void another_channel(void) {
  static const char *const both = "{\"messengerId\": \"8192836451\", \"phoneNumber\": \"393331234567\"}";
  open_fresh(HAND_OVER FREELY);
  EXPECT(OTP_OK, create("token", both));
  TEXT("channel", "messenger");
  EXPECT(OTP_OK, resend_channel("token", "sms"));
  TEXT("channel", "sms");
  EXPECT(OTP_E_ARGUMENT, resend_channel("token", "pigeon"));
  EXPECT(OTP_OK, create("one", "{\"messengerId\": \"8192836451\", \"phoneNumber\": \"393331234567\", \"channels\": [\"sms\"]}"));
  TEXT("channel", "sms");
  EXPECT(OTP_E_ARGUMENT, resend_channel("one", "messenger"));
  EXPECT(OTP_E_ARGUMENT, create("two", "{\"phoneNumber\": \"393331234567\", \"channels\": [\"messenger\"]}"));

  open_fresh(HAND_OVER);
  EXPECT(OTP_OK, create("token", both));
  EXPECT(OTP_OK, not_sent("token"));
  TEXT("channel", "sms");
  EXPECT(OTP_E_SEND, not_sent("token"));
  EXPECT(OTP_E_ARGUMENT, not_sent("token"));
  EXPECT(OTP_UNKNOWN, not_sent("nobody"));
}

static void accepted(void) {
  open_fresh(HAND_OVER ", \"accept\": [\"messengerId\", \"phoneNumber\"]");
  EXPECT(OTP_OK, create("token", "{\"phoneNumber\": \"393331234567\"}"));
  EXPECT(OTP_E_ARGUMENT, create("token", "{\"phoneNumber\": \"393331234568\", \"subject\": \"mallory\"}"));
  NAMES("subject");
}

static void params(void) {
  char request[256] = "";
  open_fresh(HAND_OVER ", \"message\": \"{code} for {shop}\"");
  EXPECT(OTP_OK, create("unused", "{\"params\": {\"shop\": \"x\"}}"));
  CHECK(otp_request_param(request, sizeof request, "shop", "Ann's \"shop\"") == OTP_OK);
  CHECK(otp_request_text(request, sizeof request, "phoneNumber", "393331234567") == OTP_OK);
  CHECK(otp_request_param(request, sizeof request, "more", "x") == OTP_OK);
  CHECK(otp_request_param(request, sizeof request, "shop", "twice") == OTP_E_ARGUMENT);
  EXPECT(OTP_OK, create("token", request));
  CHECK(strstr(member("text"), " for Ann's \"shop\"") != NULL);
}

int main(int argc, char **argv) {
  begin(argc, argv);
  numbers();
  operators();
  locked();
  another_channel();
  accepted();
  params();
  return end();
}
