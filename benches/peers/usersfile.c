/* liboath's users file, to be measured: one line a user, searched from the top, the whole file written anew at every
   success. Arguments: the file, the number of users, milliseconds for each measurement. Prints operations per second. */
#include <liboath/oath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char secret[] = "12345678901234567890";

static double seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int write_users(const char *path, int users)
{
  FILE *file = fopen(path, "w");
  if (file == NULL)
    return -1;
  for (int user = 0; user < users; user++)
    fprintf(file, "HOTP/E/6 user%06d - 3132333435363738393031323334353637383930\n", user);
  return fclose(file);
}

/* The window is 1, since the file keeps the counter that was used last. Guesses until the time is up, in turn for every user; the right code where the counters are given. */
static double guess(const char *path, int users, double time, const char *prefix, unsigned *counters, int expected)
{
  double begun = seconds();
  long done = 0;
  while (seconds() - begun < time) {
    int number = (int)(done % users);
    char name[32], code[7] = "000000";
    snprintf(name, sizeof name, "%s%06d", prefix, number);
    if (counters != NULL)
      oath_hotp_generate(secret, sizeof secret - 1, counters[number]++, 6, 0, OATH_HOTP_DYNAMIC_TRUNCATION, code);
    int result = oath_authenticate_usersfile(path, name, code, 1, NULL, NULL);
    if (result != expected) {
      fprintf(stderr, "%s: %s\n", name, oath_strerror_name(result));
      exit(1);
    }
    done++;
  }
  return (double)done / (seconds() - begun);
}

int main(int argc, char **argv)
{
  if (argc != 4)
    return 2;
  const char *path = argv[1];
  int users = atoi(argv[2]);
  double time = atof(argv[3]) / 1000;
  unsigned *counters = calloc((size_t)users, sizeof *counters);
  if (counters == NULL || oath_init() != OATH_OK || write_users(path, users) != 0)
    return 1;
  printf("verify %f\n", guess(path, users, time, "user", counters, OATH_OK));
  printf("wrong %f\n", guess(path, users, time, "user", NULL, OATH_INVALID_OTP));
  printf("unknown %f\n", guess(path, users, time, "nobody", NULL, OATH_UNKNOWN_USER));
  free(counters);
  oath_done();
  return 0;
}
