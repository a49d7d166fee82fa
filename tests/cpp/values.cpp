// Verdicts, errors, documents, requests and services as values.
#include "check.hpp"

#include <type_traits>
#include <utility>

long checks, failures;

static void verdicts() {
  static_assert(!std::is_convertible<otp::verdict, bool>::value, "a verdict is no number by itself");
  static_assert(!std::is_convertible<otp::verdict, int>::value, "a verdict is no number by itself");
  for (otp_result code = -20; code <= 20; code++) {
    const otp::verdict verdict(code, "{}");
    CHECK(bool(verdict) == (code == OTP_OK));
    CHECK(!verdict == (code != OTP_OK));
    CHECK(verdict.code() == code && verdict.http_status() == otp_result_http_status(code));
    CHECK(std::string(verdict.sentence()) == otp_result_message(code));
  }

  otp::service codes(config("none"));
  const otp::result created = codes.create("token");
  CHECK(created && created.integer("expiresInSeconds") > 200 && created.integer("absent", -5) == -5);
  CHECK(created.text("delivery.via") == "none" && created.text("absent").empty() && created.json()[0] == '{');
  const std::string code = created.text("code");
  CHECK(verify_elsewhere(codes, "token", "wrong").code() == OTP_NOT_VALID);
  CHECK(verify_elsewhere(codes, "token", code));
  const otp::verdict used = verify_elsewhere(codes, "token", code);
  CHECK(!used && used.code() == OTP_CHECKED && used.http_status() == 409);
  CHECK(used.text("message") == used.sentence());
  CHECK(codes.status("token").text("state") == "checked" && codes.cancel("token").code() == OTP_CHECKED);
  CHECK(codes.resend("nobody").code() == OTP_UNKNOWN && !codes.status("nobody"));
  CHECK(codes.unlock("nobody") && codes.erase("nobody") && codes.run_due().integer("purged", -1) == 0);
  CHECK(codes.unlock("nobody").integer("found", -1) == 0 && codes.subject("nobody").integer("failures", -1) == 0);
  CHECK(codes.metrics().integer("calls.cancel.OTP_CHECKED") == 1 && codes.metrics().integer("calls.erase.OTP_OK") == 0);
  CHECK(otp::request().param("a", "b").set("c", "d").param("e", "f").json() ==
        "{\"params\":{\"a\":\"b\",\"e\":\"f\"},\"c\":\"d\"}");

  CHECK(codes.create("bound", otp::request().set("context", "30 EUR")));
  const std::string bound = codes.resend("bound").text("code");
  CHECK(!codes.verify("bound", bound) && !codes.verify("bound", bound, "") && codes.verify("bound", bound, "30 EUR"));
}

static void errors() {
  otp::service codes(config("none"));
  try {
    ignore(codes.create("token", "{\"x\": 1}"));
    CHECK(!"nothing was thrown");
  } catch (const otp::error &error) {
    CHECK(error.code() == OTP_E_ARGUMENT && error.http_status() == 400 && !error.in_doubt());
    CHECK(error.reply().text("result") == "OTP_E_ARGUMENT" && error.reply().text("message") == error.what());
    CHECK(std::string(error.what()).find('x') != std::string::npos);
  }
  CHECK(thrown([&] { ignore(codes.verify("token", "")); }) == OTP_E_ARGUMENT);
  CHECK(thrown([&] { ignore(codes.verify("token", "\xff")); }) == OTP_E_ARGUMENT);
  CHECK(thrown([&] { ignore(codes.webhook(nullptr, std::string(3, '\0'))); }) == OTP_E_UNSUPPORTED);
  CHECK(thrown([&] { ignore(codes.webhook("Bearer", "{}")); }) == OTP_E_UNSUPPORTED);
  CHECK(thrown([] { otp::service none("{\"x\": 1}"); }) == OTP_E_CONFIG);
  CHECK(thrown([] { otp::service none("["); }) == OTP_E_CONFIG);
  CHECK(throws<std::runtime_error>([] { otp::service none("["); }));
  CHECK(otp::error(OTP_E_BUSY, otp::document()).what() == std::string(otp_result_message(OTP_E_BUSY)));
  CHECK(otp::error(OTP_E_IN_DOUBT, otp::document()).in_doubt());
}

/** C ends a text at a NUL character; what stands behind it would be lost without a word. */
static void embedded_nul() {
  const std::string text("a\0b", 3);
  otp::service codes(config("none"));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.create(text)); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.create("a", "{}" + text)); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.resend(text)); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.verify(text, "1")); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.verify("a", text)); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.verify("a", "1", text)); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.cancel(text)); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.status(text)); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.webhook(text, "")); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.unlock(text)); }));
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.erase(text)); }));
  CHECK(throws<std::invalid_argument>([&] { otp::service none(text); }));
  CHECK(throws<std::invalid_argument>([&] { otp::request().set(text, ""); }));
  CHECK(throws<std::invalid_argument>([&] { otp::request().set("a", text); }));
  CHECK(codes.status("a").code() == OTP_UNKNOWN);
  CHECK(throws<std::invalid_argument>([&] { ignore(codes.create("a").text(text)); }));
}

static void requests() {
  otp::request request;
  CHECK(request.json() == "{}");
  request.set("a", "\"\n").set("", "");
  const std::string before = request.json();
  CHECK(before == "{\"a\":\"\\\"\\n\",\"\":\"\"}");
  CHECK(throws<std::invalid_argument>([&] { request.set("a", "again"); }));
  CHECK(throws<std::invalid_argument>([&] { request.set("b", "\xff"); }));
  CHECK(request.json() == before);
  otp::request copy = request;
  copy.set("b", std::string(5000, '\x01'));
  CHECK(request.json() == before && copy.json().size() > 30000);
}

static void moves() {
  static_assert(!std::is_copy_constructible<otp::service>::value, "a service has one owner");
  static_assert(!std::is_copy_assignable<otp::service>::value, "a service has one owner");
  static_assert(std::is_nothrow_move_constructible<otp::service>::value, "containers move what cannot fail");
  static_assert(std::is_nothrow_move_assignable<otp::service>::value, "containers move what cannot fail");

  otp::service first(config("none"));
  otp_service *const handle = first.capi();
  const std::string code = first.create("token").text("code");
  otp::service second(std::move(first));
  CHECK(first.capi() == nullptr && second.capi() == handle && !second.opened().text("warnings.0").empty());
  // A service that was moved from is no service, and no crash.
  CHECK(thrown([&] { ignore(first.status("token")); }) == OTP_E_ARGUMENT);
  CHECK(thrown([&] { first.on_clock(nullptr); }) == OTP_E_ARGUMENT);
  otp::service third(config("none"));
  third = std::move(second);
  CHECK(third.capi() == handle && third.verify("token", code));
  otp::service &self = third;
  third = std::move(self);
  CHECK(third.capi() == handle && third.verify("token", code).code() == OTP_CHECKED);
  third = otp::service(config("none"));
  CHECK(otp_status(handle, "token", nullptr, 0) == OTP_E_ARGUMENT && !third.status("token"));
}

int main() {
  verdicts();
  errors();
  embedded_nul();
  requests();
  moves();
  callbacks();
  std::printf("%ld checks, %ld failed\n", checks, failures);
  return failures == 0 && checks > 0 ? 0 : 1;
}
