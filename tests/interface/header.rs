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

/// What the examples take for granted.
const PRELUDE: &str = "#define _GNU_SOURCE\n#include <otp.h>\n#include <stdio.h>\n#include <sys/types.h>\n#include <unistd.h>\n\
    int fail(const char *reply);\nint refuse(void);\nvoid let_in(void);\nvoid show(const char *text);\n\
    int gateway_send(void *gateway, const char *to, const char *text);\nvoid gateway_free(void *gateway);\n";

/// The examples, each without the stars before its lines.
fn examples() -> Vec<String> {
    let header = std::fs::read_to_string(root("include/otp.h")).unwrap();
    let parts = header.split(" * ```c\n").skip(1).map(|part| part.split(" * ```\n").next().unwrap());
    let line = |line: &str| format!("{}\n", line.strip_prefix(" * ").or(line.strip_prefix(" *")).unwrap());
    parts.map(|part| part.lines().map(line).collect()).collect()
}

/// Strict C compiles every example: a whole program, functions, or statements of one.
#[test]
fn every_example_compiles() {
    let examples = examples();
    assert!(examples.len() > 12, "{}", examples.len());
    for (number, example) in examples.iter().enumerate() {
        let program = if example.contains("int main(") {
            example.clone()
        } else if example.starts_with("static ") {
            // Whoever defines a function uses it.
            let names = example.lines().filter(|line| line.starts_with("static "));
            let names = names.map(|line| line.split('(').next().unwrap().rsplit([' ', '*']).next().unwrap());
            let used: String = names.map(|name| format!("(void){name};")).collect();
            format!("{PRELUDE}{example}int main(void) {{ {used} return 0; }}\n")
        } else {
            // What the statements do not declare themselves.
            let declared = [
                ("otp_service *service", "otp_service *service = NULL;"),
                ("reply[OTP_REPLY_SIZE]", "char reply[OTP_REPLY_SIZE] = \"{}\";"),
                ("char request[", "char request[1024] = \"\";"),
            ];
            let missing = declared.iter().filter(|(start, _)| !example.contains(start));
            let early: String = missing.map(|(_, whole)| *whole).collect();
            let given = "const char *session, const char *payment, const char *typed, const char *shop";
            let names = ["session", "payment", "typed", "shop", "service", "reply", "request"];
            let seconds = example.contains("int64_t seconds").then_some("seconds");
            let used: String = names.into_iter().chain(seconds).map(|name| format!("(void){name};")).collect();
            format!("{PRELUDE}int example({given});\nint example({given}) {{ {early}\n{example}{used} return 0; }}\n")
        };
        compile("cc", "c", "c99", &program, &[&format!("-DEXAMPLE={number}")])
            .unwrap_or_else(|complaint| panic!("{example}\n{complaint}"));
    }
}

/// One line that says it; then parameters, reply, results, example.
#[test]
fn every_function_says_the_same_things_in_the_same_order() {
    let header = std::fs::read_to_string(root("include/otp.h")).unwrap();
    let (_, functions) = header.split_once("extern \"C\" {").unwrap();
    let mut count = 0;
    for part in functions.split("/**\n").skip(1) {
        let (comment, declaration) = part.split_once(" */\n").unwrap();
        let declaration = declaration.split_once(';').unwrap().0;
        let place = |section: &str| comment.find(&format!(" * {section}:"));
        let (parameters, reply) = (place("Parameters"), place("Reply"));
        let (results, example) = (place("Results"), place("Example"));
        let first = comment.lines().next().unwrap();
        assert!(first.ends_with('.') && comment.lines().nth(1) == Some(" *"), "{declaration}: {first}");
        assert_eq!(parameters.is_some(), !declaration.contains("(void)"), "{declaration}");
        assert_eq!(reply.is_some(), declaration.contains("char *reply,") && declaration.contains("reply_size"));
        assert!(results.is_some() || declaration.contains("void otp_"), "{declaration}");
        let order: Vec<_> = [parameters, reply, results, example].into_iter().flatten().collect();
        assert!(order.is_sorted(), "{declaration}");
        let names = declaration.split_once('(').unwrap().1.split([',', ')']).filter(|name| name.contains(' '));
        for name in names.map(|name| name.rsplit([' ', '*']).next().unwrap()) {
            assert!(comment.contains(&format!("`{name}`")), "{declaration}: {name}");
        }
        count += 1;
    }
    assert_eq!(count, 30);
}

/// Turns of phrase that one has to read twice.
#[test]
fn the_manuals_are_in_plain_english() {
    let turns =
        ["but for ", "as of ", "those who", "may be told", "has the workflow", "for want of", "whereof", "alike)"];
    let pages = std::fs::read_dir(root("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let manuals: Vec<_> =
        ["include/otp.h", "include/otp.hpp", "README.md"].map(root).into_iter().chain(pages).collect();
    assert!(manuals.len() > 30);
    for manual in manuals {
        let text = std::fs::read_to_string(&manual).unwrap();
        for turn in turns {
            assert!(!text.contains(turn), "{}: {turn}", manual.display());
        }
    }
}
