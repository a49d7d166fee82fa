/* Configuration: what is refused and named, what is not provided yet, profiles, warnings, and the defaults. */
#include "check.h"

static otp_result open_with(const char *config) {
  shut();
  return otp_open(config, &service, reply, sizeof reply);
}

/* Opens in memory with these members. */
static otp_result open_members(const char *members) {
  char config[2048];
  snprintf(config, sizeof config, "{\"repository\": \"memory:\", \"sender\": {\"type\": \"none\"}, %s}", members);
  return open_with(config);
}

static int warns(const char *text) {
  char field[32];
  int at;

  for (at = 0; at < 20; at++) {
    snprintf(field, sizeof field, "warnings.%d", at);
    if (strstr(member(field), text) != NULL)
      return 1;
  }
  return 0;
}

static void refused(void) {
  static const struct {
    const char *members, *names;
  } cases[] = {
      {"\"x\": 1", "x"},
      {"\"namespace\": \"a\", \"namespace\": \"b\"", "namespace"},
      {"\"namespace\": \"\"", "namespace"},
      {"\"namespace\": \"a\\u0000\"", "namespace"},
      {"\"otpLength\": 3", "otpLength"},
      {"\"otpLength\": 11", "otpLength"},
      {"\"otpLength\": 6.5", "otpLength"},
      {"\"otpLength\": \"6\"", "otpLength"},
      {"\"otpLength\": null", "otpLength"},
      {"\"validityTime\": 0", "validityTime"},
      {"\"validityTime\": 0.01", "validityTime"},
      {"\"validityTime\": -1", "validityTime"},
      {"\"validityTime\": 1441", "validityTime"},
      {"\"validityTime\": 1e400", "config"},
      {"\"maxAttempts\": 0", "maxAttempts"},
      {"\"maxAttempts\": 11", "maxAttempts"},
      {"\"policy\": []", "policy"},
      {"\"policy\": {\"x\": 1}", "x"},
      {"\"policy\": {\"profile\": \"none\"}", "profile"},
      {"\"policy\": {\"cooldownSeconds\": 3601}", "cooldownSeconds"},
      {"\"policy\": {\"cooldownSeconds\": -1}", "cooldownSeconds"},
      {"\"policy\": {\"sendLimits\": [{\"count\": 0, \"minutes\": 1}]}", "count"},
      {"\"policy\": {\"sendLimits\": [{\"count\": 1001, \"minutes\": 1}]}", "count"},
      {"\"policy\": {\"sendLimits\": [{\"count\": 1, \"minutes\": 1441}]}", "minutes"},
      {"\"policy\": {\"sendLimits\": [{\"count\": 1}]}", "minutes"},
      {"\"policy\": {\"sendLimits\": {}}", "sendLimits"},
      {"\"policy\": {\"subjectFailures\": {\"lockAfter\": 0}}", "lockAfter"},
      {"\"policy\": {\"subjectFailures\": {\"lockAfter\": 101}}", "lockAfter"},
      {"\"policy\": {\"subjectFailures\": {\"lockMinutes\": 1441}}", "lockMinutes"},
      {"\"policy\": {\"subjectFailures\": {\"disableAfter\": 101}}", "disableAfter"},
      {"\"policy\": {\"retentionMinutes\": 43201}", "retentionMinutes"},
      {"\"policy\": {\"countries\": [\"x\"]}", "countries"},
      {"\"policy\": {\"countries\": [39]}", "countries"},
      {"\"policy\": {\"countries\": \"39\"}", "countries"},
      {"\"message\": \"no code\"", "message"},
      {"\"message\": \"{brand} {code}\"", "brand"},
      {"\"message\": {\"en\": \"{code}\", \"it\": \"\"}", "it"},
      {"\"message\": {}", "message"},
      {"\"webOtpDomain\": \"a b\"", "webOtpDomain"},
      {"\"androidHash\": \"short\"", "androidHash"},
      {"\"ownCodes\": 1", "ownCodes"},
      {"\"durability\": \"none\"", "durability"},
      {"\"key\": \"QUFB\"", "key"},
      {"\"key\": \"!\"", "key"},
      {"\"previousKeys\": \"x\"", "previousKeys"},
      {"\"workflow\": []", "workflow"},
      {"\"workflow\": [{\"channel\": \"sms\"}, {\"channel\": \"sms\"}, {\"channel\": \"sms\"}, {\"channel\": \"sms\"},"
       " {\"channel\": \"sms\"}, {\"channel\": \"sms\"}]", "workflow"},
      {"\"workflow\": [{\"from\": \"x\"}]", "channel"},
      {"\"workflow\": [{\"channel\": \"subject\"}]", "channel"},
      {"\"workflow\": [{\"channel\": \"sms\", \"expiryTime\": 0}]", "expiryTime"},
      {"\"workflow\": [{\"channel\": \"sms\", \"conditionStatus\": \"sent\"}]", "conditionStatus"},
      {"\"background\": 1", "background"},
      {"\"webhook\": {\"maxAgeSeconds\": 5}", "signatureSecret"},
  };
  static const char *const no_objects[] = {"", " ", "[]", "null", "{", "{} {}", "{\"a\"}", "{'a': 1}", "// x"};
  static const struct {
    const char *config, *names;
  } whole[] = {
      {"{\"repository\": \"\"}", "repository"},
      {"{\"repository\": \"memory\"}", "repository"},
      {"{\"repository\": \"memory:x\"}", "repository"},
      {"{\"repository\": \"sqlite:\"}", "repository"},
      {"{\"repository\": \"mysql://host\"}", "repository"},
      {"{\"repository\": 1}", "repository"},
      {"{\"repository\": \"memory:\", \"sender\": {\"type\": \"fax\"}}", "type"},
      {"{\"repository\": \"memory:\", \"sender\": {}}", "type"},
      {"{\"repository\": \"memory:\", \"sender\": \"none\"}", "sender"},
      {"{\"repository\": \"memory:\", \"sender\": {\"type\": \"none\", \"apiKey\": \"x\"}}", "apiKey"},
      {"{\"repository\": \"memory:\", \"sender\": {\"type\": \"none\", \"timeoutSeconds\": 121}}", "timeoutSeconds"},
      {"{\"repository\": \"redis://host\"}", "key"},
  };
  size_t at;

  for (at = 0; at < sizeof cases / sizeof cases[0]; at++) {
    if (!EXPECT(OTP_E_CONFIG, open_members(cases[at].members)) || !NAMES(cases[at].names) || !CHECK(service == NULL))
      fprintf(stderr, "  %s\n", cases[at].members);
  }
  for (at = 0; at < sizeof no_objects / sizeof no_objects[0]; at++)
    EXPECT(OTP_E_CONFIG, open_with(no_objects[at]));
  for (at = 0; at < sizeof whole / sizeof whole[0]; at++) {
    if (!EXPECT(OTP_E_CONFIG, open_with(whole[at].config)) || !NAMES(whole[at].names))
      fprintf(stderr, "  %s\n", whole[at].config);
  }
}

