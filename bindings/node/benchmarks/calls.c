/* The calls of overhead.cjs from C: prints microseconds of a call, and creates a second with 64 threads, as JSON. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 64
#define CREATES 5000
#define CALLS 20000
#define REPLY_SIZE 4096

typedef int32_t (*open_fn)(const char *, void **, char *, size_t);
typedef int32_t (*create_fn)(void *, const char *, const char *, char *, size_t);
typedef int32_t (*verify_fn)(void *, const char *, const char *, const char *, char *, size_t);
typedef int32_t (*status_fn)(int32_t);
typedef void (*close_fn)(void *);

static void *library, *service;
static int next_create;

static void *symbol(const char *name) {
  void *found = dlsym(library, name);
  if (found == NULL) exit(1);
  return found;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *create_some(void *unused) {
  create_fn create = (create_fn)symbol("otp_create");
  char reply[REPLY_SIZE], token[32], request[64];
  int number;
  while ((number = __atomic_fetch_add(&next_create, 1, __ATOMIC_RELAXED)) < CREATES) {
    snprintf(token, sizeof token, "t%d", number);
    snprintf(request, sizeof request, "{\"messengerId\": \"%d\"}", number);
    if (create(service, token, request, reply, sizeof reply) != 0) exit(1);
  }
  return unused;
}

static double best(int kind) {
  status_fn status = (status_fn)symbol("otp_result_http_status");
  verify_fn verify = (verify_fn)symbol("otp_verify_context");
  char reply[REPLY_SIZE];
  double least = 1e9;
  volatile int32_t sink = 0;
  for (int round = 0; round < 5; round++) {
    double start = now();
    for (int i = 0; i < CALLS; i++)
      sink += kind == 0 ? status(3) : verify(service, "nobody", "123456", NULL, reply, sizeof reply);
    double each = (now() - start) * 1e6 / CALLS;
    if (each < least) least = each;
  }
  return least;
}

static void open_service(const char *config) {
  char reply[REPLY_SIZE];
  if (((open_fn)symbol("otp_open"))(config, &service, reply, sizeof reply) != 0) exit(1);
}

int main(int count, char **parameters) {
  if (count != 3 || (library = dlopen(parameters[1], RTLD_NOW)) == NULL) return 1;
  close_fn close_service = (close_fn)symbol("otp_close");
  open_service("{\"repository\": \"memory:\", \"sender\": {\"type\": \"none\"}}");
  printf("{\"httpStatus\": %.4f, \"verify\": %.4f, ", best(0), best(1));
  close_service(service);

  char config[1024];
  snprintf(config, sizeof config, "{\"repository\": \"%s\", \"sender\": {\"type\": \"none\"}}", parameters[2]);
  open_service(config);
  pthread_t threads[THREADS];
  double start = now();
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, create_some, NULL) != 0) return 1;
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  printf("\"create\": %.1f}\n", CREATES / (now() - start));
  close_service(service);
  return 0;
}
