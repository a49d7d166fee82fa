//! A file that `cargo bench` wrote.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::{Fault, read};

/// A value and the range it had over the rounds.
#[derive(Clone, Copy)]
pub struct Range {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

pub struct Benchmark {
    pub value: Range,
    /// Microseconds within which this share of all operations ended.
    pub p50: Option<Range>,
    pub p99: Option<Range>,
}

pub struct Results {
    benchmarks: BTreeMap<String, Benchmark>,
    absent: Vec<(String, String)>,
    /// Where and when it was measured.
    pub caption: String,
}

impl Results {
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let fault = |cause: &str| format!("{}: {cause}", path.display());
        let file: Value = serde_json::from_str(&read(path)?).map_err(|cause| fault(&cause.to_string()))?;
        if file["format"] != "libotp benchmarks" || file["version"] != 1 {
            return Err(fault("not a file of benchmarks, or of another version than 1"));
        }
        let list = |name: &str| file[name].as_array().cloned().ok_or(fault(&format!("{name}: a list is missing")));
        let rows = list("benchmarks")?;
        let mut benchmarks = BTreeMap::new();
        for row in &rows {
            let name = row["name"].as_str().ok_or(fault("a benchmark has no name"))?;
            benchmarks.insert(name.to_owned(), benchmark(row).ok_or(fault(&format!("{name}: a number is missing")))?);
        }
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let absent = list("absent")?.iter().map(|row| (text(row, "name"), text(row, "why"))).collect();
        Ok(Self { benchmarks, absent, caption: caption(&file, &rows) })
    }

    pub fn get(&self, name: &str) -> Option<&Benchmark> {
        self.benchmarks.get(name)
    }

    /// What the run said when it left something out that this begins with.
    pub fn why_absent(&self, name: &str) -> &str {
        let found = self.absent.iter().find(|(absent, _)| name.starts_with(absent.as_str()));
        found.map_or("its part has not run", |(_, why)| why.as_str())
    }
}

fn benchmark(row: &Value) -> Option<Benchmark> {
    let range = |row: &Value, value: &str| {
        Some(Range { value: row[value].as_f64()?, low: row["min"].as_f64()?, high: row["max"].as_f64()? })
    };
    let latency = &row["latency"];
    Some(Benchmark {
        value: range(row, "median")?,
        p50: range(&latency["p50"], "all"),
        p99: range(&latency["p99"], "all"),
    })
}

fn caption(file: &Value, rows: &[Value]) -> String {
    let machine = &file["machine"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut days: Vec<String> = rows.iter().map(|row| text(&row["date"]).chars().take(10).collect()).collect();
    days.sort();
    let days = match (days.first(), days.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(day), _) => day.clone(),
        _ => "no day".to_owned(),
    };
    let cores = &machine["cores"];
    format!("libotp {}, {cores} cores, {}, {days}", text(&file["library"]), text(&machine["fileSystem"]))
}