/* A policy with a profile, or without, and an option that belongs into it, or beside it. */
static const char *with_profile(const char *profile, const char *option) {
  static char members[256];
  const char *format = strstr(option, "subjectFailures") != NULL ? "\"policy\": {\"profile\": \"%s\", %s}"
                                                                  : "\"policy\": {\"profile\": \"%s\"}, %s";
  snprintf(members, sizeof members, format, profile, option);
  return members;
}

/* Right, and nobody is there; or not provided by this build. Either way it is named. */
static void servers(void) {
  static const char key[] = "\"key\": \"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\"";
  static const char *const urls[] = {"redis://127.0.0.1:1", "rediss://127.0.0.1:1/2", "postgres://user@127.0.0.1:1/name"};
  char config[512];
  size_t i;

  for (i = 0; i < sizeof urls / sizeof *urls; i++) {
    otp_result result;
    snprintf(config, sizeof config, "{\"repository\": \"%s\", %s}", urls[i], key);
    result = open_with(config);
    EXPECT(result == OTP_E_UNSUPPORTED ? OTP_E_UNSUPPORTED : OTP_E_STORE, result);
    NAMES(i < 2 ? "redis" : "postgres");
  }
  EXPECT(OTP_OK, open_members("\"background\": false"));
}

static void profiles(void) {
  static const struct {
    const char *profile, *option, *names;
    int warned; /* under "standard", whose own default is weaker still in the one case */
  } weaker[] = {
      {"nist", "\"otpLength\": 5", "otpLength", 1},
      {"nist", "\"validityTime\": 10.1", "validityTime", 1},
      {"psd2", "\"maxAttempts\": 6", "maxAttempts", 1},
      {"psd2", "\"subjectFailures\": {\"lockAfter\": 6}", "lockAfter", 0},
      {"pci", "\"subjectFailures\": {\"lockAfter\": 11}", "lockAfter", 1},
      {"pci", "\"subjectFailures\": {\"lockMinutes\": 29}", "lockMinutes", 1},
  };
  static const char *const stricter[] = {"\"otpLength\": 8", "\"validityTime\": 10", "\"maxAttempts\": 3",
                                         "\"subjectFailures\": {\"lockAfter\": 3, \"lockMinutes\": 30}"};
  static const char *const names[] = {"nist", "psd2", "pci", "standard"};
  size_t at, by;

  for (at = 0; at < sizeof weaker / sizeof weaker[0]; at++) {
    EXPECT(OTP_E_CONFIG, open_members(with_profile(weaker[at].profile, weaker[at].option)));
    NAMES(weaker[at].names);
    NAMES(weaker[at].profile);
    EXPECT(OTP_OK, open_members(with_profile("standard", weaker[at].option)));
    CHECK(warns(weaker[at].names) == weaker[at].warned);
  }
  for (by = 0; by < 4; by++)
    for (at = 0; at < 4; at++)
      EXPECT(OTP_OK, open_members(with_profile(names[by], stricter[at])));
}

