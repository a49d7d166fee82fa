//! The table: a row as soon as it is measured, with median, range, target and whether it is met.

use std::cell::RefCell;
use std::fs;

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

/// Rates of the disk seen so far.
#[derive(Default)]
pub struct Table {
    missed: Vec<String>,
    met: usize,
    disk: RefCell<Samples>,
}

impl Table {
    pub fn begin() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("libotp {}, {cores} cores, load {}", env!("CARGO_PKG_VERSION"), load());
        println!("median (min-max) of the rounds; R is the rate of 4 KiB overwrites with fdatasync around each row");
        Self::default()
    }

    pub fn heading(&self, text: &str) {
        println!("\n{text}  [load {}]", load());
        println!("  {:<58} {:<34} {:<28} {:<14} met", "", "measured", "ratio", "target");
    }

    /// A value that is held to a target itself.
    pub fn value(&mut self, name: &str, value: &Samples, unit: &str, target: Target) {
        self.row(name, &value.text(unit), "", &target.text(unit), target.is_met(value.median()));
    }

    /// A value whose ratio to something else is held to a target.
    pub fn ratio(&mut self, name: &str, value: &Samples, unit: &str, ratio: (&Samples, &str), target: Target) {
        let (ratio, of) = ratio;
        self.row(name, &value.text(unit), &ratio.text(of), &target.text(of), target.is_met(ratio.median()));
    }

    fn row(&mut self, name: &str, value: &str, ratio: &str, target: &str, met: Option<bool>) {
        let verdict = match met {
            None => "",
            Some(true) => "yes",
            Some(false) => "NO",
        };
        println!("{}", format!("  {name:<58} {value:<34} {ratio:<28} {target:<14} {verdict}").trim_end());
        match met {
            None => {}
            Some(true) => self.met += 1,
            Some(false) => self.missed.push(name.to_owned()),
        }
    }

    /// Remembers a rate of the disk.
    pub fn saw_disk(&self, rate: f64) {
        self.disk.borrow_mut().push(rate);
    }

    pub fn note(&self, text: &str) {
        println!("  {text}");
    }

    pub fn absent(&self, name: &str, why: &str) {
        println!("  {name:<58} ABSENT: {why}");
    }

    pub fn end(self) {
        let disk = self.disk.borrow();
        println!();
        if !disk.0.is_empty() {
            println!("R over the whole run: {}; load {}", disk.text("/s"), load());
        }
        println!("{} targets met, {} missed", self.met, self.missed.len());
        self.missed.iter().for_each(|name| println!("  missed: {name}"));
    }
}

/// The load of the machine over the last minute: what a number was measured beside.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
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
