//! Measurements of libotp: `cargo bench`, or parts of it, such as `cargo bench -- durable carrier`. There are `durable`,
//! `carrier`, `processes`, `engines`, `scale`, `due`, `border`, `metrics`, `library`
//! and `peers`.
//!
//! `OTP_BENCH_SIZE=small` (the default) is a quick look, `full` takes the numbers that count. Everything durable is
//! compared with R, the rate of 4 KiB overwrites with fdatasync on the same disk, taken just before and just after
//! each measurement: the ratios can be compared between machines and hours, the absolute numbers cannot.
//!
//! `target/bench.json` has the same for programs: a part that has run takes the place of what the file had of it. What
//! `OTP_BENCH_NOTE` says is kept with each row, such as "the machine is shared".

mod border;
mod carrier;
mod disk;
mod due;
mod durable;
mod engines;
mod latency;
mod library;
mod load;
mod machine;
mod metrics;
mod peers;
mod processes;
mod report;
mod scale;
mod table;

use std::process::ExitCode;

use table::Table;

/// What a process of this program was started for, when it is not the one that prints.
const ROLE: &str = "OTP_BENCH_ROLE";

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Size {
    pub name: &'static str,
    /// How often each measurement is taken.
    pub rounds: usize,
    /// Verifies of a measurement that is about the cost of counting.
    pub counted: usize,
    /// How long a measurement lasts, in milliseconds.
    pub cell_ms: u64,
    /// Operations of each kind by each peer in a round.
    pub compared: usize,
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
    name: "small",
    rounds: 3,
    counted: 100_000,
    cell_ms: 300,
    compared: 300,
    base: 3_000,
    scales: &[1_000, 10_000, 100_000],
    weighed: 20_000,
    due_timers: 10_000,
    due_rows: 100_000,
    due_files: 10_000,
};
const FULL: Size = Size {
    name: "full",
    rounds: 5,
    counted: 1_000_000,
    cell_ms: 800,
    compared: 500,
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
    let all: [(&str, Measure); 10] = [
        ("durable", durable::measure),
        ("carrier", carrier::measure),
        ("processes", processes::measure),
        ("engines", engines::measure),
        ("scale", scale::measure),
        ("due", due::measure),
        ("border", border::measure),
        ("metrics", metrics::measure),
        ("library", library::measure),
        ("peers", peers::measure),
    ];
    if let Some(part) = parts.iter().find(|part| all.iter().all(|(known, _)| known != *part)) {
        eprintln!("there is no part {part:?}; there are {}", all.map(|(known, _)| known).join(", "));
        return ExitCode::FAILURE;
    }
    let mut table = Table::begin(size.name);
    for (part, measure) in all.iter().filter(|(part, _)| parts.is_empty() || parts.contains(part)) {
        table.part(part, |table| measure(table, size));
    }
    table.end();
    ExitCode::SUCCESS
}

/// Measures a part.
type Measure = fn(&mut Table, Size);

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
