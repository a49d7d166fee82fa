/* One of a swarm, in C: see tests/languages/swarm.rs. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <otp.h>
#include <stdio.h>
#include <time.h>

/* Sleeps until the wall clock shows these microseconds. */
static void wait_until(int64_t microseconds) {
  struct timespec now, rest;
  int64_t left;
  clock_gettime(CLOCK_REALTIME, &now);
  left = microseconds - (int64_t)now.tv_sec * 1000000 - now.tv_nsec / 1000;
  if (left <= 0)
    return;
  rest.tv_sec = (time_t)(left / 1000000);
  rest.tv_nsec = (long)(left % 1000000 * 1000);
  nanosleep(&rest, NULL);
}

static int answer(const char *line) {
  return puts(line) >= 0 && fflush(stdout) == 0;
}

int main(int count, char **arguments) {
  static char reply[OTP_REPLY_SIZE];
  otp_service *service;
  char line[512], token[128], code[64];
  int64_t start;

  if (count != 2 || otp_open(arguments[1], &service, reply, sizeof reply) != OTP_OK)
    return 1;
  if (!answer("ready"))
    return 1;
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "%127s %63s %" SCNd64, token, code, &start) != 3)
      return 1;
    wait_until(start);
    if (!answer(otp_result_name(otp_verify(service, token, code, reply, sizeof reply)) + 4))
      return 1;
  }
  otp_close(service);
  return 0;
}
