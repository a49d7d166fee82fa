//! The shared library from outside: what it exports, how it is named, and that programs can be linked with it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The shared library that belongs to this test.
fn library() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = folder.join("libotp.so");
    assert!(library.exists(), "{} is missing", library.display());
    library
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// The functions that the header declares.
fn declared() -> Vec<String> {
    let header = std::fs::read_to_string(include().join("otp.h")).unwrap();
    let code = header.lines().filter(|line| !line.starts_with(" *") && !line.starts_with("typedef"));
    let mut names: Vec<String> = code
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("otp_"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn exports_are_what_the_header_declares() {
    let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library()));
    let mut exported: Vec<&str> = symbols.lines().filter_map(|line| line.split(' ').next_back()).collect();
    exported.sort_unstable();
    assert_eq!(exported, declared());
    assert_eq!(exported.len(), 23);
}

#[test]
fn soname_is_the_interface_version_and_the_library_stays_mapped() {
    let dynamic = run(Command::new("readelf").arg("-dW").arg(library()));
    let soname = format!("soname: [libotp.so.{}]", otp::ffi::results::OTP_ABI_VERSION);
    assert!(dynamic.contains(&soname), "{dynamic}");
    assert!(dynamic.lines().any(|line| line.contains("FLAGS_1") && line.contains("NODELETE")), "{dynamic}");
}

/// Two files with the C++ header in both, as programs have it.
const OTHER_CPP: &str = r#"
#include "otp.hpp"
bool verified(otp::service &service, const std::string &code) { return bool(service.verify("token", code)); }
"#;

const MAIN_CPP: &str = r#"
#include "otp.hpp"
#include <cstdio>
#include <cstdlib>
#define CHECK(condition) \
  do { if (!(condition)) { std::fprintf(stderr, "%d: %s\n", __LINE__, #condition); std::exit(1); } } while (0)

bool verified(otp::service &service, const std::string &code);

template <class Exception, class Call> bool throws(Call call) {
  try { call(); } catch (const Exception &) { return true; }
  return false;
}

template <class T> void ignore(const T &) {}

struct counted {
  explicit counted(int *count) : count_(count) { ++*count_; }
  counted(const counted &other) : count_(other.count_) { ++*count_; }
  ~counted() { --*count_; }
  int *count_;
};

static void handed_over() {
  otp::service opened("{\"repository\":\"memory:\",\"sender\":{\"type\":\"none\"},\"policy\":{\"cooldownSeconds\":0}}");
  otp::service service(std::move(opened));
  CHECK(opened.capi() == nullptr && service.capi() != nullptr);
  CHECK(!service.opened().text("warnings.0").empty());
  otp::result created = service.create("token", otp::request().set("phoneNumber", "393331234567"));
  CHECK(created && created.code() == OTP_OK && created.http_status() == 200);
  const std::string code = created.text("code");
  CHECK(code.size() == 6 && created.integer("expiresInSeconds") > 200 && created.text("to") == "393331234567");
  CHECK(!verified(service, "x" + code));
  CHECK(verified(service, code));
  otp::verdict again = service.verify("token", code);
  CHECK(!again && again.code() == OTP_CHECKED && std::string(again.sentence()) == "The code has already been verified");
  CHECK(service.status("token") && service.cancel("nobody").code() == OTP_UNKNOWN);
  CHECK(service.run_due() && service.unlock("nobody") && service.erase("393331234567"));
  CHECK(throws<std::invalid_argument>([&] { ignore(service.verify(std::string("to\0ken", 6), code)); }));
  CHECK(throws<std::invalid_argument>([] { otp::request().set("a", "1").set("a", "2"); }));
  CHECK(otp::request().set("a\"", "\n").set("b", "").json() == "{\"a\\\"\":\"\\n\",\"b\":\"\"}");
  try {
    ignore(service.webhook(nullptr, std::string("\0", 1)));
    CHECK(false);
  } catch (const otp::error &error) {
    CHECK(error.code() == OTP_E_UNSUPPORTED && !error.in_doubt() && std::string(error.what()).size() > 0);
    CHECK(error.reply().text("result") == "OTP_E_UNSUPPORTED");
  }
  CHECK(throws<otp::error>([] { otp::service none("{"); }));
  service = otp::service("{\"repository\":\"memory:\"}");
  CHECK(!verified(service, code));
}

static void called_back() {
  int alive = 0;
  {
    otp::service service("{\"repository\":\"memory:\",\"sender\":{\"type\":\"host\"},\"policy\":{\"cooldownSeconds\":0}}");
    const counted count(&alive);
    int mode = 0;
    std::string code;
    service.on_send([&mode, &code, count](const otp::message &message) {
      if (mode == 1) throw otp::not_sent("no route");
      if (mode == 2) throw 2;
      code = message.text("code");
    });
    bool lost = false;
    service.on_clock([&lost]() -> std::int64_t { if (lost) throw 3; return 1700000000000; });
    int events = 0;
    service.on_log(4, [&events](std::int32_t, const std::string &) { ++events; throw 4; });
    CHECK(service.create("token", "{\"phoneNumber\":\"393331234567\"}"));
    CHECK(code.size() == 6 && events > 0);
    mode = 1;
    CHECK(throws<otp::error>([&] { ignore(service.create("second", "{\"phoneNumber\":\"393331234568\"}")); }));
    mode = 2;
    try {
      ignore(service.create("third", "{\"phoneNumber\":\"393331234569\"}"));
      CHECK(false);
    } catch (const otp::error &error) {
      CHECK(error.in_doubt() && error.http_status() == 502);
    }
    lost = true;
    CHECK(verified(service, code));
    CHECK(throws<otp::error>([&] { service.on_log(9, [count](std::int32_t, const std::string &) {}); }));
    CHECK(alive == 2);
    service.on_send(nullptr);
    CHECK(alive == 1);
    service.on_send([count](const otp::message &) {});
    CHECK(alive == 2);
  }
  CHECK(alive == 0);
}

int main() {
  handed_over();
  called_back();
  std::puts("done");
}
"#;

#[test]
fn a_cpp_program_of_two_files_works() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let sources = [("exports_main.cpp", MAIN_CPP), ("exports_other.cpp", OTHER_CPP)].map(|(name, text)| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    });
    // The soname is the name under which a program looks for the library.
    let soname = folder.join(format!("libotp.so.{}", otp::ffi::results::OTP_ABI_VERSION));
    let _ = std::fs::remove_file(&soname);
    std::os::unix::fs::symlink(library(), &soname).unwrap();
    let program = folder.join("exports_main");
    for standard in ["-std=c++11", "-std=c++20"] {
        run(Command::new("c++")
            .args([standard, "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(include())
            .args(&sources)
            .arg(&soname)
            .arg("-o")
            .arg(&program));
        assert_eq!(run(Command::new(&program).env("LD_LIBRARY_PATH", folder)), "done\n");
    }
}
