//! Where a value stands from left to right, and what is written below.

/// From the lowest to the highest value that is shown.
pub struct Axis {
    low: f64,
    high: f64,
    is_linear: bool,
}

impl Axis {
    /// Powers of ten around the values, or from zero in equal steps.
    pub fn around(values: &[f64], from_zero: bool) -> Self {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if from_zero {
            return Self { low: 0.0, high: (most * 1.05).ceil().max(1.0), is_linear: true };
        }
        let (low, high) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
        Self { low, high: high.max(low * 10.0), is_linear: false }
    }

    /// From 0 at the left to 1 at the right.
    pub fn share(&self, value: f64) -> f64 {
        if self.is_linear {
            return value / self.high;
        }
        (value / self.low).log10() / (self.high / self.low).log10()
    }

    pub fn ticks(&self) -> Vec<f64> {
        let mut ticks = vec![self.low];
        if self.is_linear {
            let step = (self.high / 5.0).ceil();
            while ticks[ticks.len() - 1] + step <= self.high {
                ticks.push(ticks[ticks.len() - 1] + step);
            }
            return ticks;
        }
        while ticks[ticks.len() - 1] * 1.5 < self.high {
            ticks.push(ticks[ticks.len() - 1] * 10.0);
        }
        ticks
    }
}

/// A value and its unit, in three digits.
pub fn text(value: f64, unit: &str) -> String {
    let (value, unit) = match unit {
        "µs" if value >= 999_500.0 => (value / 1e6, "s"),
        "µs" if value >= 999.5 => (value / 1e3, "ms"),
        unit => (value, unit),
    };
    let space = if unit.starts_with('/') { "" } else { " " };
    format!("{}{space}{unit}", number(value))
}

/// What stands at a tick: there is little room.
pub fn short_text(value: f64, unit: &str) -> String {
    match unit {
        "/s" if value >= 1e6 => format!("{}M/s", value / 1e6),
        "/s" if value >= 1e3 => format!("{}k/s", value / 1e3),
        unit => text(value, unit),
    }
}

/// Three digits, and groups of three before the point.
fn number(value: f64) -> String {
    let power = if value > 0.0 { value.log10().floor() as i32 } else { 2 };
    let unit = 10_f64.powi(power - 2);
    let rounded = (value / unit).round() * unit;
    let plain = format!("{rounded:.*}", (2 - power).max(0) as usize);
    let (whole, rest) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}
