/* Creating: the arguments, the order of the checks, and what a new code does to the older ones of its token. */
#include "check.h"

#define PHONE "\"phoneNumber\": \"393331234567\""

static const char *repeat(char letter, int times) {
  static char text[20000];
  memset(text, letter, (size_t)times);
  text[times] = 0;
  return text;
}

/* A request with a phone number and one more member. */
static const char *with(const char *name, const char *text) {
  static char request[20480];
  snprintf(request, sizeof request, "{" PHONE ", \"%s\": \"%s\"}", name, text);
  return request;
}

static void refused_requests(void) {
  static const struct {
    const char *request, *names;
  } cases[] = {
      {NULL, "request"},
      {"", "request"},
      {"[]", "request"},
      {"null", "request"},
      {"{" PHONE, "request"},
      {"{" PHONE "} x", "request"},
      {"{" PHONE ",}", "request"},
      {"{}", "address"},
      {"{\"subject\": \"s\"}", "address"},
      {"{" PHONE ", \"code\": \"111111\"}", "code"},
      {"{" PHONE ", " PHONE "}", "phoneNumber"},
      {"{" PHONE ", \"phone\\u004eumber\": \"393331234567\"}", "phoneNumber"},
      {"{" PHONE ", \"x\": 1}", "x"},
      {"{" PHONE ", \"Subject\": \"s\"}", "Subject"},
      {"{" PHONE ", \"token\": \"s\"}", "token"},
      {"{" PHONE ", \"whatsapp\": \"393331234567\"}", "whatsapp"},
      {"{" PHONE ", \"email\": \"a@b@c\"}", "email"},
      {"{\"phoneNumber\": 393331234567}", "phoneNumber"},
      {"{\"phoneNumber\": \"\"}", "phoneNumber"},
      {"{\"phoneNumber\": \"123456\"}", "phoneNumber"},
      {"{\"phoneNumber\": \"1234567890123456\"}", "phoneNumber"},
      {"{\"phoneNumber\": \"0393331234567\"}", "phoneNumber"},
      {"{\"phoneNumber\": \"+44 (0)20 7946 0958\"}", "phoneNumber"},
      {"{\"phoneNumber\": \"39333123456a\"}", "phoneNumber"},
      {"{\"phoneNumber\": null}", "phoneNumber"},
      {"{\"messengerId\": \"\"}", "messengerId"},
      {"{\"messengerId\": 8192836451}", "messengerId"},
      {"{\"messengerId\": \"a\\u0000b\"}", "messengerId"},
      {"{\"messengerId\": \"a\\nb\"}", "messengerId"},
      {"{" PHONE ", \"subject\": \"\"}", "subject"},
      {"{" PHONE ", \"subject\": \"a\\u0000\"}", "subject"},
      {"{" PHONE ", \"subject\": \"\\u007f\"}", "subject"},
      {"{" PHONE ", \"subject\": \"\\ud800\"}", "request"},
      {"{" PHONE ", \"context\": \"\\u0000\"}", "context"},
      {"{" PHONE ", \"context\": 5}", "context"},
      {"{" PHONE ", \"idempotencyKey\": \"\"}", "idempotencyKey"},
      {"{" PHONE ", \"client\": \"\"}", "client"},
      {"{" PHONE ", \"locale\": \"\"}", "locale"},
      {"{" PHONE ", \"params\": \"x\"}", "params"},
      {"{" PHONE ", \"params\": {\"a\": 1}}", "params"},
      {"{" PHONE ", \"params\": {\"a\": \"1\", \"a\": \"2\"}}", "params"},
      {"{" PHONE ", \"params\": {\"code\": \"1\"}}", "params"},
      {"{" PHONE ", \"params\": {\"a b\": \"1\"}}", "params"},
  };
  static const struct {
    const char *member;
    int most;
  } lengths[] = {{"subject", 256}, {"client", 256}, {"idempotencyKey", 256}, {"locale", 35}, {"context", 4096}};
  size_t at;
  long before;

  open_fresh(HOST FREELY);
  for (at = 0; at < sizeof cases / sizeof cases[0]; at++) {
    if (!EXPECT(OTP_E_ARGUMENT, create("token", cases[at].request)) || !NAMES(cases[at].names))
      fprintf(stderr, "  %s\n", cases[at].request);
  }
  CHECK(messages == 0);
  EXPECT(OTP_UNKNOWN, status("token"));
  for (at = 0; at < sizeof lengths / sizeof lengths[0]; at++) {
    EXPECT(OTP_OK, create("long", with(lengths[at].member, repeat('x', lengths[at].most))));
    before = messages;
    EXPECT(OTP_E_ARGUMENT, create("long", with(lengths[at].member, repeat('x', lengths[at].most + 1))));
    NAMES(lengths[at].member);
    CHECK(messages == before);
  }
  EXPECT(OTP_OK, create("long", with("messengerId", repeat('1', 64))));
  EXPECT(OTP_E_ARGUMENT, create("long", with("messengerId", repeat('1', 65))));
  NAMES("messengerId");
  EXPECT(OTP_E_ARGUMENT, create("long", with("context", repeat('x', 17000))));
  NAMES("request");
}

