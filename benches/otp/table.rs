//! The table: a row as soon as it is measured, with median, range, target and whether it is met.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::latency::Latencies;
use crate::machine::load;
use crate::report::Report;

/// What most ratios are to: the rate of the disk.
pub const R: &str = "R, 4 KiB overwrite and fdatasync";

/// One quantity, measured several times.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        Self(values.into_iter().collect())
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The value below which this share of the samples lies.
    pub fn quantile(&self, share: f64) -> f64 {
        let values = self.sorted();
        let place = (values.len().saturating_sub(1)) as f64 * share;
        values.get(place.round() as usize).copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    pub fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// Round by round, this over the other: what disturbed a round disturbed both.
    pub fn over(&self, other: &Samples) -> Samples {
        Samples::of(self.0.iter().zip(&other.0).map(|(this, that)| this / that))
    }

    fn text(&self, unit: &str) -> String {
        let space = if unit.starts_with('/') || unit.is_empty() { "" } else { " " };
        let range =
            if self.0.len() > 1 { format!(" ({}-{})", number(self.min()), number(self.max())) } else { String::new() };
        format!("{}{space}{unit}{range}", number(self.median()))
    }
}

/// What a number has to be.
#[derive(Clone, Copy)]
pub enum Target {
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn text(self, unit: &str) -> String {
        let space = if unit.is_empty() { "" } else { " " };
        match self {
            Target::None => String::new(),
            Target::AtLeast(limit) => format!(">= {}{space}{unit}", number(limit)),
            Target::AtMost(limit) => format!("<= {}{space}{unit}", number(limit)),
        }
    }

    fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Target::None => None,
            Target::AtLeast(limit) => Some(value >= limit),
            Target::AtMost(limit) => Some(value <= limit),
        }
    }
}

/// A row to be: what was measured, and what it is compared with.
pub struct Row<'a> {
    name: &'a str,
    value: &'a Samples,
    unit: &'a str,
    over: Option<Over<'a>>,
    rounds: &'a [Latencies],
    target: Target,
}

struct Over<'a> {
    ratio: &'a Samples,
    unit: &'a str,
    reference: &'a str,
}

impl<'a> Row<'a> {
    pub fn new(name: &'a str, value: &'a Samples, unit: &'a str) -> Self {
        Self { name, value, unit, over: None, rounds: &[], target: Target::None }
    }

    /// The ratio to another benchmark of the same run, and the unit to print behind it.
    pub fn over(self, ratio: &'a Samples, unit: &'a str, reference: &'a str) -> Self {
        Self { over: Some(Over { ratio, unit, reference }), ..self }
    }

    /// How long the operations of each round took.
    pub fn timed(self, rounds: &'a [Latencies]) -> Self {
        Self { rounds, ..self }
    }

    /// What the ratio has to be, or the value where there is none.
    pub fn target(self, target: Target) -> Self {
        Self { target, ..self }
    }

    fn is_met(&self) -> Option<bool> {
        let held = self.over.as_ref().map_or(self.value, |over| over.ratio);
        self.target.is_met(held.median())
    }

    /// As the table has it.
    fn text(&self) -> String {
        let (ratio, unit) =
            self.over.as_ref().map_or((String::new(), self.unit), |over| (over.ratio.text(over.unit), over.unit));
        let all = Latencies::joined(self.rounds);
        let times = match self.rounds {
            [] => String::new(),
            _ => format!("{} / {}", number(all.quantile_us(0.5)), number(all.quantile_us(0.99))),
        };
        let verdict = match self.is_met() {
            None => "",
            Some(true) => "yes",
            Some(false) => "NO",
        };
        let (value, target) = (self.value.text(self.unit), self.target.text(unit));
        let line = format!("  {:<58} {value:<34} {times:<18} {ratio:<28} {target:<14} {verdict}", self.name);
        line.trim_end().to_owned()
    }

