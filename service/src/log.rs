//! The log: one event a line, in JSON, on standard output, and nothing else there. The library's events come as they
//! are, and the service's own have the same form. What people read is on standard error.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Levels, as the library has them.
pub const ERROR: i32 = 1;
pub const WARNING: i32 = 2;
pub const INFO: i32 = 3;

/// Writes an event of the library.
pub fn write(event: &str) {
    // A log that nobody reads any more is no reason to fail.
    let _ = writeln!(io::stdout(), "{event}");
}

/// Writes an event of the service, with its own members.
pub fn event(level: i32, name: &str, members: Value) {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut event = json!({"time": rfc3339(since_1970.as_secs(), since_1970.subsec_millis())});
    event["level"] = level.into();
    event["event"] = name.into();
    if let Value::Object(members) = members {
        for (name, value) in members {
            event[name] = value;
        }
    }
    write(&event.to_string());
}

/// Writes that a call of the library failed. Its detail holds no secret.
pub fn failed(outcome: otp::Outcome, detail: &str) {
    event(ERROR, "failure", json!({"result": outcome.name(), "message": detail}));
}

/// A time as the library's events have it: UTC, with milliseconds.
fn rfc3339(seconds: u64, milliseconds: u32) -> String {
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_those_of_the_calendar() {
        // As `date --utc --date=@SECONDS` has them.
        assert_eq!(rfc3339(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_399, 7), "2000-02-28T23:59:59.007Z");
        assert_eq!(rfc3339(951_782_400, 7), "2000-02-29T00:00:00.007Z");
        assert_eq!(rfc3339(1_735_689_599, 999), "2024-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
    }
}
