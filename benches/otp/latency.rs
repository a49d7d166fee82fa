//! How long single operations took: counts in narrow classes, so that shares are those of all operations, also over
//! processes.

use std::time::Duration;

/// Each power of two is cut into this many classes of equal width: a class is at most 0.8 % wide.
const CUTS: u64 = 128;
const CUT_BITS: u32 = CUTS.trailing_zeros();

/// Counts by class of nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    pub fn add(&mut self, time: Duration) {
        self.count(class(time.as_nanos() as u64), 1);
    }

    fn count(&mut self, class: usize, times: u64) {
        if self.0.len() <= class {
            self.0.resize(class + 1, 0);
        }
        self.0[class] += times;
    }

    pub fn join(&mut self, other: &Latencies) {
        for (class, times) in other.0.iter().enumerate().filter(|(_, times)| **times > 0) {
            self.count(class, *times);
        }
    }

    /// What many measured, as one.
    pub fn joined<'a>(all: impl IntoIterator<Item = &'a Latencies>) -> Self {
        let mut joined = Self::default();
        all.into_iter().for_each(|one| joined.join(one));
        joined
    }

    pub fn number(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Microseconds within which this share of all operations ended.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let wanted = (share * self.number() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.0.iter().position(|times| {
            seen += times;
            seen >= wanted
        });
        found.map_or(f64::NAN, |class| middle(class) / 1e3)
    }

    /// As a child process tells them: class and count of each that is not empty.
    pub fn text(&self) -> String {
        let filled = self.0.iter().enumerate().filter(|(_, times)| **times > 0);
        filled.map(|(class, times)| format!("{class}:{times}")).collect::<Vec<_>>().join(",")
    }

    pub fn read(text: &str) -> Self {
        let mut latencies = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (class, times) = part.split_once(':').expect("a class and a count");
            latencies.count(class.parse().expect("a class"), times.parse().expect("a count"));
        }
        latencies
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        let mut latencies = Self::default();
        times.into_iter().for_each(|time| latencies.add(time));
        latencies
    }
}

fn class(nanoseconds: u64) -> usize {
    if nanoseconds < CUTS {
        return nanoseconds as usize;
    }
    let shift = nanoseconds.ilog2() - CUT_BITS;
    (u64::from(shift) * CUTS + (nanoseconds >> shift)) as usize
}

/// The nanoseconds in the middle of a class.
fn middle(class: usize) -> f64 {
    let class = class as u64;
    if class < 2 * CUTS {
        return class as f64;
    }
    let shift = class / CUTS - 1;
    let lowest = (class - shift * CUTS) << shift;
    lowest as f64 + ((1_u64 << shift) - 1) as f64 / 2.0
}
