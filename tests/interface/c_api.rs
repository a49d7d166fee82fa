//! Programs in C and C++ that know nothing but the headers and the library: compiled strictly, by every standard, and
//! run plainly, under valgrind and under sanitizers.

use std::path::PathBuf;
use std::process::Command;

use testing::compiler::{Compiler, root, succeed, valgrind};
use testing::{shared_library, size, tool};

const C_STANDARDS: [&str; 4] = ["-std=c99", "-std=c11", "-std=c17", "-std=c2x"];
const CPP_STANDARDS: [&str; 5] = ["-std=c++11", "-std=c++14", "-std=c++17", "-std=c++20", "-std=c++23"];
const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// What `rustc --print native-static-libs` says that a program with the static library needs.
const SYSTEM_LIBRARIES: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

const EVERYWHERE: &[&str] = &["memory:", "sqlite:otp.db", "json:otp"];

/// The programs, each with the repositories on which it runs.
const PROGRAMS: [(&str, &[&str]); 13] = [
    ("results", &["memory:"]),
    ("config", &["memory:"]),
    ("create", EVERYWHERE),
    ("again", EVERYWHERE),
    ("verify", EVERYWHERE),
    ("limits", EVERYWHERE),
    ("delivery", EVERYWHERE),
    ("callbacks", EVERYWHERE),
    ("background", &["sqlite:otp.db"]),
    ("storage", &["sqlite:otp.db", "json:otp"]),
    ("misuse", EVERYWHERE),
    ("metrics", EVERYWHERE),
    ("people", EVERYWHERE),
];

/// Not programs of checks by themselves: see the tests that name them, and `vectors.rs`.
const OTHERS: [&str; 3] = ["types", "faulty", "vectors"];

fn c_file(name: &str) -> PathBuf {
    root().join("tests/c").join(name).with_extension("c")
}

fn cpp_files() -> [PathBuf; 2] {
    ["values.cpp", "callbacks.cpp"].map(|name| root().join("tests/cpp").join(name))
}

#[test]
fn every_program_is_run() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/c")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "c") {
            found.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    let mut known: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).chain(OTHERS).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn every_function_has_the_type_that_programs_are_written_against() {
    let Some(compiler) = Compiler::new("cc", "types") else { return };
    let object = compiler.folder.path().join("object.o");
    succeed(compiler.call(&[C_STANDARDS[0], "-c"]).arg(c_file("types")).arg("-o").arg(object));
}

#[test]
fn c_programs() {
    let Some(compiler) = Compiler::new("cc", "plain") else { return };
    for standard in C_STANDARDS.iter().take(size(1, C_STANDARDS.len())) {
        for (name, places) in PROGRAMS {
            let program = compiler.program(&format!("{name}{standard}"), &[c_file(name)], &[standard]);
            places.iter().for_each(|place| compiler.run(&[], &program, place));
        }
    }
}

#[test]
fn c_programs_under_valgrind() {
    let (Some(compiler), Some(valgrind)) = (Compiler::new("cc", "valgrind"), valgrind()) else { return };
    let valgrind = valgrind.each_ref().map(String::as_str);
    let faulty = compiler.program("faulty", &[c_file("faulty")], &["-std=c11"]);
    assert!(compiler.finds(&valgrind, &faulty, "leak") && compiler.finds(&valgrind, &faulty, "beyond"));
    assert!(!compiler.finds(&valgrind, &faulty, "nothing"));
    for (name, places) in PROGRAMS {
        let program = compiler.program(name, &[c_file(name)], &["-std=c11"]);
        // On disk first: there most of the library is at work.
        let places = places.iter().rev().take(size(1, places.len()));
        places.for_each(|place| compiler.run(&valgrind, &program, place));
    }
}

#[test]
fn c_programs_under_sanitizers() {
    let Some(compiler) = Compiler::new("cc", "sanitizers") else { return };
    let options = [C_STANDARDS[2], SANITIZERS[0], SANITIZERS[1]];
    let faulty = compiler.program("faulty", &[c_file("faulty")], &options);
    for fault in ["leak", "beyond", "undefined"] {
        assert!(compiler.finds(&[], &faulty, fault), "{fault} is not found");
    }
    assert!(!compiler.finds(&[], &faulty, "nothing"));
    for (name, places) in PROGRAMS {
        let program = compiler.program(name, &[c_file(name)], &options);
        if let Some(nm) = tool("nm") {
            let symbols = succeed(Command::new(nm).arg(&program));
            assert!(
                symbols.contains("__asan_init") && symbols.contains("__ubsan_handle"),
                "{name} is not instrumented"
            );
        }
        places.iter().for_each(|place| compiler.run(&[], &program, place));
    }
}

#[test]
fn cpp_programs_by_every_standard() {
    let Some(compiler) = Compiler::new("c++", "cpp") else { return };
    for standard in CPP_STANDARDS {
        let program = compiler.program(&format!("cpp{standard}"), &cpp_files(), &[standard]);
        compiler.run(&[], &program, "");
    }
    let program = compiler.program("no-rtti", &cpp_files(), &[CPP_STANDARDS[0], "-fno-rtti"]);
    compiler.run(&[], &program, "");
}

#[test]
fn cpp_programs_under_valgrind_and_sanitizers() {
    let Some(compiler) = Compiler::new("c++", "cpp-checked") else { return };
    let program = compiler.program("sanitized", &cpp_files(), &[CPP_STANDARDS[3], SANITIZERS[0], SANITIZERS[1]]);
    compiler.run(&[], &program, "");
    let Some(valgrind) = valgrind() else { return };
    let program = compiler.program("plain", &cpp_files(), &[CPP_STANDARDS[1]]);
    compiler.run(&valgrind.each_ref().map(String::as_str), &program, "");
}

/// Also for the static library the system's own libraries are all that is needed.
#[test]
fn the_static_library_links() {
    let Some(compiler) = Compiler::new("cc", "static") else { return };
    let library = shared_library().with_file_name("libotp.a");
    for name in ["storage", "callbacks"] {
        let program = compiler.folder.path().join(name);
        let mut call = compiler.call(&[C_STANDARDS[0]]);
        succeed(call.arg(c_file(name)).arg(&library).args(SYSTEM_LIBRARIES).arg("-o").arg(&program));
        if let Some(readelf) = tool("readelf") {
            let dynamic = succeed(Command::new(readelf).arg("-dW").arg(&program));
            assert!(dynamic.contains("NEEDED") && !dynamic.contains("libotp"), "{dynamic}");
        }
        compiler.run(&[], &program, "sqlite:otp.db");
    }
}
