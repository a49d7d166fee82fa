/**
 * @file otp.hpp
 * libotp for C++11 and later: otp.h with exceptions for failures, strings, and functions as callbacks. Header only;
 * what is said there on results, threads, fork() and callbacks holds here too.
 *
 * ```cpp
 * #include <otp.hpp>
 *
 * otp::service codes("{\"repository\": \"sqlite:/var/lib/app/otp.db\"}");
 * otp::result sent = codes.create(session, otp::request().set("phoneNumber", typed));
 * ...
 * if (codes.verify(session, code))
 *   let_in();
 * ```
 *
 * A refusal, such as a wrong code, is an otp::result that is false. A failure is thrown as otp::error. Strings that
 * hold a NUL character are refused with std::invalid_argument, since C would end them there.
 */

#ifndef OTP_HPP
#define OTP_HPP

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "otp.h"

namespace otp {

namespace detail {

/** The text for C; refused when C would see another one. */
inline const char *c_text(const std::string &text) {
  if (text.find('\0') != std::string::npos) throw std::invalid_argument("otp: a text holds a NUL character");
  return text.c_str();
}

} // namespace detail

/** A JSON object of the library: a reply, or a message to send. */
class document {
public:
  document() : json_("{}") {}
  explicit document(std::string json) : json_(std::move(json)) {}

  /** The member as text; "" where there is none. Dots lead into objects and arrays: "delivery.steps.0.status". */
  std::string text(const std::string &field) const {
    const char *name = detail::c_text(field);
    std::string text(otp_reply_text(json_.c_str(), name, nullptr, 0) + 1, '\0');
    text.resize(otp_reply_text(json_.c_str(), name, &text[0], text.size()));
    return text;
  }

  /** The member as number, true being 1 and false 0; `otherwise` where there is none. */
  std::int64_t integer(const std::string &field, std::int64_t otherwise = 0) const {
    return otp_reply_integer(json_.c_str(), detail::c_text(field), otherwise);
  }

  const std::string &json() const noexcept { return json_; }

private:
  std::string json_;
};

/** A message to deliver; otp_send_fn lists its members. `clientRef` is what service::report() names it by. */
typedef document message;

/** What the library decided: true for OTP_OK alone. With it comes the reply. */
class result : public document {
public:
  result(otp_result code, std::string reply) : document(std::move(reply)), code_(code) {}

  explicit operator bool() const noexcept { return code_ == OTP_OK; }

  /** OTP_OK or a positive number, such as OTP_EXPIRED. */
  otp_result code() const noexcept { return code_; }

  /** The sentence to show the user. */
  const char *sentence() const noexcept { return otp_result_message(code_); }

  int http_status() const noexcept { return otp_result_http_status(code_); }

private:
  otp_result code_;
};

/** What a verification came to. */
typedef result verdict;

/** The library could not answer. what() is the reply's `message`. */
class error : public std::runtime_error {
public:
  error(otp_result code, const document &reply) : std::runtime_error(text_of(code, reply)), code_(code), reply_(reply) {}

  /** A negative number, such as OTP_E_STORE. */
  otp_result code() const noexcept { return code_; }

  /** Whether the message may have been sent although the call failed: do not retry blindly. */
  bool in_doubt() const noexcept { return code_ == OTP_E_IN_DOUBT; }

  int http_status() const noexcept { return otp_result_http_status(code_); }

  const document &reply() const noexcept { return reply_; }

private:
  static std::string text_of(otp_result code, const document &reply) {
    const std::string text = reply.text("message");
    return text.empty() ? otp_result_message(code) : text;
  }

  otp_result code_;
  document reply_;
};

/** Thrown by a send callback that certainly did not send. */
class not_sent : public std::runtime_error {
public:
  explicit not_sent(const std::string &why) : std::runtime_error(why) {}
};

/** Builds the request of service::create(). */
class request {
public:
  /** Adds a text member. A name that is there already, or invalid UTF-8, is std::invalid_argument. */
  request &set(const std::string &field, const std::string &text) { return add(otp_request_text, field, text); }

  /** Adds a value for the text of the message. A name that is there already, or invalid UTF-8, as for set(). */
  request &param(const std::string &name, const std::string &text) { return add(otp_request_param, name, text); }

  std::string json() const { return json_.empty() ? "{}" : json_; }

private:
  request &add(otp_result (*write)(char *, std::size_t, const char *, const char *), const std::string &field,
               const std::string &text) {
    const char *name = detail::c_text(field), *value = detail::c_text(text);
    // No byte takes more than 6 in JSON.
    std::string json(json_.size() + 6 * (field.size() + text.size()) + 32, '\0');
    json.replace(0, json_.size(), json_);
    if (write(&json[0], json.size(), name, value) != OTP_OK)
      throw std::invalid_argument("otp::request: a repeated member or invalid UTF-8");
    json.resize(std::strlen(json.c_str()));
    json_.swap(json);
    return *this;
  }

