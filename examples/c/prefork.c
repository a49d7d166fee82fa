/* Opens a service and forks workers, as a web server does: each uses the service it inherited, and the parent goes on
 * with its own. The repository is the file prefork.db in this folder. To build it after `cargo build --release`:
 *
 *   ln -sf libotp.so target/release/libotp.so.0
 *   cc examples/c/prefork.c -Iinclude -Ltarget/release -lotp -Wl,-rpath,target/release -o prefork
 */
#define _POSIX_C_SOURCE 200809L
#include <otp.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4 };

/* With sender "none" the reply of otp_create() holds the code, and the program delivers it. */
static const char CONFIG[] = "{\"repository\": \"sqlite:prefork.db\", \"sender\": {\"type\": \"none\"}}";

static int fail(const char *reply) {
  fprintf(stderr, "%s\n", reply);
  return 1;
}

static int create(otp_service *service, const char *token, char *code, size_t code_size) {
  char reply[OTP_REPLY_SIZE];

  if (otp_create(service, token, NULL, reply, sizeof reply) != OTP_OK)
    return fail(reply);
  return otp_reply_text(reply, "code", code, code_size) < code_size ? 0 : 1;
}

/* A worker: a code of its own, and the one that the parent made. */
static int work(otp_service *service, int number, const char *parents_code) {
  char token[32], code[32], reply[OTP_REPLY_SIZE];
  otp_result shared;

  if (snprintf(token, sizeof token, "worker %d", number) < 0 || create(service, token, code, sizeof code) != 0)
    return 1;
  if (otp_verify(service, token, code, reply, sizeof reply) != OTP_OK)
    return fail(reply);
  shared = otp_verify(service, "parent", parents_code, reply, sizeof reply);
  printf("%s: own code valid, shared code: %s\n", token, otp_result_message(shared));
  return fflush(stdout) == 0 && (shared == OTP_OK || shared == OTP_CHECKED) ? 0 : fail(reply);
}

int main(void) {
  char reply[OTP_REPLY_SIZE], code[32];
  otp_service *service;
  int number, status, failed = 0;

  if (otp_open(CONFIG, &service, reply, sizeof reply) != OTP_OK)
    return fail(reply);
  if (create(service, "parent", code, sizeof code) != 0)
    return 1;
  for (number = 1; number <= WORKERS; number++) {
    pid_t worker = fork();
    if (worker < 0)
      return 1;
    if (worker == 0) {
      failed = work(service, number, code);
      otp_close(service);
      return failed;
    }
  }
  while (wait(&status) > 0)
    failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  if (otp_verify(service, "parent", code, reply, sizeof reply) != OTP_CHECKED)
    failed += fail(reply);
  otp_close(service);
  printf("%d workers, %d failed\n", WORKERS, failed);
  return failed == 0 ? 0 : 1;
}
