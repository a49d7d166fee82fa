/* liboath's users file, to be measured: one line a user, searched from the top, the whole file written anew at every
   success. Arguments: the file, the number of users, the number of operations of each kind. Prints a line for each kind:
   its name and the nanoseconds of each operation. */
#include <liboath/oath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char secret[] = "12345678901234567890";

static long long nanoseconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
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

/* The users of a file, and the counters of their next codes. */
struct group {
  const char *path;
  int users;
  unsigned *counters;
};

/* The window is 1, since the file keeps the counter that was used last. Guesses for every user in turn: the right code
   where success is expected. */
static void guess(const struct group *group, int count, const char *kind, const char *prefix, int expected)
{
  printf("%s", kind);
  for (int done = 0; done < count; done++) {
    int number = done % group->users;
    char name[32], code[7] = "000000";
    snprintf(name, sizeof name, "%s%06d", prefix, number);
    if (expected == OATH_OK)
      oath_hotp_generate(secret, sizeof secret - 1, group->counters[number]++, 6, 0, OATH_HOTP_DYNAMIC_TRUNCATION,
                         code);
    long long begun = nanoseconds();
    int result = oath_authenticate_usersfile(group->path, name, code, 1, NULL, NULL);
    printf(" %lld", nanoseconds() - begun);
    if (result != expected) {
      fprintf(stderr, "%s: %s\n", name, oath_strerror_name(result));
      exit(1);
    }
  }
  printf("\n");
}

int main(int argc, char **argv)
{
  if (argc != 4)
    return 2;
  struct group group = {argv[1], atoi(argv[2]), NULL};
  int count = atoi(argv[3]);
  group.counters = calloc((size_t)group.users, sizeof *group.counters);
  if (group.counters == NULL || oath_init() != OATH_OK || write_users(group.path, group.users) != 0)
    return 1;
  guess(&group, count, "verify", "user", OATH_OK);
  guess(&group, count, "wrong", "user", OATH_INVALID_OTP);
  guess(&group, count, "unknown", "nobody", OATH_UNKNOWN_USER);
  free(group.counters);
  oath_done();
  return 0;
}