static void tokens(void) {
  /* No two of these meet. */
  static const char *const good[] = {"a",     "a-b",  "a/b", "../a", "%2F",  "\"",   "'; DROP TABLE", "\xc3\xa9", "A",
                                     "a ",    " a",   ".",   "..",   "e\xcc\x81", "\\", "a.json", "\xf0\x9f\x98\x80"};
  static const char *const bad[] = {"",     "a\nb",  "\x01",         "\x7f",    "\xc2\x85",
                                    "\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80"};
  char codes[sizeof good / sizeof good[0]][sizeof code];
  size_t at;

  open_fresh(HAND_OVER ", \"otpLength\": 10");
  for (at = 0; at < sizeof good / sizeof good[0]; at++) {
    EXPECT(OTP_OK, create(good[at], NULL));
    TEXT("token", good[at]);
    strcpy(codes[at], code);
    EXPECT(OTP_OK, status(good[at]));
    TEXT("token", good[at]);
  }
  for (at = 0; at < sizeof good / sizeof good[0]; at++)
    EXPECT(OTP_OK, verify(good[at], codes[at]));
  for (at = 0; at < sizeof bad / sizeof bad[0]; at++) {
    EXPECT(OTP_E_ARGUMENT, create(bad[at], NULL));
    NAMES("token");
    EXPECT(OTP_E_ARGUMENT, verify(bad[at], "123456"));
    NAMES("token");
  }
  EXPECT(OTP_OK, create(repeat('t', 256), NULL));
  EXPECT(OTP_OK, verify(repeat('t', 256), code));
  EXPECT(OTP_E_ARGUMENT, create(repeat('t', 257), NULL));
  EXPECT(OTP_NOT_VALID, verify(repeat('t', 255), code));
}

static void replies(void) {
  open_fresh(HOST);
  EXPECT(OTP_OK, create("both", "{\"messengerId\": \"8192836451\", " PHONE "}"));
  NUMBER("expiresInSeconds", 300);
  NUMBER("attemptsLeft", 5);
  TEXT("delivery.via", "host");
  TEXT("delivery.channel", "messenger");
  TEXT("delivery.state", "accepted");
  NONE("code");
  NONE("text");
  NONE("message");
  NONE("locked");
  NONE("retryAfterSeconds");
  NONE("delivery.dispatchUuid");
  NONE("delivery.messageUuid");
  NONE("delivery.steps");
  CHECK(messages == 1 && strlen(code) == 6 && strspn(code, "0123456789") == 6);
  open_fresh(HOST ", \"otpLength\": 10, \"validityTime\": 0.05, \"maxAttempts\": 2");
  EXPECT(OTP_OK, create("other", "{" PHONE "}"));
  NUMBER("expiresInSeconds", 3);
  NUMBER("attemptsLeft", 2);
  TEXT("delivery.channel", "sms");
  CHECK(strlen(code) == 10);
}

