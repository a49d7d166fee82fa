/* Delivery: what a message holds, failover, doubt, the texts, and the senders "host", "none" and "console". */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <unistd.h>

#define PHONE "\"phoneNumber\": \"393331234567\""
#define BOTH "\"messengerId\": \"8192836451\", " PHONE

static const char SMS[] = "{" PHONE "}";

/* What the sender answers for each step, by its first letter, and which steps it saw. */
static int32_t for_messenger, for_sms;
static char seen[64], last[OTP_REPLY_SIZE];

static int32_t answer(void *user_data, const char *text) {
  char channel[40];
  (void)user_data;
  otp_reply_text(text, "channel", channel, sizeof channel);
  otp_reply_text(text, "code", code, sizeof code);
  snprintf(last, sizeof last, "%s", text);
  if (strlen(seen) + 2 < sizeof seen)
    strncat(seen, channel, 1);
  return channel[0] == 'm' ? for_messenger : for_sms;
}

static void open_host(const char *members, int32_t messenger, int32_t sms) {
  open_fresh(members);
  CHECK(otp_on_send(service, answer, NULL, NULL) == OTP_OK);
  for_messenger = messenger;
  for_sms = sms;
  seen[0] = 0;
}

static void failover(void) {
  open_host(HOST, 2, 1);
  EXPECT(OTP_OK, create("token", "{" BOTH "}"));
  CHECK(strcmp(seen, "ms") == 0);
  TEXT("delivery.channel", "sms");
  TEXT("delivery.state", "accepted");
  EXPECT(OTP_OK, status("token"));
  TEXT("delivery.steps.0.channel", "messenger");
  TEXT("delivery.steps.0.status", "failed");
  TEXT("delivery.steps.1.channel", "sms");
  TEXT("delivery.steps.1.status", "accepted");
  NONE("delivery.steps.2.channel");
  EXPECT(OTP_OK, verify("token", code));
  /* It counted once for each address, and only once. */
  now += 30 * 1000;
  EXPECT(OTP_OK, create("token", SMS));

  open_host(HOST, 1, 1);
  EXPECT(OTP_OK, create("token", "{" BOTH "}"));
  CHECK(strcmp(seen, "m") == 0);
}

/* Certainly not sent: the code is cancelled, its key free again; but it was counted. */
static void not_sent(void) {
  open_host(HOST, 2, 2);
  EXPECT(OTP_E_SEND, create("token", "{" BOTH ", \"idempotencyKey\": \"k\"}"));
  CHECK(strcmp(seen, "ms") == 0);
  TEXT("delivery.state", "failed");
  EXPECT(OTP_CANCELLED, verify("token", code));
  EXPECT(OTP_OK, status("token"));
  TEXT("state", "cancelled");
  EXPECT(OTP_RATE_LIMITED, create("token", "{" BOTH ", \"idempotencyKey\": \"k\"}"));
  now += 30 * 1000;
  for_sms = 1;
  EXPECT(OTP_OK, create("token", "{" BOTH ", \"idempotencyKey\": \"k\"}"));
  EXPECT(OTP_OK, verify("token", code));
}

/* In doubt the code stays good, and no further step is tried. */
static void in_doubt(void) {
  static const int32_t answers[] = {0, 3, -1, INT32_MIN};
  size_t at;

  for (at = 0; at < sizeof answers / sizeof answers[0]; at++) {
    open_host(HOST, answers[at], 1);
    EXPECT(OTP_E_IN_DOUBT, create("token", "{" BOTH ", \"idempotencyKey\": \"k\"}"));
    CHECK(strcmp(seen, "m") == 0);
    TEXT("delivery.state", "in_doubt");
    NUMBER("expiresInSeconds", 300);
    EXPECT(OTP_E_IN_DOUBT, create("token", "{" BOTH ", \"idempotencyKey\": \"k\"}"));
    CHECK(strcmp(seen, "m") == 0);
    EXPECT(OTP_OK, status("token"));
    TEXT("state", "pending");
    TEXT("delivery.steps.0.status", "in_doubt");
    EXPECT(OTP_OK, verify("token", code));
  }
}

