/* Repositories on disk: what survives, the key and its file, rotation, tenants, and files that are refused. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

#define PHONE "\"phoneNumber\": \"393331234567\""
#define KEY_A "\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\""
#define KEY_B "\"QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\""

static int is_json(void) { return strncmp(place, "json:", 5) == 0; }
static const char *path(void) { return strchr(repository, ':') + 1; }

static const char *beside(const char *ending) {
  static char texts[4][300];
  static int turn;
  char *text = texts[turn++ % 4];
  snprintf(text, sizeof texts[0], "%s%s", path(), ending);
  return text;
}

/* The same repository again. */
static otp_result reopen(const char *members) {
  shut();
  return open_at(repository, members);
}

static int mode_of(const char *name) {
  struct stat status;
  return lstat(name, &status) == 0 ? (int)(status.st_mode & 0777) : -1;
}

static long read_all(const char *name, char *bytes, long size) {
  FILE *file = fopen(name, "rb");
  long length = file == NULL ? -1 : (long)fread(bytes, 1, (size_t)size, file);
  if (file != NULL)
    CHECK(fclose(file) == 0);
  return length;
}

static void write_all(const char *name, const char *bytes, long size) {
  FILE *file = fopen(name, "wb");
  if (CHECK(file != NULL))
    CHECK(fwrite(bytes, 1, (size_t)size, file) == (size_t)size && fclose(file) == 0 && chmod(name, 0600) == 0);
}

static void survives(void) {
  char first[sizeof code];
  otp_service *other;

  open_fresh(HAND_OVER);
  CHECK(mode_of(path()) == (is_json() ? 0700 : 0600));
  CHECK(mode_of(beside(".key")) == 0600);
  EXPECT(OTP_OK, create("token", "{" PHONE ", \"subject\": \"s\"}"));
  strcpy(first, code);
  fail("token", 3);
  EXPECT(OTP_OK, reopen(HAND_OVER));
  EXPECT(OTP_OK, status("token"));
  NUMBER("attemptsLeft", 2);
  EXPECT(OTP_RATE_LIMITED, resend("token"));
  EXPECT(OTP_OK, create("more", "{\"subject\": \"s\"}"));
  fail("more", 5);
  EXPECT(OTP_OK, create("more", "{\"subject\": \"s\"}"));
  fail("more", 2);
  EXPECT(OTP_OK, reopen(HAND_OVER));
  EXPECT(OTP_LOCKED, verify("token", first));
  EXPECT(OTP_OK, unlock("s"));
  EXPECT(OTP_OK, reopen(HAND_OVER));
  /* A second handle on the same repository. */
  other = service;
  service = NULL;
  EXPECT(OTP_OK, open_at(repository, HAND_OVER));
  EXPECT(OTP_OK, verify("token", first));
  EXPECT(OTP_CHECKED, otp_verify(other, "token", first, reply, sizeof reply));
  otp_close(other);
  EXPECT(OTP_CHECKED, verify("token", first));
}

/* A relative path is that of the moment of opening, and another file that takes its place is never written to. */
static void stays_where_it_was(void) {
  char folder[4096];

  open_fresh(HAND_OVER);
  CHECK(getcwd(folder, sizeof folder) != NULL && chdir("/") == 0);
  EXPECT(OTP_OK, create("token", NULL));
  CHECK(chdir(folder) == 0);
  EXPECT(OTP_OK, verify("token", code));
  CHECK(rename(path(), beside(".away")) == 0);
  CHECK(is_json() ? mkdir(path(), 0700) == 0 : (write_all(path(), "", 0), 1));
  EXPECT(OTP_E_STORE, create("other", NULL));
  EXPECT(OTP_E_STORE, verify("token", code));
  CHECK((is_json() ? rmdir(path()) : unlink(path())) == 0 && rename(beside(".away"), path()) == 0);
  EXPECT(OTP_OK, reopen(HAND_OVER));
  EXPECT(OTP_CHECKED, verify("token", code));
}

static int32_t outcome;

