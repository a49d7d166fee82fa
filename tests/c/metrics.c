/* What a service says of itself. */

#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static otp_result metrics(void) { return otp_metrics(service, blank(), sizeof reply); }

/* Each result of each call has a counter, and what never happened has none. */
static void counters(void) {
  open_fresh(HOST FREELY);
  EXPECT(OTP_OK, metrics());
  NONE("calls");
  NONE("live");
  EXPECT(OTP_OK, create("token", "{\"phoneNumber\": \"393331234567\"}"));
  EXPECT(OTP_E_ARGUMENT, create("token", "{"));
  EXPECT(OTP_E_ARGUMENT, create(NULL, NULL));
  fail("token", 3);
  EXPECT(OTP_E_ARGUMENT, verify("token", NULL));
  EXPECT(OTP_E_ARGUMENT, verify_context("token", "\xff", NULL));
  EXPECT(OTP_OK, verify("token", code));
  EXPECT(OTP_UNKNOWN, cancel("nobody"));
  EXPECT(OTP_UNKNOWN, resend("nobody"));
  EXPECT(OTP_E_UNSUPPORTED, otp_webhook(service, NULL, "{}", 2, blank(), sizeof reply));
  EXPECT(OTP_E_ARGUMENT, report("{"));
  EXPECT(OTP_OK, run_due());
  EXPECT(OTP_OK, metrics());
  NUMBER("calls.create.OTP_OK", 1);
  NUMBER("calls.create.OTP_E_ARGUMENT", 2);
  NUMBER("calls.verify.OTP_NOT_VALID", 3);
  NUMBER("calls.verify.OTP_E_ARGUMENT", 2);
  NUMBER("calls.verify.OTP_OK", 1);
  NONE("calls.verify.OTP_LOCKED");
  NUMBER("calls.cancel.OTP_UNKNOWN", 1);
  NUMBER("calls.resend.OTP_UNKNOWN", 1);
  NUMBER("calls.webhook.OTP_E_UNSUPPORTED", 1);
  NUMBER("calls.report.OTP_E_ARGUMENT", 1);
  NUMBER("calls.run_due.OTP_OK", 1);
  NUMBER("send.host.accepted", 1);
  NUMBER("live", 0);
  CHECK(otp_reply_integer(reply, "store.operations", 0) > 4);
  CHECK(otp_reply_integer(reply, "calls.copy.OTP_OK", -1) == -1);
}

/* Asking changes nothing that is asked for. */
static void nothing_else(void) {
  char first[OTP_REPLY_SIZE];
  EXPECT(OTP_OK, metrics());
  memcpy(first, reply, sizeof first);
  EXPECT(OTP_OK, metrics());
  CHECK(strcmp(first, reply) == 0);
  CHECK(otp_metrics(service, NULL, 0) == OTP_OK);
  CHECK(otp_metrics(service, reply, OTP_REPLY_SIZE - 1) == OTP_E_ARGUMENT);
  EXPECT(OTP_E_ARGUMENT, otp_metrics(NULL, blank(), sizeof reply));
}

/* A child goes on from what its parent counted, and each counts for itself. */
static void two_processes(void) {
  pid_t child;
  int ended = -1;
  open_fresh(HOST FREELY);
  EXPECT(OTP_E_ARGUMENT, verify("token", " "));
  child = fork();
  if (child == 0) {
    EXPECT(OTP_E_ARGUMENT, verify("token", " "));
    EXPECT(OTP_OK, metrics());
    NUMBER("calls.verify.OTP_E_ARGUMENT", 2);
    _exit(failures == 0 ? 0 : 1);
  }
  CHECK(child > 0 && waitpid(child, &ended, 0) == child && ended == 0);
  EXPECT(OTP_OK, metrics());
  NUMBER("calls.verify.OTP_E_ARGUMENT", 1);
}

int main(int argc, char **argv) {
  begin(argc, argv);
  counters();
  nothing_else();
  two_processes();
  return end();
}
