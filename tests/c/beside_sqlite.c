/* A program with an SQLite of its own, linked to the localised archive. */

#include <otp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what) {
  printf("%s\n", what);
  return 1;
}

int main(void) {
  char reply[OTP_REPLY_SIZE], code[32];
  const char *config = "{\"repository\": \"sqlite:beside.db\", \"sender\": {\"type\": \"none\"}}";
  otp_service *service;
  sqlite3 *own = NULL;

  if (strcmp(sqlite3_libversion(), SQLITE_VERSION) != 0)
    return fail("the program's SQLite was replaced");
  if (sqlite3_open("own.db", &own) != SQLITE_OK ||
      sqlite3_exec(own, "CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)", NULL, NULL, NULL) != SQLITE_OK)
    return fail("the program's SQLite does not work");
  if (otp_open(config, &service, reply, sizeof reply) != OTP_OK)
    return fail(reply);
  if (otp_create(service, "session", "{\"phoneNumber\": \"393331234567\"}", reply, sizeof reply) != OTP_OK)
    return fail(reply);
  otp_reply_text(reply, "code", code, sizeof code);
  if (otp_verify(service, "session", code, reply, sizeof reply) != OTP_OK)
    return fail(reply);
  if (otp_verify(service, "session", code, reply, sizeof reply) != OTP_CHECKED)
    return fail(reply);
  otp_close(service);
  sqlite3_close(own);
  printf("good once, beside the host's own\n");
  return 0;
}
