/* The table of results, the versions, and the functions that read replies and write requests. */
#include "check.h"

static const struct {
  otp_result result;
  int32_t number, http;
  const char *name, *message;
} RESULTS[] = {
    {OTP_OK, 0, 200, "OTP_OK", "OK"},
    {OTP_NOT_VALID, 1, 404, "OTP_NOT_VALID", "Not found"},
    {OTP_CHECKED, 2, 409, "OTP_CHECKED", "The code has already been verified"},
    {OTP_EXPIRED, 3, 410, "OTP_EXPIRED", "The code is expired"},
    {OTP_LOCKED, 4, 429, "OTP_LOCKED", "Too many wrong codes"},
    {OTP_RATE_LIMITED, 5, 429, "OTP_RATE_LIMITED", "Too many codes requested"},
    {OTP_CANCELLED, 6, 410, "OTP_CANCELLED", "The code was cancelled"},
    {OTP_REFUSED, 7, 403, "OTP_REFUSED", "The recipient is not allowed"},
    {OTP_UNKNOWN, 8, 404, "OTP_UNKNOWN", "There is no such request"},
    /* Of a failure the sentence is the library's to choose. */
    {OTP_E_ARGUMENT, -1, 400, "OTP_E_ARGUMENT", NULL},
    {OTP_E_CONFIG, -2, 500, "OTP_E_CONFIG", NULL},
    {OTP_E_STORE, -3, 503, "OTP_E_STORE", NULL},
    {OTP_E_BUSY, -4, 503, "OTP_E_BUSY", NULL},
    {OTP_E_SEND, -5, 502, "OTP_E_SEND", NULL},
    {OTP_E_IN_DOUBT, -6, 502, "OTP_E_IN_DOUBT", NULL},
    {OTP_E_SIGNATURE, -7, 401, "OTP_E_SIGNATURE", NULL},
    {OTP_E_UNSIGNED, -8, 503, "OTP_E_UNSIGNED", NULL},
    {OTP_E_RANDOM, -9, 500, "OTP_E_RANDOM", NULL},
    {OTP_E_UNSUPPORTED, -10, 500, "OTP_E_UNSUPPORTED", NULL},
    {OTP_E_INTERNAL, -11, 500, "OTP_E_INTERNAL", NULL},
};

static void results(void) {
  static const otp_result others[] = {9, -12, 100, -100, INT32_MAX, INT32_MIN};
  size_t at;

  for (at = 0; at < sizeof RESULTS / sizeof RESULTS[0]; at++) {
    const char *text = otp_result_message(RESULTS[at].result);
    CHECK(RESULTS[at].result == RESULTS[at].number);
    CHECK(strcmp(otp_result_name(RESULTS[at].result), RESULTS[at].name) == 0);
    CHECK(otp_result_http_status(RESULTS[at].result) == RESULTS[at].http);
    CHECK(RESULTS[at].message != NULL ? strcmp(text, RESULTS[at].message) == 0 : strlen(text) > 0 && strlen(text) < 80);
  }
  for (at = 0; at < sizeof others / sizeof others[0]; at++) {
    CHECK(strcmp(otp_result_name(others[at]), "OTP_UNKNOWN_RESULT") == 0);
    CHECK(strcmp(otp_result_message(others[at]), "The code is invalid for unknown reason") == 0);
    CHECK(otp_result_http_status(others[at]) == 404);
  }
}

static void versions(void) {
  CHECK(strcmp(otp_version(), "0.1.0") == 0);
  CHECK(otp_abi_version() == OTP_ABI_VERSION);
  CHECK(OTP_REPLY_SIZE == 4096);
  CHECK(OTP_LOG_ERROR == 1 && OTP_LOG_WARNING == 2 && OTP_LOG_INFO == 3 && OTP_LOG_DEBUG == 4);
}

static const char SAMPLE[] =
    "{\"n\": 7, \"negative\": -3, \"yes\": true, \"no\": false, \"text\": \"a\\u00e9\\n\\\"z\", \"half\": 1.5,"
    " \"most\": 9223372036854775807, \"more\": 9223372036854775808, \"nothing\": null, \"digits\": \"12\","
    " \"in\": {\"deep\": {\"er\": \"x\"}, \"list\": [{\"a\": 1}, {\"a\": 2}, [3, 4]]}, \"\": \"empty\"}";

static void integers(void) {
  static const struct {
    const char *field;
    int64_t number;
  } cases[] = {
      {"n", 7},          {"negative", -3},     {"yes", 1},          {"no", 0},           {"most", INT64_MAX},
      {"in.list.1.a", 2}, {"in.list.2.0", 3},  {"text", 99},        {"half", 99},        {"more", 99},
      {"nothing", 99},   {"digits", 99},       {"in", 99},          {"in.list", 99},     {"absent", 99},
      {"in.list.3.a", 99}, {"in.list.x.a", 99}, {"in.list.-1", 99}, {"n.n", 99},         {"in.deep.er.x", 99},
      {".", 99},         {"in..deep", 99},     {"N", 99},
  };
  size_t at;

  for (at = 0; at < sizeof cases / sizeof cases[0]; at++) {
    int64_t number = otp_reply_integer(SAMPLE, cases[at].field, 99);
    if (!CHECK(number == cases[at].number))
      fprintf(stderr, "  %s: %" PRId64 "\n", cases[at].field, number);
  }
  CHECK(otp_reply_integer(NULL, "n", 99) == 99 && otp_reply_integer(SAMPLE, NULL, 98) == 98);
  CHECK(otp_reply_integer("{\"n\": 7", "n", 99) == 99 && otp_reply_integer("", "n", 99) == 99);
  CHECK(otp_reply_integer("{\"n\": 7} x", "n", 99) == 99 && otp_reply_integer("\xff", "n", 99) == 99);
  CHECK(otp_reply_integer(SAMPLE, "\xff", INT64_MIN) == INT64_MIN);
}

