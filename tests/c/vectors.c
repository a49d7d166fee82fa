/* Runs the vectors, from a file of lines: what each says is told where they are written. */
#include "check.h"

#define CAPACITY 400000

static char lines[4 * CAPACITY];

/* What was captured, and the arguments of this step. Their texts lie one behind the other. */
static struct pair {
  char name[64];
  const char *text;
} captured[32], arguments[8];
static size_t captures, count, used;
static char captured_texts[32][OTP_REPLY_SIZE], texts[CAPACITY];

/* Where we are, to say it with a failure. */
static const char *scenario, *step, *host;

static char last[OTP_REPLY_SIZE], value[OTP_REPLY_SIZE], buffer[OTP_REPLY_SIZE];
static otp_result outcome;
static int32_t answers[8];
static size_t answer, answer_count;

static int32_t deliver(void *user_data, const char *text) {
  (void)user_data;
  messages++;
  snprintf(last, sizeof last, "%s", text);
  return answer < answer_count ? answers[answer++] : 1;
}

static const char *find(const struct pair *pairs, size_t size, const char *name) {
  while (size-- > 0)
    if (strcmp(pairs[size].name, name) == 0)
      return pairs[size].text;
  return NULL;
}

static void put(char sign) {
  if (used == sizeof texts)
    abort();
  texts[used++] = sign;
}

/* The text with ${NAME} and ${NAME+1} filled in. */
static const char *fill(const char *text) {
  size_t start = used;
  while (*text != 0) {
    char name[64];
    const char *found = NULL;
    size_t length = text[0] == '$' && text[1] == '{' ? strcspn(text, "}") : 0;
    if (length > 2 && length < sizeof name) {
      int wrong = text[length - 1] == '1' && text[length - 2] == '+';
      snprintf(name, sizeof name, "%.*s", (int)length - 2 - (wrong ? 2 : 0), text + 2);
      found = find(captured, captures, name);
      for (; found != NULL && *found != 0; found++)
        put(wrong && *found >= '0' && *found <= '9' ? (char)('0' + (*found - '0' + 1) % 10) : *found);
    }
    if (found != NULL)
      text += length + 1;
    else
      put(*text++);
  }
  put(0);
  return texts + start;
}

static void remember(struct pair *pairs, size_t *size, size_t most, const char *name, const char *text) {
  size_t at = 0;
  while (at < *size && strcmp(pairs[at].name, name) != 0)
    at++;
  if (at == most)
    abort();
  snprintf(pairs[at].name, sizeof pairs[at].name, "%s", name);
  pairs[at].text = text;
  if (at == *size)
    ++*size;
}

static void capture(const char *name, const char *field) {
  char *place;
  const char *known = find(captured, captures, name);
  size_t at = 0;
  while (known != NULL && captured_texts[at] != known)
    at++;
  place = captured_texts[known != NULL ? at : captures];
  CHECK(otp_reply_text(host != NULL ? last : reply, field, place, OTP_REPLY_SIZE) > 0);
  remember(captured, &captures, sizeof captured / sizeof captured[0], name, place);
}

static const char *text_of(const char *name) { return find(arguments, count, name); }

static int64_t number_of(const char *name) { return text_of(name) == NULL ? 0 : strtoll(text_of(name), NULL, 10); }

static void open_service(void) {
  shut();
  outcome = otp_open(text_of("config"), &service, blank(), sizeof reply);
  if (outcome != OTP_OK)
    return;
  CHECK(otp_on_clock(service, tell_time, &now, NULL) == OTP_OK);
  CHECK(host == NULL || otp_on_send(service, deliver, NULL, NULL) == OTP_OK);
}

/* Whether it is one of the helpers. */
static int help(const char *name) {
  const char *field = text_of("field");
  otp_result result = (otp_result)number_of("result");
  size_t size = (size_t)number_of("size");
  if (strcmp(name, "reply_text") == 0) {
    snprintf(value, sizeof value, "%zu", otp_reply_text(text_of("reply"), field, buffer, size));
  } else if (strcmp(name, "reply_integer") == 0) {
    snprintf(value, sizeof value, "%" PRId64, otp_reply_integer(text_of("reply"), field, number_of("otherwise")));
  } else if (strcmp(name, "request_text") == 0) {
    snprintf(buffer, sizeof buffer, "%s", text_of("request"));
    outcome = otp_request_text(buffer, size, field, text_of("text"));
    /* It has no reply; what is said of replies is not said of it. */
    snprintf(reply, sizeof reply, "{\"result\":\"%s\"%s}", otp_result_name(outcome),
             outcome == OTP_OK ? "" : ",\"message\":\"-\"");
  } else if (strcmp(name, "result_name") == 0) {
    snprintf(value, sizeof value, "%s", otp_result_name(result));
  } else if (strcmp(name, "result_message") == 0) {
    snprintf(value, sizeof value, "%s", otp_result_message(result));
  } else if (strcmp(name, "result_http_status") == 0) {
    snprintf(value, sizeof value, "%" PRId32, otp_result_http_status(result));
  } else {
    return 0;
  }
  return 1;
}

