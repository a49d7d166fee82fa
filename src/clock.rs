//! The only reader of the time, and the only calendar.
//!
//! A library for dates was weighed (jiff 0.2, by `opt-level = "s"` and fat LTO): it adds 178 KB to a shared library that
//! formats and parses one timestamp, against the forty lines here, and the carrier's own spellings of a time would still
//! have to be read beside it. The smaller one stays.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A second, in milliseconds.
pub const SECOND_MS: u64 = 1000;
/// A minute, in milliseconds.
pub const MINUTE_MS: u64 = 60 * SECOND_MS;
/// A day, in milliseconds.
pub const DAY_MS: u64 = 1440 * MINUTE_MS;

/// How far ahead a row must lie before a sweep takes its times for those of a clock that was wrong. A sweep comes by
/// the rows of all tenants and hosts, whose clocks differ, and nobody asked about them. What lies less far ahead ends by
/// itself soon enough.
pub const SWEPT_AHEAD_MS: u64 = DAY_MS;

/// How far the monotonic clock must have gone during a wait before the time that was read is moved on.
const WAIT_IGNORED: Duration = Duration::from_secs(1);

/// A moment of the wall clock: milliseconds since 1970-01-01T00:00Z, within the years 1970 to 9999.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Time(u64);

impl Time {
    /// 1970-01-01T00:00:00.000Z.
    pub const START: Time = Time(0);
    /// 9999-12-31T23:59:59.999Z.
    pub const END: Time = Time(253_402_300_799_999);

    /// The time, brought into range.
    pub fn from_ms(ms: u64) -> Self {
        Time(ms).min(Self::END)
    }

    /// The start of a day of the Gregorian calendar; `None` when there is no such day within range.
    pub fn from_date(year: u64, month: u64, day: u64) -> Option<Self> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
            return None;
        }
        let days = days_from_civil(year, month, day);
        // A day that the month does not have would come out as one of the next.
        (civil_from_days(days) == (year, month, day)).then(|| Time(days * DAY_MS))
    }

    /// Milliseconds since 1970.
    pub fn ms(self) -> u64 {
        self.0
    }

    /// The time `ms` later, at most [`Time::END`].
    pub fn plus(self, ms: u64) -> Self {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` until this time; 0 when it is not earlier.
    pub fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A number that was written down: one beyond the range is no time.
impl TryFrom<u64> for Time {
    type Error = &'static str;

    fn try_from(ms: u64) -> Result<Self, Self::Error> {
        if ms <= Self::END.ms() { Ok(Time(ms)) } else { Err("expected a time before the year 10000") }
    }
}

/// RFC 3339, UTC, with milliseconds.
impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, in_day) = (self.0 / DAY_MS, self.0 % DAY_MS);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (in_day / 3_600_000, in_day / MINUTE_MS % 60, in_day / SECOND_MS % 60);
        let ms = in_day % SECOND_MS;
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Year, month and day of the proleptic Gregorian calendar, counting years from March so that the leap day comes
/// last.
fn civil_from_days(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468; // days from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`], for years from 1970.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day;
    let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // Days from the first of March of year 0, counted from one.
    (era * 146_097 + day_of_era).saturating_sub(719_469)
}

/// The host's wall clock.
pub fn wall() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time that was read before a transaction, and how to bring it up to date when the transaction runs.
#[derive(Clone, Copy)]
pub struct Moment {
    time: Time,
    read_at: Instant,
    #[cfg_attr(not(any(test, feature = "redis", feature = "postgres")), allow(dead_code))]
    is_host_s: bool,
}

impl Moment {
    /// `time` as read just now.
    pub fn new(time: Time) -> Self {
        Self { time, read_at: Instant::now(), is_host_s: false }
    }

    /// `time` as the host told it just now: no other clock goes before it.
    pub fn of_host(time: Time) -> Self {
        Self { is_host_s: true, ..Self::new(time) }
    }

    /// Whether the host told it.
    #[cfg(any(test, feature = "redis", feature = "postgres"))]
    pub fn is_host_s(&self) -> bool {
        self.is_host_s
    }

    /// The time for the transaction that runs now: moved on by the wait, if that was long.
    pub fn now(&self) -> Time {
        let waited = self.read_at.elapsed();
        if waited <= WAIT_IGNORED {
            return self.time;
        }
        self.time.plus(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, Time};

    #[test]
    fn rfc3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Time::from_ms(ms).to_string(), text);
        }
    }
    #[test]
    fn dates() {
        for day in (0..=Time::END.ms() / DAY_MS).step_by(7) {
            let start = Time::from_ms(day * DAY_MS);
            let text = start.to_string();
            let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
            assert_eq!(Time::from_date(number(0..4), number(5..7), number(8..10)), Some(start));
        }
        assert_eq!(Time::from_date(2024, 2, 29).map(Time::ms), Some(1_709_164_800_000));
        for (year, month, day) in [
            (2023, 2, 29),
            (2100, 2, 29),
            (2024, 4, 31),
            (2024, 1, 0),
            (2024, 1, 32),
            (2024, 0, 1),
            (2024, 13, 1),
            (1970, 1, 0),
            (1969, 12, 31),
            (10_000, 1, 1),
            (2024, 1, u64::MAX / 2),
        ] {
            assert_eq!(Time::from_date(year, month, day), None, "{year}-{month}-{day}");
        }
    }
}