static void texts(void) {
  static const struct {
    const char *field, *text;
  } cases[] = {
      {"n", "7"},          {"negative", "-3"}, {"yes", "true"}, {"no", "false"}, {"text", "a\xc3\xa9\n\"z"},
      {"half", "1.5"},     {"more", "9223372036854775808"},     {"digits", "12"}, {"in.deep.er", "x"},
      {"in.list.0.a", "1"}, {"nothing", ""},   {"in", ""},      {"in.list", ""}, {"absent", ""}, {"", "empty"},
  };
  size_t at;
  char text[64];

  for (at = 0; at < sizeof cases / sizeof cases[0]; at++) {
    size_t length = otp_reply_text(SAMPLE, cases[at].field, text, sizeof text);
    if (!CHECK(strcmp(text, cases[at].text) == 0 && length == strlen(cases[at].text)))
      fprintf(stderr, "  %s: %s\n", cases[at].field, text);
  }
  /* Cut at a character, never written past the size, and the whole length told: as snprintf does. */
  for (at = 0; at <= 7; at++) {
    static const char *const cut[] = {"", "", "a", "a", "a\xc3\xa9", "a\xc3\xa9\n", "a\xc3\xa9\n\"", "a\xc3\xa9\n\"z"};
    memset(text, '#', sizeof text);
    CHECK(otp_reply_text(SAMPLE, "text", text, at) == 6);
    CHECK(at == 0 ? text[0] == '#' : strcmp(text, cut[at]) == 0);
    CHECK(text[at] == '#' && text[at + 1] == '#');
  }
  CHECK(otp_reply_text(SAMPLE, "text", NULL, 0) == 6 && otp_reply_text(SAMPLE, "text", NULL, 9) == 6);
  strcpy(text, "full");
  CHECK(otp_reply_text(NULL, "n", text, sizeof text) == 0 && text[0] == 0);
  strcpy(text, "full");
  CHECK(otp_reply_text(SAMPLE, NULL, text, sizeof text) == 0 && text[0] == 0);
  strcpy(text, "{\"n\": \"in place\"}");
  CHECK(otp_reply_text(text, "n", text, sizeof text) == 8 && strcmp(text, "in place") == 0);
}

static void requests(void) {
  char request[64] = "", full[sizeof request];
  size_t size;

  CHECK(otp_request_text(request, sizeof request, "a.b", "1") == OTP_OK);
  CHECK(strcmp(request, "{\"a.b\":\"1\"}") == 0);
  CHECK(otp_request_text(request, sizeof request, "\"", "\\\n\x01\xc3\xa9") == OTP_OK);
  CHECK(strcmp(request, "{\"a.b\":\"1\",\"\\\"\":\"\\\\\\n\\u0001\xc3\xa9\"}") == 0);
  CHECK(otp_request_text(request, sizeof request, "", "") == OTP_OK);
  strcpy(full, request);
  CHECK(otp_request_text(request, sizeof request, "a.b", "2") == OTP_E_ARGUMENT);
  CHECK(otp_request_text(request, sizeof request, NULL, "2") == OTP_E_ARGUMENT);
  CHECK(otp_request_text(request, sizeof request, "c", NULL) == OTP_E_ARGUMENT);
  CHECK(otp_request_text(request, sizeof request, "c", "\xff") == OTP_E_ARGUMENT);
  CHECK(otp_request_text(request, sizeof request, "\xc3", "") == OTP_E_ARGUMENT);
  CHECK(otp_request_text(request, 0, "c", "2") == OTP_E_ARGUMENT);
  CHECK(otp_request_text(request, 5, "c", "2") == OTP_E_ARGUMENT);
  CHECK(otp_request_text(NULL, sizeof request, "c", "2") == OTP_E_ARGUMENT);
  CHECK(strcmp(request, full) == 0);
  /* `{"k":"v"}` and its end take ten bytes. */
  for (size = 0; size <= 10; size++) {
    memset(request, '#', sizeof request);
    request[0] = 0;
    CHECK(otp_request_text(request, size, "k", "v") == (size < 10 ? OTP_E_ARGUMENT : OTP_OK));
    CHECK(request[size < 10 ? 1 : 10] == '#' && (size == 10 || request[0] == 0));
  }
  for (size = 0; size < 3; size++) {
    static const char *const others[] = {"[]", "{\"a\":", "x"};
    strcpy(request, others[size]);
    CHECK(otp_request_text(request, sizeof request, "k", "v") == OTP_E_ARGUMENT && strcmp(request, others[size]) == 0);
  }
  strcpy(request, "{ }");
  CHECK(otp_request_text(request, sizeof request, "k", "v") == OTP_OK && strchr(request, ',') == NULL);
}

int main(void) {
  results();
  versions();
  integers();
  texts();
  requests();
  return end();
}
