//! Measurements of libotp: `cargo bench`, or parts of it, such as `cargo bench -- durable carrier`. There are `durable`,
//! `carrier`, `processes`, `engines`, `scale`, `due`, `border`, `metrics`, `library`
//! and `peers`.
//!
//! `OTP_BENCH_SIZE=small` (the default) is a quick look, `full` takes the numbers that count. Everything durable is
//! compared with R, the rate of 4 KiB overwrites with fdatasync on the same disk, taken just before and just after
//! each measurement: the ratios can be compared between machines and hours, the absolute numbers cannot.

mod border;
mod carrier;
mod disk;
mod due;
mod durable;
mod engines;
mod library;
mod load;
mod metrics;
mod peers;
mod processes;
mod scale;
mod table;

use std::process::ExitCode;

use table::Table;

/// What a process of this program was started for, when it is not the one that prints.
const ROLE: &str = "OTP_BENCH_ROLE";

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Size {
    /// How often each measurement is taken.
    pub rounds: usize,
    /// Verifies of a measurement that is about the cost of counting.
    pub counted: usize,
    /// How long a measurement lasts, in milliseconds.
    pub cell_ms: u64,
    /// Items that are there before anything is measured.
    pub base: usize,
    /// Numbers of live items that are compared with each other.
    pub scales: &'static [usize],
    /// Items with two addresses, to weigh them.
    pub weighed: usize,
    /// Timers that are due at once in a database, and other rows in it.
    pub due_timers: usize,
    pub due_rows: usize,
    /// Files of a folder in which timers are due.
    pub due_files: usize,
}

const SMALL: Size = Size {
    rounds: 3,
    counted: 100_000,
    cell_ms: 300,
    base: 3_000,
    scales: &[1_000, 10_000, 100_000],
    weighed: 20_000,
    due_timers: 10_000,
    due_rows: 100_000,
    due_files: 10_000,
};
const FULL: Size = Size {
    rounds: 5,
    counted: 1_000_000,
    cell_ms: 800,
    base: 30_000,
    scales: &[1_000, 100_000, 1_000_000],
    weighed: 100_000,
    due_timers: 100_000,
    due_rows: 1_000_000,
    due_files: 100_000,
};

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE) {
        return play(&role);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --all-targets` runs this too, without optimisation.
        println!("measurements run under `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let size = match std::env::var("OTP_BENCH_SIZE").as_deref() {
        Err(_) | Ok("small") => SMALL,
        Ok("full") => FULL,
        Ok(other) => {
            eprintln!("OTP_BENCH_SIZE is small or full, not {other}");
            return ExitCode::FAILURE;
        }
    };
    let parts: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    let known = ["durable", "carrier", "processes", "engines", "scale", "due", "border", "metrics", "library", "peers"];
    if let Some(part) = parts.iter().find(|part| !known.contains(part)) {
        eprintln!("there is no part {part:?}; there are {}", known.join(", "));
        return ExitCode::FAILURE;
    }
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let mut table = Table::begin();
    let ours = if wanted("durable") { Some(durable::measure(&mut table, size)) } else { None };
    if wanted("carrier") {
        carrier::measure(&mut table, size);
    }
    if wanted("processes") {
        processes::measure(&mut table, size);
    }
    if wanted("engines") {
        engines::measure(&mut table, size);
    }
    if wanted("scale") {
        scale::measure(&mut table, size);
    }
    if wanted("due") {
        due::measure(&mut table, size);
    }
    if wanted("border") {
        border::measure(&mut table, size);
    }
    if wanted("metrics") {
        metrics::measure(&mut table, size);
    }
    if wanted("library") {
        library::measure(&mut table, size);
    }
    if wanted("peers") {
        peers::measure(&mut table, size, ours.as_ref());
    }
    table.end();
    ExitCode::SUCCESS
}

/// Runs as a child process: the role and what it needs, separated by line breaks.
fn play(role: &str) -> ExitCode {
    let mut words = role.split('\n');
    match words.next() {
        Some("worker") => processes::work(words.collect()),
        Some("memory") => scale::tell_memory(words.collect()),
        Some("library") => library::tell(words.collect()),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// This program, in a role.
pub fn child(role: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().expect("the path of this program"));
    command.env(ROLE, role.join("\n"));
    command
}
