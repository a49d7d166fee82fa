//! The shared library: its size, and how long a process that loads it waits.

use std::ffi::{CString, c_char, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::time::Instant;

use crate::Size;
use crate::disk::Folder;
use crate::load::{fill, sqlite};
use crate::scale::status_kb;
use crate::table::{Samples, Table, Target, number};

pub fn measure(table: &mut Table, size: Size) {
    table.heading("The shared library (1 MB is 10^6 bytes)");
    let library = std::env::current_exe().expect("the path of this program").with_file_name("libotp.so");
    if !library.exists() {
        table.absent("libotp.so", "it is not beside this program");
        return;
    }
    let folder = Folder::new("library");
    let mut loaded = library.clone();
    let as_built = bytes(&library);
    table.value("size as built", &Samples::of([as_built as f64 / 1e6]), "MB", Target::None);
    match stripped(&library, &folder) {
        Some(path) => {
            let megabytes = Samples::of([bytes(&path) as f64 / 1e6]);
            table.value("size stripped, redis, postgres and smtp", &megabytes, "MB", Target::AtMost(9.0));
            loaded = path;
            if size.name == "full" {
                variants(table, &folder);
            }
        }
        None => table.absent("size, stripped", "there is no program strip"),
    }
    let database = folder.file("otp.db");
    fill(&sqlite(&database), 0, 1000);
    let mut rows: [Samples; 5] = Default::default();
    for _ in 0..size.rounds * 3 {
        let role = ["library", &loaded.display().to_string(), &database.display().to_string()];
        let output = crate::child(&role).output().expect("a child process");
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        assert_eq!(numbers.len(), rows.len(), "{}", String::from_utf8_lossy(&output.stderr));
        rows.iter_mut().zip(numbers).for_each(|(row, number)| row.push(number));
    }
    let [load, verified, anonymous, resident, before] = &rows;
    table.value("dlopen", load, "ms", Target::AtMost(1.0));
    table.value("dlopen to the first verify answered, sqlite: of 1,000 items", verified, "ms", Target::None);
    table.value("resident memory after it, in all", resident, "MB", Target::None);
    table.value("anonymous memory after it", anonymous, "MB", Target::AtMost(8.0));
    table.note(&format!(
        "before dlopen {} MB were resident; dlopen maps a file that is cached",
        number(before.median())
    ));
}

/// The library with less in it, each built for the purpose.
fn variants(table: &mut Table, folder: &Folder) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-variants");
    let variants = [
        ("plain", "", Target::AtMost(4.8)),
        ("redis", "redis", Target::None),
        ("postgres", "postgres", Target::None),
        ("smtp", "smtp", Target::None),
        ("redis and postgres", "redis,postgres", Target::None),
    ];
    for (name, features, target_size) in variants {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--release", "--locked", "--quiet", "--lib"]);
        build.args(["--package", "libotp", "--features", features]).arg("--target-dir").arg(&target);
        let is_built = build.status().is_ok_and(|status| status.success());
        match is_built.then(|| stripped(&target.join("release/libotp.so"), folder)).flatten() {
            Some(path) => {
                let megabytes = Samples::of([bytes(&path) as f64 / 1e6]);
                table.value(&format!("size stripped, {name}"), &megabytes, "MB", target_size);
            }
            None => table.absent(&format!("size stripped, {name}"), "it could not be built"),
        }
    }
}

fn bytes(path: &PathBuf) -> u64 {
    fs::metadata(path).expect("the library").len()
}

fn stripped(library: &PathBuf, folder: &Folder) -> Option<PathBuf> {
    let path = folder.file(&format!("libotp.so.{}", fs::read_dir(folder.path()).ok()?.count()));
    let status = Command::new("strip").arg("-o").arg(&path).arg(library).status().ok()?;
    status.success().then_some(path)
}

type Open = unsafe extern "C" fn(*const c_char, *mut *mut c_void, *mut c_char, usize) -> i32;
type Verify = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *mut c_char, usize) -> i32;

/// The child: loads the library as a program of another language would, and verifies.
pub fn tell(words: Vec<&str>) {
    let [library, database] = words[..] else { panic!("a role of two words") };
    let path = CString::new(library).expect("a path");
    let config = format!(r#"{{"repository": "sqlite:{database}", "sender": {{"type": "none"}}}}"#);
    let config = CString::new(config).expect("text");
    let before = status_kb("VmRSS:");
    let begun = Instant::now();
    // SAFETY: a library that runs nothing but its own set-up.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    let loaded = begun.elapsed();
    assert!(!handle.is_null(), "{library} cannot be loaded");
    // SAFETY: the handle is open, and the functions have these types in otp.h.
    let (open, verify) = unsafe {
        let (open, verify) = (libc::dlsym(handle, c"otp_open".as_ptr()), libc::dlsym(handle, c"otp_verify".as_ptr()));
        assert!(!open.is_null() && !verify.is_null());
        (std::mem::transmute::<*mut c_void, Open>(open), std::mem::transmute::<*mut c_void, Verify>(verify))
    };
    let (mut service, token) = (ptr::null_mut(), CString::new(crate::load::token(7)).expect("text"));
    // SAFETY: every text ends with NUL, and the service can be written.
    unsafe {
        assert_eq!(open(config.as_ptr(), &mut service, ptr::null_mut(), 0), 0);
        let result = verify(service, token.as_ptr(), c"000000".as_ptr(), ptr::null_mut(), 0);
        assert!(result >= 0);
    }
    let verified = begun.elapsed();
    let megabytes = |name: &str| status_kb(name) as f64 / 1024.0;
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (anonymous, resident) = (megabytes("RssAnon:"), megabytes("VmRSS:"));
    println!("{} {} {anonymous} {resident} {}", ms(loaded), ms(verified), before as f64 / 1024.0);
}
