//! `otpLength`, `validityTime`, `maxAttempts` and `policy`, under a profile.

use crate::channel;
use crate::clock::{MINUTE_MS, SECOND_MS};
use crate::error::Result;
use crate::policy::{MOST_FAILURES, MOST_LOCK_MINUTES, MOST_SENDS, Policy, Profile, SendLimit, SubjectFailures};
use crate::record::{ATTEMPTS, LENGTHS, MOST_RETENTION_MINUTES, VALIDITY_MS};
use crate::strict::{Node, Object};

/// NIST SP 800-63B-4, 3.1.3.2: at least six digits, at most ten minutes.
pub const NIST_DIGITS: u8 = 6;
pub const NIST_VALIDITY_MS: u64 = 10 * MINUTE_MS;
/// Regulation (EU) 2018/389, article 4(3)(b): at most five failures in a row.
pub const PSD2_FAILURES: u8 = 5;
/// PCI DSS 4.0.1, 8.3.4: locked after at most ten failures, for at least 30 minutes.
pub const PCI_FAILURES: u32 = 10;
pub const PCI_LOCK_MS: u64 = 30 * MINUTE_MS;

const PROFILES: [(&str, Profile); 4] =
    [("standard", Profile::Standard), ("nist", Profile::Nist), ("psd2", Profile::Psd2), ("pci", Profile::Pci)];

pub struct Rules {
    pub otp_length: u8,
    pub validity_ms: u64,
    pub max_attempts: u8,
    pub policy: Policy,
}

/// The weakest values that a profile allows.
struct Bounds {
    profile: Profile,
    least_digits: u8,
    most_validity_ms: u64,
    most_attempts: u8,
    most_lock_after: u32,
    least_lock_ms: u64,
}

impl Bounds {
    fn of(profile: Profile) -> Self {
        let standard = Self {
            profile,
            least_digits: 0,
            most_validity_ms: u64::MAX,
            most_attempts: u8::MAX,
            most_lock_after: u32::MAX,
            least_lock_ms: 0,
        };
        match profile {
            Profile::Standard => standard,
            Profile::Nist => Self { least_digits: NIST_DIGITS, most_validity_ms: NIST_VALIDITY_MS, ..standard },
            Profile::Psd2 => Self { most_attempts: PSD2_FAILURES, most_lock_after: PSD2_FAILURES.into(), ..standard },
            Profile::Pci => Self { most_lock_after: PCI_FAILURES, least_lock_ms: PCI_LOCK_MS, ..standard },
        }
    }

    fn at_most<T: Ord + Copy>(&self, member: Option<Node>, read: Read<T>, default: T, most: T) -> Result<T> {
        self.bound(member, read, default.min(most), |value| value <= most)
    }

    fn at_least<T: Ord + Copy>(&self, member: Option<Node>, read: Read<T>, default: T, least: T) -> Result<T> {
        self.bound(member, read, default.max(least), |value| value >= least)
    }

    fn bound<T: Copy>(
        &self,
        member: Option<Node>,
        read: Read<T>,
        default: T,
        holds: impl FnOnce(T) -> bool,
    ) -> Result<T> {
        let Some(node) = member else { return Ok(default) };
        let value = read(&node)?;
        if holds(value) {
            return Ok(value);
        }
        let profile = PROFILES.iter().find(|(_, profile)| *profile == self.profile).map_or("", |(name, _)| name);
        Err(node.error(&format!("weaker than profile {profile} allows")))
    }
}

type Read<T> = fn(&Node) -> Result<T>;

pub fn read(root: &mut Object) -> Result<Rules> {
    let mut options = root.take_object("policy")?;
    let profile = match options.take("profile") {
        Some(node) => node.choice(&PROFILES)?,
        None => Profile::Standard,
    };
    let bounds = Bounds::of(profile);
    let length = |node: &Node| node.integer(LENGTHS);
    let attempts = |node: &Node| node.integer(ATTEMPTS);
    Ok(Rules {
        otp_length: bounds.at_least(root.take("otpLength"), length, 6, bounds.least_digits)?,
        validity_ms: bounds.at_most(root.take("validityTime"), read_minutes, 5 * MINUTE_MS, bounds.most_validity_ms)?,
        max_attempts: bounds.at_most(root.take("maxAttempts"), attempts, 5, bounds.most_attempts)?,
        policy: read_policy(options, &bounds)?,
    })
}

/// Minutes, fractions allowed, from a second to a day: as milliseconds.
fn read_minutes(node: &Node) -> Result<u64> {
    let ms = (node.number()? * MINUTE_MS as f64).round();
    if (*VALIDITY_MS.start() as f64..=*VALIDITY_MS.end() as f64).contains(&ms) {
        Ok(ms as u64)
    } else {
        Err(node.error("must be minutes from 1/60 to 1440"))
    }
}

fn read_policy(mut options: Object, bounds: &Bounds) -> Result<Policy> {
    let mut policy = Policy {
        profile: bounds.profile,
        context_required: bounds.profile == Profile::Psd2,
        subject_failures: read_subject_failures(options.take_object("subjectFailures")?, bounds)?,
        ..Policy::default()
    };
    if let Some(node) = options.take("cooldownSeconds") {
        policy.cooldown_ms = node.integer::<u64>(0..=3600)? * SECOND_MS;
    }
    if let Some(node) = options.take("sendLimits") {
        policy.send_limits = node.list(0..=10)?.into_iter().map(read_send_limit).collect::<Result<_>>()?;
    }
    if let Some(node) = options.take("countries") {
        // None at all would allow nobody, or, taken for a missing option, everybody.
        policy.countries = Some(node.list(1..=1000)?.iter().map(read_country).collect::<Result<_>>()?);
    }
    if let Some(node) = options.take("retentionMinutes") {
        policy.retention_minutes = node.integer(0..=MOST_RETENTION_MINUTES)?;
    }
    options.finish()?;
    Ok(policy)
}

fn read_subject_failures(mut options: Object, bounds: &Bounds) -> Result<SubjectFailures> {
    let default = Policy::default().subject_failures;
    let count = |node: &Node| node.integer(1..=MOST_FAILURES);
    let minutes = |node: &Node| Ok(node.integer::<u64>(1..=MOST_LOCK_MINUTES)? * MINUTE_MS);
    let lock_after = options.take("lockAfter");
    let lock_minutes = options.take("lockMinutes");
    let failures = SubjectFailures {
        lock_after: bounds.at_most(lock_after, count, default.lock_after, bounds.most_lock_after)?,
        lock_ms: bounds.at_least(lock_minutes, minutes, default.lock_ms, bounds.least_lock_ms)?,
        disable_after: options.take("disableAfter").map_or(Ok(default.disable_after), |node| count(&node))?,
    };
    options.finish()?;
    Ok(failures)
}

fn read_send_limit(node: Node) -> Result<SendLimit> {
    let mut options = node.object()?;
    let is_name = |node: Node| node.text_if("the name of a channel", channel::is_name).map(str::to_owned);
    let limit = SendLimit {
        channel: options.take("channel").map(is_name).transpose()?,
        count: options.need("count")?.integer(1..=MOST_SENDS)?,
        window_ms: options.need("minutes")?.integer::<u64>(1..=1440)? * MINUTE_MS,
    };
    options.finish()?;
    Ok(limit)
}

fn read_country(node: &Node) -> Result<String> {
    // No number in canonical form begins with a zero, so such a prefix would allow nothing.
    let is_prefix = |text: &str| {
        (1..=7).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
    };
    node.text_if("1 to 7 digits, the first not 0", is_prefix).map(str::to_owned)
}