    /// As the file has it.
    fn json(&self) -> Value {
        let mut row = json!({
            "unit": if self.unit.is_empty() { "1" } else { self.unit },
            "n": self.value.count(),
            "median": short(self.value.median()),
            "min": short(self.value.min()),
            "max": short(self.value.max()),
        });
        if let Some(Over { ratio, unit, reference }) = &self.over {
            row["reference"] = (*reference).into();
            row["ratio"] = json!({
                "unit": unit, "median": short(ratio.median()), "min": short(ratio.min()), "max": short(ratio.max()),
            });
        }
        if !self.rounds.is_empty() {
            row["latency"] = self.latency();
        }
        match self.target {
            Target::None => {}
            Target::AtLeast(limit) => row["target"] = json!({"atLeast": limit}),
            Target::AtMost(limit) => row["target"] = json!({"atMost": limit}),
        }
        row
    }

    /// Shares of all operations, and the range over the rounds.
    fn latency(&self) -> Value {
        let all = Latencies::joined(self.rounds);
        let share = |share: f64| {
            let rounds = Samples::of(self.rounds.iter().map(|round| round.quantile_us(share)));
            json!({"all": short(all.quantile_us(share)), "min": short(rounds.min()), "max": short(rounds.max())})
        };
        json!({"unit": "us", "n": all.number(), "p50": share(0.5), "p99": share(0.99)})
    }
}

/// A number of which six digits are kept.
fn short(value: f64) -> Value {
    let text = format!("{value:.5e}");
    text.parse::<f64>().map_or(Value::Null, Value::from)
}

/// What is printed, and what is kept for programs.
pub struct Table {
    missed: Vec<String>,
    met: usize,
    /// Rates of the disk seen so far.
    disk: RefCell<Samples>,
    report: Report,
}

impl Table {
    pub fn begin(size: &'static str) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("libotp {}, {cores} cores, load {}", env!("CARGO_PKG_VERSION"), load());
        println!("median (min-max) of the rounds; R is the rate of 4 KiB overwrites with fdatasync around each row");
        println!("half of all operations within p50 us, 99 % within p99 us");
        Self { missed: Vec::new(), met: 0, disk: RefCell::default(), report: Report::begin(size) }
    }

    /// Measures a part, and keeps it.
    pub fn part(&mut self, name: &str, measure: impl FnOnce(&mut Table)) {
        self.report.part(name);
        measure(self);
        self.report.save();
    }

    pub fn heading(&self, text: &str) {
        println!("\n{text}  [load {}]", load());
        println!("  {:<58} {:<34} {:<18} {:<28} {:<14} met", "", "measured", "p50 / p99, us", "ratio", "target");
    }

    /// A value that is held to a target itself.
    pub fn value(&mut self, name: &str, value: &Samples, unit: &str, target: Target) {
        self.row(&Row::new(name, value, unit).target(target));
    }

    pub fn row(&mut self, row: &Row<'_>) {
        println!("{}", row.text());
        match row.is_met() {
            None => {}
            Some(true) => self.met += 1,
            Some(false) => self.missed.push(row.name.to_owned()),
        }
        self.report.add(row.name, row.json());
    }

    /// Remembers a rate of the disk.
    pub fn saw_disk(&self, rate: f64) {
        self.disk.borrow_mut().push(rate);
    }

    pub fn note(&self, text: &str) {
        println!("  {text}");
    }

    pub fn absent(&mut self, name: &str, why: &str) {
        println!("  {name:<58} ABSENT: {why}");
        self.report.absent(name, why);
    }

    pub fn end(self) {
        let disk = self.disk.borrow();
        println!();
        if !disk.0.is_empty() {
            println!("R over the whole run: {}; load {}", disk.text("/s"), load());
        }
        println!("{} targets met, {} missed", self.met, self.missed.len());
        self.missed.iter().for_each(|name| println!("  missed: {name}"));
        println!("{} has all of it", self.report.path().display());
    }
}

/// Three digits, and groups of three before the point.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        x if x >= 99.5 => 0,
        x if x >= 9.95 => 1,
        _ => 2,
    };
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_once('.').map_or((plain.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or(grouped.clone(), |rest| format!("{grouped}.{rest}"))
}
