// What the C++ tests share.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <otp.hpp>

#include <cstdio>
#include <string>

extern long checks, failures;

#define CHECK(condition) check(__FILE__, __LINE__, bool(condition), #condition)

inline void check(const char *file, int line, bool holds, const char *what) {
  checks++;
  if (holds) return;
  failures++;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
}

/** Whether a call throws exactly this. */
template <class Exception, class Call> bool throws(Call call) {
  try {
    call();
  } catch (const Exception &) {
    return true;
  } catch (...) {
    return false;
  }
  return false;
}

/** The number of the error that a call throws; 0 when it throws none. */
template <class Call> otp_result thrown(Call call) {
  try {
    call();
  } catch (const otp::error &error) {
    return error.code();
  }
  return OTP_OK;
}

/** For calls of which only the exception matters. */
template <class T> void ignore(const T &) {}

/** In memory, with one member more. */
inline std::string config(const std::string &sender, const std::string &more = "") {
  return "{\"repository\": \"memory:\", \"policy\": {\"cooldownSeconds\": 0}, \"sender\": {\"type\": \"" + sender +
         "\"}" + more + "}";
}

/** In the other file. */
otp::verdict verify_elsewhere(otp::service &codes, const std::string &token, const std::string &code);
void callbacks();

#endif