/* Each check comes before the next one: a request that fails several is told the first. */
static void order(void) {
  static const char first[] = "{" PHONE ", \"subject\": \"s\", \"idempotencyKey\": \"k\"}";
  char live[sizeof code];

  open_fresh(HOST ", \"policy\": {\"countries\": [\"39\"], \"subjectFailures\": {\"lockAfter\": 1}}");
  EXPECT(OTP_OK, create("token", first));
  strcpy(live, code);
  fail("token", 1);

  EXPECT(OTP_E_ARGUMENT, create("token", "{" PHONE ", \"subject\": \"s\", \"idempotencyKey\": \"k\", \"x\": \"\"}"));
  EXPECT(OTP_OK, create("token", first));
  EXPECT(OTP_E_ARGUMENT, create("token", "{\"phoneNumber\": \"447700900123\", \"idempotencyKey\": \"k\"}"));
  NAMES("idempotencyKey");
  EXPECT(OTP_REFUSED, create("token", "{\"phoneNumber\": \"447700900123\", \"subject\": \"s\"}"));
  EXPECT(OTP_LOCKED, create("token", "{" PHONE ", \"subject\": \"s\"}"));
  TEXT("locked", "subject");
  NUMBER("retryAfterSeconds", 1800);
  NONE("delivery.via");
  EXPECT(OTP_RATE_LIMITED, create("token", "{" PHONE ", \"subject\": \"other\"}"));
  NUMBER("retryAfterSeconds", 30);
  NONE("locked");
  NONE("expiresInSeconds");
  CHECK(messages == 1);
  /* None of these touched the live code. */
  EXPECT(OTP_OK, unlock("s"));
  EXPECT(OTP_OK, verify("token", live));
}

static void replaced(void) {
  char codes[10][sizeof code];
  int at;

  open_fresh(HAND_OVER ", \"otpLength\": 10");
  for (at = 0; at < 10; at++) {
    EXPECT(OTP_OK, create("token", NULL));
    strcpy(codes[at], code);
    now += 1000;
  }
  /* Eight are remembered. */
  EXPECT(OTP_NOT_VALID, verify("token", codes[0]));
  for (at = 1; at < 9; at++)
    EXPECT(OTP_EXPIRED, verify("token", codes[at]));
  NUMBER("attemptsLeft", 4);
  EXPECT(OTP_OK, verify("token", codes[9]));

  /* Each in the state it had. */
  EXPECT(OTP_OK, create("states", NULL));
  strcpy(codes[0], code);
  EXPECT(OTP_OK, verify("states", codes[0]));
  EXPECT(OTP_OK, create("states", NULL));
  strcpy(codes[1], code);
  EXPECT(OTP_OK, cancel("states"));
  EXPECT(OTP_OK, create("states", NULL));
  strcpy(codes[2], code);
  fail("states", 3);
  EXPECT(OTP_OK, create("states", NULL));
  NUMBER("attemptsLeft", 5);
  EXPECT(OTP_CHECKED, verify("states", codes[0]));
  EXPECT(OTP_CANCELLED, verify("states", codes[1]));
  EXPECT(OTP_EXPIRED, verify("states", codes[2]));
  EXPECT(OTP_OK, verify("states", code));
}

/* All spellings of a number are one recipient. */
static void numbers(void) {
  static const char *const spellings[] = {"+393331234567", "00393331234567", "+39 333 123 4567", "(39) 333.123/4567"};
  char request[128];
  size_t at;

  open_fresh(HOST);
  EXPECT(OTP_OK, create("token", "{" PHONE "}"));
  for (at = 0; at < sizeof spellings / sizeof spellings[0]; at++) {
    snprintf(request, sizeof request, "{\"phoneNumber\": \"%s\"}", spellings[at]);
    EXPECT(OTP_RATE_LIMITED, create("another", request));
  }
  EXPECT(OTP_OK, create("another", "{\"phoneNumber\": \"393331234568\"}"));
}

int main(int count, char **arguments) {
  begin(count, arguments);
  refused_requests();
  tokens();
  replies();
  order();
  replaced();
  numbers();
  return end();
}