static void call(const char *name) {
  const char *token = text_of("token"), *code_text = text_of("code"), *context = text_of("context");
  if (strcmp(name, "open") == 0)
    open_service();
  else if (strcmp(name, "create") == 0)
    outcome = otp_create(service, token, text_of("request"), blank(), sizeof reply);
  else if (strcmp(name, "resend") == 0)
    outcome = resend(token);
  else if (strcmp(name, "verify") == 0)
    outcome = context == NULL ? verify(token, code_text) : verify_context(token, code_text, context);
  else if (strcmp(name, "cancel") == 0)
    outcome = cancel(token);
  else if (strcmp(name, "status") == 0)
    outcome = status(token);
  else if (strcmp(name, "report") == 0)
    outcome = report(text_of("report"));
  else if (strcmp(name, "run_due") == 0)
    outcome = run_due();
  else if (strcmp(name, "metrics") == 0)
    outcome = otp_metrics(service, blank(), sizeof reply);
  else if (strcmp(name, "unlock") == 0)
    outcome = unlock(text_of("subject"));
  else if (strcmp(name, "erase") == 0)
    outcome = erase(text_of("recipient"));
  else if (strcmp(name, "webhook") == 0)
    outcome = otp_webhook(service, text_of("authorization"), text_of("body"),
                          text_of("body") == NULL ? 0 : strlen(text_of("body")), blank(), sizeof reply);
  else if (!help(name))
    abort();
}

static int same(const char *found, const char *expected) {
  if (strcmp(found, expected) == 0)
    return 1;
  fprintf(stderr, "  \"%.300s\", not \"%.300s\"\n", found, expected);
  return 0;
}

/* Whether there is no such member: neither a text or number, nor, at the top, an object or array. */
static int is_absent(const char *field) {
  char quoted[80];
  snprintf(quoted, sizeof quoted, "\"%s\":", field);
  return member(field)[0] == 0 && (strchr(field, '.') != NULL || strstr(reply, quoted) == NULL);
}

/* What is expected of a call, or 0 where the item is no expectation. */
static int expected(const char *item, const char *first, const char *second) {
  char text[OTP_REPLY_SIZE];
  if (strcmp(item, "result") == 0)
    CHECK(same(otp_result_name(outcome), first) && is_reply_of(outcome));
  else if (strcmp(item, "text") == 0)
    CHECK(same(member(first), fill(second)) && (second[0] != 0 || !is_absent(first)));
  else if (strcmp(item, "integer") == 0)
    CHECK(otp_reply_integer(reply, first, ABSENT) == strtoll(second, NULL, 10) && same(member(first), second));
  else if (strcmp(item, "present") == 0)
    CHECK(!is_absent(first));
  else if (strcmp(item, "absent") == 0)
    CHECK(is_absent(first));
  else if (strcmp(item, "contains") == 0)
    CHECK(strstr(member(first), fill(second)) != NULL);
  else if (strcmp(item, "length") == 0)
    CHECK(otp_reply_text(reply, first, NULL, 0) == strtoul(second, NULL, 10));
  else if (strcmp(item, "messages") == 0)
    CHECK(messages == strtol(first, NULL, 10));
  else if (strcmp(item, "message") == 0)
    CHECK(otp_reply_text(last, first, text, sizeof text) < sizeof text && same(text, fill(second)));
  else if (strcmp(item, "value") == 0)
    CHECK(same(value, first));
  else if (strcmp(item, "buffer") == 0)
    CHECK(same(buffer, first));
  else
    return 0;
  return 1;
}

static void begin_step(const char *name) {
  step = name;
  count = used = 0;
  answer = answer_count = 0;
  messages = 0;
}

static void begin_scenario(const char *name) {
  shut();
  scenario = name;
  host = NULL;
  captures = 0;
  now = NOON;
}

static void take(const char *item, const char *first, const char *second) {
  long before = failures;
  if (strcmp(item, "scenario") == 0)
    begin_scenario(first);
  else if (strcmp(item, "sender") == 0)
    host = first;
  else if (strcmp(item, "step") == 0)
    begin_step(first);
  else if (strcmp(item, "clock") == 0)
    now = strtoll(first, NULL, 10);
  else if (strcmp(item, "answer") == 0 && answer_count < sizeof answers / sizeof answers[0])
    answers[answer_count++] = (int32_t)strtol(first, NULL, 10);
  else if (strcmp(item, "argument") == 0)
    remember(arguments, &count, sizeof arguments / sizeof arguments[0], first, fill(second));
  else if (strcmp(item, "call") == 0)
    call(first);
  else if (strcmp(item, "capture") == 0)
    capture(first, second);
  else if (!expected(item, first, second))
    abort();
  if (failures != before)
    fprintf(stderr, "  %s: step %s: %s %s %.200s\n", scenario, step, item, first, second);
}

/* Cuts the next part off the line at `*rest`, and replaces what is escaped in it. */
static const char *part(char **rest) {
  char *start = *rest, *from = start, *to = start;
  while (*from != 0 && *from != '\t') {
    if (*from == '\\') {
      from++;
      *from = *from == 'n' ? '\n' : *from == 'r' ? '\r' : *from == 't' ? '\t' : '\\';
    }
    *to++ = *from++;
  }
  *rest = *from == 0 ? from : from + 1;
  *to = 0;
  return start;
}

int main(int argument_count, char **argument_values) {
  FILE *file = argument_count > 1 ? fopen(argument_values[1], "rb") : NULL;
  size_t size = file == NULL ? 0 : fread(lines, 1, sizeof lines - 1, file);
  char *line = lines;
  if (file == NULL || size == sizeof lines - 1 || fclose(file) != 0)
    return 2;
  while (*line != 0) {
    char *end_of_line = strchr(line, '\n'), *next = end_of_line + 1;
    const char *item, *first;
    *end_of_line = 0;
    item = part(&line);
    first = part(&line);
    take(item, first, part(&line));
    line = next;
  }
  return end();
}
