//! Limits: what a policy allows, and the two counters that hold it. Pure: no I/O and no clock.
//!
//! [`Failures`] counts wrong codes of one subject over all its codes (NIST SP 800-63B-4, 3.2.2); [`Sends`] keeps the
//! times of the messages to one recipient. A time that lies in the future, as a wrong clock leaves it, counts from
//! now, so that no lock outlasts its own length.

use serde::{Deserialize, Serialize};

use crate::clock::{DAY_MS, MINUTE_MS, SWEPT_AHEAD_MS, Time};

/// How long failures below the lock are remembered after the last one.
const FAILURES_KEPT_MS: u64 = 30 * DAY_MS;

/// The longest window a send limit may have, and so how long a send is remembered.
pub const SENDS_KEPT_MS: u64 = DAY_MS;

/// Most failures in a row of one subject: no more are counted, as it is disabled by then.
pub const MOST_FAILURES: u64 = 100;

/// The longest lock of a subject.
pub const MOST_LOCK_MINUTES: u64 = 1440;

/// Most messages that a send limit may count, and so how many sends are remembered.
pub const MOST_SENDS: u64 = 1000;

/// A named set of rules that options may tighten but not loosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The library's own defaults; weaker options are allowed, with a warning.
    #[default]
    Standard,
    /// NIST SP 800-63B-4, 3.1.3.2: six digits or more, ten minutes at most.
    Nist,
    /// Regulation (EU) 2018/389, articles 4 and 5: five failures in a row at most, a context with every code.
    Psd2,
    /// PCI DSS 4.0.1, 8.3.4: locked for 30 minutes or more after ten failures at most.
    Pci,
}

/// At most `count` messages to one recipient within `window_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendLimit {
    /// The only channel whose messages count, if not all do.
    pub channel: Option<String>,
    /// Messages allowed.
    pub count: u32,
    /// Length of the sliding window, in milliseconds.
    pub window_ms: u64,
}

/// What happens to a subject that fails again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectFailures {
    /// Every multiple of this many failures in a row locks the subject.
    pub lock_after: u32,
    /// For how long, in milliseconds.
    pub lock_ms: u64,
    /// This many disable it until it is unlocked.
    pub disable_after: u32,
}

/// The limits of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where the defaults came from.
    pub profile: Profile,
    /// Least time between two messages to one recipient, in milliseconds; 0 for none.
    pub cooldown_ms: u64,
    /// Sliding windows, all of which hold.
    pub send_limits: Vec<SendLimit>,
    /// Limits of a subject's failures.
    pub subject_failures: SubjectFailures,
    /// Digits with which an allowed phone number may begin; all may when absent.
    pub countries: Option<Vec<String>>,
    /// How long a record is kept after its code ended, in minutes.
    pub retention_minutes: u32,
    /// Whether every code must be bound to a context.
    pub context_required: bool,
}

impl Policy {
    /// Whether a phone number in canonical form may be sent to.
    pub fn allows(&self, phone: &str) -> bool {
        self.countries.as_ref().is_none_or(|prefixes| prefixes.iter().any(|prefix| phone.starts_with(prefix)))
    }

    /// How many sends to a recipient have to be remembered. Never fewer than the defaults count, so that a service
    /// with looser limits does not blind one with the usual ones.
    pub fn sends_kept(&self) -> usize {
        self.send_limits.iter().map(|limit| limit.count as usize).fold(50, usize::max)
    }

    /// Whether messages by this channel are counted by themselves.
    pub fn counts_channel(&self, channel: &str) -> bool {
        self.send_limits.iter().any(|limit| limit.channel.as_deref() == Some(channel))
    }

    /// How long from `now` until a message to this recipient is allowed; `None` when it is allowed now. `sends` are
    /// those by all channels, or those by one of which this tells the limits.
    pub fn send_wait_ms(&self, channel: Option<&str>, turn: Turn, sends: &Sends, now: Time) -> Option<u64> {
        let cools_down = turn == Turn::First && channel.is_none() && self.cooldown_ms > 0;
        let cooldown = cools_down.then_some((1, self.cooldown_ms));
        let limits = self.send_limits.iter().filter(|limit| limit.channel.as_deref() == channel);
        let limits = limits.map(|limit| (limit.count, limit.window_ms)).chain(cooldown);
        limits.filter_map(|(count, window_ms)| sends.wait_ms(count, window_ms, now)).max()
    }
}

/// Which of a delivery's steps a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The first: the cool-down and the limits hold.
    First,
    /// A later one: the limits alone.
    Later,
}

