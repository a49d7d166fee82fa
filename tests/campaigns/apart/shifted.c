/* The wall clock, wrong by OTP_SHIFT_SECONDS. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
  const char *shift = getenv("OTP_SHIFT_SECONDS");
  int failed = ((__typeof__(&clock_gettime))dlsym(RTLD_NEXT, "clock_gettime"))(clock, time);
  if (failed == 0 && clock == CLOCK_REALTIME && shift != NULL)
    time->tv_sec += atol(shift);
  return failed;
}
