/* Kills the process right before the call of OTP_KILL_AT that changes something outside: a file, or a peer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_long calls;

static void count(int fd)
{
  const char *at = getenv("OTP_KILL_AT");
  if (at != NULL && fd != STDOUT_FILENO && fd != STDERR_FILENO && atomic_fetch_add(&calls, 1) + 1 == atol(at))
    raise(SIGKILL);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t size)
{
  count(fd);
  return NEXT(write)(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
  count(fd);
  return NEXT(pwrite)(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
  count(fd);
  return NEXT(pwrite64)(fd, bytes, size, at);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
  count(fd);
  return NEXT(send)(fd, bytes, size, flags);
}

int fsync(int fd)
{
  count(fd);
  return NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
  count(fd);
  return NEXT(fdatasync)(fd);
}

int ftruncate(int fd, off_t size)
{
  count(fd);
  return NEXT(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
  count(fd);
  return NEXT(ftruncate64)(fd, size);
}

int rename(const char *from, const char *to)
{
  count(-1);
  return NEXT(rename)(from, to);
}

int unlink(const char *path)
{
  count(-1);
  return NEXT(unlink)(path);
}