  std::string json_;
};

namespace detail {

/** Asks the library and throws what is no answer. */
template <class Call> result ask(Call call) {
  std::string reply(OTP_REPLY_SIZE, '\0');
  const otp_result code = call(&reply[0], reply.size());
  reply.resize(std::strlen(reply.c_str()));
  if (code < 0) throw error(code, document(std::move(reply)));
  return result(code, std::move(reply));
}

/** A setter has no reply. */
inline void check(otp_result code) {
  if (code != OTP_OK) throw error(code, document());
}

struct clock {
  explicit clock(std::function<std::int64_t()> function) : read(std::move(function)), known(false), last(0) {}
  std::function<std::int64_t()> read;
  std::atomic<bool> known;
  std::atomic<std::int64_t> last;
};

typedef std::function<void(const message &)> send;
typedef std::function<void(std::int32_t, const std::string &)> log;

// The functions that C calls: nothing is thrown through them.

inline std::int32_t call_send(void *user_data, const char *text) noexcept {
  try {
    (*static_cast<send *>(user_data))(message(text));
    return 1;
  } catch (const not_sent &) {
    return 2;
  } catch (...) {
    return 0;
  }
}

inline void call_log(void *user_data, std::int32_t level, const char *event) noexcept {
  try {
    (*static_cast<log *>(user_data))(level, event);
  } catch (...) {
    // A log that fails has nowhere to say so.
  }
}

inline std::int64_t system_time() noexcept {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

inline std::int64_t call_clock(void *user_data) noexcept {
  clock &state = *static_cast<clock *>(user_data);
  try {
    const std::int64_t time = state.read();
    state.last.store(time);
    state.known.store(true);
    return time;
  } catch (...) {
    return state.known.load() ? state.last.load() : system_time();
  }
}

template <class T> void call_drop(void *user_data) noexcept { delete static_cast<T *>(user_data); }

} // namespace detail

/**
 * A service. Any number of threads may use it at once; moving, assigning and destroying it is for one. What is not
 * said here is said at the function of otp.h with the same name.
 */
class service {
public:
  /** Opens a service; `config` is a JSON object. */
  explicit service(const std::string &config = "{}") : raw_(nullptr) {
    opened_ = detail::ask([&](char *reply, std::size_t size) { return otp_open(detail::c_text(config), &raw_, reply, size); });
  }

  service(service &&other) noexcept : raw_(other.raw_), opened_(std::move(other.opened_)) { other.raw_ = nullptr; }

  service &operator=(service &&other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(opened_, other.opened_);
    return *this;
  }

  service(const service &) = delete;
  service &operator=(const service &) = delete;

  ~service() { otp_close(raw_); }

  /** The reply of otp_open(): text("warnings.0") is the first of its warnings. */
  const document &opened() const noexcept { return opened_; }

  /** The handle, for otp.h; it stays this object's. */
  otp_service *capi() const noexcept { return raw_; }

  /** Creates a code; `request` is a JSON object. */
  OTP_NODISCARD result create(const std::string &token, const std::string &request = "{}") {
    return detail::ask([&](char *reply, std::size_t size) {
      return otp_create(raw_, detail::c_text(token), detail::c_text(request), reply, size);
    });
  }

  OTP_NODISCARD result create(const std::string &token, const otp::request &request) {
    return create(token, request.json());
  }

  OTP_NODISCARD result resend(const std::string &token) {
    return detail::ask(
        [&](char *reply, std::size_t size) { return otp_resend(raw_, detail::c_text(token), reply, size); });
  }

  /** From the first step with this channel on: "send it by SMS instead". */
  OTP_NODISCARD result resend(const std::string &token, const std::string &channel) {
    return detail::ask([&](char *reply, std::size_t size) {
      return otp_resend_channel(raw_, detail::c_text(token), detail::c_text(channel), reply, size);
    });
  }

  /** With sender "none": the message certainly did not leave; the next step's comes back. */
  OTP_NODISCARD result not_sent(const std::string &token) {
    return detail::ask(
        [&](char *reply, std::size_t size) { return otp_not_sent(raw_, detail::c_text(token), reply, size); });
  }

  OTP_NODISCARD verdict verify(const std::string &token, const std::string &code) {
    return detail::ask([&](char *reply, std::size_t size) {
      return otp_verify(raw_, detail::c_text(token), detail::c_text(code), reply, size);
    });
  }