static int32_t take_away(void *user_data, const char *text) {
  (void)user_data;
  otp_reply_text(text, "code", code, sizeof code);
  CHECK(rename(path(), beside(".away")) == 0);
  return outcome;
}

/* A message that was sent, though that cannot be written down, is in doubt: its code is good. */
static void outcome_not_stored(void) {
  for (outcome = 1; outcome <= 2; outcome++) {
    open_fresh(HOST);
    CHECK(otp_on_send(service, take_away, NULL, NULL) == OTP_OK);
    EXPECT(outcome == 1 ? OTP_E_IN_DOUBT : OTP_E_STORE, create("token", "{" PHONE "}"));
    CHECK(rename(beside(".away"), path()) == 0);
    EXPECT(OTP_OK, reopen(HOST));
    EXPECT(OTP_OK, status("token"));
    TEXT("delivery.state", "sending");
    EXPECT(OTP_OK, verify("token", code));
  }
}

/* Without its key a repository is never opened, and never given another. */
static void key_files(void) {
  static const char *const no_keys[] = {"", "\n", "QUFB\n", "no key at all, though as long as one has to be !\n"};
  char key[64];
  long size;
  size_t at;

  open_fresh(HAND_OVER);
  EXPECT(OTP_OK, create("token", NULL));
  size = read_all(beside(".key"), key, sizeof key);
  CHECK(size == 45 && key[44] == '\n');
  CHECK(rename(beside(".key"), beside(".gone")) == 0);
  EXPECT(OTP_E_CONFIG, reopen(HAND_OVER));
  NAMES("keyFile");
  CHECK(service == NULL && mode_of(beside(".key")) == -1);
  EXPECT(OTP_E_CONFIG, reopen(HAND_OVER ", \"key\": " KEY_A));
  for (at = 0; at < sizeof no_keys / sizeof no_keys[0]; at++) {
    write_all(beside(".key"), no_keys[at], (long)strlen(no_keys[at]));
    EXPECT(OTP_E_CONFIG, reopen(HAND_OVER));
    NAMES("keyFile");
  }
  write_all(beside(".key"), "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n", 45);
  EXPECT(OTP_E_CONFIG, reopen(HAND_OVER));
  CHECK(unlink(beside(".key")) == 0 && symlink(beside(".gone"), beside(".key")) == 0);
  EXPECT(OTP_E_CONFIG, reopen(HAND_OVER));
  CHECK(unlink(beside(".key")) == 0 && link(beside(".gone"), beside(".key")) == 0);
  EXPECT(OTP_E_CONFIG, reopen(HAND_OVER));
  CHECK(unlink(beside(".gone")) == 0);
  for (at = 0; at < 4; at++) {
    static const mode_t modes[] = {0640, 0604, 0620, 0666};
    CHECK(chmod(beside(".key"), modes[at]) == 0);
    EXPECT(OTP_E_CONFIG, reopen(HAND_OVER));
    NAMES(".key");
  }
  CHECK(chmod(beside(".key"), 0400) == 0);
  EXPECT(OTP_OK, reopen(HAND_OVER));
  EXPECT(OTP_OK, verify("token", code));
}