static void failed_resend(void) {
  char first[sizeof code];

  open_host(HOST FREELY, 1, 1);
  EXPECT(OTP_OK, create("token", "{" BOTH "}"));
  strcpy(first, code);
  for_messenger = for_sms = 2;
  EXPECT(OTP_E_SEND, resend("token"));
  CHECK(strcmp(seen, "mms") == 0 && strcmp(first, code) == 0);
  EXPECT(OTP_OK, status("token"));
  TEXT("state", "pending");
  TEXT("delivery.state", "failed");
  for_messenger = 9;
  EXPECT(OTP_E_IN_DOUBT, resend("token"));
  EXPECT(OTP_OK, verify("token", code));
}

static void no_function(void) {
  open_fresh(HOST);
  CHECK(otp_on_send(service, NULL, NULL, NULL) == OTP_OK);
  EXPECT(OTP_E_UNSUPPORTED, create("token", SMS));
  EXPECT(OTP_UNKNOWN, status("token"));
  CHECK(otp_on_send(service, take_message, NULL, NULL) == OTP_OK);
  EXPECT(OTP_OK, create("token", SMS));
  open_fresh(HAND_OVER);
  CHECK(otp_on_send(service, answer, NULL, NULL) == OTP_E_UNSUPPORTED);
  CHECK(otp_create(service, "token", SMS, NULL, 0) == OTP_E_ARGUMENT);
  CHECK(otp_resend(service, "token", NULL, 0) == OTP_E_ARGUMENT);
  EXPECT(OTP_UNKNOWN, status("token"));
}

static void messages_have_members(void) {
  char expected[512], reference[101];

  open_host(HOST ", \"workflow\": [{\"channel\": \"email\", \"template\": \"mail {code}\"},"
                 " {\"channel\": \"sms\", \"from\": \"ACME\"}],"
                 " \"message\": {\"it\": \"Codice {code}\", \"en\": \"Code {code}\"}",
            1, 2);
  EXPECT(OTP_E_SEND, create("t/1", "{" PHONE ", \"locale\": \"it-CH\"}"));
  CHECK(otp_reply_text(last, "clientRef", reference, sizeof reference) > 0);
  snprintf(expected, sizeof expected,
           "{\"token\":\"t/1\",\"channel\":\"sms\",\"to\":\"393331234567\",\"from\":\"ACME\",\"text\":\"Codice %s\","
           "\"code\":\"%s\",\"expiresInSeconds\":300,\"locale\":\"it\","
           "\"clientRef\":\"%s\"}",
           code, code, reference);
  if (!CHECK(strcmp(last, expected) == 0))
    fprintf(stderr, "  %s\n  %s\n", last, expected);
  for_sms = 1;
  EXPECT(OTP_OK, create("t/1", "{\"email\": \"a@b.example\"}"));
  CHECK(otp_reply_text(last, "from", expected, sizeof expected) == 0 && strstr(last, "\"from\":\"\"") != NULL);
  CHECK(otp_reply_text(last, "text", expected, sizeof expected) == 11 && strncmp(expected, "mail ", 5) == 0);
  CHECK(otp_reply_text(last, "to", expected, sizeof expected) == 11 && strcmp(expected, "a@b.example") == 0);

  /* With sender "none" the reply holds the same, of the first step that can be taken. */
  open_fresh(HAND_OVER FREELY);
  EXPECT(OTP_OK, create("token", "{" BOTH "}"));
  TEXT("token", "token");
  TEXT("channel", "messenger");
  TEXT("to", "8192836451");
  CHECK(strstr(reply, "\"from\":\"\"") != NULL);
  NONE("locale");
  NUMBER("expiresInSeconds", 300);
  TEXT("delivery.via", "none");
  TEXT("delivery.state", "accepted");
  EXPECT(OTP_OK, create("other", SMS));
  TEXT("channel", "sms");
  TEXT("to", "393331234567");
  EXPECT(OTP_OK, create("third", NULL));
  TEXT("channel", "messenger");
  CHECK(strstr(reply, "\"to\":\"\"") != NULL);
}

