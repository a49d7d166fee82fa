//! The headers are what `src/ffi` says, and compile alone: `otp.h` as every standard from C90 and C++98 on, `otp.hpp`
//! from C++11 on.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// `include/otp.h` as it should be: what cbindgen makes, as C90 takes it, and with negative results in parentheses.
fn generated() -> String {
    let config = cbindgen::Config::from_file(root("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_config(config).with_src(root("src/ffi/mod.rs")).generate().unwrap();
    let mut generated = Vec::new();
    bindings.write(&mut generated);
    let line = |line: &str| match (line.split_once(" // "), line.split_once(" -")) {
        (Some((code, comment)), _) if line.starts_with('#') => format!("{code} /* {comment} */\n"),
        (_, Some((name, number))) if line.starts_with("#define ") => format!("{name} (-{number})\n"),
        _ => format!("{line}\n"),
    };
    String::from_utf8(generated).unwrap().lines().map(line).collect()
}

/// The same without preprocessor and comments, for what reads declarations at run time.
fn declarations() -> String {
    let header = generated();
    let (mut constants, mut code) = (String::new(), String::new());
    let mut is_comment = false;
    for line in header.lines() {
        is_comment |= line.starts_with("/*");
        let is_code = !is_comment && !line.starts_with(['#', '}']) && !line.starts_with("extern") && !line.is_empty();
        is_comment &= !line.ends_with("*/");
        match line.strip_prefix("#define OTP_").and_then(|constant| constant.split_once(' ')) {
            Some((name, value)) if value.trim_matches(['(', ')', '-']).bytes().all(|byte| byte.is_ascii_digit()) => {
                constants += &format!("  OTP_{name} = {},\n", value.trim_matches(['(', ')']));
            }
            _ if is_code => code += &format!("{}\n", line.replace("OTP_NODISCARD ", "").trim_end()),
            _ => {}
        }
    }
    let code = code.replace("OTP_NODISCARD\n", "");
    let title =
        "/* libotp: the declarations of otp.h, which tells what they mean, for what reads C without preprocessor. */";
    format!("{title}\nenum {{\n{constants}}};\n{code}")
}

/// Compares a file with what it should be, or writes it if it is asked to.
fn is_current(path: &str, wanted: &str) {
    let file = root(path);
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&file, wanted).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == wanted, "{path} is out of date: UPDATE_HEADER=1 cargo test --test interface header");
}

#[test]
fn headers_are_current() {
    is_current("include/otp.h", &generated());
    is_current("include/otp.cdef.h", &declarations());
}

#[test]
fn header_holds_the_results() {
    let header = std::fs::read_to_string(root("include/otp.h")).unwrap();
    for outcome in otp::Outcome::ALL {
        let number = outcome.number();
        let number = if number < 0 { format!("({number})") } else { number.to_string() };
        let line = format!("\n#define {} {number}\n", outcome.name());
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

const C: [&str; 5] = ["c90", "c99", "c11", "c17", "c2x"];
const CPP98: [&str; 2] = ["c++98", "c++03"];
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
    for standard in CPP98.iter().chain(&CPP) {
        let alone = "#include \"otp.h\"\nint main() { return 0 - OTP_E_ARGUMENT; }\n";
        compile("c++", "cpp", standard, alone, &["-DALONE"]).unwrap();
    }
    for standard in CPP {
        compile("c++", "cpp", standard, both, &[]).unwrap();
    }
    let declarations = "#include <stddef.h>\n#include <stdint.h>\n#include \"otp.cdef.h\"\n\
                        int main(void) { return OTP_E_ARGUMENT + 1; }\n";
    for standard in ["c99", "c17"] {
        compile("cc", "c", standard, declarations, &["-DCDEF"]).unwrap();
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
