//! What a measurement was made on, and when.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

fn file(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What must be the same for numbers to stand in one table.
pub fn describe(folder: &Path) -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = file("/proc/cpuinfo").lines().find_map(|line| {
        let (name, model) = line.split_once(':')?;
        (name.trim() == "model name").then(|| model.trim().to_owned())
    });
    json!({
        "cores": cores,
        "cpu": model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        "kernel": file("/proc/sys/kernel/osrelease").trim(),
        "fileSystem": file_system(folder, &file("/proc/self/mountinfo")),
    })
}

/// The kind of the file system with the longest mount point above the folder.
fn file_system(folder: &Path, mounts: &str) -> String {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?.to_owned();
        folder.starts_with(&point).then(|| (point.len(), kind.split(' ').next().unwrap_or_default().to_owned()))
    };
    // Of two with the same mount point the later covers the earlier.
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map_or("unknown".to_owned(), |(_, kind)| kind)
}

/// The features beyond those of every build.
pub fn features() -> Vec<&'static str> {
    let all = [
        ("postgres", cfg!(feature = "postgres")),
        ("redis", cfg!(feature = "redis")),
        ("smtp", cfg!(feature = "smtp")),
    ];
    all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

/// The load of the machine over the last minute: what a number was measured beside.
pub fn load() -> String {
    let text = file("/proc/loadavg");
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// The time in UTC, as `2026-01-31T23:59:59Z`.
pub fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    let (mut day, time) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut month) = (1970, 0);
    while day >= 365 + is_leap(year) {
        day -= 365 + is_leap(year);
        year += 1;
    }
    let months = [31, 28 + is_leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, day + 1)
}

fn is_leap(year: i64) -> i64 {
    i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
}