static void texts(void) {
  static const struct {
    const char *request, *text;
  } cases[] = {
      {"{\"locale\": \"de\"}", "ACME: #"},
      {"{\"locale\": \"it\"}", "it # 5 {x"},
      {"{\"locale\": \"IT_ch\"}", "it # 5 {x"},
      {"{\"locale\": \"pt-BR-x\", \"params\": {\"who\": \"{code} \\\"A\\\"\"}}", "{code} \"A\" {#}"},
      {"{\"locale\": \"zz\"}", "ACME: #"},
      {"{}", "ACME: #"},
  };
  char expected[256];
  size_t at;

  open_fresh(HAND_OVER FREELY ", \"brand\": \"ACME\", \"message\": {\"it\": \"it {code} {minutes} {x\","
                              " \"pt-BR\": \"{who} {{code}}\", \"en\": \"{brand}: {code}\"}");
  for (at = 0; at < sizeof cases / sizeof cases[0]; at++) {
    const char *mark = strchr(cases[at].text, '#');
    EXPECT(OTP_OK, create("token", cases[at].request));
    snprintf(expected, sizeof expected, "%.*s%s%s", (int)(mark - cases[at].text), cases[at].text, code, mark + 1);
    TEXT("text", expected);
  }
  /* A placeholder without a value, before anything is drawn. */
  EXPECT(OTP_E_ARGUMENT, create("none", "{\"locale\": \"pt-BR\"}"));
  NAMES("who");
  EXPECT(OTP_UNKNOWN, status("none"));
  open_fresh(HAND_OVER ", \"webOtpDomain\": \"app.example\"");
  EXPECT(OTP_OK, create("token", SMS));
  snprintf(expected, sizeof expected, "Insert the following code: %s\n@app.example #%s", code, code);
  TEXT("text", expected);
  open_fresh(HAND_OVER ", \"validityTime\": 1.5, \"message\": \"{minutes} min {code}\"");
  EXPECT(OTP_OK, create("token", NULL));
  CHECK(strncmp(member("text"), "2 min ", 6) == 0);
}

/* Quotes, as JSON holds them. */
static const char *quotes(int count) {
  static char texts[4][513];
  static int turn;
  char *text = texts[turn++ % 4];
  int at;

  for (at = 0; at < count; at++)
    memcpy(text + 2 * at, "\\\"", 2);
  text[2 * count] = 0;
  return text;
}

/* The longest text and the longest token, all of it escaped, leave a whole reply; one byte more is refused before. */
static void longest_reply(void) {
  static const char format[] = "{" BOTH ", \"params\": {\"a\": \"%s\", \"b\": \"%s\", \"c\": \"%s\", \"d\": \"%s\"}}";
  char request[2600], token[257];

  memset(token, '"', 256);
  token[256] = 0;
  open_fresh(HAND_OVER ", \"message\": \"{code}{a}{b}{c}{d}\"");
  /* 2,000 bytes: six digits, and 997 quotes of two. */
  snprintf(request, sizeof request, format, quotes(256), quotes(256), quotes(256), quotes(230));
  EXPECT(OTP_E_ARGUMENT, create(token, request));
  EXPECT(OTP_UNKNOWN, status(token));
  snprintf(request, sizeof request, format, quotes(256), quotes(256), quotes(256), quotes(229));
  EXPECT(OTP_OK, create(token, request));
  TEXT("token", token);
  CHECK(strlen(member("text")) == 6 + 997 && reply[strlen(reply) - 1] == '}');
  NONE("shortened");
  EXPECT(OTP_OK, verify(token, code));
}

/* The console is standard error as it was when the service was opened. */
static void console(void) {
  FILE *file = tmpfile();
  int saved = dup(2);
  char line[256] = "";

  CHECK(file != NULL && saved >= 0 && dup2(fileno(file), 2) == 2);
  open_fresh(", \"sender\": {\"type\": \"console\"}");
  CHECK(dup2(saved, 2) == 2 && close(saved) == 0);
  EXPECT(OTP_OK, create("token", "{" BOTH "}"));
  TEXT("delivery.via", "console");
  TEXT("delivery.channel", "messenger");
  TEXT("delivery.state", "accepted");
  NONE("code");
  rewind(file);
  CHECK(fgets(line, sizeof line, file) != NULL);
  CHECK(strncmp(line, "[messenger to 8192836451] Insert the following code: ", 53) == 0);
  CHECK(strlen(line) == 53 + 6 + 1 && line[59] == '\n' && fgets(code, sizeof code, file) == NULL);
  line[59] = 0;
  EXPECT(OTP_OK, verify("token", line + 53));
  CHECK(fclose(file) == 0);
}

int main(int count, char **arguments) {
  begin(count, arguments);
  failover();
  not_sent();
  in_doubt();
  failed_resend();
  no_function();
  messages_have_members();
  texts();
  longest_reply();
  console();
  return end();
}
