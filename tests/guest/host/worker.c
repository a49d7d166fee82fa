/* A host in C that uses SQLite itself, its own copy of it, beside one or two copies of libotp: see tests/guest/host.rs. */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <otp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 8

/* A copy of the library, and what is used of it. */
struct library {
  otp_result (*open)(const char *, otp_service **, char *, size_t);
  otp_result (*create)(otp_service *, const char *, const char *, char *, size_t);
  otp_result (*verify)(otp_service *, const char *, const char *, char *, size_t);
  otp_result (*status)(otp_service *, const char *, char *, size_t);
  const char *(*name)(otp_result);
  size_t (*text)(const char *, const char *, char *, size_t);
  void (*close)(otp_service *);
};

struct slot {
  const struct library *library;
  otp_service *service;
};

static struct library libraries[2];
static struct slot slots[SLOTS];
static const char *database;
static char reply[OTP_REPLY_SIZE];

static void load(struct library *library, const char *path) {
  void *loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (loaded == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
#define LOAD(member, symbol) *(void **)&library->member = dlsym(loaded, symbol)
  LOAD(open, "otp_open");
  LOAD(create, "otp_create");
  LOAD(verify, "otp_verify");
  LOAD(status, "otp_status");
  LOAD(name, "otp_result_name");
  LOAD(text, "otp_reply_text");
  LOAD(close, "otp_close");
}

static int answer(const char *line) {
  return puts(line) >= 0 && fflush(stdout) == 0;
}

/* The name of a result, without "OTP_"; of a failure also what the library says about it. */
static int told(const struct library *library, otp_result result) {
  char line[1024], message[512] = "", code[16] = "";
  if (result < OTP_OK)
    library->text(reply, "message", message, sizeof message);
  else
    library->text(reply, "code", code, sizeof code);
  snprintf(line, sizeof line, "%s %s%s", library->name(result) + 4, message, code);
  line[strcspn(line, "\n")] = '\0';
  return answer(line);
}

/* Copies the database by way of SQLite, its own tool for it, into a file or into memory. */
static int back_up(sqlite3 *from, const char *path) {
  sqlite3 *to;
  sqlite3_backup *backup;
  int failed = sqlite3_open(path, &to);
  if (!failed && (backup = sqlite3_backup_init(to, "main", from, "main")) != NULL) {
    int step = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    /* In between it may be locked for a moment. */
    failed = step != SQLITE_DONE && step != SQLITE_BUSY && step != SQLITE_LOCKED;
  }
  sqlite3_close(to);
  return failed;
}

/* Reads the files of the repository as any program may, and closes them. */
static int read_files(void) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
  char path[4096], bytes[4096];
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    snprintf(path, sizeof path, "%s%s", database, suffixes[i]);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
      continue;
    while (fread(bytes, 1, sizeof bytes, file) > 0)
      ;
    fclose(file);
  }
  return 0;
}

static int last_column(void *text, int count, char **columns, char **names) {
  (void)names;
  snprintf(text, 64, "%s", columns[count - 1] == NULL ? "NULL" : columns[count - 1]);
  return 0;
}

/* One use of the host's own SQLite: `files`, `backup`, or a statement. What the statement tells goes to `text`. */
static int use_sqlite(const char *what, char *text) {
  sqlite3 *connection;
  int failed;
  if (strcmp(what, "files") == 0)
    return read_files();
  failed = sqlite3_open(database, &connection);
  /* What others do there, in other processes, may take it for a moment. The hosts in other languages wait as well. */
  sqlite3_busy_timeout(connection, 5000);
  if (!failed && strcmp(what, "backup") == 0)
    failed = back_up(connection, ":memory:");
  else if (!failed)
    failed = sqlite3_exec(connection, what, last_column, text, NULL);
  if (failed)
    snprintf(text, 64, "%s", sqlite3_errmsg(connection));
  sqlite3_close(connection);
  return failed;
}

/* Uses SQLite over and over beside the calls of the library. */
static atomic_int noisy;
static pthread_t noise;

static void *make_noise(void *none) {
  static const char *const uses[] = {"SELECT count(*) FROM item", "files", "backup"};
  char text[64];
  for (size_t i = 0; atomic_load(&noisy); i++)
    use_sqlite(uses[i % 3], text);
  return none;
}

static int set_noise(int on) {
  if (on == atomic_exchange(&noisy, on))
    return 0;
  return on ? pthread_create(&noise, NULL, make_noise, NULL) : pthread_join(noise, NULL);
}

/* Answers in a child, which then ends, closing nothing. */
static int in_child(int (*work)(void)) {
  int status = 1;
  pid_t child = fork();
  if (child == 0)
    _exit(work() ? 0 : 1);
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static char command[32], token[128], code[64];
static struct slot *slot;

static int verify(void) {
  return told(slot->library, slot->library->verify(slot->service, token, code, reply, sizeof reply));
}

static int open_slot(const struct library *library, const char *config) {
  otp_result result = library->open(config, &slot->service, reply, sizeof reply);
  slot->library = library;
  return told(library, result);
}

static int obey(const char *line, const char *config) {
  int number = 0, rest = 0;
  if (strncmp(line, "sqlite ", 7) == 0) {
    char text[64] = "done", shown[80];
    snprintf(shown, sizeof shown, "%s%s", use_sqlite(line + 7, text) ? "failed: " : "", text);
    return answer(shown);
  }
  if (sscanf(line, "%31s %d %n", command, &number, &rest) != 2 || number < 0 || number >= SLOTS)
    return 0;
  token[0] = code[0] = '\0';
  sscanf(line + rest, "%127s %63s", token, code);
  slot = &slots[number];
  if (strcmp(command, "open") == 0)
    return open_slot(&libraries[0], config);
  if (strcmp(command, "open-copy") == 0)
    return open_slot(&libraries[1], config);
  if (strcmp(command, "noise") == 0)
    return set_noise(number) == 0 && answer("done");
  if (slot->library == NULL)
    return 0;
  if (strcmp(command, "create") == 0)
    return told(slot->library, slot->library->create(slot->service, token, NULL, reply, sizeof reply));
  if (strcmp(command, "verify") == 0)
    return verify();
  if (strcmp(command, "fork") == 0)
    return in_child(verify);
  if (strcmp(command, "status") == 0)
    return told(slot->library, slot->library->status(slot->service, token, reply, sizeof reply));
  if (strcmp(command, "close") == 0) {
    slot->library->close(slot->service);
    return answer("OK");
  }
  return 0;
}

/* The library, the configuration, the database, and perhaps a copy of the library. */
int main(int count, char **arguments) {
  char line[1024];
  if (count < 4)
    return 1;
  load(&libraries[0], arguments[1]);
  if (count > 4)
    load(&libraries[1], arguments[4]);
  database = arguments[3];
  if (!answer("ready"))
    return 1;
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (!obey(line, arguments[2])) {
      fprintf(stderr, "cannot obey: %s\n", line);
      return 1;
    }
  }
  return set_noise(0);
}
