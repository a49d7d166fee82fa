//! Times as the carrier writes them: `2025-02-03T12:14:25Z`, `2020-01-01T14:00:00.000Z`, `2020-01-01 14:00:00 UTC`.

use crate::clock::{MINUTE_MS, SECOND_MS, Time};

/// Reads a time: one of RFC 3339, or with ` UTC` or nothing for its zone. `None` when it is none, or outside the years
/// 1970 to 9999.
pub fn parse(text: &str) -> Option<Time> {
    let (date, text) = text.trim().split_at_checked(10)?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let text = text.strip_prefix(['T', 't', ' '])?;
    let (time, text) = text.split_at_checked(8)?;
    let mut time = time.splitn(3, ':');
    let (hour, minute, second) = (number(time.next()?, 2)?, number(time.next()?, 2)?, number(time.next()?, 2)?);
    // 60 is a leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (ms, zone) = match text.strip_prefix('.') {
        Some(text) => {
            let end = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
            let (digits, zone) = text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
            (digits.bytes().chain([b'0'; 3]).take(3).fold(0, |ms, digit| ms * 10 + u64::from(digit - b'0')), zone)
        }
        None => (0, text),
    };
    let in_day = (hour * 60 + minute) * MINUTE_MS + second * SECOND_MS + ms;
    let local = Time::from_date(year, month, day)?.ms() + in_day;
    let utc = local.checked_add_signed(-offset_ms(zone.trim_start())?)?;
    (utc <= Time::END.ms()).then(|| Time::from_ms(utc))
}

/// How far a zone is ahead of UTC.
fn offset_ms(zone: &str) -> Option<i64> {
    if ["", "Z", "UTC"].iter().any(|name| zone.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let (sign, zone) = match zone.strip_prefix('+') {
        Some(zone) => (1, zone),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = zone.split_once(':').or_else(|| zone.split_at_checked(2))?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    let ms = i64::try_from((hours * 60 + minutes) * MINUTE_MS).ok()?;
    (hours < 24 && minutes < 60).then_some(sign * ms)
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
