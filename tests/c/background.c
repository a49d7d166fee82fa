/* "background": the thread of a service comes with its first call, ends with otp_close(), and each side of a fork has
 * its own. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A carrier whose port nobody listens on: for timers the thread looks often where the host tells the time. */
#define DRIVEN                                                                                                         \
  ", \"background\": true, \"sender\": {\"type\": \"messages\", \"apiKey\": \"k\", \"apiSecret\": \"s\","            \
  " \"baseUrl\": \"http://127.0.0.1:1\"}"

/* Longest wait for something that has to happen, in steps of 10 ms. */
#define PATIENCE 3000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long rounds;
static pthread_t host;

/* Counts what another thread than the host's does. */
static void take_event(void *user_data, int32_t level, const char *event) {
  char name[32];

  (void)user_data;
  (void)level;
  otp_reply_text(event, "event", name, sizeof name);
  if (pthread_equal(pthread_self(), host) || strcmp(name, "run_due") != 0)
    return;
  pthread_mutex_lock(&mutex);
  rounds++;
  pthread_mutex_unlock(&mutex);
}

static long rounds_done(void) {
  long done;

  pthread_mutex_lock(&mutex);
  done = rounds;
  pthread_mutex_unlock(&mutex);
  return done;
}

static void rest(void) {
  const struct timespec step = {0, 10000000};
  nanosleep(&step, NULL);
}

/* Whether the thread goes on doing rounds. */
static int is_driven(void) {
  long before = rounds_done();
  int step;

  for (step = 0; step < PATIENCE && rounds_done() < before + 2; step++)
    rest();
  return step < PATIENCE;
}

static void open_driven(void) {
  open_fresh(DRIVEN FREELY);
  CHECK(otp_on_log(service, 4, take_event, NULL, NULL) == OTP_OK);
}

/* Longer than between two rounds: nobody does any more. */
static void is_over(void) {
  long before = rounds_done();
  int step;

  for (step = 0; step < 70; step++)
    rest();
  CHECK(rounds_done() == before);
}

static void runs_until_close(void) {
  open_driven();
  is_over(); /* It has not begun. */
  EXPECT(OTP_UNKNOWN, status("token"));
  CHECK(is_driven());
  EXPECT(OTP_E_SEND, create("token", "{\"phoneNumber\": \"393331234567\"}"));
  shut();
  is_over();
}

#define NAMED                                                                                                          \
  ", \"background\": true, \"senders\": {\"one\": {\"type\": \"host\"}, \"two\": {\"type\": \"host\"}},"                  \
  " \"workflow\": [{\"channel\": \"messenger\", \"sender\": \"one\", \"conditionStatus\": \"verified\", \"expiryTime\": 60},"   \
  " {\"channel\": \"sms\", \"sender\": \"two\"}]"

static int64_t time_now;
static long sent_by_host, sent_by_thread;

static int64_t tell_shared_time(void *user_data) {
  int64_t told;

  (void)user_data;
  pthread_mutex_lock(&mutex);
  told = time_now;
  pthread_mutex_unlock(&mutex);
  return told;
}

static int32_t count_sender(void *user_data, const char *text) {
  char sender[20];

  (void)user_data;
  otp_reply_text(text, "sender", sender, sizeof sender);
  pthread_mutex_lock(&mutex);
  *(pthread_equal(pthread_self(), host) ? &sent_by_host : &sent_by_thread) += strcmp(sender, "one") == 0 ? 1 : 100;
  pthread_mutex_unlock(&mutex);
  return 1;
}

static long by_thread(void) {
  long sent;

  pthread_mutex_lock(&mutex);
  sent = sent_by_thread;
  pthread_mutex_unlock(&mutex);
  return sent;
}

/* The host's function sends a step that is due, on the thread. */
static void sends_for_host(void) {
  int step;

  open_fresh(NAMED FREELY);
  time_now = NOON;
  CHECK(otp_on_clock(service, tell_shared_time, NULL, NULL) == OTP_OK);
  CHECK(otp_on_send(service, count_sender, NULL, NULL) == OTP_OK);
  EXPECT(OTP_OK, create("token", "{\"phoneNumber\": \"393331234567\", \"messengerId\": \"1\"}"));
  CHECK(sent_by_host == 1 && by_thread() == 0);
  pthread_mutex_lock(&mutex);
  time_now += 60 * 1000;
  pthread_mutex_unlock(&mutex);
  for (step = 0; step < PATIENCE && by_thread() == 0; step++)
    rest();
  CHECK(sent_by_host == 1 && by_thread() == 100);
  shut();
}

static void forks(void) {
  pid_t child;
  int ended;

  open_driven();
  EXPECT(OTP_UNKNOWN, status("token"));
  CHECK(is_driven());
  child = fork();
  if (child == 0) {
    failures = 0;
    host = pthread_self();
    EXPECT(OTP_UNKNOWN, status("token"));
    CHECK(is_driven());
    otp_close(service);
    is_over();
    /* The parent's thread is not here, and what it had for itself is lost: no tool is to look for leaks. */
    if (failures == 0)
      raise(SIGKILL);
    _exit(1);
  }
  CHECK(child > 0 && is_driven());
  CHECK(waitpid(child, &ended, 0) == child && WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
  CHECK(is_driven());
  shut();
}

/* However a thread stands when its service is closed. */
static void comes_and_goes(void) {
  int turn, step;

  for (turn = 0; turn < 30; turn++) {
    open_driven();
    EXPECT(OTP_UNKNOWN, status("token"));
    for (step = 0; step < turn % 3; step++)
      rest();
    shut();
  }
}

int main(int count, char **arguments) {
  begin(count, arguments);
  host = pthread_self();
  runs_until_close();
  sends_for_host();
  forks();
  comes_and_goes();
  return end();
}
