//! Says, before anything is built, what the tests will need and how long they take.

/// The programs that tests start, and whose they are where the name does not tell.
const TOOLS: [&str; 24] = [
    "cc",
    "c++",
    "chromium",
    "cmake",
    "dpkg-deb",
    "ecj",
    "fish",
    "go",
    "groff",
    "java",
    "lintian",
    "luajit",
    "mono",
    "node",
    "pg_ctl",
    "pgbouncer",
    "php",
    "pkg-config",
    "python3",
    "redis-server",
    "ruby",
    "strace",
    "valgrind",
    "zsh",
];

fn main() {
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-changed=build.rs");
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&folders).collect();
    // PostgreSQL keeps its programs to itself.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    folders.extend(versions.filter_map(|version| Some(version.ok()?.path().join("bin"))));
    let missing: Vec<_> =
        TOOLS.into_iter().filter(|name| !folders.iter().any(|folder| folder.join(name).exists())).collect();
    println!("cargo::warning=all tests take about 20 minutes on 2 cores with their build, those of --lib about 6");
    if !missing.is_empty() {
        println!("cargo::warning=what needs these is left out, since they are missing: {}", missing.join(", "));
    }
}
