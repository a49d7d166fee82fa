// Functions as callbacks: what they may throw, and that each lives exactly as long as it is needed. This is the second
// file with the header in it.
#include "check.hpp"

#include <cstdint>
#include <memory>
#include <stdexcept>

otp::verdict verify_elsewhere(otp::service &codes, const std::string &token, const std::string &code) {
  return codes.verify(token, code);
}

static const char BOTH[] = "{\"phoneNumber\": \"393331234567\", \"messengerId\": \"8192836451\"}";

static void senders() {
  otp::service codes(config("host"));
  std::string channels, code;
  int mode = 0;
  codes.on_send([&](const otp::message &message) {
    channels += message.text("channel")[0];
    code = message.text("code");
    if (mode == 1) throw otp::not_sent("no route");
    if (mode == 2) throw std::runtime_error("the line went dead");
    if (mode == 3) throw 3;
  });
  const otp::result sent = codes.create("token", BOTH);
  CHECK(sent && channels == "m" && code.size() == 6);
  mode = 1;
  CHECK(thrown([&] { ignore(codes.create("token", BOTH)); }) == OTP_E_SEND && channels == "mms");
  CHECK(codes.verify("token", code).code() == OTP_CANCELLED);
  for (mode = 2; mode <= 3; mode++) {
    channels.clear();
    try {
      ignore(codes.create("token", BOTH));
      CHECK(!"nothing was thrown");
    } catch (const otp::error &error) {
      CHECK(error.in_doubt() && error.http_status() == 502 && channels == "m");
    }
    CHECK(codes.verify("token", code));
  }
  // What a callback that calls the library throws is its own affair, and the service stays usable.
  codes.on_send([&](const otp::message &) { ignore(codes.status("")); });
  CHECK(thrown([&] { ignore(codes.create("token", "{\"messengerId\": \"1\"}")); }) == OTP_E_IN_DOUBT);
  codes.on_send(nullptr);
  CHECK(thrown([&] { ignore(codes.create("token", "{\"messengerId\": \"2\"}")); }) == OTP_E_UNSUPPORTED);
  otp::service other(config("none"));
  CHECK(thrown([&] { other.on_send([](const otp::message &) {}); }) == OTP_E_UNSUPPORTED);
}

static void clocks() {
  otp::service codes(config("none"));
  std::int64_t now = 1700000000000;
  bool lost = true;
  codes.on_clock([&]() -> std::int64_t {
    if (lost) throw 1;
    return now;
  });
  // Before it ever told a time, the system's holds.
  CHECK(codes.create("system") && codes.status("system").text("creationDate") > "2024");
  lost = false;
  const std::string code = codes.create("token").text("code");
  CHECK(codes.status("token").text("creationDate") == "2023-11-14T22:13:20.000Z");
  // And then the last that it told.
  now += 60000;
  CHECK(codes.status("token"));
  lost = true;
  CHECK(codes.create("later") && codes.status("later").text("creationDate") == "2023-11-14T22:14:20.000Z");
  CHECK(codes.verify("token", code));
  codes.on_clock(nullptr);
  CHECK(codes.create("system") && codes.status("system").text("creationDate") > "2024");
}

static void logs() {
  otp::service codes(config("none"));
  int events = 0;
  std::string last;
  codes.on_log(OTP_LOG_INFO, [&](std::int32_t level, const std::string &event) {
    events++;
    last = otp::document(event).text("event");
    CHECK(level <= OTP_LOG_INFO);
    throw std::runtime_error("the disk is full");
  });
  CHECK(codes.create("token") && events == 1 && last == "create");
  CHECK(codes.status("token") && events == 1);
  CHECK(thrown([&] { codes.on_log(5, [](std::int32_t, const std::string &) {}); }) == OTP_E_ARGUMENT);
  CHECK(!codes.verify("token", "wrong") && events == 2 && last == "verify");
  codes.on_log(0, nullptr);
  CHECK(!codes.verify("token", "wrong") && events == 2);
}

/** What a function holds is let go when it is replaced, removed or refused, and with its service. */
static void lifetimes() {
  const auto held = std::make_shared<int>(0);
  const auto send = [held](const otp::message &) {};
  {
    otp::service codes(config("host"));
    const long before = held.use_count();
    codes.on_send(send);
    CHECK(held.use_count() == before + 1);
    codes.on_send(send);
    CHECK(held.use_count() == before + 1);
    codes.on_clock([held] { return std::int64_t(1700000000000); });
    codes.on_log(4, [held](std::int32_t, const std::string &) {});
    CHECK(held.use_count() == before + 3);
    CHECK(thrown([&] { codes.on_log(-1, [held](std::int32_t, const std::string &) {}); }) == OTP_E_ARGUMENT);
    CHECK(held.use_count() == before + 3);
    codes.on_send(nullptr);
    CHECK(held.use_count() == before + 2);
    codes.on_send(send);
    otp::service moved(std::move(codes));
    CHECK(held.use_count() == before + 3);
    CHECK(thrown([&] { codes.on_send(send); }) == OTP_E_ARGUMENT && held.use_count() == before + 3);
    CHECK(moved.create("token", BOTH));
  }
  CHECK(held.use_count() == 2);
}

void callbacks() {
  senders();
  clocks();
  logs();
  lifetimes();
}
