// Creates and verifies codes in C++11, delivered by a function of the program, and shows the four answers to a code:
// valid, wrong, used, expired. To build it after `cargo build --release`:
//
//   ln -sf libotp.so target/release/libotp.so.0
//   c++ examples/cpp/create_verify.cpp -Iinclude -Ltarget/release -lotp -Wl,-rpath,target/release -o create_verify

#include <otp.hpp>

#include <cstdint>
#include <iostream>
#include <string>

static bool show(const char *what, const otp::verdict &verdict) {
  std::cout << what << ": " << verdict.sentence() << "\n";
  return bool(verdict); // true for a valid code alone
}

static bool run() {
  otp::service codes("{\"repository\": \"memory:\", \"sender\": {\"type\": \"host\"}, \"validityTime\": 5}");
  const otp::request request = otp::request().set("phoneNumber", "+39 333 123 4567").set("locale", "it");

  std::string sent;
  codes.on_send([&sent](const otp::message &message) {
    sent = message.text("code");
    if (sent.empty()) throw otp::not_sent("a message without a code");
    std::cout << "a message to " << message.text("to") << " by " << message.text("channel") << "\n";
  });
  std::int64_t now = 1700000000000;
  codes.on_clock([&now] { return now; });

  const otp::result first = codes.create("first", request);
  if (!first) return show("create", first);
  const std::string wrong = (sent[0] == '9' ? "0" : "9") + sent.substr(1);
  const bool accepted = show("wrong", codes.verify("first", wrong));
  if (accepted || !show("valid", codes.verify("first", sent))) return false;
  if (show("used", codes.verify("first", sent))) return false;

  now += 60 * 1000; // after the cool-down
  const otp::result second = codes.create("second", request);
  if (!second) return show("create", second);
  now += 5 * 60 * 1000;
  const otp::verdict late = codes.verify("second", sent);
  show("expired", late);
  return late.code() == OTP_EXPIRED;
}

int main() {
  try {
    return run() ? 0 : 1;
  } catch (const otp::error &error) {
    // What the library could not answer; a wrong code is no exception.
    std::cerr << otp_result_name(error.code()) << ": " << error.what() << "\n";
    return 1;
  }
}
