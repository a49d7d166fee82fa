/* Shares one service between eight threads: each creates and verifies a code of its own, then all verify the same one,
 * which exactly one of them is told to be valid. To build it after `cargo build --release`:
 *
 *   ln -sf libotp.so target/release/libotp.so.0
 *   cc -pthread examples/c/threads.c -Iinclude -Ltarget/release -lotp -Wl,-rpath,target/release -o threads
 */
#define _POSIX_C_SOURCE 200809L
#include <otp.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 8 };

/* With sender "none" the reply of otp_create() holds the code, and the program delivers it. */
static const char CONFIG[] = "{\"repository\": \"memory:\", \"sender\": {\"type\": \"none\"}}";

static otp_service *service;
static char shared_code[32];

struct worker {
  pthread_t thread;
  char token[32];
  otp_result own, shared;
};

static otp_result create(const char *token, char *code, size_t code_size) {
  char reply[OTP_REPLY_SIZE];
  otp_result result = otp_create(service, token, NULL, reply, sizeof reply);

  if (result == OTP_OK && otp_reply_text(reply, "code", code, code_size) >= code_size)
    return OTP_E_INTERNAL;
  return result;
}

static void *work(void *argument) {
  struct worker *worker = argument;
  char code[32];

  worker->own = create(worker->token, code, sizeof code);
  if (worker->own == OTP_OK)
    worker->own = otp_verify(service, worker->token, code, NULL, 0);
  worker->shared = otp_verify(service, "shared", shared_code, NULL, 0);
  return NULL;
}

int main(void) {
  struct worker workers[THREADS];
  char reply[OTP_REPLY_SIZE];
  int started, index, own = 0, valid = 0, used = 0;

  if (otp_open(CONFIG, &service, reply, sizeof reply) != OTP_OK) {
    fprintf(stderr, "%s\n", reply);
    return 1;
  }
  if (create("shared", shared_code, sizeof shared_code) != OTP_OK) {
    otp_close(service);
    return 1;
  }
  for (started = 0; started < THREADS; started++) {
    if (snprintf(workers[started].token, sizeof workers[started].token, "session %d", started) < 0 ||
        pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
      break;
  }
  for (index = 0; index < started; index++) {
    if (pthread_join(workers[index].thread, NULL) != 0)
      return 1;
    own += workers[index].own == OTP_OK;
    valid += workers[index].shared == OTP_OK;
    used += workers[index].shared == OTP_CHECKED;
  }
  otp_close(service);
  printf("own codes: %d valid\nshared code: %d valid, %d used\n", own, valid, used);
  return own == THREADS && valid == 1 && used == THREADS - 1 ? 0 : 1;
}
