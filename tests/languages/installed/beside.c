/* A program with its own SQLite, of the system, that has what ours leaves out. */
#include <otp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
  char reply[OTP_REPLY_SIZE], code[16];
  otp_service *service;
  sqlite3 *database;
  if (otp_open("{\"repository\":\"memory:\",\"sender\":{\"type\":\"none\"}}", &service, reply, sizeof reply) != OTP_OK)
    return puts(reply), 1;
  if (strcmp(sqlite3_libversion(), SQLITE_VERSION) != 0)
    return printf("SQLite is %s, not %s\n", sqlite3_libversion(), SQLITE_VERSION), 1;
  if (sqlite3_open(":memory:", &database) != SQLITE_OK ||
      sqlite3_exec(database, "CREATE VIRTUAL TABLE texts USING fts5(text)", NULL, NULL, NULL) != SQLITE_OK)
    return puts(sqlite3_errmsg(database)), 1;
  sqlite3_close(database);
  if (otp_create(service, "login 1", "{}", reply, sizeof reply) != OTP_OK ||
      otp_reply_text(reply, "code", code, sizeof code) >= sizeof code ||
      otp_verify(service, "login 1", code, reply, sizeof reply) != OTP_OK)
    return puts(reply), 1;
  otp_close(service);
  puts("verified");
  return 0;
}