/* A key file that is there before the repository is used, and may lie elsewhere. */
static void key_before_repository(void) {
  char members[512], key[64];

  write_all("given.key", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n", 45);
  open_fresh(HAND_OVER ", \"keyFile\": \"given.key\"");
  CHECK(read_all("given.key", key, sizeof key) == 45 && mode_of(beside(".key")) == -1);
  EXPECT(OTP_OK, create("token", NULL));
  EXPECT(OTP_OK, reopen(HAND_OVER ", \"key\": " KEY_A));
  EXPECT(OTP_OK, verify("token", code));
  snprintf(members, sizeof members, HAND_OVER ", \"key\": " KEY_A ", \"keyFile\": \"given.key\"");
  EXPECT(OTP_E_CONFIG, reopen(members));
  NAMES("keyFile");
}

/* After a rotation live codes verify, and locks, limits and counts hold. */
static void rotation(void) {
  char live[sizeof code], used[sizeof code], old[sizeof code];

  open_fresh(HAND_OVER ", \"key\": " KEY_A);
  EXPECT(OTP_OK, create("live", "{" PHONE ", \"subject\": \"a\", \"idempotencyKey\": \"k\"}"));
  strcpy(live, code);
  fail("live", 2);
  EXPECT(OTP_OK, create("used", "{\"subject\": \"b\"}"));
  strcpy(used, code);
  EXPECT(OTP_OK, verify("used", used));
  EXPECT(OTP_OK, create("old", "{\"subject\": \"c\"}"));
  strcpy(old, code);
  EXPECT(OTP_OK, create("lock", "{\"subject\": \"d\"}"));
  fail("lock", 5);
  EXPECT(OTP_OK, create("lock", "{\"subject\": \"d\"}"));
  fail("lock", 5);

  EXPECT(OTP_OK, reopen(HAND_OVER ", \"key\": " KEY_B ", \"previousKeys\": [" KEY_A "]"));
  EXPECT(OTP_OK, status("live"));
  NUMBER("attemptsLeft", 3);
  EXPECT(OTP_OK, create("live", "{" PHONE ", \"subject\": \"a\", \"idempotencyKey\": \"k\"}"));
  TEXT("code", live);
  EXPECT(OTP_RATE_LIMITED, create("elsewhere", "{" PHONE "}"));
  EXPECT(OTP_LOCKED, create("lock", "{\"subject\": \"d\"}"));
  TEXT("locked", "subject");
  EXPECT(OTP_CHECKED, verify("used", used));
  EXPECT(OTP_OK, verify("live", live));
  EXPECT(OTP_CHECKED, verify("live", live));
  EXPECT(OTP_OK, create("new", NULL));
  strcpy(live, code);

  /* While processes are brought over one by one, those with the older key must read what the newer ones write. */
  EXPECT(OTP_OK, reopen(HAND_OVER ", \"key\": " KEY_A ", \"previousKeys\": [" KEY_B "]"));
  EXPECT(OTP_OK, verify("new", live));
  EXPECT(OTP_OK, reopen(HAND_OVER ", \"key\": " KEY_B ", \"previousKeys\": [" KEY_A "]"));

  /* Without the older key its codes cannot be judged, which is no reason to call them wrong. */
  EXPECT(OTP_OK, reopen(HAND_OVER ", \"key\": " KEY_B));
  EXPECT(OTP_E_CONFIG, verify("old", old));
  EXPECT(OTP_NOT_VALID, verify("new", wrong()));
  EXPECT(OTP_LOCKED, create("lock", "{\"subject\": \"d\"}"));
  EXPECT(OTP_E_CONFIG, reopen(HAND_OVER ", \"key\": " KEY_A));
  EXPECT(OTP_OK, reopen(HAND_OVER ", \"key\": " KEY_B ", \"previousKeys\": [" KEY_A "]"));
  EXPECT(OTP_OK, verify("old", old));
}

static void tenants(void) {
  char first[sizeof code];
  otp_service *other;

  open_fresh(HAND_OVER ", \"namespace\": \"a\"");
  EXPECT(OTP_OK, create("token", "{" PHONE ", \"subject\": \"s\"}"));
  strcpy(first, code);
  fail("token", 4);
  other = service;
  service = NULL;
  EXPECT(OTP_OK, open_at(repository, HAND_OVER ", \"namespace\": \"b\""));
  EXPECT(OTP_UNKNOWN, status("token"));
  EXPECT(OTP_NOT_VALID, verify("token", first));
  EXPECT(OTP_OK, create("token", "{" PHONE ", \"subject\": \"s\"}"));
  fail("token", 5);
  EXPECT(OTP_OK, create("token", "{\"subject\": \"s\"}"));
  fail("token", 5);
  EXPECT(OTP_LOCKED, create("token", "{\"subject\": \"s\"}"));
  EXPECT(OTP_OK, erase("393331234567"));
  EXPECT(OTP_OK, otp_verify(other, "token", first, reply, sizeof reply));
  NUMBER("attemptsLeft", 1);
  otp_close(other);
}

static void opens_not(const char *where) {
  shut();
  service = (otp_service *)&now;
  EXPECT(OTP_E_STORE, open_at(where, HAND_OVER ", \"key\": " KEY_A));
  CHECK(service == NULL);
}

/* What is newer, or somebody else's, is refused, and left as it is. */
static void refused_files(void) {
  static char bytes[1 << 20], after[sizeof bytes];
  char where[300], name[300];
  long size;

  open_fresh(HAND_OVER ", \"key\": " KEY_A);
  EXPECT(OTP_OK, create("token", NULL));
  shut();
  snprintf(name, sizeof name, is_json() ? "%s/repository.json" : "%s", path());
  size = read_all(name, bytes, sizeof bytes);
  CHECK(size > 64 && size < (long)sizeof bytes);
  memcpy(after, bytes, (size_t)size);
  if (is_json()) {
    char *version = strstr(after, "\"version\"");
    if (CHECK(version != NULL))
      version[strcspn(version, "0123456789")] = '9';
  } else {
    /* An SQLite file that says of itself what libotp says, except the number of the format. */
    memcpy(after + 60, "\0\0\0\x7f\0\0\0\0lotp", 12);
    CHECK(unlink(beside("-wal")) == 0 && unlink(beside("-shm")) == 0);
  }
  write_all(name, after, size);
  opens_not(repository);
  NAMES("version");
  CHECK(read_all(name, bytes, sizeof bytes) == size && memcmp(bytes, after, (size_t)size) == 0);
  if (!is_json()) {
    memcpy(after + 68, "JPEG", 4);
    write_all(name, after, size);
    opens_not(repository);
    CHECK(read_all(name, bytes, sizeof bytes) == size && memcmp(bytes, after, (size_t)size) == 0);
  }

  snprintf(name, sizeof name, is_json() ? "%s.foreign/other.txt" : "%s.foreign", path());
  snprintf(where, sizeof where, "%s.foreign", repository);
  CHECK(!is_json() || mkdir(beside(".foreign"), 0700) == 0);
  write_all(name, "a letter to grandmother, of some length, since it is about the children and the weather", 87);
  opens_not(where);
  CHECK(read_all(name, bytes, sizeof bytes) == 87 && strncmp(bytes, "a letter", 8) == 0);

  /* A folder where a file is due, a file where a folder is due, and no folder to be in. */
  CHECK(mkdir("folder", 0700) == 0);
  write_all("file", "", 0);
  opens_not(is_json() ? "json:file" : "sqlite:folder");
  opens_not(is_json() ? "json:absent/otp" : "sqlite:absent/otp.db");
  CHECK(mode_of("absent") == -1);
}

/* A path is a path, whatever it looks like. */
static void odd_names(void) {
  char where[300];

  shut();
  snprintf(where, sizeof where, "%s:file:odd?mode=memory&nolock=1", is_json() ? "json" : "sqlite");
  EXPECT(OTP_OK, open_at(where, HAND_OVER));
  EXPECT(OTP_OK, create("../../escape", NULL));
  EXPECT(OTP_OK, status("../../escape"));
  CHECK(mode_of("file:odd?mode=memory&nolock=1") != -1 && mode_of("../../escape") == -1 && mode_of("../escape") == -1);
  if (is_json()) {
    shut();
    EXPECT(OTP_OK, open_at("json:slash/", HAND_OVER));
    CHECK(mode_of("slash.key") == 0600 && mode_of("slash/.key") == -1);
  }
}

int main(int count, char **arguments) {
  place = "sqlite:otp.db";
  begin(count, arguments);
  survives();
  stays_where_it_was();
  outcome_not_stored();
  key_files();
  key_before_repository();
  rotation();
  tenants();
  refused_files();
  odd_names();
  return end();
}