  /** As otp_verify_context(): for a code that was created with a context. */
  OTP_NODISCARD verdict verify(const std::string &token, const std::string &code, const std::string &context) {
    return detail::ask([&](char *reply, std::size_t size) {
      return otp_verify_context(raw_, detail::c_text(token), detail::c_text(code), detail::c_text(context), reply, size);
    });
  }

  OTP_NODISCARD result cancel(const std::string &token) {
    return detail::ask(
        [&](char *reply, std::size_t size) { return otp_cancel(raw_, detail::c_text(token), reply, size); });
  }

  OTP_NODISCARD result status(const std::string &token) {
    return detail::ask(
        [&](char *reply, std::size_t size) { return otp_status(raw_, detail::c_text(token), reply, size); });
  }

  OTP_NODISCARD result webhook(const std::string &authorization, const std::string &body) {
    return webhook(detail::c_text(authorization), body);
  }

  /** With NULL for a request without such a header. The body may hold any bytes. */
  OTP_NODISCARD result webhook(const char *authorization, const std::string &body) {
    return detail::ask([&](char *reply, std::size_t size) {
      return otp_webhook(raw_, authorization, body.data(), body.size(), reply, size);
    });
  }

  /** Stores a receipt that you have authenticated; `report` is a JSON object. integer("known"), text("state"). */
  OTP_NODISCARD result report(const std::string &report) {
    return detail::ask(
        [&](char *reply, std::size_t size) { return otp_report(raw_, detail::c_text(report), reply, size); });
  }

  result run_due() {
    return detail::ask([&](char *reply, std::size_t size) { return otp_run_due(raw_, reply, size); });
  }

  /** What was counted since the service was opened: integer("calls.create.OTP_OK"). */
  OTP_NODISCARD result metrics() {
    return detail::ask([&](char *reply, std::size_t size) { return otp_metrics(raw_, reply, size); });
  }

  /** How a subject stands, for operators: integer("failures"), text("locked"). */
  OTP_NODISCARD result subject(const std::string &subject) {
    return detail::ask(
        [&](char *reply, std::size_t size) { return otp_subject(raw_, detail::c_text(subject), reply, size); });
  }

  /** integer("found") is 1 if there was anything to forget. */
  result unlock(const std::string &subject) {
    return detail::ask(
        [&](char *reply, std::size_t size) { return otp_unlock(raw_, detail::c_text(subject), reply, size); });
  }

  /** integer("found") is 1 if any record was erased. */
  result erase(const std::string &recipient) {
    return detail::ask(
        [&](char *reply, std::size_t size) { return otp_erase(raw_, detail::c_text(recipient), reply, size); });
  }

  /**
   * Copies the whole repository into another one; options such as {"move": true}. integer("rows") were copied,
   * integer("skipped") are damaged.
   */
  result copy(const std::string &repository, const std::string &options = "{}") {
    return detail::ask([&](char *reply, std::size_t size) {
      return otp_copy(raw_, detail::c_text(repository), detail::c_text(options), reply, size);
    });
  }

  /** Delivers messages. It returns when sent, throws not_sent when certainly not, and anything else when in doubt. */
  void on_send(std::function<void(const message &)> send) {
    std::unique_ptr<detail::send> box = boxed<detail::send>(std::move(send));
    const otp_send_fn call = box ? detail::call_send : nullptr;
    detail::check(otp_on_send(raw_, call, box.release(), detail::call_drop<detail::send>));
  }

  /** Takes log events up to `max_level`. What it throws is lost. */
  void on_log(std::int32_t max_level, std::function<void(std::int32_t level, const std::string &event)> log) {
    std::unique_ptr<detail::log> box = boxed<detail::log>(std::move(log));
    const otp_log_fn call = box ? detail::call_log : nullptr;
    detail::check(otp_on_log(raw_, max_level, call, box.release(), detail::call_drop<detail::log>));
  }

  /** Tells the time. Where it throws, the last time that it told holds; before that, the system's. */
  void on_clock(std::function<std::int64_t()> clock) {
    std::unique_ptr<detail::clock> box = boxed<detail::clock>(std::move(clock));
    const otp_clock_fn call = box ? detail::call_clock : nullptr;
    detail::check(otp_on_clock(raw_, call, box.release(), detail::call_drop<detail::clock>));
  }

private:
  /** What the library keeps of a function; nothing for an empty one, which removes the callback. */
  template <class Box, class Function> static std::unique_ptr<Box> boxed(Function function) {
    return std::unique_ptr<Box>(function ? new Box(std::move(function)) : nullptr);
  }

  otp_service *raw_;
  document opened_;
};

} // namespace otp

#endif
