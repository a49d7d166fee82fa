// Runs the vectors through otp.hpp, from a file of lines: what each says is told where they are written.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <vector>

#include "check.hpp"

long checks, failures;

namespace {

typedef std::map<std::string, std::string> texts;

const std::int64_t BEGINNING_MS = 1700000000000;
const std::int64_t NO_NUMBER = INT64_MIN;

/** The scenario that runs: its service, what the callbacks work with, and the answer to the last call. */
struct state {
  std::string scenario, step;
  bool is_host = false;
  std::int64_t now_ms = BEGINNING_MS;
  texts captured, arguments;
  std::deque<int> answers;
  std::vector<otp::message> messages;
  otp_result code = OTP_OK;
  otp::document reply;
  // Last, so that it goes first: its callbacks use the rest.
  std::unique_ptr<otp::service> service;
};

/** The text with ${NAME} and ${NAME+1} filled in. */
std::string fill(std::string text, const texts &names) {
  for (const texts::value_type &name : names) {
    std::string wrong = name.second;
    for (char &sign : wrong)
      if (sign >= '0' && sign <= '9') sign = static_cast<char>('0' + (sign - '0' + 1) % 10);
    const std::pair<std::string, std::string> forms[] = {{"${" + name.first + "}", name.second},
                                                         {"${" + name.first + "+1}", wrong}};
    for (const std::pair<std::string, std::string> &form : forms)
      for (std::size_t at = 0; (at = text.find(form.first, at)) != std::string::npos; at += form.second.size())
        text.replace(at, form.first.size(), form.second);
  }
  return text;
}

/** Sends a message as the step says. */
void deliver(state &now, const otp::message &message) {
  now.messages.push_back(message);
  const int answer = now.answers.empty() ? 1 : now.answers.front();
  if (!now.answers.empty()) now.answers.pop_front();
  if (answer == 2) throw otp::not_sent("said so");
  if (answer != 1) throw std::runtime_error("in doubt");
}

otp::document open(state &now) {
  now.service.reset();
  now.service.reset(new otp::service(now.arguments.at("config")));
  now.service->on_clock([&now] { return now.now_ms; });
  if (now.is_host) now.service->on_send([&now](const otp::message &message) { deliver(now, message); });
  return now.service->opened();
}

otp::result ask(state &now, const std::string &call) {
  otp::service &codes = *now.service;
  texts &given = now.arguments;
  if (call == "create")
    return given.count("request") != 0 ? codes.create(given["token"], given["request"]) : codes.create(given["token"]);
  if (call == "resend") return codes.resend(given["token"]);
  if (call == "verify" && given.count("context") == 0) return codes.verify(given["token"], given["code"]);
  if (call == "verify") return codes.verify(given["token"], given["code"], given["context"]);
  if (call == "cancel") return codes.cancel(given["token"]);
  if (call == "status") return codes.status(given["token"]);
  if (call == "report") return codes.report(given["report"]);
  if (call == "run_due") return codes.run_due();
  if (call == "metrics") return codes.metrics();
  if (call == "unlock") return codes.unlock(given["subject"]);
  if (call == "erase") return codes.erase(given["recipient"]);
  if (call == "webhook" && given.count("authorization") == 0) return codes.webhook(nullptr, given["body"]);
  if (call == "webhook") return codes.webhook(given["authorization"], given["body"]);
  std::abort();
}

void call(state &now, const std::string &name) {
  try {
    if (name == "open") {
      now.reply = open(now);
      now.code = OTP_OK;
    } else {
      const otp::result result = ask(now, name);
      now.reply = result;
      now.code = result.code();
      CHECK(bool(result) == (result.code() == OTP_OK) && result.code() >= 0);
      CHECK(!result || result.text("message").empty());
      CHECK(bool(result) || result.text("message") == result.sentence());
    }
  } catch (const otp::error &error) {
    now.reply = error.reply();
    now.code = error.code();
    CHECK(error.code() < 0 && error.what() == error.reply().text("message") && error.what()[0] != 0);
  }
}

/** Neither a text or number, nor, at the top, an object or array. */
bool is_absent(const otp::document &reply, const std::string &field) {
  const bool is_nested = field.find('.') != std::string::npos;
  return reply.text(field).empty() && reply.integer(field, NO_NUMBER) == NO_NUMBER &&
         (is_nested || reply.json().find("\"" + field + "\":") == std::string::npos);
}

bool same(const std::string &found, const std::string &expected) {
  if (found == expected) return true;
  std::fprintf(stderr, "  \"%s\", not \"%s\"\n", found.c_str(), expected.c_str());
  return false;
}

void expect(state &now, const std::string &item, const std::string &first, const std::string &second) {
  const std::string value = fill(second, now.captured);
  const otp::document &reply = now.reply;
  if (item == "result")
    CHECK(same(otp_result_name(now.code), first) && same(reply.text("result"), first));
  else if (item == "text")
    CHECK(same(reply.text(first), value) && (!value.empty() || !is_absent(reply, first)));
  else if (item == "integer")
    CHECK(reply.integer(first, NO_NUMBER) == std::stoll(second) && same(reply.text(first), second));
  else if (item == "present")
    CHECK(!is_absent(reply, first));
  else if (item == "absent")
    CHECK(is_absent(reply, first));
  else if (item == "contains")
    CHECK(reply.text(first).find(value) != std::string::npos);
  else if (item == "length")
    CHECK(reply.text(first).size() == std::stoull(second));
  else if (item == "messages")
    CHECK(now.messages.size() == std::stoull(first));
  else if (item == "message")
    CHECK(!now.messages.empty() && same(now.messages.back().text(first), value));
  else
    std::abort();
}

void take(std::unique_ptr<state> &now, const std::string &item, const std::string &first, const std::string &second) {
  const long before = failures;
  if (item == "scenario") {
    now.reset(new state);
    now->scenario = first;
  } else if (item == "sender") {
    now->is_host = true;
  } else if (item == "step") {
    now->step = first;
    now->arguments.clear();
    now->answers.clear();
    now->messages.clear();
  } else if (item == "clock") {
    now->now_ms = std::stoll(first);
  } else if (item == "answer") {
    now->answers.push_back(std::stoi(first));
  } else if (item == "argument") {
    now->arguments[first] = fill(second, now->captured);
  } else if (item == "call") {
    call(*now, first);
  } else if (item == "capture") {
    now->captured[first] = (now->is_host ? now->messages.back() : now->reply).text(second);
  } else {
    expect(*now, item, first, second);
  }
  if (failures != before)
    std::fprintf(stderr, "  %s: step %s: %s %s %.200s\n  %s\n", now->scenario.c_str(), now->step.c_str(), item.c_str(),
                 first.c_str(), second.c_str(), now->reply.json().c_str());
}

/** The parts of a line, with what is escaped in them replaced. */
std::vector<std::string> parts_of(const std::string &line) {
  std::vector<std::string> parts(1);
  for (std::size_t at = 0; at < line.size(); at++) {
    if (line[at] == '\t') {
      parts.emplace_back();
    } else if (line[at] == '\\' && at + 1 < line.size()) {
      const char sign = line[++at];
      parts.back() += sign == 'n' ? '\n' : sign == 'r' ? '\r' : sign == 't' ? '\t' : '\\';
    } else {
      parts.back() += line[at];
    }
  }
  parts.resize(std::max<std::size_t>(parts.size(), 3));
  return parts;
}

} // namespace

int main(int count, char **arguments) {
  if (count < 2) return 2;
  std::ifstream file(arguments[1]);
  std::unique_ptr<state> now;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = parts_of(line);
    take(now, parts[0], parts[1], parts[2]);
  }
  now.reset();
  std::printf("%ld checks, %ld failed\n", checks, failures);
  return failures == 0 && checks > 0 ? 0 : 1;
}