/// How a subject stands, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Guesses are looked at.
    Open,
    /// No guess is looked at for this many milliseconds.
    LockedFor(u64),
    /// No guess is looked at until it is unlocked.
    Disabled,
}

/// Failures in a row of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last: Time,
    /// Length of the lock that the last one began, in milliseconds; 0 for none.
    pub lock_ms: u64,
    /// Whether only an unlock helps.
    pub disabled: bool,
}

impl Failures {
    /// Brings what lies in the future down to `now`, and forgets what is over. True when that changed anything.
    pub fn settle(&mut self, now: Time) -> bool {
        let before = self.clone();
        if self.count > 0 || self.disabled {
            self.last = self.last.min(now);
        }
        if !self.disabled && now >= self.kept_until() {
            *self = Self::default();
        }
        *self != before
    }

    /// Whether guesses are looked at. Call [`Failures::settle`] first.
    pub fn standing(&self, now: Time) -> Standing {
        if self.disabled {
            return Standing::Disabled;
        }
        match self.last.plus(self.lock_ms).since(now) {
            0 => Standing::Open,
            left => Standing::LockedFor(left),
        }
    }

    /// Counts one more failure, which may lock or disable the subject.
    pub fn count(&mut self, limits: SubjectFailures, now: Time) {
        // Somebody may have written a number that only a disabled subject reaches.
        self.count = self.count.saturating_add(1).min(MOST_FAILURES as u32);
        self.last = now;
        self.disabled = self.disabled || self.count >= limits.disable_after;
        self.lock_ms = if self.count.is_multiple_of(limits.lock_after) { limits.lock_ms } else { 0 };
    }

    /// Until when the row has to be kept.
    pub fn kept_until(&self) -> Time {
        if self.disabled { Time::END } else { self.last.plus(FAILURES_KEPT_MS.max(self.lock_ms)) }
    }

    /// What a sweep leaves of them: nothing when they are over, and otherwise what is left by now.
    pub fn swept(mut self, now: Time) -> Option<Self> {
        if self.last <= now || self.last.since(now) > SWEPT_AHEAD_MS {
            self.settle(now);
        }
        (!self.is_clear()).then_some(self)
    }

    /// Whether there is nothing to keep.
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }
}

/// Times of the messages sent to one recipient, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sends {
    /// The times, ascending.
    pub times: Vec<Time>,
}

impl Sends {
    /// Brings what lies in the future down to `now`. True when that changed anything.
    pub fn settle(&mut self, now: Time) -> bool {
        let mut changed = false;
        for time in self.times.iter_mut().filter(|time| **time > now) {
            *time = now;
            changed = true;
        }
        changed
    }

    /// Adds a message, and forgets those that no limit can count any more: the old ones, and all but the newest
    /// `keep`.
    pub fn add(&mut self, now: Time, keep: usize) {
        self.times.retain(|time| now.since(*time) < SENDS_KEPT_MS);
        self.times.push(now);
        self.times.drain(..self.times.len().saturating_sub(keep.max(1)));
    }

    fn wait_ms(&self, count: u32, window_ms: u64, now: Time) -> Option<u64> {
        // The limit is full as long as its `count`-th newest message lies inside the window.
        let oldest = self.times.len().checked_sub(count as usize)?;
        let until = self.times.get(oldest)?.plus(window_ms);
        (until > now).then(|| until.since(now))
    }

    /// What a sweep leaves of them, by the rule for failures.
    pub fn swept(mut self, now: Time) -> Option<Self> {
        if self.times.last().is_some_and(|last| last.since(now) > SWEPT_AHEAD_MS) {
            self.settle(now);
        }
        (now < self.kept_until()).then_some(self)
    }

    /// Until when the row has to be kept.
    pub fn kept_until(&self) -> Time {
        self.times.last().map_or(Time::START, |last| last.plus(SENDS_KEPT_MS))
    }
}

impl Default for Policy {
    fn default() -> Self {
        let limit = |count, minutes| SendLimit { channel: None, count, window_ms: minutes * MINUTE_MS };
        Self {
            profile: Profile::Standard,
            cooldown_ms: 30_000,
            send_limits: vec![limit(5, 10), limit(15, 60), limit(50, 1440)],
            subject_failures: SubjectFailures { lock_after: 10, lock_ms: 30 * MINUTE_MS, disable_after: 100 },
            countries: None,
            retention_minutes: 1440,
            context_required: false,
        }
    }
}

#[cfg(test)]
mod tests;
