//! `include/otp.h` is what `src/ffi` says, and both headers compile, alone, as every standard from C99 and C++11 on.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn header_is_current() {
    let config = cbindgen::Config::from_file(root("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_config(config).with_src(root("src/ffi/mod.rs")).generate().unwrap();
    let mut generated = Vec::new();
    bindings.write(&mut generated);
    let (generated, path) = (String::from_utf8(generated).unwrap(), root("include/otp.h"));
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(generated == committed, "include/otp.h is out of date: UPDATE_HEADER=1 cargo test --test header");
}

#[test]
fn header_holds_the_results() {
    let header = std::fs::read_to_string(root("include/otp.h")).unwrap();
    for outcome in otp::Outcome::ALL {
        let line = format!("\n#define {} {}\n", outcome.name(), outcome.number());
        assert!(header.contains(&line), "{line}");
        let documented = format!("HTTP {}.\n */{line}", outcome.http_status());
        assert!(header.contains(&documented), "{documented}");
    }
}

/// Compiles the text with every warning as an error and gives what the compiler says.
fn compile(compiler: &str, language: &str, standard: &str, text: &str, options: &[&str]) -> Result<(), String> {
    let name = format!("{standard}-{}.{language}", options.concat());
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&source, text).unwrap();
    let output = Command::new(compiler)
        .args(["-c", "-o", "/dev/null", "-Wall", "-Wextra", "-Wconversion", "-pedantic-errors", "-Werror"])
        .arg(format!("-std={standard}"))
        .args(options)
        .arg("-I")
        .arg(root("include"))
        .arg(&source)
        .output()
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

const C: [&str; 4] = ["c99", "c11", "c17", "c2x"];
const CPP: [&str; 5] = ["c++11", "c++14", "c++17", "c++20", "c++2b"];

#[test]
fn headers_compile_as_every_standard() {
    for standard in C {
        compile(
            "cc",
            "c",
            standard,
            "#include \"otp.h\"\n#include \"otp.h\"\nint main(void) { return OTP_OK; }\n",
            &[],
        )
        .unwrap();
    }
    let both = "#include \"otp.hpp\"\n#include \"otp.hpp\"\n\
                otp::verdict ask(otp::service &s) { return s.verify(\"t\", \"c\"); }\n";
    for standard in CPP {
        compile("c++", "cpp", standard, "#include \"otp.h\"\nint main() { return OTP_OK; }\n", &["-DALONE"]).unwrap();
        compile("c++", "cpp", standard, both, &[]).unwrap();
    }
    compile("c++", "cpp", "c++11", both, &["-fno-rtti"]).unwrap();
}

#[test]
fn a_result_that_is_not_looked_at_is_a_warning() {
    let call = "otp_verify(0, 0, 0, 0, 0)";
    for (compiler, language, standards) in [("cc", "c", &C[..]), ("c++", "cpp", &CPP[..])] {
        for standard in standards {
            let program = |statement: &str| {
                let text = format!("#include \"otp.h\"\nint f(void);\nint f(void) {{ {statement} }}\n");
                compile(compiler, language, standard, &text, &["-DRESULT"])
            };
            program(&format!("return {call};")).unwrap();
            let complaint = program(&format!("{call}; return 0;")).unwrap_err();
            assert!(complaint.contains("result"), "{standard}: {complaint}");
        }
    }
    let ignored = "#include \"otp.hpp\"\nvoid f(otp::service &s) { s.verify(\"t\", \"c\"); }\n";
    assert!(compile("c++", "cpp", "c++17", ignored, &["-DIGNORED"]).is_err());
    let converted = "#include \"otp.hpp\"\nint f(otp::service &s) { return s.verify(\"t\", \"c\"); }\n";
    assert!(compile("c++", "cpp", "c++11", converted, &["-DCONVERTED"]).is_err());
}