static void warnings(void) {
  EXPECT(OTP_OK, open_members("\"policy\": {\"countries\": [\"39\"]}"));
  NONE("warnings.0");
  CHECK(strstr(reply, "\"warnings\":[]") != NULL);
  EXPECT(OTP_OK, open_members("\"policy\": {\"cooldownSeconds\": 0, \"sendLimits\": []}"));
  CHECK(warns("countries") && warns("cooldownSeconds") && warns("sendLimits"));
  EXPECT(OTP_OK, open_with("{\"repository\": \"memory:\"}"));
  CHECK(warns("console"));
}

static const char DEFAULTS[] =
    "{\"repository\": \"sqlite:otp.db\", \"keyFile\": \"otp.db.key\", \"namespace\": \"default\", \"otpLength\": 6,"
    " \"validityTime\": 5, \"maxAttempts\": 5, \"ownCodes\": false, \"background\": false, \"durability\": \"full\","
    " \"sender\": {\"type\": \"console\", \"timeoutSeconds\": 10},"
    " \"message\": \"Insert the following code: {code}\","
    " \"workflow\": [{\"channel\": \"messenger\", \"expiryTime\": 120, \"conditionStatus\": \"read\"},"
    " {\"channel\": \"sms\"}], \"policy\": {\"profile\": \"standard\", \"cooldownSeconds\": 30,"
    " \"sendLimits\": [{\"count\": 5, \"minutes\": 10}], \"retentionMinutes\": 1440,"
    " \"subjectFailures\": {\"lockAfter\": 10, \"lockMinutes\": 30, \"disableAfter\": 100}}}";

/* NULL is "{}": the file otp.db in this folder, its key beside it, and codes on standard error. */
static void defaults(void) {
  EXPECT(OTP_OK, open_with(NULL));
  CHECK(warns("countries") && warns("console") && warns("keyFile"));
  EXPECT(OTP_UNKNOWN, status("token"));
  EXPECT(OTP_OK, open_with("{}"));
  EXPECT(OTP_OK, open_with(DEFAULTS));
  CHECK(fclose(fopen("otp.db.key", "rb")) == 0);
}

/* Two services in memory are two stores. */
static void memory(void) {
  otp_service *other;

  EXPECT(OTP_OK, open_members("\"namespace\": \"n\""));
  other = service;
  service = NULL;
  EXPECT(OTP_OK, open_members("\"namespace\": \"n\""));
  EXPECT(OTP_OK, create("token", NULL));
  EXPECT(OTP_UNKNOWN, otp_status(other, "token", reply, sizeof reply));
  EXPECT(OTP_OK, verify("token", code));
  otp_close(other);
}

int main(int count, char **arguments) {
  begin(count, arguments);
  refused();
  servers();
  profiles();
  warnings();
  defaults();
  memory();
  return end();
}
